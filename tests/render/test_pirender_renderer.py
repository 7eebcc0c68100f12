from dataclasses import replace

import pytest
import torch

from tests.render.pirender_small import (
    FACE_MODEL,
    KINDS,
    NET,
    OURS,
    SIZE,
    make_model,
    make_motion,
    make_reference,
)
from viseme_face.driving import coefficients
from viseme_render.pirender.flow import warp
from viseme_render.pirender.renderer import PIRenderer


def renderer(kind: str = "ours", **options) -> PIRenderer:
    return PIRenderer(make_model(KINDS[kind], **options), FACE_MODEL, device="cpu")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk", [1, 7, 13, 40, 100])
def test_how_motion_is_cut_into_chunks_changes_no_frame(kind, chunk):
    draw, reference, motion = renderer(kind), make_reference(), make_motion(40)
    whole = torch.cat(list(draw(reference, motion)))
    parts = list(draw(reference, motion, chunk=chunk))
    assert [len(part) for part in parts[:-1]] == [chunk] * (len(parts) - 1)
    # A batch's size changes the order of sums within it, by some units in the last place.
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-4, rtol=0)
    assert whole.shape == (40, 3, SIZE, SIZE)
    assert -1 <= float(whole.min()) < float(whole.max()) <= 1


def test_a_frame_sees_13_frames_to_either_side_and_the_edge_frame_beyond():
    draw, reference, motion = renderer(), make_reference(), make_motion(40)
    rows = coefficients(motion.expression, motion.pose, reference.crop)
    own = coefficients(reference.expression[None], reference.pose[None], reference.crop)
    frames = torch.cat(list(draw(reference, motion)))
    for t in (0, 5, 20, 39):
        window = torch.stack([rows[min(max(s, 0), 39)] for s in range(t - 13, t + 14)])
        made = draw.model(draw.model.prepare(reference.frame_3HW[None]), window[None], own)
        torch.testing.assert_close(frames[t], made.picture_B3HW[0].clamp(-1, 1), atol=1e-5, rtol=0)


def test_frames_beyond_the_window_change_nothing_and_those_at_its_edge_do():
    draw, reference, motion = renderer(), make_reference(), make_motion(40)
    whole = torch.cat(list(draw(reference, motion)))
    later = motion.expression.clone()
    later[30] += 5
    moved = torch.cat(list(draw(reference, replace(motion, expression=later))))
    differs = (moved - whole).abs().amax((1, 2, 3)) > 1e-5
    assert differs.nonzero()[:, 0].tolist() == list(range(17, 40))


def test_frames_are_drawn_only_as_they_are_asked_for():
    motion = make_motion(1)
    endless = replace(
        motion,
        expression=motion.expression.expand(10**9, -1),
        pose=motion.pose.expand(10**9, -1),
    )
    assert len(next(iter(renderer()(make_reference(), endless, chunk=3)))) == 3


def test_constant_work_on_a_portrait_is_done_once(monkeypatch):
    draw, done = renderer(), []
    prepare = draw.model.prepare
    monkeypatch.setattr(draw.model, "prepare", lambda x: (done.append(1), prepare(x))[1])
    references = [make_reference(seed) for seed in range(6)]
    for _ in range(3):
        list(draw(references[0], make_motion(30), chunk=5))
    assert len(done) == 1
    for reference in references[1:]:
        list(draw(reference, make_motion(2)))
    list(draw(references[0], make_motion(2)))
    assert len(done) == 7


def test_a_network_that_blends_warps_portraits_in_their_own_size():
    draw, motion = renderer("ours"), make_motion(3)
    large = make_reference(size=2 * SIZE)
    frames = torch.cat(list(draw(large, motion)))
    assert frames.shape == (3, 3, 2 * SIZE, 2 * SIZE)
    # With nothing painted, it is the large portrait that is warped, not an enlarged small one.
    last = "editing_net.decoder.final.model.0"
    draw.model.net.get_parameter(f"{last}.weight").data.zero_()
    draw.model.net.get_parameter(f"{last}.bias").data[12:] = -50
    frames = torch.cat(list(draw(large, motion)))
    portrait = draw._portrait(large)
    windows = coefficients(motion.expression, motion.pose, large.crop)
    windows = torch.stack(
        [windows[[min(max(s, 0), 2) for s in range(t - 13, t + 14)]] for t in range(3)]
    )
    flow = draw.model(portrait.prepared, windows, portrait.own_1C).flow_B2hw
    expected = warp(large.frame_3HW[None].expand(3, -1, -1, -1), flow)
    torch.testing.assert_close(frames, expected.clamp(-1, 1), atol=1e-5, rtol=0)


def test_a_network_that_does_not_blend_gives_frames_in_the_portraits_size_too():
    frames = torch.cat(list(renderer("published")(make_reference(size=48), make_motion(2))))
    assert frames.shape == (2, 3, 48, 48)


def test_public_conventions_are_kept():
    draw = renderer("published", convention="deep3d")
    reference, motion = make_reference(), make_motion(3)
    near = replace(motion, pose=motion.pose - torch.tensor([0.0, 0, 0, 0, 0, 4.0]))
    one, two = (torch.cat(list(draw(reference, m))) for m in (motion, near))
    assert not torch.equal(one, two)
    # What the crop was cut from is no part of that convention.
    other = replace(reference, crop=replace(reference.crop, cx=999.0))
    assert torch.equal(torch.cat(list(draw(other, motion))), one)


def test_what_cannot_be_drawn_is_refused_at_once():
    draw = renderer()
    with pytest.raises(ValueError, match=r"motion\.face_model must be 'builtin@0123abcd'.*convert"):
        draw(make_reference(), make_motion(face_model="bfm09@01234567"))
    with pytest.raises(ValueError, match="square, got 32 x 40"):
        draw(replace(make_reference(), frame_3HW=torch.zeros(3, 32, 40)), make_motion())
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        draw(make_reference(), make_motion(), chunk=0)


@pytest.mark.gpu
@pytest.mark.parametrize("net", [NET, OURS], ids=["published", "ours"])
def test_a_gpu_draws_what_the_cpu_draws(net):
    reference, motion = make_reference(), make_motion(20)
    here, there = (
        torch.cat(list(PIRenderer(make_model(net), FACE_MODEL, device=device)(reference, motion)))
        for device in ("cpu", "cuda")
    )
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), here, atol=5e-3, rtol=0)
