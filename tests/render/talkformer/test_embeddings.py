import math

import numpy as np
import torch

from viseme_face.layouts import CHIN, JAW, LIP_INNER, LIP_OUTER, TALK131, UPPER_FACE
from viseme_render.talkformer.embeddings import (
    GROUPS,
    NUM_LANDMARKS,
    NUM_WAVES,
    FaceEmbedding,
    LandmarkEmbedding,
    grid_waves,
    soft_points,
    waves,
)


def test_waves_are_sines_and_cosines_at_octaves():
    x, y = 0.3, 0.8
    found = waves(torch.tensor([x, y], dtype=torch.float64))
    angles = [math.pi * 2**k * v for v in (x, y) for k in range(6)]
    expected = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    assert len(found) == NUM_WAVES


def test_a_grid_is_told_the_middles_of_its_places_row_by_row():
    found = grid_waves(2, 4, torch.zeros(()))
    middles = torch.tensor([[(c + 0.5) / 4, (r + 0.5) / 2] for r in range(2) for c in range(4)])
    torch.testing.assert_close(found, waves(middles))


def test_a_landmark_is_embedded_with_its_neighbours_and_nobody_else():
    torch.manual_seed(0)
    embedding = LandmarkEmbedding(8, located=True)
    points = torch.rand(2, NUM_LANDMARKS, 2)
    other = points.clone()
    other[:, 60] += 0.1
    away = (embedding(points) - embedding(other)).detach().abs().amax((0, 2))
    assert away[58:63].min() > 1e-5
    assert not away[:58].any()
    assert not away[63:].any()


def test_landmarks_in_the_same_place_are_told_apart():
    torch.manual_seed(0)
    found = LandmarkEmbedding(8, located=False)(torch.full((1, NUM_LANDMARKS, 2), 0.5))[0]
    apart = torch.cdist(found, found).detach() + torch.eye(NUM_LANDMARKS)
    assert float(apart.min()) > 1e-3


def test_a_face_becomes_one_vector():
    found = FaceEmbedding(8)(torch.rand(3, NUM_LANDMARKS, 2))
    assert found.shape == (3, 1, 8)


def test_soft_points_are_gaussians_at_the_landmarks_of_a_group():
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(2, NUM_LANDMARKS, 2, generator=generator, dtype=torch.float64)
    found = soft_points(points, 16)
    assert found.shape == (2, len(GROUPS), 16, 16)
    middles = (np.arange(16) + 0.5) / 16
    for face in range(2):
        for group, rows in enumerate(GROUPS):
            total = np.zeros((16, 16))
            for x, y in points[face, list(rows)].tolist():
                away = (middles[None, :] - x) ** 2 + (middles[:, None] - y) ** 2
                total += np.exp(-away / (2 / 64**2))
            np.testing.assert_allclose(found[face, group], 1 - np.exp(-total), atol=1e-10)


def test_every_landmark_is_drawn_and_the_lips_meet_in_the_left_corner():
    ids = [{TALK131[row] for row in rows} for rows in GROUPS]
    outer, upper, lower, jaw, above = ids
    assert outer == set(LIP_OUTER)
    assert upper == set(LIP_INNER[:11])
    assert lower == {*LIP_INNER[10:]}
    assert upper & lower == {308}
    assert (jaw, above) == ({CHIN, *JAW}, set(UPPER_FACE))
    assert set().union(*ids) == set(TALK131)


def test_soft_points_pull_landmarks_to_where_they_should_be():
    points = torch.full((1, NUM_LANDMARKS, 2), 0.5, requires_grad=True)
    with torch.no_grad():
        wanted = soft_points(points + torch.tensor([0.01, 0.0]), 32)
    error = (soft_points(points, 32) - wanted).square().sum()
    (slope,) = torch.autograd.grad(error, points)
    # Descent goes to the right.
    assert (slope[..., 0] < 0).all()
    assert float(slope[..., 1].abs().max()) < 1e-3 * float(slope[..., 0].abs().max())
