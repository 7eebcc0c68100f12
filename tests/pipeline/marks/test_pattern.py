import hashlib
import math

import numpy as np
from scipy import stats

from viseme_pipeline.marks.pattern import (
    BAND,
    GRID,
    NUM_WAVES,
    PERIOD,
    centres,
    draw_key,
    draw_patterns,
    project,
    waves,
)


def test_the_key_is_complex_gaussian() -> None:
    weights = np.concatenate([draw_key.__wrapped__(bytes([seed])) for seed in range(30)])
    for part in (weights.real, weights.imag):
        assert stats.kstest(part * np.sqrt(2), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(weights.real, weights.imag)[0, 1]) < 4 / np.sqrt(len(weights))


def test_the_first_weight_is_what_the_digest_says() -> None:
    raw = hashlib.shake_256(b"some key").digest(16 * NUM_WAVES)
    first = ((int.from_bytes(raw[:8], "little") >> 11) + 0.5) / 2**53
    start = 8 * NUM_WAVES
    second = ((int.from_bytes(raw[start : start + 8], "little") >> 11) + 0.5) / 2**53
    size = math.sqrt(-math.log(first))
    expected = complex(size * math.cos(2 * math.pi * second), size * math.sin(2 * math.pi * second))
    assert abs(draw_key(b"some key")[0] - expected) < 1e-12


def test_the_pattern_has_strength_one_at_any_time_and_no_brightness() -> None:
    patterns = draw_patterns()
    assert patterns.shape == (PERIOD, GRID, GRID)
    # P and Q are two draws: each frame's strength is one but for their difference.
    np.testing.assert_allclose(np.mean(patterns**2, axis=(1, 2)), 1, atol=0.25)
    np.testing.assert_allclose(np.mean(patterns**2), 1, atol=1e-5)
    assert np.abs(patterns.mean(axis=(1, 2))).max() < 1e-5


def test_after_half_a_period_the_pattern_is_its_own_negative() -> None:
    patterns = draw_patterns()
    np.testing.assert_allclose(patterns[0], -patterns[PERIOD // 2], atol=1e-5)


def test_projecting_the_pattern_gives_the_key_back() -> None:
    field = draw_patterns()[0] + 1j * draw_patterns()[PERIOD // 4]
    basis = waves(centres())
    found = project(field[None], basis, basis)[0]
    key = draw_key()
    cosine = np.abs(np.vdot(found, key)) / np.linalg.norm(found) / np.linalg.norm(key)
    assert cosine > 1 - 1e-5


def test_waves_count_half_cycles_across_the_picture() -> None:
    at = np.array([0.0, 0.25, 1.0])
    expected = [[math.cos(math.pi * k * x) for k in range(BAND[1] + 1)] for x in at]
    np.testing.assert_allclose(waves(at)[:, 1:], np.array(expected)[:, 1:], atol=1e-5)
    fine = waves(centres())
    np.testing.assert_allclose(fine.T @ fine, 32 * np.eye(BAND[1] + 1), atol=1e-3)
