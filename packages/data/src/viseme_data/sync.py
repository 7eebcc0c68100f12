"""The offset between sound and picture, from how a mouth ought to move with what is heard.

A linear predictor, learned once over many speakers, turns log-mel energies into the course of three
mouth measures. Slid along the measured ones it correlates best at the offset, and how much better
than elsewhere says how sure that is. Letters: S samples, T frames, M measures, L lags, F features.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor

from viseme_core.audio import LogMelConfig, build_encoder
from viseme_core.shapes import check_shape
from viseme_core.types import SAMPLES_PER_FRAME

MAX_LAG = 15
"""Frames either way in which an offset is sought, 0.6 s."""

_BANDS = 20
# Frames of sound on either side that the predictor sees: a mouth prepares and trails a sound.
_REACH = 4
# Slower changes, of posture and loudness, say nothing of timing.
_TREND_FRAMES = 75
# Successive frames repeat each other: so many tell as much as one independent one. On windows of 2
# to 16 s of real clips the confidence then equals how often the lag is right within one frame.
_FRAMES_PER_FACT = 4.0
# Before anything is heard, an offset e times as large is e times less likely per so many frames.
_PRIOR_FRAMES = 4.0
_MIN_FRAMES = 2 * MAX_LAG


@dataclass(frozen=True, kw_only=True)
class SyncEstimate:
    """Where the sound lies against the picture."""

    offset_frames: float
    """Above 0 the mouth comes later than its sound."""
    confidence: float
    """Probability that the offset is right within a frame: about 0.3 where nothing speaks for any.
    """


def estimate_offset(audio_S: Tensor, landmarks_TK3: Tensor) -> SyncEstimate:
    """Return by how many frames the mouth comes later than its sound, and how sure that is.

    Args:
        audio_S: Mono sound at 16 kHz; sample 640 t is played with frame t.
        landmarks_TK3: `mp478` of successive frames, in any unit.
    """
    check_shape(landmarks_TK3, "T 478 D", name="landmarks_TK3")
    sound_TF = sound_features(audio_S)
    num = min(len(sound_TF), len(landmarks_TK3))
    if num < _MIN_FRAMES or not bool(audio_S.any()):
        return SyncEstimate(offset_frames=0.0, confidence=0.0)
    mouth_TM = mouth_measures(landmarks_TK3[:num])
    correlation_LM = lag_correlation(sound_TF[:num] @ shipped_predictor(), mouth_TM)
    return judge(correlation_LM, num)


def shift_audio(audio_S: Tensor, offset_frames: float) -> Tensor:
    """Return the sound in time with the picture: later by the offset, silent where it had begun.

    The length stays the same; what is pushed out at one end is lost.
    """
    shift = round(offset_frames * SAMPLES_PER_FRAME)
    shifted_S = torch.zeros_like(audio_S)
    if abs(shift) < len(audio_S):
        if shift >= 0:
            shifted_S[shift:] = audio_S[: len(audio_S) - shift]
        else:
            shifted_S[:shift] = audio_S[-shift:]
    return shifted_S


def sound_features(audio_S: Tensor) -> np.ndarray:
    """Return log-mel energies of 20 bands around each frame, less their slow changes, (T, F)."""
    logmel_TA = build_encoder(LogMelConfig()).encode(audio_S).numpy()
    bands_TB = logmel_TA.reshape(len(logmel_TA), -1, _BANDS, 80 // _BANDS).mean((1, 3))
    padded_TB = np.pad(_without_trend(bands_TB), ((_REACH, _REACH), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded_TB, 2 * _REACH + 1, axis=0).reshape(
        len(bands_TB), -1
    )


def mouth_measures(landmarks_TK3: Tensor) -> np.ndarray:
    """Return lip opening, lip width and height of the lower face, less their slow changes, (T, M).

    Each is scaled to deviation 1; one that never moves is 0.
    """
    points_TK2 = landmarks_TK3[..., :2].double().numpy()
    pairs = ((13, 14), (78, 308), (1, 152))  # inner lips, inner corners, tip of nose to chin
    eyes_T = np.linalg.norm(points_TK2[:, 33] - points_TK2[:, 263], axis=-1)
    measures_TM = np.stack(
        [np.linalg.norm(points_TK2[:, a] - points_TK2[:, b], axis=-1) / eyes_T for a, b in pairs],
        axis=1,
    )
    moving_TM = _without_trend(measures_TM)
    return moving_TM / np.maximum(moving_TM.std(0), 1e-6)


def lag_correlation(predicted_TM: np.ndarray, measured_TM: np.ndarray) -> np.ndarray:
    """Return the correlation of each measure at lags -MAX_LAG to MAX_LAG, (L, M).

    At lag l the measured frame t + l is compared with the predicted frame t.
    """
    rows = []
    for lag in range(-MAX_LAG, MAX_LAG + 1):
        predicted = predicted_TM[max(0, -lag) : len(predicted_TM) - max(0, lag)]
        measured = measured_TM[max(0, lag) : len(measured_TM) - max(0, -lag)]
        a, b = predicted - predicted.mean(0), measured - measured.mean(0)
        rows.append((a * b).sum(0) / np.sqrt((a * a).sum(0) * (b * b).sum(0) + 1e-12))
    return np.array(rows)


def judge(correlation_LM: np.ndarray, num_frames: int) -> SyncEstimate:
    """Return the likeliest offset of a correlation curve.

    Of Gaussian measures that correlate by r over n independent facts the likelihood is
    (1 - r^2)^(-n/2); times a prior around 0 that gives each lag a probability. The confidence is
    the likeliest lag's and its neighbours', the offset their mean.
    """
    lag_L = np.arange(-MAX_LAG, MAX_LAG + 1)
    facts_L = (num_frames - abs(lag_L)) / _FRAMES_PER_FACT
    # A mouth that does the opposite of what is heard is no better than one that does anything else.
    share_LM = np.clip(correlation_LM, 0, 0.99) ** 2
    log_L = -0.5 * facts_L * np.log1p(-share_LM).sum(-1) - abs(lag_L) / _PRIOR_FRAMES
    chance_L = np.exp(log_L - log_L.max())
    chance_L /= chance_L.sum()
    best = int(chance_L.argmax())
    near = slice(max(0, best - 1), best + 2)
    confidence = float(chance_L[near].sum())
    return SyncEstimate(
        offset_frames=float((chance_L[near] * lag_L[near]).sum() / confidence),
        confidence=confidence,
    )


@cache
def shipped_predictor() -> np.ndarray:
    """Return the predictor's weights (F, M), learned by `viseme_data.sync_learning`."""
    data = resources.files("viseme_data").joinpath("assets/sync.safetensors").read_bytes()
    return load(data)["weights"].numpy().astype(np.float64)


def _without_trend(values_TX: np.ndarray) -> np.ndarray:
    """Return values less their mean over three seconds around each frame."""
    half = _TREND_FRAMES // 2
    padded = np.pad(values_TX, ((half + 1, half), (0, 0)), mode="edge").cumsum(0)
    return values_TX - (padded[_TREND_FRAMES:] - padded[:-_TREND_FRAMES]) / _TREND_FRAMES
