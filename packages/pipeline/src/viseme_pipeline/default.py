"""The weights that come with the package."""

from pathlib import Path

FOLDER = Path(__file__).parent / "assets" / "default"
CARD = "card.md"


def default_folder() -> Path:
    """Return the folder of the embedded default.

    Raises:
        ValueError: If the package was installed without it.
    """
    if not (FOLDER / "viseme.json").is_file():
        raise ValueError(
            "this viseme-pipeline was built without its default weights; give a motion stage by "
            "--motion, for example one that `make train-motion SCALE=small` leaves"
        )
    return FOLDER


def describe_default() -> str:
    """Return what the embedded default is, in one sentence: the first line of its card."""
    card = default_folder() / CARD
    lines = [line for line in card.read_text(encoding="utf-8").splitlines() if line.strip()]
    return next(line for line in lines if not line.startswith("#")).strip()
