"""Features of speech encoders in prepared clips, with tiny random models in folders."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2FeatureExtractor,
    WhisperConfig,
    WhisperModel,
)

from tests.data.corpora import content_of, film
from viseme_core.audio import PretrainedConfig, audio_config_from_plain, build_encoder
from viseme_data import cli
from viseme_data.clips import read_clip
from viseme_data.motion_datasets import MotionDataset
from viseme_data.prepare.config import PrepareConfig
from viseme_data.prepare.run import prepare
from viseme_data.sources import ClipFolder

pytestmark = pytest.mark.usefixtures("_one_thread")

NUM = 26


def save_hubert(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    config = HubertConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    HubertModel(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def save_whisper(folder: Path) -> Path:
    torch.manual_seed(2)
    config = WhisperConfig(
        d_model=24,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=24,
        vocab_size=8,
        max_source_positions=100,
        max_target_positions=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    WhisperModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video, two models, and what was prepared with them."""
    folder = tmp_path_factory.mktemp("audio")
    film(folder / "videos.mp4", number=NUM)
    save_hubert(folder / "hubert", seed=1)
    save_whisper(folder / "whisper")
    prepare(folder / "videos.mp4", settings(folder), out=folder / "out", workers=0)
    return folder


def settings(folder: Path, **more: Any) -> PrepareConfig:
    return PrepareConfig(
        audio={
            "hubert-1": PretrainedConfig(kind="hubert", path=str(folder / "hubert"), layer=1),
            # A position table of two seconds.
            "whisper": PretrainedConfig(
                kind="whisper", path=str(folder / "whisper"), window=20, context=10
            ),
        },
        split_shares=(1.0, 0.0, 0.0),
        **more,
    )


def described(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "out" / "dataset.json").read_text())


def test_features_stand_under_their_names_and_are_those_of_the_models(folder: Path) -> None:
    (path,) = (folder / "out" / "clips").glob("*.safetensors")
    clip = read_clip(path)
    assert sorted(clip.features) == ["hubert-1", "logmel", "whisper"]
    shapes = {name: tuple(values.shape) for name, values in clip.features.items()}
    assert shapes == {"hubert-1": (NUM, 16), "logmel": (NUM, 320), "whisper": (NUM, 24)}
    for name, config in settings(folder).audio.items():
        features_TA = clip.features[name]
        torch.testing.assert_close(features_TA, build_encoder(config).encode(clip.audio_S))
        assert features_TA.std(0).min() > 0


def test_the_folder_says_by_which_weights_and_stages_can_build_the_encoder(folder: Path) -> None:
    audio = described(folder)["audio"]
    assert sorted(audio) == ["hubert-1", "logmel", "whisper"]
    for name, config in settings(folder).audio.items():
        pinned = audio_config_from_plain(audio[name])
        assert pinned == build_encoder(config).pinned_config
        assert isinstance(pinned, PretrainedConfig)
        assert len(pinned.fingerprint or "") == 16


def test_windows_have_the_features_of_the_name(folder: Path) -> None:
    dataset = MotionDataset(ClipFolder(folder / "out", "train"), frames=8, audio="whisper")
    assert dataset[0].audio_BTA.shape == (8, 24)


def test_the_command_line_takes_encoders_and_two_workers_agree(
    folder: Path, tmp_path: Path
) -> None:
    audio = {
        "hubert-1": {"kind": "hubert", "path": str(folder / "hubert"), "layer": 1},
        "whisper": {
            "kind": "whisper",
            "path": str(folder / "whisper"),
            "window": 20,
            "context": 10,
        },
    }
    given = ["prepare", str(folder / "videos.mp4"), "--out", str(tmp_path / "out")]
    given += ["--workers", "2", "--split_shares", "[1, 0, 0]", "--audio", json.dumps(audio)]
    assert cli.main(given) == 0
    assert content_of(tmp_path / "out") == content_of(folder / "out")


def test_other_weights_at_the_same_place_are_other_settings(tmp_path: Path) -> None:
    film(tmp_path / "videos.mp4", number=NUM)
    hubert = PretrainedConfig(kind="hubert", path=str(save_hubert(tmp_path / "hubert", seed=1)))
    config = PrepareConfig(audio={"hubert": hubert})
    prepare(tmp_path / "videos.mp4", config, out=tmp_path / "out", workers=0)
    save_hubert(tmp_path / "hubert", seed=3)
    with pytest.raises(ValueError, match=r"audio\.hubert\.fingerprint was '\w{16}' and now is"):
        prepare(tmp_path / "videos.mp4", config, out=tmp_path / "out", workers=0)


def test_a_model_that_is_not_there_is_refused_before_anything_is_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = json.dumps({"hubert": {"kind": "hubert", "path": str(tmp_path / "none")}})
    given = ["prepare", str(folder / "videos.mp4"), "--out", str(tmp_path / "out")]
    assert cli.main([*given, "--audio", audio]) == 1
    assert "must be a folder with config.json" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
