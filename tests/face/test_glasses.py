"""Glasses: where they sit."""

import torch

from viseme_face.glasses import Glasses
from viseme_face.layouts import LEFT_EYE, RIGHT_EYE
from viseme_face.parts import read_builtin
from viseme_face.pose import project

SIZE = 256
STILL = torch.tensor([[0.0, 0, 0, 0, 0, -4.0]])


def test_rims_go_around_the_eyes_and_leave_them_free():
    face = read_builtin().mean_V3
    layers = Glasses(face, (0.0, 0, 0), arms=False).layers(STILL, SIZE)
    posed = face + STILL[0, 3:]
    for layer, ring in zip(layers[:2], (RIGHT_EYE, LEFT_EYE), strict=True):
        share = layer.alpha_Thw[0]
        eye = SIZE * project(posed[list(ring)])
        columns = (eye[:, 0] - layer.window.left_T).long()
        rows = (eye[:, 1] - layer.window.top_T).long()
        assert share[rows, columns].max() == 0
        middle = int(eye[:, 1].mean() - layer.window.top_T)
        # One rim on either side of the eye.
        assert share[middle, : columns.min()].max() > 0.5
        assert share[middle, columns.max() + 1 :].max() > 0.5


def test_the_arm_on_the_far_side_is_hidden():
    glasses = Glasses(read_builtin().mean_V3, (0.0, 0, 0))
    turned = STILL + torch.tensor([0.0, 0.7, 0, 0, 0, 0])
    # Turned to the right of the picture, the right side of the head is seen.
    right, left = glasses.layers(turned, SIZE)[3:]
    assert right.alpha_Thw.max() > 0.9
    assert left.alpha_Thw.max() == 0


def test_glasses_grow_with_the_head():
    face = read_builtin().mean_V3
    widths = [
        Glasses(scale * face, (0.0, 0, 0)).layers(STILL, SIZE)[0].window.width - 4
        for scale in (1.0, 1.3)
    ]
    assert 1.2 < widths[1] / widths[0] < 1.45
