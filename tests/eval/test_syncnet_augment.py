"""How training clips of the sync network are disturbed."""

from dataclasses import replace

import torch

from tests.eval.syncnet_toys import NO_CHANGE
from viseme_core.draws import Draws
from viseme_eval.syncnet.augment import disturb_heard, disturb_seen
from viseme_eval.syncnet.config import AugmentConfig

MEL = -1.5 + 2.5 * torch.rand(4, 30, 320, generator=torch.Generator().manual_seed(0))


def draws(*index):
    return Draws(0, 3, index or (0, 1, 2, 3))


def test_strengths_of_zero_change_nothing():
    seen = torch.randn(4, 30, 171)

    torch.testing.assert_close(disturb_seen(seen, draws(), NO_CHANGE), seen)
    torch.testing.assert_close(disturb_heard(MEL, draws(), NO_CHANGE), MEL)


def test_a_sample_is_disturbed_alike_in_any_batch():
    config = AugmentConfig()
    whole = disturb_heard(MEL, draws(), config)
    part = disturb_heard(MEL[2:], draws(2, 3), config)

    torch.testing.assert_close(part, whole[2:])
    assert not torch.allclose(whole, MEL, atol=0.1)


def test_noise_on_the_mouth_has_its_deviation():
    noise = disturb_seen(torch.zeros(4, 200, 171), draws(), replace(NO_CHANGE, jitter=0.25))

    # 137,000 numbers: a deviation is known to 0.2 %.
    assert abs(float(noise.std()) - 0.25) < 0.002


def test_a_gain_makes_the_whole_sample_move_more_or_less():
    seen = torch.randn(4, 30, 171)
    ratio = disturb_seen(seen, draws(), replace(NO_CHANGE, gain=0.5)) / seen

    assert torch.allclose(ratio, ratio[:, :1, :1].expand_as(ratio), rtol=1e-4)
    assert float(ratio[:, 0, 0].std()) > 0.05


def test_the_noise_floor_lifts_silence_and_leaves_loud_sound():
    mel = MEL.clone()
    mel[:, :5] = -1.5
    raised = disturb_heard(mel, draws(), replace(NO_CHANGE, floor=0.8))
    floor_B = raised[:, 0, 0]

    assert ((floor_B > -1.5) & (floor_B <= -0.7)).all()
    assert len(set(floor_B.tolist())) == 4
    torch.testing.assert_close(raised, mel.maximum(floor_B[:, None, None]))


def test_a_warp_moves_a_peak_to_another_band():
    mel = torch.full((4, 30, 4, 80), -1.0)
    mel[..., 40] = 1.0
    warped = disturb_heard(mel.flatten(2), draws(), replace(NO_CHANGE, warp=0.2))
    peaks = warped.unflatten(-1, (4, 80)).mean((1, 2)).argmax(-1)

    assert len(set(peaks.tolist())) > 1
    assert ((peaks - 40).abs() <= 40 * 0.36).all()


def test_features_of_another_kind_only_get_noise():
    features = torch.randn(4, 30, 384)
    assert torch.equal(disturb_heard(features, draws(), NO_CHANGE), features)
