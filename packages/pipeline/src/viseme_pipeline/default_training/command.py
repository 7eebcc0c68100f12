"""`viseme train-default`: the embedded default again, or another one from other videos."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from viseme_pipeline.arguments import Parser
from viseme_pipeline.default_training.recipe import Recipe

_HELP = """Train what `viseme generate` uses by default from a folder of videos of people speaking.

Prepares the videos, makes disturbed copies of their sound and an hour of synthetic speakers,
trains listener, motion and pose, and chains them. A command that was stopped goes on where it was;
what each step says is in OUT/logs. With --groups K it also trains K times without a part of the
people, for `python benchmarks/bench_left_out.py OUT` to measure on them.
"""


def train_default(arguments: Sequence[str]) -> tuple[int, str]:
    """Return exit code and last word of `viseme train-default`."""
    parser = Parser(prog="viseme train-default", description=_HELP)
    default = {field.name: field.default for field in fields(Recipe)}
    parser.add_argument("videos", type=Path, help="folder of videos with sound")
    parser.add_argument("--out", type=Path, required=True, help="folder for all that is made")
    parser.add_argument(
        "--speech",
        default=default["speech"],
        help="Whisper: folder, hub id, CTranslate2 folder or wheel with it",
    )
    parser.add_argument(
        "--people",
        type=Path,
        help="lines `part of a file's name<TAB>person`; by default every name is another person",
    )
    for name, help_text in (
        ("groups", "leave out this many parts of the people in turn"),
        ("speakers", "synthetic speakers"),
        ("minutes", "how long they speak, all together"),
        ("seed", "of the synthetic speakers"),
        ("workers", "processes that prepare data"),
    ):
        kind, start = type(default[name]), default[name]
        parser.add_argument(f"--{name}", type=kind, default=start, help=f"{help_text} ({start})")
    parser.add_argument("--one-thread", action="store_true", help="leave the other cores alone")
    parser.add_argument(
        "--extra",
        action="append",
        default=[],
        metavar="SWITCH",
        help="further switch for every training, such as --extra=--trainer.max_steps=10",
    )
    given = vars(parser.parse_args(list(arguments)))
    chain = Recipe(**{**given, "extra": tuple(given["extra"])}).run()
    return 0, f"{chain}: try it by `viseme generate --pretrained {chain} ...`"
