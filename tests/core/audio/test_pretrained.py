import json
import os
import shutil
from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
    WhisperModel,
)

from viseme_core.audio import PretrainedConfig, build_encoder
from viseme_core.audio.pretrained import weights_fingerprint
from viseme_core.audio.whisper import whisper_filters, whisper_mel
from viseme_core.types import count_frames

each_waveform_kind = pytest.mark.parametrize("kind", ["hubert", "wav2vec2"])


def sound(num_samples):
    return torch.rand(num_samples, generator=torch.Generator().manual_seed(3)) - 0.3


def plain_forward(folder, samples, layer=None):
    """transformers' own preprocessing and forward, then the mean of column pairs."""
    preprocessor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    values = preprocessor(samples.numpy(), sampling_rate=16000, return_tensors="pt").input_values
    model = AutoModel.from_pretrained(folder)
    values = torch.nn.functional.pad(values, (40, 40))
    with torch.no_grad():
        output = model(values, output_hidden_states=True)
    states = output.last_hidden_state if layer is None else output.hidden_states[layer]
    return (states[0, 0::2] + states[0, 1::2]) / 2


def encoder_of(folders, kind, **options):
    return build_encoder(PretrainedConfig(kind=kind, path=str(folders[kind]), **options))


@each_waveform_kind
@pytest.mark.parametrize("layer", [None, 0, 1, 2])
def test_sound_within_one_window_is_one_plain_forward(model_folders, kind, layer):
    samples = sound(640 * 12)
    features = encoder_of(model_folders, kind, layer=layer, window=12, context=0).encode(samples)
    # Only the normalisation differs: numpy's mean against torch's.
    expected = plain_forward(model_folders[kind], samples, layer)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)


@each_waveform_kind
def test_long_sound_equals_a_written_out_loop_over_windows(model_folders, kind):
    samples = sound(640 * 20 + 200)
    expected = []
    for start in range(0, 20, 6):
        left, right = max(0, start - 3), min(20, start + 6 + 3)
        window = plain_forward(model_folders[kind], samples[640 * left : 640 * right])
        expected.append(window[start - left :][: min(6, 20 - start)])
    features = encoder_of(model_folders, kind, window=6, context=3).encode(samples)
    torch.testing.assert_close(features, torch.cat(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("layer", [None, 0, 1, 2])
def test_a_full_whisper_window_is_one_plain_forward(model_folders, layer):
    samples = sound(640 * 50)  # The tiny model's position table is 100 columns: 2 s.
    preprocessor = WhisperFeatureExtractor(chunk_length=2)
    mel = preprocessor(samples.numpy(), sampling_rate=16000, return_tensors="pt").input_features
    model = WhisperModel.from_pretrained(model_folders["whisper"]).encoder
    with torch.no_grad():
        output = model(mel, output_hidden_states=True)
    states = output.last_hidden_state if layer is None else output.hidden_states[layer]
    expected = (states[0, 0::2] + states[0, 1::2]) / 2
    encoder = encoder_of(model_folders, "whisper", layer=layer, window=50, context=0)
    torch.testing.assert_close(encoder.encode(samples), expected, atol=1e-4, rtol=0)


def test_a_short_whisper_window_uses_the_first_positions(model_folders):
    """A model whose position table is cut in its file gives the same on that length."""
    samples = sound(640 * 20)
    long = WhisperModel.from_pretrained(model_folders["whisper"]).encoder
    long.config.max_source_positions = 40
    long.embed_positions = torch.nn.Embedding.from_pretrained(long.embed_positions.weight[:40])
    mel = WhisperFeatureExtractor()(
        samples.numpy(), sampling_rate=16000, return_tensors="pt", padding="do_not_pad"
    ).input_features
    with torch.no_grad():
        states = long(mel).last_hidden_state
    encoder = encoder_of(model_folders, "whisper", window=20, context=0)
    expected = (states[0, 0::2] + states[0, 1::2]) / 2
    torch.testing.assert_close(encoder.encode(samples), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("num_bands", [80, 128])
def test_whisper_mel_equals_the_feature_extractor_of_transformers(num_bands):
    samples = sound(16000) * torch.linspace(0, 1, 16000)
    expected = WhisperFeatureExtractor(feature_size=num_bands)(
        samples.numpy(), sampling_rate=16000, return_tensors="pt", padding="do_not_pad"
    ).input_features[0]
    got = whisper_mel(samples, whisper_filters(num_bands))
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


def test_a_model_is_read_only_when_sound_arrives(tmp_path):
    encoder = build_encoder(PretrainedConfig(kind="hubert", path=str(tmp_path / "later")))
    with pytest.raises(ValueError, match=r"must be a folder with config.json"):
        encoder.encode(sound(640))


@pytest.fixture
def folder(model_folders, tmp_path):
    return shutil.copytree(model_folders["hubert"], tmp_path / "copy")


def encode_from(folder, kind: Any = "hubert", **options):
    config = PretrainedConfig(kind=kind, path=str(folder), **options)
    return build_encoder(config).encode(sound(3200))


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused_with_the_expected_files(folder, name):
    (folder / name).unlink()
    expected = "config.json, preprocessor_config.json and model.safetensors"
    with pytest.raises(ValueError, match=expected):
        encode_from(folder)


def test_a_truncated_weight_file_is_refused(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"audio.path .* must be a folder with"):
        encode_from(folder)


def test_missing_weights_are_refused_instead_of_drawn_at_random(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["masked_spec_embed"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    encode_from(folder)
    del weights["encoder.layers.0.final_layer_norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks 1 weights .*first 'encoder.layers.0.final_layer"):
        encode_from(folder)


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickled_weight_file_with_code_is_refused_and_nothing_runs(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Payload(str(tmp_path / "ran"))}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="Weights only load failed"):
        encode_from(folder)
    assert not (tmp_path / "ran").exists()


def test_a_plain_bin_file_gives_the_same_features(folder):
    before = encode_from(folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert torch.equal(encode_from(folder), before)


def test_a_model_of_another_type_is_refused_by_name(folder):
    with pytest.raises(ValueError, match=r"audio.kind is 'wav2vec2'.*type 'hubert'"):
        encode_from(folder, "wav2vec2")


def test_a_layer_beyond_the_last_is_refused(folder):
    with pytest.raises(ValueError, match=r"audio.layer must be at most 2.*got 3"):
        encode_from(folder, layer=3)


def test_a_whisper_plan_beyond_a_short_position_table_is_refused(model_folders):
    with pytest.raises(ValueError, match="at most 50 frames"):
        encoder_of(model_folders, "whisper", window=51, context=0).encode(sound(3200))


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_model_at_another_column_rate_is_refused(folder):
    edit(folder / "config.json", conv_stride=[5, 2, 2, 2, 2, 2, 1])
    with pytest.raises(ValueError, match="a column every 160 samples"):
        encode_from(folder)


def test_a_model_for_another_sample_rate_is_refused(folder):
    edit(folder / "preprocessor_config.json", sampling_rate=8000)
    with pytest.raises(ValueError, match="wants sound at 8000 Hz"):
        encode_from(folder)


def test_other_convolutions_at_50_hz_still_give_two_columns_per_frame(model_folders, tmp_path):
    config = AutoModel.from_pretrained(model_folders["hubert"]).config
    config.conv_kernel = [11, 3, 3, 4, 3, 2, 2]
    AutoModel.from_config(config).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    for num_samples in (1, 640, 1000, 4480):
        features = build_encoder(PretrainedConfig(kind="hubert", path=str(tmp_path))).encode(
            sound(num_samples)
        )
        assert features.shape == (count_frames(num_samples / 16000), 16)


@pytest.mark.parametrize("kind", ["hubert", "wav2vec2", "whisper"])
def test_a_pinned_config_takes_the_same_weights_again(model_folders, kind):
    encoder = encoder_of(model_folders, kind, window=5, context=4)
    pinned: Any = encoder.pinned_config
    assert len(pinned.fingerprint) == 16
    assert replace(pinned, fingerprint=None) == encoder.config
    again = build_encoder(pinned)
    assert torch.equal(again.encode(sound(3200)), encoder.encode(sound(3200)))
    assert again.pinned_config == pinned


def test_pinned_configs_of_encoders_without_weights_are_their_settings(encoders):
    for kind in ("logmel", "wav2lip_mel"):
        assert encoders[kind].pinned_config == encoders[kind].config


def changed_by_a_bit(folder, name):
    weights = load_file(folder / "model.safetensors")
    weights[name].view(torch.int32).flatten()[0] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_other_weights_are_refused_where_a_config_is_pinned(folder):
    pinned: Any = build_encoder(PretrainedConfig(kind="hubert", path=str(folder))).pinned_config
    changed_by_a_bit(folder, "encoder.layers.1.attention.k_proj.weight")
    with pytest.raises(ValueError, match=f"other weights than .*expected '{pinned.fingerprint}'"):
        build_encoder(pinned).encode(sound(3200))


def test_a_fingerprint_is_of_the_weights_that_are_used_whatever_file_holds_them(folder):
    config = PretrainedConfig(kind="hubert", path=str(folder))
    before = build_encoder(config).pinned_config
    changed_by_a_bit(folder, "masked_spec_embed")
    assert build_encoder(config).pinned_config == before
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert build_encoder(config).pinned_config == before


def test_a_fingerprint_ignores_names_and_order_and_tells_shapes_apart():
    first, second = torch.randn(6), torch.randn(4)

    def module(**weights):
        return torch.nn.ParameterDict(weights)

    ours = weights_fingerprint(module(a=first, b=second))
    assert weights_fingerprint(module(x=second, y=first)) == ours
    assert weights_fingerprint(module(a=first.view(2, 3), b=second)) != ours
    assert weights_fingerprint(module(a=first, b=second, c=second)) != ours
    assert weights_fingerprint(module(a=first, b=second, c=second), ("c",)) == ours
