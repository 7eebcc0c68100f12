"""`viseme-data prepare`: a folder of videos to a folder of clips."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viseme_core.config import to_plain
from viseme_data.layouts import CorpusLayout, choose_layout
from viseme_data.manifest import ClipRow, kept
from viseme_data.prepare.config import PrepareConfig
from viseme_data.prepare.folder import DataFolder
from viseme_data.prepare.progress import ProgressBar
from viseme_data.prepare.source import rejected
from viseme_data.prepare.sources import Source, describe, find_videos, name_of
from viseme_data.prepare.tools import load_face_model
from viseme_data.prepare.workers import Looked, prepare_all

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run has made; as text, a line for people."""

    rows: list[ClipRow]
    """All rows of the manifest."""
    num_new: int
    """Videos prepared by this run; the others were done before."""

    def __str__(self) -> str:
        clips = kept(self.rows)
        frames = sum(row.num_frames for row in clips)
        speakers = len({row.speaker for row in clips})
        splits = Counter(row.split for row in clips)
        text = (
            f"{len(clips)} clips, {frames / 25 / 60:.1f} minutes, {speakers} speakers "
            f"(train {splits['train']}, val {splits['val']}, test {splits['test']})"
        )
        reasons = Counter(reason for row in self.rows for reason in row.reasons)
        if reasons:
            listed = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
            text += f"; rejected {len(self.rows) - len(clips)}: {listed}"
        return text


def prepare(
    videos: Path,
    config: PrepareConfig | None = None,
    *,
    out: Path,
    workers: int = 1,
    overwrite: bool = False,
) -> Summary:
    """Prepare the videos of a folder for training; started again, it goes on where it ended.

    Args:
        videos: Folder with videos, in folders of its own or not, or one video.
        config: Settings, on which the results depend.
        out: Folder to write into.
        workers: Processes at a time; 0 works in this one. Results do not depend on it.
        overwrite: Replace what other settings or other videos have left in the folder.

    Returns:
        What the folder then holds.

    Raises:
        ValueError: If there are no videos, or the folder holds other data.
        OutputError: If the folder cannot be written, for example because the disk is full.
    """
    if workers < 0:
        raise ValueError(f"workers must be at least 0, got {workers}")
    videos, config = Path(videos), config or PrepareConfig()
    paths = find_videos(videos, besides=Path(out))
    names = [name_of(path, videos) for path in paths]
    layout = choose_layout(config.layout, names)
    logger.info("%d videos, named as in layout %s (%s)", len(paths), layout.name, layout.scheme)
    # Before any work: features are those of certain weights, and missing ones are refused here.
    config = config.pinned()
    face_model = load_face_model(config.face_model).name
    folder = DataFolder(Path(out), config.settings_hash(face_model))
    folder.check(_description(config, face_model), None if overwrite else set(names))
    with folder.locked():
        folder.open(_description(config, face_model))
        sources, rows = _unique(describe(videos, paths, layout))
        rows += [_misnamed(name, layout) for name in names if layout.facts(name) is None]
        waiting: list[Source] = []
        for source in sources:
            done = folder.done(source)
            if done is None:
                waiting.append(source)
            else:
                rows += done
        if waiting or overwrite:
            folder.reopen()
        folder.sweep(rows, sources)
        # The biggest first: workers then end at about the same time.
        waiting.sort(key=lambda source: (-source.num_bytes, source.name))
        try:
            rows += _run(waiting, config, folder, workers, rows, len(sources))
        except BaseException:
            folder.drop_partial()
            raise
        folder.sweep(rows, sources)
        folder.finish(rows)
    return Summary(rows=rows, num_new=len(waiting))


def _run(
    waiting: Sequence[Source],
    config: PrepareConfig,
    folder: DataFolder,
    workers: int,
    rows_before: Sequence[ClipRow],
    num_videos: int,
) -> list[ClipRow]:
    """Prepare the videos that wait, noting each as soon as it is through, and return their rows."""
    rows: list[ClipRow] = []
    bar = ProgressBar(
        num_bytes=sum(source.num_bytes for source in waiting),
        num_videos=num_videos,
        num_done=num_videos - len(waiting),
        rows=rows_before,
    )
    with bar:
        for event in prepare_all(waiting, config, folder.clips, workers=workers):
            if isinstance(event, Looked):
                bar.look(event.num_frames)
                continue
            if event.is_final:
                folder.set_done(event.source, event.rows)
            rows += event.rows
            bar.finish_video(event.source.num_bytes, event.rows)
    return rows


def _unique(sources: Sequence[Source]) -> tuple[list[Source], list[ClipRow]]:
    """Return sources without those whose bytes came before, and rows for these."""
    first: dict[str, str] = {}
    unique: list[Source] = []
    rows: list[ClipRow] = []
    for source in sources:
        known = first.setdefault(source.content_hash, source.name)
        if source.content_hash and known != source.name:
            rows.append(rejected(source, "duplicate", f"it is a copy of {known!r}"))
        else:
            unique.append(source)
    return unique, rows


def _misnamed(name: str, layout: CorpusLayout) -> ClipRow:
    return ClipRow(
        source=name,
        status="rejected",
        reasons=("unknown_name",),
        detail=f"its name is not of layout {layout.name} ({layout.scheme}); rename it, or prepare "
        f"with --layout folder",
    )


def _description(config: PrepareConfig, face_model: str) -> dict[str, Any]:
    return {
        "settings": to_plain(config),
        "face_model": face_model,
        "audio": to_plain(config.encoders),
    }
