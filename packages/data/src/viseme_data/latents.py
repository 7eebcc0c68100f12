"""What an autoencoder makes of the crops, computed once and kept beside the clips.

    report = cache_latents("prepared", autoencoder.encode, encoder="autoencoder@1a2b3c4d")
    latents_TZhw = LatentFile("prepared", clip_id, encoder="autoencoder@1a2b3c4d").read([3, 4, 9])

A file says which encoder made it; another encoder's are refused instead of mixed in.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from viseme_data.clips import write_whole
from viseme_data.manifest import ClipRow, kept, read_manifest
from viseme_data.pictures import CropVideo
from viseme_data.sources import latent_path, video_path
from viseme_data.windows import to_float_frames

_KIND = "viseme_latents"


@dataclass(frozen=True, kw_only=True)
class LatentReport:
    """What a run of `cache_latents` did."""

    encoded: int
    """Clips that were encoded."""
    found: int
    """Clips that had latents of this encoder already."""


@torch.no_grad()
def cache_latents(
    path: str | Path,
    encode: Callable[[Tensor], Tensor],
    *,
    encoder: str,
    frames: int = 16,
) -> LatentReport:
    """Write the latents of every kept clip beside it, and return what was done.

    A clip's file is whole or not there, so that an interrupted run goes on where it was.

    Args:
        path: Prepared folder.
        encode: Maps frames (T, 3, H, W), float32 in [-1, 1] on the CPU, to latents (T, Z, h, w);
            they are stored in its type. Moving to a device and back is its own business.
        encoder: Who that is, NAME@HASH8 of its weights.
        frames: Frames given to it at a time.

    Raises:
        ValueError: If a clip has latents of another encoder, a video is damaged, or `encode`
            returns something else than one latent per frame.
    """
    check_encoder(encoder)
    path = Path(path)
    rows = kept(read_manifest(path))
    todo = [row for row in rows if not _is_done(path, row, encoder)]
    for row in todo:
        latents_TZhw = torch.cat(list(_encoded(path, row, encode, frames)))
        facts = {"kind": _KIND, "encoder": encoder, "clip_id": row.clip_id}
        content = save({"latents": latents_TZhw}, metadata=facts)
        write_whole(latent_path(path, row.clip_id), content)
    return LatentReport(encoded=len(todo), found=len(rows) - len(todo))


class LatentFile:
    """A clip's latents, of which only what is asked for is read.

    Args:
        path: Prepared folder.
        clip_id: Which clip.
        encoder: Who must have made them.

    Raises:
        ValueError: If there are none, they are cut off, or another encoder made them.
    """

    def __init__(self, path: str | Path, clip_id: str, *, encoder: str) -> None:
        file = latent_path(Path(path), clip_id)
        if not file.is_file():
            raise ValueError(f"clip {clip_id} has no latents in {str(path)!r}; cache them first")
        try:
            self._file: Any = safe_open(file, "pt")
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"{str(file)!r} is cut off or no file of latents ({error}); delete it and cache "
                f"the latents again"
            ) from error
        facts = self._file.metadata() or {}
        if facts.get("kind") != _KIND or facts.get("clip_id") != clip_id:
            raise ValueError(f"{str(file)!r} holds no latents of clip {clip_id}; delete it")
        if facts.get("encoder") != encoder:
            raise ValueError(
                f"{str(file)!r} was made by {facts.get('encoder')!r}, not by {encoder!r}; delete "
                f"the latents of the folder to make others, or train with that encoder"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, Z, h, w)."""
        return tuple(self._file.get_slice("latents").get_shape())

    def read(self, numbers: Iterable[int]) -> Tensor:
        """Return the latents of frames, (n, Z, h, w)."""
        rows = self._file.get_slice("latents")
        return torch.cat([rows[number : number + 1] for number in numbers])

    def close(self) -> None:
        """Let go of the file."""
        self._file = None


def check_encoder(encoder: str) -> None:
    """Refuse a name without the hash that tells weights apart.

    Raises:
        ValueError: If it does not read NAME@HASH8.
    """
    name, _, digest = encoder.partition("@")
    if not name or len(digest) != 8:
        raise ValueError(f"encoder must read NAME@HASH8 of its weights, got {encoder!r}")


def _is_done(path: Path, row: ClipRow, encoder: str) -> bool:
    if not latent_path(path, row.clip_id).is_file():
        return False
    file = LatentFile(path, row.clip_id, encoder=encoder)
    return file.shape[0] == row.num_frames


def _encoded(
    path: Path, row: ClipRow, encode: Callable[[Tensor], Tensor], frames: int
) -> Iterator[Tensor]:
    video = CropVideo(video_path(path, row.clip_id))
    try:
        for first in range(0, row.num_frames, frames):
            numbers = range(first, min(first + frames, row.num_frames))
            latents = encode(to_float_frames(video.read(numbers)))
            if latents.ndim != 4 or len(latents) != len(numbers):
                raise ValueError(
                    f"encode must return (T, Z, h, w) with T = {len(numbers)}, got "
                    f"{tuple(latents.shape)}"
                )
            yield latents.detach().cpu().contiguous()
    finally:
        video.close()
