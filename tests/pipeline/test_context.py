from typing import Any

import pytest
import torch

from viseme_core.types import Motion
from viseme_face.driving import COEFFICIENT_REACH
from viseme_pipeline.context import blocks_of, draw_stream, reach_of
from viseme_render import FrameRenderer, MeshRenderer

NOBODY: Any = None


def motion_of(num_frames: int) -> Motion:
    return Motion(
        expression=torch.arange(num_frames, dtype=torch.float32)[:, None].expand(-1, 64).clone(),
        pose=torch.zeros(num_frames, 6),
        identity=torch.zeros(80),
        face_model="builtin@01234567",
    )


def parts_of(motion: Motion, size: int) -> list[Motion]:
    return [motion[at : at + size] for at in range(0, motion.num_frames, size)]


class Looking(FrameRenderer):
    """Draws for each frame the mean number of the frames that PIRender would look at."""

    def __call__(self, reference, motion, *, chunk=25):
        number_T = motion.expression[:, 0]
        for start in range(0, len(number_T), chunk):
            means = [
                number_T[max(0, at - COEFFICIENT_REACH) : at + COEFFICIENT_REACH + 1].mean()
                for at in range(start, min(start + chunk, len(number_T)))
            ]
            yield torch.stack(means)[:, None, None, None].expand(-1, 3, 2, 2)


@pytest.mark.parametrize("num_frames", [1, 13, 130, 300])
@pytest.mark.parametrize("size", [7, 40, 500])
def test_parts_are_drawn_as_the_whole_would_be(num_frames, size):
    motion, renderer = motion_of(num_frames), Looking()
    whole = torch.cat(list(renderer(NOBODY, motion)))
    drawn = torch.cat(list(draw_stream(renderer, NOBODY, iter(parts_of(motion, size)), 10)))
    assert torch.equal(whole, drawn)


def test_blocks_hold_each_frame_once_and_few_around_it():
    blocks = list(blocks_of(iter(parts_of(motion_of(333), 20)), 13, size=50))
    drawn = [b.motion.expression[b.before : b.before + b.num_frames, 0] for b in blocks]
    assert torch.cat(drawn).tolist() == list(range(333))
    assert max(block.motion.num_frames for block in blocks) <= 50 + 2 * 13


def test_the_mesh_renderer_looks_at_single_frames_and_others_may_not():
    assert reach_of(MeshRenderer(device="cpu")) == 0
    assert reach_of(Looking()) == COEFFICIENT_REACH
