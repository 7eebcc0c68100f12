"""Data that do not belong to a model, and whose weights its sound was heard with."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.motion.runs import fit, validate
from tests.motion.small import FACE
from viseme_core.audio import PretrainedConfig
from viseme_core.checkpoint import StageHeader, load_stage
from viseme_core.config import to_plain
from viseme_core.train.optim import OptimConfig
from viseme_motion.build import load_model
from viseme_motion.config import MotionConfig
from viseme_motion.datamodule import MotionDataConfig, MotionDataModule
from viseme_motion.fd2talk.config import FD2TalkConfig
from viseme_motion.module import MotionModule
from viseme_motion.training_data import check_data, pin_encoder

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)

ONE, OTHER = "1" * 16, "2" * 16


def heard(fingerprint: str, path: str = "here") -> dict[str, Any]:
    config = PretrainedConfig(kind="hubert", path=path, fingerprint=fingerprint)
    return to_plain(config)


def make(fingerprint: str | None = None, path: str = "here") -> MotionModule:
    """Return a module that hears with HuBERT, with data heard by the weights ONE in `here`."""
    audio = PretrainedConfig(kind="hubert", path=path, fingerprint=fingerprint)
    small = FD2TalkConfig(num_layers=1, dim=16, num_heads=2, sync=False)
    module = MotionModule(MotionConfig(system="fd2talk", fd2talk=small, audio=audio), OptimConfig())
    source = SimpleNamespace(where="data", face_model=FACE.name, audio={"logmel": heard(ONE)})
    data = SimpleNamespace(
        source=lambda split: source, config=MotionDataConfig(audio="logmel", path="data")
    )
    module._trainer = SimpleNamespace(datamodule=data)  # type: ignore[assignment]
    return module


def test_the_weights_that_the_data_were_heard_with_are_named_by_every_checkpoint():
    module = make()
    assert module.header().audio == heard(ONE) | {"fingerprint": None}
    check_data(module, "train")
    assert module.header().audio == heard(ONE)
    assert module.header().config["audio"] == heard(ONE)
    assert module.hparams["config"]["audio"] == heard(ONE)


def test_weights_may_lie_elsewhere_but_others_are_refused_in_one_sentence():
    check_data(make(ONE, "elsewhere"), "train")
    with pytest.raises(ValueError, match=f"^data was heard with hubert .*{ONE}.* with '{OTHER}'; "):
        check_data(make(OTHER), "test")
    with pytest.raises(ValueError, match=r"set it to what the data say"):
        check_data(make(None, "elsewhere"), "val")


def test_weights_that_a_run_starts_from_bring_their_encoder_along():
    module = make()
    module.on_weights_from(StageHeader(stage="motion", audio=heard(OTHER)))
    with pytest.raises(ValueError, match=f"with '{OTHER}'"):
        module.on_predict_start()
    pin_encoder(module, heard(ONE))
    assert module.config.audio.fingerprint == OTHER


def test_a_trained_model_keeps_to_the_encoder_that_it_was_trained_with(
    speakers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    source, found = MotionDataModule.source, {"fingerprint": ONE}

    def heard_by_hubert(self: MotionDataModule, split: Any) -> Any:
        prepared = source(self, split)
        prepared.audio["logmel"] = heard(found["fingerprint"])
        return prepared

    monkeypatch.setattr(MotionDataModule, "source", heard_by_hubert)
    hubert = ["--model.config.audio", "{kind: hubert, path: here}"]
    fit(speakers, tmp_path, "fd2talk", *hubert, "--trainer.max_steps", "1")
    assert load_stage(tmp_path / "motion.safetensors", stage="motion").header.audio == heard(ONE)
    config = load_model(tmp_path / "checkpoints")[1]
    assert config.audio == PretrainedConfig(kind="hubert", path="here", fingerprint=ONE)
    found["fingerprint"] = OTHER
    for weights in (["--ckpt_path", "last"], ["--init_from", str(tmp_path / "motion.safetensors")]):
        with pytest.raises(SystemExit) as stopped:
            validate(speakers, tmp_path, "fd2talk", *hubert, *weights,
                     "--trainer.limit_val_batches", "1")  # fmt: skip
        assert stopped.value.code == 2
        assert f"this model with '{ONE}'" in capsys.readouterr().err


@pytest.mark.parametrize("is_centred", [False, True])
def test_poses_are_in_units_of_what_they_move_where_they_are_centred(speakers, is_centred):
    small = FD2TalkConfig(num_layers=1, dim=16, num_heads=2, sync=False, centre_pose=is_centred)
    module = MotionModule(MotionConfig(system="fd2talk", fd2talk=small), OptimConfig())
    data = MotionDataModule(MotionDataConfig(path=str(speakers), num_workers=0))
    module._trainer = SimpleNamespace(datamodule=data)  # type: ignore[assignment]
    module.on_fit_start()
    moments = data.moments()
    spread = moments["pose_within" if is_centred else "pose"].moments()[1]
    torch.testing.assert_close(module.model.motion_scale.mean[64:], moments["pose"].moments()[0])
    torch.testing.assert_close(module.model.motion_scale.std[64:], spread.clamp(min=1e-4))
