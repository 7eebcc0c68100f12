"""The benchmark of people left out: whom it leaves out, and what simple mouths score in it."""

import argparse
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.eval.test_true_clips import clip_of, row_of
from viseme_core.types import SAMPLES_PER_FRAME
from viseme_data.clips import write_clip
from viseme_data.manifest import write_manifest
from viseme_eval.run.true_clips import TrueClip, true_clip
from viseme_pipeline.default import FOLDER as EMBEDDED

FOLDER = Path(__file__).parents[2] / "benchmarks"
FRAMES = 100


def load_script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    return load_script("bench_left_out")


@pytest.fixture
def makers(bench: Any) -> Any:
    return load_script("left_out_makers")


def loud_lips(number: int, split: str = "test", **facts: Any) -> TrueClip:
    """Lips that open as far as the voice is loud, ten to forty decibels below its loud frames."""
    generator = torch.Generator().manual_seed(number)
    rate = 3 + 4 * torch.rand((), generator=generator)
    share_T = 0.5 + 0.5 * torch.sin(torch.arange(FRAMES) / rate)
    noise_TS = 0.1 * torch.randn(FRAMES, SAMPLES_PER_FRAME, generator=generator)
    noise_TS *= 10 ** (-1.5 * (1 - share_T[:, None]))
    row = row_of(number, FRAMES, split=split, **facts)
    return true_clip(row, clip_of(row, 0.02 + 0.08 * share_T, noise_TS.flatten()))


def write_group(folder: Path, clips: list[TrueClip]) -> None:
    (folder / "data" / "clips").mkdir(parents=True)
    for one in clips:
        write_clip(folder / "data" / "clips" / f"{one.row.clip_id}.safetensors", one.clip)
    write_manifest(folder / "data" / "manifest.parquet", [one.row for one in clips])
    (folder / "default").symlink_to(EMBEDDED)


def asked(folder: Path, **options: Any) -> argparse.Namespace:
    usual = {
        "folder": folder, "transcripts": None, "voice": "en-us", "not_real": ["1"], "baseline": [],
        "also": [], "preset": None, "simple": False, "seconds": 1.0, "threads": [1],
        "people_curve": [],
    }  # fmt: skip
    return argparse.Namespace(**{**usual, **options})


def cell(lines: list[str], title: str, row: str, column: str) -> str:
    """Return the first word of a cell."""
    start = next(i for i, line in enumerate(lines) if line.startswith(f"\n## {title}"))
    heads = [head.strip() for head in lines[start + 1].splitlines()[0].split("|")]
    found = next(line for line in lines[start:] if line.startswith(f"| {row} |"))
    return found.split("|")[heads.index(column)].split()[0]


def test_loudness_opens_the_jaw_as_far_as_those_of_the_people_it_is_like(makers):
    clips = [loud_lips(number) for number in range(4)]
    fitted = makers.Loudness.like(clips)
    spread = torch.stack([one.opening_T.std() for one in clips]).mean()
    for one in clips:
        found_T = fitted(one).opening_T
        assert float(found_T.std() / spread) == pytest.approx(1, abs=0.2)
        assert float(torch.corrcoef(torch.stack([found_T, one.opening_T]))[0, 1]) > 0.95


def test_the_mean_interval_and_subsets_are_those_of_the_clips(bench, makers):
    clips = [loud_lips(n, offset_confidence=sure) for n, sure in enumerate((0.95, 0.95, 0.5))]
    found = [bench.is_sure(one, ["1."]) for one in clips]
    assert found == [True, False, False]
    measured = bench.measure_group(clips, {"loud": makers.Loudness.like(clips)})
    shuffled = [m.scores["loud"]["shuffled"].top for m in measured]
    for number, value in enumerate(shuffled):
        others = [m.curves["loud"].opening_T for i, m in enumerate(measured) if i != number]
        expected = [
            torch.corrcoef(torch.stack([other_T, clips[number].opening_T]))[0, 1]
            for other_T in others
        ]
        assert value == pytest.approx(float(torch.stack(expected).mean()), abs=1e-6)


def heard_lips(number: int, split: str = "test", **facts: Any) -> TrueClip:
    """The same, with features of which some tell half of it a frame early, half a frame late."""
    one = loud_lips(number, split, **facts)
    noise_TA = torch.randn(FRAMES, 6, generator=torch.Generator().manual_seed(100 + number))
    noise_TA[:, 2] = one.opening_T.roll(-1)
    noise_TA[:, 4] = one.opening_T.roll(1) + noise_TA[:, 5]
    return true_clip(one.row, replace(one.clip, features={"whisper": noise_TA}))


def test_the_ridge_regression_is_that_of_least_squares_with_a_penalty(makers):
    clips = [heard_lips(number) for number in range(4)]
    clips[1].opening_T[5:9] = torch.nan
    fitted = makers.Ridge.like(clips)
    # The same by least squares over rows that ask every weight to be nought.
    heard, wanted = [], []
    for one in clips:
        features = np.pad(one.clip.features["whisper"].numpy(), ((2, 2), (0, 0)), mode="edge")
        rows = np.stack([features[i : i + 5].T.ravel() for i in range(FRAMES)]).astype(float)
        opening = one.opening_T.numpy()
        seen = ~np.isnan(opening)
        heard.append(rows[seen])
        wanted.append((opening[seen] - opening[seen].mean()) / opening[seen].std(ddof=1))
    rows, openings = np.concatenate(heard), np.concatenate(wanted)
    units = (rows - rows.mean(0)) / rows.std(0, ddof=1)
    penalty = np.sqrt(len(units)) * np.eye(units.shape[1])
    asked_for = np.concatenate([openings, np.zeros(len(penalty))])
    weights, *_ = np.linalg.lstsq(np.concatenate([units, penalty]), asked_for, rcond=None)
    np.testing.assert_allclose(fitted.weights_A, weights, atol=1e-9)


def test_the_ridge_regression_hears_unseen_people_in_the_opening_of_those_seen(makers):
    fitted = makers.Ridge.like([heard_lips(number, "train") for number in range(6)])
    one = heard_lips(9)
    found_T = fitted(one).opening_T
    assert float(torch.corrcoef(torch.stack([found_T, one.opening_T]))[0, 1]) > 0.95
    # In the middle of the openings learned from, and half as far apart: the penalty draws it in.
    assert float(found_T.mean()) == pytest.approx(float(one.opening_T.mean()), abs=0.01)
    assert 0.3 < float(found_T.std() / one.opening_T.std()) < 0.9


def test_a_simple_report_needs_no_chain(tmp_path, bench):
    for group in range(2):
        sure = {"offset_confidence": 1.0, "language": "en"}
        clips = [heard_lips(4 * group + n, **sure) for n in range(2)]
        others = [heard_lips(4 * group + n, "train") for n in (2, 3)]
        write_group(tmp_path / f"group{group}", [*clips, *others])
        (tmp_path / f"group{group}" / "default").unlink()
    lines = list(bench.report(asked(tmp_path, simple=True)))
    assert float(cell(lines, "all", "best lag", "ridge regression, no synthetic speakers")) > 0.9
    assert "default" not in "".join(lines)
    heads = next(line for line in "\n".join(lines).splitlines() if line.startswith("| | aim"))
    columns = [head.strip() for head in heads.split("|")[3:-1]]
    assert columns == [
        "true lips", "true motion on the mesh", "ridge regression, no synthetic speakers",
        "loudness drives the jaw", "mean face",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"group0.default' holds no viseme.json"):
        list(bench.report(asked(tmp_path)))


def test_the_curve_over_people_is_of_choices_of_them_and_ends_with_all(tmp_path, bench):
    for group in range(2):
        clips = [heard_lips(10 * group, offset_confidence=1.0), heard_lips(10 * group + 1)]
        # Two clips of each of four people.
        others = [heard_lips(10 * group + n, "train", speaker=f"p{n % 4}") for n in range(2, 10)]
        write_group(tmp_path / f"group{group}", [*clips, *others])
    curve = {"simple": True, "people_curve": [1, 3], "not_real": []}
    lines = list(bench.report(asked(tmp_path, **curve)))
    title = "Ridge regression by people learned from"
    minutes = FRAMES / 25 / 60
    for people, count in (("1", 1), ("3", 3), ("all, 4.0", 4)):
        assert cell(lines, title, people, "minutes") == f"{2 * count * minutes:.1f}"
    # Choices differ.
    row = next(line for line in lines if line.startswith("| 1 |"))
    low, high = (float(word) for word in row.split("(")[1].split(")")[0].split(" to "))
    assert low < high
    # Of the two sure clips, as the other table has them.
    ridge = "ridge regression, no synthetic speakers"
    for row in ("lag 0", "best lag"):
        expected = cell(lines, "real with a sure offset", row, ridge)
        assert cell(lines, title, "all, 4.0", row) == expected
    for count in (0, 5):
        with pytest.raises(ValueError, match=f"takes 1 to 4 people, got {count}"):
            list(bench.report(asked(tmp_path, **{**curve, "people_curve": [count]})))
    deaf = [loud_lips(0, offset_confidence=1.0), loud_lips(1), loud_lips(2, "train")]
    write_group(tmp_path / "deaf" / "group0", deaf)
    lines = list(bench.report(asked(tmp_path / "deaf", **{**curve, "not_real": ["0"]})))
    assert title not in "".join(lines)
    with pytest.raises(ValueError, match="prepared with 'whisper'"):
        list(bench.report(asked(tmp_path / "deaf", **curve)))


def test_the_ridge_regression_is_left_out_where_not_every_clip_can_be_heard(tmp_path, bench):
    for group in range(2):
        clip = heard_lips if group == 0 else loud_lips
        clips = [clip(4 * group), clip(4 * group + 1), clip(4 * group + 2, "train")]
        write_group(tmp_path / f"group{group}", clips)
    lines = list(bench.report(asked(tmp_path, simple=True)))
    assert "ridge" not in "".join(lines)
    assert float(cell(lines, "all", "lag 0", "loudness drives the jaw")) > 0.5
    # Of all, of the sure ones, and of clips that nobody saw, which may be without.
    folder = tmp_path / "heard"
    write_group(folder / "group0", [heard_lips(0), heard_lips(1), heard_lips(2, "train")])
    (tmp_path / "also").mkdir()
    write_group(tmp_path / "also", [loud_lips(7), loud_lips(8)])
    also = [f"other={tmp_path / 'also' / 'data'}"]
    lines = list(bench.report(asked(folder, simple=True, also=also)))
    assert [line.count("ridge") for line in lines if line.startswith("| | aim")] == [1, 1, 0]


def test_a_simple_report_takes_no_chains(tmp_path, bench):
    for options in ({"baseline": ["b=x"]}, {"preset": "fast"}):
        with pytest.raises(ValueError, match="--simple measures no chain"):
            list(bench.report(asked(tmp_path, simple=True, **options)))


def test_a_mouth_of_the_ridge_regression_cannot_be_less_than_shut(makers):
    fitted = makers.Ridge.like([heard_lips(number, "train") for number in range(6)])
    quiet = heard_lips(9)
    quiet.clip.features["whisper"] -= 100
    assert fitted(quiet).opening_T.min() == 0


def test_clips_of_one_language_are_told_apart_from_those_of_none(bench):
    some = [
        bench.Measured(loud_lips(number, language=language), {})
        for number, language in enumerate(["en", "", "cmn", "en"])
    ]
    tables = bench.by_language("x", some)
    assert {title: len(part) for title, part in tables.items()} == {"x: cmn": 1, "x: en": 2}


@pytest.mark.slow
def test_a_report_measures_everyone_on_the_same_people(tmp_path, bench):
    for group in range(2):
        sure = {"offset_confidence": 1.0, "language": "en"}
        clips = [loud_lips(3 * group, **sure), loud_lips(3 * group + 1, **sure)]
        write_group(tmp_path / f"group{group}", [*clips, loud_lips(3 * group + 2, "train")])
    lines = list(bench.report(asked(tmp_path, baseline=[f"other={tmp_path}"])))
    text = "\n".join(lines)
    assert "## all: 4 clips of 4 people" in text
    assert "## real with a sure offset: 3 clips" in text
    assert "## language: en: 4 clips" in text
    assert cell(lines, "all", "lag 0", "true lips") == "1.000"
    assert float(cell(lines, "all", "lag 0", "loudness drives the jaw")) > 0.9
    assert float(cell(lines, "all", "spread", "mean face")) == 0
    # The same chain under another name.
    for row in ("lag 0", "spread", "above 8 Hz"):
        assert cell(lines, "all", row, "default") == cell(lines, "all", row, "other")
    assert "p b m closed" not in text.split("## all")[1]
    assert text.count("| direct | 1 |") == 1


def test_folders_that_cannot_be_are_refused(tmp_path, bench, makers):
    with pytest.raises(ValueError, match="holds no group0"):
        makers.find_groups(tmp_path)
    write_group(tmp_path / "group0", [loud_lips(0), loud_lips(2, "train")])
    (tmp_path / "group1").mkdir()
    with pytest.raises(ValueError, match=r"group1.data' holds no manifest.parquet"):
        makers.find_groups(tmp_path)
    (tmp_path / "group1").rmdir()
    with pytest.raises(ValueError, match="expected NAME=FOLDER, got 'x'"):
        list(bench.report(asked(tmp_path, baseline=["x"])))
    write_group(tmp_path / "other" / "group0", [loud_lips(1)])
    with pytest.raises(ValueError, match="leave the same people out"):
        list(bench.report(asked(tmp_path, baseline=[f"b={tmp_path / 'other'}"])))
