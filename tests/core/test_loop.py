from itertools import cycle, islice

import pytest
import torch

from viseme_core.loop import mirror_loop


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_clip_runs_forth_and_back(count):
    there_and_back = [*range(count), *range(count - 2, 0, -1)]
    expected = list(islice(cycle(there_and_back), 40))
    assert mirror_loop(count, 0, 40).tolist() == expected
    assert mirror_loop(count, 13, 29).tolist() == expected[13:29]
    assert mirror_loop(count, 0, 1).dtype == torch.int64


def test_a_clip_without_frames_is_refused():
    with pytest.raises(ValueError, match="at least one frame to be looped"):
        mirror_loop(0, 0, 5)
