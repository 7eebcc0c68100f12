"""Whisper's encoder out of a CTranslate2 model, as faster-whisper and some wheels bring it.

Letters of a file: little-endian; a header of version, name of the model, revision and count, then
as many arrays, each a name, its shape, the kind of its numbers and the bytes.
"""

import json
import math
import struct
import zipfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

MODEL = "model.bin"
_NAME = "WhisperSpec"
# The other kinds are whole numbers; weights in them have scales, and have lost what they had.
_KINDS = {
    **{0: torch.float32, 1: torch.int8, 2: torch.int16, 3: torch.int32, 4: torch.float16},
    5: torch.bfloat16,
}
_HEAD_WIDTH = 64  # of every Whisper, for files that do not tell how many heads there are
_PREFIX = "encoder/"
_NORM = {"weight": "gamma", "bias": "beta"}


def is_ctranslate(source: str | PathLike[str]) -> bool:
    """Return whether a path is a CTranslate2 folder, its `model.bin`, or may be a wheel with it."""
    path = Path(source)
    if path.is_dir():
        return (path / MODEL).is_file()
    return path.is_file() and (path.name == MODEL or path.suffix in (".whl", ".zip"))


def convert_whisper(source: str | PathLike[str], out: str | PathLike[str]) -> Path:
    """Return the folder that a whole encoder was written into, for `PretrainedConfig.path`.

    Args:
        source: Folder with `model.bin`, that file, or a wheel or other zip file with it.
        out: Folder to write: config.json and model.safetensors in 32 bits.

    Raises:
        ValueError: If it is no Whisper model of CTranslate2, damaged, or in whole numbers.
    """
    arrays = dict(_arrays(_read(Path(source)), str(source)))
    try:
        tensors, config = _encoder(arrays)
    except KeyError as error:
        raise ValueError(f"{str(source)!r} has no array {error}; it is no whole Whisper") from error
    wrong = [name for name, tensor in tensors.items() if not tensor.is_floating_point()]
    if wrong:
        raise ValueError(
            f"{str(source)!r} holds its weights in whole numbers ({wrong[0]}); give the model in "
            f"16 or 32 bits"
        )
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {f"encoder.{name}": tensor.float().contiguous() for name, tensor in tensors.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return folder


def _read(path: Path) -> memoryview:
    if path.is_dir():
        path = path / MODEL
    if path.suffix not in (".whl", ".zip"):
        return memoryview(path.read_bytes())
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if Path(name).name == MODEL]
            if len(names) != 1:
                raise ValueError(f"{str(path)!r} must hold one {MODEL}, it holds {len(names)}")
            return memoryview(archive.read(names[0]))
    except zipfile.BadZipFile as error:
        raise ValueError(f"{str(path)!r} is damaged ({error}); fetch it again") from error


def _arrays(data: memoryview, where: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the arrays of the encoder.

    Raises:
        ValueError: If the file is another one, or ends before it should.
    """
    place = 0

    def number(kind: str) -> int:
        nonlocal place
        (value,) = struct.unpack_from("<" + kind, data, place)
        place += struct.calcsize("<" + kind)
        return value

    def taken(size: int) -> memoryview:
        nonlocal place
        if place + size > len(data):
            raise struct.error
        place += size
        return data[place - size : place]

    def word() -> str:
        return bytes(taken(number("H"))).rstrip(b"\0").decode()

    try:
        number("I")
        if (name := word()) != _NAME:
            raise ValueError(f"{where!r} is a {name!r}, not a {_NAME} of CTranslate2")
        number("I")
        for _ in range(number("I")):
            name, shape = word(), [number("I") for _ in range(number("B"))]
            kind, raw = _KINDS.get(number("B")), taken(number("I"))
            if not name.startswith(_PREFIX) or kind is None:
                continue
            if len(raw) != math.prod(shape) * kind.itemsize:
                raise ValueError(f"{where!r} is damaged: {name!r} has not the size it tells")
            array = torch.frombuffer(bytearray(raw), dtype=kind)
            yield name.removeprefix(_PREFIX), array.reshape(shape)
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(
            f"{where!r} is truncated, or no file of CTranslate2; fetch it again"
        ) from error


def _encoder(arrays: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Return an encoder's weights by the names of transformers, and its config."""
    found = {
        "embed_positions.weight": arrays["position_encodings/encodings"],
        **_pair("layer_norm", arrays, "layer_norm", _NORM),
    }
    for conv in ("conv1", "conv2"):
        found |= _pair(conv, arrays, conv)
    depth = 0
    while f"layer_{depth}/ffn/linear_0/weight" in arrays:
        found |= _block(arrays, f"layer_{depth}", f"layers.{depth}")
        depth += 1
    width, num_bands, _ = found["conv1.weight"].shape
    heads = int(arrays["num_heads"]) if "num_heads" in arrays else width // _HEAD_WIDTH
    config = {
        "model_type": "whisper",
        "d_model": width,
        "num_mel_bins": num_bands,
        "max_source_positions": len(found["embed_positions.weight"]),
        "encoder_layers": depth,
        "encoder_attention_heads": heads,
        "encoder_ffn_dim": len(arrays["layer_0/ffn/linear_0/bias"]),
        "decoder_attention_heads": 1,
    }
    return found, config


def _block(arrays: dict[str, Tensor], source: str, target: str) -> dict[str, Tensor]:
    found = {
        **_pair(f"{target}.fc1", arrays, f"{source}/ffn/linear_0"),
        **_pair(f"{target}.fc2", arrays, f"{source}/ffn/linear_1"),
        **_pair(f"{target}.final_layer_norm", arrays, f"{source}/ffn/layer_norm", _NORM),
        **_pair(f"{target}.self_attn.out_proj", arrays, f"{source}/self_attention/linear_1"),
        **_pair(
            f"{target}.self_attn_layer_norm", arrays, f"{source}/self_attention/layer_norm", _NORM
        ),
    }
    # Queries, keys and values are one array there; keys of a Whisper have no bias, only zeros.
    for kind in ("weight", "bias"):
        stacked = arrays[f"{source}/self_attention/linear_0/{kind}"]
        for letter, part in zip("qkv", stacked.chunk(3), strict=True):
            if (letter, kind) != ("k", "bias"):
                found[f"{target}.self_attn.{letter}_proj.{kind}"] = part
    return found


def _pair(
    target: str, arrays: dict[str, Tensor], source: str, names: dict[str, str] | None = None
) -> dict[str, Tensor]:
    names = names or {"weight": "weight", "bias": "bias"}
    return {f"{target}.{ours}": arrays[f"{source}/{theirs}"] for ours, theirs in names.items()}
