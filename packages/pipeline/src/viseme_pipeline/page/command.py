"""`viseme serve`: options to a page that is served until it is interrupted."""

from collections.abc import Sequence
from typing import get_args

from viseme_motion.presets import PresetName
from viseme_pipeline.arguments import Parser
from viseme_pipeline.make_films import share_cores
from viseme_pipeline.page.config import ServeConfig
from viseme_pipeline.page.server import serve


def serve_command(arguments: Sequence[str]) -> tuple[int, str]:
    """Return exit code and last word of `viseme serve`."""
    config = parse(arguments)
    share_cores()
    serve(config)
    return 0, "the page has ended"


def parse(arguments: Sequence[str]) -> ServeConfig:
    """Return the settings that options describe.

    Raises:
        ValueError: If they describe none.
    """
    default = ServeConfig()
    parser = Parser(
        prog="viseme serve",
        description="A page in the browser: a face, a voice, a button, a film.",
        allow_abbrev=False,
    )
    where = parser.add_argument_group("where")
    where.add_argument(
        "--host",
        default=default.host,
        help="address to listen on; any but this machine's own lets others in, without a password",
    )
    where.add_argument("--port", type=int, default=default.port)

    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--max-seconds", type=float, default=default.max_seconds, help="longest voice"
    )
    limits.add_argument(
        "--max-upload-mb", type=float, default=default.max_upload_mb, help="largest file"
    )
    limits.add_argument(
        "--keep-minutes",
        type=float,
        default=default.keep_minutes,
        help="how long uploads and films are kept while the page runs",
    )
    limits.add_argument(
        "--max-waiting", type=int, default=default.max_waiting, help="jobs that may wait"
    )

    stages = parser.add_argument_group("stages")
    stages.add_argument("--motion", help="motion stage: file, checkpoint or folder of a run")
    stages.add_argument("--renderer", default=default.renderer, help="`mesh`, or a stage")
    stages.add_argument(
        "--preset",
        choices=get_args(PresetName),
        help="effort that is chosen at first; by default `direct`, and `fast` with --motion",
    )
    stages.add_argument("--device", help="where networks run: cpu, cuda, mps")
    return ServeConfig(**vars(parser.parse_args(list(arguments))))
