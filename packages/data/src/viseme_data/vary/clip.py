"""One disturbed copy of a prepared clip."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from viseme_core.audio import AudioEncoder
from viseme_core.draws import Draws
from viseme_core.types import SAMPLES_PER_FRAME
from viseme_data.clips import PreparedClip, rows_per_frame
from viseme_data.manifest import ClipRow
from viseme_data.prepare.sound import voiced_share
from viseme_data.vary.config import VaryConfig
from viseme_data.vary.recipe import Recipe, disturbed, draw_recipe
from viseme_data.vary.timing import (
    nearest_rows,
    places_at,
    seen_rows,
    smooth_rows,
    straight_rows,
)

# Facts of synthetic clips that are about the sound as it was.
_OF_THE_SOUND = {"pitch_T", "loudness_T", "voice_V4"}
_PICTURE = "hw"


def copy_id(clip_id: str, settings_hash: str, copy: int) -> str:
    """Return the name of a copy, 16 hex digits.

    Args:
        clip_id: Clip that it is a copy of.
        settings_hash: As `VaryConfig.settings_hash` gives it.
        copy: Its number, from 0.
    """
    key = f"vary/{clip_id}/{settings_hash}/{copy}"
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def draws_of_copy(seed: int, clip_id: str, copy: int) -> Draws:
    """Return the random draws of a copy: of no other copy, clip or number of copies."""
    digest = hashlib.sha256(clip_id.encode()).digest()
    return Draws(seed, copy, [int.from_bytes(digest[:8], "big")])


def vary_clip(
    clip: PreparedClip,
    copy: int,
    config: VaryConfig,
    encoders: Mapping[str, AudioEncoder],
    *,
    name: str,
) -> tuple[PreparedClip, Recipe]:
    """Return a copy of a clip that sounds otherwise, with its face in time, and what was done.

    Expression, pose and landmarks are interpolated where the speed changed. Of the extras, those
    with a row per frame come along too, numbers as the nearest; times (`..._sec_...`) are divided
    by the speed; what is one thing for the clip stays. Left out are pictures and masks of them
    (`..._T...hw`), extras in samples (`..._S...`), and what is said of the sound as it was: pitch,
    loudness, settings of the voice.

    Args:
        clip: With sound.
        copy: Number of the copy.
        config: How much is disturbed.
        encoders: Of all features that the copy gets, by name.
        name: What the copy is called.
    """
    draws = draws_of_copy(config.seed, clip.clip_id, copy)
    recipe = draw_recipe(config, draws)
    places_T = places_at(clip.num_frames, recipe.speed)
    audio_S = disturbed(clip.audio_S, recipe, draws, num_samples=len(places_T) * SAMPLES_PER_FRAME)
    varied = PreparedClip(
        motion=replace(
            clip.motion,
            expression=smooth_rows(clip.motion.expression, places_T),
            pose=smooth_rows(clip.motion.pose, places_T),
        ),
        landmarks_TK3=smooth_rows(clip.landmarks_TK3, places_T),
        seen_T=seen_rows(clip.seen_T, places_T),
        audio_S=audio_S,
        features={feature: encoder.encode(audio_S) for feature, encoder in encoders.items()},
        extras={
            extra: moved
            for extra, values in clip.extras.items()
            if (moved := _moved(extra, values, places_T, recipe.speed)) is not None
        },
        crop=clip.crop,
        size=clip.size,
        clip_id=name,
        speaker=clip.speaker,
        has_audio=True,
    )
    return varied, recipe


def row_of(row: ClipRow, clip: PreparedClip, copy: int, recipe: Recipe) -> ClipRow:
    """Return the row of a copy: that of its source, but for its name, length and sound."""
    return replace(
        row,
        clip_id=clip.clip_id,
        num_frames=clip.num_frames,
        voiced=voiced_share(clip.audio_S),
        detail="; ".join(filter(None, [row.detail, f"copy {copy} of {row.clip_id}: {recipe}"])),
    )


def _moved(name: str, values: Tensor, places_T: Tensor, speed: float) -> Tensor | None:
    """Return an extra as it is in the copy, None if it cannot be told."""
    rows = rows_per_frame(f"extras.{name}")
    if name in _OF_THE_SOUND or rows > 1 or (rows == 1 and name.endswith(_PICTURE)):
        return None
    if rows == 1:
        move = straight_rows if values.is_floating_point() else nearest_rows
        return move(values, places_T)
    if "_sec_" in name and values.is_floating_point():
        return values / speed
    return values


def check_numbers(clip: PreparedClip) -> None:
    """Refuse a clip whose file was damaged so that it still opens.

    Raises:
        ValueError: If its sound or motion holds what is no number.
    """
    for what, values in (
        ("sound", clip.audio_S),
        ("expression", clip.motion.expression),
        ("pose", clip.motion.pose),
        ("landmarks", clip.landmarks_TK3),
    ):
        if not torch.isfinite(values).all():
            raise ValueError(
                f"the {what} of clip {clip.clip_id} holds NaN or infinity; prepare it again"
            )
