import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage import data, transform

from viseme_eval.networks.alignment import (
    box_maps,
    chip_points,
    chip_template,
    five_points,
    similarity,
    to_pixels,
    warp,
)
from viseme_eval.networks.attributes import deep3d_crop, face_chip, hopenet_crop
from viseme_eval.networks.identity import ARCFACE_TEMPLATE, align_face
from viseme_face.layouts import DLIB68, LEFT_EYE, RIGHT_EYE

# Where MediaPipe sees the astronaut: eyes, nose, mouth corners, in pixels of 512.
ASTRONAUT = ((203.7, 101.6), (246.9, 103.9), (223.5, 127.9), (201.8, 139.2), (245.0, 141.0))


def picture() -> torch.Tensor:
    return torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None].double() / 127.5 - 1


def landmarks(seed: int = 0, num_frames: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(num_frames, 478, 3, generator=generator, dtype=torch.float64) * 0.4 + 0.3


def sample(matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return what scikit-image makes of the astronaut: black outside, in 0 to 1."""
    image = data.astronaut().astype(np.float64) / 255
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    return transform.warp(image, inverse, output_shape=size, order=1, mode="constant", cval=0)


def test_a_similarity_is_that_of_scikit_image() -> None:
    source = torch.randn(4, 5, 2, dtype=torch.float64) * 40 + 100
    target = torch.tensor(ARCFACE_TEMPLATE, dtype=torch.float64)
    for points, ours in zip(source, similarity(source, target), strict=True):
        theirs = transform.SimilarityTransform.from_estimate(points.numpy(), target.numpy())
        # skimage allows no reflection either; both are least squares.
        np.testing.assert_allclose(ours.numpy(), theirs.params[:2], atol=1e-9)


def test_a_warped_picture_is_that_of_scikit_image() -> None:
    matrix = np.array([[0.31, -0.12, 20.5], [0.12, 0.31, -30.25]])
    ours = warp(picture(), torch.from_numpy(matrix)[None], (96, 128))
    theirs = sample(matrix, (96, 128))
    # Where the picture ends the two mix with black over half a pixel differently.
    shrunk = np.vstack([matrix, [0, 0, 1]]) @ [[1, 0, 1], [0, 1, 1], [0, 0, 1]]
    inner = transform.warp(
        np.ones((510, 510)), np.linalg.inv(shrunk), output_shape=(96, 128), order=1, cval=0
    )
    inner = inner == 1
    assert inner.mean() > 0.5
    np.testing.assert_allclose(
        ((ours[0] + 1) / 2).permute(1, 2, 0).numpy()[inner], theirs[inner], atol=1e-6
    )


def test_outside_a_picture_is_what_fill_says() -> None:
    far = torch.tensor([[[1.0, 0, 9000], [0, 1, 0]]], dtype=torch.float64)
    assert torch.equal(warp(picture(), far, (8, 8)), torch.full((1, 3, 8, 8), -1.0).double())
    assert torch.allclose(warp(picture(), far, (8, 8), fill=0.25), torch.tensor(0.25).double())


def test_a_box_is_resized_as_a_cut_out_is() -> None:
    box = torch.tensor([[100.0, 60, 300, 220]])
    ours = warp(picture(), box_maps(box, (80, 64)), (80, 64))
    cut = picture()[:, :, 60:220, 100:300]
    theirs = F.interpolate(cut, (80, 64), mode="bilinear", align_corners=False)
    # Cut out, the border repeats; in the picture it goes on.
    torch.testing.assert_close(ours[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1], atol=1e-6, rtol=0)


def test_the_whole_picture_stays_as_it_is() -> None:
    box = torch.tensor([[0.0, 0, 512, 512]])
    torch.testing.assert_close(
        warp(picture(), box_maps(box, (512, 512)), (512, 512)), picture(), atol=1e-9, rtol=0
    )


def test_five_points_come_in_arcfaces_order() -> None:
    points = torch.zeros(1, 478, 2)
    points[:, [33, 133]] = torch.tensor([1.0, 1.0])
    points[:, [263, 362]] = torch.tensor([2.0, 2.0])
    points[:, [1, 4]] = torch.tensor([3.0, 3.0])
    points[:, 61], points[:, 291] = 4.0, 5.0
    found = five_points(points)[0, :, 0]
    # Two of sixteen points of each eye's rim were set.
    assert found.tolist() == [2 / 16, 4 / 16, 3, 4, 5]
    assert chip_points(points)[0, :, 0].tolist() == [2, 2, 1, 1, 0]


def test_an_aligned_face_has_its_points_where_the_template_has_them() -> None:
    points = torch.zeros(1, 478, 2)
    for ids, place in zip((RIGHT_EYE, LEFT_EYE, (1, 4), (61,), (291,)), ASTRONAUT, strict=True):
        points[:, list(ids)] = (torch.tensor(place) + 0.5) / 512
    face = align_face(picture(), points)
    theirs = transform.SimilarityTransform.from_estimate(
        np.array(ASTRONAUT), np.array(ARCFACE_TEMPLATE)
    )
    expected = sample(theirs.params[:2], (112, 112)) * 2 - 1
    np.testing.assert_allclose(face[0].permute(1, 2, 0).numpy(), expected, atol=1e-4)
    # Half as large in twice the pixels: the middle is the same face, pixel for pixel.
    small = align_face(picture(), points, size=224, zoom=0.5)
    torch.testing.assert_close(small[..., 56:168, 56:168], face, atol=1e-6, rtol=0)


def test_landmarks_that_coincide_are_refused() -> None:
    with pytest.raises(ValueError, match="frame 1 coincide"):
        similarity(torch.stack([torch.rand(5, 2), torch.ones(5, 2)]), torch.rand(5, 2))


def test_hopenets_crop_is_the_middle_square_of_its_widened_box() -> None:
    points = landmarks()[:1]
    pixels = to_pixels(points, (512, 512))[0, list(DLIB68)].numpy() + 0.5
    (x_min, y_min), (x_max, y_max) = pixels.min(0), pixels.max(0)
    width, height = x_max - x_min, y_max - y_min
    left, right = x_min - 0.15 * width, x_max + 0.15 * width
    top, bottom = y_min - 0.6 * height, y_max + 0.06 * height
    scale = 224 / min(right - left, bottom - top)
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    matrix[:, 2] = 112 - 0.5 - scale * (np.array([left + right, top + bottom]) / 2 - 0.5)
    ours = hopenet_crop(picture(), points)[0].permute(1, 2, 0).numpy()
    theirs = sample(matrix, (224, 224)) * 2 - 1
    inside = np.abs(theirs + 1).min(-1) > 0
    assert np.abs(ours - theirs)[inside].max() < 1e-3


def test_a_chip_has_dlibs_points_in_dlibs_places() -> None:
    template = chip_template(300, 0.25).numpy()
    # (0.25 + 0.8595674) / 1.5 and (0.25 + 0.2134981) / 1.5 of 300 px.
    np.testing.assert_allclose(template[0], (221.91349, 92.69963), atol=1e-4)
    points = landmarks()[:1]
    pixels = to_pixels(points, (512, 512))[0, [263, 362, 33, 133, 2]].numpy()
    theirs = transform.SimilarityTransform.from_estimate(pixels, chip_template(224, 0.25).numpy())
    ours = face_chip(picture(), points)[0].permute(1, 2, 0).numpy()
    expected = sample(theirs.params[:2], (224, 224)) * 2 - 1
    inside = np.abs(expected + 1).min(-1) > 0
    assert np.abs(ours - expected)[inside].max() < 1e-3


def test_deep3ds_crop_is_that_of_its_least_squares_camera() -> None:
    standard = np.array(
        [[-0.31148657, 0.29036078, 0.13377953], [0.30979887, 0.28972036, 0.13179526],
         [0.0032535, -0.04617932, 0.55244243], [-0.25216928, -0.38133916, 0.22405732],
         [0.2484662, -0.38128236, 0.22235769]]
    )  # fmt: skip
    turn = np.array([[0.9, 0.1, 0.2], [-0.1, 0.95, 0.1]])
    flat = 50 * standard @ turn.T * [1, -1] + [230, 120]
    points = torch.zeros(1, 478, 2, dtype=torch.float64)
    for ids, place in zip(((33, 133), (263, 362), (4,), (61,), (291,)), flat, strict=True):
        points[:, list(ids)] = torch.from_numpy((place + 0.5) / 512)
    # The exact camera: rows R1, R2 scaled by 50, and where the origin falls.
    scale = 102 / (50 * np.linalg.norm(turn, axis=1).mean())
    matrix = np.array([[scale, 0, 111.5 - 230 * scale], [0, scale, 111.5 - 120 * scale]])
    ours = deep3d_crop(picture(), points)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(ours, sample(matrix, (224, 224)) * 2 - 1, atol=1e-3)
