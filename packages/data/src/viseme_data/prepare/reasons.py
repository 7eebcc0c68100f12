"""Why a clip was rejected, in sentences."""

from collections.abc import Iterable

from viseme_data.quality import ClipMeasures, QualityConfig, Reject

NO_AUDIO, SILENT = "no_audio", "silent"
"""Reasons that stand beside those of `viseme_data.quality` where sound is needed."""

_SENTENCES: dict[str, str] = {
    "too_short": "{clip.num_frames} frames are fewer than {limit.min_frames}",
    "face_too_small": "the face is {clip.face_px:.0f} px large, less than {limit.min_face_px:.0f}",
    "face_outside_frame": "{clip.outside:.0%} of the face lie outside the picture, more than "
    "{limit.max_outside:.0%}",
    "too_often_lost": "the face is not found in {clip.interpolated:.0%} of the frames, more than "
    "{limit.max_interpolated:.0%}",
    "too_blurred": "the sharpness of the face is {clip.sharpness:.5f}, less than "
    "{limit.min_sharpness}",
    "blank_picture": "{clip.blank:.0%} of the frames show one colour, more than "
    "{limit.max_blank:.0%}",
    "frozen_picture": "the picture stands still for {clip.still_frames} frames, more than "
    "{limit.max_still_frames}",
    "extreme_pose": "the head is turned by more than {limit.max_turn_deg:.0f} degrees too often",
    "jittery_landmarks": "the landmarks jitter by {clip.jitter:.1%} of the eyes' distance, more "
    "than {limit.max_jitter:.1%}",
    "poor_fit": "the fitted face is off by {clip.residual:.1%} of the eyes' distance, more than "
    "{limit.max_residual:.1%}",
    NO_AUDIO: "there is no sound",
    SILENT: "nothing is heard in its sound",
}


def sentences(reasons: Iterable[Reject | str], clip: ClipMeasures, limit: QualityConfig) -> str:
    """Return reasons with what was measured, joined by semicolons."""
    return "; ".join(_SENTENCES[reason].format(clip=clip, limit=limit) for reason in reasons)
