"""One person over successive frames: crop, landmarks, motion and sound, before the pictures."""

from dataclasses import dataclass

from torch import Tensor

from viseme_core.types import SAMPLES_PER_FRAME, CropBox
from viseme_data.boxes import box_of
from viseme_data.clips import PreparedClip
from viseme_data.coefficients import FittedClip, fit_motion
from viseme_data.crop import crop_box, snapped, to_crop
from viseme_data.follow import FaceTrack
from viseme_data.prepare.sound import SoundReader, sound_or_none, voiced_share
from viseme_data.prepare.tools import Tools
from viseme_data.quality import QualityConfig, Reject
from viseme_data.sync import estimate_offset


@dataclass(frozen=True, kw_only=True)
class ClipDraft:
    """All of a clip but its pictures."""

    clip_id: str
    track: FaceTrack
    face: int
    box: CropBox
    fitted: FittedClip
    audio_S: Tensor
    """In time with the pictures: the offset is removed."""
    has_audio: bool
    offset_frames: float
    """What was removed."""
    offset_confidence: float
    voiced: float
    """Share of frames in which something is heard."""
    note: str
    """What was wrong and could be helped."""


def hopeless(track: FaceTrack, outside: float, limit: QualityConfig) -> tuple[Reject, str] | None:
    """Return why a track needs no pictures to be rejected, as a word and a sentence, if so.

    Args:
        track: The person.
        outside: Share of the landmarks outside the picture.
        limit: What a clip must meet.
    """
    if outside > limit.max_outside:
        return (
            "face_outside_frame",
            f"{outside:.0%} of the face lie outside the picture, more than {limit.max_outside:.0%}",
        )
    if track.num_frames < limit.min_frames:
        return "too_short", f"{track.num_frames} frames are fewer than {limit.min_frames}"
    box_T4 = box_of(track.points_TK3.numpy())
    largest = (box_T4[:, 2:] - box_T4[:, :2]).max()
    if largest < limit.min_face_px:
        return (
            "face_too_small",
            f"the face is {largest:.0f} px large at most, less than {limit.min_face_px:.0f}",
        )
    return None


def draft_clip(
    track: FaceTrack, face: int, sound: SoundReader | None, tools: Tools, *, name: str
) -> ClipDraft:
    """Return a track's clip: a crop that is stable, motion in it, and sound in time with it.

    Args:
        track: The person.
        face: The person's number.
        sound: Sound of the video, None if it has none.
        tools: Face model and settings.
        name: What the clip will be called.
    """
    box = snapped(crop_box(track.points_TK3))
    fitted = fit_motion(
        tools.model, to_crop(track.points_TK3, box), strength=tools.config.smoothing
    )
    first = track.start_frame * SAMPLES_PER_FRAME
    length = track.num_frames * SAMPLES_PER_FRAME
    audio_S, has_audio, note = sound_or_none(sound, first, first + length)
    offset = confidence = 0.0
    if has_audio:
        estimate = estimate_offset(audio_S, fitted.landmarks.points_TKD)
        confidence = estimate.confidence
        if confidence >= tools.config.min_sync_confidence:
            offset = estimate.offset_frames
    if offset:
        # A mouth that comes late needs the sound from before.
        first -= round(offset * SAMPLES_PER_FRAME)
        audio_S, has_audio, note = sound_or_none(sound, first, first + length)
    return ClipDraft(
        clip_id=name,
        track=track,
        face=face,
        box=box,
        fitted=fitted,
        audio_S=audio_S,
        has_audio=has_audio,
        offset_frames=offset,
        offset_confidence=confidence,
        voiced=voiced_share(audio_S) if has_audio else 0.0,
        note=note,
    )


def finish_clip(draft: ClipDraft, tools: Tools, *, speaker: str) -> PreparedClip:
    """Return the clip as it is stored, with the features of its sound."""
    return PreparedClip(
        motion=draft.fitted.motion,
        landmarks_TK3=draft.fitted.landmarks.points_TKD,
        seen_T=~draft.track.interpolated_T,
        audio_S=draft.audio_S,
        features={name: encoder.encode(draft.audio_S) for name, encoder in tools.encoders.items()},
        crop=draft.box,
        size=tools.config.size,
        clip_id=draft.clip_id,
        speaker=speaker,
        has_audio=draft.has_audio,
    )
