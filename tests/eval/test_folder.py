"""What is finished stays finished, what is changed is made again."""

import math
import shutil
from dataclasses import replace

import pytest
import torch

from tests.eval.pairs import config_of, make_folders
from viseme_eval.run import evaluate as module
from viseme_eval.run.evaluate import evaluate
from viseme_eval.run.measures import eyes, landmark, picture

# Curves whose order in a file is another than that of measuring.
KINDS = (picture.Psnr, landmark.LipLevel, eyes.Eyes)


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed):
    # Work this small takes longer when it is shared.
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    torch.set_num_threads(1)
    return make_folders(tmp_path_factory.mktemp("eval"))


def test_a_second_run_reads_what_is_finished(folders, monkeypatch):
    config = replace(
        config_of(folders, "out"),
        generated=str(folders / "made/short.mp4"),
        reference=str(folders / "real/short.mp4"),
    )
    report = evaluate(config, kinds=KINDS)
    before = {path: path.read_bytes() for path in (folders / "out").glob("report.*")}
    assert len(before) == 3

    def fail(*_, **__):
        raise AssertionError("this clip was finished")

    monkeypatch.setattr(module, "evaluate_pair", fail)
    again = evaluate(config, kinds=KINDS)
    assert [row.status for row in again.rows] == [row.status for row in report.rows]
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(AssertionError, match="finished"):
        evaluate(replace(config, size=96, out=str(folders / "other")), kinds=KINDS)


def test_a_run_that_was_stopped_goes_on_from_there(folders, tmp_path, monkeypatch):
    config = replace(config_of(folders, "x"), out=str(tmp_path / "out"), crop="none", pictures=0)
    real, done = module.evaluate_pair, []

    def stop(pair, *rest, **more):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(pair.name)
        return real(pair, *rest, **more)

    monkeypatch.setattr(module, "evaluate_pair", stop)

    def count(pair, *rest, **more):
        done.append(pair.name)
        return real(pair, *rest, **more)

    with pytest.raises(KeyboardInterrupt):
        evaluate(config, kinds=KINDS[:1])
    monkeypatch.setattr(module, "evaluate_pair", count)
    evaluate(config, kinds=KINDS[:1])
    assert len(done) == len(set(done)) == 8


def psnr_of(report):
    (row,) = report.rows
    return row.findings.values["psnr"].value or 0.0


def test_a_changed_video_is_measured_again(folders, tmp_path):
    made = tmp_path / "made.mp4"
    shutil.copy(folders / "made/same.mp4", made)
    config = replace(
        config_of(folders, "x"),
        generated=str(made),
        reference=str(folders / "real/same.mp4"),
        out=str(tmp_path / "out"),
        crop="none",
    )
    assert psnr_of(evaluate(config, kinds=KINDS[:1])) == math.inf
    shutil.copy(folders / "made/blurred.mp4", made)
    assert psnr_of(evaluate(config, kinds=KINDS[:1])) < 40
    # What belonged to the old one is gone.
    assert len([*(tmp_path / "out/clips").glob("*.json")]) == 1


def test_what_a_run_did_not_write_stays(folders, tmp_path):
    out = tmp_path / "data"
    (out / "clips").mkdir(parents=True)
    for name in ("talk.mp4", "0123456789abcdef.mp4", "notes"):
        (out / "clips" / name).write_bytes(b"mine")
    stale = out / "clips/0123456789abcdef.json"
    stale.write_text("{}")
    film = str(folders / "real/same.mp4")
    config = config_of(folders, "x", crop="none", pictures=0)
    evaluate(replace(config, generated=film, reference=film, out=str(out)), kinds=KINDS[:1])
    kept = {path.name for path in (out / "clips").iterdir()}
    assert {"talk.mp4", "0123456789abcdef.mp4", "notes"} < kept
    assert not stale.exists()


def test_a_clip_is_measured_again_once_the_code_is_another(folders, tmp_path, monkeypatch):
    film, done = str(folders / "real/short.mp4"), []
    config = config_of(folders, "x", crop="none", pictures=0)
    config = replace(config, generated=film, reference=film, out=str(tmp_path / "out"))
    real = module.evaluate_pair
    monkeypatch.setattr(
        module, "evaluate_pair", lambda *args, **more: done.append(1) or real(*args, **more)
    )
    for code, times in (("11111111", 1), ("11111111", 1), ("22222222", 2)):
        monkeypatch.setattr(module, "code_hash", lambda code=code: code)
        assert evaluate(config, kinds=KINDS[:1]).settings["versions"]["code"] == code
        assert len(done) == times
