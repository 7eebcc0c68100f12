"""A run over real files: known answers, broken clips, and no trace of batches."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tests.eval.pairs import config_of, film, frames, make_folders
from viseme_data.media import read_frames
from viseme_eval.run.evaluate import evaluate
from viseme_eval.run.measures import eyes, landmark, motion, picture

KINDS = (
    picture.Psnr,
    picture.Ssim,
    picture.Cpbd,
    landmark.Lmd,
    landmark.LandmarkVelocity,
    landmark.LipOpening,
    landmark.LipLevel,
    eyes.Eyes,
    motion.HeadMotion,
    motion.BeatAlign,
    motion.Jitter,
)


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed):
    # Work this small takes longer when it is shared.
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    torch.set_num_threads(1)
    return make_folders(tmp_path_factory.mktemp("eval"))


@pytest.fixture(scope="module")
def report(folders):
    return evaluate(config_of(folders, "out"), kinds=KINDS)


def row_of(report, name):
    return next(row for row in report.rows if row.name == name)


def values(report, name):
    return {key: reading.value for key, reading in row_of(report, name).findings.values.items()}


def test_an_identical_video_scores_as_well_as_can_be(report):
    found = values(report, "same")
    assert found["psnr"] == found["psnr_lower"] == math.inf
    assert found["ssim"] == pytest.approx(1, abs=1e-6)
    assert found["lmd_mouth"] == found["lmd_face"] == found["lmd_velocity"] == 0
    assert found["lip_correlation"] == pytest.approx(1)
    assert found["lip_lag"] == 0
    own = row_of(report, "same").findings.reference
    assert {name: reading.value for name, reading in own.items()}["cpbd"] == found["cpbd"]


@pytest.mark.parametrize("worse", ["blurred", "shifted"])
def test_a_worse_copy_scores_worse(report, worse):
    found = values(report, worse)
    assert found["psnr"] < 35
    assert found["ssim"] < 0.95
    assert found["lmd_face"] > 0.1
    if worse == "blurred":
        assert found["cpbd"] < values(report, "same")["cpbd"]
    else:
        assert found["lmd_face"] > 1


def test_numbers_equal_those_of_scikit_image_on_whole_frames(folders):
    config = replace(config_of(folders, "whole"), crop="none")
    made, real = folders / "made/blurred.mp4", folders / "real/blurred.mp4"
    config = replace(config, generated=str(made), reference=str(real))
    found = values(evaluate(config, kinds=KINDS[:2]), "blurred")
    pairs = [*zip(read_frames(made), read_frames(real), strict=True)]
    psnr = [peak_signal_noise_ratio(b, a, data_range=255) for a, b in pairs]
    ssim = [
        structural_similarity(
            a,
            b,
            channel_axis=2,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in pairs
    ]
    assert found["psnr"] == pytest.approx(np.mean(psnr), abs=1e-4)
    assert found["ssim"] == pytest.approx(np.mean(ssim), abs=1e-5)


def test_a_broken_file_is_a_row_with_a_reason_and_the_rest_goes_on(report):
    broken, lost, wide = (row_of(report, name) for name in ("broken", "lost", "wide"))
    assert (broken.status, lost.status, wide.status) == ("failed", "unpaired", "failed")
    assert "generated/broken.mp4" in broken.reason
    assert lost.reason == "no generated video of this name"
    assert "192 x 96" in wide.reason
    assert "--crop own" in wide.reason
    assert len(report.done) == 6


def test_of_a_file_that_was_cut_off_the_rest_is_compared_and_the_row_says_so(report):
    row = row_of(report, "cut")
    assert 0 < row.num_frames < 30
    assert row.cut_reference_sec == pytest.approx((30 - row.num_frames) / 25)
    assert any("cut off" in note or "cannot be decoded" in note for note in row.notes)


def test_no_path_of_this_machine_is_in_the_report(folders, report):
    for name in ("report.json", "report.md", "report.html"):
        assert str(folders) not in (folders / "out" / name).read_text()


def test_videos_of_other_lengths_are_compared_as_long_as_both_last(report):
    short = row_of(report, "short")
    assert short.num_frames == 20
    assert (short.cut_generated_sec, short.cut_reference_sec) == (0, pytest.approx(0.4))
    assert values(report, "short")["psnr"] > 40
    same = row_of(report, "same")
    assert (same.num_frames, same.cut_reference_sec) == (30, 0)


def test_a_video_of_another_size_is_cropped_at_the_same_place(report):
    small = row_of(report, "small")
    made, real = small.crop_generated, small.crop_reference
    assert made == pytest.approx([real[0] / 2, real[1] / 2, real[2] / 2, 0])
    # Half the pixels leave a face where it was: more than blur of any kind would.
    assert values(report, "small")["psnr"] > 25


def test_rates_are_brought_together_by_time(folders, tmp_path):
    # Every picture twice, at twice the rate: the same video.
    twice = [frame for frame in frames() for _ in range(2)]
    made = film(tmp_path / "same.mp4", twice, fps=50)
    config = replace(
        config_of(folders, "rates"),
        generated=str(made),
        reference=str(folders / "real/same.mp4"),
        crop="none",
    )
    report = evaluate(config, kinds=KINDS[:1])
    assert row_of(report, "same").num_frames == 30
    assert values(report, "same")["psnr"] > 40


@pytest.mark.parametrize("name", ["blurred", "short"])
def test_results_do_not_depend_on_the_batch(folders, report, name):
    config = replace(
        config_of(folders, f"batch_{name}"),
        batch=7,
        generated=str(folders / f"made/{name}.mp4"),
        reference=str(folders / f"real/{name}.mp4"),
    )
    one, two = values(report, name), values(evaluate(config, kinds=KINDS), name)
    assert one.keys() == two.keys()
    for key, value in one.items():
        # Poses are fitted a batch at a time, in single precision.
        tolerance = 1e-4 if key in ("pose_diversity", "beat_align") else 1e-9
        assert two[key] == (None if value is None else pytest.approx(value, rel=tolerance))


def test_what_lacks_sound_or_face_says_so(folders, report):
    shifted = row_of(report, "shifted").findings
    assert row_of(report, "shifted").audio_from == "reference"
    assert shifted.values["beat_align"].value is not None
    config = replace(
        config_of(folders, "silent"),
        generated=str(folders / "made/short.mp4"),
        reference=str(folders / "real/lost.mp4"),
        crop="none",
    )
    found = evaluate(config, kinds=(motion.BeatAlign, motion.HeadMotion)).rows[0].findings
    assert "no sound" in found.values["beat_align"].reason
    assert "--crop none" in found.values["pose_diversity"].reason


def test_the_choice_of_measures_is_checked(folders):
    config = replace(config_of(folders, "only"), only=("psnr", "nonsense"))
    with pytest.raises(ValueError, match="there is no 'nonsense'; choose from psnr, "):
        evaluate(config, kinds=KINDS)


def test_json_has_no_numbers_that_are_none(folders, report):
    def refuse(name):
        raise AssertionError(name)

    text = (folders / "out/report.json").read_text()
    plain = json.loads(text, parse_constant=refuse)
    assert plain["totals"]["psnr"]["value"] == "inf"
    assert {clip["name"] for clip in plain["clips"]} == {row.name for row in report.rows}
