import math

import torch

from viseme_render.talkformer.embeddings import (
    NUM_LANDMARKS,
    NUM_WAVES,
    FaceEmbedding,
    LandmarkEmbedding,
    grid_waves,
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
