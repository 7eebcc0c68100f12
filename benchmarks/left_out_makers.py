"""Who makes lips in `bench_left_out.py`: the model of a group, and simpler ways to beat.

A cross-validation folder holds `group0`, `group1` and so on. In each, `data` is a prepared folder
whose split `test` are the people left out, and `default` a chain that was trained on all others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from left_out_ridge import Ridge, can_be_heard
from torch import Tensor

from viseme_core.types import NUM_EXPRESSION, NUM_POSE, AudioClip, Motion
from viseme_eval.functional.quiet import frame_levels
from viseme_eval.run.lip_scores import Curves, curves_of, true_curves
from viseme_eval.run.true_clips import TrueClip, read_true_clips
from viseme_face import MorphableModel
from viseme_motion import Control
from viseme_motion.presets import PresetName
from viseme_pipeline import TalkingFace
from viseme_pipeline.wishes import Wishes

Maker = Callable[[TrueClip], Curves]

TRUE = "true lips"
MESH = "true motion on the mesh"
DEFAULT = "default"
OPEN = "its pauses left open"
BARE = "its voice alone"
LOUD = "loudness drives the jaw"
RIDGE = "ridge regression, no synthetic speakers"
MEAN = "mean face"
# As quiet as this below a clip's loud frames, a jaw driven by loudness is shut.
_RANGE_DB = 40.0
_LOUD = 0.95
_SMOOTH_FRAMES = 5


def find_groups(folder: Path, *, has_chains: bool = True) -> list[Path]:
    """Return the groups of a cross-validation folder in order.

    Args:
        folder: The cross-validation folder.
        has_chains: Whether each group is to hold a trained chain.

    Raises:
        ValueError: If there is none, or one lacks a part.
    """
    groups = sorted(folder.glob("group*"), key=lambda path: (len(path.name), path.name))
    if not groups:
        raise ValueError(
            f"{str(folder)!r} holds no group0; give a folder of groups that each hold `data` and "
            f"`default`"
        )
    parts = [("data", "manifest.parquet"), ("default", "viseme.json")]
    for group in groups:
        for name, file in parts if has_chains else parts[:1]:
            if not (group / name / file).is_file():
                raise ValueError(f"{str(group / name)!r} holds no {file}; train this group again")
    return groups


@dataclass(frozen=True, kw_only=True)
class Loudness:
    """A jaw that opens with the loudness of the voice, as far as those of some people do."""

    level: float
    """Their mean loudness, in decibels below their loud frames."""
    level_spread: float
    """Its mean deviation within a clip."""
    opening: float
    """Mean opening of their lips."""
    opening_spread: float
    """Its mean deviation within a clip."""

    @classmethod
    def like(cls, clips: Sequence[TrueClip]) -> "Loudness":
        """Return what fits some people, so that their lips spread as far as they did."""
        levels = [smooth_level(one) for one in clips]
        openings = [one.opening_T[~one.opening_T.isnan()] for one in clips]
        means = [
            float(torch.stack([getattr(curve_T, how)() for curve_T in curves]).mean())
            for curves in (levels, openings)
            for how in ("mean", "std")
        ]
        return cls(level=means[0], level_spread=means[1], opening=means[2], opening_spread=means[3])

    def __call__(self, one: TrueClip) -> Curves:
        """Return the opening for the clip's voice."""
        share_T = (smooth_level(one) - self.level) / self.level_spread
        return Curves(opening_T=(self.opening + self.opening_spread * share_T).clamp(min=0))


def smooth_level(one: TrueClip) -> Tensor:
    """Return the loudness of a clip's voice below its loud frames, smoothed over 0.2 s, (T,)."""
    levels_T = frame_levels(one.clip.audio_S, one.clip.num_frames)
    relative_T = (levels_T - levels_T.quantile(_LOUD)).clamp(-_RANGE_DB, 0)
    half = _SMOOTH_FRAMES // 2
    padded_T = torch.nn.functional.pad(relative_T[None], (half, half), mode="replicate")[0]
    return padded_T.unfold(0, _SMOOTH_FRAMES, 1).mean(1)


def chain_maker(chain: TalkingFace, control: Control, model: MorphableModel) -> Maker:
    """Return what a chain makes of a clip's voice for a portrait, the clip's first frame."""

    def make(one: TrueClip) -> Curves:
        motion = chain.motion(
            AudioClip(one.clip.audio_S), reference=one.clip.motion[:1], control=control
        )
        return curves_of(motion, one.clip.motion.identity, model)

    return make


def usual_control(chain: TalkingFace) -> Control:
    """Return what `viseme generate` asks of a chain unless it is told otherwise."""
    return Wishes().control_for(None if chain.files is None else chain.files.blink_rate)


def open_chain(folder: Path, preset: PresetName | None = None) -> TalkingFace:
    """Return the chain of a group on the CPU."""
    return TalkingFace.from_pretrained(folder, preset=preset, device="cpu")


# DEFAULT is all that `viseme generate` does; BARE leaves out blinks, sealed lips and shut pauses.
def makers_of(
    group: Path, baselines: Mapping[str, Path], model: MorphableModel, preset: PresetName | None
) -> dict[str, Maker]:
    """Return everyone who makes lips for the people left out of a group, by name.

    Args:
        group: The group's folder.
        baselines: Groups of other cross-validations with the same people left out.
        model: Face model of the clips.
        preset: How motion is sampled; None for what the chain says.
    """
    simple = simple_makers(group, model)
    chain = open_chain(group / "default", preset)
    chains: dict[str, Maker] = {
        DEFAULT: chain_maker(chain, usual_control(chain), model),
        OPEN: chain_maker(chain, replace(usual_control(chain), close_in_silence=False), model),
        BARE: chain_maker(chain, Control(), model),
    }
    for name, folder in baselines.items():
        other = open_chain(folder / "default", preset)
        chains[name] = chain_maker(other, usual_control(other), model)
    truths = {name: simple.pop(name) for name in (TRUE, MESH)}
    return {**truths, **chains, **simple}


def simple_makers(group: Path, model: MorphableModel) -> dict[str, Maker]:
    """Return the truth and all that is to be beaten without a network trained, by name."""
    others = read_true_clips(group / "data", "train")
    if not others:
        raise ValueError(f"{str(group / 'data')!r} has no clip of the split `train` to learn from")
    mean_C = torch.cat([one.clip.motion.expression for one in others]).mean(0)
    makers: dict[str, Maker] = {
        TRUE: true_curves,
        MESH: lambda one: curves_of(one.clip.motion, one.clip.motion.identity, model),
    }
    if all(can_be_heard(one) for one in others):
        makers[RIDGE] = Ridge.like(others)
    makers[LOUD] = Loudness.like(others)
    makers[MEAN] = lambda one: Curves(
        opening_T=curves_of(_still(one, mean_C), one.clip.motion.identity, model).opening_T
    )
    return makers


def _still(one: TrueClip, expression_C: Tensor) -> Motion:
    num_frames = one.clip.num_frames
    assert expression_C.shape == (NUM_EXPRESSION,)
    return Motion(
        expression=expression_C.expand(num_frames, -1),
        pose=torch.zeros(num_frames, NUM_POSE),
        identity=one.clip.motion.identity,
        face_model=one.clip.motion.face_model,
    )
