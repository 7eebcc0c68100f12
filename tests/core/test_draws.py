import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from viseme_core.draws import Draws

KINDS: dict[str, Callable[[Draws], Tensor]] = {
    "normal": lambda draws: draws.normal("x", 3, 5),
    "uniform": lambda draws: draws.uniform("x", 3, 5),
    "integers": lambda draws: draws.integers("x", 1000, 3, 5),
    "chance": lambda draws: draws.chance("x", 0.5),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_one_batch_draws_what_its_two_halves_draw(kind: str) -> None:
    draw = KINDS[kind]
    whole = draw(Draws(1, 2, range(8)))
    halves = torch.cat([draw(Draws(1, 2, torch.arange(4))), draw(Draws(1, 2, [4, 5, 6, 7]))])
    assert torch.equal(whole, halves)
    assert torch.equal(draw(Draws(1, 2, [5, 0])), whole[[5, 0]])


@every_kind
def test_order_and_number_of_calls_do_not_matter(kind: str) -> None:
    draw = KINDS[kind]
    fresh = draw(Draws(1, 2, range(64)))
    used = Draws(1, 2, range(64))
    used.normal("y", 7)
    used.integers("z", 3)
    assert torch.equal(draw(used), fresh)
    assert torch.equal(draw(used), fresh)


@every_kind
@pytest.mark.parametrize("other", [Draws(9, 2, range(64)), Draws(1, 9, range(64))])
def test_another_seed_or_step_draws_other_numbers(kind: str, other: Draws) -> None:
    assert not torch.equal(KINDS[kind](other), KINDS[kind](Draws(1, 2, range(64))))


def test_streams_do_not_meet_where_their_digits_would_run_together() -> None:
    # (seed, step, index) = (1, 23, 4), (12, 3, 4), (1, 2, 34), (123, 0, 4), ...
    keys = [(1, 23, 4), (12, 3, 4), (1, 2, 34), (12, 34, 0), (1, 234, 0), (4, 23, 1), (23, 1, 4)]
    first = [float(Draws(seed, step, [index]).normal("x")) for seed, step, index in keys]
    assert len(set(first)) == len(keys)


def test_another_name_or_sample_draws_other_numbers() -> None:
    draws = Draws(1, 2, range(4))
    rows = torch.cat([draws.normal("noise", 16), draws.normal("timestep", 16)])
    distances = torch.cdist(rows, rows) + torch.eye(8) * 9
    assert distances.min() > 1


def test_normal_draws_have_the_moments_of_the_normal_distribution() -> None:
    # One number from each of 20,000 streams: this tests the streams, not torch's generator.
    values = Draws(0, 0, range(20_000)).normal("x").double()
    error = 1 / math.sqrt(20_000)  # standard error of the mean
    assert abs(values.mean()) < 4 * error
    assert abs(values.var() - 1) < 4 * math.sqrt(2) * error
    assert abs((values**3).mean()) < 4 * math.sqrt(15) * error
    assert abs((values**4).mean() - 3) < 4 * math.sqrt(96) * error
    # Neighbouring samples, and the same sample under neighbouring steps, are uncorrelated.
    assert abs((values[1:] * values[:-1]).mean()) < 4 * error
    next_step = Draws(0, 1, range(20_000)).normal("x").double()
    assert abs((values * next_step).mean()) < 4 * error


def test_uniform_draws_fill_the_unit_interval_evenly() -> None:
    values = Draws(0, 0, range(50)).uniform("x", 400)
    assert values.min() >= 0
    assert values.max() < 1
    counts = torch.histc(values, bins=20, min=0, max=1)
    # 1,000 expected in each bin; 4 standard deviations of a binomial count are 123.
    assert (counts - 1000).abs().max() < 123


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_uniform_draws_stay_below_one_in_every_precision(dtype: torch.dtype) -> None:
    values = Draws(0, 0, range(20)).uniform("x", 1000, like=torch.zeros(0, dtype=dtype))
    assert values.dtype == dtype
    assert values.max() < 1


def test_integers_cover_their_range_and_nothing_else() -> None:
    values = Draws(0, 0, range(50)).integers("t", 7, 40)
    assert values.dtype == torch.int64
    assert values.unique().tolist() == list(range(7))


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_chance_is_true_as_often_as_asked(probability: float) -> None:
    hits = Draws(0, 0, range(4_000)).chance("drop", probability)
    assert hits.dtype == torch.bool
    spread = math.sqrt(probability * (1 - probability) / 4_000)
    assert abs(hits.double().mean() - probability) <= 4 * spread


@every_kind
def test_the_global_generator_is_neither_used_nor_moved(kind: str) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = KINDS[kind](Draws(3, 4, range(16)))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(KINDS[kind](Draws(3, 4, range(16))), first)


def test_normal_draws_follow_type_and_device_but_not_values_of_another_tensor() -> None:
    draws = Draws(0, 0, [3, 4])
    double = draws.normal("x", 5, like=torch.zeros(1, dtype=torch.float64))
    assert double.dtype == torch.float64
    assert torch.equal(double, draws.normal("x", 5).double())
    assert draws.normal("x", 5, like=torch.zeros(1, device="meta")).device.type == "meta"


def test_numbers_stay_the_same_from_version_to_version() -> None:
    # A run that resumes under a later version must go on with the same draws.
    assert Draws(0, 0, [0, 1]).integers("x", 10**6).tolist() == [227_776, 263_845]


def test_a_batch_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Draws\.index_B is empty"):
        Draws(0, 0, torch.zeros(0, dtype=torch.int64))
