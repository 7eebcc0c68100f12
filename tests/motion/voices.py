"""Small generators for sound, and sounds for them, the same in every test."""

from typing import Any

import torch

from tests.motion.small import FACE
from viseme_core.types import SAMPLE_RATE_HZ, AudioClip, Motion
from viseme_motion.build import build_model
from viseme_motion.companions import Loaded
from viseme_motion.config import MotionConfig, pinned
from viseme_motion.disenttalk.config import DisentTalkConfig
from viseme_motion.fd2talk.config import FD2TalkConfig
from viseme_motion.generator import MotionGenerator
from viseme_motion.windows import WindowConfig


def make_loaded(system: Any, **settings: Any) -> Loaded:
    """Return an untrained model that hears log-mel, with its config and face model."""
    torch.manual_seed(0)
    defaults = {
        "windows": WindowConfig(length=16, hop=6, first=5, ahead=4),
        "fd2talk": FD2TalkConfig(num_layers=1, dim=16, num_heads=2),
        "disenttalk": DisentTalkConfig(num_blocks=1, dim=8, num_heads=2),
    }
    config = MotionConfig(**{"system": system, **defaults, **settings})
    config = pinned(config, FACE.name)
    model = build_model(config, FACE.name)
    size = model.channels
    # Small, so that an untrained network's face still looks like one.
    model.motion_scale.set(torch.linspace(-0.1, 0.1, size), torch.linspace(0.05, 0.15, size))
    model.audio_scale.set(torch.full((320,), -0.5), torch.full((320,), 0.4))
    return model.eval(), config, FACE.name


def make_generator(system: str, **options: Any) -> MotionGenerator:
    """Return a generator with an untrained model; three steps unless a preset is given."""
    return MotionGenerator(*make_loaded(system), **{"preset": "fast", **options})


def make_voice(seconds: float, seed: int = 0, *, rate_hz: int = SAMPLE_RATE_HZ) -> AudioClip:
    """Return noise as loud as speech, with a pause from 40 % to 60 % of its length."""
    samples = round(seconds * rate_hz)
    generator = torch.Generator().manual_seed(seed)
    samples_S = 0.1 * torch.randn(samples, generator=generator).clamp(-3, 3)
    samples_S[int(0.4 * samples) : int(0.6 * samples)] *= 1e-4
    return AudioClip(samples_S, rate_hz)


def make_motion(frames: int, seed: int = 0) -> Motion:
    """Return motion that goes up and down smoothly, with an identity of its own."""
    generator = torch.Generator().manual_seed(seed)
    time_T1 = torch.arange(frames)[:, None] / 25
    waves_TC = torch.sin(6 * time_T1 * torch.rand(70, generator=generator) + torch.arange(70))
    return Motion(
        expression=0.2 * waves_TC[:, :64],
        pose=0.05 * waves_TC[:, 64:],
        identity=0.3 * torch.randn(80, generator=generator),
        face_model=FACE.name,
    )
