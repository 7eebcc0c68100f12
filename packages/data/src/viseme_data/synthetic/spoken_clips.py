"""Clips of people whose words are known: when they make which sound, and what their mouths do."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.types import FPS, Motion
from viseme_data.clips import read_clip
from viseme_data.manifest import kept, read_manifest
from viseme_data.synthetic.alignment import Stretch, align
from viseme_data.synthetic.phonemes import PAUSE, Phone, merged
from viseme_data.synthetic.speech import Voice, synthesizer
from viseme_data.synthetic.transcripts import read_transcripts, stretches_of
from viseme_data.synthetic.visemes import CHANNELS
from viseme_face import MorphableModel
from viseme_face.layouts import LEFT_EYE_CORNERS, LIP_CORNERS, RIGHT_EYE_CORNERS
from viseme_face.mouth import CHIN_IDS

MEASURED = ("jaw", "opening", "width")
"""Channels of `visemes.CHANNELS` that landmarks show well; their depth is a guess."""
_MIDDLE_LIPS = (13, 14)
_MM = 0.01  # in model units, decimetres


class SpokenClip(NamedTuple):
    """A clip with the times of its sounds and what its mouth did."""

    phones: Sequence[Phone]
    """Sounds in seconds of the clip; where nothing is known, a pause."""
    channels_TC: Tensor
    """Channels of `visemes.CHANNELS` at 25 Hz; NaN where nothing is known of mouth or sound."""
    speaker: str
    """Who it is."""


def read_spoken(prepared: Path, transcripts: Path, voice: Voice) -> list[SpokenClip]:
    """Return the clips of a prepared folder in which a transcript says what is spoken.

    Args:
        prepared: Folder that `viseme-data prepare` made.
        transcripts: File that `read_transcripts` reads.
        voice: Of espeak-ng, in the language of the clips.

    Raises:
        ValueError: If a file is not what it should be, or no transcript fits a clip.
        ImportError: If espeak-ng is not installed.
    """
    said = read_transcripts(transcripts)
    rows = kept(read_manifest(prepared / "manifest.parquet"))
    chosen = [(row, stretches_of(row, said)) for row in rows if row.has_audio]
    chosen = [(row, stretches) for row, stretches in chosen if stretches]
    if not chosen:
        raise ValueError(
            f"no stretch of {str(transcripts)!r} lies in a clip of {str(prepared)!r}; give sources "
            f"as its manifest does, such as {rows[0].source if rows else 'a.mp4'!r}"
        )
    clips = [read_clip(prepared / "clips" / f"{row.clip_id}.safetensors") for row, _ in chosen]
    with synthesizer() as engine:
        recordings = [(clip.audio_S, some) for clip, (_, some) in zip(clips, chosen, strict=True)]
        aligned = align(recordings, engine, voice)
    model = MorphableModel.builtin()
    spoken = []
    for clip, (row, stretches), phones in zip(clips, chosen, aligned, strict=True):
        if clip.motion.face_model != model.name:
            raise ValueError(
                f"clips of {str(prepared)!r} are of face model {clip.motion.face_model!r}, but "
                f"this one is {model.name!r}; prepare them anew"
            )
        channels_TC = measure_mouth(model, clip.motion)
        channels_TC[~clip.seen_T] = torch.nan
        spoken.append(spoken_clip(stretches, phones, channels_TC, row.speaker))
    return spoken


def spoken_clip(
    stretches: Sequence[Stretch],
    phones: Sequence[Sequence[Phone]],
    channels_TC: Tensor,
    speaker: str,
) -> SpokenClip:
    """Return a clip of which nothing is known outside the stretches.

    Args:
        stretches: When something is said.
        phones: The sounds of each.
        channels_TC: What was measured of the mouth.
        speaker: Who it is.
    """
    times_T = (torch.arange(len(channels_TC)) + 0.5) / FPS
    is_said_T = torch.zeros_like(times_T, dtype=torch.bool)
    joined: list[Phone] = []
    for stretch, some in zip(stretches, phones, strict=True):
        is_said_T |= (times_T >= stretch.start_sec) & (times_T < stretch.end_sec)
        before_sec = joined[-1].end_sec if joined else 0.0
        joined.append(Phone(PAUSE, before_sec, stretch.start_sec, stretch.start_sec))
        joined.extend(some)
    return SpokenClip(
        merged(joined), channels_TC.masked_fill(~is_said_T[:, None], torch.nan), speaker
    )


def measure_mouth(model: MorphableModel, motion: Motion) -> Tensor:
    """Return the channels that a face's motion shows, (T, C), in millimetres of the mean face.

    The opening is that of the middle of the lips, jaw and width count from the clip's median, and
    other channels are NaN.
    """
    still_E = torch.zeros_like(motion.expression[0])
    points_TK3 = model.landmarks(motion.identity, motion.expression, "mp478").double()
    own_K3 = model.landmarks(motion.identity, still_E, "mp478").double()
    mean_K3 = model.mean_V3[model.landmark_ids("mp478")].double()
    scale = _eye_width(mean_K3) / _eye_width(own_K3) / _MM
    upper, lower = _MIDDLE_LIPS
    right, left = LIP_CORNERS
    measures = {
        "jaw": -points_TK3[:, list(CHIN_IDS), 1].mean(1),
        "opening": (points_TK3[:, upper] - points_TK3[:, lower]).norm(dim=-1),
        "width": (points_TK3[:, left] - points_TK3[:, right]).norm(dim=-1),
    }
    channels_TC = points_TK3.new_full((len(points_TK3), len(CHANNELS)), torch.nan)
    for name, values_T in measures.items():
        rest = 0 if name == "opening" else values_T.median()
        channels_TC[:, CHANNELS.index(name)] = (values_T - rest) * scale
    return channels_TC


def _eye_width(points_K3: Tensor) -> Tensor:
    return (points_K3[RIGHT_EYE_CORNERS[0]] - points_K3[LEFT_EYE_CORNERS[0]]).norm()
