"""What training is given: windows as long as the model's, and the mean face of its clips."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from viseme_data.clips import read_clip
from viseme_data.manifest import kept, read_manifest
from viseme_face.layouts import TALK131
from viseme_landmarks.config import LandmarksConfig
from viseme_landmarks.datamodule import LandmarkDataConfig, LandmarkDataModule, SpeakersConfig


def make_data(speakers, **config: object) -> LandmarkDataModule:
    settings = {"path": str(speakers), "num_workers": 0, "batch_size": 2, **config}
    return LandmarkDataModule(LandmarkDataConfig(**settings))  # type: ignore[arg-type]


def attach(data: LandmarkDataModule, config: LandmarksConfig) -> None:
    module = SimpleNamespace(config=config, seed=0)
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        lightning_module=module, global_rank=0, world_size=1
    )
    data.setup("fit")


def test_windows_and_references_are_as_many_as_the_model_is_trained_with(speakers):
    data = make_data(speakers, evaluation_frames=30)
    attach(data, LandmarksConfig(num_frames=3, num_references=2))
    batch = next(iter(data.train_dataloader()))
    assert batch.mel_BTMW.shape == (2, 3, 80, 16)
    assert batch.reference_BNK2.shape == (2, 2, 131, 2)
    assert batch.target_BTK2.shape == (2, 3, 57, 2)
    assert next(iter(data.val_dataloader())).mel_BTMW.shape[1] == 30
    assert "windows of 3 frames" in data.describe()


def test_the_mean_face_and_its_spread_are_those_of_all_training_frames(speakers):
    mean, spread = make_data(speakers).moments()
    rows = [row for row in kept(read_manifest(speakers)) if row.split == "train"]
    clips = [read_clip(speakers / "clips" / f"{row.clip_id}.safetensors") for row in rows]
    points = np.concatenate(
        [clip.landmarks_TK3[:, list(TALK131), :2].double().numpy() for clip in clips]
    )
    np.testing.assert_allclose(mean, points.mean(0), rtol=0, atol=1e-6)
    expected = np.sqrt(((points - points.mean(0)) ** 2).mean())
    assert float(spread) == pytest.approx(expected, rel=1e-4)


def test_every_sample_of_an_evaluation_says_which_clip_it_is_of(speakers):
    data = make_data(speakers, evaluation_frames=30)
    clips = data.clips_of("test")
    assert len(clips) == sum(len(batch.index_B) for batch in data.test_dataloader())
    frames = {
        row.clip_id: row.num_frames for row in kept(read_manifest(speakers)) if row.split == "test"
    }
    assert {clip: clips.count(clip) for clip in clips} == {
        clip: -(-count // 30) for clip, count in frames.items()
    }
    with pytest.raises(ValueError, match="drawn at random"):
        data.clips_of("train")


def test_without_data_speakers_are_made_once(tmp_path):
    config = LandmarkDataConfig(
        synthetic_path=str(tmp_path / "made"),
        synthetic=SpeakersConfig(speakers=3, minutes=0.2, languages="en"),
        num_workers=0,
    )
    data = LandmarkDataModule(config)
    data.prepare_data()
    files = sorted((tmp_path / "made" / "clips").iterdir())
    before = [file.stat().st_mtime_ns for file in files]
    data.prepare_data()
    assert files
    assert [file.stat().st_mtime_ns for file in files] == before
    assert torch.isfinite(data.moments()[0]).all()
