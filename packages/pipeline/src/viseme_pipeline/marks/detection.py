"""Finding the watermark, with a bound on false detections that needs no assumption on films.

The key is a vector of N complex Gaussian numbers, so its direction is uniform on the sphere in C^N.
For any vector v that was computed without the key, whatever film it came from, the squared cosine

    rho^2 = |<key, v>|^2 / (|key|^2 |v|^2)

therefore has the distribution Beta(1, N - 1), and P(rho^2 >= r) = (1 - r)^(N - 1) exactly. Several
questions to one film (the whole film, each window, mirrored, cut out) share one level by weighted
Bonferroni: the bound is the smallest p / weight, with weights that sum to one. The only assumption
is that the film was made without knowledge of the key; the chance is over the choice of the key.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from viseme_core.types import FPS
from viseme_data.media import read_frames
from viseme_pipeline.marks.listening import MIN_WINDOW, Window, equalise, listen
from viseme_pipeline.marks.pattern import KEY, NUM_WAVES, draw_key, project
from viseme_pipeline.marks.views import VIEWS, View

LOG10_ALARM = -6.5
"""A film counts as marked if its bound is below this power of ten."""
# A second is named as marked if chance would do so in one film of a thousand.
_LOG10_SECOND = -3.0


@dataclass(frozen=True, kw_only=True)
class Detection:
    """What was found in a film."""

    found: bool
    """Whether `log10_p` is at most LOG10_ALARM."""
    log10_p: float
    """Decimal logarithm of the bound on the chance that an unmarked film looks like this."""
    statistic: float
    """Squared cosine of film and key, 0 to 1, of the question that gave the bound."""
    seconds: tuple[tuple[float, float], ...]
    """Stretches in which the mark stands, from and to, in seconds; empty if not found."""
    view: str
    """What of the picture the marked one was: "whole", "mirrored" or a part."""
    num_frames: int
    """Frames that were looked at; below MIN_WINDOW nothing can be found."""

    @property
    def p_value(self) -> float:
        """The bound itself; 0 where it is too small for a float."""
        return 10**self.log10_p if self.log10_p > -300 else 0.0

    def describe(self) -> str:
        """Return one sentence for people."""
        if self.num_frames < MIN_WINDOW:
            return f"too short to tell: {self.num_frames} frames, at least {MIN_WINDOW} are needed"
        chance = f"chance of this in an unmarked film below 1e{math.ceil(self.log10_p):d}"
        if not self.found:
            return f"no viseme watermark found ({chance})"
        spans = ", ".join(f"{start:.1f} to {stop:.1f} s" for start, stop in self.seconds)
        return f"viseme watermark found in {spans or 'the film as a whole'} ({self.view}; {chance})"


def detect(path: str | Path, *, key: bytes = KEY) -> Detection:
    """Return whether and where a video carries the watermark.

    Args:
        path: Video file.
        key: What the pattern was drawn from.

    Raises:
        MediaError: If the file has no video that can be decoded.
    """
    return detect_frames(read_frames(path), key=key)


def detect_frames(frames: Iterable[np.ndarray], *, key: bytes = KEY) -> Detection:
    """Return what `detect` returns, of uint8 RGB frames (H, W, 3) at 25 per second.

    Memory: 32 kB for every two seconds.
    """
    counted = _Counted(frames)
    windows = list(listen(counted))
    if not windows:
        return Detection(
            found=False,
            log10_p=0.0,
            statistic=0.0,
            seconds=(),
            view="whole",
            num_frames=counted.number,
        )
    return judge(windows, key=key)


class _Counted:
    """Frames that remember how many there were."""

    def __init__(self, frames: Iterable[np.ndarray]) -> None:
        self._frames = frames
        self.number = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame_HW3 in self._frames:
            self.number += 1
            yield frame_HW3


def judge(windows: Sequence[Window], *, key: bytes = KEY) -> Detection:
    """Return what `detect` returns, of at least one window."""
    best: tuple[float, float, View] | None = None
    for view in VIEWS:
        vectors_WN = vectors(windows, view)
        rho2_W = squared_cosines(vectors_WN, key)
        rho2 = float(squared_cosines(vectors_WN.sum(0, keepdims=True), key)[0])
        # Half of the view's level goes to the whole film, half is shared by its windows.
        whole = log10_tail(rho2) - math.log10(view.weight / 2)
        part = log10_tail(rho2_W.max()) - math.log10(view.weight / 2 / len(windows))
        if best is None or min(whole, part) < best[0]:
            best = min(whole, part), rho2 if whole <= part else float(rho2_W.max()), view
        if best[0] <= LOG10_ALARM:
            break  # Later views share what level is left: asking them could only lower the bound.
    assert best is not None
    log10_p, statistic, view = min(best[0], 0.0), best[1], best[2]
    found = log10_p <= LOG10_ALARM
    return Detection(
        found=found,
        log10_p=log10_p,
        statistic=statistic,
        seconds=_stretches(windows, view, key) if found else (),
        view=view.name,
        num_frames=windows[-1].start + windows[-1].num_frames,
    )


def squared_cosines(vectors_WN: np.ndarray, key: bytes = KEY) -> np.ndarray:
    """Return the squared cosine of each vector with the key, shape (W,), 0 for a null vector."""
    weights_N = draw_key(key)
    dot_W = np.abs(vectors_WN @ weights_N.conj()) ** 2
    norm_W = np.sum(np.abs(vectors_WN) ** 2, axis=1) * np.sum(np.abs(weights_N) ** 2)
    return np.divide(dot_W, norm_W, out=np.zeros(len(dot_W)), where=norm_W > 0)


def log10_tail(rho2: float) -> float:
    """Return the decimal logarithm of P(squared cosine >= rho2) for a film without the mark."""
    return (NUM_WAVES - 1) * math.log1p(-min(rho2, 1 - 1e-12)) / math.log(10)


def vectors(windows: Sequence[Window], view: View) -> np.ndarray:
    """Return what each window holds of the pattern's waves as a view shows them, (W, N)."""
    rows_GK, columns_GK = view.waves
    waves_WN = equalise(project(np.stack([w.swing_GG for w in windows]), rows_GK, columns_GK))
    return waves_WN * np.array([[window.num_frames] for window in windows])


def _stretches(
    windows: Sequence[Window], view: View, key: bytes
) -> tuple[tuple[float, float], ...]:
    limit = _LOG10_SECOND - math.log10(len(windows))
    spans: list[tuple[float, float]] = []
    for window, rho2 in zip(windows, squared_cosines(vectors(windows, view), key), strict=True):
        if log10_tail(float(rho2)) > limit:
            continue
        start, stop = window.start / FPS, (window.start + window.num_frames) / FPS
        if spans and spans[-1][1] == start:
            start = spans.pop()[0]
        spans.append((start, stop))
    return tuple(spans)
