"""Scores against NumPy, and plots that show what they are given."""

import numpy as np
import pytest
import torch

from viseme_face.layouts import LIP_INNER, TALK131
from viseme_landmarks.monitor import (
    distances,
    mouth_width,
    opening_scores,
    openings,
    plot_faces,
    plot_openings,
)


def speaking(gaps: list[float]) -> torch.Tensor:
    """Return lips and jaws (T, 57, 2) whose inner lips are this far apart, of width 0.2."""
    content = torch.rand(1, 57, 2).repeat(len(gaps), 1, 1)
    for place, point in enumerate(LIP_INNER):
        row = TALK131.index(point)
        # From the right corner over the upper lip to the left one, back below.
        along = place if place <= 10 else 20 - place
        content[:, row, 0] = 0.4 + 0.02 * along
        is_corner = place in (0, 10)
        side = 0.0 if is_corner else (-0.5 if place < 10 else 0.5)
        content[:, row, 1] = 0.6 + side * torch.tensor(gaps)
    return content


def test_distances_are_means_over_points_in_mouth_widths():
    true, found = torch.rand(4, 57, 2), torch.rand(4, 57, 2)
    scores = distances(found, true, torch.tensor(0.25))
    away = np.sqrt(((found - true).numpy() ** 2).sum(-1)) / 0.25
    assert float(scores["lip_distance"]) == pytest.approx(away[:, :41].mean(), rel=1e-5)
    assert float(scores["jaw_distance"]) == pytest.approx(away[:, 41:].mean(), rel=1e-5)


def test_the_mouths_width_is_that_of_the_references_outer_corners():
    references = torch.rand(3, 131, 2)
    ends = references[:, [TALK131.index(61), TALK131.index(291)]].numpy()
    expected = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1).mean()
    assert float(mouth_width(references)) == pytest.approx(expected, rel=1e-6)


def test_openings_are_parts_of_the_mouths_width():
    torch.testing.assert_close(
        openings(speaking([0.0, 0.02, 0.1])), torch.tensor([0.0, 0.1, 0.5]), rtol=0, atol=1e-6
    )


def test_lips_that_open_half_as_far_correlate_and_spread_half():
    true = speaking([0.0, 0.04, 0.1, 0.02, 0.0])
    found = speaking([0.0, 0.02, 0.05, 0.01, 0.0])
    scores = opening_scores(found, true)
    assert float(scores["lip_correlation"]) == pytest.approx(1, abs=1e-6)
    assert float(scores["lip_spread"]) == pytest.approx(0.5, abs=1e-6)
    still = opening_scores(speaking([0.03] * 5), true)
    assert still["lip_correlation"].isnan()


def test_plots_show_every_curve_and_faces_from_closed_to_open():
    true, found = speaking([0.1, 0.0, 0.05, 0.02, 0.08]), speaking([0.0] * 5)
    curves = plot_openings({"true": true, "completed": found})
    (axes,) = curves.axes
    assert [line.get_label() for line in axes.lines] == ["true", "completed"]
    drawn = np.asarray(axes.lines[0].get_ydata(), dtype=float)
    np.testing.assert_allclose(drawn, [0.5, 0, 0.25, 0.1, 0.4], atol=1e-6)
    faces = plot_faces(found, true, torch.rand(5, 74, 2))
    titles = [axes.get_title() for axes in faces.axes]
    assert titles == [f"frame {n}" for n in (1, 3, 2, 4, 0)]
