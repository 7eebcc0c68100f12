from dataclasses import replace

import pytest
import torch

from tests.face.portraits import SIZE, mistracked, sitter, turned
from viseme_core.checkpoint import StageHeader, save_stage
from viseme_core.types import Motion
from viseme_render import FrameRenderer, MeshRenderer


def talking(person, num_frames: int = 12) -> Motion:
    share_T = (torch.arange(num_frames) * 0.7).sin() ** 2
    poses = [turned(person.reference.pose, yaw=float(share) * 6) for share in share_T]
    return person.motion(person.closed_E + share_T[:, None] * person.opening_E, torch.stack(poses))


@pytest.mark.parametrize("chunk", [1, 5, 7, 12, 100])
def test_how_motion_is_cut_into_chunks_changes_no_frame(chunk):
    person = sitter(0, opening=0.6)
    renderer, motion = MeshRenderer(device="cpu"), talking(person)
    whole = torch.cat(list(renderer(person.reference, motion)))
    parts = list(renderer(person.reference, motion, chunk=chunk))
    assert [len(part) for part in parts[:-1]] == [chunk] * (len(parts) - 1)
    # A batch's size changes the order of sums within it, by some units in the last place.
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-4, rtol=0)
    assert whole.shape == (12, 3, SIZE, SIZE)
    assert whole.dtype == torch.float32
    assert -1 <= float(whole.min()) < float(whole.max()) <= 1


def test_frames_are_drawn_only_as_they_are_asked_for():
    person = sitter(0)
    renderer = MeshRenderer(device="cpu")
    endless = replace(
        talking(person, 1),
        expression=person.closed_E.expand(10**9, -1),
        pose=person.reference.pose.expand(10**9, -1),
    )
    frames = next(iter(renderer(person.reference, endless, chunk=3)))
    assert len(frames) == 3


def test_what_depends_on_the_portrait_alone_is_worked_out_once():
    person, other = sitter(0), sitter(1)
    renderer = MeshRenderer(device="cpu")
    first = renderer.portrait(person.reference)
    assert renderer.portrait(person.reference) is first
    assert renderer.portrait(other.reference) is not first
    assert renderer.portrait(person.reference) is first
    # Another fit of the same picture is another portrait.
    assert renderer.portrait(mistracked(person.reference, 0.5)) is not first


def test_portraits_do_not_pile_up():
    renderer = MeshRenderer(device="cpu")
    kept = [mistracked(sitter(0).reference, 0.1, seed) for seed in range(6)]
    first = renderer.portrait(kept[0])
    for reference in kept[1:]:
        renderer.portrait(reference)
    assert renderer.portrait(kept[0]) is not first


def test_the_face_stays_the_portraits_own():
    person, other = sitter(0), sitter(1)
    renderer, motion = MeshRenderer(device="cpu"), talking(sitter(0), 3)
    own = torch.cat(list(renderer(person.reference, motion)))
    lent = replace(motion, identity=other.reference.identity)
    assert torch.equal(torch.cat(list(renderer(person.reference, lent))), own)


def test_motion_of_another_face_model_is_refused_by_name():
    person = sitter(0)
    motion = replace(talking(person, 2), face_model="bfm09@01234567")
    with pytest.raises(ValueError, match=r"motion\.face_model must be 'builtin@.*bfm09@01234567"):
        MeshRenderer(device="cpu")(person.reference, motion)


def test_a_portrait_of_another_face_model_is_refused_by_name():
    person = sitter(0)
    reference = replace(person.reference, face_model="bfm09@01234567")
    with pytest.raises(ValueError, match=r"reference\.face_model"):
        MeshRenderer(device="cpu")(reference, talking(person, 2))


def test_portraits_that_are_not_square_and_empty_chunks_are_refused():
    person = sitter(0)
    wide = replace(person.reference, frame_3HW=torch.zeros(3, 100, 120))
    with pytest.raises(ValueError, match="square, got 100 x 120"):
        MeshRenderer(device="cpu")(wide, talking(person, 2))
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        MeshRenderer(device="cpu")(person.reference, talking(person, 2), chunk=0)


class _Echo(FrameRenderer, system="echo"):
    """A renderer with weights."""

    def __init__(self, path, device):
        self.made_of = (path, device)

    def __call__(self, reference, motion, *, chunk=25):
        yield reference.frame_3HW[None].expand(motion.num_frames, -1, -1, -1)

    @classmethod
    def load(cls, path, *, device=None):
        return cls(path, device)


def test_a_checkpoint_is_read_by_the_renderer_of_its_system(tmp_path):
    path = tmp_path / "render.safetensors"
    save_stage(path, {"x": torch.zeros(1)}, StageHeader(stage="render", system="echo"))
    renderer = FrameRenderer.from_checkpoint(path, device="cpu")
    assert isinstance(renderer, _Echo)
    assert renderer.made_of == (path, "cpu")


def test_checkpoints_of_other_systems_and_stages_are_refused_by_name(tmp_path):
    path = tmp_path / "some.safetensors"
    save_stage(path, {"x": torch.zeros(1)}, StageHeader(stage="render", system="later"))
    with pytest.raises(ValueError, match=r"system 'later', this viseme-render draws with.*echo"):
        FrameRenderer.from_checkpoint(path)
    save_stage(path, {"x": torch.zeros(1)}, StageHeader(stage="motion", system="echo"))
    with pytest.raises(ValueError, match="motion"):
        FrameRenderer.from_checkpoint(path)


def test_a_file_of_talkformers_names_the_renderer_that_opens_it(tmp_path):
    path = tmp_path / "render.safetensors"
    save_stage(path, {"x": torch.zeros(1)}, StageHeader(stage="render", system="talkformer"))
    with pytest.raises(ValueError, match=r"open it by TalkFormerRenderer\.from_checkpoint"):
        FrameRenderer.from_checkpoint(path)


@pytest.mark.gpu
def test_a_gpu_draws_what_the_cpu_draws():
    person = sitter(0, opening=0.6)
    motion = talking(person, 6)
    here = torch.cat(list(MeshRenderer(device="cpu")(person.reference, motion)))
    there = torch.cat(list(MeshRenderer(device="cuda")(person.reference, motion)))
    assert there.device.type == "cuda"
    # Edges that pass through a pixel's centre may fall to either side.
    assert float((there.cpu() - here).abs().mean()) < 1e-3
