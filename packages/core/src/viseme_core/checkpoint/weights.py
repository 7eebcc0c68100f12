"""Putting tensors into a module, with a word on every key that does not fit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

_NUM_NAMED = 5


@dataclass(frozen=True)
class KeyReport:
    """Keys that did not fit, by kind; its text is one readable line."""

    missing: tuple[str, ...]
    """In the module, not among the tensors."""
    unexpected: tuple[str, ...]
    """Among the tensors, not in the module."""
    misshapen: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    """In both, with another shape: (of the tensor, of the module)."""

    @property
    def is_clean(self) -> bool:
        """Whether every key fits."""
        return not (self.missing or self.unexpected or self.misshapen)

    def __str__(self) -> str:
        shapes = [f"{key!r} {got} for {want}" for key, (got, want) in self.misshapen.items()]
        parts = (
            _listed("missing", [repr(key) for key in self.missing]),
            _listed("unexpected", [repr(key) for key in self.unexpected]),
            _listed("misshapen", shapes),
        )
        return "; ".join(part for part in parts if part) or "every key fits"


def _listed(what: str, items: list[str]) -> str:
    if not items:
        return ""
    rest = len(items) - _NUM_NAMED
    more = f" and {rest} more" if rest > 0 else ""
    return f"{len(items)} {what}: {', '.join(items[:_NUM_NAMED])}{more}"


def load_weights(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    strict: bool = True,
    key_map: Mapping[str, str | None] | Callable[[str], str | None] | None = None,
) -> KeyReport:
    """Return which keys did not fit, after loading those that did.

    Parameters and buffers keep the type and device that they have in the module.

    Args:
        module: Module to load into.
        tensors: Tensors by name, e.g. `StageFile.tensors`.
        strict: Whether any key that does not fit is an error; nothing is loaded then.
        key_map: For weights with other names: a function from their key to the module's, or
            prefixes to replace, the longest that matches; None in either drops the key.

    Raises:
        ValueError: If `strict` and any key does not fit, or if the key map sends two keys to one.
    """
    renamed = _rename(tensors, key_map)
    own = module.state_dict()
    report = KeyReport(
        missing=tuple(key for key in own if key not in renamed),
        unexpected=tuple(key for key in renamed if key not in own),
        misshapen={
            key: (tuple(tensor.shape), tuple(own[key].shape))
            for key, tensor in renamed.items()
            if key in own and tensor.shape != own[key].shape
        },
    )
    if strict and not report.is_clean:
        raise ValueError(
            f"the weights do not fit {type(module).__name__}, nothing was loaded: {report}; "
            f"build the module from the config that the weights were saved with"
        )
    fitting = {k: v for k, v in renamed.items() if k in own and k not in report.misshapen}
    module.load_state_dict(fitting, strict=False)
    return report


def _rename(
    tensors: Mapping[str, Tensor],
    key_map: Mapping[str, str | None] | Callable[[str], str | None] | None,
) -> dict[str, Tensor]:
    if key_map is None:
        return dict(tensors)
    renamed: dict[str, Tensor] = {}
    origin: dict[str, str] = {}
    for key, tensor in tensors.items():
        new = key_map(key) if callable(key_map) else _replace_prefix(key, key_map)
        if new is None:
            continue
        if new in renamed:
            raise ValueError(
                f"load_weights.key_map sends {origin[new]!r} and {key!r} to the same key {new!r}"
            )
        renamed[new], origin[new] = tensor, key
    return renamed


def _replace_prefix(key: str, prefixes: Mapping[str, str | None]) -> str | None:
    matching = [prefix for prefix in prefixes if key.startswith(prefix)]
    if not matching:
        return key
    longest = max(matching, key=len)
    new = prefixes[longest]
    return None if new is None else new + key.removeprefix(longest)
