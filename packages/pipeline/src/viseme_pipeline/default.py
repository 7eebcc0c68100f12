"""The weights that come with the package: each folder in `assets/` with a `viseme.json` is a chain.

One more is added by `viseme ship packages/pipeline/src/viseme_pipeline/assets/NAME --motion RUN
--half --card CARD.md`, and found by its system; to be what is used without a word it goes to
`assets/default`.
"""

from pathlib import Path

from viseme_pipeline.folder import INDEX, read_folder

FOLDER = Path(__file__).parent / "assets" / "default"
CARD = "card.md"


def default_folder() -> Path:
    """Return the folder of the embedded default.

    Raises:
        ValueError: If the package was installed without it.
    """
    if not (FOLDER / INDEX).is_file():
        raise ValueError(
            "this viseme-pipeline was built without its default weights; give a motion stage by "
            "--motion, for example one that `make train-motion SCALE=small` leaves"
        )
    return FOLDER


def embedded_folders() -> dict[str, Path]:
    """Return the embedded chains by their system; of two, the default is named."""
    others = sorted(file.parent for file in FOLDER.parent.glob(f"*/{INDEX}"))
    found: dict[str, Path] = {}
    for folder in sorted(others, key=lambda folder: folder != FOLDER):
        found.setdefault(system_of(folder), folder)
    return found


def system_of(folder: Path) -> str:
    """Return which system drives the faces of a chain.

    Args:
        folder: What `save_pretrained` wrote.
    """
    return read_folder(folder)[0].system


def describe(folder: Path) -> str:
    """Return what an embedded chain is, in one sentence: the first line of its card."""
    lines = (folder / CARD).read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.strip() and not line.startswith("#")).strip()


def describe_default() -> str:
    """Return what the embedded default is, in one sentence."""
    return describe(default_folder())
