import shutil
from pathlib import Path

import pytest

from viseme_pipeline import doctor
from viseme_pipeline.cli import main
from viseme_pipeline.default import default_folder
from viseme_pipeline.doctor import Finding
from viseme_pipeline.marks.keys import KEY_VARIABLE, load_signing_key
from viseme_pipeline.systems import motion_systems, render_systems


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


def findings(what: str) -> Finding:
    every = [*doctor.chain_findings(), *doctor.system_findings(), *doctor.other_findings()]
    (found,) = [finding for finding in every if finding.what == what]
    return found


def test_it_says_that_a_film_can_be_made_here(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "_importable", lambda what, *_: doctor.Finding(what=what))
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    for words in ("Python 3", "cpu:", "embedded default", "libavcodec", "libx264"):
        assert words in shown


def test_it_names_what_is_missing_and_how_to_get_it(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("viseme_pipeline.default.FOLDER", tmp_path / "assets" / "default")
    assert main(["doctor"]) == 1
    assert "make train-motion" in capsys.readouterr().out
    found = doctor._importable("magic", "no_such_module", "pip install magic")
    assert "no: No module named 'no_such_module'; `pip install magic`" in str(found)


def test_it_names_every_system_that_the_stages_know():
    named = {finding.what for finding in doctor.system_findings()}
    assert {f"{system}, motion" for system in motion_systems()} <= named
    assert {f"{system}, render" for system in render_systems()} <= named
    assert {"fd2talk", "disenttalk"} <= set(motion_systems())
    assert render_systems()["pirender"]


def test_weights_that_were_trained_here_are_named_with_what_uses_them(tmp_path, monkeypatch):
    only = tmp_path / "assets" / "default"
    shutil.copytree(default_folder().parent / "fd2talk", only)
    monkeypatch.setattr("viseme_pipeline.default.FOLDER", only)
    assert "make train-motion SYSTEM=disenttalk" in findings("disenttalk, motion").missing
    run = tmp_path / "runs" / "motion" / "disenttalk" / "small"
    run.mkdir(parents=True)
    shutil.copy(only / "motion.safetensors", run)
    found = findings("disenttalk, motion")
    assert not found.missing
    assert "--motion runs/motion/disenttalk/small" in found.note


@pytest.mark.parametrize(
    "name", ["motion.safetensors", "pose.safetensors", "hearing/model.safetensors"]
)
def test_weights_that_are_damaged_are_found_before_a_film_is(tmp_path, monkeypatch, name):
    folder = tmp_path / "assets" / "default"
    shutil.copytree(default_folder(), folder)
    monkeypatch.setattr("viseme_pipeline.default.FOLDER", folder)
    assert not findings("embedded default").missing
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    assert Path(name).parts[0] in findings("embedded default").missing


def test_the_key_is_looked_at_and_none_is_made(tmp_path, monkeypatch):
    what = "key that signs films"
    assert "none yet" in findings(what).note
    assert not (tmp_path / "config").exists()
    load_signing_key()
    assert findings(what).note.endswith("signing_key.pem")
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "gone.pem"))
    assert "there is no signing key" in findings(what).missing


def test_a_coder_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "CODERS", ("libx264", "no_such_coder"))
    assert "no_such_coder" in findings("reading and writing media").missing


def test_a_page_library_that_is_too_old_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda name: "5.49.1")
    found = findings("the page: `viseme serve`")
    assert "5.49.1 is too old; `pip install 'viseme-pipeline[serve]'`" in found.missing


def test_it_says_whether_a_clip_can_be_dubbed_and_by_which_weights(tmp_path, pair):
    assert "make train-joint" in findings("dubbing by landmarks").missing
    for stage, folder in (("landmarks", "landmarks"), ("render", "render/talkformer")):
        assert "make train-joint" in findings("dubbing by landmarks").missing
        run = tmp_path / "runs" / folder / "tiny"
        run.mkdir(parents=True)
        shutil.copy(pair / f"{stage}.safetensors", run)
    note = findings("dubbing by landmarks").note
    assert "--landmarks runs/landmarks/tiny --renderer runs/render/talkformer/tiny" in note
    assert "--landmarks RUN --renderer runs/render/talkf" in findings("talkformer, render").note
    assert "--renderer RUN --landmarks runs/landmarks/tiny" in findings("landmarks").note
    shutil.copytree(pair, tmp_path / "runs" / "joint" / "small")
    note = findings("dubbing by landmarks").note
    assert "--landmarks runs/joint/small --renderer runs/joint/small" in note
