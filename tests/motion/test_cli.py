"""The commands of the stage: what they teach, what they leave, how they refuse."""

import json
from pathlib import Path

import pytest
import torch

from tests.motion.runs import fit, predict, run_test
from tests.motion.small import FACE
from viseme_motion import cli
from viseme_motion.datamodule import MotionDataConfig, MotionDataModule
from viseme_motion.motion_file import load_motion

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)

FEW_STEPS = ["--model.sampler", "{solver: dpm++, num_steps: 2}"]


@pytest.fixture(scope="module")
def trained(speakers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stage file of an FD2Talk run of one step."""
    run_dir = tmp_path_factory.mktemp("trained")
    fit(speakers, run_dir, "fd2talk", "--trainer.max_steps", "1")
    return run_dir / "motion.safetensors"


@pytest.mark.parametrize("given", [["--help"], ["-h"]])
def test_help_lists_and_teaches_every_command(given, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(given)
    assert not stopped.value.code
    text = capsys.readouterr().out
    for command in ("fit", "validate", "test", "predict", "expert", "subspaces", "reproduce"):
        assert f"\n  {command} " in text
        assert command == "validate" or f"viseme-motion {command} " in text


@pytest.mark.parametrize("given", [[], ["fitt"]])
def test_a_command_that_there_is_not_is_answered_by_those_that_there_are(given, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(given)
    assert stopped.value.code == 2
    text = capsys.readouterr().err
    assert "reproduce" in text
    assert ("no command 'fitt'" in text) == bool(given)


def test_commands_beside_the_verbs_refuse_by_a_sentence_too(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["subspaces", str(tmp_path / "nowhere")])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("error: ") == 1


@pytest.mark.parametrize("verb", [fit, run_test, predict])
def test_missing_data_are_one_sentence_for_every_verb(verb, trained, tmp_path, capsys):
    given = ["--init_from", str(trained)]
    with pytest.raises(SystemExit) as stopped:
        verb(tmp_path / "nowhere", tmp_path / "run", "fd2talk", *given)
    assert stopped.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert "holds neither prepared clips" in errors[0]


def test_predict_writes_a_motion_file_of_every_test_sample(unheard, trained, tmp_path):
    predict(unheard, tmp_path, "fd2talk", "--init_from", str(trained), *FEW_STEPS,
            "--data.config.evaluation_frames", "60")  # fmt: skip
    data = MotionDataModule(
        MotionDataConfig(path=str(unheard), evaluation_frames=60, num_workers=0)
    )
    batch = next(iter(data.test_dataloader()))
    files = sorted((tmp_path / "motion").iterdir())
    assert [int(file.stem) for file in files] == batch.index_B.tolist()
    for i, file in enumerate(files):
        motion = load_motion(file)
        assert motion.face_model == FACE.name
        assert motion.num_frames == int(batch.mask_BT[i].sum())
        # It goes on from the clip's first frame, which is given.
        assert torch.equal(motion.expression[0], batch.expression_BTC[i, 0])
        assert not torch.equal(motion.expression[1], batch.expression_BTC[i, 1])


def test_scores_of_each_language_add_up_to_those_of_all(unheard, trained, tmp_path):
    run_test(unheard, tmp_path, "fd2talk", "--init_from", str(trained), *FEW_STEPS,
             "--data.config.evaluation_frames", "60")  # fmt: skip
    scores = json.loads((tmp_path / "test.json").read_text())
    data = MotionDataModule(
        MotionDataConfig(path=str(unheard), evaluation_frames=60, num_workers=0)
    )
    languages = [language for _, language in data.clips_of("test")]
    assert set(languages) == {"en", "cmn"}
    for name in ("lip_distance", "wrong_sound_lip_distance"):
        parts = {one: scores[f"test/{one}/{name}"] for one in ("en", "cmn")}
        assert parts["en"] != parts["cmn"]
        mean = sum(parts[one] for one in languages) / len(languages)
        assert scores[f"test/{name}"] == pytest.approx(mean, rel=1e-5)
