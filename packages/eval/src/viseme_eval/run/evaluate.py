"""`viseme-eval run`: two folders of videos in, a report out."""

import logging
import os
import platform
import textwrap
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from viseme_data.clips import write_whole
from viseme_data.track import FaceTracker
from viseme_eval.run.clip import FAILED, evaluate_pair
from viseme_eval.run.code import code_hash
from viseme_eval.run.config import RunConfig
from viseme_eval.run.folder import ReportFolder
from viseme_eval.run.measure import Measure, SetMeasure, SkippedError
from viseme_eval.run.measures.registry import MEASURES, Slot, fill_slots
from viseme_eval.run.networks import Networks
from viseme_eval.run.notes import warnings_of, without_paths
from viseme_eval.run.page import report_page
from viseme_eval.run.pairing import Pair, find_pairs
from viseme_eval.run.progress import RunProgress
from viseme_eval.run.report import Report, Total, report_to_plain, total_of
from viseme_eval.run.rows import ClipRow, as_read, dumps
from viseme_eval.run.tables import report_markdown, skipped_table, totals_table
from viseme_eval.run.throughput import Throughput
from viseme_eval.syncnet.config import NAME as OWN_SYNC

logger = logging.getLogger(__name__)

_PACKAGES = ("viseme-eval", "torch", "torchmetrics", "torchvision", "numpy", "av", "mediapipe")


def evaluate(config: RunConfig, *, kinds: Sequence[type[Measure]] | None = None) -> Report:
    """Return the report that it writes into `config.out`: report.json, report.md, report.html.

    Args:
        config: What to compare, and how.
        kinds: Measures to choose from; by default all there are.

    Raises:
        ValueError: If there is nothing to compare, or a setting is wrong. What is wrong with one
            clip is a row of the report.
    """
    generated, reference = (_path(text) for text in (config.generated, config.reference))
    pairs = find_pairs(generated, reference, _path(config.audio) if config.audio else None)
    networks = Networks(
        _device(config.device),
        own_sync=_path(config.sync_network) if config.sync_network else None,
    )
    if config.sync_network:
        # What somebody names is not skipped without a word.
        networks.load(OWN_SYNC)
    slots = fill_slots(networks.load, config.only, kinds)
    settings = _settings(config, slots)
    folder = ReportFolder(_path(config.out), {**settings, "networks": networks.used})
    logger.info("%s", _plan(pairs, slots, networks))
    rows = _rows(pairs, slots, config, folder)
    report = Report(
        name=config.name or generated.stem,
        dataset=config.dataset or reference.stem,
        settings={**settings, "device": networks.device.type},
        networks=networks.used,
        measured_by={
            quantity.name: [*slot.networks]
            for slot in slots
            if slot.networks
            for quantity in slot.quantities
        },
        quantities=[quantity for slot in slots for quantity in slot.quantities],
        totals=_totals(slots, rows, folder),
        rows=rows,
    )
    folder.sweep(rows)
    write_whole(folder.path / "report.json", dumps(report_to_plain(report)))
    write_whole(folder.path / "report.md", report_markdown(report).encode())
    write_whole(folder.path / "report.html", report_page(report, folder.clips).encode())
    return report


def run(config: RunConfig) -> str:
    """Compare generated videos with real ones: JSON, tables in the papers' layouts, HTML."""
    report = evaluate(config)
    lost = len(report.rows) - len(report.done)
    page = _path(config.out) / "report.html"
    said = f"{len(report.done)} clips compared, {lost} rows with a reason; see {page}"
    return "\n\n".join(filter(None, [totals_table(report), skipped_table(report), said]))


def more_help() -> str:
    """Return what `--help` says below the settings: the names that --only takes."""
    names = ", ".join(quantity.name for kind in MEASURES for quantity in kind.quantities)
    return "\n".join(
        [
            "quantities (what each is stands in every report):",
            textwrap.fill(names, 78, initial_indent="  ", subsequent_indent="  "),
        ]
    )


def _rows(
    pairs: Sequence[Pair], slots: Sequence[Slot], config: RunConfig, folder: ReportFolder
) -> list[ClipRow]:
    todo = sum(_bytes(pair) for pair in pairs if not pair.reason)
    wants_faces = config.crop != "none" or any(slot.needs & {"landmarks", "pose"} for slot in slots)
    rows, pace = [], Throughput()
    with ExitStack() as stack:
        progress = stack.enter_context(RunProgress(num_bytes=todo, num_clips=len(pairs)))
        tracker = stack.enter_context(FaceTracker()) if wants_faces else None
        for pair in pairs:
            with pace.total:
                row = _row(pair, slots, config, folder, tracker, progress, pace)
            rows.append(row)
            progress.finish_clip(_bytes(pair), has_failed=row.status == "failed")
    if said := pace.summary():
        logger.info("%s", said)
    return rows


def _row(
    pair: Pair,
    slots: Sequence[Slot],
    config: RunConfig,
    folder: ReportFolder,
    tracker: FaceTracker | None,
    progress: RunProgress,
    pace: Throughput,
) -> ClipRow:
    if pair.reason:
        return ClipRow(name=pair.name, status="unpaired", reason=pair.reason)
    try:
        key = folder.key(pair)
        row = folder.read(key)
        if row is not None:
            return row
        work = folder.work(key)
    except OSError as error:
        reason = without_paths(str(error), pair)
        return ClipRow(name=pair.name, status="failed", reason=reason)
    strip, is_settled = None, True
    with warnings_of(pair) as notes:
        try:
            row, strip = evaluate_pair(
                pair, slots, tracker, config, work, on_frames=progress.look, throughput=pace
            )
        except (ValueError, RuntimeError) as error:
            row = ClipRow(name=pair.name, status="failed", reason=without_paths(str(error), pair))
            # What a file lacks it will lack; what the machine lacks it may have another time.
            is_settled = isinstance(error, ValueError)
    row = replace(row, key=key, notes=notes, **folder.hashes(pair))
    picture = strip.jpeg() if strip else None
    if picture is not None:
        write_whole(folder.clips / f"{key}.jpg", picture)
    readings = [*row.findings.values.values(), *row.findings.reference.values()]
    if is_settled and not any(reading.reason.startswith(FAILED) for reading in readings):
        folder.write(row)
    # As it would be read: whether a clip is new or was finished before must not show.
    return as_read(row)


def _totals(
    slots: Sequence[Slot], rows: Sequence[ClipRow], folder: ReportFolder
) -> dict[str, Total]:
    done = [row for row in rows if row.status == "done"]
    totals = {}
    for slot in slots:
        if slot.is_set and slot.build is not None:
            totals |= _set_totals(slot, done, folder)
            continue
        for quantity in slot.quantities:
            totals[quantity.name] = replace(total_of(quantity, done), is_set=slot.is_set)
    return totals


def _set_totals(slot: Slot, done: Sequence[ClipRow], folder: ReportFolder) -> dict[str, Total]:
    assert slot.build is not None
    measure = slot.build()
    assert isinstance(measure, SetMeasure)
    names = [quantity.name for quantity in slot.quantities]
    # A clip that could not be measured has said why in its row.
    works = [
        folder.clips / row.key
        for row in done
        if not any(name in row.findings.values for name in names)
    ]
    try:
        values = measure.combine(works)
    except SkippedError as error:
        return {name: Total(value=None, is_set=True, reason=f"skipped: {error}") for name in names}
    return {name: Total(value=values[name], num_clips=len(works), is_set=True) for name in names}


def _settings(config: RunConfig, slots: Sequence[Slot]) -> dict[str, Any]:
    """Return what decides over values, less the networks."""
    return {
        "crop": config.crop,
        "size": config.size,
        "pictures": config.pictures,
        "measures": [quantity.name for slot in slots for quantity in slot.quantities],
        "versions": {"python": platform.python_version(), **_versions(), "code": code_hash()},
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return versions


def _plan(pairs: Sequence[Pair], slots: Sequence[Slot], networks: Networks) -> str:
    there = [slot for slot in slots if slot.build is not None]
    whole = sum(not pair.reason for pair in pairs)
    return (
        f"{whole} pairs, {len(pairs) - whole} without a partner; "
        f"{sum(len(slot.quantities) for slot in there)} quantities, "
        f"{sum(len(slot.quantities) for slot in slots if slot.build is None)} skipped; "
        f"networks on {networks.device}: {', '.join(networks.used) or 'none'}"
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        # Sums are in double precision, which not every accelerator has.
        torch.empty(0, device=device, dtype=torch.float64)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0][:120]
        raise ValueError(f"--device {name!r} cannot be used here ({reason}); try cpu") from error
    return device


def _bytes(pair: Pair) -> int:
    paths = (pair.generated, pair.reference)
    return sum(os.path.getsize(path) for path in paths if path is not None and path.is_file())


def _path(text: str) -> Path:
    return Path(text).expanduser()
