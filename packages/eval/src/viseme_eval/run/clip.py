"""All measures over one pair of videos."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from viseme_core.types import CropBox
from viseme_data.track import FaceTracker
from viseme_eval.run.config import RunConfig
from viseme_eval.run.measure import (
    Chunk,
    ClipFacts,
    Findings,
    Measure,
    PairMeasure,
    Quantity,
    Reading,
    VideoMeasure,
    View,
)
from viseme_eval.run.measures.registry import Slot
from viseme_eval.run.pairing import Pair
from viseme_eval.run.reading import ClipRead, read_chunks, survey
from viseme_eval.run.rows import ClipRow
from viseme_eval.run.strips import Strip
from viseme_eval.run.throughput import Throughput

FAILED = "failed"
"""How the reason of a value begins that another run may well have: out of memory, for example."""

_LACKING = {
    "landmarks": "no face was found in the {side}",
    "pose": "no head pose of the {side}: no face was found, or --crop none",
    "audio": "no sound for the {side}; give --audio",
}


def evaluate_pair(
    pair: Pair,
    slots: Sequence[Slot],
    tracker: FaceTracker | None,
    config: RunConfig,
    work: Path,
    *,
    on_frames: Callable[[int], None] = lambda count: None,
    throughput: Throughput | None = None,
) -> tuple[ClipRow, Strip]:
    """Return the row of a pair, without key, and its strip of pictures.

    Args:
        pair: The videos.
        slots: The measures, or why there are none.
        tracker: Finds faces; None if nothing needs them.
        config: Settings.
        work: The clip's folder.
        on_frames: Called with how many frames were read since the last call.
        throughput: Where to note how long each step took.

    Raises:
        ValueError: If the pair cannot be read or compared.
    """
    pace = throughput or Throughput()
    with pace.step("finding faces"):
        clip = survey(pair, tracker, work, crop=config.crop, size=config.size, on_frames=on_frames)
    facts = ClipFacts(name=pair.name, num_frames=clip.num_frames, size=clip.size, work=work)
    runners = [runner for slot in slots for runner in _runners(slot, facts, pace)]
    strip = Strip(clip.num_frames, config.pictures)
    with_pose = any("pose" in slot.needs for slot in slots)
    try:
        chunks = read_chunks(
            pair, clip, batch=config.batch, with_pose=with_pose, on_frames=on_frames
        )
        while chunk := _next(chunks, pace):
            strip.add(chunk)
            for runner in runners:
                runner.update(chunk)
    finally:
        for film in (clip.generated, clip.reference):
            film.file.unlink(missing_ok=True)
    findings = Findings()
    for runner in runners:
        runner.finish(findings)
    pace.num_frames += clip.num_frames
    return _row(pair, clip, findings), strip


def _next(chunks: Iterator[Chunk], pace: Throughput) -> Chunk | None:
    with pace.step("reading"):
        return next(chunks, None)


def _runners(slot: Slot, facts: ClipFacts, pace: Throughput) -> list["_Runner"]:
    sides = ("generated", "reference") if slot.is_video else ("pair",)
    return [_Runner(slot, side, facts, pace) for side in sides]


class _Runner:
    """One measure over one clip; what goes wrong in it is its own affair."""

    def __init__(self, slot: Slot, side: str, facts: ClipFacts, pace: Throughput) -> None:
        self._slot = slot
        self._side = side
        self._watch = pace.step(slot.quantities[0].name)
        self._reason = slot.reason
        self._measure: Measure | None = None
        if slot.build is not None:
            self._measure = slot.build()
            self._guarded(lambda measure: measure.start(facts))

    def update(self, chunk: Chunk) -> None:
        views = _views(chunk, self._side)
        if chunk.generated.start == 0 and not self._reason:
            self._reason = _lacking(self._slot.needs, views)

        def take(measure: Measure) -> None:
            if isinstance(measure, VideoMeasure):
                measure.update(views[self._side])
            elif isinstance(measure, PairMeasure):
                measure.update(chunk)

        self._guarded(take)

    def finish(self, findings: Findings) -> None:
        values: Mapping[str, float] = {}
        curves: Mapping[str, Sequence[float]] = {}

        def end(measure: Measure) -> None:
            nonlocal values, curves
            values, curves = measure.finish(), measure.curves()

        self._guarded(end)
        into = findings.reference if self._side == "reference" else findings.values
        for quantity in self._slot.quantities:
            if not (self._slot.is_set and not self._reason):
                into[quantity.name] = self._reading(quantity, values)
        for name, curve in curves.items():
            findings.curves.setdefault(name, {})[self._side] = [float(value) for value in curve]

    def _reading(self, quantity: Quantity, values: Mapping[str, float]) -> Reading:
        if self._reason:
            return Reading(None, self._reason)
        value = values.get(quantity.name, math.nan)
        if math.isnan(value):
            return Reading(None, "skipped: nothing in this clip to measure it by")
        return Reading(float(value))

    def _guarded(self, act: Callable[[Measure], None]) -> None:
        if self._measure is None or self._reason:
            return
        try:
            with self._watch:
                act(self._measure)
        except ValueError as error:
            self._reason = f"skipped: {error}"
        except RuntimeError as error:
            self._reason = f"{FAILED}: {error}"


def _views(chunk: Chunk, side: str) -> dict[str, View]:
    both = {"generated": chunk.generated, "reference": chunk.reference}
    return both if side == "pair" else {side: both[side]}


def _lacking(needs: frozenset[str], views: Mapping[str, View]) -> str:
    for side, view in views.items():
        has = {
            "landmarks": view.landmarks_TK3 is not None,
            "pose": view.pose_T6 is not None,
            "audio": view.audio_S is not None,
        }
        for need in sorted(needs):
            if not has[need]:
                name = "generated video" if side == "generated" else side
                return f"skipped: {_LACKING[need].format(side=name)}"
    return ""


def _row(pair: Pair, clip: ClipRead, findings: Findings) -> ClipRow:
    num = clip.num_frames
    return ClipRow(
        name=pair.name,
        status="done",
        num_frames=num,
        cut_generated_sec=clip.cut_sec[0],
        cut_reference_sec=clip.cut_sec[1],
        seen_generated=float(np.mean(clip.generated.seen_T[:num].numpy())),
        seen_reference=float(np.mean(clip.reference.seen_T[:num].numpy())),
        audio_from=clip.audio_from,
        crop_generated=_plain_box(clip.boxes[0]),
        crop_reference=_plain_box(clip.boxes[1]),
        findings=findings,
    )


def _plain_box(box: CropBox | None) -> list[float] | None:
    return None if box is None else [box.cx, box.cy, box.side, box.angle]
