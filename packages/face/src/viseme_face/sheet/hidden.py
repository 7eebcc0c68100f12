"""What a portrait does not show of its face, and what to take instead when it comes into view.

In a portrait that is turned aside, the far cheek lies behind the face's outline, and its vertices
fall on what stands before it. Once the head turns back they are filled with the skin nearest to
them on the mesh.
"""

import torch
from torch import Tensor

from viseme_face.pose import camera_depth, project
from viseme_face.raster import rasterize
from viseme_face.regions import harmonic_weights
from viseme_face.shading import vertex_normals
from viseme_face.sheet.topology import RIM

# Cosines of normal and view: below the first a vertex shows nothing that could be used, above the
# second it shows all; what lies between is neither taken from nor quite given up.
_EDGE, _PLAIN = -0.05, 0.1
# How much further a vertex must turn towards the camera to be filled altogether.
_TURN = 0.08
# Depth, in model units, behind what stands before it at which a vertex is hidden.
_BEHIND = 0.06
_RASTER_PX = 128
# How much less hidden a vertex of the rim may be than the one beside it: filled ones lie further
# in, and one that stays where it is beside one that is filled turns the sheet over.
_RIM_STEP = 0.6
# With fewer vertices to continue there is no telling what a face looks like.
_MIN_SHOWN = 60


class HiddenSkin:
    """The hidden vertices of one portrait.

    Args:
        camera_V3: The face in camera space.
        triangles_P3: Its skin, nothing between lips and lids.
    """

    def __init__(self, camera_V3: Tensor, triangles_P3: Tensor) -> None:
        self.normal_V3 = vertex_normals(camera_V3[None], triangles_P3)[0]
        self._facing_V = self._facing(self.normal_V3)
        raster = rasterize(camera_V3[None], triangles_P3, (_RASTER_PX, _RASTER_PX))
        self.covered_HW = raster.mask_BHW[0]
        pixel_V2 = (project(camera_V3) * _RASTER_PX).long().clamp(0, _RASTER_PX - 1)
        before_V = raster.depth_BHW[0, pixel_V2[:, 1], pixel_V2[:, 0]]
        is_behind_V = camera_depth(camera_V3) > before_V + _BEHIND
        grazing_V = ((_PLAIN - self._facing_V) / (_PLAIN - _EDGE)).clamp(0, 1)
        self.hidden_V = _eased_along_rim(torch.where(is_behind_V, 1, grazing_V))
        self._triangles_P3 = triangles_P3.cpu()

    def filled(self, source_V2: Tensor, rim_R2: Tensor) -> Tensor:
        """Return where in the portrait each vertex finds skin, (V, 2).

        Args:
            source_V2: Where each vertex is in the portrait.
            rim_R2: Where vertices of `topology.RIM` that are hidden find the last of it.
        """
        rim = torch.tensor(RIM, device=source_V2.device)
        is_rim = self.hidden_V[rim] > 0
        filled_V2 = source_V2.clone()
        filled_V2[rim[is_rim]] = rim_R2[is_rim]
        is_free_V = self.hidden_V > 0
        if (~is_free_V).sum() < _MIN_SHOWN:
            return source_V2.clone()
        is_free_V[rim] = False
        known, free = ((~is_free_V).nonzero()[:, 0], is_free_V.nonzero()[:, 0])
        if len(free):
            weights_FM = harmonic_weights(self._triangles_P3, known.tolist(), free.tolist())
            filled_V2[free] = weights_FM.to(filled_V2) @ filled_V2[known]
        return filled_V2

    def coming(self, relative_T33: Tensor) -> Tensor:
        """Return how far each vertex has come into view, from 0 to 1, shape (T, V).

        Args:
            relative_T33: Turn of the head since the portrait, in camera space.
        """
        facing_TV = self._facing(self.normal_V3 @ relative_T33.mT)
        turned_TV = ((facing_TV - self._facing_V) / _TURN).clamp(0, 1)
        return _eased_along_rim(turned_TV * self.hidden_V)

    @staticmethod
    def _facing(normal_X3: Tensor) -> Tensor:
        return normal_X3[..., 2]


def _eased_along_rim(values_XV: Tensor) -> Tensor:
    """Return values from 0 to 1 that fall slowly from vertex to vertex of the rim, none smaller."""
    rim = torch.tensor(RIM, device=values_XV.device)
    rim_XR = values_XV[..., rim]
    eased_XR = rim_XR
    for away in range(1, int(1 / _RIM_STEP) + 1):
        for side in (-away, away):
            eased_XR = torch.maximum(eased_XR, rim_XR.roll(side, -1) - away * _RIM_STEP)
    return values_XV.index_copy(-1, rim, eased_XR)
