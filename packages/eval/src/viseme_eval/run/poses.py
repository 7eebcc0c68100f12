"""Head pose of every frame by the built-in face model, a part of the clip at a time."""

from collections.abc import Callable

import torch
from torch import Tensor

from viseme_face import MorphableModel, fit_clip, fit_identity
from viseme_face.fitting import IDENTITY_FRAMES

# The expected error of real landmarks, as preparation takes it (`viseme_data.coefficients`): 0.8 %
# of the distance of the eyes.
_NOISE = 2e-3


class PoseFitter:
    """Fits pose with one identity per clip, found in frames spread over it.

    Args:
        points: Gives landmarks `mp478` in [0, 1] of the crop, (n, 478, 3), of some frames by
            number.
        num_frames: Length of the clip.
        model: Face model.
    """

    def __init__(
        self, points: Callable[[list[int]], Tensor], num_frames: int, model: MorphableModel
    ) -> None:
        some = torch.linspace(0, num_frames - 1, min(num_frames, IDENTITY_FRAMES)).round().long()
        self._model = model
        points_TK2 = points(some.tolist())[..., :2]
        self.identity = fit_identity(model, points_TK2, "mp478", noise=_NOISE)

    def pose(self, points_TK3: Tensor) -> Tensor:
        """Return (rx, ry, rz, tx, ty, tz) of each frame in radians and model units, (T, 6)."""
        points_TK2 = points_TK3[..., :2]
        return fit_clip(self._model, points_TK2, "mp478", identity=self.identity, noise=_NOISE).pose
