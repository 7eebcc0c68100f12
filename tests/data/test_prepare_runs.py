"""Runs of preparation: killed, resumed, repeated, on a full disk, with one worker and several."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.data.corpora import content_of, film, make_corpus, swaying
from tests.data.test_write_whole import room_for
from viseme_data.manifest import read_manifest
from viseme_data.prepare.crops import OutputError
from viseme_data.prepare.run import prepare

NAMES = ["plain.mp4", "no_sound.mp4", "short.mp4", "empty.mp4"]
# Kills itself instead of giving a finished file its name for the nth time.
KILLED = """
import os, signal, sys
from pathlib import Path
from viseme_data.prepare.run import prepare

calls, replace = 0, os.replace

def last(source, target):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = last
prepare(Path(sys.argv[1]), out=Path(sys.argv[2]), workers=0)
"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("runs") / "videos", NAMES)


@pytest.fixture(scope="module")
def unbroken(videos) -> dict[str, bytes]:
    """What a run leaves that nothing disturbs."""
    prepare(videos, out=videos.parent / "unbroken", workers=0)
    return content_of(videos.parent / "unbroken")


def test_a_run_leaves_the_files_of_the_format(unbroken):
    kinds = sorted({name.rpartition(".")[2] for name in unbroken})
    assert kinds == ["json", "mp4", "parquet", "safetensors"]
    described = json.loads(unbroken["dataset.json"])
    assert described["format"] == 1
    assert described["settings"]["size"] == 256
    assert described["audio"]["logmel"]["kind"] == "logmel"
    assert described["face_model"].startswith("builtin@")


def test_a_second_run_does_nothing_and_leaves_the_same(videos, unbroken, tmp_path):
    out = tmp_path / "out"
    first = prepare(videos, out=out, workers=0)
    times = {path: path.stat().st_mtime_ns for path in (out / "clips").iterdir()}
    second = prepare(videos, out=out, workers=0)
    assert (first.num_new, second.num_new) == (4, 0)
    assert {path: path.stat().st_mtime_ns for path in (out / "clips").iterdir()} == times
    assert content_of(out) == unbroken


def test_two_workers_leave_the_same_bytes(videos, unbroken, tmp_path):
    prepare(videos, out=tmp_path / "out", workers=2)
    assert content_of(tmp_path / "out") == unbroken


@pytest.mark.parametrize("moment", [2, 4])
def test_a_killed_run_goes_on_to_the_same_bytes(videos, unbroken, tmp_path, moment):
    out = tmp_path / "out"
    arguments = [sys.executable, "-c", KILLED, str(videos), str(out), str(moment)]
    killed = subprocess.run(arguments, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    done = len(list((out / "work").glob("*.json")))
    assert list(out.rglob("*.partial"))
    summary = prepare(videos, out=out, workers=0)
    assert summary.num_new == len(NAMES) - done
    assert content_of(out) == unbroken


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing(videos, unbroken, tmp_path):
    command = [sys.executable, "-m", "viseme_data", "prepare", str(videos), "--workers", "2"]
    start = time.monotonic()
    subprocess.run([*command, "--out", str(tmp_path / "timed")], check=True, capture_output=True)
    whole_sec = time.monotonic() - start
    draw = random.Random(0)
    for k in range(10):
        out = tmp_path / str(k)
        run = subprocess.Popen(
            [*command, "--out", str(out)], stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(draw.uniform(0.3, 1) * whole_sec)
        # The parent alone: its workers must notice by themselves.
        run.kill()
        run.wait()
        time.sleep(1)
        subprocess.run([*command, "--out", str(out)], check=True, capture_output=True)
        assert content_of(out) == unbroken


@pytest.mark.parametrize("room", [100, 20_000])
def test_a_full_disk_ends_a_run_cleanly_and_it_goes_on(videos, unbroken, tmp_path, room):
    out = tmp_path / "out"
    with room_for(room), pytest.raises(OutputError, match=r"too large") as caught:
        prepare(videos, out=out, workers=0)
    assert "\n" not in str(caught.value)
    assert not list(out.rglob("*.partial"))
    assert not (out / "manifest.parquet").exists()
    prepare(videos, out=out, workers=0)
    assert content_of(out) == unbroken


def test_a_disk_that_takes_nothing_is_named(videos):
    with pytest.raises(OutputError, match="/proc/prepared"):
        prepare(videos, out=Path("/proc/prepared"), workers=0)


def test_latents_stay_as_long_as_their_clip(tmp_path):
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    film(videos / "a.mp4", number=26)
    (row,) = prepare(videos, out=out, workers=0).rows
    latents = out / "clips" / f"{row.clip_id}.latents.safetensors"
    latents.write_bytes(b"work of hours")
    film(videos / "b.mp4", number=27)
    prepare(videos, out=out, workers=0)
    assert latents.read_bytes() == b"work of hours"
    film(videos / "a.mp4", number=28, draw=swaying(2))
    prepare(videos, out=out, workers=0)
    assert not latents.exists()


def test_there_is_no_manifest_while_clips_change(tmp_path, monkeypatch):
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    film(videos / "a.mp4", number=26)
    prepare(videos, out=out, workers=0)
    film(videos / "b.mp4", number=27)
    with monkeypatch.context() as patch:
        patch.setattr("viseme_data.prepare.source.draft_clip", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(videos, out=out, workers=0)
    assert not (out / "manifest.parquet").exists()
    assert prepare(videos, out=out, workers=0).num_new == 1
    assert len(read_manifest(out)) == 2


def _interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
