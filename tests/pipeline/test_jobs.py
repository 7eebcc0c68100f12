import json
import os
import shutil
from pathlib import Path

import cv2
import pytest

from tests.pipeline.clips import clip
from tests.pipeline.faces import portrait_file, voice_file
from viseme_data.frames import read_frames
from viseme_pipeline import jobs as jobs_module
from viseme_pipeline.cli import main
from viseme_pipeline.default import default_folder
from viseme_pipeline.jobs import read_jobs

DEFAULT = default_folder().parent / "fd2talk"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    voice_file(tmp_path / "v.flac", 0.2)
    portrait_file(tmp_path / "p.jpg")
    return tmp_path


def job(folder: Path, name: str, **options: object) -> dict[str, object]:
    paths = {"audio": "v.flac", "image": "p.jpg", "out": name}
    return {key: str(folder / value) for key, value in paths.items()} | options


def write_jobs(folder: Path, *jobs: dict[str, object]) -> str:
    path = folder / "jobs.jsonl"
    path.write_text("\n".join(json.dumps(each) for each in jobs) + "\n")
    return str(path)


def test_a_job_that_fails_does_not_stop_the_others(folder, marks, capsys, caplog):
    bad = job(folder, "b.mp4", image=str(folder / "gone.jpg"))
    jobs = write_jobs(folder, job(folder, "a.mp4"), bad, job(folder, "c.mp4", lip=1.3))
    assert main(["generate", "--jobs", jobs, "--size", "64"]) == 2
    assert "2 made; 0 were there already; 1 failed: 2" in capsys.readouterr().out
    assert "job 2 of 3 failed: there is no file" in caplog.text
    assert {path.name for path in folder.glob("*.mp4")} == {"a.mp4", "c.mp4"}


@pytest.mark.parametrize(
    "error",
    [
        ImportError("no module\nnamed so"),
        MemoryError(),
        RuntimeError("CUDA out of memory"),
        OSError(28, "No space left on device"),
        cv2.error("bad argument"),
    ],
)
def test_whatever_can_be_mended_is_one_row_and_the_others_go_on(
    folder, marks, capsys, caplog, monkeypatch, error
):
    real = jobs_module.make_film

    def failing(task, chain, *, name):
        if task.out.endswith("b.mp4"):
            raise error
        return real(task, chain, name=name)

    monkeypatch.setattr(jobs_module, "make_film", failing)
    jobs = write_jobs(folder, job(folder, "b.mp4"), job(folder, "c.mp4"))
    assert main(["generate", "--jobs", jobs, "--size", "64"]) == 2
    assert "1 made; 0 were there already; 1 failed: 1" in capsys.readouterr().out
    (row,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert row.startswith("job 1 of 2 failed: ")
    assert len(row) > len("job 1 of 2 failed: ")
    assert "\n" not in row


@pytest.mark.parametrize(
    "options", [{"help": True}, {"help": "yes"}, {"jobs": "other.jsonl"}, {"h": True}]
)
def test_a_job_cannot_ask_for_help_or_hold_jobs(folder, marks, capsys, caplog, options):
    jobs = write_jobs(folder, job(folder, "a.mp4", **options), job(folder, "c.mp4"))
    assert main(["generate", "--jobs", jobs, "--size", "64"]) == 2
    assert "1 made; 0 were there already; 1 failed: 1" in capsys.readouterr().out
    assert next(iter(options)) in caplog.text
    assert not (folder / "a.mp4").exists()


def test_a_job_is_done_again_if_its_marks_were_changed(folder, marks, caplog):
    (folder / "m.yaml").write_text("label: true")
    jobs = write_jobs(folder, job(folder, "a.mp4", marks=str(folder / "m.yaml")))
    assert main(["generate", "--jobs", jobs, "--size", "64"]) == 0
    (folder / "m.yaml").write_text("label: false")
    assert main(["generate", "--jobs", jobs, "--size", "64"]) == 2
    assert "there already" in caplog.text


def test_jobs_that_are_done_are_not_done_again(folder, marks, capsys):
    jobs = write_jobs(folder, job(folder, "a.mp4"))
    assert main(["generate", "--jobs", jobs, "--size", "64"]) == 0
    made = (folder / "a.mp4").stat().st_mtime_ns
    assert main(["generate", "--jobs", jobs, "--size", "64"]) == 0
    assert "0 made; 1 were there already" in capsys.readouterr().out
    assert (folder / "a.mp4").stat().st_mtime_ns == made


def test_a_job_that_was_changed_does_not_silently_keep_the_old_film(folder, marks, caplog):
    assert main(["generate", "--jobs", write_jobs(folder, job(folder, "a.mp4", size=64))]) == 0
    changed = write_jobs(folder, job(folder, "a.mp4", size=64, seed=5))
    assert main(["generate", "--jobs", changed]) == 2
    assert "there already" in caplog.text
    assert main(["generate", "--overwrite", "--jobs", changed]) == 0


def test_a_job_is_done_again_with_weights_that_were_trained_anew(folder, marks, caplog):
    shutil.copytree(DEFAULT, folder / "chain")
    jobs = write_jobs(folder, job(folder, "a.mp4", pretrained=str(folder / "chain")))
    assert main(["generate", "--jobs", jobs, "--size", "64"]) == 0
    os.utime(folder / "chain" / "motion.safetensors")
    assert main(["generate", "--jobs", jobs, "--size", "64"]) == 2
    assert "there already" in caplog.text


def test_weights_that_lie_about_are_nothing_to_a_job(folder, marks, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "stray.safetensors").write_bytes(b"one")
    jobs = write_jobs(folder, job(folder, "a.mp4", size=64))
    assert main(["generate", "--jobs", jobs]) == 0
    (folder / "stray.safetensors").write_bytes(b"another")
    assert main(["generate", "--jobs", jobs]) == 0
    assert "0 made; 1 were there already" in capsys.readouterr().out


def test_a_job_may_leave_out_what_the_command_line_says(folder, marks):
    jobs = write_jobs(folder, {"out": str(folder / "a.mp4")})
    common = ["--audio", str(folder / "v.flac"), "--image", str(folder / "p.jpg"), "--size=64"]
    assert main(["generate", *common, "--jobs", jobs]) == 0
    assert len(list(read_frames(folder / "a.mp4"))) == 5


def test_jobs_may_stand_in_a_yaml_list(tmp_path):
    (tmp_path / "jobs.yaml").write_text("- {audio: a.wav, out: b.mp4}\n- audio: c.wav\n")
    assert read_jobs(str(tmp_path / "jobs.yaml")) == [
        {"audio": "a.wav", "out": "b.mp4"},
        {"audio": "c.wav"},
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("jobs.jsonl", "{}\n{", "line 2 is no JSON"),
        ("jobs.jsonl", "[1]", "must hold a list of options"),
        ("jobs.jsonl", "", "must hold a list of options"),
        ("jobs.yaml", "a: b", "must hold a list of options"),
        ("jobs.yaml", "[", "no YAML"),
    ],
)
def test_a_file_that_holds_no_jobs_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_jobs(str(tmp_path / name))


def test_clips_are_dubbed_as_jobs_and_again_with_new_weights(folder, pair, marks, capsys, caplog):
    own = shutil.copytree(pair, folder / "pair")
    stages = {"landmarks": str(own), "renderer": str(own), "size": 96}
    wrong = {"audio": str(folder / "v.flac"), "video": str(folder / "c.mp4"), "pose": 0.5}
    right = {"audio": str(folder / "v.flac"), "video": str(clip(folder / "c.mp4", 5))}
    jobs = write_jobs(
        folder,
        {**right, **stages, "out": str(folder / "a.mp4")},
        {**wrong, **stages, "out": str(folder / "b.mp4")},
    )
    assert main(["generate", "--jobs", jobs]) == 2
    assert "1 made; 0 were there already; 1 failed: 2" in capsys.readouterr().out
    assert "job 2 of 2 failed: --pose is for" in caplog.text
    assert main(["generate", "--jobs", jobs]) == 2
    assert "0 made; 1 were there already" in capsys.readouterr().out
    os.utime(own / "landmarks.safetensors")
    assert main(["generate", "--jobs", jobs, "--overwrite"]) == 2
    assert "1 made; 0 were there already" in capsys.readouterr().out
