"""What the test of a pair looks at, alone and by the command."""

import json
from pathlib import Path

import pytest
import torch

from tests.pipeline.joint_runs import run
from tests.pipeline.joint_small import make_batch, make_model
from tests.render.speakers import make_folder
from tests.render.talkformer.small import SIZE
from viseme_eval.functional.image import psnr
from viseme_face.layouts import CONTENT_SLICE, LIP_PAIRS, TALK131
from viseme_pipeline.datamodule import JointDataModule
from viseme_pipeline.fit.judge import pair_scores
from viseme_pipeline.joint import JointModel
from viseme_render.pirender.regions import mouth_weight
from viseme_render.talkformer.film import draw_films
from viseme_render.talkformer.framing import framed, framed_points

RIGHT, LEFT = (TALK131.index(i) for i in (33, 263))


class Finder:
    """Finds the true landmarks; the n-th time that it is asked n hundredths to the right."""

    def __init__(self) -> None:
        self.asked: list[torch.Tensor] = []

    def found_points(self, pictures_T3HW, points_TK2):
        self.asked.append(pictures_T3HW)
        found = torch.full((len(points_TK2), 478, 2), torch.nan)
        found[:, list(TALK131)] = points_TK2 + torch.tensor([0.01 * len(self.asked), 0.0])
        return found


def scores_of(model: JointModel, batch, found, finder) -> dict[str, float]:
    with torch.no_grad():
        scores = pair_scores(model, batch, found, finder)
        return {score.name: float(score.value) for score in scores}


def test_films_of_completed_landmarks_are_compared_with_the_true_ones():
    model, batch = make_model(), make_batch(1)
    completed = 0.3 + 0.4 * torch.rand(batch.landmark.target_BTK2.shape)
    scores = scores_of(model, batch, completed, Finder())
    config = model.renderer.config  # type: ignore[attr-defined]
    true = framed(batch.render.frames_BT3HW, SIZE, config.zoom)
    reference = framed(batch.render.reference_B3HW, SIZE, config.zoom)
    points = framed_points(batch.render.landmarks_BTK2, 40, config.zoom)
    weight = mouth_weight(points[0], SIZE)
    told = batch.render.landmarks_BTK2.clone()
    told[:, :, CONTENT_SLICE] = completed
    told = framed_points(told, 40, config.zoom)
    for name, landmarks in (("psnr_mouth", told), ("psnr_mouth_by_truth", points)):
        film = draw_films(model.renderer, true, landmarks, reference, films=[0])  # type: ignore[arg-type]
        expected = psnr(film.clamp(-1, 1)[0], true[0], mask=weight).mean()
        assert scores[name] == pytest.approx(float(expected), abs=1e-3)
    assert scores["psnr_mouth"] != pytest.approx(scores["psnr_mouth_by_truth"], abs=1e-4)


def test_lips_are_sought_in_every_kind_of_picture_and_measured_from_the_true_ones():
    model, batch, finder = make_model(), make_batch(1), Finder()
    # Completed landmarks are far off; what is missed is missed from the true ones.
    scores = scores_of(model, batch, torch.zeros_like(batch.landmark.target_BTK2), finder)
    config = model.renderer.config  # type: ignore[attr-defined]
    points = framed_points(batch.render.landmarks_BTK2, 40, config.zoom)[0]
    width = (points[:, RIGHT] - points[:, LEFT]).norm(dim=-1)
    for times, suffix in enumerate(("", "_by_truth", "_copy", "_true"), start=1):
        expected = float((0.01 * times / width).mean())
        assert scores[f"lips_missed{suffix}"] == pytest.approx(expected, rel=1e-4)
    assert torch.equal(finder.asked[3], framed(batch.render.frames_BT3HW, SIZE, config.zoom)[0])
    assert not torch.equal(finder.asked[0], finder.asked[1])


def test_lips_that_are_seen_to_open_half_as_far_correlate_and_have_half_the_spread():
    class Half(Finder):
        def found_points(self, pictures_T3HW, points_TK2):
            found = super().found_points(pictures_T3HW, points_TK2)
            for upper, lower in LIP_PAIRS:
                middle = (found[:, upper] + found[:, lower]) / 2
                found[:, upper] = (found[:, upper] + middle) / 2
                found[:, lower] = (found[:, lower] + middle) / 2
            return found

    model, batch = make_model(), make_batch(2)
    scores = scores_of(model, batch, batch.landmark.target_BTK2, Half())
    for suffix in ("", "_by_truth", "_true"):
        assert scores[f"seen_correlation{suffix}"] == pytest.approx(1, abs=1e-4)
        assert scores[f"seen_spread{suffix}"] == pytest.approx(0.5, abs=1e-4)
    assert "seen_correlation_copy" not in scores


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("people") / "clips")


@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)
def test_the_command_tests_a_run_and_the_stages_that_it_leaves_alike(people, tmp_path, monkeypatch):
    torch.set_num_threads(1)
    finder = Finder()
    monkeypatch.setattr(
        JointDataModule, "found_points", lambda self, *given: finder.found_points(*given)
    )
    run("fit", people, tmp_path / "run", "--trainer.max_steps", "1")
    found = []
    for name, weights in (
        ("pair", ["--ckpt_path", str(tmp_path / "run")]),
        ("parts", [f"--{part}_from={tmp_path / 'run'}" for part in ("landmarks", "render")]),
    ):
        finder.asked.clear()
        run("test", people, tmp_path / name, *weights)
        found.append(json.loads((tmp_path / name / "test.json").read_text()))
    assert found[0] == found[1]
    assert {"test/lips_missed_by_truth", "test/psnr_mouth", "test/lip_distance"} <= set(found[0])
    # 20 frames of one clip in samples of 4, four kinds of pictures each.
    assert len(finder.asked) == 4 * 5


def test_weights_of_one_stage_alone_are_not_enough_to_look_at(people, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run("test", people, tmp_path, "--landmarks_from", str(tmp_path))
    assert "test needs weights" in capsys.readouterr().err
