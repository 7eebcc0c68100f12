"""From a config to its encoder."""

import torch

from viseme_core.audio.config import AudioConfig, LogMelConfig, Wav2LipMelConfig
from viseme_core.audio.encoder import AudioEncoder
from viseme_core.audio.mel import LogMel, Wav2LipMel
from viseme_core.audio.pretrained import WaveformEncoder
from viseme_core.audio.whisper import WhisperEncoder


def build_encoder(config: AudioConfig, *, device: torch.device | str = "cpu") -> AudioEncoder:
    """Return the encoder that `config` describes; pretrained weights are read on first use.

    Args:
        config: Settings; `audio_config_from_plain` reads them from a checkpoint.
        device: Where a pretrained model runs; the mel encoders always run on the CPU.
    """
    if isinstance(config, LogMelConfig):
        return LogMel(config)
    if isinstance(config, Wav2LipMelConfig):
        return Wav2LipMel(config)
    if config.kind == "whisper":
        return WhisperEncoder(config, device=device)
    return WaveformEncoder(config, device=device)
