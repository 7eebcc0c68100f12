"""What is around a portrait's face: rings of vertices that go with the head, less and less."""

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.pose import CAMERA_DISTANCE, FOCAL, project
from viseme_face.sheet.topology import PER_EDGE, border_points, topology

# How far from the rim to the border the head reaches, with its hair and ears.
_HEAD = 0.2
# How fast the surroundings let go of the face's own expression (the chin), as a power of the way
# to the border; they let go of the head's movement later.
_EXPRESSION_FADE = 1.6
# Depth of the border behind the rim, in model units (decimetres): hair, ears and neck fall back
# from the face; shallower ones turn with it like a mask.
_RECEDE = 1.2
# Steps in which the end of the face's outline is looked for along a column, and the farthest one.
_STEPS = 64
_FARTHEST = 0.6
# From the middle of the face to its outline, so far there is skin and not half of what is behind.
_TO_SKIN = 0.94


class Surroundings:
    """The rings around one portrait's face.

    Args:
        camera_V3: The face in camera space.
        covered_HW: True where its skin is seen in the portrait.
        roll: How far the head is tilted, as in a pose.
    """

    def __init__(self, camera_V3: Tensor, covered_HW: Tensor, roll: Tensor) -> None:
        sheet = topology()
        device = camera_V3.device
        self._rim_C2 = sheet.column_rim_C2.to(device)
        self._share_C1 = sheet.column_share_C.to(device)[:, None]
        reach_N1 = sheet.reach_N.to(device)[:, None]
        self._num_rings = len(reach_N1) // len(self._share_C1)
        # Flat at the rim, where hair and ears belong to the head, and never steep, so that it
        # takes a large movement to fold it.
        beyond_N1 = ((reach_N1 - _HEAD) / (1 - _HEAD)).clamp(min=0)
        self._follow_N1 = 1 - beyond_N1**2 * (3 - 2 * beyond_N1)
        self._fade_N1 = (1 - reach_N1) ** _EXPRESSION_FADE
        self._recede_N = _RECEDE * reach_N1[:, 0]

        rim_C2 = self._columns(project(camera_V3))
        depth_C = self._columns(camera_V3)[:, 2]
        # Not the columns in space, which are seen elsewhere than half way between their ends.
        self._rim_C3 = unproject(rim_C2, depth_C)
        centre_2 = (rim_C2.amin(0) + rim_C2.amax(0)) / 2
        # The columns stand around a tilted face as they do around an upright one.
        border_C2 = border_points(centre_2, sheet.angle_C.to(device) - roll)
        reach_N1 = self._beyond_outline(reach_N1, rim_C2, border_C2, covered_HW)
        self.source_N2 = torch.lerp(self._around(rim_C2), self._around(border_C2), reach_N1)
        # Rings stand outside the outline: a little further in there is skin.
        first_C2 = self.source_N2[: len(rim_C2)]
        self.skin_R2 = torch.lerp(centre_2, first_C2, _TO_SKIN)[::PER_EDGE]
        """Skin next to the first ring, for each vertex of the rim."""
        depth_N = self._around(depth_C[:, None])[:, 0] - self._recede_N
        self._rings_N3 = unproject(self.source_N2, depth_N)

    def move(
        self, relative_T33: Tensor, shift_T13: Tensor, camera_TV3: Tensor, screen_TV2: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return where the rings are in the picture, (T, N, 2), and their height, (T, N).

        Args:
            relative_T33: Turn of the head since the portrait, in camera space.
            shift_T13: Its shift after the turn.
            camera_TV3: The face in camera space.
            screen_TV2: The face in the picture.
        """

        def rigid(points_X3: Tensor) -> Tensor:
            return project(points_X3 @ relative_T33.mT + shift_T13)

        head_TN2 = rigid(self._rings_N3) - self.source_N2
        own_TC2 = self._columns(screen_TV2) - rigid(self._rim_C3)
        moved_TN2 = (
            self.source_N2 + self._follow_N1 * head_TN2 + self._fade_N1 * self._around(own_TC2)
        )
        height_TN = self._around(self._columns(camera_TV3[..., 2:]))[..., 0] - self._recede_N
        return moved_TN2, height_TN

    def _beyond_outline(
        self, reach_N1: Tensor, rim_C2: Tensor, border_C2: Tensor, covered_HW: Tensor
    ) -> Tensor:
        """Return how far along its column each ring stands, so that none stands before the face.

        On a head that is turned aside the far rim lies behind the face. The rings begin where the
        face's outline ends, at least as far out as they are meant to.
        """
        # A pixel of skin more: what is half skin is not background.
        wide_HW = F.max_pool2d(covered_HW[None, None].float(), 3, 1, 1)[0, 0]
        step_S = torch.linspace(0, 1, _STEPS + 1, device=rim_C2.device)
        along_SC2 = torch.lerp(rim_C2, border_C2, step_S[:, None, None])
        grid_1SC2 = 2 * along_SC2[None] - 1
        before_SC = F.grid_sample(
            wide_HW[None, None], grid_1SC2, mode="nearest", align_corners=False
        )[0, 0]
        ends_C = before_SC.cumprod(0).sum(0) / _STEPS
        num_columns = len(rim_C2)
        first = reach_N1[0, 0]
        begin_C = ends_C.clamp(max=_FARTHEST).maximum(first)
        # Neighbouring columns begin at like places, or the sheet between them would be sheared.
        begin_C = (begin_C.roll(1) + 2 * begin_C + begin_C.roll(-1)).div(4).maximum(begin_C)
        begin_N1 = begin_C.repeat(len(reach_N1) // num_columns)[:, None]
        return begin_N1 + (1 - begin_N1) * (reach_N1 - first) / (1 - first)

    def _columns(self, face_TVD: Tensor) -> Tensor:
        """Return values at the start of each column on the rim, (..., C, D)."""
        first, second = self._rim_C2.unbind(1)
        return torch.lerp(face_TVD[..., first, :], face_TVD[..., second, :], self._share_C1)

    def _around(self, columns_TCD: Tensor) -> Tensor:
        """Return what each column holds for every ring, (..., C, D) to (..., N, D)."""
        return torch.cat([columns_TCD] * self._num_rings, -2)


def unproject(screen_N2: Tensor, height_N: Tensor) -> Tensor:
    """Return camera-space points that are seen at a place of the picture, at a height (Z)."""
    spread_N = (CAMERA_DISTANCE - height_N) / FOCAL
    return torch.stack(
        [(screen_N2[..., 0] - 0.5) * spread_N, (0.5 - screen_N2[..., 1]) * spread_N, height_N], -1
    )
