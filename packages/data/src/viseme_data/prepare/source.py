"""A whole video to clips and rows. Whatever is wrong with it becomes a row, never an error."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from viseme_data.clips import clip_id, write_clip
from viseme_data.container import MediaError
from viseme_data.follow import FaceTrack, outside_share
from viseme_data.manifest import ClipRow, split_of
from viseme_data.prepare.clip import ClipDraft, draft_clip, finish_clip, hopeless
from viseme_data.prepare.crops import OutputError, film_crops, writing
from viseme_data.prepare.reasons import NO_AUDIO, SILENT, sentences
from viseme_data.prepare.sound import SoundReader
from viseme_data.prepare.sources import Source
from viseme_data.prepare.tools import Tools
from viseme_data.prepare.tracks import Chapter, read_chapters
from viseme_data.prepare.twice import PicturesTwice
from viseme_data.quality import ClipMeasures, PictureMeasures, measure, reject_reasons

_NO_FACE = "no face is seen for long enough to be followed; it may be too small or too dark"

logger = logging.getLogger(__name__)


def prepare_source(
    source: Source,
    tools: Tools,
    folder: Path,
    *,
    on_frames: Callable[[int], None] = lambda count: None,
) -> list[ClipRow]:
    """Return the rows of a video, having written the files of its clips.

    Args:
        source: The video.
        tools: Built from the settings.
        folder: Where the clips' files go.
        on_frames: Called with how many frames were looked at since the last call.

    Raises:
        OutputError: If they cannot be written.
    """
    rows: list[ClipRow] = []
    with _warnings_of() as warnings:
        try:
            for row in _prepared(source, tools, folder, on_frames):
                rows.append(row)
        except OutputError:
            raise
        except MediaError as error:
            rows.append(rejected(source, error.reason, str(error)))
        except MemoryError:
            rows.append(rejected(source, "out_of_memory", "its pictures do not fit into memory"))
        except Exception as error:
            # A bug must not end a night's work, nor go unseen.
            logger.debug("%s", source.name, exc_info=True)
            rows.append(rejected(source, "failed", f"{type(error).__name__}: {error}"))
    if not rows:
        rows.append(rejected(source, "no_face", _NO_FACE))
    notes = [_named(warning, source) for warning in warnings]
    return [replace(row, detail="; ".join(filter(None, [row.detail, *notes]))) for row in rows]


def rejected(source: Source, reason: str, detail: str) -> ClipRow:
    """Return the row of a video that gives no clip."""
    return replace(_row(source), reasons=(reason,), detail=_named(detail, source))


def _prepared(
    source: Source, tools: Tools, folder: Path, on_frames: Callable[[int], None]
) -> Iterator[ClipRow]:
    if source.problem is not None:
        raise source.problem
    pictures = PicturesTwice(source.path, threads=tools.decoder_threads)
    sound: SoundReader | None = None
    config = tools.config
    for chapter in read_chapters(
        pictures.first_time(),
        tools.tracker,
        config.follow,
        which=config.face,
        depth=tools.ahead,
        on_frames=on_frames,
    ):
        drafts: list[ClipDraft] = []
        for numbered in chapter.tracks:
            track, face = numbered.track, numbered.face
            row = _track_row(source, chapter, track, face)
            if problem := hopeless(track, row.outside, config.quality):
                yield replace(row, reasons=problem[:1], detail=problem[1])
                continue
            sound = sound or _sound_of(source, pictures)
            name = clip_id(source.content_hash, tools.settings_hash, track.start_frame, face)
            drafts.append(draft_clip(track, face, sound, tools, name=name))
        if drafts:
            start = min(draft.track.start_frame for draft in drafts)
            stop = max(draft.track.end_frame for draft in drafts)
            seen = pictures.between(start, stop)
            measures = film_crops(seen, start, drafts, folder, config.size, depth=tools.ahead)
            for draft, measured in zip(drafts, measures, strict=True):
                yield _judged(draft, measured, source, chapter, tools, folder)


def _sound_of(source: Source, pictures: PicturesTwice) -> SoundReader:
    if source.sound is not None:
        return SoundReader(source.sound)
    return SoundReader(source.path, picture=pictures.first)


def _judged(
    draft: ClipDraft,
    pictures: PictureMeasures,
    source: Source,
    chapter: Chapter,
    tools: Tools,
    folder: Path,
) -> ClipRow:
    """Return a clip's row; its files stay only if it is kept."""
    config = tools.config
    clip = measure(draft.track, draft.fitted, pictures, width=chapter.width, height=chapter.height)
    reasons: tuple[str, ...] = reject_reasons(clip, config.quality)
    if config.need_audio and not draft.voiced:
        reasons += (SILENT if draft.has_audio else NO_AUDIO,)
    row = replace(
        _track_row(source, chapter, draft.track, draft.face),
        **_measured(draft, clip, config.size),
    )
    if reasons:
        (folder / f"{draft.clip_id}.mp4").unlink(missing_ok=True)
        return replace(row, reasons=reasons, detail=sentences(reasons, clip, config.quality))
    with writing():
        write_clip(
            folder / f"{draft.clip_id}.safetensors",
            finish_clip(draft, tools, speaker=row.speaker),
        )
    return replace(
        row,
        clip_id=draft.clip_id,
        status="kept",
        split=split_of(row.speaker, config.split_seed, config.split_shares),
        detail=_named(_note(draft, source), source),
    )


def _note(draft: ClipDraft, source: Source) -> str:
    """Return what was wrong with a kept clip."""
    expected = source.facts.sound
    if expected and source.sound is None and not draft.has_audio:
        return f"it has no sound, and {expected!r}, where this corpus keeps it, is not there"
    return draft.note


def _row(source: Source) -> ClipRow:
    facts = source.facts
    return ClipRow(
        source=source.name,
        source_hash=source.content_hash,
        status="rejected",
        speaker=facts.speaker,
        language=facts.language,
        emotion=facts.emotion,
        emotion_level=facts.emotion_level,
    )


def _track_row(source: Source, chapter: Chapter, track: FaceTrack, face: int) -> ClipRow:
    return replace(
        _row(source),
        face=face,
        start_frame=track.start_frame,
        num_frames=track.num_frames,
        width=chapter.width,
        height=chapter.height,
        outside=float(outside_share(track.points_TK3, chapter.width, chapter.height).mean()),
    )


def _measured(draft: ClipDraft, clip: ClipMeasures, size: int) -> dict[str, object]:
    return {
        "crop_cx": draft.box.cx,
        "crop_cy": draft.box.cy,
        "crop_side": draft.box.side,
        "crop_angle": draft.box.angle,
        "size": size,
        "has_audio": draft.has_audio,
        "offset_frames": draft.offset_frames,
        "offset_confidence": draft.offset_confidence,
        "face_px": clip.face_px,
        "sharpness": clip.sharpness,
        "jitter": clip.jitter,
        "residual": clip.residual,
        "interpolated": clip.interpolated,
        "turn_deg": float(clip.turn_T.quantile(0.9)),
        "voiced": draft.voiced,
        "face_model": draft.fitted.motion.face_model,
    }


def _named(text: str, source: Source) -> str:
    """Return a message with the video called as rows call it: no path of this machine."""
    for path in filter(None, (source.path, source.sound)):
        text = text.replace(repr(str(path)), repr(source.name)).replace(str(path), source.name)
    return text


@contextmanager
def _warnings_of() -> Iterator[list[str]]:
    """Collect what `viseme_data` warns of meanwhile, instead of logging it."""
    ours = logging.getLogger("viseme_data")
    caught: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: caught.append(record.getMessage())
    propagates, ours.propagate = ours.propagate, False
    ours.addHandler(handler)
    try:
        yield caught
    finally:
        ours.removeHandler(handler)
        ours.propagate = propagates
