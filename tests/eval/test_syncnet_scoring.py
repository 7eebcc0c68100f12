"""How well a sync network tells right sounds from shifted ones."""

import numpy as np
import pytest
import torch

from viseme_eval.syncnet.scoring import (
    add_up,
    draw_offsets,
    judge,
    rows_of_a_second,
    with_offset,
)


def test_streams_that_agree_are_told_right_and_streams_that_do_not_are_guessed():
    rows = torch.randn(300, 16)

    assert float(judge(rows, rows).accuracy) == 1
    # 12,000 pairs that share their rows.
    assert abs(float(judge(rows, torch.randn(300, 16)).accuracy) - 0.5) < 0.05


@pytest.mark.parametrize("stretch", [1, 4])
def test_verdicts_are_those_of_a_loop(stretch):
    generator = torch.Generator().manual_seed(0)
    seen, heard = (torch.randn(20, 6, generator=generator) for _ in range(2))
    heard += 0.7 * seen
    v, a = (x.double().numpy() for x in (seen, heard))
    v, a = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (v, a))
    right, total = [], []
    for size in (2, 5):
        hits = []
        for way in (-size, size):
            at = [t for t in range(20) if 0 <= t - way < 20]
            margins = [v[t] @ a[t] - v[t] @ a[t - way] for t in at]
            hits += [
                np.mean(margins[i : i + stretch]) > 0 for i in range(len(margins) - stretch + 1)
            ]
        right.append(sum(hits))
        total.append(len(hits))
    found = judge(seen, heard, rows=stretch, shifts=(2, 5))

    assert found.right_S.tolist() == right
    assert found.total_S.tolist() == total
    assert float(found.accuracy) == pytest.approx(sum(right) / sum(total))


def test_a_mouth_that_stands_still_is_half_right():
    still = torch.ones(40, 4)

    assert float(judge(still, still).accuracy) == 0.5


def test_a_clip_that_is_shorter_than_the_shift_has_no_verdict():
    rows = torch.randn(5, 4)

    assert judge(rows, rows, shifts=(5, 6)).accuracy.isnan()


def test_clips_add_up_pair_by_pair():
    clips = [judge(torch.randn(n, 4), torch.randn(n, 4)) for n in (30, 50)]
    both = add_up(clips)

    assert both.total_S.tolist() == (clips[0].total_S + clips[1].total_S).tolist()
    weights = torch.stack([clip.total_S.sum() for clip in clips])
    each = torch.stack([clip.accuracy for clip in clips])
    assert float(both.accuracy) == pytest.approx(float((weights * each).sum() / weights.sum()))


@pytest.mark.parametrize("offset", [-3, 0, 4])
def test_a_clip_with_a_known_offset_pairs_mouths_with_earlier_sound(offset):
    points = torch.arange(10.0)[:, None, None].expand(10, 478, 3)
    audio = torch.arange(10.0).repeat_interleave(640)
    mouth, sound = with_offset(points, audio, offset)

    assert len(sound) == 640 * len(mouth) == 640 * (10 - abs(offset))
    # The mouth of source frame t is shown with the sound that came `offset` frames after it, so it
    # comes `offset` frames after its own sound was heard.
    assert (sound[::640] - mouth[:, 0, 0]).unique().tolist() == [float(offset)]


def test_known_offsets_span_the_range_and_are_the_same_each_time():
    drawn = [draw_offsets(number, 5) for number in range(60)]

    assert drawn == [draw_offsets(number, 5) for number in range(60)]
    assert {offset for offsets in drawn for offset in offsets} == set(range(-15, 16))


def test_a_second_is_twenty_five_frames():
    assert rows_of_a_second(11) + 11 - 1 == 25
    assert rows_of_a_second(31) == 1
