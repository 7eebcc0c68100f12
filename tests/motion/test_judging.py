"""Scores of a judge, against its cosines gone through one by one."""

import numpy as np
import pytest
import torch

from tests.motion.small import SUBSPACES, SYSTEMS, make_batch, make_expert
from viseme_motion.judging import MAX_LAG, choose_shift, head_scores, sync_scores

FRAMES = 40


def cosines(expert, expression_TC, identity_I, audio_TA) -> np.ndarray:
    """Return the cosine (U, U) of every window of lips with every window of sound."""
    size = expert.config.window
    seen_TX = expert.see(identity_I[None], expression_TC[None])[0]
    heard_TA = (audio_TA - expert.audio_scale.mean) / expert.audio_scale.std
    places = range(len(seen_TX) - size + 1)
    with torch.no_grad():
        lips = [expert.expert.motion_encoder(seen_TX[t : t + size][None])[0] for t in places]
        sound = [expert.expert.audio_encoder(heard_TA[t : t + size][None])[0] for t in places]
    return np.array([[float(torch.cosine_similarity(v, a, dim=0)) for a in sound] for v in lips])


@pytest.mark.parametrize("system", SYSTEMS)
def test_confidence_is_the_highest_mean_cosine_over_lags_less_the_median(system):
    expert, batch = make_expert(system), make_batch(1, FRAMES)
    given = (batch.expression_BTC[0], batch.identity_BI[0], batch.audio_BTA[0])
    grid = cosines(expert, *given)
    # Lips of frame t with the sound of frame t - lag.
    curve = [np.diagonal(grid, -lag).mean() for lag in range(-MAX_LAG, MAX_LAG + 1)]
    found = sync_scores(expert, *given)
    assert float(found["sync_confidence"]) == pytest.approx(max(curve) - np.median(curve), abs=1e-5)
    best = int(np.argmax(curve)) - MAX_LAG
    assert float(found["sync_accuracy"]) == float(abs(best) <= 1)


@pytest.mark.parametrize(
    ("lag", "is_in_sync"), [(0, 1.0), (1, 1.0), (-1, 1.0), (2, 0.0), (-3, 0.0)]
)
def test_lips_are_in_sync_if_the_best_lag_is_at_most_one_frame(lag, is_in_sync):
    expert = make_expert("disenttalk", audio_dim=len(SUBSPACES.lip))
    batch = make_batch(1, FRAMES + 6)
    # Both encoders give what they are given, so that lips say which sound they belong to.
    expert.expert.motion_encoder = torch.nn.Flatten()
    expert.expert.audio_encoder = torch.nn.Flatten()
    expression_TC = batch.expression_BTC[0]
    heard_TA = expression_TC[:, list(expert.lips)]
    late_TC = expression_TC[3 - lag : 3 - lag + FRAMES]
    found = sync_scores(expert, late_TC, batch.identity_BI[0], heard_TA[3 : 3 + FRAMES])
    assert float(found["sync_accuracy"]) == is_in_sync
    assert float(found["sync_confidence"]) > 0.5


def test_a_sample_too_short_to_be_shifted_has_no_score():
    expert = make_expert("fd2talk")
    least = expert.config.window + MAX_LAG
    for frames, is_defined in ((least - 1, False), (least, True)):
        batch = make_batch(1, frames)
        given = (batch.expression_BTC[0], batch.identity_BI[0], batch.audio_BTA[0])
        scores = sync_scores(expert, *given)
        assert all(bool(value.isfinite()) is is_defined for value in scores.values())


def test_head_diversity_is_the_deviation_of_the_three_angles_in_degrees():
    found_T6, true_T6 = torch.randn(2, 30, 6, dtype=torch.float64)
    scores = head_scores(found_T6, true_T6)
    for name, pose_T6 in (("head_diversity", found_T6), ("true_head_diversity", true_T6)):
        degrees = np.degrees(pose_T6[:, :3].numpy().std(0, ddof=1)).mean()
        assert float(scores[name]) == pytest.approx(degrees)
    aside_T6 = found_T6 + torch.tensor([0.3, -0.2, 0.1, 5.0, 5.0, 5.0])
    torch.testing.assert_close(head_scores(aside_T6, true_T6), scores)


def test_a_wrong_sound_is_another_clips_wherever_the_batch_has_one():
    # Windows of clips in order, as test loaders give them.
    for clips in (list("aaabbb"), list("aaabbbcccddd"), list("abcd"), list("aab"), list("aaaab")):
        shift, size = choose_shift(clips), len(clips)
        heard = torch.arange(size).roll(shift).tolist()
        foreign = sum(clips[i] != clips[other] for i, other in enumerate(heard))
        most = {"aaaab": 2, "aab": 2}.get("".join(clips), size)
        assert foreign == most
    assert choose_shift(list("aaaaaa")) == 3
    assert choose_shift(["a"]) == 0
