"""How heads move: diversity, jitter, and whether they move to the beat of the voice."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from viseme_eval.functional.beats import audio_beats_of_pieces, beat_align, motion_beats
from viseme_eval.functional.motion import (
    high_frequency_share,
    motion_diversity,
    pose_diversity,
    third_difference,
)
from viseme_eval.run.measure import ClipFacts, Need, Quantity, VideoMeasure, View
from viseme_eval.run.measures.landmark import landmarks_of
from viseme_eval.run.measures.per_frame import Track
from viseme_face.layouts import select

_CROP_PX = 256.0
_PIECE_BYTES = 1 << 20
_LANDMARKS: frozenset[Need] = frozenset({"landmarks"})
_POSE: frozenset[Need] = frozenset({"pose"})
_AUDIO: frozenset[Need] = frozenset({"audio"})


class HeadMotion(VideoMeasure):
    """Diversity of the fitted head pose."""

    needs = _POSE
    quantities = (
        Quantity(
            "pose_diversity",
            "Diversity of fitted pose",
            "degrees",
            "higher",
            "Mean over nod, turn and tilt of their standard deviation over time, of the head pose "
            "that the built-in face model is fitted with. FD2Talk's Diversity is of Hopenet's "
            "features: another number.",
        ),
    )

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self._poses = Track(clip.num_frames)

    def update(self, view: View) -> None:
        """Take in the next frames."""
        self._poses.add(pose_of(view))

    def finish(self) -> dict[str, float]:
        """Return the value."""
        self._pose_T6 = self._poses.rows
        known = self._pose_T6.isfinite().all(1)
        return {"pose_diversity": float(pose_diversity(self._pose_T6[known]))}

    def curves(self) -> Mapping[str, Sequence[float]]:
        """Return the three angles in degrees."""
        degrees_3T = self._pose_T6[:, :3].double().rad2deg().T.tolist()
        names = ("nod, degrees", "turn, degrees", "tilt, degrees")
        return dict(zip(names, degrees_3T, strict=True))


class Hopenet(VideoMeasure):
    """Diversity of Hopenet's features."""

    needs = _LANDMARKS
    networks = ("hopenet",)
    quantities = (
        Quantity(
            "diversity",
            "Diversity",
            "",
            "higher",
            "Mean standard deviation over time of Hopenet's 2048 features (FD2Talk, SadTalker).",
        ),
        Quantity(
            "diversity_angles",
            "Diversity of Hopenet's angles",
            "degrees",
            "higher",
            "The same of its yaw, pitch and roll.",
        ),
    )

    def __init__(self, network: Any) -> None:
        self._network = network

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self._angles = Track(clip.num_frames)
        self._first: Tensor | None = None
        self._sums: tuple[Tensor | float, Tensor | float] = (0.0, 0.0)

    @torch.no_grad()
    def update(self, view: View) -> None:
        """Take in the next frames."""
        if view.seen_T is None or view.landmarks_TK3 is None or not view.seen_T.any():
            return
        seen = view.seen_T
        features_TD, angles_T3 = self._network(view.frames_T3HW[seen], view.landmarks_TK3[seen])
        self._angles.add(angles_T3)
        features_TD = features_TD.double().cpu()
        # Sums instead of rows: 8 kB a frame would add up. About the first, so that they are exact.
        self._first = features_TD[0] if self._first is None else self._first
        moved_TD = features_TD - self._first
        self._sums = self._sums[0] + moved_TD.sum(0), self._sums[1] + moved_TD.square().sum(0)

    def finish(self) -> dict[str, float]:
        """Return both values."""
        if not len(self._angles):
            return {}
        angles_T3 = self._angles.rows
        mean_D, square_D = (torch.as_tensor(total) / len(angles_T3) for total in self._sums)
        deviation_D = (square_D - mean_D.square()).clamp_min(0).sqrt()
        return {
            "diversity": float(deviation_D.mean()),
            "diversity_angles": float(motion_diversity(angles_T3)),
        }


class BeatAlign(VideoMeasure):
    """Beat Align of the fitted head pose."""

    needs = _POSE | _AUDIO
    quantities = (
        Quantity(
            "beat_align",
            "Beat Align",
            "",
            "higher",
            "Mean over onsets of the voice of exp(-d^2 / (2 s^2)), d the time to the nearest rest "
            "of the head's fitted angles, s = 0.12 s (Siyao et al., 2022). Heads that never rest "
            "or never move have none.",
        ),
    )

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self._poses = Track(clip.num_frames)
        # On disk: the sound of ten minutes is as large as fifty frames. The reference has its own.
        self._sound = clip.work / f"sound_{id(self):x}.f32"
        self._peak = torch.zeros(())

    def update(self, view: View) -> None:
        """Take in the next frames and their sound."""
        self._poses.add(pose_of(view))
        if view.audio_S is not None:
            with self._sound.open("ab") as file:
                file.write(view.audio_S.numpy().tobytes())
            self._peak = torch.maximum(self._peak, view.audio_S.abs().amax())

    def finish(self) -> dict[str, float]:
        """Return the value."""
        heard_N = audio_beats_of_pieces(self._pieces(), self._peak)
        self._sound.unlink()
        degrees_T3 = self._poses.rows[:, :3].double().rad2deg()
        return {"beat_align": float(beat_align(heard_N, motion_beats(filled(degrees_T3))))}

    def _pieces(self) -> Iterator[Tensor]:
        with self._sound.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield torch.frombuffer(bytearray(piece), dtype=torch.float32)


class Jitter(VideoMeasure):
    """Temporal jitter of landmarks."""

    needs = _LANDMARKS
    quantities = (
        Quantity(
            "jitter_share",
            "Jitter, share above 8 Hz",
            "share",
            "reference",
            "Share of the power of 68 landmarks' movement above 8 Hz, where faces do not move.",
        ),
        Quantity(
            "jerk",
            "Jerk",
            "px of a 256 px crop per frame^3",
            "reference",
            "Mean length of third differences over time of 68 landmarks.",
        ),
    )

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self._points = Track(clip.num_frames)

    def update(self, view: View) -> None:
        """Take in the next frames."""
        self._points.add(select(landmarks_of(view), "dlib68").points_TKD[..., :2])

    def finish(self) -> dict[str, float]:
        """Return the values."""
        points_TK2 = self._points.rows
        whole_TK2 = filled(points_TK2.flatten(1)).view_as(points_TK2) * _CROP_PX
        return {
            "jitter_share": float(high_frequency_share(whole_TK2.flatten(1))),
            "jerk": float(third_difference(whole_TK2)),
        }


def pose_of(view: View) -> Tensor:
    """Return a view's pose, NaN where there is no face."""
    if view.pose_T6 is None or view.seen_T is None:
        raise ValueError("this measure needs a fitted pose")
    return view.pose_T6.masked_fill(~view.seen_T[:, None], torch.nan)


def filled(curves_TC: Tensor) -> Tensor:
    """Return curves with gaps, NaN in whole rows, closed by straight lines; ends stand still."""
    known = curves_TC.isfinite().all(1).nonzero()[:, 0]
    if not len(known):
        return curves_TC[:0]
    if len(known) == len(curves_TC):
        return curves_TC
    times = torch.arange(len(curves_TC), device=curves_TC.device)
    after = torch.searchsorted(known, times).clamp_max(len(known) - 1)
    before = (torch.searchsorted(known, times, right=True) - 1).clamp_min(0)
    span = (known[after] - known[before]).clamp_min(1)
    share = ((times - known[before]) / span).clamp(0, 1)[:, None].to(curves_TC)
    return torch.lerp(curves_TC[known[before]], curves_TC[known[after]], share)
