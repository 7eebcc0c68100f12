import numpy as np
import pytest
import torch
from torch.testing import assert_close

from viseme_eval.functional.identity import (
    attribute_similarity,
    embedding_similarity,
    label_accuracy,
)
from viseme_eval.metrics.identity import (
    CSIM,
    EACC,
    AgeSimilarity,
    EmotionSimilarity,
    GenderSimilarity,
    ShapeSimilarity,
)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_similarity_is_the_mean_cosine_of_the_frames() -> None:
    generated, reference = torch.randn(7, 512), torch.randn(7, 512)
    pairs = zip(generated.double().numpy(), reference.double().numpy(), strict=True)
    expected = np.mean([cosine(g, r) for g, r in pairs])
    assert float(embedding_similarity(generated, reference)) == pytest.approx(expected, rel=1e-12)


def test_one_reference_is_compared_with_every_frame() -> None:
    generated, person = torch.randn(7, 80), torch.randn(80)
    expected = embedding_similarity(generated, person.repeat(7, 1))
    assert_close(embedding_similarity(generated, person), expected)
    assert_close(embedding_similarity(generated[0], person), expected.new_tensor(
        cosine(generated[0].double().numpy(), person.double().numpy())
    ))  # fmt: skip


def test_length_says_nothing_and_direction_everything() -> None:
    person = torch.randn(64)
    assert float(embedding_similarity(3 * person, person)) == pytest.approx(1)
    assert float(embedding_similarity(-person, 0.1 * person)) == pytest.approx(-1)


def test_frames_without_a_face_are_left_out_and_without_any_there_is_no_similarity() -> None:
    generated, reference = torch.randn(5, 16), torch.randn(5, 16)
    expected = embedding_similarity(generated[[0, 2, 4]], reference[[0, 2, 4]])
    generated[1, 3] = torch.nan
    reference[3] = 0  # no direction
    assert_close(embedding_similarity(generated, reference), expected)
    assert embedding_similarity(torch.zeros(4, 8), torch.ones(4, 8)).isnan()
    assert embedding_similarity(torch.zeros(0, 8), torch.ones(8)).isnan()


@pytest.mark.parametrize("shape", [(4, 8), (5, 9), (8, 5)])
def test_embeddings_that_do_not_fit_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="embeddings must"):
        embedding_similarity(torch.randn(5, 8), torch.randn(*shape))


def test_attributes_are_compared_by_probability() -> None:
    generated = torch.tensor([[0.0, np.log(3.0)], [1e3, 0.0]])
    reference = torch.tensor([[np.log(3.0), 0.0], [2e3, 5.0]])
    first = cosine(np.array([0.25, 0.75]), np.array([0.75, 0.25]))
    assert float(attribute_similarity(generated, reference)) == pytest.approx((first + 1) / 2)
    # Adding a number to all logits changes no probability, but it turns features.
    assert float(attribute_similarity(generated + 7, reference)) == pytest.approx((first + 1) / 2)
    features = attribute_similarity(generated, reference, inputs="features")
    assert_close(features, embedding_similarity(generated, reference))


LOGITS = torch.tensor([[3.0, 0, 0], [0.0, 0.5, 0], [0.0, 0.4, 0.0], [np.nan, 0, 0]])


def test_accuracy_counts_frames_or_the_clips_one_answer() -> None:
    assert float(label_accuracy(LOGITS, 0)) == pytest.approx(1 / 3)
    assert float(label_accuracy(LOGITS, 1)) == pytest.approx(2 / 3)
    # One sure frame outweighs two that waver.
    assert float(label_accuracy(LOGITS, 0, per="clip")) == 1
    assert float(label_accuracy(LOGITS, 1, per="clip")) == 0
    # It weighs by probability, which has an end, and not by logits, which have none.
    loud = torch.tensor([[12.0, 0, 0], [0.0, 5, 0], [0.0, 5, 0]])
    assert float(label_accuracy(loud, 1, per="clip")) == 1
    assert float(label_accuracy(LOGITS, torch.tensor([0, 1, 2, 1]))) == pytest.approx(2 / 3)
    assert float(label_accuracy(LOGITS[0], 0)) == 1
    for per in ("frame", "clip"):
        assert label_accuracy(LOGITS[3], 0, per=per).isnan()
        assert label_accuracy(LOGITS[:0], 0, per=per).isnan()


@pytest.mark.parametrize("label", [3, -1, 0.0, torch.tensor([0, 1])])
def test_labels_that_do_not_fit_are_refused(label: int) -> None:
    with pytest.raises(ValueError, match="label must"):
        label_accuracy(LOGITS, label)


def test_classes_give_the_mean_of_the_functions() -> None:
    clips = [(torch.randn(3 + i, 9), torch.randn(3 + i, 9)) for i in range(3)]
    for metric_class in (CSIM, ShapeSimilarity, AgeSimilarity, GenderSimilarity, EmotionSimilarity):
        is_identity = metric_class in (CSIM, ShapeSimilarity)
        function = embedding_similarity if is_identity else attribute_similarity
        metric = metric_class()
        for clip in clips:
            metric.update(*clip)
        assert_close(metric.compute(), torch.stack([function(*clip) for clip in clips]).mean())


def test_emotion_accuracy_is_the_mean_over_clips_not_over_frames() -> None:
    frames, clips = EACC(), EACC(per="clip")
    for metric in (frames, clips):
        metric.update(LOGITS, 1)
        metric.update(LOGITS[0], 0)
        metric.update(LOGITS[3], 0)
        assert int(metric.skipped) == 1
    assert float(frames.compute()) == pytest.approx((2 / 3 + 1) / 2)
    assert float(clips.compute()) == pytest.approx(0.5)


def test_settings_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="inputs must be one of"):
        attribute_similarity(LOGITS, LOGITS, inputs="scores")  # type: ignore
    with pytest.raises(ValueError, match="per must be one of"):
        label_accuracy(LOGITS, 0, per="video")  # type: ignore
