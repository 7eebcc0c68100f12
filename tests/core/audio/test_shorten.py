"""A shortened Whisper encoder against transformers' own hidden states."""

import json
import shutil

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import WhisperModel

from viseme_core.audio import PretrainedConfig, build_encoder
from viseme_core.audio.shorten import shorten_whisper


def voice() -> torch.Tensor:
    return torch.randn(640 * 20, generator=torch.Generator().manual_seed(0)) * 0.1


def config_of(path) -> PretrainedConfig:
    return PretrainedConfig(kind="whisper", path=str(path), window=30, context=10)


def test_a_shortened_encoder_gives_what_leaves_its_last_block_normalised(model_folders, tmp_path):
    folder = shorten_whisper(model_folders["whisper"], tmp_path / "short", blocks=1, is_half=False)
    found = build_encoder(config_of(folder)).encode(voice())
    whole = PretrainedConfig(
        kind="whisper", path=str(model_folders["whisper"]), window=30, context=10, layer=1
    )
    hidden = build_encoder(whole)
    columns = hidden._encode_columns(voice())  # type: ignore[attr-defined]
    expected = F.layer_norm(columns, columns.shape[-1:]).unflatten(0, (-1, 2)).mean(1)
    torch.testing.assert_close(found, expected)


def test_half_precision_halves_the_file_and_hardly_changes_what_is_heard(model_folders, tmp_path):
    exact = shorten_whisper(model_folders["whisper"], tmp_path / "a", blocks=2, is_half=False)
    half = shorten_whisper(model_folders["whisper"], tmp_path / "b", blocks=2)
    assert all(t.dtype == torch.float16 for t in load_file(half / "model.safetensors").values())
    one, other = (build_encoder(config_of(folder)).encode(voice()) for folder in (exact, half))
    torch.testing.assert_close(one, other, atol=2e-2, rtol=0)
    assert not torch.equal(one, other)


def test_blocks_that_the_model_does_not_have_are_refused(model_folders, tmp_path):
    with pytest.raises(ValueError, match="blocks must lie between 1 and 2"):
        shorten_whisper(model_folders["whisper"], tmp_path / "out", blocks=3)
    assert not (tmp_path / "out").exists()


def test_other_models_are_refused(model_folders, tmp_path):
    with pytest.raises(ValueError, match=r"audio.kind is 'whisper'"):
        shorten_whisper(model_folders["hubert"], tmp_path / "out", blocks=1)


def test_a_shortened_encoder_can_be_shortened_again(model_folders, tmp_path):
    once = shorten_whisper(model_folders["whisper"], tmp_path / "two", blocks=2, is_half=False)
    again = shorten_whisper(once, tmp_path / "one", blocks=1, is_half=False)
    straight = shorten_whisper(model_folders["whisper"], tmp_path / "x", blocks=1, is_half=False)
    first, second = (load_file(f / "model.safetensors") for f in (again, straight))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert json.loads((again / "config.json").read_text())["encoder_layers"] == 1


def test_the_folder_opens_in_transformers(model_folders, tmp_path):
    folder = shorten_whisper(model_folders["whisper"], tmp_path / "short", blocks=1)
    shutil.copytree(folder, tmp_path / "moved")
    model = WhisperModel.from_pretrained(tmp_path / "moved")
    assert len(model.encoder.layers) == 1
