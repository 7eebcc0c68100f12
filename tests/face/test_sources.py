import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.io import loadmat, savemat
from torch.testing import assert_close

from viseme_face.morphable import MorphableModel
from viseme_face.parts import (
    BUILTIN_FILE,
    FaceParts,
    read_builtin,
    read_face_file,
    write_face_file,
)
from viseme_face.sources import read_basel

NUM_RAW, NUM_TRIMMED, NUM_FRONT = 300, 260, 120


@pytest.fixture
def basel(tmp_path: Path) -> Path:
    """A folder with a small Basel model, raw and prepared, in the layout of the real files."""
    draw = np.random.default_rng(0)
    trim = 1 + np.sort(draw.permutation(NUM_RAW)[:NUM_TRIMMED])
    front = 1 + np.sort(draw.permutation(NUM_TRIMMED)[:NUM_FRONT])
    raw = {
        "shapePC": draw.normal(size=(3 * NUM_RAW, 199)).astype("f4"),
        "shapeEV": draw.uniform(1e4, 9e5, size=(199, 1)).astype("f4"),
        "shapeMU": draw.normal(0, 7e4, size=(3 * NUM_RAW, 1)).astype("f4"),
        "texPC": draw.normal(size=(3 * NUM_RAW, 199)).astype("f4"),
        "texEV": draw.uniform(1, 99, size=(199, 1)).astype("f4"),
        "texMU": draw.uniform(0, 255, size=(3 * NUM_RAW, 1)).astype("f4"),
    }
    expression = draw.normal(size=(79, 3 * NUM_TRIMMED)).astype("<f4")
    deviation = draw.uniform(1e3, 9e4, size=79)
    info = {
        "tri": draw.integers(1, NUM_FRONT + 1, size=(200, 3)).astype("f8"),
        "keypoints": draw.integers(1, NUM_FRONT + 1, size=(1, 68)).astype("f8"),
    }
    savemat(tmp_path / "01_MorphableModel.mat", raw)
    mean = draw.normal(size=3 * NUM_TRIMMED).astype("<f4")
    content = struct.pack("<i", 79) + mean.tobytes() + expression.tobytes()
    (tmp_path / "Exp_Pca.bin").write_bytes(content)
    np.savetxt(tmp_path / "std_exp.txt", deviation[None], fmt="%.17g")
    savemat(tmp_path / "BFM_front_idx.mat", {"idx": front[:, None].astype("f8")})
    savemat(tmp_path / "BFM_exp_idx.mat", {"trimIndex": trim[:, None].astype("f8")})
    savemat(tmp_path / "facemodel_info.mat", info)

    # The prepared file, vertex by vertex, with indices that start at 1 as MATLAB counts.
    def rows(vertex: Any) -> slice:
        return slice(3 * (vertex - 1), 3 * vertex)

    shape_rows = [trim[f - 1] for f in front]
    scaled = raw["shapePC"].astype("f8") * raw["shapeEV"].reshape(1, -1) / 1e5
    exp_scaled = expression.T.astype("f8") * deviation / 1e5
    prepared = {
        "meanshape": np.concatenate([raw["shapeMU"][rows(v), 0] / 1e5 for v in shape_rows])[None],
        "meantex": np.concatenate([raw["texMU"][rows(v), 0] for v in shape_rows])[None],
        "idBase": np.concatenate([scaled[rows(v), :80] for v in shape_rows]),
        "exBase": np.concatenate([exp_scaled[rows(f), :64] for f in front]),
        **info,
    }
    folder = tmp_path / "prepared"
    folder.mkdir()
    savemat(folder / "BFM_model_front.mat", prepared)
    return tmp_path


def test_raw_and_prepared_basel_files_give_the_same_model(basel: Path) -> None:
    raw = read_basel(basel / "01_MorphableModel.mat")
    front = read_basel(basel / "prepared" / "BFM_model_front.mat")
    for name in ("mean_V3", "identity_basis_IV3", "expression_basis_EV3", "color_V3"):
        assert_close(getattr(raw, name), getattr(front, name), rtol=1e-5, atol=1e-6)
    assert torch.equal(raw.triangles_P3, front.triangles_P3)
    assert torch.equal(raw.landmarks["dlib68"], front.landmarks["dlib68"])


def test_basel_coordinates_are_interleaved_and_the_mean_is_centred(basel: Path) -> None:
    parts = read_basel(basel / "prepared")
    assert parts.mean_V3.shape == (NUM_FRONT, 3)
    assert_close(parts.mean_V3.mean(0), torch.zeros(3), atol=1e-6, rtol=0)
    assert parts.identity_basis_IV3.shape == (80, NUM_FRONT, 3)
    assert parts.expression_basis_EV3.shape == (64, NUM_FRONT, 3)
    assert parts.color_V3 is not None
    assert 0 <= parts.color_V3.min() < parts.color_V3.max() <= 1


def test_basel_shapes_agree_with_the_published_formula(basel: Path) -> None:
    file = loadmat(basel / "prepared" / "BFM_model_front.mat")
    identity, expression = torch.randn(80), torch.randn(64)
    # Deep3DFaceReconstruction: idBase @ id + exBase @ exp + mean, reshaped to rows of x, y, z.
    flat = file["idBase"] @ identity.numpy() + file["exBase"] @ expression.numpy()
    mean = file["meanshape"].reshape(-1, 3)
    expected = flat.reshape(-1, 3) + mean - mean.mean(0)
    model = MorphableModel.from_basel(basel / "prepared")
    assert model.name.startswith("bfm09@")
    assert model.layouts == ("dlib68",)
    got = model(identity, expression)
    assert_close(got, torch.from_numpy(expected).float(), rtol=1e-4, atol=1e-3)
    first = int(file["keypoints"][0, 0]) - 1
    assert_close(model.landmarks(identity, expression, "dlib68")[0], got[first])


def test_a_folder_with_both_takes_the_prepared_file(basel: Path) -> None:
    source = basel / "prepared" / "BFM_model_front.mat"
    (basel / "BFM_model_front.mat").write_bytes(source.read_bytes())
    assert torch.equal(read_basel(basel).mean_V3, read_basel(source).mean_V3)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("Exp_Pca.bin", "Juyong/3DFace"),
        ("std_exp.txt", "Deep3DFaceRecon_pytorch"),
        ("BFM_front_idx.mat", "Deep3DFaceRecon_pytorch"),
        ("facemodel_info.mat", "Deep3DFaceRecon_pytorch"),
    ],
)
def test_a_missing_file_is_named_with_its_source(basel: Path, name: str, where: str) -> None:
    (basel / name).unlink()
    with pytest.raises(ValueError, match=f"{name}.*missing.*{where}"):
        read_basel(basel / "01_MorphableModel.mat")


def test_an_empty_folder_asks_for_the_basel_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"BFM_model_front\.mat.*missing.*faces\.dmi\.unibas\.ch"):
        read_basel(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a matlab file" * 50, b"\x89HDF\r\n\x1a\n" * 99])
def test_a_damaged_matlab_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "BFM_model_front.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read .*BFM_model_front\.mat"):
        read_basel(tmp_path)


def test_a_version_7_3_file_is_told_to_be_saved_again(tmp_path: Path) -> None:
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (tmp_path / "BFM_model_front.mat").write_bytes(header.ljust(600, b"\x00"))
    with pytest.raises(ValueError, match="-v7"):
        read_basel(tmp_path)


def test_a_file_without_its_arrays_says_which(tmp_path: Path) -> None:
    savemat(tmp_path / "BFM_model_front.mat", {"meanshape": np.zeros((1, 9))})
    with pytest.raises(ValueError, match=r"lacks meantex, idBase, exBase, tri, keypoints"):
        read_basel(tmp_path)


@pytest.mark.parametrize("key", ["idBase", "exBase"])
def test_bases_of_another_width_or_orientation_are_refused_by_name(basel: Path, key: str) -> None:
    path = basel / "prepared" / "BFM_model_front.mat"
    file = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    for wrong in (file[key].T, np.tile(file[key], 2)):
        savemat(path, file | {key: wrong})
        read_basel.cache_clear()
        with pytest.raises(ValueError, match=rf"{key} of .* must have shape \({3 * NUM_FRONT}, "):
            read_basel(path)


def test_a_cut_expression_file_says_how_long_it_should_be(basel: Path) -> None:
    path = basel / "Exp_Pca.bin"
    path.write_bytes(path.read_bytes()[:-4])
    expected = 4 + 4 * 3 * NUM_TRIMMED * 80
    with pytest.raises(ValueError, match=f"Exp_Pca.bin must hold .*{expected} bytes"):
        read_basel(basel / "01_MorphableModel.mat")


def test_a_face_file_returns_what_was_written_and_the_same_bytes(tmp_path: Path) -> None:
    parts = read_builtin()
    card = {"license": "Apache-2.0", "made_from": "a", "how": "b", "units": "c"}
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    write_face_file(parts, first, card)
    write_face_file(parts, second, card)
    assert first.read_bytes() == second.read_bytes()
    again = read_face_file(first)
    for name in FaceParts.__dataclass_fields__:
        one, two = getattr(parts, name), getattr(again, name)
        if name == "landmarks":
            assert all(torch.equal(one[layout], two[layout]) for layout in one)
        elif isinstance(one, torch.Tensor):
            assert torch.equal(one, two)
        else:
            assert one == two
    assert MorphableModel.from_file(first).name == MorphableModel.builtin().name


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="must be a face model of format 'viseme-face-1'"):
        read_face_file(tmp_path / "x.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(BUILTIN_FILE.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"cannot read .*cut\.safetensors"):
        read_face_file(tmp_path / "cut.safetensors")
    with pytest.raises(ValueError, match=r"cannot read .*absent\.safetensors"):
        read_face_file(tmp_path / "absent.safetensors")


def test_a_face_file_without_a_tensor_says_which(tmp_path: Path) -> None:
    tensors = load_file(BUILTIN_FILE)
    del tensors["expression_std"]
    about = json.dumps({"format": "viseme-face-1", "family": "x"})
    save_file(tensors, tmp_path / "x.safetensors", {"face": about})
    with pytest.raises(ValueError, match=r"x\.safetensors' lacks 'expression_std'"):
        read_face_file(tmp_path / "x.safetensors")
