"""Scores and pictures of generated motion, against numpy and against motion made to be seen."""

import numpy as np
import pytest
import torch

from tests.motion.small import FACE
from viseme_core.types import FPS, Motion
from viseme_face import close_eyes, lip_opening, refit
from viseme_face.layouts import LIP
from viseme_motion.monitor import MESH_SIZE, MotionMonitor

MONITOR = MotionMonitor(FACE)
NOBODY = torch.zeros(80)
REST = torch.zeros(64)


def talking(frames: int = 50) -> torch.Tensor:
    """Return expression that changes smoothly and opens and closes the mouth."""
    phase_T1 = torch.arange(frames)[:, None] / 6
    return 0.3 * FACE.expression_std_E * (phase_T1 + torch.arange(64)).sin()


def test_scores_are_what_their_names_say():
    true_TC = talking()
    found_TC = 0.5 * true_TC + 0.05 * FACE.expression_std_E * torch.randn_like(true_TC)
    identity_I = FACE.identity_std_I * torch.randn(80)
    scores = MONITOR.scores(found_TC, true_TC, REST, identity_I)
    found, true, rest = (
        FACE(identity_I, e)[..., FACE.landmark_ids("mp478"), :].double().numpy()
        for e in (found_TC, true_TC, REST[None])
    )
    lips, width = list(LIP), np.linalg.norm(rest[0, 61] - rest[0, 291])
    for name, points in (("lip_distance", found), ("lip_distance_of_mean", rest)):
        distance = np.linalg.norm((points - true)[:, lips], axis=-1).mean() / width
        assert float(scores[name]) == pytest.approx(distance, rel=1e-4)
    curves = [lip_opening(torch.tensor(p)).numpy() for p in (found, true)]
    correlation = np.corrcoef(curves[0], curves[1])[0, 1]
    assert float(scores["lip_correlation"]) == pytest.approx(correlation, rel=1e-3)
    spread = curves[0].std() / curves[1].std()
    assert float(scores["lip_spread"]) == pytest.approx(spread, rel=1e-3)
    diversity = found_TC.numpy().std(0).mean() / true_TC.numpy().std(0).mean()
    assert float(scores["diversity"]) == pytest.approx(diversity, rel=1e-4)


def test_lips_that_come_two_frames_late_are_forgiven_and_three_are_not():
    walk_TC = 0.3 * FACE.expression_std_E * torch.randn(60, 64)
    near = [
        float(MONITOR.scores(walk_TC[5 - lag : 55 - lag], walk_TC[5:55], REST, NOBODY)[name])
        for lag in (2, 3)
        for name in ("lip_correlation", "lip_correlation_near")
    ]
    assert near[1] == pytest.approx(1, abs=1e-6)
    assert max(near[0], near[2], near[3]) < 0.6


def test_the_truth_is_at_no_distance_from_itself():
    scores = MONITOR.scores(talking(), talking(), REST, NOBODY)
    assert scores["lip_distance"] == 0
    for name in ("lip_correlation", "lip_spread", "diversity"):
        assert float(scores[name]) == pytest.approx(1, abs=1e-6)


def test_a_face_that_never_moves_is_as_far_as_the_mean_and_has_no_correlation():
    still_TC = REST.expand(50, -1)
    scores = MONITOR.scores(still_TC, talking(), REST, NOBODY)
    torch.testing.assert_close(scores["lip_distance"], scores["lip_distance_of_mean"])
    assert scores["lip_correlation"].isnan()
    assert scores["diversity"] == 0


def test_blinks_are_counted_per_second():
    frames = 4 * FPS
    open_eyes = Motion(
        expression=torch.zeros(frames, 64),
        pose=torch.zeros(frames, 6),
        identity=NOBODY,
        face_model=FACE.name,
        fps=float(FPS),
    )
    closed_TC = refit(FACE, open_eyes, close_eyes).expression
    blinking_TC = open_eyes.expression.clone()
    for start in (20, 60):
        blinking_TC[start : start + 4] = closed_TC[start : start + 4]
    scores = MONITOR.scores(blinking_TC, open_eyes.expression, REST, NOBODY)
    assert scores["blinks_per_sec"] == 2 / 4
    assert scores["true_blinks_per_sec"] == 0


def test_the_plot_shows_both_openings_over_seconds():
    found_TC, true_TC = talking() / 2, talking()
    figure = MONITOR.plot(found_TC, true_TC, NOBODY)
    lips, eyes = figure.axes
    for axes in (lips, eyes):
        assert [line.get_label() for line in axes.lines] == ["true", "generated"]
    for line, expression_TC in zip(lips.lines, (true_TC, found_TC), strict=True):
        expected = lip_opening(FACE.landmarks(NOBODY, expression_TC, "mp478"))
        np.testing.assert_allclose(np.array(line.get_ydata()), expected, rtol=1e-5)
        np.testing.assert_allclose(np.array(line.get_xdata()), np.arange(50) / FPS)


def test_the_film_has_the_true_face_on_the_left_and_the_generated_one_on_the_right():
    true_TC = talking(3)
    film = MONITOR.film(REST.expand(3, -1), true_TC, NOBODY)
    assert film.shape == (3, 3, MESH_SIZE, 2 * MESH_SIZE)
    assert film.abs().max() <= 1
    left, right = film.chunk(2, dim=-1)
    assert torch.equal(right[0], right[2])
    assert not torch.equal(left[0], left[2])
    swapped = MONITOR.film(true_TC, REST.expand(3, -1), NOBODY)
    assert torch.equal(swapped, torch.cat([right, left], -1))
    # A face is brighter than the darkness around it and fills most of the middle.
    middle = right[0, 0, 60:100, 60:100]
    assert (middle > right.min()).float().mean() > 0.95
