import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from viseme_core.types import (
    FPS,
    LAYOUT_SIZES,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_FRAME,
    AudioClip,
    CropBox,
    Landmarks,
    Motion,
    ReferenceFace,
    VideoClip,
    count_frames,
)


def make_motion(num_frames: int = 5, face_model: str = "builtin@0123abcd") -> Motion:
    return Motion(
        expression=torch.randn(num_frames, 64),
        pose=torch.randn(num_frames, 6),
        identity=torch.randn(80),
        face_model=face_model,
    )


def make_reference(**changes: object) -> ReferenceFace:
    face = ReferenceFace(
        frame_3HW=torch.zeros(3, 16, 16),
        landmarks=Landmarks(torch.rand(1, 478, 3), "mp478"),
        identity=torch.zeros(80),
        expression=torch.zeros(64),
        pose=torch.zeros(6),
        face_model="builtin@0123abcd",
        crop=CropBox(8, 8, 16),
        source_3HW=torch.zeros(3, 20, 30),
    )
    return replace(face, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "frames"),
    [
        (0.0, 1),
        (1 / 16_000, 1),
        (0.0199, 1),
        (0.02, 1),
        (0.0599, 1),
        (0.06, 2),
        (0.0999, 2),
        (0.1, 3),
        (0.58, 15),
        (1.0, 25),
        (1.0199, 25),
        (1.02, 26),
        (600.0, 15_000),
    ],
)
def test_frame_count_follows_the_table(seconds: float, frames: int) -> None:
    assert count_frames(seconds) == frames


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_frame_count_is_exact_on_both_sides_of_every_edge(rate_hz: int) -> None:
    # Integer arithmetic: floor(25 n / rate + 1 / 2) = floor((50 n + rate) / (2 rate)).
    edges = [(2 * k + 1) * rate_hz // 50 for k in range(5_000)]
    samples = [n + near for n in edges for near in (-1, 0, 1) if n + near > 0]
    expected = [max(1, (50 * n + rate_hz) // (2 * rate_hz)) for n in samples]
    assert [count_frames(n / rate_hz) for n in samples] == expected


def test_audio_clip_tells_its_length_in_seconds_and_frames() -> None:
    clip = AudioClip(torch.zeros(9_280))
    assert clip.seconds == pytest.approx(0.58)
    assert clip.num_frames == 15
    assert AudioClip(torch.zeros(1)).num_frames == 1
    assert AudioClip(torch.zeros(48_000), rate_hz=48_000).num_frames == 25
    assert SAMPLES_PER_FRAME * FPS == SAMPLE_RATE_HZ


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_audio_with_a_hole_names_the_first_bad_sample_and_its_time(bad: float) -> None:
    samples = torch.zeros(16_000)
    samples[[4_000, 9_000]] = bad
    with pytest.raises(ValueError, match=r"first at sample 4000 \(0\.250 s\)"):
        AudioClip(samples)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "message"),
    [
        (torch.zeros(0), 16_000, "is empty"),
        (
            torch.zeros(2, 100),
            16_000,
            r"must have shape \(S\), got \(2, 100\).* by viseme_core.*to_mono",
        ),
        (torch.zeros(100, dtype=torch.int16), 16_000, "must be floating point"),
        (torch.zeros(100), 0, "rate_hz must be positive, got 0"),
    ],
)
def test_audio_that_is_no_mono_sound_is_refused(
    samples: torch.Tensor, rate_hz: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        AudioClip(samples, rate_hz=rate_hz)


def test_video_clip_wants_three_channels_in_second_place() -> None:
    assert VideoClip(torch.zeros(7, 3, 4, 5)).num_frames == 7
    with pytest.raises(ValueError, match=r"frames_T3HW must have shape \(T, 3, H, W\), got"):
        VideoClip(torch.zeros(7, 4, 5, 3))


def test_layouts_have_the_sizes_of_their_parts() -> None:
    lip, jaw, upper = 41, 16, 74
    assert {"mp478": 468 + 2 * 5, "talk131": lip + jaw + upper, "dlib68": 68} == LAYOUT_SIZES


@pytest.mark.parametrize("layout", ["mp478", "talk131", "dlib68"])
@pytest.mark.parametrize("dims", [2, 3])
def test_landmarks_accept_exactly_their_layouts_points(layout: str, dims: int) -> None:
    size = LAYOUT_SIZES[layout]
    assert Landmarks(torch.rand(4, size, dims), layout).num_frames == 4  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"\({layout}\) must have .* with K = {size}, got"):
        Landmarks(torch.rand(4, size - 1, dims), layout)  # type: ignore[arg-type]


def test_landmarks_of_an_unknown_layout_or_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"layout must be one of .*'dlib68'.*, got 'wflw98'"):
        Landmarks(torch.rand(4, 98, 2), "wflw98")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must end in 2 or 3, got 4"):
        Landmarks(torch.rand(4, 68, 4), "dlib68")


def test_slicing_motion_cuts_the_frames_and_keeps_the_person() -> None:
    motion = make_motion(6)
    part = motion[1:5:2]
    np.testing.assert_array_equal(part.expression, motion.expression.numpy()[1:5:2])
    np.testing.assert_array_equal(part.pose, motion.pose.numpy()[1:5:2])
    assert part.identity is motion.identity
    assert (part.face_model, part.fps, part.num_frames) == (motion.face_model, 25, 2)


def test_moving_motion_moves_all_three_tensors() -> None:
    moved = make_motion().to("meta")
    assert {moved.expression.device.type, moved.pose.device.type, moved.identity.device.type} == {
        "meta"
    }


def test_motion_with_unequal_lengths_is_refused() -> None:
    motion = make_motion(5)
    with pytest.raises(ValueError, match=r"Motion\.pose must have shape \(T, 6\) with T = 5, got"):
        replace(motion, pose=torch.zeros(4, 6))


@pytest.mark.parametrize("name", ["builtin", "builtin@", "@0123abcd", "builtin@0123abc", ""])
def test_motion_without_a_full_face_model_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"must read NAME@HASH8"):
        make_motion(face_model=name)


def test_crop_without_rotation_spans_its_square() -> None:
    box = CropBox(cx=100, cy=60, side=40)
    corners = box.to_source(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]))
    np.testing.assert_allclose(corners, [[80, 40], [120, 40], [80, 80], [100, 60]], atol=1e-5)


def test_positive_crop_angle_turns_clockwise_on_screen() -> None:
    # By hand: a quarter turn clockwise brings the crop's right edge to the bottom of the screen
    # (y grows downwards) and its top edge to the right.
    box = CropBox(cx=10, cy=20, side=8, angle=math.pi / 2)
    right, top = box.to_source(torch.tensor([[1.0, 0.5], [0.5, 0.0]]))
    np.testing.assert_allclose(right, [10, 24], atol=1e-5)
    np.testing.assert_allclose(top, [14, 20], atol=1e-5)


def test_crop_matrix_agrees_with_complex_rotation() -> None:
    box = CropBox(cx=321.5, cy=123.25, side=77.0, angle=0.3)
    points = np.random.default_rng(0).uniform(-1, 2, (50, 2))
    # With y down, multiplying x + iy by exp(i angle) turns clockwise on screen.
    turned = (points - 0.5) @ [1, 1j] * 77.0 * np.exp(0.3j) + (321.5 + 123.25j)
    got = box.to_source(torch.from_numpy(points)).numpy()
    np.testing.assert_allclose(got @ [1, 1j], turned, rtol=1e-12)


def test_crop_and_source_coordinates_are_inverse() -> None:
    box = CropBox(cx=1234.5, cy=987.25, side=511.0, angle=-0.7)
    points = torch.rand(3, 40, 2, dtype=torch.float64)
    back = box.to_crop(box.to_source(points))
    # Source pixels near 1e3 leave about 1e-13 of float64 relative to the crop's side.
    np.testing.assert_allclose(back, points, atol=1e-12)
    assert back.dtype == torch.float64


def test_integer_pixels_map_as_their_floating_point_values() -> None:
    box = CropBox(cx=10, cy=20, side=8, angle=0.4)
    pixels = torch.tensor([[11, 22], [7, 19]])
    torch.testing.assert_close(box.to_crop(pixels), box.to_crop(pixels.float()))


@pytest.mark.parametrize("side", [0.0, -1.0, float("nan")])
def test_crop_without_extent_is_refused(side: float) -> None:
    with pytest.raises(ValueError, match=r"CropBox\.side must be positive"):
        CropBox(0, 0, side)


def test_reference_face_wants_one_frame_of_mediapipe_landmarks() -> None:
    assert make_reference().landmarks.num_frames == 1
    with pytest.raises(ValueError, match=r"one frame of 'mp478', got 2 of 'mp478'"):
        make_reference(landmarks=Landmarks(torch.rand(2, 478, 3), "mp478"))
    with pytest.raises(ValueError, match=r"one frame of 'mp478', got 1 of 'dlib68'"):
        make_reference(landmarks=Landmarks(torch.rand(1, 68, 2), "dlib68"))


@pytest.mark.parametrize("name", ["frame_3HW", "source_3HW", "identity", "expression", "pose"])
def test_reference_face_names_the_part_with_a_wrong_shape(name: str) -> None:
    with pytest.raises(ValueError, match=rf"ReferenceFace\.{name} must have shape"):
        make_reference(**{name: torch.zeros(2)})


@pytest.mark.parametrize("depth", [0.0, -1.0, float("nan"), float("inf")])
def test_a_head_without_depth_is_refused(depth):
    with pytest.raises(ValueError, match=r"ReferenceFace\.depth must be a positive number, got"):
        make_reference(depth=depth)
