"""IP_LAP's layout: made-up weights under its names do here what its network does with them."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.landmarks import public_layout
from tests.landmarks.small import make_batch
from viseme_face.layouts import CONTOUR, LIP_INNER, LIP_OUTER, TALK131
from viseme_landmarks.build import header_of, load_model
from viseme_landmarks.cli import main
from viseme_landmarks.model import LandmarkModel
from viseme_landmarks.public import own_key, read_public

JAW_IDS = CONTOUR[4:21]
LIP_IDS = (*LIP_OUTER, *LIP_INNER)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Random weights under the public names."""
    return public_layout.make_state(torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def checkpoint(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as IP_LAP's code writes it after training on two GPUs."""
    path = tmp_path_factory.mktemp("public") / "landmarkgenerator_checkpoint.pth"
    parallel = {f"module.{name}": value for name, value in state.items()}
    content = {"state_dict": parallel, "optimizer": None, "global_step": 9, "global_epoch": 1}
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> LandmarkModel:
    """The public weights, read."""
    return read_public(checkpoint)


def box(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return low corner and size of the box with a twentieth of room on every side."""
    low, high = points.min(0), points.max(0)
    return low - 0.05 * (high - low), 1.1 * (high - low)


def test_every_name_of_the_layout_has_one_here_and_none_is_left(model, state):
    # Sines and the row of no modality are all that is not needed.
    ours = {own_key(name) for name in state} - {None}
    assert ours == set(model.net.state_dict())
    shown = model.config
    assert (shown.dim, shown.num_layers, shown.num_heads, shown.feedforward_dim) == (
        *(512, 4, 4, 1024),
    )
    assert (shown.num_references, shown.norm, shown.base) == (15, "batch", "none")


def test_the_network_computes_what_the_public_one_does(model, state):
    batch = make_batch(1, references=3)
    reference = batch.reference_BNK2
    with torch.no_grad():
        found = model.net(batch.mel_BTMW, batch.pose_BTK2, reference)[0]
    expected = public_layout.forward(
        state, batch.mel_BTMW[0], batch.pose_BTK2[0].mT, reference[0].mT
    )
    lip, jaw = found.split([40, 17], 1)
    torch.testing.assert_close(torch.cat([jaw, lip], 1), expected, rtol=0, atol=2e-5)
    assert expected.std() > 0.05


def test_faces_go_in_and_come_out_by_their_mesh_points_in_boxes_of_their_own(model, state):
    # A head that does not move: references carried to a frame are references as they are.
    batch = make_batch(1, references=3)
    still = batch.pose_BTK2[:, :1]
    reference = batch.reference_BNK2.clone()
    reference[:, :, 57:] = still
    batch = batch._replace(pose_BTK2=still.expand(1, 5, 74, 2), reference_BNK2=reference)
    with torch.no_grad():
        found = model.predict(batch)[0].numpy()
    by_id = {point: row for row, point in enumerate(TALK131)}
    order = [by_id[p] for p in (*TALK131[57:], *JAW_IDS, *LIP_IDS)]
    faces = reference[0].numpy()
    boxed = []
    for face in faces:
        low, size = box(face)
        boxed.append(((face - low) / size)[order])
    low, size = box(np.concatenate([faces[:, :57].mean(0), faces[0, 57:]]))
    pose = (faces[0, 57:] - low) / size
    answer = public_layout.forward(
        state,
        batch.mel_BTMW[0],
        torch.tensor(pose).expand(5, 74, 2).mT,
        torch.tensor(np.stack(boxed)).mT,
    ).numpy()
    rows = [(*JAW_IDS, *LIP_IDS).index(p) for p in TALK131[:57]]
    np.testing.assert_allclose(found, answer[:, rows] * size + low, rtol=0, atol=2e-5)


def test_lip_and_jaw_losses_are_of_the_same_points_in_either_convention(model):
    batch = make_batch(1)
    with torch.no_grad():
        losses = model.losses_of(batch.target_BTK2 + 0.1, batch)
        chin = batch.target_BTK2.clone()
        chin[:, :, TALK131.index(152)] += 1
        of_chin = model.losses_of(chin, batch)
    assert losses["lip"] == pytest.approx(0.1, abs=1e-6)
    assert of_chin["lip"] == pytest.approx(1 / 41, abs=1e-6)
    assert of_chin["jaw"] == 0


def test_the_command_writes_a_stage_file_that_does_the_same(model, checkpoint, tmp_path, capsys):
    out = tmp_path / "landmarks.safetensors"
    main(["import", str(checkpoint), str(out)])
    assert str(out) in capsys.readouterr().out
    again = load_model(out)
    assert header_of(again.config) == header_of(model.config)
    batch = make_batch(1)
    with torch.no_grad():
        assert torch.equal(again.predict(batch), model.predict(batch))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"weights": {}}, "must hold 'state_dict' with tensors, got 'weights'"),
        ({"state_dict": {"conv.weight": torch.zeros(1)}}, "does not hold IP_LAP's landmark"),
        ([torch.zeros(1)], "got no dict"),
    ],
)
def test_other_checkpoints_are_refused(content, message, tmp_path):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=message):
        read_public(tmp_path / "other.pth")


def test_weights_of_another_shape_are_refused_by_name(state, tmp_path):
    torch.save({"state_dict": {**state, "jaw_keypoint_map.bias": torch.zeros(8)}}, tmp_path / "x")
    with pytest.raises(ValueError, match=r"'jaw.bias' \(8,\) for \(34,\)"):
        read_public(tmp_path / "x")


class _Code:
    def __reduce__(self):
        return (print, ("ran",))


def test_nothing_in_a_file_is_run(tmp_path, capsys):
    torch.save({"state_dict": _Code()}, tmp_path / "bad.pth")
    (tmp_path / "worse.pth").write_bytes(pickle.dumps(_Code()))
    for name in ("bad.pth", "worse.pth"):
        with pytest.raises(ValueError, match="could run code"):
            read_public(tmp_path / name)
    assert "ran" not in capsys.readouterr().out


def test_files_that_are_missing_or_damaged_are_one_sentence(checkpoint, tmp_path, capsys):
    with pytest.raises(ValueError, match="there is no checkpoint"):
        read_public(tmp_path / "nowhere.pth")
    cut = tmp_path / "cut.pth"
    cut.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(SystemExit) as stopped:
        main(["import", str(cut), str(tmp_path / "out.safetensors")])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("error: ") == 1
    assert not (tmp_path / "out.safetensors").exists()
