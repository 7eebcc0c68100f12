"""Training on several folders at once: order, processes, resuming, and what is kept apart."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.motion.runs import fit
from viseme_core.checkpoint import load_stage
from viseme_data.vary.config import VaryConfig
from viseme_data.vary.run import vary
from viseme_motion.datamodule import MotionDataConfig, MotionDataModule

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


@pytest.fixture(scope="module")
def copies(speakers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Disturbed copies of the speakers, one of each clip."""
    folder = tmp_path_factory.mktemp("copies") / "copies"
    vary(speakers, VaryConfig(copies=1), out=folder, workers=0)
    return folder


def data_of(path: Path, *, rank: int = 0, world_size: int = 1, **settings: Any) -> MotionDataModule:
    options: dict[str, Any] = {"batch_size": 2, "repeats": 3, "num_workers": 0, **settings}
    data = MotionDataModule(MotionDataConfig(path=str(path), **options))
    trainer = SimpleNamespace(
        global_rank=rank, world_size=world_size, lightning_module=SimpleNamespace(seed=3)
    )
    data.trainer = trainer  # type: ignore[assignment]
    return data


def epoch(loader: Any, number: int = 1) -> list[Any]:
    loader.sampler.set_epoch(number)
    return list(loader)


def indices(batches: list[Any]) -> list[int]:
    return torch.cat([batch.index_B for batch in batches]).tolist()


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(first, second)
        for pair in zip(one, other, strict=True)
        for first, second in zip(*pair, strict=True)
    )


def test_other_folders_are_trained_on_and_evaluation_keeps_to_the_first(speakers, copies):
    alone = data_of(speakers)
    both = data_of(speakers, also=(str(copies),), also_repeats=2)
    num = len(alone._dataset("train", 0)) + 2 * len(data_of(copies)._dataset("train", 0))
    assert num % 2 == 0
    assert sorted(indices(epoch(both.train_dataloader()))) == list(range(num))
    assert same(list(alone.val_dataloader()), list(both.val_dataloader()))
    assert alone.clips_of("val") == both.clips_of("val")
    assert f"{speakers} and {copies}" in both.describe()


def test_a_sample_of_a_copy_is_the_window_of_its_file(speakers, copies):
    both = data_of(speakers, also=(str(copies),))
    alone, other = data_of(speakers)._dataset("train", 3), data_of(copies)._dataset("train", 3)
    joined = both._dataset("train", 3)
    # Chance goes by the place in the joined list.
    for index in (0, len(alone) - 1):
        assert torch.equal(joined[index].audio_BTA, alone[index].audio_BTA)
    sample = joined[len(alone)]
    segment = other.source.open(0)
    whole = segment.read(["features.logmel", "expression"], 0, segment.num_frames)
    starts = (whole["features.logmel"].unfold(0, 25, 1).mT == sample.audio_BTA).all(-1).all(-1)
    (start,) = starts.nonzero().flatten().tolist()
    assert torch.equal(whole["expression"][start : start + 25], sample.expression_BTC)


def test_without_other_folders_the_order_is_that_of_the_folder_alone(speakers):
    plain, empty = data_of(speakers), data_of(speakers, also=(), also_repeats=4)
    assert same(epoch(plain.train_dataloader()), epoch(empty.train_dataloader()))
    assert empty.source("train").where == str(speakers)


def test_two_processes_see_disjoint_samples_that_are_those_of_one(speakers, copies):
    options: dict[str, Any] = {"also": (str(copies),), "also_repeats": 2}
    one = epoch(data_of(speakers, **options, batch_size=4).train_dataloader())
    two = [
        epoch(data_of(speakers, **options, rank=rank, world_size=2).train_dataloader())
        for rank in (0, 1)
    ]
    assert not set(indices(two[0])) & set(indices(two[1]))
    for whole, *halves in zip(one, *two, strict=True):
        assert set(whole.index_B.tolist()) == {int(k) for half in halves for k in half.index_B}


def test_a_stopped_epoch_goes_on_with_the_samples_of_the_unbroken_one(speakers, copies):
    options: dict[str, Any] = {"also": (str(copies),)}
    whole = epoch(data_of(speakers, **options).train_dataloader())
    first: Any = data_of(speakers, **options).train_dataloader()
    first.sampler.set_epoch(1)
    iterator = iter(first)
    given = [next(iterator) for _ in range(2)]
    second = data_of(speakers, **options).train_dataloader()
    second.load_state_dict(first.state_dict())
    assert same([*given, *epoch(second)], whole)
    alone = data_of(speakers).train_dataloader()
    with pytest.raises(ValueError, match="stopped with num_samples"):
        alone.load_state_dict(first.state_dict())


def test_moments_are_those_of_all_that_is_trained_on(speakers, copies):
    both = data_of(speakers, also=(str(copies),), also_repeats=2)
    rows = []
    for folder, times in ((speakers, 1), (copies, 2)):
        source = data_of(folder).source("train")
        for number, segment in enumerate(source.segments):
            read = source.open(number).read(["features.logmel"], segment.start, segment.stop)
            rows += [read["features.logmel"].double()] * times
    mean, std = both.moments()["audio"].moments()
    joined = torch.cat(rows)
    torch.testing.assert_close(mean.double(), joined.mean(0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(std.double(), joined.std(0, unbiased=False), atol=1e-4, rtol=1e-4)


def test_the_spread_of_poses_around_themselves_leaves_out_where_clips_differ(speakers):
    data = data_of(speakers)
    source, within = data.source("train"), []
    for number, segment in enumerate(source.segments):
        pose = source.open(number).read(["pose"], segment.start, segment.stop)["pose"].double()
        within.append(pose - pose.mean(0))
    moments = data.moments()
    mean, std = moments["pose_within"].moments()
    expected = torch.cat(within).square().mean(0).sqrt()
    torch.testing.assert_close(std.double(), expected, atol=1e-5, rtol=1e-4)
    assert mean.abs().max() < 1e-4
    assert (std < moments["pose"].moments()[1]).all()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"face_model": "bfm09@89abcdef"}, "is of face model 'builtin@"),
        ({"audio": {"logmel": {"kind": "logmel", "window": 50}}}, "prepare both alike"),
        ({"audio": {"hubert": {"kind": "hubert"}}}, "has no audio feature 'logmel', it has hubert"),
    ],
)
def test_folders_that_do_not_fit_are_refused_by_a_sentence(
    speakers, copies, tmp_path, facts, message
):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(copies / "manifest.parquet", other)
    before = json.loads((copies / "dataset.json").read_text())
    (other / "dataset.json").write_text(json.dumps(before | facts))
    data = data_of(speakers, also=(str(other),))
    with pytest.raises(ValueError, match=message) as caught:
        data.source("train")
    assert "\n" not in str(caught.value)
    # Nothing of it is asked for validation.
    assert data.source("val").where == str(speakers)


def test_a_repetition_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"data\.also_repeats must be at least 1, got 0"):
        MotionDataConfig(also_repeats=0)


def test_a_run_trains_on_what_the_command_line_adds(speakers, copies, tmp_path):
    more = ["--data.config.also", f"[{copies}]", "--data.config.also_repeats", "2"]
    steps = ["--trainer.max_steps", "1"]
    fit(speakers, tmp_path / "alone", "fd2talk", *steps)
    fit(speakers, tmp_path / "both", "fd2talk", *steps, *more)
    alone, both = (
        load_stage(tmp_path / name / "motion.safetensors", stage="motion").tensors
        for name in ("alone", "both")
    )
    assert both.keys() == alone.keys()
    expected = data_of(speakers, also=(str(copies),), also_repeats=2).moments()
    torch.testing.assert_close(
        both["audio_scale.mean"], expected["audio"].moments()[0], atol=1e-5, rtol=1e-5
    )
    assert not torch.allclose(both["audio_scale.mean"], alone["audio_scale.mean"])
