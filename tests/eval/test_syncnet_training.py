"""Training and scoring the sync network from the command line, on synthetic speakers."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from viseme_core.audio import LogMelConfig, PretrainedConfig, Wav2LipMelConfig
from viseme_core.config import from_plain
from viseme_core.train.cli import StageCLI
from viseme_data.synthetic.config import SynthesizeConfig
from viseme_data.synthetic.run import synthesize
from viseme_eval.functional.sync import cosine_offset
from viseme_eval.syncnet import load_sync_network
from viseme_eval.syncnet.cli import main, score_table
from viseme_eval.syncnet.config import SyncConfig
from viseme_eval.syncnet.datamodule import SyncDataConfig, SyncDataModule, whole_clips
from viseme_eval.syncnet.module import SyncModule
from viseme_eval.syncnet.scoring import with_offset

CONFIGS = Path(__file__).parents[2] / "packages/eval/configs/syncnet"
SMALL = {"dim": 16, "embedding": 8, "max_shift": 8, "num_negatives": 4}


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed):
    # Many small steps are faster so.
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    # Validation has clips of 123 and 207 frames, training one of 255 and test one of 252.
    path = tmp_path_factory.mktemp("speakers")
    config = SynthesizeConfig(speakers=3, minutes=0.4, split_shares=(0.4, 0.3, 0.3), split_seed=10)
    synthesize(config, out=path, workers=0)
    return path


def data_of(folder, **options):
    config = SyncDataConfig(path=str(folder), frames=40, num_workers=0, **options)
    return SyncDataModule(config)


def fit(folder, run, *more):
    config = run / "config_in.yaml"
    run.mkdir(exist_ok=True)
    plain = {
        "model": {"config": SMALL},
        "data": {"config": {"path": str(folder), "frames": 40, "num_workers": 0, "batch_size": 2}},
        "trainer": {"max_steps": 2, "enable_progress_bar": False, "enable_model_summary": False},
    }
    config.write_text(yaml.safe_dump(plain))
    main(["fit", "--config", str(config), "--run_dir", str(run / "run"), *more])
    return run / "run"


@pytest.mark.filterwarnings("ignore")  # Lightning's, about a run of two steps
def test_a_run_leaves_a_network_that_can_be_scored(folder, tmp_path, capsys):
    run = fit(folder, tmp_path)
    lines = score_table(str(folder), ["val", "test"], str(run), 2).splitlines()

    assert lines[0].startswith(load_sync_network(run).label)
    assert "3 clips" in lines[0]
    assert 0 <= float(lines[1].split()[-1]) <= 1
    with pytest.raises(SystemExit) as ended:
        main(["score", "--data", str(folder), "--network", str(run), "--offsets", "1"])
    assert ended.value.code == 0
    assert "known offsets within one frame" in capsys.readouterr().out


def test_scoring_data_that_are_not_there_ends_with_a_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["score", "--data", str(tmp_path)])

    assert ended.value.code == 2
    assert "holds neither prepared clips" in capsys.readouterr().err


def test_the_shipped_network_finds_known_offsets_of_a_synthetic_speaker(folder):
    network = load_sync_network()
    for clip in list(whole_clips(str(folder), "test"))[:2]:
        for known in (-15, -4, 0, 7):
            streams = network.embed(*with_offset(clip.points_TK3, clip.audio_S, known))
            assert abs(float(cosine_offset(*streams).offset) - known) <= 1


def test_a_sample_is_the_landmarks_and_the_sound_of_the_same_frames(folder):
    data = data_of(folder, evaluation_frames=60)
    batch = next(iter(data.val_dataloader()))
    (clip, *_) = whole_clips(str(folder), "val")

    assert batch.points_BTK3.shape[1:] == (60, 131, 3)
    assert batch.audio_BTA.shape[1:] == (60, 320)
    # Both at the clip's first frame: the first point of the layout, and the sound's features.
    assert torch.equal(batch.points_BTK3[0, :, 0], clip.points_TK3[:60, 61])
    heard = load_sync_network()._ears.encode(clip.audio_S[: 60 * 640])
    torch.testing.assert_close(batch.audio_BTA[0, :59], heard[:59], atol=1e-4, rtol=0)


def test_clips_that_are_shorter_than_a_sample_are_left_out_or_refused(folder):
    def samples(frames):
        config = SyncDataConfig(
            path=str(folder), frames=frames, evaluation_frames=frames, num_workers=0
        )
        return len(SyncDataModule(config)._dataset("val", 0))

    assert [samples(123), samples(124), samples(207)] == [1 + 2, 2, 1]
    with pytest.raises(ValueError, match=r"no clip of at least data\.frames = 208 frames"):
        samples(208)


def test_another_folder_is_mixed_into_training_as_often_as_it_is_told(folder):
    alone = data_of(folder, evaluation_frames=60)
    mixed = data_of(folder, evaluation_frames=60, also=str(folder), also_repeats=3)
    num = len(alone._dataset("train", 0))
    both = mixed._dataset("train", 0)

    assert len(both) == 4 * num
    clips = {mixed.source("train").segments[i].clip for i in both.segments}
    assert clips == {0, 1}
    # The same clips under other numbers.
    pieces = [mixed.source("train").open(i) for i in (0, num, 3 * num)]
    read = [piece.read(["expression"], 0, 5)["expression"] for piece in pieces]
    assert torch.equal(read[0], read[1])
    assert torch.equal(read[0], read[2])
    assert len(mixed._dataset("val", 0)) == len(alone._dataset("val", 0))


def test_folders_that_were_heard_differently_are_not_mixed(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "manifest.parquet").symlink_to(folder / "manifest.parquet")
    facts = json.loads((folder / "dataset.json").read_text())
    facts["audio"]["logmel"] = {"kind": "hubert", "path": "x"}
    (other / "dataset.json").write_text(json.dumps(facts))

    with pytest.raises(ValueError, match="prepare both alike"):
        data_of(folder, also=str(other)).source("train")


def validated(module, batches):
    """Return the means that validation would log."""
    for number, batch in enumerate(batches):
        module.validation_step(batch, number)
    scores = {name: float(v) / module._counts[name] for name, v in module._sums.items()}
    module._sums, module._counts = {}, {}
    return scores


def test_validation_does_not_depend_on_the_batch_size(folder):
    module = SyncModule(from_plain(SyncConfig, SMALL)).eval()
    loaders = [
        data_of(folder, evaluation_frames=150, batch_size=size).val_dataloader() for size in (1, 3)
    ]
    one, three = (validated(module, loader) for loader in loaders)

    assert one == pytest.approx(three)
    assert set(one) == {
        *("loss", "accuracy", "accuracy_window", "accuracy_second", "offset", "found"),
    }


def test_validation_does_not_depend_on_what_stands_in_padded_frames(folder):
    module = SyncModule(from_plain(SyncConfig, SMALL)).eval()
    (batch,) = data_of(folder, evaluation_frames=150, batch_size=3).val_dataloader()
    assert not batch.mask_BT.all()
    spoilt = batch._replace(
        points_BTK3=batch.points_BTK3.where(batch.mask_BT[..., None, None], torch.tensor(7.0)),
        audio_BTA=batch.audio_BTA.where(batch.mask_BT[..., None], torch.tensor(9.0)),
    )

    assert validated(module, [spoilt]) == validated(module, [batch])


def test_pictures_of_validation_show_every_lag_and_every_shift(folder):
    module = SyncModule(from_plain(SyncConfig, SMALL)).eval()
    figures = module.samples(next(iter(data_of(folder).val_dataloader())))

    assert set(figures) == {"val/lag_curve", "val/accuracy_curve"}
    widths = [len(np.asarray(figure.axes[0].lines[0].get_xdata())) for figure in figures.values()]
    assert widths == [31, 15]


def test_data_that_were_heard_by_another_encoder_are_refused(folder):
    data = data_of(folder)
    module = SyncModule(from_plain(SyncConfig, SMALL))
    module._trainer = SimpleNamespace(datamodule=data)  # type: ignore[assignment]
    module.on_fit_start()
    data.source("train").audio["logmel"] = {"kind": "hubert", "path": "x"}
    with pytest.raises(ValueError, match=r"set it to what the data say"):
        module.on_fit_start()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")  # Lightning's, about devices that are not here
def test_every_config_parses_and_builds(path, monkeypatch, tmp_path):
    built = {}

    def keep(self, subcommand):
        built.update(module=self.model, data=self.datamodule)

    monkeypatch.setattr(StageCLI, "_run_subcommand", keep)
    main(["fit", "--config", str(path), "--run_dir", str(tmp_path / "run")])

    module, data = built["module"], built["data"]
    assert data.config.frames >= module.config.shortest
    assert module.header().stage == "syncnet"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("audio", "expected"),
    [
        (None, LogMelConfig()),
        ("{kind: wav2lip_mel, lead: 1}", Wav2LipMelConfig(lead=1)),
        (
            "{kind: hubert, path: folder, layer: 9}",
            PretrainedConfig(kind="hubert", path="folder", layer=9),
        ),
    ],
)
def test_any_audio_encoder_can_be_named_and_log_mel_need_not_be(
    audio, expected, monkeypatch, tmp_path
):
    built = {}
    monkeypatch.setattr(StageCLI, "_run_subcommand", lambda self, _: built.update(m=self.model))
    file = tmp_path / "config.yaml"
    text = (CONFIGS / "tiny.yaml").read_text()
    file.write_text(text if audio is None else text.replace("dim: 64", f"audio: {audio}"))
    main(["fit", "--config", str(file), "--run_dir", str(tmp_path / "run")])
    assert built["m"].config.audio == expected


def test_there_is_a_config_of_each_scale():
    assert [path.stem for path in sorted(CONFIGS.glob("*.yaml"))] == ["paper", "small", "tiny"]


@pytest.mark.filterwarnings("ignore")  # jsonargparse's, before it ends
def test_a_setting_that_does_not_exist_is_refused_by_name(tmp_path, capsys):
    config = tmp_path / "wrong.yaml"
    config.write_text((CONFIGS / "tiny.yaml").read_text().replace("dim: 64", "dimm: 64"))

    with pytest.raises(SystemExit):
        main(["fit", "--config", str(config), "--run_dir", str(tmp_path)])
    assert "dimm" in capsys.readouterr().err
