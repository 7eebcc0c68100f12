"""Named trade-offs between speed and fidelity: how a trained model is sampled.

`benchmarks/bench_motion.py` measures what each costs and loses.
"""

from dataclasses import dataclass, replace
from typing import Literal

from viseme_core.diffusion import SamplerConfig
from viseme_motion.windows import WindowConfig

PresetName = Literal["direct", "fast", "balanced", "paper"]
POSE_ALONE = "pose"
"""What stands for a system where FD2Talk makes pose beside another system's expression."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How a model is sampled, and how far its windows step."""

    sampler: SamplerConfig
    """Solver, steps, guidance."""
    known: int | None = None
    """Settled frames that a window sees at most; None keeps the plan that was trained for. Fewer
    make windows step further: less work, and a stream answers less often."""

    def windows(self, trained: WindowConfig) -> WindowConfig:
        """Return the plan of windows to generate by.

        Training shows the network every number of settled frames up to its plan's, so that any
        smaller one is known to it. The first window stays as it is: a stream begins as early.
        """
        if self.known is None or self.known >= trained.known:
            return trained
        return replace(trained, hop=trained.length - trained.ahead - self.known)


# DisentTalk's paper names neither steps nor guidance. Its speed (31.6 frames a second, renderer
# included) leaves no room for all 400 ancestral steps, so that `paper` is DDIM, as FD2Talk's Eq. 5.
# `direct` is one step: its answer is the mean of all ways to say it, which follows the voice best
# and varies least. For models that hear through a listener.
PRESETS: dict[str, dict[PresetName, Preset]] = {
    "fd2talk": {
        "direct": Preset(sampler=SamplerConfig(solver="dpm++", num_steps=1), known=3),
        "fast": Preset(sampler=SamplerConfig(solver="dpm++", num_steps=3), known=3),
        "balanced": Preset(sampler=SamplerConfig(solver="dpm++", num_steps=10)),
        "paper": Preset(sampler=SamplerConfig(solver="ddim", num_steps=50)),
    },
    "disenttalk": {
        "direct": Preset(sampler=SamplerConfig(solver="dpm++", num_steps=1), known=3),
        "fast": Preset(sampler=SamplerConfig(solver="dpm++", num_steps=3), known=3),
        "balanced": Preset(sampler=SamplerConfig(solver="dpm++", num_steps=10, guidance_scale=1.5)),
        "paper": Preset(sampler=SamplerConfig(solver="ddim", num_steps=50, guidance_scale=1.5)),
    },
}
"""Presets of each system."""

# A head follows a voice in one of many ways, and their mean hardly moves: with one step it turns
# through a third of the range of people's. Pose alone is cheap.
_QUICK_POSE = Preset(sampler=SamplerConfig(solver="dpm++", num_steps=10), known=3)
_POSE: dict[PresetName, Preset] = {**PRESETS["fd2talk"], "direct": _QUICK_POSE, "fast": _QUICK_POSE}


def find_preset(name: str, system: str) -> Preset:
    """Return a preset by its name.

    Args:
        name: Which one.
        system: `fd2talk`, `disenttalk` or `POSE_ALONE`.

    Raises:
        ValueError: If there is none of that name.
    """
    chosen = _POSE if system == POSE_ALONE else PRESETS[system]
    presets: dict[str, Preset] = {**chosen}
    if name not in presets:
        raise ValueError(
            f"preset must be one of {tuple(presets)} or a Preset of your own, got {name!r}"
        )
    return presets[name]


def without_guidance(preset: Preset) -> Preset:
    """Return the preset for a model that was never trained without sound."""
    return replace(preset, sampler=replace(preset.sampler, guidance_scale=1.0))
