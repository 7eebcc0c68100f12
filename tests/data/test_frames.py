import gc
from fractions import Fraction

import av
import numpy as np
import pytest

from tests.data.damage import cut_by_edit_list, patched
from tests.data.make_media import (
    HEIGHT,
    WIDTH,
    Pictures,
    coded,
    corner_names,
    corners,
    number_of,
    write_media,
)
from viseme_core.types import count_frames
from viseme_data.container import MediaError
from viseme_data.frames import read_frames, read_pictures

NO_REORDERING = {"bf": "0"}


def expected_numbers(times: np.ndarray, lasts: float) -> list[int]:
    """The rule of `read_frames`, said a second time: nearest within 20 ms, else the last before."""
    numbers = []
    for slot in range(count_frames(times[-1] + lasts)):
        away = np.abs(times - slot / 25)
        near = int(away.argmin())
        numbers.append(near if away[near] <= 0.02 else int((times <= slot / 25).sum()) - 1)
    return numbers


@pytest.mark.parametrize(
    "fps",
    [
        *(Fraction(n) for n in (12, 15, 24, 25, 30, 50, 60, 120)),
        *(Fraction(n, 1001) for n in (24_000, 30_000, 60_000)),
    ],
    ids=lambda fps: f"{float(fps):.3f}",
)
def test_each_picture_of_a_steady_rate_is_the_nearest_one(tmp_path, fps):
    number = round(2 * fps)
    path = write_media(tmp_path / "video.mp4", Pictures(number=number, fps=fps))
    numbers = [number_of(frame) for frame in read_frames(path)]
    assert numbers == expected_numbers(np.arange(number) / float(fps), float(1 / fps))


@pytest.mark.parametrize("seed", range(4))
def test_pictures_of_a_variable_rate_are_nearest_or_held(tmp_path, seed):
    steps = np.random.default_rng(seed).choice([0.0083, 0.0167, 0.0333, 0.0411, 0.13, 0.6], 60)
    times = np.concatenate([[0], steps.cumsum()])
    path = write_media(
        tmp_path / "video.mp4", Pictures(times=times.tolist(), options=NO_REORDERING)
    )
    numbers = [number_of(frame) for frame in read_frames(path)]
    assert numbers == expected_numbers(times, 0.04)


def test_a_held_picture_is_not_replaced_before_its_time(tmp_path):
    path = write_media(tmp_path / "slides.mp4", Pictures(times=[0, 1.0], options=NO_REORDERING))
    assert [number_of(frame) for frame in read_frames(path)] == [0] * 25 + [1]


def test_a_picture_that_repeats_is_the_same_array(tmp_path):
    path = write_media(tmp_path / "video.mp4", Pictures(number=4, fps=Fraction(10)))
    frames = list(read_frames(path))
    assert len(frames) == 10
    assert len({id(frame) for frame in frames}) == 4


def test_the_last_picture_lasts_as_long_as_the_file_says(tmp_path):
    path = write_media(
        tmp_path / "video.mp4", Pictures(times=[0, 0.04], fps=Fraction(1), options=NO_REORDERING)
    )
    assert len(list(read_frames(path))) == 26


def test_an_edit_list_takes_away_what_it_skips(tmp_path):
    path = write_media(tmp_path / "video.mp4", Pictures())
    patched(path, lambda content: cut_by_edit_list(content, 10 * 3600))
    assert [number_of(frame) for frame in read_frames(path)] == list(range(10, 50))


def test_pictures_without_timestamps_follow_each_other(tmp_path):
    path = write_media(tmp_path / "video.h264", Pictures(options={"bf": "2"}), container="h264")
    assert [number_of(frame) for frame in read_frames(path)] == list(range(50))


def test_one_thread_gives_the_same_pictures(tmp_path):
    path = write_media(tmp_path / "video.mp4", Pictures())
    many, one = list(read_frames(path)), list(read_frames(path, threads=1))
    assert all(np.array_equal(a, b) for a, b in zip(many, one, strict=True))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_pictures_stand_upright(tmp_path, degrees, mirrored):
    video = Pictures(number=2, draw=lambda _: corners(), rotation=(degrees, mirrored))
    path = write_media(tmp_path / "phone.mp4", video)
    upright = np.rot90(corners(), degrees // 90)
    upright = upright[:, ::-1] if mirrored else upright
    frame = next(read_frames(path))
    assert frame.shape == upright.shape
    assert corner_names(frame) == corner_names(upright)


@pytest.mark.parametrize(("aspect", "width"), [((2, 1), 128), ((12, 11), 70), ((8, 9), 57)])
def test_pixels_are_made_square(tmp_path, aspect, width):
    path = write_media(tmp_path / "tv.mp4", Pictures(number=2, pixel_aspect=Fraction(*aspect)))
    frame = list(read_frames(path))[1]
    assert frame.shape == (HEIGHT, width, 3)
    assert number_of(frame) == 1


def test_pixels_are_made_square_before_the_picture_is_turned(tmp_path):
    video = Pictures(number=1, pixel_aspect=Fraction(2), rotation=(90, False))
    path = write_media(tmp_path / "tv.mp4", video)
    assert next(read_frames(path)).shape == (2 * WIDTH, HEIGHT, 3)


def test_pictures_that_would_fill_the_memory_are_refused(tmp_path):
    video = Pictures(number=1, pixel_aspect=Fraction(44), draw=lambda k: coded(k, 400))
    path = write_media(tmp_path / "wide.mp4", video)
    with pytest.raises(MediaError, match=r"17600 x 48.*; scale") as caught:
        next(read_frames(path))
    assert caught.value.reason == "unsupported"


def test_transparent_parts_are_white(tmp_path):
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[: HEIGHT // 2, :] = 0
    alpha[-1, :] = 51
    video = Pictures(
        number=1, codec="ffv1", pixels="bgra", draw=lambda _: np.dstack([coded(5), alpha])
    )
    frame = next(read_frames(write_media(tmp_path / "alpha.mkv", video)))
    assert (frame[: HEIGHT // 2] == 255).all()
    np.testing.assert_array_equal(frame[HEIGHT // 2 : -1], coded(5)[HEIGHT // 2 : -1])
    np.testing.assert_array_equal(
        np.unique(frame[-1]), [255 * 0.8 + 30 * 0.2, 255 * 0.8 + 220 * 0.2]
    )


@pytest.mark.parametrize("pixels", ["gray", "yuv420p10le", "bgr0", "yuv444p16le"])
def test_levels_survive_every_pixel_format(tmp_path, pixels):
    video = Pictures(number=1, codec="ffv1", pixels=pixels, draw=lambda _: coded(0b1010, 63, 47))
    frame = next(read_frames(write_media(tmp_path / "video.mkv", video)))
    assert frame.shape == (47, 63, 3)
    np.testing.assert_allclose(frame.astype(int), coded(0b1010, 63, 47), atol=2)


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path):
    parts = [
        write_media(
            tmp_path / f"{k}.h264", Pictures(number=5, draw=lambda n, w=w, h=h: coded(n, w, h))
        )
        for k, (w, h) in enumerate([(64, 48), (96, 72)])
    ]
    path = tmp_path / "call.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = list(read_frames(path))
    assert {frame.shape for frame in frames} == {(48, 64, 3)}
    assert [number_of(frame) for frame in frames] == [*range(5), *range(5)]


@pytest.mark.parametrize(("matrix", "red", "blue"), [(1, 0.2126, 0.0722), (6, 0.299, 0.114)])
@pytest.mark.parametrize("is_full", [False, True])
def test_colours_follow_the_matrix_and_range_that_the_file_names(
    tmp_path, matrix, red, blue, is_full
):
    path = tmp_path / "colour.mp4"
    y, u, v = 120, 100, 170
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 2 if is_full else 1
        frame = av.VideoFrame(64, 48, "yuv420p")
        for plane, value in zip(frame.planes, (y, u, v), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        container.mux(stream.encode(frame) + stream.encode(None))
    # ITU-R BT.601 and BT.709: y from 16 to 235 and u, v from 16 to 240, or all from 0 to 255.
    low, luma, chroma = (0, 255, 255) if is_full else (16, 219, 224)
    level, du, dv = (y - low) / luma, (u - 128) / chroma, (v - 128) / chroma
    r, b = level + 2 * (1 - red) * dv, level + 2 * (1 - blue) * du
    g = (level - red * r - blue * b) / (1 - red - blue)
    seen = next(read_frames(path))[24, 32]
    np.testing.assert_allclose(seen, np.array([r, g, b]) * 255, atol=2)


def test_pictures_are_gone_with_their_last_user_without_a_collector(tmp_path):
    # One that stays keeps the memory of all that were held: the decoder frees them together.
    path = write_media(tmp_path / "video.mp4", Pictures(number=20, rotation=(90, False)))
    gc.collect()
    gc.disable()
    try:
        pictures = list(read_pictures(path, threads=1))
        assert sum(type(thing) is av.VideoFrame for thing in gc.get_objects()) >= 20
        del pictures
        assert sum(type(thing) is av.VideoFrame for thing in gc.get_objects()) == 0
    finally:
        gc.enable()
