import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.signal import argrelextrema
from torch import Tensor

from viseme_eval.functional.beats import (
    audio_beats,
    audio_beats_of_pieces,
    beat_align,
    motion_beats,
)

ONSETS = (0.5, 0.9, 1.37, 2.0, 2.52, 3.3, 4.41)


def syllables(
    *onsets_sec: float, seconds: float = 5.0, rate_hz: int = 16_000, level: float = 0.3
) -> Tensor:
    """Return bursts of noise that set in at once and fade, over a faint hiss."""
    generator = torch.Generator().manual_seed(0)
    sound = 0.001 * level * torch.randn(int(seconds * rate_hz), generator=generator)
    fade = torch.exp(-torch.arange(int(0.3 * rate_hz)) / (0.05 * rate_hz))
    for onset in onsets_sec:
        start = int(onset * rate_hz)
        size = min(len(fade), len(sound) - start)
        burst = level * torch.randn(size, generator=generator) * fade[:size]
        sound[start : start + size] += burst
    return sound


def nods(stops_sec: Tensor, seconds: float = 5.0) -> Tensor:
    """Return head angles in degrees whose speed is least at the given times, (T, 3)."""
    between = torch.arange(1, int(seconds * 25), dtype=torch.float64) / 25
    away = (between[:, None] - stops_sec.double()).abs().amin(1)
    angle = torch.cat([torch.zeros(1, dtype=torch.float64), away.cumsum(0)])
    return torch.stack([angle, 0.5 * angle, -angle], -1)


def test_score_is_the_mean_kernel_of_the_nearest_beats() -> None:
    audio, motion = torch.tensor([0.1, 1.0, 2.2]), torch.tensor([0.9, 2.5])
    expected = np.mean([np.exp(-min((a - m) ** 2 for m in (0.9, 2.5)) / (2 * 0.2**2))
                        for a in (0.1, 1.0, 2.2)])  # fmt: skip
    assert float(beat_align(audio, motion, sigma_sec=0.2)) == pytest.approx(expected, rel=1e-6)
    assert float(beat_align(audio, audio)) == 1


def test_the_nearest_beat_counts_in_whatever_order_they_come() -> None:
    generator = torch.Generator().manual_seed(1)
    sound, motion = torch.rand(40, generator=generator) * 9, torch.rand(13, generator=generator) * 9
    gaps = np.abs(sound.double().numpy()[:, None] - motion.double().numpy()).min(1)
    expected = np.exp(-(gaps**2) / (2 * 0.12**2)).mean()
    assert float(beat_align(sound, motion)) == pytest.approx(expected, rel=1e-12)


def test_default_kernel_is_three_frames_wide() -> None:
    score = beat_align(torch.tensor([1.0]), torch.tensor([1.12]))
    assert float(score) == pytest.approx(np.exp(-0.5), rel=1e-5)


@pytest.mark.parametrize(("num_audio", "num_motion"), [(0, 3), (3, 0), (0, 0)])
def test_without_beats_there_is_no_score(num_audio: int, num_motion: int) -> None:
    assert beat_align(torch.rand(num_audio), torch.rand(num_motion)).isnan()


def test_motion_beats_are_bailandos_minima_of_smoothed_speed() -> None:
    generator = torch.Generator().manual_seed(0)
    motion = torch.randn(400, 3, generator=generator, dtype=torch.float64).cumsum(0)
    speed = np.linalg.norm(np.diff(motion.numpy(), axis=0), axis=1)
    for smoothing in (2.0, 5.0):
        (frames,) = argrelextrema(gaussian_filter1d(speed, smoothing), np.less)
        # The speed of entry i is that between frames i and i + 1, which ends one and begins the
        # other.
        beats = motion_beats(motion, smoothing_frames=smoothing)
        assert len(frames) > 5
        assert beats.tolist() == pytest.approx(((frames + 1) / 25).tolist())


def test_short_motion_is_mirrored_at_its_ends_as_scipy_does() -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        motion = torch.randn(13, 2, generator=generator, dtype=torch.float64).cumsum(0)
        speed = np.linalg.norm(np.diff(motion.numpy(), axis=0), axis=1)
        (frames,) = argrelextrema(gaussian_filter1d(speed, 1.5), np.less)
        beats = motion_beats(motion, smoothing_frames=1.5)
        assert beats.tolist() == pytest.approx(((frames + 1) / 25).tolist())


def test_a_still_head_has_no_beats_and_short_clips_neither() -> None:
    assert len(motion_beats(torch.ones(100, 3))) == 0
    for num_frames in range(4):
        assert len(motion_beats(torch.rand(num_frames, 3))) == 0


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize("level", [0.3, 0.003])
def test_sounds_set_in_where_they_do_whatever_their_level(rate_hz: int, level: float) -> None:
    beats = audio_beats(syllables(*ONSETS, rate_hz=rate_hz, level=level), rate_hz=rate_hz)
    # A hop is 10 ms, a window 32.
    assert beats.tolist() == pytest.approx(ONSETS, abs=0.02)


def test_of_onsets_that_crowd_the_strongest_counts() -> None:
    sound = syllables(1.0, level=0.1) + syllables(1.07, level=0.5) + syllables(3.0)
    assert audio_beats(sound).tolist() == pytest.approx([1.06, 3.0], abs=0.02)


def test_silence_hiss_and_a_held_tone_have_no_beats() -> None:
    tone, hiss = torch.sin(0.09 * torch.arange(48_000)), torch.randn(48_000)
    for sound in (torch.zeros(48_000), torch.zeros(0), torch.ones(100), tone, hiss):
        assert len(audio_beats(sound)) == 0


def test_beats_of_long_sound_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = syllables(*ONSETS)
    whole = audio_beats(sound)
    monkeypatch.setattr("viseme_eval.functional.beats._BLOCK_HOPS", 17)
    assert audio_beats(sound).tolist() == whole.tolist()


@pytest.mark.parametrize("size", [100, 7_000, 50_000])
def test_beats_of_sound_in_pieces_are_those_of_the_whole(size: int) -> None:
    sound = syllables(*ONSETS)
    found = audio_beats_of_pieces(iter(sound.split(size)), sound.abs().amax())
    assert found.tolist() == audio_beats(sound).tolist()
    assert len(found) == len(ONSETS)


def test_motion_on_the_beat_beats_motion_at_random_times() -> None:
    sound = audio_beats(syllables(*ONSETS))
    # Half a frame from an onset two frames are equally slow, and rounding says which is slower.
    stops = torch.tensor(ONSETS) + 0.008
    aligned = beat_align(sound, motion_beats(nods(stops), smoothing_frames=1))
    generator = torch.Generator().manual_seed(0)
    by_chance = []
    for _ in range(20):
        stops = 5 * torch.rand(len(ONSETS), generator=generator)
        by_chance.append(float(beat_align(sound, motion_beats(nods(stops), smoothing_frames=1))))
    assert float(aligned) > 0.9
    assert float(aligned) > max(by_chance) + 0.1
