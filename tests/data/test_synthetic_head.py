import numpy as np
import pytest
import torch

from tests.data.synthetic_clips import planned, recorded
from viseme_core.draws import Draws
from viseme_core.types import FPS, SAMPLE_RATE_HZ
from viseme_data.synthetic.noise import smooth_noise, smoothed
from viseme_data.synthetic.phonemes import Phone
from viseme_data.synthetic.prosody import (
    HeadStyle,
    Prosody,
    carried,
    measure,
    move_head,
    speech_size,
)
from viseme_face.pose import euler_to_matrix


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # Many small steps, which threads only hinder.
    torch.set_num_threads(1)


def tone(hz: float, seconds: float, size: float = 0.3) -> torch.Tensor:
    times = torch.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    # A voice has overtones.
    overtones = [torch.sin(2 * torch.pi * hz * k * times) / k for k in range(1, 6)]
    return size * torch.stack(overtones).sum(0)


def test_the_pitch_of_a_tone_is_found_in_octaves() -> None:
    prosody = measure(torch.cat([tone(120, 2), tone(180, 1)]))
    assert prosody.voiced_T[5:45].all()
    assert prosody.pitch_T[5:45].median() == pytest.approx(0, abs=0.03)
    assert prosody.pitch_T[55:70].median() == pytest.approx(np.log2(1.5), abs=0.04)


def test_noise_and_silence_have_no_voice() -> None:
    hiss = 0.1 * torch.randn(SAMPLE_RATE_HZ, generator=torch.Generator().manual_seed(0))
    prosody = measure(torch.cat([tone(120, 1), hiss, torch.zeros(SAMPLE_RATE_HZ)]))
    assert prosody.voiced_T[2:23].all()
    assert not prosody.voiced_T[27:].any()
    assert prosody.loudness_T[55:].max() == 0


def test_a_louder_half_moves_the_mouth_more() -> None:
    size = speech_size(measure(torch.cat([tone(120, 2, 0.03), tone(120, 2, 0.3)])))
    assert size[70:90].mean() > 1.2 * size[10:30].mean()
    assert 0.6 <= size.min() <= size.max() <= 1.35


def explained(nod: np.ndarray, prosody: Prosody) -> float:
    """Return the share of a movement's variance that loudness and pitch of a voice explain."""
    heard = [smoothed(track, 2).numpy() for track in (prosody.loudness_T, prosody.pitch_T)]
    # A movement may come a little later than what causes it.
    lagged = [np.roll(track, lag) for track in heard for lag in (0, 4, 8)]
    causes = np.stack([np.ones_like(nod), *lagged], 1)
    left = nod - causes @ np.linalg.lstsq(causes, nod, rcond=None)[0]
    return 1 - left.var() / nod.var()


def test_a_head_follows_its_own_speech_and_not_that_of_others() -> None:
    own, other = [], []
    plans = [planned(number) for number in range(6)]
    sounds = [measure(recorded(plan).audio_S) for plan in plans]
    for k, plan in enumerate(plans):
        turn = move_head(plan.draws, sounds[k], recorded(plan).phones, HeadStyle())
        # The slow sway is a movement of its own; nods are faster.
        nod = (turn[:, 0] - smoothed(turn[:, 0], 25)).numpy()
        for j, sound in enumerate(sounds):
            (own if j == k else other).append(explained(nod, sound))
    assert np.mean(own) > 0.3
    assert np.mean(own) > 2 * np.mean(other)


def test_the_whole_head_moves_faster_while_someone_speaks() -> None:
    speaking, silent = [], []
    for number in range(6):
        plan = planned(number)
        prosody = measure(recorded(plan).audio_S)
        turn = move_head(plan.draws, prosody, recorded(plan).phones, plan.speaker.head)
        speed = turn[:, 0].diff().abs()
        loud = smoothed(prosody.loudness_T, 5)[1:]
        speaking.append(float(speed[loud > loud.median()].mean()))
        silent.append(float(speed[loud < loud.quantile(0.2)].mean()))
    assert np.mean(speaking) > 1.2 * np.mean(silent)


def test_a_stressed_vowel_is_nodded_downwards() -> None:
    prosody = measure(tone(120, 4))
    vowel = [Phone("A", 2.0, 2.2, 2.2, stress=2)]
    style = HeadStyle(nod_share=1.0)
    nodded = move_head(Draws(0, 0, [0]), prosody, vowel, style)
    plain = move_head(Draws(0, 0, [0]), prosody, [], style)
    change = (nodded - plain)[:, 0]
    # Positive rx turns the nose down.
    nose = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    assert (euler_to_matrix(torch.tensor([[0.1, 0, 0]]).double()) @ nose)[0, 1] < 0
    assert change[:47].abs().max() < 1e-6
    assert change.max() > 0.01
    assert change.min() > -1e-6
    assert 50 <= int(change.argmax()) <= 56


def test_a_head_never_turns_too_far() -> None:
    prosody = measure(tone(120, 20))
    wild = HeadStyle(sway_rad=(1.0, 1.0, 1.0))
    turn = move_head(Draws(0, 0, [0]), prosody, [], wild)
    assert (turn.abs().amax(0) <= torch.tensor([0.26, 0.45, 0.24]) + 1e-9).all()


def test_a_head_turns_about_its_neck() -> None:
    turn = torch.tensor([[0.2, -0.3, 0.1]], dtype=torch.float64)
    pose = carried(turn, euler_to_matrix(turn))
    neck = torch.tensor([0.0, -0.9, -0.9], dtype=torch.float64)
    moved = euler_to_matrix(pose[:, :3]) @ neck + pose[:, 3:]
    torch.testing.assert_close(moved[0], neck)


def test_smooth_noise_has_unit_deviation_and_its_own_period() -> None:
    noise = smooth_noise(Draws(1, 0, [0]), "test", 20_000, FPS, 4.0)
    assert float(noise.std()) == pytest.approx(1, abs=0.1)
    crossings = int(((noise[1:] > 0) != (noise[:-1] > 0)).sum())
    # A Gaussian of deviation s crosses zero every pi sqrt(2) s; here s is a sixth of the period.
    assert 20_000 / FPS / crossings == pytest.approx(np.pi * 2**0.5 * 4.0 / 6, rel=0.1)


def test_smoothing_keeps_what_is_constant() -> None:
    constant = torch.full((50, 2), 3.0, dtype=torch.float64)
    torch.testing.assert_close(smoothed(constant, 4.0), constant)
