"""Motion to frames with a portrait's own mesh."""

import copy
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from viseme_core.types import Landmarks, Motion, ReferenceFace
from viseme_face.morphable import MorphableModel
from viseme_render.mesh.portrait import MeshPortrait
from viseme_render.renderer import CHUNK, FrameRenderer, check_motion, default_device

# Portraits whose constant work is kept; one takes about 3 MB at 256 pixels.
_KEPT = 4


class MeshRenderer(FrameRenderer):
    """Moves a portrait by its fitted mesh: no weights, real time on a CPU.

    Args:
        model: Face model of portraits and motion; it must know `mp478`. Default: the built-in one.
        device: Where to draw, and where frames come out; by default on a GPU if there is one.

    Raises:
        ValueError: If the model does not know `mp478`.
    """

    def __init__(
        self, model: MorphableModel | None = None, *, device: torch.device | str | None = None
    ) -> None:
        self.device = default_device() if device is None else torch.device(device)
        model = MorphableModel.builtin() if model is None else copy.deepcopy(model)
        self.model = model.to(self.device)
        self.face_model = model.name
        self.model.landmark_ids("mp478")
        self._portraits: list[tuple[ReferenceFace, MeshPortrait]] = []

    def __call__(
        self, reference: ReferenceFace, motion: Motion, *, chunk: int = CHUNK
    ) -> Iterator[Tensor]:
        """Yield the frames of a motion; see `FrameRenderer`."""
        check_motion(self.face_model, reference, motion, chunk=chunk)
        portrait = self.portrait(reference)
        return self._frames(portrait, motion, chunk)

    def portrait(self, reference: ReferenceFace) -> MeshPortrait:
        """Return what is worked out once for a portrait; the last few are kept."""
        for known, portrait in self._portraits:
            if known is reference:
                return portrait
        portrait = MeshPortrait(_moved(reference, self.device), self.model)
        self._portraits = [*self._portraits[1 - _KEPT :], (reference, portrait)]
        return portrait

    def _frames(self, portrait: MeshPortrait, motion: Motion, chunk: int) -> Iterator[Tensor]:
        for start in range(0, motion.num_frames, chunk):
            part = motion[start : start + chunk].to(self.device)
            yield portrait.draw(part.expression.float(), part.pose.float())


def _moved(reference: ReferenceFace, device: torch.device) -> ReferenceFace:
    """Return the portrait in float32 on a device, without the picture that it was cut from."""
    to = {"device": device, "dtype": torch.float32}
    points_1KD = reference.landmarks.points_TKD.to(**to)
    return replace(
        reference,
        frame_3HW=reference.frame_3HW.to(**to),
        landmarks=Landmarks(points_1KD, reference.landmarks.layout),
        identity=reference.identity.to(**to),
        expression=reference.expression.to(**to),
        pose=reference.pose.to(**to),
    )
