"""What shows between lids and lips, as layers to lay over any picture of the same face.

The layers need the mesh, the pose and the light, and nothing of how the skin was drawn: a
synthetic head and a photograph on the mesh take the same ones.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.coverage import Layer, Window, cover_outline, window_around
from viseme_face.eyes import (
    EYES,
    EyeStyle,
    draw_eyeball,
    gaze_of_angles,
    gaze_of_mesh,
    place_eyeballs,
    rays_through,
)
from viseme_face.layouts import LIP_INNER
from viseme_face.lids import draw_lids
from viseme_face.light import Light
from viseme_face.mouth import MouthStyle, draw_inside, jaw_angle, place_mouth
from viseme_face.pose import euler_to_matrix, pose_vertices, project


class NamedLayer(NamedTuple):
    """A layer and what it shows."""

    layer: Layer
    shows: Literal["mouth", "eyes", "lashes", "glasses"]


class Interior:
    """Eyes and mouth of one person.

    Args:
        neutral_K3: `mp478` points of the face at rest in model space, shape (478, 3).
        eyes: What the eyes look like.
        mouth: What the inside of the mouth looks like.
        lash: Colour of the lashes, linear RGB.
        lashes: Thickness of the lashes, 1 for bare ones.
    """

    def __init__(
        self,
        neutral_K3: Tensor,
        *,
        eyes: EyeStyle | None = None,
        mouth: MouthStyle | None = None,
        lash: tuple[float, float, float] = (0.02, 0.014, 0.012),
        lashes: float = 1.0,
    ) -> None:
        self.eyeballs = place_eyeballs(neutral_K3)
        self.mouth = place_mouth(neutral_K3)
        self.eye_style = eyes or EyeStyle()
        self.mouth_style = mouth or MouthStyle()
        self.lash = lash
        self.lashes = lashes

    def layers(
        self,
        points_TK3: Tensor,
        pose_T6: Tensor,
        light: Light,
        size: int,
        *,
        gaze_T2: Tensor | None = None,
        tongue_T: Tensor | None = None,
        hidden_THW: Tensor | None = None,
    ) -> list[NamedLayer]:
        """Return the layers of a clip, to be laid over in this order.

        Args:
            points_TK3: `mp478` points of every frame in model space.
            pose_T6: Pose of every frame.
            light: The scene's light.
            size: Side of the picture in pixels.
            gaze_T2: Where both eyes look, angles (rx, ry) as in a pose; default: where the irises
                of the mesh are.
            tongue_T: How far the tip of the tongue is raised, from 0 to 1.
            hidden_THW: True where something stands before the inside of eyes and mouth.
        """
        gaze_T23 = (
            gaze_of_mesh(points_TK3, self.eyeballs) if gaze_T2 is None else gaze_of_angles(gaze_T2)
        )
        if tongue_T is None:
            tongue_T = points_TK3.new_zeros(len(points_TK3))
        camera_TK3 = pose_vertices(points_TK3, pose_T6)
        screen_TK2 = size * project(camera_TK3)
        layers: list[NamedLayer] = []
        for eye in range(2):
            layers += self._eye(eye, screen_TK2, pose_T6, gaze_T23[:, eye], light, hidden_THW, size)
        jaw_T = jaw_angle(points_TK3, self.mouth)
        layers.append(self._mouth(screen_TK2, pose_T6, jaw_T, tongue_T, light, hidden_THW, size))
        return layers

    def _eye(
        self,
        eye: int,
        screen_TK2: Tensor,
        pose_T6: Tensor,
        gaze_T3: Tensor,
        light: Light,
        hidden_THW: Tensor | None,
        size: int,
    ) -> list[NamedLayer]:
        outline_TK2 = screen_TK2[:, list(EYES[eye][0])]
        window = window_around(outline_TK2, 3, size)
        lids = draw_lids(outline_TK2, window, lashes=self.lashes)
        rays = rays_through(window, pose_T6, size)
        rotation_T33 = euler_to_matrix(pose_T6[:, :3])
        mirror_T3 = light.mirrored(pose_T6) @ rotation_T33
        color_T3hw, glint_Thw = draw_eyeball(
            rays, self.eyeballs, eye, gaze_T3, mirror_T3, self.eye_style, size
        )
        lit_3 = light.on_front(color_T3hw)[:, None, None]
        color_T3hw = color_T3hw * lit_3 * lids.shade_Thw[:, None]
        color_T3hw = torch.lerp(color_T3hw, torch.ones_like(color_T3hw), glint_Thw[:, None])
        lash_3 = color_T3hw.new_tensor(self.lash)[:, None, None]
        open_Thw = _behind(lids.opening_Thw, window, hidden_THW)
        return [
            NamedLayer(Layer(window, color_T3hw, open_Thw), "eyes"),
            NamedLayer(Layer(window, lash_3.expand_as(color_T3hw), lids.lash_Thw), "lashes"),
        ]

    def _mouth(
        self,
        screen_TK2: Tensor,
        pose_T6: Tensor,
        jaw_T: Tensor,
        tongue_T: Tensor,
        light: Light,
        hidden_THW: Tensor | None,
        size: int,
    ) -> NamedLayer:
        outline_TK2 = screen_TK2[:, list(LIP_INNER)]
        window = window_around(outline_TK2, 2, size)
        lips = cover_outline(outline_TK2, window)
        inside = draw_inside(
            rays_through(window, pose_T6, size),
            lips,
            window.rows,
            self.mouth,
            jaw_T,
            tongue_T,
            self.mouth_style,
            size,
        )
        lit_3 = light.on_front(inside.color_T3hw)[:, None, None]
        alpha_Thw = _behind(lips.share_Thw, window, hidden_THW)
        return NamedLayer(Layer(window, inside.color_T3hw * lit_3, alpha_Thw), "mouth")


def _behind(share_Thw: Tensor, window: Window, hidden_THW: Tensor | None) -> Tensor:
    """Return what is left of a layer behind what hides it.

    An outline's own edge passes through pixels whose centre shows skin: only pixels well inside the
    outline can be hidden.
    """
    if hidden_THW is None:
        return share_Thw
    inside_Thw = -F.max_pool2d(-share_Thw[:, None], 3, 1, 1)[:, 0] > 0.999
    hidden_Thw = hidden_THW.flatten()[window.flat(hidden_THW.shape[-1])]
    return torch.where(inside_Thw & hidden_Thw, 0, share_Thw)
