"""Blinks: as many as asked, at the seed's times, in any eyes."""

import torch

from tests.motion.small import FACE
from viseme_core.types import Motion
from viseme_face import close_eyes, eye_aspect_ratio, refit
from viseme_motion.blinking import HELD_SHARE, SHAPE, BlinkPlan, Lids

FACE64 = type(FACE).builtin().double()


def starts_of(closure_T: torch.Tensor) -> list[int]:
    """Frames in which a blink begins; its first frame is the only one as far shut on the way."""
    return (closure_T == torch.tensor(SHAPE[0])).nonzero()[:, 0].tolist()


def opening(expression_TC: torch.Tensor, identity_I: torch.Tensor) -> torch.Tensor:
    return eye_aspect_ratio(FACE64.landmarks(identity_I, expression_TC, "mp478")).mean(-1)


def test_blinks_come_at_the_rate_and_never_run_into_each_other():
    for rate in (0.2, 0.45, 1.0):
        starts = starts_of(BlinkPlan(rate, seed=0).closure(25 * 600))
        assert abs(len(starts) / 600 - rate) < 0.02
        gaps = torch.tensor(starts).diff() / 25
        # One frame of rounding at either end.
        assert gaps.min() >= 0.5 / rate - 0.041
        assert gaps.max() <= 1.5 / rate + 0.041


def test_the_plan_is_the_seeds_and_the_same_in_pieces():
    whole_T = BlinkPlan(0.4, seed=1).closure(1000)
    plan = BlinkPlan(0.4, seed=1)
    pieces = [plan.closure(n) for n in (0, 1, 37, 462, 500)]
    assert torch.equal(torch.cat(pieces), whole_T)
    assert not torch.equal(BlinkPlan(0.4, seed=2).closure(1000), whole_T)
    assert not BlinkPlan(0.0, seed=1).closure(1000).any()


def test_lids_that_fall_are_held_up_and_open_eyes_keep_their_bits():
    generator = torch.Generator().manual_seed(0)
    identity_I = (torch.randn(80, generator=generator) * FACE.identity_std_I).double()
    rest_1C = torch.zeros(1, 64, dtype=torch.float64)
    motion = Motion(
        expression=rest_1C, pose=torch.zeros(1, 6), identity=identity_I, face_model=FACE64.name
    )
    shut_C = refit(FACE64, motion, close_eyes).expression[0]
    share_T = torch.linspace(0, 0.9, 10).double()
    falling_TC = share_T[:, None] * shut_C
    lids = Lids(FACE64, identity_I, rest_1C)
    held_TC = lids.hold_up(falling_TC)
    rest = float(opening(rest_1C, identity_I))
    assert opening(falling_TC, identity_I)[-1] < 0.3 * rest
    # Lids of a pair do not fall quite straight upon each other: not to the last per cent.
    assert (opening(held_TC, identity_I) > (HELD_SHARE - 0.05) * rest).all()
    is_open_T = opening(falling_TC, identity_I) >= HELD_SHARE * rest
    assert torch.equal(held_TC[is_open_T], falling_TC[is_open_T])
    assert is_open_T.any()


def test_a_shut_eye_is_shut_and_half_shut_lies_between():
    identity_I = torch.zeros(80, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    deviation_E = FACE.expression_std_E
    faces_TC = (0.3 * torch.randn(3, 64, generator=generator) * deviation_E).double()
    lids = Lids(FACE64, identity_I, torch.zeros(1, 64).double())
    share_T = torch.tensor([0.0, 0.5, 1.0]).double()
    found_TC = lids.shut(faces_TC, share_T)
    assert torch.equal(found_TC[0], faces_TC[0])
    before_T, after_T = (opening(each, identity_I) for each in (faces_TC, found_TC))
    assert after_T[2] < 0.15 * before_T[2]
    assert 0.4 * before_T[1] < after_T[1] < 0.65 * before_T[1]


def test_a_portrait_with_closed_eyes_does_not_hold_them_closed():
    identity_I = torch.zeros(80, dtype=torch.float64)
    open_1C = torch.zeros(1, 64, dtype=torch.float64)
    shut_1C = Lids(FACE64, identity_I, open_1C).shut(open_1C, torch.ones(1).double())
    held_1C = Lids(FACE64, identity_I, shut_1C).hold_up(shut_1C)
    assert opening(held_1C, identity_I) > 0.4 * opening(open_1C, identity_I)
