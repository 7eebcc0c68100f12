"""Stages with several systems: one config that names its system and holds a part for each.

    @dataclass(frozen=True, kw_only=True)
    class MotionConfig:
        system: Literal["fd2talk", "disenttalk"]
        fd2talk: FD2TalkConfig = FD2TalkConfig()
        disenttalk: DisentTalkConfig = DisentTalkConfig()

Not a union of the parts: a parser takes the first that fits, and what a user leaves out fits any.
`system` has no default, so that nobody trains another system than the one that was meant.
"""

from typing import Any, get_args, get_type_hints

from viseme_core.config import to_plain


def stored_config(config: Any) -> dict[str, Any]:
    """Return a stage config as plain values, without the parts of the systems it did not choose.

    A config without a field `system` is returned whole.

    Raises:
        ValueError: If a part that was not chosen differs from its defaults: somebody set it.
    """
    plain = to_plain(config)
    for name in _others(config):
        part = getattr(config, name)
        changed = [
            key for key, value in plain[name].items() if value != to_plain(type(part)())[key]
        ]
        if changed:
            keys = ", ".join(f"model.config.{name}.{key}" for key in changed)
            raise ValueError(
                f"model.config.system is {config.system!r}, and {keys} would change nothing; "
                f"remove it, or choose model.config.system {name}"
            )
        # Left out rather than stored: defaults of another system may change, this run may not.
        del plain[name]
    return plain


def _others(config: Any) -> list[str]:
    systems = get_args(get_type_hints(type(config)).get("system"))
    return [name for name in systems if name != config.system and hasattr(config, name)]
