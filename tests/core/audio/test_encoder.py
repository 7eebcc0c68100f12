from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from viseme_core.types import AudioClip, count_frames

KINDS = ["logmel", "wav2lip_mel", "hubert", "wav2vec2", "whisper"]
each_kind = pytest.mark.parametrize("kind", KINDS)


def sound(num_samples, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(num_samples, generator=generator) - 0.5


def streamed(encoder, samples, bounds, rate_hz=16000):
    stream = encoder.stream(rate_hz)
    pieces = [stream.push(samples[a:b]) for a, b in pairwise(bounds)]
    return torch.cat([*pieces, stream.finish()])


@each_kind
@settings(max_examples=10, deadline=None)
@given(
    num_samples=st.integers(1, 16000),
    rate_hz=st.sampled_from([8000, 16000, 44100]),
    data=st.data(),
)
def test_any_chunking_gives_the_features_of_the_file(encoders, kind, num_samples, rate_hz, data):
    samples = sound(num_samples)
    cuts = data.draw(st.lists(st.integers(0, num_samples), max_size=12))
    file = encoders[kind].encode(AudioClip(samples, rate_hz))
    stream = streamed(encoders[kind], samples, sorted([0, *cuts, num_samples]), rate_hz)
    torch.testing.assert_close(stream, file, atol=1e-5, rtol=0)


@each_kind
def test_single_samples_give_the_features_of_the_file(encoders, kind):
    samples = sound(9000)
    stream = streamed(encoders[kind], samples, list(range(9001)))
    torch.testing.assert_close(stream, encoders[kind].encode(samples), atol=1e-5, rtol=0)


@each_kind
def test_features_do_not_depend_on_memory_the_caller_reuses(encoders, kind):
    samples = sound(16000)
    stream, buffer, pieces = encoders[kind].stream(), torch.empty(800), []
    for start in range(0, 16000, 800):
        buffer.copy_(samples[start : start + 800])
        pieces.append(stream.push(buffer))
    pieces.append(stream.finish())
    torch.testing.assert_close(torch.cat(pieces), encoders[kind].encode(samples))


@each_kind
def test_a_stream_answers_after_window_and_context(encoders, kind):
    encoder = encoders[kind]
    stream = encoder.stream()
    latency = encoder.plan.latency * 640
    assert stream.push(sound(latency - 1)).shape == (0, encoder.audio_dim)
    assert stream.push(sound(1)).shape == (encoder.plan.length, encoder.audio_dim)


@each_kind
@pytest.mark.parametrize("num_samples", [1, 319, 320, 959, 960, 961, 3840, 4159, 4160, 16000])
def test_features_have_the_frames_of_the_clip(encoders, kind, num_samples):
    features = encoders[kind].encode(sound(num_samples))
    assert features.shape == (count_frames(num_samples / 16000), encoders[kind].audio_dim)
    assert features.isfinite().all()


@each_kind
@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100, 48000])
def test_the_rate_does_not_change_the_number_of_frames(encoders, kind, rate_hz):
    for num_samples in (rate_hz // 50 - 1, rate_hz // 50, int(0.74 * rate_hz), rate_hz):
        clip = AudioClip(sound(num_samples), rate_hz)
        assert encoders[kind].encode(clip).shape[0] == clip.num_frames


@each_kind
def test_silence_gives_finite_features(encoders, kind):
    assert encoders[kind].encode(torch.zeros(16000)).isfinite().all()


@each_kind
def test_features_carry_no_gradient(encoders, kind):
    assert not encoders[kind].encode(sound(3200).requires_grad_()).requires_grad


def test_nan_in_a_stream_is_named_with_its_position(encoders):
    stream = encoders["logmel"].stream()
    stream.push(sound(16000))
    piece = sound(100)
    piece[60] = torch.nan
    with pytest.raises(ValueError, match=r"first at sample 16060 \(1.004 s\)"):
        stream.push(piece)


def test_an_empty_stream_is_refused(encoders):
    stream = encoders["logmel"].stream()
    assert stream.push(torch.zeros(0)).shape == (0, 320)
    with pytest.raises(ValueError, match="ended without a sample"):
        stream.finish()


def test_integer_samples_in_a_stream_are_refused(encoders):
    with pytest.raises(ValueError, match=r"floating point in \[-1, 1\], got torch.int16"):
        encoders["logmel"].stream().push(torch.zeros(10, dtype=torch.int16))


@pytest.mark.parametrize("peak", [3000.0, 1e30])
def test_integers_passed_as_floating_point_are_refused(encoders, peak):
    with pytest.raises(ValueError, match=r"must be in \[-1, 1\], got a peak of .*32768"):
        encoders["logmel"].encode(sound(3200) * 2 * peak)


def test_a_recording_a_little_too_loud_is_taken(encoders):
    assert encoders["logmel"].encode(sound(3200) * 4).isfinite().all()


def test_stereo_in_a_stream_is_refused(encoders):
    with pytest.raises(ValueError, match=r"must have shape \(S\), got \(2, 10\)"):
        encoders["logmel"].stream().push(torch.zeros(2, 10))


def test_a_finished_stream_takes_no_more(encoders):
    stream = encoders["logmel"].stream()
    stream.push(sound(640))
    stream.finish()
    with pytest.raises(ValueError, match="has ended"):
        stream.push(sound(640))
    with pytest.raises(ValueError, match="has ended"):
        stream.finish()
