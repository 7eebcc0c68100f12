"""`viseme-data`: one command line over the functions that do the work.

A subcommand is a function whose settings are a config dataclass, or parameters, or both. Required
ones are positional, but for `--out`; the docstrings under the fields are the help.
"""

import inspect
import logging
import sys
from collections.abc import Collection, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any, NamedTuple, get_args, get_type_hints

from jsonargparse import ArgumentParser, set_parsing_settings


class _Command(NamedTuple):
    module: str
    function: str
    help: str


COMMANDS = {
    "prepare": _Command("viseme_data.prepare.run", "prepare", "videos to clips"),
    "synthesize": _Command("viseme_data.synthetic.run", "synthesize", "speakers out of nothing"),
    "vary": _Command("viseme_data.vary.run", "vary", "clips to copies that sound otherwise"),
    "hear": _Command("viseme_data.hear", "hear", "clips with the features of more encoders"),
    "pack": _Command("viseme_data.pack", "pack", "clips to shards for clusters"),
    "inspect": _Command("viseme_data.inspection.run", "inspect_dataset", "clips to a report"),
    "build-face-model": _Command("viseme_data.build_face_model", "build", "the built-in model"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit code: 0, 1 if it refused, 2 if it was misspelt."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else ""
    if name not in COMMANDS:
        is_help = name in ("-h", "--help")
        print(_overview(), file=sys.stdout if is_help else sys.stderr)
        return 0 if is_help else 2
    command = COMMANDS[name]
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        # An extra that is not installed is missed at the import, or later.
        function = getattr(import_module(command.module), command.function)
        result = _call(function, f"viseme-data {name}", given[1:])
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"viseme-data {name}: {error}", file=sys.stderr)
        return 1
    if result is not None:
        print(result)
    return 0


def _overview() -> str:
    lines = [f"  {name:18}{command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        ["usage: viseme-data COMMAND ...", "", *lines, "", "viseme-data COMMAND --help says more."]
    )


def _call(function: Any, program: str, arguments: Sequence[str]) -> Any:
    """Call a function with what the command line says of its parameters and configs."""
    # The docstring under each config field is its help text.
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    first_line = (inspect.getdoc(function) or "").partition("\n")[0]
    parser = ArgumentParser(prog=program, description=first_line)
    parser.add_argument("--config", action="config", help="YAML file with settings.")
    hints = get_type_hints(function)
    configs = {
        name: kind
        for name in inspect.signature(function).parameters
        if (kind := _config_in(hints[name])) is not None
    }
    settings = _settings_of(function, skip=set(configs))
    for kind in configs.values():
        settings += _settings_of(kind)
    skip: set[Any] = {setting.name for setting in settings if setting.is_positional}
    for setting in settings:
        if setting.is_positional:
            parser.add_argument(setting.name, type=setting.kind)
    parser.add_function_arguments(function, skip=skip | set(configs))
    for kind in configs.values():
        parser.add_class_arguments(kind, skip=skip)
    switches = {f"--{setting.name}" for setting in settings if setting.kind is bool}
    parsed = parser.instantiate(parser.parse_args(_with_values(arguments, switches)))
    values = {name: parsed[name] for name in hints if name in parsed and name not in configs}
    for name, kind in configs.items():
        values[name] = kind(**{field.name: parsed[field.name] for field in fields(kind)})
    return function(**values)


class _Setting(NamedTuple):
    name: str
    kind: Any
    is_positional: bool


def _settings_of(callable_: Any, skip: Collection[str] = ()) -> list[_Setting]:
    """Return the parameters of a function, or of a config's constructor."""
    hints = get_type_hints(callable_)
    return [
        _Setting(name, hints[name], parameter.default is parameter.empty and name != "out")
        for name, parameter in inspect.signature(callable_).parameters.items()
        if name not in skip
    ]


def _config_in(kind: Any) -> type | None:
    """Return X of `X` or `X | None` where X is a config, else None."""
    candidates = [kind, *get_args(kind)]
    return next((inner for inner in candidates if is_dataclass(inner)), None)  # type: ignore[return-value]


def _with_values(arguments: Sequence[str], switches: Collection[str]) -> list[str]:
    """Return arguments in which a switch without a value is on."""
    following = [*arguments[1:], "--"]
    return [
        f"{argument}=true" if argument in switches and after not in ("true", "false") else argument
        for argument, after in zip(arguments, following, strict=True)
    ]
