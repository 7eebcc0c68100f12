import numpy as np
import pytest

from viseme_pipeline.marks import LABEL, check_label, draw_label


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_the_label_stands_out_from_any_ground(ground: int) -> None:
    frame = np.full((1, 256, 256, 3), ground, np.uint8)
    changed = draw_label(frame)[0].astype(int)[200:, 128:]
    # Letters next to their patch: light on dark whatever lay below.
    assert changed.max() >= 230
    assert changed.min() <= 0.5 * 245


def test_the_label_takes_the_lower_right_corner_and_leaves_the_rest() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), dtype=np.uint8)
    labelled = draw_label(frames)
    rows, columns = np.nonzero((labelled != frames).any(axis=(0, 3)))
    assert rows.min() > 256 * 0.85
    assert columns.min() > 256 * 0.6
    assert columns.max() < 256


def test_the_label_is_the_same_in_every_frame_and_grows_with_the_picture() -> None:
    def area(side: int) -> int:
        labelled = draw_label(np.zeros((2, side, side, 3), np.uint8))
        np.testing.assert_array_equal(labelled[0], labelled[1])
        return int(np.count_nonzero(labelled[0, ..., 0] > 120))

    assert 3 < area(512) / area(256) < 5.5


def test_a_picture_too_narrow_for_the_words_is_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"needs a picture of at least .* got 48 x 48"):
        draw_label(np.zeros((1, 48, 48, 3), np.uint8))
    with pytest.raises(ValueError, match=r"needs a picture of at least .* got 48 x 64"):
        check_label(LABEL, (48, 64))
    check_label(LABEL, (256, 64))
    with pytest.raises(ValueError, match="uint8 frames of shape"):
        draw_label(np.zeros((48, 48, 3), np.uint8))
