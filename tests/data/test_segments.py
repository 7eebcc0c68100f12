import pytest

from viseme_data.segments import Segment, SegmentPlan, tile

PLAN = SegmentPlan(length=40, window=8)
LENGTHS = [1, 7, 8, 9, 39, 40, 41, 80, 81, 200, 1001]


@pytest.mark.parametrize("num_frames", LENGTHS)
def test_segments_cover_every_frame_of_a_clip_once(num_frames):
    segments = PLAN.cut([3, num_frames])[1:]
    covered = [frame for s in segments for frame in range(s.start, s.stop)]
    assert covered == list(range(num_frames))
    assert {s.clip for s in segments} == {1}
    lengths = [s.stop - s.start for s in segments]
    assert max(lengths) <= 40
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("num_frames", LENGTHS)
@pytest.mark.parametrize("frames", [1, 5, 8])
def test_every_window_of_a_clip_begins_in_exactly_one_segment(num_frames, frames):
    starts = [
        start
        for segment in PLAN.cut([num_frames])
        for start in PLAN.starts(segment, num_frames, frames)
    ]
    # As many as a plain count of the places where a window fits, and in their order.
    fitting = [s for s in range(num_frames) if s + frames <= num_frames]
    assert starts == (fitting or [0])


@pytest.mark.parametrize("num_frames", LENGTHS)
def test_what_a_window_needs_lies_in_the_segments_margins(num_frames):
    for segment in PLAN.cut([num_frames]):
        pictures = PLAN.pictures(segment, num_frames)
        tensors = PLAN.tensors(segment, num_frames)
        for start in PLAN.starts(segment, num_frames, 8):
            shown = {min(max(f, 0), num_frames - 1) for f in range(start - 2, start + 8)}
            driven = {min(max(f, 0), num_frames - 1) for f in range(start - 13, start + 8 + 13)}
            assert shown <= set(pictures)
            assert driven <= set(tensors)


def test_a_window_longer_than_the_plan_is_refused():
    with pytest.raises(ValueError, match=r"data.frames is 9.*pack shards again with --window 9"):
        PLAN.starts(Segment(0, 0, 40), 40, 9)


def test_segments_shorter_than_two_windows_are_refused():
    with pytest.raises(ValueError, match="choose segment >= 50"):
        SegmentPlan(length=49, window=25)


@pytest.mark.parametrize("num_frames", LENGTHS)
def test_tiles_show_every_frame_and_are_full_where_the_clip_is_long_enough(num_frames):
    tiles = tile(num_frames, 8)
    assert sorted({f for s in tiles for f in range(s, s + 8) if f < num_frames}) == list(
        range(num_frames)
    )
    assert len(tiles) == -(-num_frames // 8)
    assert num_frames < 8 or max(tiles) + 8 == num_frames
