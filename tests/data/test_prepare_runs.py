"""Runs of preparation: killed, resumed, repeated, on a full disk, with one worker and several."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.data.corpora import content_of, film, make_corpus, swaying
from tests.data.test_write_whole import room_for
from viseme_data.layouts import ClipFacts
from viseme_data.manifest import kept, read_manifest
from viseme_data.prepare.config import PrepareConfig
from viseme_data.prepare.crops import OutputError
from viseme_data.prepare.run import prepare
from viseme_data.prepare.sources import Source
from viseme_data.prepare.workers import Prepared, prepare_all

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


@dataclass(frozen=True)
class _Bomb:
    """Ends the process in which it is unpacked."""

    def __reduce__(self):
        return os._exit, (3,)


def test_a_worker_that_dies_costs_one_video(videos, tmp_path):
    (tmp_path / "clips").mkdir()
    facts = ClipFacts(speaker="a")
    good = [
        Source(path=videos / name, name=name, facts=facts, content_hash=name)
        for name in ("short.mp4", "empty.mp4")
    ]
    deadly = Source(path=_Bomb(), name="deadly.mp4", facts=facts)  # type: ignore[arg-type]
    events = prepare_all([deadly, *good], PrepareConfig(), tmp_path / "clips", workers=1)
    through = [event for event in events if isinstance(event, Prepared)]
    assert [(e.source.name, e.rows[0].reasons, e.is_final) for e in through] == [
        ("deadly.mp4", ("worker_died",), False),
        ("short.mp4", ("too_short",), True),
        ("empty.mp4", ("empty",), True),
    ]
    assert "ended" in through[0].rows[0].detail


def test_a_bug_costs_one_video(videos, tmp_path, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("viseme_data.prepare.source.draft_clip", broken)
    rows = prepare(videos, out=tmp_path / "out", workers=0).rows
    by_name = {row.source: row for row in rows}
    assert by_name["plain.mp4"].reasons == ("failed",)
    assert "KeyError" in by_name["plain.mp4"].detail
    assert by_name["short.mp4"].reasons == ("too_short",)


def test_other_settings_are_refused_until_they_may_replace(videos, tmp_path):
    out = tmp_path / "out"
    one = videos / "plain.mp4"
    prepare(one, out=out, workers=0)
    before = content_of(out)
    with pytest.raises(ValueError, match=r"settings\.size was 256 and now is 512.*--overwrite"):
        prepare(one, PrepareConfig(size=512), out=out, workers=0)
    assert content_of(out) == before
    prepare(one, PrepareConfig(size=512), out=out, workers=0, overwrite=True)
    rows = read_manifest(out)
    assert [row.size for row in rows] == [512]
    # Nothing of the other settings is left.
    assert len(list((out / "clips").iterdir())) == 2
    assert len(list((out / "work").glob("*.json"))) == 1


def test_a_folder_of_other_things_or_videos_is_refused(videos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.doc").write_text("years of work")
    with pytest.raises(ValueError, match=r"holds other files, first 'thesis\.doc'"):
        prepare(videos, out=out, workers=0)
    (out / "thesis.doc").unlink()
    prepare(videos / "short.mp4", out=out, workers=0)
    with pytest.raises(ValueError, match=r"clips of 1 videos that are not.*'short\.mp4'"):
        prepare(videos / "empty.mp4", out=out, workers=0)
    prepare(videos / "empty.mp4", out=out, workers=0, overwrite=True)
    assert [row.source for row in read_manifest(out)] == ["empty.mp4"]


def test_new_videos_join_and_changed_ones_are_done_again(tmp_path):
    videos, out = tmp_path / "videos", tmp_path / "videos" / "out"
    videos.mkdir()
    film(videos / "a.mp4", number=26)
    assert prepare(videos, out=out, workers=0).num_new == 1
    film(videos / "b.mp4", number=27)
    # What was written lies among what is read, and does not count.
    assert prepare(videos, out=out, workers=0).num_new == 1
    film(videos / "a.mp4", number=28, draw=swaying(2))
    assert prepare(videos, out=out, workers=0).num_new == 1
    assert [(row.source, row.num_frames) for row in read_manifest(out)] == [
        ("a.mp4", 28),
        ("b.mp4", 27),
    ]
    assert len(list((out / "clips").iterdir())) == 4


def test_everybody_is_kept_when_all_are_wanted(tmp_path):
    videos = make_corpus(tmp_path / "videos", ["two_faces.mp4"])
    rows = kept(prepare(videos, PrepareConfig(face="all"), out=tmp_path / "all", workers=0).rows)
    assert [row.face for row in rows] == [0, 1]
    assert rows[0].face_px > rows[1].face_px
    assert rows[0].clip_id != rows[1].clip_id
    second = prepare(videos, PrepareConfig(face=1), out=tmp_path / "second", workers=0).rows
    assert [(row.face, row.crop_cx) for row in second] == [(1, rows[1].crop_cx)]


def test_a_corpus_tells_speakers_and_strays_are_rows(tmp_path):
    videos = tmp_path / "videos"
    folder = videos / "W011/video/front/happy/level_2"
    folder.mkdir(parents=True)
    film(folder / "001.mp4", number=26)
    film(videos / "holiday.mp4", number=27)
    rows = prepare(videos, PrepareConfig(layout="mead"), out=tmp_path / "out", workers=0).rows
    by_name = {row.source.rpartition("/")[2]: row for row in rows}
    clip = by_name["001.mp4"]
    assert (clip.speaker, clip.language, clip.emotion, clip.emotion_level) == (
        "W011",
        "en",
        "happy",
        2,
    )
    assert by_name["holiday.mp4"].reasons == ("unknown_name",)


def test_clips_without_sound_are_rejected_where_it_is_needed(videos, tmp_path):
    config = PrepareConfig(need_audio=True)
    rows = prepare(videos / "no_sound.mp4", config, out=tmp_path / "out", workers=0).rows
    assert rows[0].reasons == ("no_audio",)
    assert not list((tmp_path / "out" / "clips").iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"face": -1}, "face must be"),
        ({"smoothing": -1.0}, "smoothing must be"),
        ({"split_shares": (0.5, 0.5, 0.5)}, "add up to 1"),
        ({"audio": {"a/b": None}}, "names have letters"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PrepareConfig(**settings)


def test_a_folder_without_videos_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        prepare(tmp_path / "none", out=tmp_path / "out")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "notes.txt").touch()
    with pytest.raises(ValueError, match="there is no video"):
        prepare(tmp_path / "videos", out=tmp_path / "out")
    with pytest.raises(ValueError, match="workers must be at least 0"):
        prepare(tmp_path / "videos", out=tmp_path / "out", workers=-1)
