"""The one interface of everything that turns motion into frames.

renderer = MeshRenderer()  # or FrameRenderer.from_checkpoint("runs/render/pirender")
frames = torch.cat(list(renderer(reference, motion)))  # (T, 3, H, W) in [-1, 1]
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from os import PathLike
from typing import ClassVar

import torch
from torch import Tensor

from viseme_core.checkpoint import read_header
from viseme_core.types import Motion, ReferenceFace

CHUNK = 25
"""Frames that renderers yield at a time unless asked otherwise."""


class FrameRenderer(ABC):
    """Draws a portrait in motion.

    A renderer of a trained system names it, `class PIRenderer(FrameRenderer, system="pirender")`,
    and defines `load`; `from_checkpoint` then finds it by what the file says.
    """

    face_model: str
    """Name of the face model whose motion it draws, `NAME@HASH8`."""

    _systems: ClassVar[dict[str, type["FrameRenderer"]]] = {}

    def __init_subclass__(cls, *, system: str | None = None, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if system is not None:
            FrameRenderer._systems[system] = cls

    @abstractmethod
    def __call__(
        self, reference: ReferenceFace, motion: Motion, *, chunk: int = CHUNK
    ) -> Iterator[Tensor]:
        """Yield the frames of a motion, (t, 3, H, W), float32 RGB in [-1, 1], in their order.

        How motion is cut into chunks changes no frame, and memory does not grow with its length.

        Args:
            reference: The portrait; what depends on it alone is worked out once and kept.
            motion: Expression and pose of every frame. Identity is the portrait's own.
            chunk: Frames to yield at a time; the last chunk may be shorter.

        Raises:
            ValueError: If portrait or motion belong to a face model that the renderer does not
                know, or `chunk` is below 1.
        """

    @classmethod
    def load(
        cls, path: str | PathLike[str], *, device: torch.device | str | None = None
    ) -> "FrameRenderer":
        """Return the renderer of this class whose weights a checkpoint holds."""
        raise ValueError(f"{cls.__name__} has no weights to read; make one without a checkpoint")

    @staticmethod
    def from_checkpoint(
        path: str | PathLike[str], *, device: torch.device | str | None = None
    ) -> "FrameRenderer":
        """Return the renderer whose weights a stage file, a checkpoint or a run's folder holds.

        Args:
            path: As for `viseme_core.checkpoint.load_stage`.
            device: Where to run; by default on a GPU if there is one.

        Raises:
            ValueError: If the file is damaged, of another stage, or of a system unknown here.
        """
        system = read_header(path, stage="render").system
        if system == "talkformer":
            raise ValueError(
                f"{str(path)!r} holds weights of TalkFormer, which landmarks and a template drive, "
                f"not motion; open it by TalkFormerRenderer.from_checkpoint"
            )
        if system not in FrameRenderer._systems:
            known = ", ".join(sorted(FrameRenderer._systems)) or "none"
            raise ValueError(
                f"{str(path)!r} holds weights of the render system {system!r}, this viseme-render "
                f"draws with {known}; upgrade it, or train one of these"
            )
        return FrameRenderer._systems[system].load(path, device=device)


def default_device() -> torch.device:
    """Return the fastest device that this machine has: CUDA, MPS or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def check_motion(
    face_model: str, reference: ReferenceFace, motion: Motion, *, chunk: int = CHUNK
) -> None:
    """Refuse what a renderer cannot draw.

    Args:
        face_model: Name of the face model that the renderer knows.
        reference: Portrait to draw.
        motion: Motion to draw it in.
        chunk: Frames to yield at a time.

    Raises:
        ValueError: If a face model is another one, frames are not square, or `chunk` is below 1.
    """
    for name, other in (("reference", reference.face_model), ("motion", motion.face_model)):
        if other != face_model:
            raise ValueError(
                f"{name}.face_model must be {face_model!r}, which this renderer draws, got "
                f"{other!r}; convert the motion (viseme_face.convert), or fit the portrait again"
            )
    height, width = reference.frame_3HW.shape[1:]
    if height != width:
        raise ValueError(
            f"reference.frame_3HW must be square, got {height} x {width}; crop it by a CropBox"
        )
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1 frame, got {chunk}")
