"""The picture of chosen directions: one face each, coloured by how far it moves."""

import numpy as np
import torch

from tests.motion.small import FACE, SUBSPACES
from viseme_motion.disenttalk.picture import COLUMNS, draw_subspaces


def test_every_direction_has_a_face_that_is_bright_where_it_moves():
    sensitivity = {region: torch.rand(64) for region in ("lip", "eye")}
    figure = draw_subspaces(SUBSPACES, FACE, sensitivity)
    chosen = [("lip", i) for i in SUBSPACES.lip] + [("eye", i) for i in SUBSPACES.eye]
    assert len(figure.axes) == COLUMNS * -(-len(chosen) // COLUMNS)
    rest = torch.zeros(1, 64)
    mean_V3 = FACE(torch.zeros(80), rest)[0]
    height = mean_V3[:, 1].max() - mean_V3[:, 1].min()
    for axes, (region, direction) in zip(figure.axes, chosen, strict=False):
        moved = rest.clone()
        moved[0, direction] = 2 * FACE.expression_std_E[direction]
        away_V = (FACE(torch.zeros(80), moved)[0] - mean_V3).norm(dim=-1) / height
        (faces,) = axes.collections
        colours_V = np.asarray(faces.get_array())
        np.testing.assert_allclose(colours_V, away_V.numpy(), rtol=1e-3, atol=1e-5)
        ratio = float(sensitivity[region][direction])
        assert axes.get_title() == f"{region} {direction}: {ratio:.1f}, {colours_V.max():.1%}"
    assert all(not axes.collections for axes in figure.axes[len(chosen) :])
