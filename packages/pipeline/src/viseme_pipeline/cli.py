"""`viseme`: one command line over the functions that do the work."""

import logging
import sys
from collections.abc import Sequence
from importlib import import_module

from viseme_pipeline.interrupts import Terminated, terminable
from viseme_pipeline.mistakes import is_mendable, sentence

COMMANDS = {
    "generate": ("generate", "generate", "a voice and a face to a talking video"),
    "demo": ("demo", "demo", "the shipped portrait speaks with the shipped voice"),
    "serve": ("page.command", "serve_command", "a page in the browser to try it"),
    "doctor": ("doctor", "doctor", "what is installed, what can be done here, what is missing"),
    "detect": ("detect", "detect", "whether a video carries the marks of a generated one"),
    "train-default": (
        "default_training.command",
        "train_default",
        "the embedded default from a folder of videos",
    ),
    "ship": ("ship", "ship", "trained stages to one folder that --pretrained reads"),
}
# Training has a command line, signals and errors of its own.
_TRAINING = ("fit", "validate", "test", "reproduce")
_USER_ERROR, _INTERRUPTED = 2, 130
# What a shell says of a process that a signal ended: this and the signal's number.
_SIGNALLED = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 2 if something given cannot be used."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else ""
    if name in _TRAINING:
        try:
            training = import_module("viseme_pipeline.fit.cli")
        except ImportError as error:
            print(f"viseme {name}: {error}; `pip install viseme-pipeline[train]`", file=sys.stderr)
            return _USER_ERROR
        return training.main(given)
    if name not in COMMANDS:
        is_help = name in ("-h", "--help")
        print(_overview(), file=sys.stdout if is_help else sys.stderr)
        return 0 if is_help else _USER_ERROR
    module, function, _ = COMMANDS[name]
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        with terminable():
            command = getattr(import_module(f"viseme_pipeline.{module}"), function)
            code, text = command(given[1:])
    except KeyboardInterrupt:
        print(f"viseme {name}: interrupted; {_left(name)}", file=sys.stderr)
        return _INTERRUPTED
    except Terminated as asked:
        print(f"viseme {name}: asked to end; {_left(name)}", file=sys.stderr)
        return _SIGNALLED + asked.number
    except Exception as error:
        if not is_mendable(error):
            raise
        print(f"viseme {name}: {sentence(error)}", file=sys.stderr)
        return _USER_ERROR
    print(text)
    return code


def _left(name: str) -> str:
    if name == "train-default":
        return "the same command goes on from here"
    return "nothing half done is left"


def _overview() -> str:
    lines = [f"  {name:15}{help_text}" for name, (_, _, help_text) in COMMANDS.items()]
    lines.append("  fit            train landmarks and renderer together; also validate, test")
    lines.append("  reproduce      train TalkFormer in every row of its paper's tables")
    more = "viseme COMMAND --help says more."
    return "\n".join(["usage: viseme COMMAND ...", "", *lines, "", more])
