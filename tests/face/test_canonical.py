import zipfile
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from viseme_face.layouts import LIP_PAIRS, lip_opening
from viseme_face.parts import read_builtin, read_face_file

pytest.importorskip("mediapipe", reason="needs viseme-data[track]")

from viseme_data.build_face_model import main
from viseme_data.canonical import MESH_FILE, read_canonical


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle like MediaPipe's, with the built-in mean face, lips 4 mm apart, in centimetres."""
    from mediapipe.modules.face_geometry.protos import geometry_pipeline_metadata_pb2

    parts = read_builtin()
    assert parts.uv_V2 is not None
    vertices = 10 * parts.mean_V3[:468].clone()
    vertices[[lower for _, lower in LIP_PAIRS], 1] -= 0.4
    metadata = geometry_pipeline_metadata_pb2.GeometryPipelineMetadata()  # pyright: ignore[reportAttributeAccessIssue]
    mesh = metadata.canonical_mesh
    mesh.vertex_buffer.extend(torch.cat([vertices, parts.uv_V2[:468]], 1).flatten().tolist())
    mesh.index_buffer.extend(parts.triangles_P3.flatten().tolist())
    path = tmp_path / "face_landmarker.task"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(MESH_FILE, metadata.SerializeToString())
    return path


def test_the_mesh_is_read_in_decimetres(bundle: Path) -> None:
    mesh = read_canonical(bundle)
    parts = read_builtin()
    assert mesh.vertices_V3.shape == (468, 3)
    assert_close(mesh.vertices_V3[4].float(), parts.mean_V3[4], atol=1e-6, rtol=0)
    assert torch.equal(mesh.triangles_P3, parts.triangles_P3)


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.task"
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"x\.task.*must be MediaPipe's face_landmarker\.task"):
        read_canonical(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("something", b"")
    with pytest.raises(ValueError, match=MESH_FILE):
        read_canonical(path)


@pytest.mark.slow
def test_the_builder_closes_the_lips_and_writes_the_same_bytes_twice(
    bundle: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    main([str(bundle), str(first)])
    main([str(bundle), str(second)])
    assert first.read_bytes() == second.read_bytes()
    parts = read_face_file(first)
    assert lip_opening(parts.mean_V3) < 1e-3
    # Directions stay apart from turning and shifting the head, which the pose does.
    flat = parts.identity_basis_IV3
    assert flat.sum(1).abs().max() < 0.01
    turn = torch.linalg.cross(parts.mean_V3.expand_as(flat), flat).sum(1)
    assert turn.abs().max() < 0.01
