"""`viseme demo`: the shipped portrait speaks with the shipped voice."""

from collections.abc import Sequence
from pathlib import Path

from viseme_pipeline.arguments import Parser, as_arguments, parse, to_task
from viseme_pipeline.make_films import describe, make_film, share_cores
from viseme_pipeline.sync_figures import measure_sync

ASSETS = Path(__file__).parent / "assets" / "demo"
PORTRAIT = ASSETS / "portrait.jpg"
VOICE = ASSETS / "voice.flac"


def demo(arguments: Sequence[str]) -> tuple[int, str]:
    """Return exit code and what the demo says: where the film is, its rate, its sync figures."""
    parser = Parser(prog="viseme demo", description="The shipped portrait and voice to a video.")
    parser.add_argument("--audio", default=str(VOICE), help="another voice")
    parser.add_argument("--image", default=str(PORTRAIT), help="another portrait")
    parser.add_argument("--out", default="out/demo.mp4", help="video to write; it is replaced")
    given = parser.parse_args(list(arguments))
    share_cores()
    Path(given.out).parent.mkdir(parents=True, exist_ok=True)
    options = {"audio": given.audio, "image": given.image, "out": given.out, "overwrite": True}
    film = make_film(to_task(parse(as_arguments(options))))
    figures = measure_sync(film.path)
    sync = "too short to tell, or no face is found again" if figures is None else str(figures)
    return 0, f"{describe(film)}\nsync: {sync}"
