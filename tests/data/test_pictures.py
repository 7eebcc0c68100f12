from pathlib import Path

import av
import numpy as np
import pytest
import torch

from tests.data.prepared import SIZE, write_video
from viseme_data.frames import read_frames
from viseme_data.pictures import CropVideo
from viseme_data.write import VideoWriter

NUM_FRAMES = 47


@pytest.fixture(scope="module", params=[0, 1], ids=["in order", "out of order"])
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its frames are stored in the order they are shown, or not."""
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    write_video(path, request.param, NUM_FRAMES)
    return path


def all_pictures(path: Path) -> torch.Tensor:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)


def test_pictures_in_any_order_are_those_of_plain_decoding(video):
    expected = all_pictures(video)
    assert len(expected) == NUM_FRAMES
    reader = CropVideo(video)
    for numbers in ([0], [46], [3, 4, 5], [30, 2, 30, 31, 45], list(range(NUM_FRAMES)), [7]):
        assert torch.equal(reader.read(numbers), expected[numbers])


@pytest.mark.parametrize("wanted", [range(0, 47), range(0, 3), range(13, 21), range(46, 47)])
def test_a_piece_holds_the_same_pictures_and_few_others(video, wanted):
    expected = all_pictures(video)
    content, first = CropVideo(video).cut(wanted)
    piece = CropVideo(content)
    assert wanted.start - 5 < first <= wanted.start
    assert wanted.stop <= first + piece.num_frames < wanted.stop + 5
    numbers = [n - first for n in wanted]
    assert torch.equal(piece.read(numbers), expected[list(wanted)])


def test_cutting_twice_gives_the_same_bytes_and_reading_goes_on(video):
    reader = CropVideo(video)
    before = reader.read([20])
    assert reader.cut(range(10, 30)) == reader.cut(range(10, 30))
    assert torch.equal(reader.read([20]), before)


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_colours_are_those_that_the_rest_of_the_package_reads(tmp_path, matrix):
    path = tmp_path / "colours.mp4"
    colours = [(200, 40, 60), (30, 180, 90), (20, 60, 220)]
    with VideoWriter(path, (SIZE, SIZE), key_every=2, matrix=matrix) as writer:
        for colour in colours:
            writer.write(np.full((SIZE, SIZE, 3), colour, np.uint8))
    pictures = CropVideo(path).read(range(3)).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(pictures, np.stack(list(read_frames(path))))
    # Luma and chroma are rounded, and the codec loses a little.
    assert np.abs(pictures.mean((1, 2)) - colours).max() < 4


def test_pictures_that_are_not_there_are_refused(video):
    with pytest.raises(ValueError, match="no picture 47"):
        CropVideo(video).read([47])
    with pytest.raises(ValueError, match="pictures 40 to 50 are not all there"):
        CropVideo(video).cut(range(40, 50))


def test_a_cut_off_file_is_refused_by_name(video, tmp_path):
    part = tmp_path / "part.mp4"
    part.write_bytes(video.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"part.mp4' cannot be read .* cut off or damaged"):
        CropVideo(part)
    with pytest.raises(ValueError, match="there is no video"):
        CropVideo(tmp_path / "none.mp4")
