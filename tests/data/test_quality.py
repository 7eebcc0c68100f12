"""Reasons to leave a clip out: each appears when its cause does, and alone."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from tests.data.faces import portrait, talking_points
from viseme_core.types import Landmarks
from viseme_data.coefficients import FittedClip, fit_motion
from viseme_data.crop import crop_box, to_crop
from viseme_data.follow import FaceTrack
from viseme_data.quality import (
    ClipMeasures,
    PictureMeasures,
    QualityConfig,
    measure,
    reject_reasons,
    sharpness_of,
)
from viseme_face import MorphableModel

NUM_FRAMES = 40


@pytest.fixture(scope="module")
def track() -> FaceTrack:
    draw = torch.Generator().manual_seed(0)
    points = talking_points(MorphableModel.builtin(), NUM_FRAMES)
    return FaceTrack(
        start_frame=0,
        points_TK3=points + 0.3 * torch.randn(points.shape, generator=draw),
        interpolated_T=torch.zeros(NUM_FRAMES, dtype=torch.bool),
    )


@pytest.fixture(scope="module")
def fitted(track: FaceTrack) -> FittedClip:
    return fit(track)


@pytest.fixture(scope="module")
def clip(track: FaceTrack, fitted: FittedClip) -> ClipMeasures:
    return measured(track, fitted)


def fit(track: FaceTrack) -> FittedClip:
    landmarks = to_crop(track.points_TK3, crop_box(track.points_TK3))
    return fit_motion(MorphableModel.builtin(), Landmarks(landmarks.points_TKD, "mp478"))


def pictures(num: int = NUM_FRAMES) -> list[np.ndarray]:
    """The portrait's face, each time with other noise."""
    draw = np.random.default_rng(0)
    face = portrait()[40:200, 70:230].astype(float)
    return [
        np.clip(face + draw.normal(0, 1, face.shape).round(), 0, 255).astype(np.uint8)
        for _ in range(num)
    ]


def measured(
    track: FaceTrack, fitted: FittedClip, crops: list[np.ndarray] | None = None
) -> ClipMeasures:
    seen = PictureMeasures()
    for crop in pictures() if crops is None else crops:
        seen.push(crop)
    return measure(track, fitted, seen, width=640, height=640)


def test_a_good_clip_has_no_reasons(clip: ClipMeasures) -> None:
    assert reject_reasons(clip) == ()


def test_measures_are_what_the_clip_was_made_with(track: FaceTrack, clip: ClipMeasures) -> None:
    flat = track.points_TK3[..., :2]
    eyes = float((flat[:, 33] - flat[:, 263]).norm(dim=-1).median())
    assert clip.num_frames == NUM_FRAMES
    # Two coordinates of deviation 0.3 px.
    assert clip.jitter == pytest.approx(0.3 * 2**0.5 / eyes, rel=0.25)
    sides = (flat.amax(1) - flat.amin(1)).amax(1)
    assert clip.face_px == pytest.approx(np.median(sides.numpy()))
    # The head turns by 0.3 rad to the side.
    assert float(clip.turn_T.max()) == pytest.approx(np.rad2deg(0.3), abs=3)


def test_luma_and_its_shades_measure_the_same() -> None:
    luma = [16 + (crop[..., 1] * (219 / 255)).astype(np.uint8) for crop in pictures(8)]
    seen, expected = PictureMeasures(), PictureMeasures()
    for crop in luma:
        seen.push(crop, is_luma=True)
        expected.push((crop - 16.0) * 255 / 219)
    for name in ("sharpness", "contrast", "change"):
        assert getattr(seen, name) == pytest.approx(getattr(expected, name), rel=1e-4)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("is_luma", [False, True])
def test_measures_of_pictures_are_what_they_say(kind: type, *, is_luma: bool) -> None:
    crops = [crop[..., 1].astype(kind) for crop in pictures(2)]
    seen = PictureMeasures()
    for crop in crops:
        seen.push(crop, is_luma=is_luma)
    scale = 255 / 219 if is_luma else 1
    small = [crop[::2, ::2].astype(float) * scale for crop in crops]
    assert seen.contrast == pytest.approx([shades.std() for shades in small], rel=1e-6)
    assert seen.change == pytest.approx([np.abs(small[1] - small[0]).mean()], rel=1e-6)
    # The middle 1 / 1.8 of 160 pixels.
    face = crops[0][36:124, 36:124].astype(float)
    laplacian = sum(np.roll(face, step, axis) for axis in (0, 1) for step in (-1, 1)) - 4 * face
    sharpness = laplacian[1:-1, 1:-1].var() / (20 * face.var())
    assert seen.sharpness == pytest.approx([sharpness], rel=1e-6)


def test_shifting_a_face_out_of_the_picture_counts_the_points_outside(
    track: FaceTrack, fitted: FittedClip
) -> None:
    middle = track.points_TK3[..., :1].mean()
    out = replace(track, points_TK3=track.points_TK3 + torch.tensor([640 - middle, 0, 0]))
    clip = measured(out, fitted)
    assert 0.3 < clip.outside < 0.7
    assert reject_reasons(clip) == ("face_outside_frame",)


def test_lost_frames_count(track: FaceTrack, fitted: FittedClip) -> None:
    lost = replace(track, interpolated_T=torch.arange(NUM_FRAMES) % 8 == 3)
    assert reject_reasons(measured(lost, fitted)) == ("too_often_lost",)


def test_a_blurred_face_is_rejected_and_a_dim_one_is_not(
    track: FaceTrack, fitted: FittedClip
) -> None:
    blurred = [cv2.GaussianBlur(crop, (0, 0), 3) for crop in pictures()]
    assert reject_reasons(measured(track, fitted, blurred)) == ("too_blurred",)
    dim = [crop // 3 for crop in pictures()]
    assert reject_reasons(measured(track, fitted, dim)) == ()


def test_sharpness_falls_with_blur_alone() -> None:
    face = portrait()[40:200, 70:230]
    blurs = [sharpness_of(cv2.GaussianBlur(face, (0, 0), s)) for s in (0.5, 1.0, 2.0, 4.0)]
    assert blurs == sorted(blurs, reverse=True)
    assert sharpness_of(face // 2) == pytest.approx(sharpness_of(face), rel=0.1)
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    assert sharpness_of(noise) == pytest.approx(1, rel=0.05)
    assert sharpness_of(np.zeros((50, 50, 3), np.uint8)) == 0


def test_black_frames_are_counted(track: FaceTrack, fitted: FittedClip) -> None:
    crops = pictures()
    crops[5:9] = [np.full_like(crops[0], 12)] * 4
    clip = measured(track, fitted, crops)
    assert clip.blank == pytest.approx(4 / NUM_FRAMES)
    assert clip.still_frames == 4
    assert reject_reasons(clip) == ("blank_picture",)


def test_a_frozen_picture_is_counted_by_its_longest_run(
    track: FaceTrack, fitted: FittedClip
) -> None:
    crops = pictures()
    crops[3:6] = [crops[3]] * 3
    crops[8:38] = [crops[8]] * 30
    clip = measured(track, fitted, crops)
    assert clip.still_frames == 30
    assert reject_reasons(clip) == ("frozen_picture",)


def test_jitter_is_rejected(track: FaceTrack, fitted: FittedClip) -> None:
    shaken = track.points_TK3 + 10 * torch.randn(
        track.points_TK3.shape, generator=torch.Generator().manual_seed(1)
    )
    assert "jittery_landmarks" in reject_reasons(
        measured(replace(track, points_TK3=shaken), fitted)
    )


def test_a_shape_that_is_no_face_fits_poorly(track: FaceTrack) -> None:
    bent = track.points_TK3.clone()
    bent[:, ::2, 0] += 25
    shape = replace(track, points_TK3=bent)
    assert reject_reasons(measured(shape, fit(shape))) == ("poor_fit",)


def test_thresholds_reject_on_their_far_side_only(clip: ClipMeasures) -> None:
    turned = replace(clip, turn_T=torch.full((NUM_FRAMES,), 80.0))
    assert reject_reasons(turned) == ("extreme_pose",)
    assert reject_reasons(turned, QualityConfig(max_turn_deg=85)) == ()
    assert reject_reasons(clip, QualityConfig(min_frames=41)) == ("too_short",)
    assert reject_reasons(clip, QualityConfig(min_frames=40)) == ()
    assert reject_reasons(clip, QualityConfig(min_face_px=640)) == ("face_too_small",)


def test_several_reasons_are_all_named(clip: ClipMeasures) -> None:
    bad = replace(clip, num_frames=3, face_px=20.0, residual=0.2)
    assert reject_reasons(bad) == ("too_short", "face_too_small", "poor_fit")


def test_crops_of_another_number_are_refused(track: FaceTrack, fitted: FittedClip) -> None:
    with pytest.raises(ValueError, match="40 frames, the crops were 39"):
        measured(track, fitted, pictures(39))
