"""One prepared clip on disk: everything but its pictures, in one safetensors file.

    clip = read_clip("clips/0a1b2c3d4e5f6071.safetensors")
    with ClipFile(path) as file:                       # only the frames that are asked for
        window = file.read(["expression", "features.logmel"], 100, 125)

The pictures lie beside it as `<id>.mp4`. The same clip gives the same bytes.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import FPS, LAYOUT_SIZES, SAMPLES_PER_FRAME, CropBox, Motion

FORMAT_VERSION = 1
"""Version of the prepared format; a file of another one is refused."""

_KIND = "viseme_clip"
_FRAME_NAMES = ("expression", "pose", "landmarks", "seen")


@dataclass(frozen=True, kw_only=True)
class PreparedClip:
    """One person over successive frames, ready for training.

    The name of an extra ends in its shape: `_T...` has a row per frame, `_S...` 640 samples per
    frame, and anything else is one thing for the whole clip.
    """

    motion: Motion
    """Coefficients of every frame at 25 per second."""
    landmarks_TK3: Tensor
    """`mp478` in [0, 1] of the crop, smoothed, float32."""
    seen_T: Tensor
    """False where the landmarks are interpolated."""
    audio_S: Tensor
    """Mono at 16 kHz, exactly 640 T samples: sample 640 t sounds with frame t."""
    features: dict[str, Tensor]
    """(T, A) float32 at 25 Hz by name: `logmel`, and those of pretrained encoders."""
    extras: dict[str, Tensor] = field(default_factory=dict)
    """Ground truth of synthetic clips and the like; empty for real ones."""
    crop: CropBox
    """Where the crop lies in the source."""
    size: int
    """Side of the crop's video in pixels."""
    clip_id: str
    """What `clip_id` gives."""
    speaker: str
    """Who this is, by the corpus."""
    has_audio: bool
    """False if the source had no sound; `audio_S` is then silence."""

    def __post_init__(self) -> None:
        num = self.motion.num_frames
        frames = {"T": num}
        check_shape(
            self.landmarks_TK3,
            f"T {LAYOUT_SIZES['mp478']} 3",
            name="PreparedClip.landmarks_TK3",
            sizes=frames,
        )
        check_shape(self.seen_T, "T", name="PreparedClip.seen_T", sizes=frames)
        check_shape(self.audio_S, f"{num * SAMPLES_PER_FRAME}", name="PreparedClip.audio_S")
        for name, values in self.features.items():
            check_shape(values, "T A", name=f"PreparedClip.features[{name!r}]", sizes=frames)
        for name, values in self.extras.items():
            rows = rows_per_frame(f"extras.{name}")
            if rows and (not values.ndim or len(values) != rows * num):
                raise ValueError(
                    f"PreparedClip.extras[{name!r}] must have {rows * num} rows as its name says, "
                    f"got shape {tuple(values.shape)}"
                )
        if self.motion.fps != FPS:
            raise ValueError(f"PreparedClip.motion must be at {FPS} fps, got {self.motion.fps}")

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self.motion.num_frames


def clip_id(source_hash: str, settings_hash: str, start_frame: int, face: int) -> str:
    """Return the name of a clip, 16 hex digits: what it was made from, and how."""
    key = f"{FORMAT_VERSION}/{source_hash}/{settings_hash}/{start_frame}/{face}"
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def write_clip(path: str | Path, clip: PreparedClip) -> None:
    """Write a clip: its file is whole or not there, and the same clip gives the same bytes.

    Raises:
        OSError: If it cannot be written, for example because the disk is full.
    """
    tensors = {
        "expression": clip.motion.expression.float(),
        "pose": clip.motion.pose.float(),
        "identity": clip.motion.identity.float(),
        "landmarks": clip.landmarks_TK3.float(),
        "seen": clip.seen_T.bool(),
        "audio": clip.audio_S.float(),
        **{f"features.{name}": values.float() for name, values in clip.features.items()},
        **{f"extras.{name}": values for name, values in clip.extras.items()},
    }
    crop = clip.crop
    facts = {
        "kind": _KIND,
        "format": str(FORMAT_VERSION),
        "clip_id": clip.clip_id,
        "speaker": clip.speaker,
        "face_model": clip.motion.face_model,
        "num_frames": str(clip.num_frames),
        "size": str(clip.size),
        "has_audio": json.dumps(clip.has_audio),
        "crop": json.dumps([crop.cx, crop.cy, crop.side, crop.angle]),
    }
    detached = {name: values.detach().cpu().contiguous() for name, values in tensors.items()}
    write_whole(Path(path), _in_order(save(detached, metadata=facts)))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there.

    Raises:
        OSError: If it cannot be written; nothing of it is kept.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except BaseException:
        # On a full or read-only disk removing may fail as writing did.
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def read_clip(path: str | Path) -> PreparedClip:
    """Return a clip as `write_clip` was given it.

    Raises:
        ValueError: If there is no such file, it is cut off, or of another format.
    """
    with ClipFile(path) as file:
        tensors = file.read(file.names)
        facts = file.facts
    motion = Motion(
        expression=tensors.pop("expression"),
        pose=tensors.pop("pose"),
        identity=tensors.pop("identity"),
        face_model=facts["face_model"],
    )
    return PreparedClip(
        motion=motion,
        landmarks_TK3=tensors.pop("landmarks"),
        seen_T=tensors.pop("seen"),
        audio_S=tensors.pop("audio"),
        features=_group(tensors, "features."),
        extras=_group(tensors, "extras."),
        crop=CropBox(*json.loads(facts["crop"])),
        size=int(facts["size"]),
        clip_id=facts["clip_id"],
        speaker=facts["speaker"],
        has_audio=json.loads(facts["has_audio"]),
    )


class ClipFile:
    """A clip's file, of which only what is asked for is read; close it, or use it as a context.

    It can be pickled: the copy opens the file anew.

    Args:
        path: File that `write_clip` wrote.

    Raises:
        ValueError: If there is no such file, it is cut off, or of another format.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: Any = _open(self.path)
        self.facts: dict[str, str] = self._file.metadata()
        """Plain facts: clip_id, speaker, face_model, size, crop, has_audio."""
        self.names: tuple[str, ...] = tuple(sorted(self._file.keys()))
        """Names of all tensors."""

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return int(self.facts["num_frames"])

    def read(
        self, names: Iterable[str], start: int = 0, stop: int | None = None
    ) -> dict[str, Tensor]:
        """Return tensors of the frames from `start` to before `stop`.

        Of `audio` the samples that sound with them; what has no frames, as `identity`, comes whole.

        Raises:
            ValueError: If a name is unknown or there are no such frames.
        """
        stop = self.num_frames if stop is None else stop
        if not 0 <= start < stop <= self.num_frames:
            raise ValueError(
                f"{str(self.path)!r} has frames 0 to {self.num_frames}, got {start} to {stop}"
            )
        read: dict[str, Tensor] = {}
        for name in names:
            if name not in self.names:
                raise ValueError(
                    f"{str(self.path)!r} holds {', '.join(self.names)}; there is no {name!r}"
                )
            rows = rows_per_frame(name)
            read[name] = (
                self._file.get_slice(name)[start * rows : stop * rows]
                if rows
                else self._file.get_tensor(name)
            )
        return read

    def close(self) -> None:
        """Let go of the file; calling it again does nothing."""
        self._file = None

    def __enter__(self) -> "ClipFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return ClipFile, (self.path,)


def _open(path: Path) -> Any:
    if not path.is_file():
        raise ValueError(f"there is no clip {str(path)!r}; prepare the data again")
    try:
        file = safe_open(path, "pt")
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{str(path)!r} is cut off or no clip ({error}); delete it and prepare again"
        ) from error
    facts = file.metadata() or {}
    if facts.get("kind") != _KIND:
        raise ValueError(f"{str(path)!r} is a safetensors file, but no prepared clip")
    if facts.get("format") != str(FORMAT_VERSION):
        raise ValueError(
            f"{str(path)!r} is a clip of format {facts.get('format')}, this viseme-data reads "
            f"{FORMAT_VERSION}; prepare the data again, or install the version that wrote it"
        )
    return file


def rows_per_frame(name: str) -> int:
    """Return how many rows of a tensor belong to one frame, 0 if it is not cut by frames."""
    if name in _FRAME_NAMES or name.startswith("features."):
        return 1
    if name == "audio":
        return SAMPLES_PER_FRAME
    letter = name.rpartition("_")[2][:1] if name.startswith("extras.") and "_" in name else ""
    return {"T": 1, "S": SAMPLES_PER_FRAME}.get(letter, 0)


def _group(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): values
        for name, values in tensors.items()
        if name.startswith(prefix)
    }


def _in_order(content: bytes) -> bytes:
    """Return a safetensors file with its header sorted: its facts stand in any order otherwise."""
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(
        json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":")
    ).encode()
    # Tensors start at a multiple of eight bytes.
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]
