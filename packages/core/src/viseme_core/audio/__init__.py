"""Sound to features at 25 Hz: log-mel, Wav2Lip's windows, HuBERT, wav2vec 2.0, Whisper.

    encoder = build_encoder(LogMelConfig())
    features_TA = encoder.encode(clip)

File and stream give the same features however the sound is cut: `viseme_core.audio.plan`.
"""

from viseme_core.audio.build import build_encoder
from viseme_core.audio.config import (
    AudioConfig,
    LogMelConfig,
    PretrainedConfig,
    Wav2LipMelConfig,
    audio_config_from_plain,
    same_features,
)
from viseme_core.audio.encoder import AudioEncoder, AudioStream
from viseme_core.audio.mel import MEL_WINDOW
from viseme_core.audio.plan import WindowPlan
from viseme_core.audio.resample import Resampler, resample, to_mono

__all__ = [
    "MEL_WINDOW",
    "AudioConfig",
    "AudioEncoder",
    "AudioStream",
    "LogMelConfig",
    "PretrainedConfig",
    "Resampler",
    "Wav2LipMelConfig",
    "WindowPlan",
    "audio_config_from_plain",
    "build_encoder",
    "resample",
    "same_features",
    "to_mono",
]
