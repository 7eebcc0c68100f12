"""What an editor tells the model of a face, and how the first frames leave it."""

from dataclasses import replace

import pytest
import torch

from tests.motion.small import FACE, SUBSPACES, SYSTEMS
from tests.motion.voices import make_loaded, make_motion, make_voice
from viseme_core.diffusion import SamplerConfig
from viseme_core.types import AudioClip
from viseme_motion import Control, MotionGenerator, Preset
from viseme_motion.disenttalk.config import DisentTalkConfig
from viseme_motion.editor import MotionEditor
from viseme_motion.face_kit import FaceKit
from viseme_motion.fd2talk.config import FD2TalkConfig
from viseme_motion.generation import generate_windows
from viseme_motion.job import Job

PRESET = Preset(sampler=SamplerConfig(solver="dpm++", num_steps=3))
both = pytest.mark.parametrize("system", SYSTEMS)
LIP = list(SUBSPACES.lip)
KIT = FaceKit(
    name=FACE.name, faces={}, subspaces=SUBSPACES, mean_expression=torch.zeros(64), mean_pose=None
)


def told(system: str) -> MotionGenerator:
    """Return a generator whose model is told the face at rest, and shows that it was."""
    settings = {
        "fd2talk": FD2TalkConfig(num_layers=1, dim=16, num_heads=2, portrait=True),
        "disenttalk": DisentTalkConfig(num_blocks=1, dim=8, num_heads=2, portrait=True),
    }
    return MotionGenerator(*make_loaded(system, **{system: settings[system]}), preset=PRESET)


def test_the_model_is_told_the_reference_or_how_the_clip_begins():
    motion = make_motion(5)
    for job in (Job(reference=motion), Job(clip=motion)):
        portrait_C = MotionEditor(KIT, job, has_pose=False).portrait
        assert torch.equal(portrait_C, motion.expression[0])
    assert MotionEditor(KIT, Job(), has_pose=False).portrait.isnan().all()


@both
def test_a_model_that_is_told_the_face_rests_around_it_by_itself(system):
    generator, sound, reference = told(system), make_voice(2.0), make_motion(1, seed=3)
    audio_BTA = generator.encoder.encode(sound)[None]
    made_BTC = generate_windows(
        generator._model, audio_BTA, PRESET.sampler, portrait_BC=reference.expression
    )
    found = generator(sound, reference=reference)
    assert torch.equal(found.expression[0], reference.expression[0])
    torch.testing.assert_close(found.expression[8:], made_BTC[0, 8:, :64], rtol=0, atol=1e-4)


@both
def test_lips_of_video_mode_are_made_for_the_face_of_the_clip(system):
    generator, sound, clip = told(system), make_voice(1.0), make_motion(6)
    lips_TC = generator(sound, clip=clip).expression[:, LIP]
    same_TC = generator(sound, clip=clip[:1]).expression[:, LIP]
    other_TC = generator(sound, clip=clip[3:]).expression[:, LIP]
    torch.testing.assert_close(lips_TC, same_TC)
    assert (lips_TC - other_TC).abs().max() > 1e-3


def test_the_first_frame_is_the_reference_also_where_a_voice_begins_with_silence():
    generator = MotionGenerator(*make_loaded("disenttalk"), preset="fast")
    sound, reference = AudioClip(torch.zeros(16_000)), make_motion(1, seed=3)
    shut, free = (
        generator(sound, reference=reference, control=Control(close_in_silence=is_closed))
        for is_closed in (True, False)
    )
    assert torch.equal(shut.expression[0], reference.expression[0])
    assert (shut.expression[8:] - free.expression[8:]).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["expression", "pose", "identity"])
def test_motion_with_nan_is_refused_by_name(name):
    clip = make_motion(4)
    broken = replace(clip, **{name: torch.full_like(getattr(clip, name), torch.nan)})
    for job in (
        Job(clip=broken),
        Job(reference=broken),
        Job(control=Control(driven={"eye": broken})),
    ):
        with pytest.raises(ValueError, match=f"{name} with NaN"):
            MotionEditor(KIT, job, has_pose=False)


def test_regions_of_an_unknown_face_model_are_asked_for_with_both_steps():
    kit = replace(KIT, name="bfm09@11111111", subspaces=None)
    with pytest.raises(ValueError, match=r"'bfm09@11111111'.*subspaces DATA.*subspaces=Subspaces"):
        kit.directions("lip")
