"""Motion as a file: safetensors with expression, pose and identity, and whose they are."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from viseme_core.types import Motion

FORMAT = "viseme-motion"
VERSION = "1"
_TENSORS = ("expression", "pose", "identity")


def save_motion(motion: Motion, path: Path | str) -> None:
    """Write motion to a file, `load_motion` reads it.

    Args:
        motion: What to write.
        path: File to write, ending in `.safetensors`.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"a motion file ends in .safetensors, got {str(path)!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: getattr(motion, name).detach().cpu().contiguous() for name in _TENSORS}
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "face_model": motion.face_model,
        "fps": repr(float(motion.fps)),
    }
    save_file(tensors, path, metadata)


def load_motion(path: Path | str) -> Motion:
    """Return the motion of a file.

    Raises:
        ValueError: If there is none, or it is damaged, newer, or something else.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no motion file {str(path)!r}; check the path")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            _check(metadata, path)
            missing = sorted(set(_TENSORS) - set(file.keys()))
            if missing:
                raise ValueError(f"{path} is no motion file: it lacks {missing}")
            tensors = {name: file.get_tensor(name).float() for name in _TENSORS}
        return Motion(**tensors, face_model=metadata["face_model"], fps=float(metadata["fps"]))
    except SafetensorError as error:
        raise ValueError(
            f"{path} is cut short, damaged or no safetensors file ({error}); copy or make it again"
        ) from error


def _check(metadata: dict[str, str], path: Path | str) -> None:
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} is no motion file: its metadata must say format {FORMAT!r}, they say "
            f"{metadata.get('format')!r}; `save_motion` writes such files"
        )
    if metadata.get("version") != VERSION:
        raise ValueError(
            f"{path} is a motion file of version {metadata.get('version')!r}, this reads "
            f"{VERSION!r}; update viseme-motion"
        )
    missing = sorted({"face_model", "fps"} - set(metadata))
    if missing:
        raise ValueError(f"{path} is no whole motion file: its metadata lack {missing}")
