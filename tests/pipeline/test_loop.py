from itertools import islice

import numpy as np

from viseme_motion import mirror_loop
from viseme_pipeline.loop import forward, looped


def pictures(count: int) -> list[np.ndarray]:
    """Grey pictures, each four levels brighter than the one before."""
    return [np.full((64, 64, 3), 20 + 4 * number, np.uint8) for number in range(count)]


def test_a_clip_runs_back_and_forth_in_step_with_its_motion(tmp_path):
    shown = list(islice(looped(iter(pictures(14)), (64, 64), 14, tmp_path), 60))
    numbers = [number for number, _ in shown]
    assert numbers == mirror_loop(14, 0, 60).tolist()
    for number, picture in shown:
        # Less than half of the step from one picture to the next.
        assert abs(float(picture.mean()) - (20 + 4 * number)) < 1.9


def test_a_clip_of_one_picture_stands_still(tmp_path):
    shown = list(islice(looped(iter(pictures(1)), (64, 64), 1, tmp_path), 12))
    assert [number for number, _ in shown] == [0] * 12


def test_a_clip_that_is_long_enough_is_shown_as_it_is():
    given = pictures(3)
    assert [picture is given[number] for number, picture in forward(iter(given))] == [True] * 3
