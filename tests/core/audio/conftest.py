"""Tiny random models in folders as transformers saves them, and one encoder of every kind."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WhisperConfig,
    WhisperModel,
)

from viseme_core.audio import (
    AudioEncoder,
    LogMelConfig,
    PretrainedConfig,
    Wav2LipMelConfig,
    build_encoder,
)

WAVEFORM: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
WHISPER: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 24,
    "vocab_size": 8,
    "max_source_positions": 100,
    "max_target_positions": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed: None) -> None:
    """On tensors this small threads only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """HuBERT normalises as its base model does, wav2vec 2.0 as the large one does."""
    torch.manual_seed(0)
    models = {
        "hubert": HubertModel(HubertConfig(**WAVEFORM)),
        "wav2vec2": Wav2Vec2Model(
            # The bias as in the large models; without it loudness would not matter.
            Wav2Vec2Config(
                **WAVEFORM,
                feat_extract_norm="layer",
                do_stable_layer_norm=True,
                conv_bias=True,
            )
        ),
        "whisper": WhisperModel(WhisperConfig(**WHISPER)),
    }
    folders = {}
    for kind, model in models.items():
        folders[kind] = tmp_path_factory.mktemp(kind)
        model.save_pretrained(folders[kind])
        if kind != "whisper":
            do_normalize = kind == "wav2vec2"
            Wav2Vec2FeatureExtractor(do_normalize=do_normalize).save_pretrained(folders[kind])
    return folders


@pytest.fixture(scope="session")
def encoders(model_folders: dict[str, Path]) -> dict[str, AudioEncoder]:
    """Windows short enough that a second of sound has several."""
    configs = [
        LogMelConfig(window=4),
        Wav2LipMelConfig(window=10),
        PretrainedConfig(kind="hubert", path=str(model_folders["hubert"]), window=6, context=3),
        PretrainedConfig(kind="wav2vec2", path=str(model_folders["wav2vec2"]), window=7, context=2),
        PretrainedConfig(kind="whisper", path=str(model_folders["whisper"]), window=5, context=4),
    ]
    return {config.kind: build_encoder(config) for config in configs}
