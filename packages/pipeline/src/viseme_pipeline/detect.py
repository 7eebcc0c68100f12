"""`viseme detect`: whether a video carries the marks of a generated one."""

from collections.abc import Sequence
from pathlib import Path

from viseme_pipeline.arguments import Parser
from viseme_pipeline.marking import describe_marks


def detect(arguments: Sequence[str]) -> tuple[int, str]:
    """Return exit code, 0 if the watermark is found and 1 if not, and what is to be said."""
    parser = Parser(
        prog="viseme detect",
        description="Read the watermark of a video. Exit code: 0 found, 1 not found, 2 no video.",
    )
    parser.add_argument("file", type=Path, help="video to look at")
    given = parser.parse_args(list(arguments))
    found, text = describe_marks(given.file)
    return (0 if found else 1), f"{given.file}: {text}"
