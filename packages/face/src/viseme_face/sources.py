"""The Basel Face Model 2009 with FaceWarehouse expressions, as Deep3D prepares it.

Its files hold 1-based indices and interleaved coordinates (x, y, z of vertex 0, then of vertex 1,
...). Read here they come out in decimetres, centred, as `FaceParts`.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.io import loadmat
from torch import Tensor

from viseme_core.types import NUM_EXPRESSION, NUM_IDENTITY
from viseme_face.parts import FaceParts

FRONT_FILE = "BFM_model_front.mat"
RAW_FILE = "01_MorphableModel.mat"

# The raw Basel model is in micrometres.
_MICROMETRES = 1e5

_BASEL = "the Basel Face Model 2009, given out on request at faces.dmi.unibas.ch/bfm"
_DEEP3D = "folder BFM of github.com/sicxu/Deep3DFaceRecon_pytorch"
_ORIGINS = {
    FRONT_FILE: f"it is made from {_BASEL}, by the repository that has {_DEEP3D}",
    RAW_FILE: f"it is part of {_BASEL}",
    "Exp_Pca.bin": "it is in CoarseData, linked at github.com/Juyong/3DFace",
    "std_exp.txt": f"its authors publish it in {_DEEP3D}",
    "BFM_front_idx.mat": f"its authors publish it in {_DEEP3D}",
    "BFM_exp_idx.mat": f"its authors publish it in {_DEEP3D}",
    "facemodel_info.mat": f"its authors publish it in {_DEEP3D}",
}


@cache
def read_basel(path: Path) -> FaceParts:
    """Return the Basel model, read once per process and path.

    Args:
        path: `BFM_model_front.mat`, `01_MorphableModel.mat`, or the folder of either. The raw
            model needs `Exp_Pca.bin`, `std_exp.txt`, `BFM_front_idx.mat`, `BFM_exp_idx.mat` and
            `facemodel_info.mat` beside it.

    Returns:
        80 identity and 64 expression directions, each scaled to a standard deviation of 1, the
        mean recentred, and the 68 landmarks.

    Raises:
        ValueError: If a file is missing or unreadable, with the place where its authors publish it.
    """
    if path.is_dir():
        front = path / FRONT_FILE
        path = front if front.exists() or not (path / RAW_FILE).exists() else path / RAW_FILE
    if path.name == RAW_FILE:
        return _raw_parts(path.parent)
    model = _load_mat(path, ("meanshape", "meantex", "idBase", "exBase", "tri", "keypoints"))
    for key, width in (("idBase", NUM_IDENTITY), ("exBase", NUM_EXPRESSION)):
        expected = (model["meanshape"].size, width)
        if model[key].shape != expected:
            raise ValueError(
                f"{key} of {str(path)!r} must have shape {expected}, got {model[key].shape}; "
                f"{_origin(path)}"
            )
    return _basel_parts(
        mean_V3=_per_vertex(model["meanshape"]),
        color_V3=_per_vertex(model["meantex"]),
        identity_basis_IV3=_per_vertex(model["idBase"].T),
        expression_basis_EV3=_per_vertex(model["exBase"].T),
        triangles=model["tri"],
        keypoints=model["keypoints"],
    )


def _raw_parts(folder: Path) -> FaceParts:
    """Crop the raw model to the front of the face and join the expressions to it."""
    raw = _load_mat(folder / RAW_FILE, ("shapePC", "shapeEV", "shapeMU", "texMU"))
    info = _load_mat(folder / "facemodel_info.mat", ("tri", "keypoints"))
    # Expressions cover a subset of the raw vertices (trimIndex), the front a subset of that (idx).
    front = _indices(_load_mat(folder / "BFM_front_idx.mat", ("idx",))["idx"])
    trim = _indices(_load_mat(folder / "BFM_exp_idx.mat", ("trimIndex",))["trimIndex"])
    shape = trim[front]
    expressions_NV3 = _read_expressions(folder / "Exp_Pca.bin", num_vertices=len(trim))
    deviations_N = np.loadtxt(_existing(folder / "std_exp.txt"), ndmin=2).reshape(-1)
    if len(deviations_N) != len(expressions_NV3):
        raise ValueError(
            f"std_exp.txt must hold {len(expressions_NV3)} numbers, one per direction of "
            f"Exp_Pca.bin, got {len(deviations_N)}; take both from the same release"
        )
    spread_1I = raw["shapeEV"].reshape(1, -1)[:, :NUM_IDENTITY]
    identity_IV3 = _per_vertex((raw["shapePC"][:, :NUM_IDENTITY] * spread_1I).T)
    expression_EV3 = expressions_NV3 * deviations_N[:, None, None]
    return _basel_parts(
        mean_V3=_per_vertex(raw["shapeMU"])[shape] / _MICROMETRES,
        color_V3=_per_vertex(raw["texMU"])[shape],
        identity_basis_IV3=identity_IV3[:, shape] / _MICROMETRES,
        expression_basis_EV3=expression_EV3[:NUM_EXPRESSION, front] / _MICROMETRES,
        triangles=info["tri"],
        keypoints=info["keypoints"],
    )


def _basel_parts(
    *,
    mean_V3: np.ndarray,
    color_V3: np.ndarray,
    identity_basis_IV3: np.ndarray,
    expression_basis_EV3: np.ndarray,
    triangles: np.ndarray,
    keypoints: np.ndarray,
) -> FaceParts:
    return FaceParts(
        family="bfm09",
        mean_V3=_float32(mean_V3 - mean_V3.mean(axis=0)),
        identity_basis_IV3=_float32(identity_basis_IV3),
        expression_basis_EV3=_float32(expression_basis_EV3),
        # The bases already hold PC * EV: a coefficient of 1 is one standard deviation.
        identity_std_I=torch.ones(len(identity_basis_IV3)),
        expression_std_E=torch.ones(len(expression_basis_EV3)),
        triangles_P3=torch.from_numpy(triangles.astype(np.int64) - 1),
        landmarks={"dlib68": torch.from_numpy(_indices(keypoints))},
        color_V3=_float32(color_V3 / 255),
    )


def _read_expressions(path: Path, *, num_vertices: int) -> np.ndarray:
    """Return the directions (N, V, 3) of an int32 N, a float32 mean, and N float32 directions."""
    data = _existing(path).read_bytes()
    count = int(np.frombuffer(data, "<i4", 1)[0]) if len(data) >= 4 else 0
    expected = 4 + 4 * 3 * num_vertices * (count + 1)
    if count < 1 or len(data) != expected:
        raise ValueError(
            f"{path.name} must hold a count, a mean and that many directions of {num_vertices} "
            f"vertices ({expected} bytes for its count of {count}), got {len(data)} bytes; "
            f"{_ORIGINS[path.name]}"
        )
    values = np.frombuffer(data, "<f4", offset=4).reshape(count + 1, num_vertices, 3)
    return values[1:]


def _load_mat(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    _existing(path)
    try:
        content = loadmat(path)
    except Exception as error:
        # scipy raises ValueError, NotImplementedError, MatReadError, zlib.error, ... on bad files.
        raise ValueError(
            f"cannot read {str(path)!r} as a MATLAB 5 file ({error}); save it again with "
            f"MATLAB's -v7, or get the original: {_origin(path)}"
        ) from error
    missing = [key for key in keys if key not in content]
    if missing:
        raise ValueError(f"{str(path)!r} lacks {', '.join(missing)}; {_origin(path)}")
    return {key: content[key] for key in keys}


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"face model file {str(path)!r} is missing: {_origin(path)}")
    return path


def _origin(path: Path) -> str:
    return _ORIGINS.get(path.name, _ORIGINS[FRONT_FILE])


def _indices(one_based: np.ndarray) -> np.ndarray:
    return one_based.reshape(-1).astype(np.int64) - 1


def _per_vertex(rows: np.ndarray) -> np.ndarray:
    """Split (..., 3V) or one column of 3V into (..., V, 3); one row or column loses its axis."""
    rows = rows.reshape(-1) if 1 in rows.shape else rows
    return rows.reshape(*rows.shape[:-1], -1, 3)


def _float32(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
