from itertools import cycle, islice

import pytest
import torch

from viseme_core.types import VideoClip
from viseme_render.talkformer.loop import looped


def numbered(count: int) -> VideoClip:
    return VideoClip(torch.arange(count).float()[:, None, None, None].expand(-1, 3, 2, 2))


@pytest.mark.parametrize(("count", "wanted"), [(4, 15), (1, 5), (2, 7), (9, 4)])
def test_a_template_runs_forth_and_back_until_there_are_enough(count, wanted):
    clips = list(looped(numbered(count), wanted, chunk=4))
    assert all(clip.num_frames == 4 for clip in clips[:-1])
    found = torch.cat([clip.frames_T3HW for clip in clips])[:, 0, 0, 0].tolist()
    there_and_back = [*range(count), *range(count - 2, 0, -1)]
    assert found == list(islice(cycle(there_and_back), wanted))


def test_templates_without_frames_and_films_without_length_are_refused():
    with pytest.raises(ValueError, match="at least one frame to be looped"):
        list(looped(numbered(0), 5))
    with pytest.raises(ValueError, match="num_frames and chunk must be at least 1, got 0 and 25"):
        list(looped(numbered(3), 0))
