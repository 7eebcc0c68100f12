"""What people did with their lips in prepared clips: openings, closures, pauses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from viseme_core.types import FPS, Landmarks
from viseme_data.clips import PreparedClip, read_clip
from viseme_data.manifest import ClipRow, Split, kept, read_manifest
from viseme_data.synthetic.alignment import align
from viseme_data.synthetic.phonemes import PAUSE, Phone, inventory
from viseme_data.synthetic.speech import Voice, synthesizer
from viseme_data.synthetic.transcripts import read_transcripts, stretches_of
from viseme_eval.functional.closures import SLACK_FRAMES, closed_level, closure_windows
from viseme_eval.functional.landmark import lip_opening_curve
from viseme_eval.functional.quiet import find_pauses, frame_levels

BILABIALS = ("p", "b", "m")
"""Sounds that are made with closed lips."""
_NUMBERS = {name: number for number, name in enumerate(inventory().names)}


@dataclass(frozen=True, kw_only=True, eq=False)
class TrueClip:
    """A clip and what its lips did."""

    row: ClipRow
    """Its row of the manifest."""
    clip: PreparedClip
    """Its sound, landmarks and coefficients."""
    opening_T: Tensor
    """Opening of the lips in the picture, float64; NaN where no face is seen."""
    level: Tensor
    """Up to where lips count as closed."""
    pauses_N2: Tensor
    """Pauses of the voice, in frames."""
    windows_N2: Tensor | None = None
    """Frames of each p, b and m; None without a transcript."""
    is_speech_T: Tensor | None = None
    """Frames with a sound of the transcript."""


def read_true_clips(folder: Path, split: Split = "test") -> list[TrueClip]:
    """Return the clips with sound of a split of a prepared folder.

    Args:
        folder: What `viseme-data prepare` made.
        split: Which clips.

    Raises:
        ValueError: If it is no such folder, or a clip is damaged.
    """
    found = []
    for row in kept(read_manifest(folder), split):
        if row.has_audio:
            clip = read_clip(folder / "clips" / f"{row.clip_id}.safetensors")
            found.append(true_clip(row, clip))
    return found


def true_clip(row: ClipRow, clip: PreparedClip) -> TrueClip:
    """Return a clip with what its lips did, as far as no transcript is needed.

    Synthetic speakers know when they say p, b and m.
    """
    opening_T = lip_opening_curve(Landmarks(clip.landmarks_TK3[..., :2], "mp478"))
    opening_T[~clip.seen_T] = torch.nan
    numbers_T = clip.extras.get("phoneme_T")
    return TrueClip(
        row=row,
        clip=clip,
        opening_T=opening_T,
        level=closed_level(opening_T),
        pauses_N2=find_pauses(frame_levels(clip.audio_S, clip.num_frames)),
        windows_N2=None if numbers_T is None else _windows_of(numbers_T),
        is_speech_T=None if numbers_T is None else numbers_T != _NUMBERS[PAUSE],
    )


def with_closures(clips: Sequence[TrueClip], transcripts: Path, voice: Voice) -> list[TrueClip]:
    """Return the clips with the times of their p, b and m, as far as a transcript says them.

    espeak-ng says the same words, and its times are carried over to the recording: nothing of the
    picture or of a model has a part in it.

    Args:
        clips: The clips, all in one language.
        transcripts: File that `viseme_data.synthetic.transcripts` reads.
        voice: Of espeak-ng, in that language.

    Raises:
        ValueError: If the file is not what it should be, or fits no clip.
        ImportError: If espeak-ng is not installed.
    """
    said = read_transcripts(transcripts)
    stretches = [stretches_of(one.row, said) for one in clips]
    told = [number for number, some in enumerate(stretches) if some]
    if not told:
        raise ValueError(
            f"no stretch of {str(transcripts)!r} lies in one of the clips; give sources as their "
            f"manifest does, such as {clips[0].row.source if clips else 'a.mp4'!r}"
        )
    with synthesizer() as engine:
        recordings = [(clips[number].clip.audio_S, stretches[number]) for number in told]
        aligned = align(recordings, engine, voice)
    found = list(clips)
    for number, parts in zip(told, aligned, strict=True):
        found[number] = _spoken(clips[number], [phone for part in parts for phone in part])
    return found


def _spoken(one: TrueClip, phones: Sequence[Phone]) -> TrueClip:
    num_frames = one.clip.num_frames
    # A stop may open before it is over; lips are closed until then.
    closed = [(p.start_sec, p.release_sec) for p in phones if p.name in BILABIALS]
    is_speech_T = torch.zeros(num_frames, dtype=torch.bool)
    for phone in phones:
        if phone.name != PAUSE:
            is_speech_T[int(phone.start_sec * FPS) : int(phone.end_sec * FPS) + 1] = True
    windows_N2 = closure_windows(torch.tensor(closed).reshape(-1, 2), num_frames)
    return replace(one, windows_N2=windows_N2, is_speech_T=is_speech_T)


def _windows_of(numbers_T: Tensor) -> Tensor:
    """Return the frames of each p, b and m of sounds that are known frame by frame."""
    step = torch.ones(len(numbers_T), dtype=torch.bool)
    step[1:] = numbers_T[1:] != numbers_T[:-1]
    first = step.nonzero()[:, 0]
    stop = torch.cat([first[1:], torch.tensor([len(numbers_T)])])
    bilabials = torch.tensor([_NUMBERS[name] for name in BILABIALS])
    chosen = torch.isin(numbers_T[first].long(), bilabials)
    windows_N2 = torch.stack([first - SLACK_FRAMES, stop + SLACK_FRAMES], 1)[chosen]
    return windows_N2.clamp(0, len(numbers_T))
