import numpy as np
import pytest
import torch

from tests.render.talkformer.small import SIZE, make_batch, make_model
from viseme_core.diffusion import DiffusionConfig, SamplerConfig
from viseme_core.draws import Draws
from viseme_face.layouts import TALK131
from viseme_render.pirender.regions import mouth_weight
from viseme_render.talkformer.film import draw_films
from viseme_render.talkformer.framing import framed, framed_points
from viseme_render.talkformer.judge import TalkFormerJudge


class Finder:
    """Finds every landmark a hundredth to the right of where it is asked to look."""

    def __init__(self) -> None:
        self.asked: list[torch.Tensor] = []

    def found_points(self, pictures_T3HW, points_TK2):
        self.asked.append(pictures_T3HW)
        found = torch.zeros(len(points_TK2), 478, 2)
        found[:, list(TALK131)] = points_TK2 + torch.tensor([0.01 * len(self.asked), 0.0])
        found[0] = torch.nan
        return found


def decibels(found: torch.Tensor, true: torch.Tensor, weight: torch.Tensor) -> np.ndarray:
    squared = (found - true).double().square().mean(1)
    wrong = (squared * weight).sum((1, 2)) / weight.sum((1, 2))
    return 10 * np.log10(4 / wrong.numpy())


def scores_of(model, batch, finder=None) -> dict[str, float]:
    draws = Draws(0, -1, batch.index_B)
    judge = TalkFormerJudge()
    with torch.no_grad():
        found = (
            judge.scores(model, batch, draws)
            if finder is None
            else judge.test_scores(model, batch, draws, finder)
        )
        return {score.name: float(score.value) for score in found}


def test_pictures_are_compared_with_the_truth_and_with_a_copied_reference():
    model, batch = make_model(is_moved=True), make_batch(2, 4)
    found = scores_of(model, batch)
    zoom = model.config.zoom
    true = framed(batch.frames_BT3HW, SIZE, zoom)
    points = framed_points(batch.landmarks_BTK2, 40, zoom)
    reference = framed(batch.reference_B3HW, SIZE, zoom)
    drawn = draw_films(model, true, points, reference, films=[0, 1]).clamp(-1, 1)
    copied = true.clone()
    copied[..., SIZE // 2 :, :] = reference[:, None, :, SIZE // 2 :]
    mouth = mouth_weight(points.flatten(0, 1), SIZE)
    lower = torch.zeros_like(mouth)
    lower[:, SIZE // 2 :] = 1
    for suffix, pictures in (("", drawn), ("_copy", copied)):
        for name, weight in (("mouth", mouth), ("lower", lower)):
            expected = decibels(pictures.flatten(0, 1), true.flatten(0, 1), weight).mean()
            assert found[f"psnr_{name}{suffix}"] == pytest.approx(expected, abs=1e-3)
    assert found["ssim_lower"] < 1
    assert found["loss"] == found["ldm"] > 0


def test_lips_are_looked_for_in_drawn_copied_and_true_pictures():
    model, batch = make_model(is_moved=True), make_batch(1, 4)
    finder = Finder()
    found = scores_of(model, batch, finder)
    points = framed_points(batch.landmarks_BTK2, 40, model.config.zoom)[0]
    right, left = (TALK131.index(i) for i in (33, 263))
    # The frame in which no face is found does not count.
    width = (points[1:, right] - points[1:, left]).norm(dim=-1)
    for times, name in enumerate(("lips_missed", "lips_missed_copy", "lips_missed_true"), start=1):
        assert found[name] == pytest.approx(float((0.01 * times / width).mean()), rel=1e-4)
    true = framed(batch.frames_BT3HW, SIZE, model.config.zoom)[0]
    assert torch.equal(finder.asked[2], true)
    assert torch.equal(finder.asked[1][:, :, : SIZE // 2], true[:, :, : SIZE // 2])


def test_validation_takes_fewer_steps_than_test():
    process = DiffusionConfig(target="clean")
    model = make_model(diffusion=process, sampler=SamplerConfig(num_steps=20), temp_attn=False)
    batch, calls = make_batch(1, 2), []
    model.net.register_forward_hook(lambda *given: calls.append(1))
    scores_of(model, batch)
    validation = len(calls)
    scores_of(model, batch, Finder())
    # One pass is the loss's.
    assert validation == 1 + 10
    assert len(calls) - validation == 1 + 20


def test_films_show_reference_copied_drawn_and_true():
    model, batch = make_model(is_moved=True), make_batch(2, 4)
    with torch.no_grad():
        films = TalkFormerJudge().films(model, batch)
        sheet = TalkFormerJudge().sheet(model, batch)
    assert films.shape == (2, 4, 3, SIZE, 4 * SIZE)
    true = framed(batch.frames_BT3HW, SIZE, model.config.zoom)
    assert torch.equal(films[..., 3 * SIZE :], true)
    assert sheet.shape == (3, 2 * SIZE, 4 * SIZE)
