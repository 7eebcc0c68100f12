"""`viseme-eval`: one command line over the functions that do the work.

A subcommand is a function that takes one config dataclass; the docstrings under its fields are the
help. Nothing is imported before it is known which command it is.
"""

import html
import inspect
import logging
import sys
from collections.abc import Sequence
from dataclasses import fields
from importlib import import_module
from itertools import zip_longest
from typing import Any, NamedTuple, get_type_hints

from jsonargparse import ArgumentParser, set_parsing_settings


class _Command(NamedTuple):
    module: str
    function: str
    help: str
    positional: str = ""
    """The setting that takes what stands without an option."""


COMMANDS = {
    "run": _Command("viseme_eval.run.evaluate", "run", "two folders of videos to a report"),
    "compare": _Command(
        "viseme_eval.run.compare", "compare", "reports of several methods side by side", "reports"
    ),
    "weights": _Command("viseme_eval.run.weights", "weights", "which networks are there"),
    "study": _Command("viseme_eval.run.study", "study", "a page for people to judge videos"),
    "tally": _Command("viseme_eval.run.tally", "tally", "what they said", "answers"),
    "build-identity": _Command(
        "viseme_eval.build_identity", "build", "the shipped identity network anew", "tarball"
    ),
}

_EXAMPLES = """\
viseme-eval run --generated results/ours --reference data/real --out reports/ours
viseme-eval compare reports/ours reports/theirs --out reports/both
viseme-eval study --methods '{ours: results/ours, b: results/b}' --out page --key key.json
viseme-eval tally answers-*.json --key key.json"""


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
        function = getattr(import_module(command.module), command.function)
        result = _call(function, f"viseme-eval {name}", given[1:], command.positional)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"viseme-eval {name}: {error}", file=sys.stderr)
        return 1
    # Tables hold arrows as Markdown's entities.
    print(html.unescape(result))
    return 0


def _overview() -> str:
    lines = [f"  {name:10}{command.help}" for name, command in COMMANDS.items()]
    examples = [f"  {line}" for line in _EXAMPLES.splitlines()]
    usage, more = "usage: viseme-eval COMMAND ...", "viseme-eval COMMAND --help says more."
    return "\n".join([usage, "", *lines, "", *examples, "", more])


def _call(function: Any, program: str, arguments: Sequence[str], positional: str) -> str:
    """Call a function with what the command line says of its config."""
    # The docstring under each config field is its help text.
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    (kind,) = (hint for name, hint in get_type_hints(function).items() if name != "return")
    parser = ArgumentParser(
        prog=program, description=(inspect.getdoc(function) or "").partition("\n")[0]
    )
    parser.add_argument("--config", action="config", help="YAML file with settings.")
    skip: set[Any] = set()
    if positional:
        parser.add_argument(positional, nargs="+", type=str, help=_help_of(kind, positional))
        skip.add(positional)
    parser.add_class_arguments(kind, skip=skip)
    switches = {f"--{f.name}" for f in fields(kind) if f.type is bool}
    parsed = parser.instantiate(parser.parse_args(_with_values(arguments, switches)))
    values = {field.name: parsed[field.name] for field in fields(kind)}
    if positional:
        values[positional] = tuple(values[positional])
    return function(kind(**values))


def _help_of(kind: type, name: str) -> str:
    """Return the docstring under a field of a config."""
    lines = inspect.getsource(kind).partition(f"    {name}:")[2].splitlines()[1:]
    text = " ".join(line.strip() for line in lines).split('"""')
    return text[1] if len(text) > 1 else ""


def _with_values(arguments: Sequence[str], switches: set[str]) -> list[str]:
    """Return arguments in which a switch without a value is on."""
    return [
        f"{argument}=true" if argument in switches and after not in ("true", "false") else argument
        for argument, after in zip_longest(arguments, arguments[1:])
    ]
