from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.make_media import HEIGHT, WIDTH, coded, corner_names, corners
from viseme_data.media import MediaError, read_image

ORIENTATION = 0x0112
# What the viewer must do to a picture of each EXIF orientation; the inverse makes the file.
UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: np.rot90(p, 1),
}


def saved(path: Path, picture: np.ndarray, **options) -> Path:
    Image.fromarray(picture).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("a.png", {}, 0),
        ("a.bmp", {}, 0),
        ("a.tiff", {}, 0),
        ("a.gif", {}, 0),
        ("a.webp", {"lossless": True}, 0),
        ("a.jpg", {"quality": 95}, 8),
        ("a name with \u5634.png", {}, 0),
    ],
)
def test_a_picture_of_every_common_kind_is_read(tmp_path, name, options, error):
    picture = read_image(saved(tmp_path / name, coded(0b0110), **options))
    assert (picture.dtype, picture.shape) == (np.uint8, (HEIGHT, WIDTH, 3))
    assert np.abs(picture.astype(int) - coded(0b0110)).max() <= error
    assert picture.flags.writeable


def test_the_content_counts_and_not_the_extension(tmp_path):
    path = saved(tmp_path / "really.png", coded(3))
    assert (read_image(path.rename(tmp_path / "a.jpg")) == coded(3)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright_as_its_exif_says(tmp_path, orientation):
    stored = corners()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = read_image(saved(tmp_path / "phone.jpg", stored, exif=exif, quality=95))
    upright = UPRIGHT[orientation](stored)
    assert picture.shape == upright.shape
    assert corner_names(picture) == corner_names(upright)


def test_transparent_parts_are_white(tmp_path):
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[:, WIDTH // 2 :] = 255
    alpha[-1] = 51
    picture = read_image(saved(tmp_path / "a.png", np.dstack([coded(0), alpha])))
    assert (picture[:-1, : WIDTH // 2] == 255).all()
    assert (picture[:-1, WIDTH // 2 :] == 30).all()
    assert (picture[-1] == 0.8 * 255 + 0.2 * 30).all()


@pytest.mark.parametrize("mode", ["P", "LA", "L"])
def test_a_transparent_colour_is_white_in_every_mode(tmp_path, mode):
    grey = coded(0b0110)[..., 0]
    path = tmp_path / "a.png"
    if mode == "LA":
        saved(path, np.dstack([grey, np.where(grey == 30, 0, 255).astype(np.uint8)]))
    else:
        image = Image.fromarray(grey)
        colours = image.convert(mode)
        index = int(np.asarray(colours)[grey == 30][0])
        colours.save(path, transparency=index)
    picture = read_image(path)
    np.testing.assert_array_equal(picture, np.where(coded(0b0110) == 30, 255, 220))


def test_ink_becomes_light(tmp_path):
    path = tmp_path / "print.jpg"
    # A quarter of cyan, all of magenta, no yellow, half of black.
    Image.new("CMYK", (32, 32), (64, 255, 0, 128)).save(path, quality=95)
    expected = [(1 - ink / 255) * (1 - 128 / 255) * 255 for ink in (64, 255, 0)]
    np.testing.assert_allclose(read_image(path)[16, 16], expected, atol=3)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, suffix):
    more = [Image.fromarray(coded(k)) for k in (2, 4)]
    options = {"lossless": True} if suffix == "webp" else {}
    path = saved(
        tmp_path / f"a.{suffix}",
        coded(1),
        save_all=True,
        append_images=more,
        duration=40,
        **options,
    )
    np.testing.assert_array_equal(read_image(path), coded(1))


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_become_eight(tmp_path, suffix):
    deep = np.linspace(0, 65_535, 32 * 48).astype(np.uint16).reshape(32, 48)
    picture = read_image(saved(tmp_path / f"deep.{suffix}", deep))
    assert picture.shape == (32, 48, 3)
    np.testing.assert_array_equal(picture[..., 1], (deep / 257).round().astype(np.uint8))


def broken(path: Path, keep: float) -> None:
    content = saved(path, np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    path.write_bytes(content.read_bytes()[: int(content.stat().st_size * keep)])


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("missing.png", lambda path: None, "missing"),
        ("folder.png", lambda path: path.mkdir(), "folder"),
        ("empty.png", lambda path: path.touch(), "empty"),
        ("text.png", lambda path: path.write_text("The rain in Spain\n" * 9), "unreadable"),
        ("cut.jpg", lambda path: broken(path, 0.5), "damaged"),
        ("cut.png", lambda path: broken(path, 0.5), "damaged"),
        ("cut.webp", lambda path: broken(path, 0.5), "unreadable"),
        ("float.tiff", lambda path: saved(path, np.ones((8, 8), np.float32)), "unsupported"),
        ("long.png", lambda path: Image.new("1", (20_000, 1)).save(path), "unsupported"),
        ("bomb.png", lambda path: Image.new("1", (14_000, 14_000)).save(path), "unsupported"),
    ],
)
def test_a_bad_picture_is_refused_with_a_reason(tmp_path, name, make, reason):
    make(tmp_path / name)
    with pytest.raises(MediaError, match=r"'.*'.*; \w+") as caught:
        read_image(tmp_path / name)
    assert caught.value.reason == reason
