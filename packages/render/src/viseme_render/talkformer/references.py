"""Which pictures of a template stand for its person.

The paper has one. Where a head moves away from it, a small network leaves that picture's mouth
standing beside the new one; so films may take, window by window, the nearest in pose of a few. In
training, too, the reference is any other frame of the clip.

Letters: R references, T frames, K landmarks.
"""

import torch
from torch import Tensor

from viseme_core.types import Landmarks
from viseme_face.layouts import POSE_SLICE, select

MOST = 16
"""References of a film, if it has several: enough to be near, few enough to keep."""
# Another reference is taken from this share of the present one's distance on: every change shows.
_CLEARLY = 0.7


class References:
    """Pictures of one person, of which each window takes one.

    Args:
        pictures_R3HW: Square crops in [-1, 1].
        landmarks: The person in these pictures; may be left out of a single one.

    Raises:
        ValueError: If there are several pictures, but no landmarks, or not as many.
    """

    def __init__(self, pictures_R3HW: Tensor, landmarks: Landmarks | None = None) -> None:
        self.pictures_R3HW = pictures_R3HW
        if landmarks is None:
            if len(pictures_R3HW) != 1:
                raise ValueError(f"{len(pictures_R3HW)} references need landmarks to choose by")
            return
        self._poses_RK2 = _poses(landmarks)
        if len(self._poses_RK2) != len(pictures_R3HW):
            raise ValueError(
                f"there are {len(pictures_R3HW)} references, but landmarks of "
                f"{len(self._poses_RK2)}"
            )

    def nearest(self, landmarks: Landmarks, last: int | None = None) -> int:
        """Return the number of the reference for a window.

        Args:
            landmarks: The window's; the mean distance of its upper faces counts.
            last: The one of the window before, which is kept unless another is clearly nearer.
        """
        if len(self.pictures_R3HW) == 1:
            return 0
        poses_TK2 = _poses(landmarks).to(self._poses_RK2)
        apart_RT = (self._poses_RK2[:, None] - poses_TK2).norm(dim=-1).mean(-1)
        distance_R = apart_RT.mean(-1)
        best = int(distance_R.argmin())
        if last is not None and float(distance_R[best]) > _CLEARLY * float(distance_R[last]):
            return last
        return best


def spread(landmarks: Landmarks, count: int = MOST) -> list[int]:
    """Return the numbers of so many frames whose poses lie far apart, the first frame among them.

    Each is the one farthest from those before it; of fewer poses, fewer.

    Args:
        landmarks: The person in every frame.
        count: How many at most.
    """
    poses_TK2 = _poses(landmarks)
    chosen = [0]
    nearest_T = torch.full((len(poses_TK2),), torch.inf)
    while len(chosen) < count:
        apart_T = (poses_TK2 - poses_TK2[chosen[-1]]).norm(dim=-1).mean(-1)
        nearest_T = torch.minimum(nearest_T, apart_T)
        farthest = int(nearest_T.argmax())
        if not float(nearest_T[farthest]) > 0:
            break
        chosen.append(farthest)
    return chosen


def _poses(landmarks: Landmarks) -> Tensor:
    """Return the upper faces (T, K, 2): what lips and jaw do is no pose."""
    return select(landmarks, "talk131").points_TKD[:, POSE_SLICE, :2].float()
