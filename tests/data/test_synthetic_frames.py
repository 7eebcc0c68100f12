"""Frames of synthetic speakers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from viseme_core.types import Motion
from viseme_data.synthetic.frames import (
    draw_clip,
    draw_frames,
    draw_sheet,
    main,
    open_jaw,
    sample_motion,
)
from viseme_data.synthetic.look import FaceLook
from viseme_face.layouts import lip_opening
from viseme_face.morphable import MorphableModel
from viseme_face.portrait import MASKS
from viseme_face.regions import close_lips

pytestmark = pytest.mark.usefixtures("_one_thread")

SIZE = 96
LOOK = FaceLook.from_seed(2)
MOUTH, EYES = MASKS.index("mouth"), MASKS.index("eyes")


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return MorphableModel.builtin()


@pytest.fixture(scope="module")
def motion(model: MorphableModel) -> Motion:
    """Mouth closed, mouth open, eyes shut."""
    return sample_motion(model, 2)


def drawn(model: MorphableModel, motion: Motion, look: FaceLook = LOOK, **options) -> torch.Tensor:
    return torch.cat(list(draw_frames(model, motion, look, size=SIZE, **options)))


def test_frames_are_what_the_rest_of_the_project_calls_frames(
    model: MorphableModel, motion: Motion
):
    frames = drawn(model, motion)
    assert frames.shape == (3, 3, SIZE, SIZE)
    assert frames.dtype == torch.float32
    assert frames.min() >= -1
    assert frames.max() <= 1
    assert frames.std() > 0.1


def test_chunks_make_no_difference(model: MorphableModel, motion: Motion):
    chunks = list(draw_frames(model, motion, LOOK, size=SIZE, chunk=2))
    assert [len(chunk) for chunk in chunks] == [2, 1]
    torch.testing.assert_close(torch.cat(chunks), drawn(model, motion), atol=1e-4, rtol=0)


def test_the_same_seed_gives_the_same_bits_and_another_another_face(
    model: MorphableModel, motion: Motion
):
    first = drawn(model, motion)
    assert torch.equal(first, drawn(model, motion, FaceLook.from_seed(2)))
    assert (first - drawn(model, motion, FaceLook.from_seed(3))).abs().mean() > 0.05


def test_masks_show_the_open_mouth_and_the_shut_eyes(model: MorphableModel, motion: Motion):
    (clip,) = draw_clip(model, motion, LOOK, size=SIZE, masks=True)
    assert clip.masks_TMHW is not None
    mouth, eyes = clip.masks_TMHW[:, [MOUTH, EYES]].sum((2, 3)).T
    assert mouth[1] > 20
    assert mouth[1] > 5 * max(mouth[0], mouth[2])
    assert min(eyes[0], eyes[1]) > 5 * eyes[2]


def test_gaze_and_tongue_reach_the_picture(model: MorphableModel, motion: Motion):
    plain = drawn(model, motion)
    looking = drawn(model, motion, gaze_T2=torch.tensor([[0.0, 0.5]] * 3))
    lifted = drawn(model, motion, tongue_T=torch.ones(3))
    assert (looking[0] - plain[0]).abs().max() > 0.2
    assert (lifted[1] - plain[1]).abs().max() > 0.05
    # The mouth is closed, nothing of the tongue shows.
    assert (lifted[0] - plain[0]).abs().mean() < 1e-3


def test_a_motion_of_another_model_is_refused_by_name(model: MorphableModel, motion: Motion):
    foreign = replace(motion, face_model="bfm09@00000000")
    with pytest.raises(ValueError, match="bfm09@00000000"):
        drawn(model, foreign)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gaze_T2": torch.zeros(2, 2)}, "gaze_T2"),
        ({"tongue_T": torch.zeros(5)}, "tongue_T"),
        ({"chunk": 0}, "chunk must be at least 1"),
    ],
)
def test_options_that_do_not_fit_the_motion_are_refused(
    model: MorphableModel, motion: Motion, options: dict, message: str
):
    with pytest.raises(ValueError, match=message):
        drawn(model, motion, **options)


def test_a_jaw_that_opens_parts_the_lips_and_moves_nothing_above_them(model: MorphableModel):
    closed = close_lips(model.mean_V3[None]).expand(3, -1, -1)
    opened = open_jaw(closed, torch.tensor([0.0, 0.1, 0.2]))
    assert torch.allclose(opened[0], closed[0], atol=1e-6)
    gaps = lip_opening(opened)
    assert gaps[0] == pytest.approx(0, abs=1e-5)
    assert 0.1 < gaps[1] < gaps[2]
    above = closed[0, :, 1] > closed[0, 13, 1] + 0.05
    assert torch.equal(opened[2, above], closed[2, above])


def test_a_sheet_is_written_as_a_picture(tmp_path: Path):
    main([str(tmp_path / "sheet.png"), "--speakers", "2", "--size", "32"])
    written = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert written.shape == (32, 6 * 32, 3)
    expected = (127.5 * (draw_sheet((0, 1), 32) + 1)).round().permute(1, 2, 0).numpy()
    assert np.abs(written - expected).max() < 1
