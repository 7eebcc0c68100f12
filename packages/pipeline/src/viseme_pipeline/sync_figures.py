"""How well the mouth of a finished film goes with its sound, by the shipped sync network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from viseme_core.types import FPS
from viseme_data.frames import read_frames
from viseme_data.sound import read_audio
from viseme_data.track import FaceTracker, TrackerConfig
from viseme_eval.functional.sync import MAX_OFFSET, cosine_lag_curve
from viseme_eval.syncnet.network import load_sync_network

# Longer films are judged by their beginning.
_MAX_FRAMES = 60 * FPS


@dataclass(frozen=True, kw_only=True)
class SyncFigures:
    """What the network says of a film."""

    lag: int
    """Frames by which the mouth comes later than its sound."""
    cosine: float
    """Mean cosine of mouth and sound without a lag, up to 1."""
    confidence: float
    """Cosine at the best lag less the median over all lags: about 0 where nothing fits."""

    def __str__(self) -> str:
        return (
            f"mouth {self.lag:+d} frames after the sound, confidence {self.confidence:.2f} "
            f"(cosine {self.cosine:.2f})"
        )


def measure_sync(path: Path) -> SyncFigures | None:
    """Return the figures of a film; None where no face is found, or it is too short.

    Args:
        path: Film with sound.
    """
    points, last = [], None
    with FaceTracker(TrackerConfig(max_faces=1)) as tracker:
        for number, frame_HW3 in enumerate(read_frames(path)):
            if number == _MAX_FRAMES:
                break
            faces = tracker.track(np.ascontiguousarray(frame_HW3))
            # A frame in which the tracker slips shows the mouth of the one before.
            last = faces[0] if faces else last
            if last is not None:
                points.append(last)
    network = load_sync_network()
    if len(points) < 2 * MAX_OFFSET + network.window:
        return None
    points_TK3 = torch.from_numpy(np.stack(points))
    curve_L = cosine_lag_curve(*network.embed(points_TK3, read_audio(path).samples_S))
    best, lag = curve_L.max(0)
    return SyncFigures(
        lag=int(lag) - MAX_OFFSET,
        cosine=float(curve_L[MAX_OFFSET]),
        confidence=float(best - curve_L.median()),
    )
