"""What the controls of a generator do to its motion."""

from dataclasses import replace

import pytest
import torch

from tests.motion.small import FACE, SUBSPACES, SYSTEMS
from tests.motion.voices import make_generator, make_loaded, make_motion, make_voice
from viseme_core.types import Motion
from viseme_eval.functional.blinks import detect_blinks
from viseme_face import MorphableModel, close_eyes, eye_aspect_ratio, lip_opening, refit
from viseme_face.parts import read_builtin
from viseme_motion import Control, mirror_loop

both = pytest.mark.parametrize("system", SYSTEMS)


@pytest.mark.parametrize("region", ["lip", "eye", "global"])
def test_a_gain_scales_its_region_around_neutral_and_leaves_the_others_their_bits(region):
    generator = make_generator("fd2talk")
    sound = make_voice(1.0)
    plain = generator(sound)
    found = generator(sound, control=replace(Control(), **{f"{region}_gain": 1.5}))
    chosen = list(SUBSPACES.regions[region])
    others = [i for i in range(64) if i not in chosen]
    torch.testing.assert_close(found.expression[:, chosen], 1.5 * plain.expression[:, chosen])
    assert torch.equal(found.expression[:, others], plain.expression[:, others])
    assert torch.equal(found.pose, plain.pose)


def test_the_pose_gain_scales_pose_around_its_mean():
    generator, mean_6 = make_generator("fd2talk"), make_loaded("fd2talk")[0].motion_scale.mean[64:]
    sound = make_voice(1.0)
    plain, found = generator(sound), generator(sound, control=Control(pose_gain=0.25))
    torch.testing.assert_close(found.pose - mean_6, 0.25 * (plain.pose - mean_6))
    assert torch.equal(found.expression, plain.expression)


def test_a_driven_region_moves_as_its_clip_and_pose_too():
    generator = make_generator("disenttalk")
    sound, eyes, head = make_voice(1.0), make_motion(9, seed=1), make_motion(40, seed=2)
    found = generator(sound, control=Control(driven={"eye": eyes, "pose": head}))
    plain = generator(sound)
    eye = list(SUBSPACES.eye)
    others = [i for i in range(64) if i not in eye]
    assert torch.equal(found.expression[:, eye], eyes.expression[mirror_loop(9, 0, 25)][:, eye])
    assert torch.equal(found.expression[:, others], plain.expression[:, others])
    assert torch.equal(found.pose, head.pose[:25])


def test_a_clip_of_another_face_model_is_converted_if_that_is_at_hand_and_refused_if_not():
    # The same geometry under another name: converted, its coefficients come back.
    other = MorphableModel(replace(read_builtin(), family="other"))
    clip = replace(make_motion(6), face_model=other.name)
    sound = make_voice(0.5)
    with pytest.raises(ValueError, match=r"'other@.*faces="):
        make_generator("fd2talk")(sound, clip=clip)
    found = make_generator("fd2talk", faces=[other])(sound, clip=clip)
    assert found.face_model == FACE.name
    points_TK3 = FACE.landmarks(found.identity, found.expression[:6], "mp478")
    eyes_T = eye_aspect_ratio(points_TK3).mean(-1)
    true_T = eye_aspect_ratio(FACE.landmarks(clip.identity, clip.expression, "mp478")).mean(-1)
    torch.testing.assert_close(eyes_T, true_T, rtol=0, atol=0.03)


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.5])
def test_blinks_come_at_the_rate_that_is_asked_whatever_the_clip_does(rate):
    sound, clip = make_voice(40.0), blinking_clip(frames=1000)
    control = Control(blinks_per_sec=rate)
    found = make_generator("disenttalk")(sound, clip=clip, control=control)
    assert len(blinks_of(clip)) == 33
    assert abs(len(blinks_of(found)) - 40 * rate) <= 1


def test_the_mouth_is_shut_in_silence_and_free_in_speech():
    generator = make_generator("disenttalk")
    sound, person = make_voice(5.0), make_motion(1).identity
    plain = generator(sound, identity=person)
    found = generator(sound, identity=person, control=Control(close_in_silence=True))
    # Silent from frame 50 to 75.
    still = slice(55, 70)
    openings = [lip_opening(FACE.landmarks(person, m.expression, "mp478")) for m in (plain, found)]
    # An untrained network's mouth has shapes that the face model cannot wholly close.
    assert openings[1][still].mean() < 0.25 * openings[0][still].mean()
    assert openings[1][still].max() < 0.02
    spoken = [*range(50), *range(76, 125)]
    assert torch.equal(found.expression[spoken], plain.expression[spoken])


def blinks_of(motion: Motion) -> torch.Tensor:
    points_TK3 = FACE.landmarks(motion.identity, motion.expression, "mp478")
    return detect_blinks(eye_aspect_ratio(points_TK3))


def blinking_clip(frames: int) -> Motion:
    """Return a clip of a neutral face that shuts its eyes every 30 frames."""
    still = Motion(
        expression=torch.zeros(frames, 64),
        pose=torch.zeros(frames, 6),
        identity=torch.zeros(80),
        face_model=FACE.name,
    )
    shut = refit(FACE, still, close_eyes)
    share_T = (1 - (torch.arange(frames) % 30 - 15).abs() / 4).clamp(min=0)
    return replace(still, expression=share_T[:, None] * shut.expression)
