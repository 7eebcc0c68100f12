"""Settings of the audio encoders: plain values, written into every checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from viseme_core.config import from_plain

WHISPER_MAX_FRAMES = 750
"""Whisper's position table is 30 s long."""


@dataclass(frozen=True, kw_only=True)
class LogMelConfig:
    """Log-mel spectrogram: 80 bands, hop 160, four columns stacked per frame (A = 320)."""

    kind: Literal["logmel"] = "logmel"
    """Which encoder this is."""
    window: int = 25
    """Frames computed at once; it sets how often a stream answers, not the values."""

    def __post_init__(self) -> None:
        _check_at_least(1, self.window, "window")


@dataclass(frozen=True, kw_only=True)
class Wav2LipMelConfig:
    """Wav2Lip's mel spectrogram, 16 columns of 80 bands per frame (A = 1280)."""

    kind: Literal["wav2lip_mel"] = "wav2lip_mel"
    """Which encoder this is."""
    lead: int = 2
    """Frames by which the columns start before their frame: 2 centres them on it, as IP_LAP has it
    for landmarks; Wav2Lip trains its generator with 1; 0 covers the five frames that start there,
    as its sync network wants."""
    window: int = 25
    """Frames computed at once, a multiple of 5; it sets how often a stream answers, not the
    values."""

    def __post_init__(self) -> None:
        _check_at_least(1, self.window, "window")
        if self.window % 5:
            raise ValueError(
                f"audio.window must be a multiple of 5 for 'wav2lip_mel', got {self.window}: "
                "only every fifth frame starts on a column (640 and 200 samples)"
            )
        if not 0 <= self.lead <= 4:
            raise ValueError(
                f"audio.lead must be 0 to 4, got {self.lead}: 16 columns span 5 frames and would "
                "not reach their own frame"
            )


@dataclass(frozen=True, kw_only=True)
class PretrainedConfig:
    """A frozen speech model that transformers loads; 50 Hz pairs averaged to 25 Hz."""

    kind: Literal["hubert", "wav2vec2", "whisper"]
    """Which encoder this is."""
    path: str
    """Folder with config.json, preprocessor_config.json and model.safetensors, or a hub id."""
    layer: int | None = None
    """Hidden state to take: 0 is what enters the first block, k what leaves block k; none means
    the model's last hidden state."""
    window: int = 500
    """Frames computed at once: sound of up to 20 s is one plain pass of the model. A stream
    answers window + context frames late, so live use wants a shorter one."""
    context: int = 100
    """Frames seen on either side of a window, then dropped."""
    fingerprint: str | None = None
    """Hash of the weights, as `AudioEncoder.pinned_config` gives it; other weights are refused.
    None takes any."""

    def __post_init__(self) -> None:
        _check_at_least(1, self.window, "window")
        _check_at_least(0, self.context, "context")
        if self.layer is not None:
            _check_at_least(0, self.layer, "layer")
        span = self.window + 2 * self.context
        if self.kind == "whisper" and span > WHISPER_MAX_FRAMES:
            raise ValueError(
                f"audio.window + 2 * audio.context must be at most {WHISPER_MAX_FRAMES} frames "
                f"for 'whisper', whose position table ends at 30 s, got {span}"
            )


AudioConfig = LogMelConfig | Wav2LipMelConfig | PretrainedConfig


def audio_config_from_plain(plain: dict[str, Any], *, where: str = "audio") -> AudioConfig:
    """Return the config that `to_plain` wrote, chosen by its `kind`.

    Raises:
        ValueError: If the kind is unknown or a field does not fit it.
    """
    kinds: dict[str, type[AudioConfig]] = {
        "logmel": LogMelConfig,
        "wav2lip_mel": Wav2LipMelConfig,
        "hubert": PretrainedConfig,
        "wav2vec2": PretrainedConfig,
        "whisper": PretrainedConfig,
    }
    kind = plain.get("kind")
    if kind not in kinds:
        raise ValueError(f"{where}.kind must be one of {', '.join(kinds)}, got {kind!r}")
    return from_plain(kinds[kind], plain, where=where)


def same_features(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two plain configs promise the same features.

    Where both name their weights' fingerprint, that counts and the path does not: the same model
    may lie anywhere. Where one leaves it open, the path stands for it.

    Args:
        one: What `to_plain` made of an audio config.
        other: Likewise.
    """
    both_named = one.get("fingerprint") and other.get("fingerprint")
    ignored = "path" if both_named else "fingerprint"
    first, second = (
        {key: value for key, value in plain.items() if value is not None and key != ignored}
        for plain in (one, other)
    )
    return first == second


def _check_at_least(lowest: int, value: int, name: str) -> None:
    if value < lowest:
        raise ValueError(f"audio.{name} must be at least {lowest}, got {value}")
