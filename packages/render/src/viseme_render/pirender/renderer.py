"""Motion to frames by PIRender.

renderer = FrameRenderer.from_checkpoint("runs/render/pirender/small")
renderer = PIRenderer.from_public("checkpoint.pt", face_model=basel.name)
frames = torch.cat(list(renderer(reference, motion)))  # (T, 3, H, W) in [-1, 1]
"""

from collections.abc import Iterator
from os import PathLike
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.types import Motion, ReferenceFace
from viseme_face.driving import COEFFICIENT_REACH, coefficient_windows
from viseme_render.build import load_pirender
from viseme_render.pirender.coefficients import driving_rows
from viseme_render.pirender.flow import warp
from viseme_render.pirender.model import PIRenderModel
from viseme_render.pirender.net import Prepared, Rendered
from viseme_render.pirender.public import read_public
from viseme_render.renderer import CHUNK, FrameRenderer, check_motion, default_device

# Portraits whose constant work is kept.
_KEPT = 4
# Frames that go through the networks at once on a processor: more would leave its caches.
_AT_ONCE_ON_CPU = 4
_PUBLIC_FAMILY = "bfm09"


class _Portrait(NamedTuple):
    """What is worked out once for a portrait."""

    prepared: Prepared
    own_1C: Tensor
    """Its own coefficients."""
    frame_13HW: Tensor
    """The portrait in the size it came in."""


class PIRenderer(FrameRenderer, system="pirender"):
    """Draws a portrait by warping and editing networks.

    Frames come out in the portrait's size. Networks that paint over the warped portrait (`blend`)
    warp it in full size, so that skin stays as sharp as it is; others are enlarged.

    Args:
        model: A trained model.
        face_model: Name of the face model whose coefficients it was trained on, `NAME@HASH8`.
        device: Where to draw, and where frames come out; by default on a GPU if there is one.
    """

    def __init__(
        self,
        model: PIRenderModel,
        face_model: str,
        *,
        device: torch.device | str | None = None,
    ) -> None:
        self.device = default_device() if device is None else torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.face_model = face_model
        self._portraits: list[tuple[ReferenceFace, _Portrait]] = []

    @classmethod
    def load(
        cls, path: str | PathLike[str], *, device: torch.device | str | None = None
    ) -> "PIRenderer":
        """Return the renderer whose weights a stage file, a checkpoint or a run's folder holds."""
        model, face_model = load_pirender(path)
        return cls(model, face_model, device=device)

    @classmethod
    def from_public(
        cls,
        path: str | PathLike[str],
        *,
        face_model: str,
        device: torch.device | str | None = None,
    ) -> "PIRenderer":
        """Return a renderer with the weights of a checkpoint that PIRender's authors publish.

        Args:
            path: The file, with `net_G_ema` in it.
            face_model: Name of your Basel model (`MorphableModel.from_basel(...).name`): these
                weights were trained on its coefficients.
            device: Where to draw.

        Raises:
            ValueError: If the file is not such a checkpoint, or the face model not the Basel model.
        """
        if face_model.partition("@")[0] != _PUBLIC_FAMILY:
            raise ValueError(
                f"public weights of PIRender draw coefficients of the Basel model, face_model "
                f"must be '{_PUBLIC_FAMILY}@...', got {face_model!r}; fit portraits with "
                f"MorphableModel.from_basel, and bring motion by viseme_face.convert"
            )
        return cls(read_public(path), face_model, device=device)

    def __call__(
        self, reference: ReferenceFace, motion: Motion, *, chunk: int = CHUNK
    ) -> Iterator[Tensor]:
        """Yield the frames of a motion; see `FrameRenderer`."""
        check_motion(self.face_model, reference, motion, chunk=chunk)
        return self._frames(self._portrait(reference), reference, motion, chunk)

    def _portrait(self, reference: ReferenceFace) -> _Portrait:
        for known, portrait in self._portraits:
            if known is reference:
                return portrait
        frame_13HW = reference.frame_3HW[None].to(self.device, torch.float32)
        size = self.model.config.net.size
        with torch.inference_mode():
            prepared = self.model.prepare(_resized(frame_13HW, size))
        own_1C = self._rows(reference, reference.expression[None], reference.pose[None])
        portrait = _Portrait(prepared, own_1C, frame_13HW)
        self._portraits = [*self._portraits[1 - _KEPT :], (reference, portrait)]
        return portrait

    def _rows(self, reference: ReferenceFace, expression_TE: Tensor, pose_T6: Tensor) -> Tensor:
        to = {"device": self.device, "dtype": torch.float32}
        # Motion is drawn in the portrait's own crop, whatever it was fitted in.
        return driving_rows(
            expression_TE.to(**to), pose_T6.to(**to), reference.crop, self.model.config.convention
        )

    def _frames(
        self, portrait: _Portrait, reference: ReferenceFace, motion: Motion, chunk: int
    ) -> Iterator[Tensor]:
        for start in range(0, motion.num_frames, chunk):
            stop = min(start + chunk, motion.num_frames)
            first = max(0, start - COEFFICIENT_REACH)
            part = motion[first : stop + COEFFICIENT_REACH]
            rows_TC = self._rows(reference, part.expression, part.pose)
            windows_TWC = coefficient_windows(
                rows_TC, torch.arange(start - first, stop - first, device=self.device)
            )
            yield self._drawn(portrait, windows_TWC)

    @torch.inference_mode()
    def _drawn(self, portrait: _Portrait, windows_TWC: Tensor) -> Tensor:
        at_once = _AT_ONCE_ON_CPU if self.device.type == "cpu" else len(windows_TWC)
        parts = [
            self._finished(self.model(portrait.prepared, some, portrait.own_1C), portrait)
            for some in windows_TWC.split(at_once)
        ]
        return torch.cat(parts).clamp(-1, 1)

    def _finished(self, made: Rendered, portrait: _Portrait) -> Tensor:
        """Return pictures in the portrait's size."""
        side = portrait.frame_13HW.shape[-1]
        if side == made.picture_B3HW.shape[-1]:
            return made.picture_B3HW
        net = self.model.config.net
        if not net.blend:
            return _resized(made.picture_B3HW, side)
        picture_B3HW = portrait.frame_13HW.expand(len(made.flow_B2hw), -1, -1, -1)
        warped_B3HW = warp(picture_B3HW, made.flow_B2hw, net.grid)
        paint_B3HW, mask_B1HW = (_resized(x, side) for x in (made.paint_B3HW, made.mask_B1HW))
        return torch.lerp(warped_B3HW, paint_B3HW, mask_B1HW)


def _resized(pictures_B3HW: Tensor, size: int) -> Tensor:
    if pictures_B3HW.shape[-1] == size:
        return pictures_B3HW
    return F.interpolate(
        pictures_B3HW, (size, size), mode="bilinear", align_corners=False, antialias=True
    )
