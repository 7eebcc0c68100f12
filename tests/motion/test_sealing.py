"""Lips that nearly meet: shut, and nothing else touched."""

from dataclasses import replace

import pytest
import torch

from tests.motion.small import FACE
from tests.motion.voices import make_generator, make_motion, make_voice
from viseme_face import MorphableModel, lip_opening
from viseme_motion import Control
from viseme_motion.editor import MotionEditor
from viseme_motion.face_kit import FaceKit
from viseme_motion.job import Job
from viseme_motion.listener.model import opening_of
from viseme_motion.sealing import FREE, MEET, opening_of_motion, sealed_share, with_lips_closed

SEAL = Control(seal_lips=True)
EXACT = MorphableModel.builtin().double()


def kit() -> FaceKit:
    return FaceKit(
        name=FACE.name, faces={}, subspaces=None, mean_expression=torch.zeros(64), mean_pose=None
    )


def openings(motion):
    return lip_opening(FACE.landmarks(motion.identity, motion.expression, "mp478"))


def parted(num_frames: int = 60):
    """Return a face whose lips part steadily, from hardly to wide."""
    motion = make_motion(1, seed=4)
    shut_C = with_lips_closed(EXACT, motion)[0].float()
    opening_C = opening_of(FACE) * FACE.expression_std_E**2
    wide_C = shut_C + 0.15 * opening_C / (opening_C @ opening_of(FACE))
    share_T1 = torch.linspace(0, 1, num_frames)[:, None]
    return replace(
        motion,
        expression=torch.lerp(shut_C.expand(num_frames, -1), wide_C, share_T1),
        pose=torch.zeros(num_frames, 6),
    )


def test_lips_meet_up_to_one_opening_and_are_free_from_another():
    at = torch.tensor([0, MEET, (MEET + FREE) / 2, FREE, 1])
    torch.testing.assert_close(sealed_share(at), torch.tensor([1, 1, 0.5, 0, 0]))
    shares = sealed_share(torch.linspace(0, 0.1, 50))
    assert (shares.diff() <= 0).all()


def test_the_opening_is_that_of_the_mesh():
    motion = make_motion(5)
    torch.testing.assert_close(opening_of_motion(EXACT, motion).float(), openings(motion))


def test_lips_that_nearly_meet_are_shut_and_others_keep_their_bits():
    motion = parted()
    before = openings(motion)
    job = Job(identity=motion.identity, control=SEAL)
    found = MotionEditor(kit(), job, has_pose=False).edit(motion.expression, None, None)
    after = openings(found)
    near, free = before < MEET, before > FREE
    assert near.sum() > 1
    assert free.sum() > 10
    assert after[near].max() < 0.006
    assert torch.equal(found.expression[free], motion.expression[free])
    # No slit becomes wider than a wider one was: lips still open in order.
    assert (after.diff() > -1e-3).all()


def test_silence_shuts_what_nearly_meeting_lips_leave():
    motion = parted()
    half_T = torch.full((60,), 0.5)
    near = (openings(motion) > 0.75 * MEET) & (openings(motion) < MEET)
    wide = openings(motion) > FREE
    both = Control(close_in_silence=True, seal_lips=True)
    for control, share in ((Control(close_in_silence=True), 0.5), (both, 0.0)):
        job = Job(identity=motion.identity, control=control)
        found = MotionEditor(kit(), job, has_pose=False).edit(motion.expression, None, half_T)
        torch.testing.assert_close(
            openings(found)[near], share * openings(motion)[near], rtol=0.1, atol=0.004
        )
        torch.testing.assert_close(
            openings(found)[wide], openings(motion)[wide] / 2, rtol=0.1, atol=0.004
        )


def test_a_portrait_with_parted_lips_is_told_of_as_one_with_closed_lips():
    motion = parted()[-1:]
    editor = MotionEditor(kit(), Job(reference=motion, control=SEAL), has_pose=False)
    told = replace(motion, expression=editor.portrait[None])
    assert openings(motion) > 2 * FREE
    assert openings(told) < MEET
    # Eyes and brows are the portrait's.
    points = [FACE.landmarks(motion.identity, m.expression, "mp478")[0] for m in (motion, told)]
    assert (points[0][[33, 159, 145, 66, 296]] - points[1][[33, 159, 145, 66, 296]]).norm(
        dim=-1
    ).max() < 0.02 * (points[0][33] - points[0][263]).norm()


def test_the_first_frame_is_the_portrait_and_lips_of_a_clip_are_left_alone():
    motion = parted()
    near = int((openings(motion) < MEET).sum()) - 1
    still_TC = motion.expression[near : near + 1].expand(20, -1)
    job = Job(reference=motion[near : near + 1], control=SEAL)
    shown = MotionEditor(kit(), job, has_pose=False).edit(still_TC, None, None)
    assert torch.equal(shown.expression[0], still_TC[0])
    assert openings(shown)[-1] < 0.3 * openings(shown)[0]
    driven = replace(job, reference=None, control=replace(SEAL, driven={"lip": motion}))
    led = MotionEditor(kit(), driven, has_pose=False).edit(motion.expression, None, None)
    assert torch.equal(led.expression, motion.expression)


@pytest.mark.parametrize("chunks", [(7000, 9000, 16000), (16000, 16000)])
def test_a_stream_seals_as_the_whole_sound_does(chunks):
    generator, sound, reference = make_generator("disenttalk"), make_voice(2.0), make_motion(1)
    whole = generator(sound, reference=reference, control=SEAL)
    pieces = sound.samples_S.split(list(chunks))
    parts = list(generator.stream(pieces, reference=reference, control=SEAL))
    assert torch.equal(torch.cat([part.expression for part in parts]), whole.expression)
    assert not torch.equal(whole.expression, generator(sound, reference=reference).expression)
