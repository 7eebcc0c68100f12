from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.faces import PORTRAIT_FACE_PX, portrait, scene
from viseme_data.crop import warp
from viseme_data.media import MediaError
from viseme_data.reference import ReferenceConfig, make_reference, read_reference
from viseme_data.track import FaceTracker
from viseme_face import MorphableModel, pose_vertices, project


@pytest.fixture(scope="module")
def tracker():
    with FaceTracker() as tracker:
        yield tracker


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return MorphableModel.builtin()


def test_a_picture_file_becomes_a_portrait_that_was_found_cropped_and_fitted(
    tmp_path, tracker, model
):
    path = tmp_path / "a face.png"
    Image.fromarray(portrait()).save(path)
    reference = read_reference(path, model=model, tracker=tracker)
    assert reference.frame_3HW.shape == (3, 256, 256)
    assert reference.source_3HW.shape == (3, 320, 320)
    source = torch.from_numpy(portrait()).permute(2, 0, 1).float() / 127.5 - 1
    torch.testing.assert_close(reference.source_3HW, source)
    # The face lies in the middle and fills the crop as far as its scale says.
    points_K2 = reference.landmarks.points_TKD[0, :, :2]
    low, high = points_K2.amin(0), points_K2.amax(0)
    torch.testing.assert_close((low + high) / 2, torch.tensor([0.5, 0.5]), atol=0.01, rtol=0)
    assert float((high - low).max()) == pytest.approx(1 / 1.8, abs=0.01)
    assert reference.crop.side == pytest.approx(1.8 * PORTRAIT_FACE_PX, rel=0.15)
    assert reference.crop.cx == pytest.approx(153, abs=8)
    # Its coefficients put the face where it is.
    assert reference.face_model == model.name
    vertices_K3 = model.landmarks(reference.identity, reference.expression, "mp478")
    fitted_K2 = project(pose_vertices(vertices_K3, reference.pose))
    assert float((fitted_K2 - points_K2).norm(dim=1).mean()) < 0.01


def test_a_portrait_has_the_pixels_of_its_crop(tracker, model):
    reference = make_reference(portrait(), ReferenceConfig(size=64), model=model, tracker=tracker)
    cropped_HW3 = warp(portrait(), reference.crop, 64)
    frame_HW3 = ((reference.frame_3HW + 1) * 127.5).round().permute(1, 2, 0).numpy()
    assert (frame_HW3 == cropped_HW3).all()


def test_of_several_faces_the_largest_is_taken(tracker, model):
    wall: Any = {"width": 900, "height": 400}
    crowd = scene(**wall, zoom=0.55, at=(20, 100))
    crowd = scene(**wall, zoom=1.0, at=(250, 40), under=crowd)
    crowd = scene(**wall, zoom=0.7, at=(640, 100), under=crowd)
    reference = make_reference(crowd, model=model, tracker=tracker)
    assert reference.crop.cx == pytest.approx(250 + 153, abs=12)


def test_what_a_tracker_saw_before_does_not_count(model):
    with FaceTracker() as tracker:
        tracker.track(scene(zoom=1.0, at=(0, 0)))
        moved = scene(width=640, zoom=1.0, at=(300, 0))
        reference = make_reference(moved, model=model, tracker=tracker)
        again = make_reference(moved, model=model, tracker=tracker)
    assert reference.crop.cx == pytest.approx(300 + 153, abs=12)
    assert torch.equal(again.landmarks.points_TKD, reference.landmarks.points_TKD)


def test_a_picture_without_a_face_is_refused_in_one_sentence(tmp_path, tracker, model):
    path = tmp_path / "wall.png"
    Image.fromarray(scene(face=False)).save(path)
    with pytest.raises(ValueError, match=r"no face is found in '.*wall\.png' \(320 x 320\); use"):
        read_reference(path, model=model, tracker=tracker)


def test_a_file_that_is_missing_or_no_picture_says_so(tmp_path, tracker, model):
    with pytest.raises(MediaError, match=r"nobody\.jpg"):
        read_reference(tmp_path / "nobody.jpg", model=model, tracker=tracker)
    (tmp_path / "notes.jpg").write_text("these are notes")
    with pytest.raises(MediaError, match="no picture that can be read"):
        read_reference(tmp_path / "notes.jpg", model=model, tracker=tracker)


def test_senseless_settings_are_refused():
    with pytest.raises(ValueError, match=r"reference\.size must be at least 32 pixels, got 8"):
        ReferenceConfig(size=8)
    with pytest.raises(ValueError, match=r"reference\.scale must be at least 1"):
        ReferenceConfig(scale=0.5)


def test_pictures_of_other_kinds_are_refused(tracker, model):
    with pytest.raises(ValueError, match="uint8 RGB"):
        make_reference(np.zeros((64, 64, 3), np.float32), model=model, tracker=tracker)
