import numpy as np
import pytest
from PIL import Image

from tests.pipeline.faces import portrait
from viseme_data.write import VideoWriter
from viseme_pipeline import build_picture
from viseme_pipeline.build_picture import NUM_FRAMES, SIDE_PX, main


def film(path):
    """The demo's size; each frame's place is filled with its number."""
    with VideoWriter(path, (512, 512), audio=16_000, crf=4) as writer:
        for number in range(50):
            frame = np.full((512, 512, 3), 4 * number, np.uint8)
            frame[:100, 96:352] = portrait(256)[:100]
            writer.write(frame)
        writer.write_audio(np.zeros(32_000, np.float32))
    return path


def test_it_shows_frames_in_their_order_and_is_small(tmp_path):
    main([str(tmp_path / "pictures" / "demo.png"), "--film", str(film(tmp_path / "f.mp4"))])
    made = tmp_path / "pictures" / "demo.png"
    assert made.stat().st_size < 400_000
    shown = np.asarray(Image.open(made).convert("RGB")).astype(int)
    assert shown.shape == (SIDE_PX, NUM_FRAMES * (SIDE_PX + 4) - 4, 3)
    lower = [shown[180, number * (SIDE_PX + 4) + 100, 0] for number in range(NUM_FRAMES)]
    assert lower == pytest.approx([4 * number for number in (9, 14, 19, 24, 29, 34)], abs=6)
    # The head of the portrait stands in each.
    first, last = shown[:80, :SIDE_PX], shown[:80, -SIDE_PX:]
    assert np.abs(first - last).mean() < 12


@pytest.mark.slow
def test_the_demos_own_picture_fits_into_the_repository(tmp_path, marks):
    build_picture.build(tmp_path / "demo.png")
    assert marks.starts[0] == 0
    assert (tmp_path / "demo.png").stat().st_size < 400_000
