"""Folders of disturbed copies: what is in them, broken runs, other settings, damaged clips."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.data.corpora import content_of
from tests.data.prepared import TRAIN, make_prepared
from tests.data.test_prepare_audio import save_whisper
from tests.data.test_write_whole import room_for
from viseme_core.audio import PretrainedConfig, audio_config_from_plain, build_encoder
from viseme_core.config import to_plain
from viseme_data.cli import main
from viseme_data.clips import read_clip
from viseme_data.datasets import MotionDataset, RenderDataset
from viseme_data.manifest import ClipRow, kept, read_manifest, write_manifest
from viseme_data.pack import PackConfig, pack
from viseme_data.segments import SegmentPlan
from viseme_data.sources import ClipFolder
from viseme_data.vary.config import VARY_VERSION, VaryConfig
from viseme_data.vary.run import vary

pytestmark = pytest.mark.usefixtures("_one_thread")

TWO = VaryConfig(copies=2, seed=3)
# Kills itself instead of giving a finished file its name for the nth time.
KILLED = """
import os, signal, sys
from pathlib import Path
from viseme_data.vary.config import VaryConfig
from viseme_data.vary.run import vary

calls, replace = 0, os.replace

def last(source, target):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = last
vary(Path(sys.argv[1]), VaryConfig(copies=2, seed=3), out=Path(sys.argv[2]), workers=0)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of three people to train on, in two languages, one of them mute, and of another."""
    path = tmp_path_factory.mktemp("vary") / "source"
    make_prepared(path)
    rows = [
        replace(row, language="cmn" if row.speaker == "bob" else "en", source_hash="5" * 64)
        for row in read_manifest(path)
    ]
    # Clip 4 is silent.
    rows = [replace(row, has_audio=row.clip_id != f"{4:016x}") for row in rows]
    write_manifest(path / "manifest.parquet", rows)
    return path


@pytest.fixture(scope="module")
def unbroken(source: Path) -> dict[str, bytes]:
    """What a run leaves that nothing disturbs."""
    vary(source, TWO, out=source.parent / "unbroken", workers=0)
    return content_of(source.parent / "unbroken")


def copied_from(row: ClipRow) -> tuple[str, int]:
    """The clip that a row is a copy of, and the copy's number."""
    found = re.search(r"copy (\d+) of (\w{16}): speed", row.detail)
    assert found
    return found[2], int(found[1])


def test_every_training_clip_with_sound_is_there_as_often_as_asked(source, unbroken):
    rows = read_manifest(source.parent / "unbroken")
    sources = {row.clip_id: row for row in kept(read_manifest(source), "train") if row.has_audio}
    assert len(sources) == len(TRAIN) - 1
    assert sorted(copied_from(row) for row in rows) == sorted(
        (name, copy) for name in sources for copy in (0, 1)
    )
    for row in rows:
        before = sources[copied_from(row)[0]]
        same = ("speaker", "language", "source", "source_hash", "split", "face_model", "crop_cx")
        assert [getattr(row, name) for name in same] == [getattr(before, name) for name in same]
        clip = read_clip(source.parent / "unbroken" / "clips" / f"{row.clip_id}.safetensors")
        assert (clip.clip_id, clip.speaker) == (row.clip_id, row.speaker)
        assert clip.num_frames == row.num_frames
        speed = float(re.search(r"speed ([\d.]+)", row.detail)[1])  # type: ignore[index]
        assert row.num_frames == max(1, int(before.num_frames / speed + 0.5))
        assert 0 < row.voiced <= 1
    assert len({row.clip_id for row in rows}) == len(rows)


def test_a_folder_of_copies_has_the_files_of_the_format_but_no_videos(source, unbroken):
    kinds = {name.rpartition(".")[2] for name in unbroken}
    assert kinds == {"json", "parquet", "safetensors"}
    described = json.loads(unbroken["dataset.json"])
    before = json.loads((source / "dataset.json").read_text())
    assert (described["format"], described["vary"]) == (1, VARY_VERSION)
    assert described["audio"] == before["audio"]
    assert described["face_model"] == before["face_model"]
    assert described["settings"] == {
        name: value for name, value in to_plain(TWO).items() if name != "copies"
    }


def test_motion_is_trained_on_from_copies_and_pictures_are_said_to_be_missing(source, unbroken):
    copies = ClipFolder(source.parent / "unbroken", "train", SegmentPlan(length=40, window=8))
    sample = MotionDataset(copies, frames=8)[0]
    assert sample.audio_BTA.shape == (8, 320)
    with pytest.raises(ValueError, match=r"`viseme-data vary`.* make clips without pictures"):
        RenderDataset(copies, frames=5)[0]
    with pytest.raises(ValueError, match="has no clip in the split 'val'"):
        ClipFolder(source.parent / "unbroken", "val")


def test_copies_are_packed_without_pictures(source, unbroken, tmp_path):
    folder = str(source.parent / "unbroken")
    report = pack(PackConfig(data=folder, out=str(tmp_path / "packed"), pictures=False))
    assert report.segments["train"] == 8
    with pytest.raises(ValueError, match="make clips without pictures"):
        pack(PackConfig(data=folder, out=str(tmp_path / "pictures")))


def test_workers_leave_the_same_bytes(source, unbroken, tmp_path):
    vary(source, TWO, out=tmp_path / "out", workers=2)
    assert content_of(tmp_path / "out") == unbroken


def test_a_second_run_does_nothing_and_more_copies_leave_the_first(source, unbroken, tmp_path):
    out = tmp_path / "out"
    assert vary(source, TWO, out=out, workers=0).num_new == 8
    stamps = {path: path.stat().st_mtime_ns for path in (out / "clips").iterdir()}
    assert vary(source, TWO, out=out, workers=0).num_new == 0
    assert content_of(out) == unbroken
    summary = vary(source, replace(TWO, copies=3), out=out, workers=0)
    assert (summary.num_new, len(summary.rows)) == (4, 12)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    with pytest.raises(ValueError, match="holds 4 more copies than are asked for"):
        vary(source, TWO, out=out, workers=0)
    vary(source, TWO, out=out, workers=0, overwrite=True)
    assert content_of(out) == unbroken


def test_a_killed_run_goes_on_to_the_same_bytes(source, unbroken, tmp_path):
    out = tmp_path / "out"
    arguments = [sys.executable, "-c", KILLED, str(source), str(out), "7"]
    killed = subprocess.run(arguments, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert not (out / "manifest.parquet").exists()
    done = len(list((out / "work").glob("*.json")))
    assert vary(source, TWO, out=out, workers=0).num_new == 8 - done
    assert content_of(out) == unbroken


@pytest.mark.parametrize(
    ("room", "workers"),
    [(100, 0), (20_000, 0), pytest.param(20_000, 1, marks=pytest.mark.slow)],
)
def test_a_full_disk_ends_a_run_cleanly_and_it_goes_on(source, unbroken, tmp_path, room, workers):
    out = tmp_path / "out"
    with room_for(room), pytest.raises(OSError, match="too large") as caught:
        vary(source, TWO, out=out, workers=workers)
    assert "\n" not in str(caught.value)
    assert not list(out.rglob("*.partial"))
    assert not (out / "manifest.parquet").exists()
    vary(source, TWO, out=out, workers=0)
    assert content_of(out) == unbroken


def test_there_is_no_manifest_while_copies_change(source, unbroken, tmp_path):
    out = tmp_path / "out"
    vary(source, TWO, out=out, workers=0)
    with room_for(100), pytest.raises(OSError, match="too large"):
        vary(source, replace(TWO, copies=3), out=out, workers=0)
    assert not (out / "manifest.parquet").exists()
    assert vary(source, TWO, out=out, workers=0).num_new == 0
    assert content_of(out) == unbroken


def test_a_damaged_clip_is_a_row_with_a_reason_and_is_tried_again(source, unbroken, tmp_path):
    broken = tmp_path / "source"
    make_prepared(broken)
    os.replace(broken / "manifest.parquet", broken / "other.parquet")
    (broken / "manifest.parquet").write_bytes((source / "manifest.parquet").read_bytes())
    path = broken / "clips" / f"{0:016x}.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    summary = vary(broken, TWO, out=tmp_path / "out", workers=0)
    assert (summary.num_new, str(summary).endswith("1 clips could not be read")) == (6, True)
    (row,) = [row for row in read_manifest(tmp_path / "out") if row.status == "rejected"]
    assert (row.source, row.reasons, row.split, row.clip_id) == ("0.mp4", ("unreadable",), "", "")
    assert "is cut off or no clip" in row.detail
    assert str(tmp_path) not in row.detail
    path.write_bytes(whole)
    assert vary(broken, TWO, out=tmp_path / "out", workers=0).num_new == 2
    assert content_of(tmp_path / "out") == unbroken


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": 4}, "seed was 3 and now is 4"),
        ({"noise_db": (0.0, 20.0)}, r"noise_db was \[5\.0, 20\.0\] and now is \[0\.0, 20\.0\]"),
    ],
)
def test_other_settings_are_refused_in_the_same_folder_by_name(source, unbroken, settings, message):
    with pytest.raises(ValueError, match=message):
        vary(source, replace(TWO, **settings), out=source.parent / "unbroken", workers=0)


def test_recordings_are_never_overwritten(source, unbroken, tmp_path):
    before = content_of(source)
    with pytest.raises(ValueError, match="is the folder with the clips; give another one"):
        vary(source, TWO, out=source, workers=0, overwrite=True)
    other = tmp_path / "other"
    make_prepared(other)
    with pytest.raises(ValueError, match="holds clips that are no disturbed copies"):
        vary(source, TWO, out=other, workers=0, overwrite=True)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("all of it")
    with pytest.raises(ValueError, match=r"holds other files, first 'thesis\.txt'"):
        vary(source, TWO, out=tmp_path / "thesis", workers=0, overwrite=True)
    assert content_of(source) == before


def test_without_a_clip_that_sounds_there_is_nothing_to_copy(source, tmp_path):
    rows = [replace(row, has_audio=False) for row in read_manifest(source)]
    write_manifest(tmp_path / "manifest.parquet", rows)
    (tmp_path / "dataset.json").write_bytes((source / "dataset.json").read_bytes())
    with pytest.raises(ValueError, match="no clip with sound in the split 'train'"):
        vary(tmp_path, TWO, out=tmp_path / "out", workers=0)
    with pytest.raises(ValueError, match="there is no manifest"):
        vary(tmp_path / "nowhere", TWO, out=tmp_path / "out", workers=0)


@pytest.fixture
def heard(source: Path, tmp_path: Path) -> Path:
    """The same clips, of which the folder says that they were heard by Whisper too."""
    save_whisper(tmp_path / "whisper")
    config = PretrainedConfig(kind="whisper", path=str(tmp_path / "whisper"), window=20, context=10)
    facts: dict[str, Any] = json.loads((source / "dataset.json").read_text())
    facts["audio"]["whisper"] = to_plain(build_encoder(config).pinned_config)
    folder = tmp_path / "heard"
    folder.mkdir()
    (folder / "clips").symlink_to(source / "clips")
    (folder / "manifest.parquet").symlink_to(source / "manifest.parquet")
    (folder / "dataset.json").write_text(json.dumps(facts))
    return folder


def test_copies_are_heard_anew_by_the_encoders_of_the_folder(heard, tmp_path):
    rows = vary(heard, replace(TWO, copies=1), out=tmp_path / "out", workers=0).rows
    audio = json.loads((tmp_path / "out" / "dataset.json").read_text())["audio"]
    encoder = build_encoder(audio_config_from_plain(audio["whisper"]))
    for row in rows:
        clip = read_clip(tmp_path / "out" / "clips" / f"{row.clip_id}.safetensors")
        assert clip.features["whisper"].shape == (row.num_frames, 24)
        torch.testing.assert_close(clip.features["whisper"], encoder.encode(clip.audio_S))


def test_weights_that_are_missing_or_others_are_refused_before_any_work(heard, tmp_path):
    facts = json.loads((heard / "dataset.json").read_text())
    facts["audio"]["whisper"]["fingerprint"] = "0" * 16
    (heard / "dataset.json").write_text(json.dumps(facts))
    with pytest.raises(ValueError, match="0000000000000000"):
        vary(heard, TWO, out=tmp_path / "out", workers=0)
    facts["audio"]["whisper"]["path"] = str(tmp_path / "gone")
    (heard / "dataset.json").write_text(json.dumps(facts))
    with pytest.raises(ValueError, match="gone"):
        vary(heard, TWO, out=tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()


def test_the_command_line_makes_copies(source, tmp_path, capsys):
    given = ["vary", str(source), "--out", str(tmp_path / "out"), "--copies", "1", "--workers", "0"]
    assert main([*given, "--room_chance", "1", "--speed", "[1.0, 1.0]"]) == 0
    assert "4 copies (4 new), 0.1 minutes, 2 speakers" in capsys.readouterr().out
    rows = read_manifest(tmp_path / "out")
    assert all("speed 1," in row.detail and "room" in row.detail for row in rows)
    assert main(given) == 1
    assert "speed was [1.0, 1.0] and now is [0.86, 1.16]" in capsys.readouterr().err
