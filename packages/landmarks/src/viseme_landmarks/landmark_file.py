"""Landmarks as a file: safetensors with the points, and the layout they are in."""

from pathlib import Path
from typing import get_args

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from viseme_core.types import Landmarks, Layout

FORMAT = "viseme-landmarks"
VERSION = "1"
_POINTS = "points"


def save_landmarks(landmarks: Landmarks, path: Path | str) -> None:
    """Write landmarks to a file, `load_landmarks` reads it.

    Args:
        landmarks: What to write.
        path: File to write, ending in `.safetensors`.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"a landmark file ends in .safetensors, got {str(path)!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {_POINTS: landmarks.points_TKD.detach().cpu().contiguous()}
    metadata = {"format": FORMAT, "version": VERSION, "layout": landmarks.layout}
    save_file(tensors, path, metadata)


def load_landmarks(path: Path | str) -> Landmarks:
    """Return the landmarks of a file.

    Raises:
        ValueError: If there is none, or it is damaged, newer, or something else.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no landmark file {str(path)!r}; check the path")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if (metadata.get("format"), metadata.get("version")) != (FORMAT, VERSION):
                raise ValueError(
                    f"{path} is no landmark file: its metadata must say {FORMAT!r} {VERSION!r}, "
                    f"they say {metadata.get('format')!r} {metadata.get('version')!r}; "
                    f"`save_landmarks` writes such files"
                )
            if _POINTS not in file.keys():  # noqa: SIM118
                raise ValueError(f"{path} is no landmark file: it lacks {_POINTS!r}")
            points_TKD = file.get_tensor(_POINTS).float()
    except SafetensorError as error:
        raise ValueError(
            f"{path} is cut short, damaged or no safetensors file ({error}); copy or make it again"
        ) from error
    for layout in get_args(Layout):
        if metadata.get("layout") == layout:
            return Landmarks(points_TKD, layout)
    raise ValueError(f"{path} has landmarks of a layout {metadata.get('layout')!r}, unknown here")
