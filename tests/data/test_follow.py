"""Tracks: who is who over time, what is filled, and what ends them."""

import numpy as np
import pytest
import torch

from tests.data.faces import flat_face
from viseme_data.boxes import area, box_of, shared_area
from viseme_data.follow import (
    FaceFollower,
    FaceTrack,
    FollowConfig,
    choose,
    outside_share,
    split_outside,
)


def follow(
    frames: list[list[np.ndarray]],
    *,
    cuts: tuple[int, ...] = (),
    config: FollowConfig | None = None,
) -> list[FaceTrack]:
    follower = FaceFollower(config)
    for i, faces in enumerate(frames):
        follower.push(faces, is_cut=i in cuts)
    return follower.finish()


def spans(tracks: list[FaceTrack]) -> list[tuple[int, int]]:
    return [(track.start_frame, track.end_frame) for track in tracks]


def track(start: int, num_frames: int, side: float) -> FaceTrack:
    points = torch.from_numpy(np.stack([flat_face(100, 100, side)] * num_frames))
    return FaceTrack(
        start_frame=start, points_TK3=points, interpolated_T=torch.zeros(num_frames).bool()
    )


def test_boxes_share_what_they_share() -> None:
    one, other = box_of(flat_face(50, 50, 20)), box_of(flat_face(60, 55, 20))
    assert one.tolist() == [40, 40, 60, 60]
    assert (area(one), shared_area(one, other)) == (400, 150)
    assert shared_area(one, one + 100) == 0


def test_a_face_is_one_track() -> None:
    frames = [[flat_face(100 + 5 * i, 90, 60)] for i in range(30)]
    (only,) = follow(frames)
    assert spans([only]) == [(0, 30)]
    assert not only.interpolated_T.any()
    assert only.points_TK3[7].numpy() == pytest.approx(frames[7][0])


def test_two_faces_stay_apart_in_whatever_order_they_come() -> None:
    frames = []
    for i in range(30):
        pair = [flat_face(100 + 2 * i, 90, 60), flat_face(246 - 2 * i, 90, 60)]
        frames.append(pair if i % 2 else pair[::-1])
    # They come as near as 146 - 4 * 29 = 30 px, half a face.
    tracks = follow(frames)
    assert spans(tracks) == [(0, 30), (0, 30)]
    for one in tracks:
        steps = one.points_TK3[:, 0, 0].diff()
        assert float(steps.abs().max()) == pytest.approx(2, abs=1e-3)


@pytest.mark.parametrize("gap", [1, 5])
def test_short_gaps_are_interpolated(gap: int) -> None:
    frames = [[flat_face(100 + 3 * i, 90, 60)] for i in range(30)]
    truth = torch.from_numpy(np.stack([faces[0] for faces in frames]))
    for i in range(10, 10 + gap):
        frames[i] = []
    (only,) = follow(frames)
    torch.testing.assert_close(only.points_TK3, truth, atol=1e-3, rtol=0)
    assert only.interpolated_T.nonzero()[:, 0].tolist() == list(range(10, 10 + gap))


def test_long_gaps_split() -> None:
    frames = [[flat_face(100, 90, 60)] if not 10 <= i < 16 else [] for i in range(30)]
    assert spans(follow(frames)) == [(0, 10), (16, 30)]


def test_a_cut_splits_even_where_the_faces_agree() -> None:
    frames = [[flat_face(100, 90, 60)]] * 30
    assert spans(follow(frames, cuts=(12,))) == [(0, 12), (12, 30)]
    frames[10:12] = [[], []]
    assert spans(follow(frames, cuts=(12,))) == [(0, 10), (12, 30)]


def test_a_face_elsewhere_or_of_another_size_is_another_track() -> None:
    frames = [[flat_face(100, 90, 60)]] * 10 + [[flat_face(300, 90, 60)]] * 10
    frames += [[flat_face(300, 90, 20)]] * 10
    assert spans(follow(frames)) == [(0, 10), (10, 20), (20, 30)]


def test_flicker_is_dropped() -> None:
    frames = [
        [flat_face(100, 90, 60)] + ([flat_face(300, 90, 60)] if i in (4, 5) else [])
        for i in range(20)
    ]
    assert spans(follow(frames)) == [(0, 20)]
    assert len(follow(frames, config=FollowConfig(min_frames=1))) == 2


def test_a_long_track_is_cut_into_equal_parts() -> None:
    frames = [[flat_face(100 + i, 90, 60)] for i in range(45)]
    frames[14:16] = [[], []]
    tracks = follow(frames, config=FollowConfig(max_frames=20))
    assert spans(tracks) == [(0, 15), (15, 30), (30, 45)]
    whole = torch.cat([track.points_TK3 for track in tracks])
    assert whole[:, 0, 0].diff().tolist() == pytest.approx([1.0] * 44, abs=1e-4)
    assert torch.cat([t.interpolated_T for t in tracks]).nonzero()[:, 0].tolist() == [14, 15]
    assert choose(tracks, "largest") == tracks
    with pytest.raises(ValueError, match="twice"):
        FollowConfig(max_frames=8)


def test_a_video_without_faces_has_no_tracks() -> None:
    assert follow([[]] * 10) == []


def test_a_follower_starts_afresh_after_finishing() -> None:
    follower = FaceFollower()
    for _ in range(2):
        for _ in range(6):
            follower.push([flat_face(100, 90, 60)])
        assert spans(follower.finish()) == [(0, 6)]


def test_largest_is_by_area_and_presence_and_one_at_a_time() -> None:
    near = track(0, 50, 100)
    poster = track(0, 100, 40)
    later = track(60, 40, 80)
    assert choose([poster, near, later], "largest") == [near, later]
    assert choose([poster, near, later], 1) == [poster]
    assert choose([poster, near, later], 2) == []
    assert choose([poster, near, later], "all") == [poster, near, later]
    # A moment's closeness does not win over presence.
    assert choose([track(10, 5, 100), track(0, 100, 60)], "largest")[0].num_frames == 100


@pytest.mark.parametrize("which", ["biggest", -1, 1.5])
def test_an_unknown_choice_is_refused(which: object) -> None:
    with pytest.raises(ValueError, match="'largest', 'all' or a number"):
        choose([], which)  # pyright: ignore[reportArgumentType]


def crossing(lefts: list[float]) -> FaceTrack:
    """A face 60 px large whose left edge is at each of these places in turn."""
    points = np.stack([flat_face(left + 30, 100, 60) for left in lefts])
    return FaceTrack(
        start_frame=7,
        points_TK3=torch.from_numpy(points),
        interpolated_T=torch.arange(len(lefts)) == 3,
    )


def test_the_share_outside_counts_points_beyond_each_edge() -> None:
    points = torch.tensor([[[5.0, 5.0, 0.0], [-1, 5, 0], [5, 9, 0], [21, 5, 0]]]).repeat(2, 1, 1)
    points[1] += 20
    assert outside_share(points, 20, 8).tolist() == [0.75, 1.0]


def test_a_track_is_split_where_the_face_is_out_of_the_picture_for_long() -> None:
    config = FollowConfig(max_gap=5)
    track = crossing([10.0] * 20 + [-50] * 6 + [10] * 15 + [-50] * 5 + [10] * 4)
    parts = split_outside(track, 200, 200, config)
    # Six frames are a part of their own, five are not.
    assert spans(parts) == [(7, 27), (27, 33), (33, 57)]
    assert torch.equal(torch.cat([part.points_TK3 for part in parts]), track.points_TK3)
    flags = torch.cat([part.interpolated_T for part in parts])
    assert torch.equal(flags, track.interpolated_T)
    leaving = crossing([10.0] * 20 + [-50] * 30)
    assert spans(split_outside(leaving, 200, 200, config)) == [(7, 27), (27, 57)]


def test_a_track_that_touches_the_edge_stays_whole() -> None:
    track = crossing([10.0] * 20 + [-1] * 30)
    assert 0 < float(outside_share(track.points_TK3, 200, 200)[-1]) < 0.2
    assert spans(split_outside(track, 200, 200, FollowConfig())) == [(7, 57)]
    with pytest.raises(ValueError, match="max_outside must be from 0 to 1"):
        FollowConfig(max_outside=1.5)
