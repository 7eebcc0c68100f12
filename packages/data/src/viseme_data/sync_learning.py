"""Learns the predictor of `viseme_data.sync` from talking clips that are themselves out of sync.

    python -m viseme_data.sync_learning PREPARED assets/sync.safetensors

Nobody knows the offsets of clips found in the world. So the predictor and the offsets are found in
turns; the offset that most clips have is called 0. Letters: `viseme_data.sync`.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from viseme_data.clips import read_clip
from viseme_data.manifest import kept, read_manifest
from viseme_data.sync import MAX_LAG, judge, lag_correlation, mouth_measures, sound_features

logger = logging.getLogger(__name__)

_ROUNDS = 8
_RIDGE = 300.0
# A long clip counts for no more than this, or one speaker would be the predictor.
_MAX_FRAMES = 300
_MIN_CONFIDENCE = 0.8

_Pair = tuple[np.ndarray, np.ndarray]


def learn(clips: Sequence[tuple[Tensor, Tensor]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictor's weights (F, M) and the offset of each clip in frames.

    Args:
        clips: Sound (S,) at 16 kHz and landmarks (T, 478, 3) of each.
    """
    if len(clips) < 2:
        raise ValueError(f"a predictor is learned from several clips, got {len(clips)}")
    pairs = [_aligned(sound_features(audio), mouth_measures(points)) for audio, points in clips]
    offsets = np.zeros(len(pairs), int)
    for _ in range(_ROUNDS):
        known, offsets = offsets, _judged(pairs, offsets)
        if (offsets == known).all():
            break
    square, cross = _sums(pairs, offsets)
    return np.linalg.solve(square, cross), offsets


def _judged(pairs: Sequence[_Pair], offsets: np.ndarray) -> np.ndarray:
    """Return the offset of each clip as what the others teach at `offsets` tells it."""
    square, cross = _sums(pairs, offsets)
    lags = np.zeros(len(pairs), int)
    is_sure = np.zeros(len(pairs), bool)
    for i, (sound_TF, mouth_TM) in enumerate(pairs):
        # Without its own share, or a clip would confirm itself.
        own = _moments(sound_TF, mouth_TM, int(offsets[i]))
        weights_FM = np.linalg.solve(square - own[0], cross - own[1])
        found = judge(lag_correlation(sound_TF @ weights_FM, mouth_TM), len(mouth_TM))
        is_sure[i] = found.confidence >= _MIN_CONFIDENCE
        lags[i] = round(found.offset_frames) if is_sure[i] else 0
    common = int(np.median(lags[is_sure])) if is_sure.any() else 0
    return np.where(is_sure, lags - common, 0).clip(-MAX_LAG, MAX_LAG)


def _sums(pairs: Sequence[_Pair], offsets: np.ndarray) -> _Pair:
    moments = [_moments(*pair, int(lag)) for pair, lag in zip(pairs, offsets, strict=True)]
    square = np.sum([square for square, _ in moments], axis=0)
    return square + _RIDGE * np.eye(len(square)), np.sum([cross for _, cross in moments], axis=0)


def _aligned(sound_TF: np.ndarray, mouth_TM: np.ndarray) -> _Pair:
    num = min(len(sound_TF), len(mouth_TM))
    return sound_TF[:num], mouth_TM[:num]


def _moments(sound_TF: np.ndarray, mouth_TM: np.ndarray, lag: int) -> _Pair:
    sound = sound_TF[max(0, -lag) : len(sound_TF) - max(0, lag)]
    mouth = mouth_TM[max(0, lag) : len(mouth_TM) - max(0, -lag)]
    weight = min(1.0, _MAX_FRAMES / len(mouth))
    return weight * sound.T @ sound, weight * sound.T @ mouth


def main() -> None:
    """Learn from the kept clips of a prepared folder that have sound, and write the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("prepared", type=Path, help="folder that `viseme-data prepare` made")
    parser.add_argument("out", type=Path, help="safetensors file to write")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rows = [row for row in kept(read_manifest(args.prepared / "manifest.parquet")) if row.has_audio]
    clips = [read_clip(args.prepared / "clips" / f"{row.clip_id}.safetensors") for row in rows]
    weights, offsets = learn([(clip.audio_S, clip.landmarks_TK3) for clip in clips])
    save_file({"weights": torch.from_numpy(weights).float()}, args.out)
    logger.info("%d clips, offsets left: %s", len(clips), offsets.tolist())


if __name__ == "__main__":
    main()
