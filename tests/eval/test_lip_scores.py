from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.eval.test_true_clips import clip_of, row_of
from viseme_core.types import SAMPLES_PER_FRAME
from viseme_eval.run.lip_scores import Curves, curves_of, lip_scores, shuffled_score, true_curves
from viseme_eval.run.true_clips import TrueClip, true_clip
from viseme_face import MorphableModel

FRAMES = 150


def speaking(seed: int = 0) -> TrueClip:
    """Lips that go up and down, with a pause from frame 60 to 80 and two closures."""
    rng = np.random.default_rng(seed)
    at = torch.arange(FRAMES)
    waves_T = sum(np.sin(at.numpy() * w + p) for w, p in rng.uniform(0.2, 1.2, size=(4, 2)))
    gap_T = torch.from_numpy(0.03 + 0.008 * waves_T).float()
    gap_T[[20, 100]] = 0.0
    gap_T[60:84] = 0.06
    sound_S = 0.1 * torch.randn(FRAMES * SAMPLES_PER_FRAME, generator=torch.manual_seed(seed))
    sound_S[60 * SAMPLES_PER_FRAME : 80 * SAMPLES_PER_FRAME] = 0
    row = row_of(seed, FRAMES)
    one = true_clip(row, clip_of(row, gap_T, sound_S))
    is_speech_T = (at < 60) | (at >= 80)
    return replace(one, windows_N2=torch.tensor([[19, 23], [99, 103]]), is_speech_T=is_speech_T)


def test_the_true_lips_have_the_scores_of_the_truth():
    one = speaking()
    scores = lip_scores(true_curves(one), one)
    for name in ("lag 0", "best lag", "lag 0 in speech", "spread", "of the true"):
        top, bottom = scores[name]
        assert top / bottom == pytest.approx(1), name
    assert scores["p b m closed"] == (2, 2)
    assert 0 < scores["anywhere"].top / scores["anywhere"].bottom < 0.5
    # The pause is from 60 to 80, and lips are wide open in it.
    assert one.pauses_N2.tolist() == [[60, 80]]
    assert scores["pauses closed"] == (0, 1)
    assert scores["stay closed"] == (0, 80 - 4 - 65)


def test_lips_that_come_late_and_timid_are_told_so():
    one = speaking()
    late_T = 0.2 + 0.5 * torch.roll(one.opening_T, 2)
    scores = lip_scores(Curves(opening_T=late_T), one)
    assert scores["best lag"].top > 0.99
    assert scores["lag 0"].top < 0.9
    assert scores["spread"].top == pytest.approx(0.5)
    assert scores["p b m closed"] == (0, 2)
    assert "blinks/s" not in scores


def test_jitter_and_a_mouth_that_shuts_in_pauses_are_seen():
    one = speaking()
    made_T = one.opening_T + 0.05 * (-1.0) ** torch.arange(FRAMES)
    made_T[63:77] = 0
    scores = lip_scores(Curves(opening_T=made_T), one)
    assert scores["above 8 Hz"].top > 3 * lip_scores(true_curves(one), one)["above 8 Hz"].top
    assert scores["pauses closed"] == (1, 1)
    assert scores["stay closed"].top == 11


def test_correlation_in_speech_leaves_pauses_out():
    one = speaking()
    made_T = one.opening_T.clone()
    made_T[60:80] = 0
    scores = lip_scores(Curves(opening_T=made_T), one)
    assert scores["lag 0 in speech"].top == pytest.approx(1)
    assert scores["lag 0"].top < 0.8


def test_a_mouth_that_never_moves_has_no_correlation():
    one = speaking()
    scores = lip_scores(Curves(opening_T=torch.full((FRAMES,), 0.2)), one)
    assert not {"lag 0", "best lag", "above 8 Hz"} & set(scores)
    assert scores["spread"].top == 0


def test_frames_beyond_the_clip_and_unseen_ones_do_not_count():
    one = speaking()
    opening_T = one.opening_T.clone()
    opening_T[[5, 6, 90]] = torch.nan
    unseen = replace(one, opening_T=opening_T)
    longer = Curves(opening_T=torch.cat([one.opening_T, torch.rand(9).double()]))
    assert lip_scores(longer, unseen)["lag 0"].top == pytest.approx(1)
    assert lip_scores(true_curves(unseen), unseen)["above 8 Hz"].top < 0.2


def test_somebody_elses_lips_are_compared_over_the_shorter_time():
    one, other = speaking(0), speaking(1)
    short = Curves(opening_T=one.opening_T[:100])
    expected = np.corrcoef(one.opening_T[:100].numpy(), other.opening_T[:100].numpy())[0, 1]
    assert shuffled_score(short, other) == pytest.approx(expected)


def test_a_motion_is_measured_on_the_persons_own_mesh():
    one = speaking()
    face = MorphableModel.builtin()
    motion = replace(one.clip.motion, expression=0.1 * torch.randn(FRAMES, 64))
    identity_I = torch.full((80,), 0.3)
    found = curves_of(motion, identity_I, face)
    points_TK3 = face.landmarks(identity_I, motion.expression, "mp478")
    gaps = (points_TK3[:, 13] - points_TK3[:, 14]).norm(dim=-1)
    assert np.corrcoef(found.opening_T.numpy(), gaps.numpy())[0, 1] > 0.9
    assert found.eyes_TE is not None
    assert found.eyes_TE.shape == (FRAMES, 2)
