"""Streams: the same motion however sound arrives, whoever else speaks and however long it lasts."""

import itertools
import random

import pytest
import torch

from tests.motion.small import AUDIO_DIM, SYSTEMS, WINDOWS, make_model
from viseme_core.diffusion import SamplerConfig
from viseme_motion.build import MotionModel
from viseme_motion.generation import MotionStream, generate_windows
from viseme_motion.request import WindowRequest
from viseme_motion.windows import plan_windows

both = pytest.mark.parametrize("system", SYSTEMS)
SAMPLERS = {
    "fd2talk": SamplerConfig(solver="ddim", num_steps=4, eta=1.0),
    "disenttalk": SamplerConfig(solver="dpm++", num_steps=3, guidance_scale=2.0),
}


def sound(frames: int, voices: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(voices, frames, AUDIO_DIM, generator=generator)


def motion_of(model: MotionModel, audio_BTA: torch.Tensor, **options) -> torch.Tensor:
    system = "fd2talk" if model.channels == 70 else "disenttalk"
    return generate_windows(model, audio_BTA, SAMPLERS[system], **options)


@both
@pytest.mark.parametrize("frames", [1, 4, 6, 7, 31])
def test_every_frame_of_a_voice_gets_its_motion(system, frames):
    model = make_model(system)
    found_BTC = motion_of(model, sound(frames, 2))
    assert found_BTC.shape == (2, frames, model.channels)
    assert found_BTC.isfinite().all()


@both
@pytest.mark.parametrize("seed", range(3))
def test_a_stream_in_any_chunks_gives_what_the_whole_voice_gives(system, seed):
    model, chance = make_model(system), random.Random(seed)
    frames = chance.randrange(25, 40)
    audio_BTA = sound(frames, 2, seed)
    whole_BTC = motion_of(model, audio_BTA, seed=5, voices=[7, 3])
    stream = MotionStream(model, SAMPLERS[system], seed=5, voices=[7, 3])
    cuts = sorted({0, frames, *(chance.randrange(frames) for _ in range(9))})
    parts = [stream.push(audio_BTA[:, a:b]) for a, b in itertools.pairwise(cuts)]
    parts.append(stream.finish())
    torch.testing.assert_close(torch.cat(parts, 1), whole_BTC, rtol=0, atol=1e-5)


@both
def test_motion_comes_as_soon_as_a_window_is_full_and_no_later(system):
    stream = MotionStream(make_model(system), SAMPLERS[system], seed=0, voices=[0])
    given = [stream.push(sound(1, seed=i)).shape[1] for i in range(15)]
    # 4 frames need 4 + 2 to be heard, then every 4 more.
    assert given == [0, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0]
    assert stream.finish().shape[1] == 3


@both
def test_a_voice_moves_the_same_in_any_company(system):
    model, audio_BTA = make_model(system), sound(20, 3)
    together = motion_of(model, audio_BTA, voices=[4, 9, 2])
    for row, voice in enumerate([4, 9, 2]):
        alone = motion_of(model, audio_BTA[row : row + 1], voices=[voice])
        torch.testing.assert_close(together[row], alone[0], rtol=0, atol=1e-5)
    # Two who hear the same are still two.
    same = motion_of(model, audio_BTA[:1].expand(2, -1, -1), voices=[4, 9])
    assert (same[0] - same[1]).abs().max() > 0.01


@both
def test_the_seed_decides_the_motion_bit_for_bit(system):
    model, audio_BTA = make_model(system), sound(14)
    first, again, other = (motion_of(model, audio_BTA, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@both
def test_sound_that_comes_after_a_window_does_not_change_what_it_settled(system):
    model, audio_BTA = make_model(system), sound(30)
    whole = motion_of(model, audio_BTA)
    for window in plan_windows(WINDOWS, 30):
        changed = audio_BTA.clone()
        changed[:, window.stop :] += 3
        same = motion_of(model, changed)[:, : window.settles]
        torch.testing.assert_close(same, whole[:, : window.settles], rtol=0, atol=1e-5)
    changed = audio_BTA.clone()
    changed[:, 10] += 3
    assert (motion_of(model, changed)[:, 8:12] - whole[:, 8:12]).abs().max() > 1e-3


@both
def test_windows_are_given_what_the_ones_before_settled_as_it_is(system, monkeypatch):
    model, audio_BTA = make_model(system), sound(30)
    whole = motion_of(model, audio_BTA)
    given = []
    sample = model.sample

    def keep(asked: WindowRequest) -> torch.Tensor:
        known = asked.known_BTC[asked.is_known_BT]
        given.append((asked.start_BTC, known, asked.is_known_BT.sum().item()))
        return sample(asked)

    monkeypatch.setattr(model, "sample", keep)
    motion_of(model, audio_BTA)
    noise = {}
    windows = list(plan_windows(WINDOWS, 30))
    for window, (start_BTC, known, num_known) in zip(windows, given, strict=True):
        assert num_known == window.settled - window.start
        assert torch.equal(known, whole[0, window.start : window.settled])
        # A frame begins from the same noise in every window.
        for frame, row in zip(range(window.start, window.stop), start_BTC[0], strict=True):
            assert torch.equal(noise.setdefault(frame, row), row)


def test_a_stream_of_an_hour_keeps_no_more_than_one_window_and_a_chunk(monkeypatch):
    model = make_model("fd2talk")

    def still(asked: WindowRequest) -> torch.Tensor:
        return asked.known_BTC

    monkeypatch.setattr(model, "sample", still)
    monkeypatch.setattr(MotionStream, "_noise", lambda self, frame: torch.zeros(1, model.channels))
    stream = MotionStream(model, SAMPLERS["fd2talk"], seed=0, voices=[0])
    chunk, held, total = sound(50), [], 0
    for _ in range(60 * 60 * 25 // 50):
        total += stream.push(chunk).shape[1]
        tensors = [v for v in vars(stream).values() if isinstance(v, torch.Tensor)]
        held.append(sum(t.untyped_storage().nbytes() for t in tensors))
        assert len(tensors) == 2
    assert total + stream.finish().shape[1] == 90_000
    # In floats: a window and a chunk of sound, a window of motion and what it settles.
    most = (12 + 50) * AUDIO_DIM + (12 + 4) * model.channels
    assert max(held) <= 4 * most
    assert held[-1] <= max(held[:10])


@both
def test_voices_that_are_split_off_go_on_as_they_would_have(system):
    model, audio_BTA = make_model(system), sound(21, 3)
    whole = motion_of(model, audio_BTA, voices=[4, 9, 2])
    stream = MotionStream(model, SAMPLERS[system], seed=0, voices=[4, 9, 2])
    before = stream.push(audio_BTA[:, :11])
    part = stream.split([2, 0])
    after = [part.push(audio_BTA[[2, 0], 11:]), part.finish()]
    found = torch.cat([before[[2, 0]], *after], 1)
    torch.testing.assert_close(found, whole[[2, 0]], rtol=0, atol=1e-5)
    rest = torch.cat([before, stream.push(audio_BTA[:, 11:]), stream.finish()], 1)
    torch.testing.assert_close(rest, whole, rtol=0, atol=1e-5)


@both
def test_a_recorder_may_use_its_memory_again(system):
    model, audio_BTA = make_model(system), sound(8)
    expected = motion_of(model, audio_BTA)
    stream = MotionStream(model, SAMPLERS[system], seed=0, voices=[0])
    buffer = torch.empty(1, 2, AUDIO_DIM)
    parts = []
    for start in range(0, 8, 2):
        buffer.copy_(audio_BTA[:, start : start + 2])
        parts.append(stream.push(buffer))
    torch.testing.assert_close(torch.cat([*parts, stream.finish()], 1), expected)


@both
def test_sound_of_other_voices_or_another_width_and_after_the_end_is_refused(system):
    stream = MotionStream(make_model(system), SAMPLERS[system], seed=0, voices=[0, 1])
    for wrong in (sound(3), torch.zeros(2, 3, AUDIO_DIM + 1)):
        with pytest.raises(ValueError, match=r"audio_BTA must have shape \(2, T, 6\)"):
            stream.push(wrong)
    assert stream.finish().shape[1] == 0
    for call in (stream.finish, lambda: stream.push(sound(1, 2))):
        with pytest.raises(ValueError, match="this stream is finished"):
            call()


@both
def test_motion_goes_on_from_the_frames_it_is_given(system):
    model, audio_BTA = make_model(system), sound(20)
    free_BTC = motion_of(model, audio_BTA)
    start_BTC = torch.full((1, 2, model.channels), 0.7)
    found_BTC = motion_of(model, audio_BTA, start_BTC=start_BTC)
    assert found_BTC.shape == free_BTC.shape
    assert torch.equal(found_BTC[:, :2], start_BTC)
    assert not torch.equal(found_BTC[:, 2:], free_BTC[:, 2:])
    # What a stream has settled itself is no different from what it is given.
    again_BTC = motion_of(model, audio_BTA, start_BTC=found_BTC[:, :2])
    assert torch.equal(again_BTC, found_BTC)


@both
def test_more_frames_to_start_from_than_a_window_may_know_are_refused(system):
    model = make_model(system)
    start_BTC = torch.zeros(1, model.windows.known + 1, model.channels)
    with pytest.raises(ValueError, match=f"at most {model.windows.known} frames"):
        motion_of(model, sound(20), start_BTC=start_BTC)
