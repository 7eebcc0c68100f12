import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from viseme_core.contrastive import ContrastiveConfig, ContrastiveExpert
from viseme_eval.functional.sync import (
    OffsetDistances,
    cosine_lag_curve,
    cosine_offset,
    cosine_sync_probability,
    syncnet_scores,
)
from viseme_eval.metrics.sync import (
    LSEC,
    LSED,
    CosineOffset,
    SyncNetConfidence,
    SyncNetOffset,
    SyncProbability,
)


def streams(num_frames: int = 60, *, late: int = 0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return picture and sound embeddings, the picture `late` frames after the sound."""
    generator = torch.Generator().manual_seed(seed)
    speech = torch.randn(num_frames + 40, 32, generator=generator)
    noise = torch.randn(num_frames, 32, generator=generator)
    audio = speech[20 : 20 + num_frames]
    return speech[20 - late : 20 - late + num_frames] + 0.5 * noise, audio


def written_out(visual: Tensor, audio: Tensor, shift: int) -> tuple[float, float, int]:
    """Return confidence, distance and offset as SyncNet's evaluation goes, frame by frame."""
    v, a = visual.double().numpy(), audio.double().numpy()
    padded = np.concatenate([np.zeros((shift, a.shape[1])), a, np.zeros((shift, a.shape[1]))])
    means = []
    for column in range(2 * shift + 1):
        distances = [
            np.sqrt(((v[t] - padded[t + column] + 1e-6) ** 2).sum()) for t in range(len(v))
        ]
        means.append(sum(distances) / len(distances))
    best = int(np.argmin(means))
    return float(np.median(means) - means[best]), means[best], shift - best


@pytest.mark.parametrize(("num_frames", "late"), [(60, 0), (60, 4), (31, -7), (9, 1), (1, 0)])
def test_syncnet_scores_are_those_of_the_written_out_rule(num_frames: int, late: int) -> None:
    visual, audio = streams(num_frames, late=late)
    scores = syncnet_scores(visual, audio)
    expected = written_out(visual, audio, 15)
    assert [float(x) for x in scores] == pytest.approx(expected, rel=1e-12)


def test_scores_of_equal_streams_keep_the_epsilon_of_the_rule() -> None:
    _, audio = streams()
    # 32 differences of 1e-6 each: 0 would mean that the epsilon was forgotten.
    assert float(syncnet_scores(audio, audio).distance) == pytest.approx(1e-6 * 32**0.5, rel=1e-6)


@pytest.mark.parametrize("late", [-15, -6, 0, 3, 15])
def test_a_picture_n_frames_late_has_offset_n(late: int) -> None:
    visual, audio = streams(100, late=late)
    assert float(syncnet_scores(visual, audio).offset) == late
    assert float(cosine_offset(visual, audio).offset) == late


def test_a_stream_in_pieces_has_the_scores_of_the_whole() -> None:
    visual, audio = streams(2500, late=2)
    whole, pieces = OffsetDistances(), OffsetDistances()
    whole.add(visual, audio)
    start = 0
    for size in (1, 3, 40, 7, 1300, 1149):
        pieces.add(visual[start : start + size], audio[start : start + size])
        start += size
    # The whole is cut into blocks as well: no seam may be lost or counted twice.
    assert float(whole.curve()[17]) == pytest.approx(written_out(visual, audio, 15)[1], rel=1e-12)
    assert_close(pieces.curve(), whole.curve(), rtol=1e-12, atol=0)


def test_asking_for_the_curve_does_not_disturb_the_stream() -> None:
    visual, audio = streams(80)
    distances = OffsetDistances()
    distances.add(visual[:33], audio[:33])
    assert_close(distances.curve()[15], syncnet_scores(visual[:33], audio[:33]).distance)
    distances.add(visual[33:], audio[33:])
    assert_close(distances.curve()[15], syncnet_scores(visual, audio).distance)


@pytest.mark.parametrize("broken", ["empty", "nan"])
def test_clips_without_frames_or_with_nan_have_no_score(broken: str) -> None:
    visual, audio = streams(0 if broken == "empty" else 40)
    if broken == "nan":
        visual[7, 3] = torch.nan
    scores = [*syncnet_scores(visual, audio), *cosine_offset(visual, audio)]
    scores.append(cosine_sync_probability(visual, audio))
    assert all(x.isnan() for x in scores)


def test_streams_of_different_length_are_refused_with_the_remedy() -> None:
    visual, audio = streams()
    with pytest.raises(ValueError, match="cut both streams"):
        syncnet_scores(visual[:-1], audio)


def test_cosine_curve_is_that_of_the_expert() -> None:
    visual, audio = streams(50, late=3)

    class Flat(nn.Module):
        def forward(self, window: Tensor) -> Tensor:
            return window[:, 0]

    expert = ContrastiveExpert(ContrastiveConfig(window=1), Flat(), Flat())
    expected = expert.lag_curve(visual[None], audio[None], 9)[0]
    # The expert computes in float32.
    assert_close(cosine_lag_curve(visual, audio, max_lag=9), expected.double(), atol=1e-6, rtol=0)


def test_lags_without_a_common_frame_are_nan_and_the_offset_too() -> None:
    visual, audio = streams(10)
    curve = cosine_lag_curve(visual, audio, max_lag=10)
    assert curve[0].isnan()
    assert curve[-1].isnan()
    assert not curve[1:-1].isnan().any()
    assert cosine_offset(visual, audio, max_lag=10).offset.isnan()


def test_probability_reads_cosines_in_either_way() -> None:
    visual = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [0.0, 0.0]])
    audio = torch.tensor([[3.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])  # cosines 1, 0, -1, 0
    assert float(cosine_sync_probability(visual, audio)) == pytest.approx(0.25)
    affine = cosine_sync_probability(visual, audio, probability="affine")
    assert float(affine) == pytest.approx(0.5)


def test_classes_are_means_over_clips_whatever_the_process() -> None:
    clips = [streams(40 + 10 * i, late=i - 2, seed=i) for i in range(5)]
    scores = [written_out(v, a, 15) for v, a in clips]
    expected = np.mean(scores, axis=0)
    for metric_class, column in ((LSEC, 0), (SyncNetConfidence, 0), (LSED, 1), (SyncNetOffset, 2)):
        first, second = metric_class(), metric_class()
        for v, a in clips[:3]:
            first.update(v, a)
        for v, a in clips[3:]:
            second.update(v, a)
        first.merge_state(second)
        assert float(first.compute()) == pytest.approx(expected[column], rel=1e-12)


def test_offsets_of_either_sign_cancel_unless_absolute() -> None:
    for metric_class in (SyncNetOffset, CosineOffset):
        signed, absolute = metric_class(), metric_class(absolute=True)
        for late in (-4, 4, 3):
            signed.update(*streams(80, late=late))
            absolute.update(*streams(80, late=late))
        assert float(signed.compute()) == pytest.approx(1)
        assert float(absolute.compute()) == pytest.approx(11 / 3)


def test_a_clip_without_score_is_left_out_and_counted() -> None:
    metric = SyncProbability()
    value = metric(*streams(30))
    assert metric(*streams(0)).isnan()
    assert_close(metric.compute(), value)
    assert (int(metric.count), int(metric.skipped)) == (1, 1)


def test_settings_that_do_not_exist_are_refused() -> None:
    visual, audio = streams()
    with pytest.raises(ValueError, match="probability must be one of"):
        cosine_sync_probability(visual, audio, probability="sigmoid")  # type: ignore
    for wrong in (lambda: OffsetDistances(0), lambda: cosine_lag_curve(visual, audio, max_lag=-1)):
        with pytest.raises(ValueError, match="at least"):
            wrong()
