"""CPBD and its Canny edges against the `cpbd` package and scikit-image, on a face and drawings."""

import importlib
import itertools
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage
import torch
from PIL import Image
from skimage.data import astronaut
from skimage.feature import canny

from tests.eval.pictures import as_frames, blurred, face
from viseme_eval.functional.canny import canny_edges
from viseme_eval.functional.cpbd import cpbd, grey_levels
from viseme_eval.metrics.cpbd import CPBD

# Both count edges; only the division of the counts is rounded differently.
TOLERANCE = 1e-12


@pytest.fixture(scope="module")
def package() -> Callable[[np.ndarray], float]:
    """Return the function of the `cpbd` package; it imports a name that scipy dropped."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(scipy.ndimage, "imread", None, raising=False)
        return importlib.import_module("cpbd").compute


def grey(picture: np.ndarray) -> np.ndarray:
    """Return a picture as the package reads it."""
    return np.asarray(Image.fromarray(picture).convert("L"))


def portrait(size: int = 128) -> np.ndarray:
    """Return the astronaut's head."""
    whole = Image.fromarray(astronaut()[:300, 80:380])
    return np.asarray(whole.resize((size, size), Image.Resampling.BICUBIC))


def drawing(size: int = 128) -> np.ndarray:
    """Return boxes, bars and a disc: full of plateaus and of equal gradients."""
    picture = np.full((size, size, 3), 30, np.uint8)
    picture[20:70, 30:90] = (200, 180, 40)
    picture[80:84] = 90
    y, x = np.mgrid[:size, :size]
    picture[(x - 90) ** 2 + (y - 95) ** 2 < 20**2] = (10, 120, 250)
    picture[::9, ::7] += 3
    return picture


def ramp(*, falling: bool, size: int = 128) -> np.ndarray:
    """Return a picture whose walks reach the ends of the row."""
    levels = np.linspace(0, 255, size).astype(np.uint8)
    levels = levels[::-1] if falling else levels
    picture = np.repeat(np.tile(levels, (size, 1))[..., None], 3, 2)
    picture[:, 60:] = np.minimum(picture[:, 60:].astype(int) + 40, 255)
    return picture


def faint(levels: int, size: int = 128) -> np.ndarray:
    """Return a nearly flat picture, where Canny's tracking and the count of edges decide."""
    smooth = scipy.ndimage.gaussian_filter(
        np.random.default_rng(1).normal(size=(size, size, 3)), (7, 7, 0)
    )
    return np.rint(120 + smooth / np.abs(smooth).max() * levels).astype(np.uint8)


def soft_steps() -> np.ndarray:
    """Return blocks with edges of two to six pixels whose contrast is at the package's limit."""
    profiles = ([0.3, 0.6], [0.1, 0.5, 0.9], [0.1, 0.4, 0.6, 0.9], [0.05, 0.2, 0.5, 0.8, 0.95])
    blocks = []
    for contrast in (50, 51):
        row = []
        for i, profile in enumerate(profiles):
            line = np.concatenate([np.zeros(30), profile, np.ones(64)])[:64]
            line = line[::-1] if i % 2 else line
            row.append(np.tile(np.rint(100 + line * contrast), (64, 1)))
        blocks.append(np.concatenate(row, 1))
    return np.repeat(np.concatenate(blocks)[..., None], 3, 2).astype(np.uint8)


def comb(size: int = 128) -> np.ndarray:
    """Return soft upright edges with flat rows between, where the package sees an angle of 0."""
    x = np.arange(size)
    line = 120 + 80 * np.tanh(((x % 32) - 16) / 2) * np.where(x // 32 % 2, -1, 1)
    picture = np.tile(np.rint(line), (size, 1))
    picture[::2] = 120
    return np.repeat(picture[..., None], 3, 2).astype(np.uint8)


def soft_rise(*, falling: bool, size: int = 128) -> np.ndarray:
    """Return one soft upright edge; rising, all its angles are 0 and the package sees none."""
    line = np.rint(120 + 20 * np.tanh((np.arange(size) - 40) / 0.5))
    line = line[::-1] if falling else line
    return np.repeat(np.tile(line, (size, 1))[..., None], 3, 2).astype(np.uint8)


PICTURES = {
    "face": portrait(),
    "wide face": portrait(200)[:140],
    "soft face": blurred(portrait(), 0.7),
    "drawing": drawing(),
    "soft drawing": blurred(drawing(), 1.5),
    "rising": ramp(falling=False),
    "falling": ramp(falling=True),
    "soft steps": soft_steps(),
    "comb": comb(),
    "soft rise": soft_rise(falling=False),
    "soft fall": soft_rise(falling=True),
    "lying": ramp(falling=False).transpose(1, 0, 2).copy(),
    "faint": faint(2),
    "pale face": (portrait() // 5 + 100).astype(np.uint8),
    "noise": np.random.default_rng(0).integers(90, 94, (128, 128, 3)).astype(np.uint8),
    "flat": np.full((128, 128, 3), 77, np.uint8),
}


@pytest.mark.parametrize("name", PICTURES)
def test_cpbd_is_that_of_the_package(package: Callable[[np.ndarray], float], name: str) -> None:
    picture = PICTURES[name]
    expected = package(grey(picture))
    assert cpbd(as_frames(picture)).item() == pytest.approx(expected, abs=TOLERANCE)


def test_lower_half_is_a_picture_of_its_own(package: Callable[[np.ndarray], float]) -> None:
    picture = portrait()
    expected = package(grey(picture)[64:])
    got = cpbd(as_frames(picture), region="lower").item()
    assert got == pytest.approx(expected, abs=TOLERANCE)
    assert abs(got - cpbd(as_frames(picture)).item()) > 0.01


def test_pictures_cover_sharp_and_blurred_and_undecided() -> None:
    values = {name: cpbd(as_frames(picture)).item() for name, picture in PICTURES.items()}
    assert values["flat"] == 0 < values["soft face"] < values["face"] < 1
    # The same edge either way: the package's quirk.
    assert values["soft rise"] == 0 < values["soft fall"]


@pytest.mark.parametrize("name", PICTURES)
def test_canny_edges_are_those_of_scikit_image(name: str) -> None:
    levels = grey(PICTURES[name]).astype(float)
    for scale in (1.0, 1 / 255, 0.01):
        picture = levels * scale
        got = canny_edges(torch.from_numpy(picture)[None])[0].numpy()
        np.testing.assert_array_equal(got, canny(picture))


def test_tracking_follows_weak_edges_from_strong_ones() -> None:
    picture = np.zeros((40, 60))
    # A step that fades along its length: strong above, weak below; and one weak all along.
    picture[:, 30:] = np.linspace(0.2, 0.03, 40)[:, None]
    picture[:, 50:] += 0.04
    edges = canny_edges(torch.from_numpy(picture)[None])[0].numpy()
    np.testing.assert_array_equal(edges, canny(picture))
    assert edges[5:, 29:31].any()
    assert not edges[10:-10, 45:55].any()


def test_grey_levels_are_those_of_pillow() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    np.testing.assert_array_equal(grey_levels(as_frames(colours))[0].numpy(), grey(colours))


def test_blur_lowers_cpbd_step_by_step() -> None:
    picture = portrait(256)
    copies = [picture, *(blurred(picture, x) for x in (0.5, 0.75, 1.0, 1.5, 2.0))]
    for region in ("whole", "lower"):
        values = cpbd(as_frames(*copies), region=region).tolist()
        assert all(later < earlier for earlier, later in itertools.pairwise(values))


def test_frames_are_measured_one_by_one() -> None:
    frames = as_frames(*(x for x in PICTURES.values() if x.shape == (128, 128, 3)))
    alone = torch.cat([cpbd(frame[None]) for frame in frames])
    assert torch.equal(cpbd(frames), alone)
    metric = CPBD(average="none")
    for clip, some in enumerate(frames.split(3)):
        metric.update(some, clip=clip)
    expected = torch.stack([x.mean() for x in alone.split(3)])
    torch.testing.assert_close(metric.compute(), expected)


def test_what_lies_beyond_the_range_is_clipped() -> None:
    frames = face(64)
    torch.testing.assert_close(cpbd(frames * 1.4), cpbd((frames * 1.4).clamp(-1, 1)))


def test_frames_smaller_than_a_block_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 64 x 64 px, got lower frames of 50 x 100"):
        cpbd(torch.zeros(1, 3, 100, 100), region="lower")
    assert cpbd(torch.zeros(0, 3, 64, 64)).shape == (0,)
