"""Films of planes that are there already: nothing is converted, nothing is copied but once."""

from pathlib import Path

import numpy as np
import pytest

from viseme_data.frames import read_pictures
from viseme_data.write import VideoWriter


@pytest.mark.parametrize("size", [(64, 48), (50, 34)])
def test_planes_are_coded_as_they_are(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    draw = np.random.default_rng(0)
    # Wider than what is written, as crops of a larger picture are.
    frames = [draw.integers(16, 235, (3, height, width + 6)).astype(np.uint8) for _ in range(5)]
    path = tmp_path / "film.mp4"
    with VideoWriter(path, size, crf=0, preset="ultrafast") as writer:
        for y, u, v in frames:
            writer.write_planes(
                y[:, :width], u[: height // 2, : width // 2], v[: height // 2, : width // 2]
            )
    read = [picture.planes() for picture in read_pictures(path)]
    assert len(read) == len(frames)
    for planes, (y, u, v) in zip(read, frames, strict=True):
        assert planes is not None
        np.testing.assert_array_equal(planes.y_HW, y[:, :width])
        np.testing.assert_array_equal(planes.u_hw, u[: height // 2, : width // 2])
        np.testing.assert_array_equal(planes.v_hw, v[: height // 2, : width // 2])


@pytest.mark.parametrize(
    ("kind", "half"), [(np.float32, (24, 32)), (np.uint8, (48, 64)), (np.uint8, (24, 31))]
)
def test_planes_that_are_none_are_refused(
    tmp_path: Path, kind: type, half: tuple[int, int]
) -> None:
    with VideoWriter(tmp_path / "film.mp4", (64, 48)) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        with pytest.raises(ValueError, match="write_planes expects uint8 of"):
            writer.write_planes(*(np.zeros(shape, kind) for shape in ((48, 64), half, half)))
