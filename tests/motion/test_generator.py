"""The library: calls, streams, batches, checkpoints; image mode, video mode, regions, pose."""

import itertools
import random
from dataclasses import replace
from typing import Any, cast

import pytest
import torch

from tests.motion.small import FACE, SUBSPACES, SYSTEMS
from tests.motion.voices import make_generator, make_loaded, make_motion, make_voice
from viseme_core.audio import LogMelConfig, Wav2LipMelConfig, build_encoder
from viseme_core.checkpoint import StageHeader, save_stage
from viseme_core.config import to_plain
from viseme_core.diffusion import SamplerConfig
from viseme_core.types import AudioClip, Motion
from viseme_motion import Control, MotionGenerator, Preset, mirror_loop
from viseme_motion.fd2talk.config import FD2TalkConfig
from viseme_motion.generation import generate_windows
from viseme_motion.presets import POSE_ALONE, find_preset
from viseme_motion.windows import WindowConfig

both = pytest.mark.parametrize("system", SYSTEMS)
EVERYTHING = Control(
    lip_gain=1.2, eye_gain=0.7, pose_gain=0.5, blinks_per_sec=0.5, close_in_silence=True
)


def assert_same(one: Motion, two: Motion, atol: float = 1e-5) -> None:
    assert one.num_frames == two.num_frames
    for name in ("expression", "pose", "identity"):
        torch.testing.assert_close(getattr(one, name), getattr(two, name), rtol=0, atol=atol)


def joined(parts: list[Motion]) -> Motion:
    together = {n: torch.cat([getattr(p, n) for p in parts]) for n in ("expression", "pose")}
    return replace(parts[0], **together)


def pieces(clip: AudioClip, largest: int, seed: int) -> list[torch.Tensor]:
    """Cut a sound into pieces of random sizes, empty ones among them."""
    luck = random.Random(seed)
    cuts = [0]
    while cuts[-1] < len(clip.samples_S):
        cuts.append(cuts[-1] + luck.randint(0, largest))
    return [clip.samples_S[a:b] for a, b in itertools.pairwise(cuts)]


@both
def test_a_call_gives_the_coefficients_that_windows_of_the_encoded_sound_give(system):
    model, config, face_model = make_loaded(system)
    sampler = SamplerConfig(solver="ddim", num_steps=5)
    generator = MotionGenerator(model, config, face_model, preset=Preset(sampler=sampler))
    clip = make_voice(3.0)
    found = generator(clip, seed=7)
    audio_BTA = build_encoder(LogMelConfig()).encode(clip)[None]
    expected_TC = generate_windows(model, audio_BTA, sampler, voices=[7])[0]
    torch.testing.assert_close(found.expression, expected_TC[:, :64], rtol=0, atol=1e-4)
    if system == "fd2talk":
        torch.testing.assert_close(found.pose, expected_TC[:, 64:], rtol=0, atol=1e-5)
    else:
        assert not found.pose.any()
    assert found.num_frames == 75
    assert found.face_model == FACE.name
    assert not found.identity.any()


@both
@pytest.mark.parametrize("control", [None, EVERYTHING], ids=["plain", "controlled"])
@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
def test_a_stream_of_any_pieces_is_the_whole_call(system, control, rate_hz):
    clip = make_voice(4.3, rate_hz=rate_hz)
    generator = make_generator(system)
    whole = generator(clip, seed=3, control=control)
    for largest, seed in ((900, 0), (40_000, 1)):
        chunks = pieces(clip, largest, seed)
        found = generator.stream(chunks, rate_hz=rate_hz, seed=3, control=control)
        assert_same(joined(list(found)), whole)
    assert (generator(clip, seed=4).expression - whole.expression).abs().max() > 0.01


@both
@pytest.mark.parametrize("preset", ["fast", "balanced"])
def test_the_first_motion_comes_after_half_a_second_of_sound_and_later_ones_go_on(system, preset):
    # The plan that is trained by default.
    loaded = make_loaded(system, windows=WindowConfig())
    generator = MotionGenerator(*loaded, preset=preset)
    heard = 0

    def chunks():
        nonlocal heard
        for piece_S in make_voice(3.0).samples_S.split(80):
            heard += len(piece_S)
            yield piece_S

    stream = generator.stream(chunks())
    first = next(stream)
    assert first.num_frames
    assert heard / 16_000 <= 0.5
    assert joined([first, *stream]).num_frames == 75


@both
def test_sounds_of_a_batch_come_out_as_they_do_alone(system):
    generator = make_generator(system)
    clips = [make_voice(s, i) for i, s in enumerate((2.1, 3.7, 0.1, 12.2, 3.7))]
    clips.append(make_voice(2.9, 9, rate_hz=44_100))
    options = {"seed": [1, 1, 2, 3, 5, 8], "control": [None, EVERYTHING, None, None, None, None]}
    together = generator(clips, **options)
    for i, clip in enumerate(clips):
        alone = generator(clip, seed=options["seed"][i], control=options["control"][i])
        assert_same(together[i], alone)


def test_a_sound_longer_than_a_piece_is_encoded_without_a_seam():
    # 10 s is where one piece ends and the next begins.
    generator = make_generator("fd2talk")
    clip = make_voice(20.5)
    assert_same(joined(list(generator.stream([clip]))), generator(clip))


@both
def test_a_checkpoint_gives_what_the_model_gives(system, tmp_path):
    model, config, face_model = make_loaded(system)
    header = StageHeader(
        stage="motion",
        system=system,
        config=to_plain(config),
        audio=to_plain(config.audio),
        face_model=face_model,
    )
    save_stage(tmp_path / "motion.safetensors", model.state_dict(), header)
    clip = make_voice(1.0)
    found = MotionGenerator.from_checkpoint(tmp_path, preset="fast")(clip)
    assert_same(found, make_generator(system)(clip), atol=0)


def test_an_unusual_face_at_rest_does_not_move_the_head_beside_disenttalk():
    knows = FD2TalkConfig(num_layers=1, dim=16, num_heads=2, portrait=True)
    poser = make_loaded("fd2talk", fd2talk=knows)
    generator = make_generator("disenttalk", pose_from=poser)
    clip, face = make_voice(2.0), make_motion(1)
    grimace = replace(face, expression=20 * face.expression)
    usual, unusual = (generator(clip, seed=5, reference=shown) for shown in (face, grimace))
    assert torch.equal(usual.pose, unusual.pose)
    # The network itself would have been told.
    alone = MotionGenerator(*poser, preset="fast")
    told = [alone(clip, seed=5, reference=shown).pose for shown in (face, grimace)]
    assert (told[0] - told[1]).abs().max() > 1e-4


def test_pose_beside_disenttalk_is_that_of_the_fd2talk_checkpoint():
    # Windows that step otherwise: frames of the two come at different times.
    poser = make_loaded("fd2talk")
    generator = make_generator("disenttalk", pose_from=poser)
    clip = make_voice(3.0)
    found = generator(clip, seed=5)
    assert_same(
        replace(found, pose=torch.zeros_like(found.pose)),
        make_generator("disenttalk")(clip, seed=5),
    )
    alone = find_preset("fast", POSE_ALONE)
    expected = MotionGenerator(*poser, preset=alone)(clip, seed=5).pose
    torch.testing.assert_close(found.pose, expected, rtol=0, atol=1e-6)
    still = generator(clip, seed=5, control=Control(pose="still"))
    assert_same(still, replace(found, pose=still.pose))
    mean_6 = poser[0].motion_scale.mean[64:]
    torch.testing.assert_close(still.pose, mean_6.expand(75, -1))


@both
def test_video_mode_generates_the_lips_and_takes_all_else_from_the_clip_run_back_and_forth(system):
    generator = make_generator(system)
    sound, clip = make_voice(2.0), make_motion(20)
    found = generator(sound, clip=clip)
    lip = list(SUBSPACES.lip)
    others = [*SUBSPACES.eye, *SUBSPACES.rest]
    frames = mirror_loop(20, 0, 50)
    assert torch.equal(found.expression[:, others], clip.expression[frames][:, others])
    assert torch.equal(found.pose, clip.pose[frames])
    assert torch.equal(found.identity, clip.identity)
    assert torch.equal(found.expression[:, lip], generator(sound).expression[:, lip])


@both
def test_image_mode_starts_at_the_reference_and_rests_around_it(system):
    generator = make_generator(system)
    sound, reference = make_voice(3.0), make_motion(1, seed=3)
    found, plain = generator(sound, reference=reference), generator(sound)
    assert torch.equal(found.expression[0], reference.expression[0])
    assert torch.equal(found.identity, reference.identity)
    torch.testing.assert_close(found.pose[0], reference.pose[0])
    lip, others = list(SUBSPACES.lip), [*SUBSPACES.eye, *SUBSPACES.rest]
    torch.testing.assert_close(found.expression[8:, lip], plain.expression[8:, lip])
    mean_C = make_loaded(system)[0].motion_scale.mean
    shift_TC = found.expression[8:, others] - plain.expression[8:, others]
    expected_C = (reference.expression[0] - mean_C[:64])[others]
    torch.testing.assert_close(shift_TC, expected_C.expand_as(shift_TC))
    if system == "fd2talk":
        shift_T6 = found.pose[8:] - plain.pose[8:]
        expected_6 = reference.pose[0] - mean_C[64:]
        torch.testing.assert_close(shift_T6, expected_6.expand_as(shift_T6))
    else:
        torch.testing.assert_close(found.pose, reference.pose.expand(75, -1))


def test_what_cannot_be_done_is_refused_with_a_remedy(tmp_path):
    generator, sound = make_generator("disenttalk"), make_voice(0.5)
    clip = make_motion(5)
    refused = [
        (lambda: generator([]), "is empty"),
        (lambda: generator([sound], seed=[1, 2]), "seed is a list of 2"),
        (lambda: generator(sound, control=Control(pose="model")), "pose_from="),
        (lambda: generator(sound, control=Control(pose="clip")), "give clip="),
        (lambda: generator(sound, clip=clip, reference=clip), "not both"),
        (lambda: generator(sound, clip=replace(clip, fps=30.0)), "at 30 frames a second"),
        (lambda: generator(sound, clip=clip[:0]), "the clip has no frame"),
        (lambda: generator(sound, reference=clip[:0]), "the reference has no frame"),
        (lambda: generator(sound, identity=torch.zeros(3)), "identity must have shape"),
        (lambda: list(generator.stream([])), "no chunk"),
        (lambda: generator.with_preset(cast(Any, "best")), "preset must be one of"),
        (lambda: list(generator.stream([sound, AudioClip(torch.zeros(9), 8000)])), "one rate"),
        (lambda: make_generator("fd2talk", pose_from=make_loaded("fd2talk")), "leave it out"),
        (lambda: make_generator("disenttalk", pose_from=make_loaded("disenttalk")), "'fd2talk'"),
        (
            lambda: make_generator("fd2talk", encoder=build_encoder(Wav2LipMelConfig())),
            "was trained on",
        ),
        (lambda: MotionGenerator.from_checkpoint(tmp_path / "none"), "no stage file"),
    ]
    for attempt, message in refused:
        with pytest.raises(ValueError, match=message):
            attempt()


def test_a_model_that_always_heard_its_sound_is_not_guided():
    # Without dropped sound in training the null condition means nothing.
    loaded = make_loaded("disenttalk")
    deaf = replace(loaded[1], disenttalk=replace(loaded[1].disenttalk, drop_audio=0.0))
    sampler = SamplerConfig(solver="dpm++", num_steps=2, guidance_scale=3.0)
    plain = replace(sampler, guidance_scale=1.0)
    sound = make_voice(0.5)
    found = MotionGenerator(loaded[0], deaf, loaded[2], preset=Preset(sampler=sampler))(sound)
    expected = MotionGenerator(*loaded, preset=Preset(sampler=plain))(sound)
    assert_same(found, expected, atol=0)
    guided = MotionGenerator(*loaded, preset=Preset(sampler=sampler))(sound)
    assert (guided.expression - expected.expression).abs().max() > 1e-4
