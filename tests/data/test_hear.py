"""Features of further encoders: what they are, broken runs, other settings."""

import json
import os
from pathlib import Path

import pytest
import torch

from tests.data.prepared import make_prepared
from tests.data.test_prepare_audio import save_whisper
from viseme_core.audio import AudioConfig, PretrainedConfig, build_encoder
from viseme_core.config import to_plain
from viseme_data import hear as module
from viseme_data.cli import main
from viseme_data.clips import PreparedClip, read_clip
from viseme_data.datasets import MotionDataset
from viseme_data.hear import hear
from viseme_data.manifest import kept, read_manifest
from viseme_data.sources import ClipFolder, clip_path, video_path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hear") / "source"
    make_prepared(path)
    return path


@pytest.fixture(scope="module")
def ears(tmp_path_factory: pytest.TempPathFactory) -> dict[str, AudioConfig]:
    folder = tmp_path_factory.mktemp("ears")
    save_whisper(folder)
    return {"ears": PretrainedConfig(kind="whisper", path=str(folder), window=30, context=10)}


def test_every_clip_has_the_encoder_s_own_features_and_all_it_had(source, ears, tmp_path):
    count = len(kept(read_manifest(source)))
    said = hear(source, out=tmp_path / "heard", audio=ears)
    assert said == f"{count} clips ({count} new) heard by ears"
    encoder = build_encoder(ears["ears"])
    rows = kept(read_manifest(tmp_path / "heard"))
    assert rows == kept(read_manifest(source))
    for row in rows:
        before = read_clip(clip_path(source, row.clip_id))
        after = read_clip(clip_path(tmp_path / "heard", row.clip_id))
        assert set(after.features) == {*before.features, "ears"}
        assert torch.equal(after.features["ears"], encoder.encode(before.audio_S))
        assert torch.equal(after.landmarks_TK3, before.landmarks_TK3)
        assert torch.equal(after.features["logmel"], before.features["logmel"])
        video = video_path(source, row.clip_id)
        assert video_path(tmp_path / "heard", row.clip_id).exists() == video.exists()


def test_the_command_says_what_it_made_and_what_it_was_not_told(source, ears, tmp_path, capsys):
    audio = json.dumps({name: to_plain(config) for name, config in ears.items()})
    assert main(["hear", str(source), "--out", str(tmp_path / "heard"), f"--audio={audio}"]) == 0
    assert "heard by ears" in capsys.readouterr().out
    assert main(["hear", str(source), "--out", str(tmp_path / "none")]) == 1
    assert "--audio must name" in capsys.readouterr().err


def test_data_sets_read_what_it_wrote(source, ears, tmp_path):
    hear(source, out=tmp_path / "heard", audio=ears)
    clips = ClipFolder(tmp_path / "heard", "train")
    assert MotionDataset(clips, frames=10, audio="ears")[0].audio_BTA.shape[-1] == 24


def test_a_broken_run_goes_on_where_it_ended(source, ears, tmp_path, monkeypatch):
    write, written = module.write_clip, []

    def last(path: Path, clip: PreparedClip) -> None:
        if len(written) == 2:
            raise OSError("no space left")
        written.append(path)
        write(path, clip)

    monkeypatch.setattr(module, "write_clip", last)
    with pytest.raises(OSError, match="no space"):
        hear(source, out=tmp_path, audio=ears)
    assert not (tmp_path / "manifest.parquet").exists()
    written.clear()
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").glob("*.safetensors")}
    assert len(stamps) == 2
    monkeypatch.setattr(module, "write_clip", write)
    hear(source, out=tmp_path, audio=ears)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert (tmp_path / "manifest.parquet").is_file()


def test_other_encoders_and_other_files_are_not_overwritten_unasked(source, ears, tmp_path):
    (tmp_path / "letter.txt").touch()
    with pytest.raises(ValueError, match="holds other files; give a new folder"):
        hear(source, out=tmp_path, audio=ears)
    os.unlink(tmp_path / "letter.txt")
    hear(source, out=tmp_path, audio=ears)
    more = {**ears, "also": ears["ears"]}
    with pytest.raises(ValueError, match="other clips or with other encoders"):
        hear(source, out=tmp_path, audio=more)
    hear(source, out=tmp_path, audio=more, overwrite=True)
    facts = json.loads((tmp_path / "dataset.json").read_text())
    assert {"ears", "also"} <= set(facts["audio"])
    with pytest.raises(ValueError, match="is the folder with the clips"):
        hear(source, out=source, audio=ears)
    with pytest.raises(ValueError, match="has features 'logmel'; give another name"):
        hear(source, out=tmp_path / "new", audio={"logmel": ears["ears"]})
