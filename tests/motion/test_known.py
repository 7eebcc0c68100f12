import pytest
import torch

from viseme_core import Draws
from viseme_motion.known import draw_window, hold
from viseme_motion.windows import WindowConfig

MANY = 4000
PLAN = WindowConfig()


def drawn(num_real: int, num_frames: int = 25, *, samples: int = MANY):
    mask_BT = (torch.arange(num_frames) < num_real).expand(samples, -1)
    known_BT, real_BT = draw_window(mask_BT, PLAN, Draws(0, 0, range(samples)))
    return mask_BT, known_BT, real_BT


@pytest.mark.parametrize("num_real", [1, 2, 7, 13, 14, 25])
def test_every_sample_has_real_frames_to_generate_after_those_it_knows(num_real):
    mask_BT, known_BT, real_BT = drawn(num_real, samples=500)
    for part_BT in (known_BT, real_BT):
        counts = part_BT.sum(1)
        assert torch.equal(part_BT, torch.arange(25) < counts[:, None])
        assert not (part_BT & ~mask_BT).any()
    assert (real_BT & ~known_BT).any(1).all()
    assert known_BT.sum(1).max() <= PLAN.known


@pytest.mark.parametrize("num_real", [25, 8])
def test_half_of_the_samples_know_frames_and_half_are_cut_short(num_real):
    _, known_BT, real_BT = drawn(num_real)
    known_B, real_B = known_BT.sum(1), real_BT.sum(1)
    # Three deviations of a share among four thousand are 0.024.
    assert (known_B > 0).float().mean() == pytest.approx(0.5, abs=0.024)
    assert set(known_B.tolist()) == set(range(min(PLAN.known, num_real - 1) + 1))
    whole_B = real_B[known_B == 0] == num_real
    # A cut falls at the very end once in as many times as there are frames.
    assert whole_B.float().mean() == pytest.approx(0.5 + 0.5 / num_real, abs=0.034)
    assert set(real_B[known_B == 0].tolist()) == set(range(1, num_real + 1))


def test_what_is_only_padding_has_no_frame_at_all():
    _, known_BT, real_BT = drawn(0, samples=20)
    assert not known_BT.any()
    assert not real_BT.any()


def test_a_sample_draws_the_same_in_any_company():
    mask_BT = torch.ones(6, 25, dtype=torch.bool)
    together = draw_window(mask_BT, PLAN, Draws(3, 9, range(6)))
    for sample in range(6):
        alone = draw_window(mask_BT[:1], PLAN, Draws(3, 9, [sample]))
        for ours, theirs in zip(together, alone, strict=True):
            assert torch.equal(ours[sample], theirs[0])


def test_held_frames_keep_their_bits_and_no_other_frame_changes():
    known_BTC, sample_BTC = torch.randn(2, 2, 5, 3)
    is_known_BT = torch.tensor([[True, True, False, False, False], [False] * 5])
    for step_B in (torch.tensor([7, 7]), None):
        held_BTC = hold(known_BTC, is_known_BT)(sample_BTC, step_B)
        assert torch.equal(held_BTC[is_known_BT], known_BTC[is_known_BT])
        assert torch.equal(held_BTC[~is_known_BT], sample_BTC[~is_known_BT])
