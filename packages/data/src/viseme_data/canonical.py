"""The canonical face mesh that MediaPipe ships inside its face landmarker bundle.

The bundle is Apache-2.0; it is a zip file whose `geometry_pipeline_metadata_landmarks.binarypb`
holds 468 vertices in centimetres with texture coordinates, and 898 triangles. A copy of the mesh
alone lies in `assets/canonical.safetensors`. This module reads either and makes of it the face that
the built-in model starts from.
"""

import json
import zipfile
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load, save
from torch import Tensor

from viseme_face.layouts import (
    LEFT_EYE,
    LEFT_LID_PAIRS,
    LIP_PAIRS,
    LIP_RINGS,
    RIGHT_EYE,
    RIGHT_LID_PAIRS,
)
from viseme_face.regions import LOWER_LIP_SHARE, harmonic_weights

COPY = "canonical.safetensors"
MESH_FILE = "geometry_pipeline_metadata_landmarks.binarypb"
_CM_PER_DM = 10
_NOSE_BASE = 2
# A human iris is 11.7 mm wide, nearly the same in everyone.
_IRIS_RADIUS_DM = 0.0585


class Canonical(NamedTuple):
    """A face mesh: vertices in decimetres, y up, z towards the viewer, and its texture map."""

    vertices_V3: Tensor
    uv_V2: Tensor
    """Texture coordinates in [0, 1], v down."""
    triangles_P3: Tensor
    """int64, counter-clockwise seen from outside."""


def read_canonical(task: Path | None = None) -> Canonical:
    """Return the 468-vertex mesh of a `face_landmarker.task` bundle, or by default the copy here.

    Raises:
        ImportError: If a bundle is given and MediaPipe is not installed.
        ValueError: If the file is no such bundle.
    """
    if task is None:
        mesh = load(resources.files("viseme_data").joinpath("assets", COPY).read_bytes())
        return Canonical(mesh["vertices"], mesh["uv"], mesh["triangles"].long())
    try:
        from mediapipe.modules.face_geometry.protos import geometry_pipeline_metadata_pb2
    except ImportError as error:
        raise ImportError(
            "reading MediaPipe's mesh needs MediaPipe: pip install 'viseme-data[track]'"
        ) from error
    try:
        with zipfile.ZipFile(task) as bundle:
            content = bundle.read(MESH_FILE)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{str(task)!r} must be MediaPipe's face_landmarker.task with {MESH_FILE} inside: "
            f"{error}"
        ) from error
    metadata = geometry_pipeline_metadata_pb2.GeometryPipelineMetadata()  # pyright: ignore[reportAttributeAccessIssue]
    metadata.ParseFromString(content)
    mesh = metadata.canonical_mesh
    vertices_V5 = torch.tensor(list(mesh.vertex_buffer), dtype=torch.float64).view(-1, 5)
    return Canonical(
        vertices_V5[:, :3] / _CM_PER_DM,
        vertices_V5[:, 3:].float(),
        torch.tensor(list(mesh.index_buffer)).view(-1, 3),
    )


def write_copy(mesh: Canonical, path: Path) -> None:
    """Write a mesh in the form of the copy shipped here."""
    about = {"license": "Apache-2.0", "from": f"{MESH_FILE} in MediaPipe's face_landmarker.task"}
    tensors = {
        "vertices": mesh.vertices_V3,
        "uv": mesh.uv_V2,
        "triangles": mesh.triangles_P3.to(torch.int16),
    }
    path.write_bytes(save(tensors, {"mesh": json.dumps(about, sort_keys=True)}))


def complete(mesh: Canonical) -> Canonical:
    """Return the mesh with lips closed, ten iris points added, and its centre at the origin."""
    closed_V3 = close_mouth(mesh.vertices_V3, mesh.triangles_P3)
    irises, iris_uvs = [], []
    for eye, pairs in ((RIGHT_EYE, RIGHT_LID_PAIRS), (LEFT_EYE, LEFT_LID_PAIRS)):
        points_53, uv_52 = _iris(closed_V3, mesh.uv_V2, eye, pairs)
        irises.append(points_53)
        iris_uvs.append(uv_52)
    vertices_V3 = torch.cat([closed_V3, *irises])
    return Canonical(
        vertices_V3 - vertices_V3.mean(0), torch.cat([mesh.uv_V2, *iris_uvs]), mesh.triangles_P3
    )


def close_mouth(vertices_V3: Tensor, triangles_P3: Tensor) -> Tensor:
    """Return a face with its inner lips together; the canonical one has them 5 mm apart.

    Args:
        vertices_V3: Vertices, the canonical ones first.
        triangles_P3: Mesh.
    """
    upper, lower = torch.tensor(LIP_PAIRS).T
    gap_N3 = vertices_V3[upper] - vertices_V3[lower]
    columns = len(LIP_PAIRS)
    rows = [i for ring in LIP_RINGS for i in (*ring[1 : columns + 1], *ring[: -columns - 1 : -1])]
    shift_M3 = torch.cat([(LOWER_LIP_SHARE - 1) * gap_N3, LOWER_LIP_SHARE * gap_N3])
    shift_M3 = shift_M3.repeat(len(LIP_RINGS), 1)
    below = (vertices_V3[:, 1] < vertices_V3[_NOSE_BASE, 1]).nonzero()[:, 0].tolist()
    free = sorted(set(below) - set(rows))
    closed = vertices_V3.clone()
    closed[rows] += shift_M3
    closed[free] += harmonic_weights(triangles_P3, rows, free) @ shift_M3
    return closed


def _iris(
    vertices_V3: Tensor, uv_V2: Tensor, eye: tuple[int, ...], pairs: tuple[tuple[int, int], ...]
) -> tuple[Tensor, Tensor]:
    """Place centre, +x, up, -x and down of the iris in MediaPipe's order, on the plane of the lids.

    Its height is that of the middle of the corners and of the middle lid pair.
    """
    corners = [eye[0], eye[8]]
    middle_pair = list(pairs[3])
    both = corners + middle_pair
    centre_3 = vertices_V3[both].mean(0)
    # In MediaPipe's numbering the second point lies towards the person's left on both eyes.
    offsets_53 = centre_3.new_tensor([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]]) * _IRIS_RADIUS_DM
    points_53 = centre_3 + torch.nn.functional.pad(offsets_53, (0, 1))
    width = (vertices_V3[corners[0]] - vertices_V3[corners[1]])[0].abs()
    uv_width = (uv_V2[corners[0]] - uv_V2[corners[1]])[0].abs()
    flip = offsets_53.new_tensor([1, -1])
    return points_53, (uv_V2[both].mean(0) + offsets_53 * flip * uv_width / width).float()
