import zipfile
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from viseme_face.layouts import LIP_PAIRS, lip_opening
from viseme_face.parts import read_builtin

pytest.importorskip("mediapipe", reason="needs viseme-data[track]")

import viseme_data
from viseme_data.canonical import COPY, MESH_FILE, complete, read_canonical, write_copy
from viseme_data.face_model.prior import prior_knowledge


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


def test_the_copy_shipped_here_is_the_mesh_of_a_bundle(bundle: Path, tmp_path: Path) -> None:
    copy, mesh = read_canonical(), read_canonical(bundle)
    assert copy.vertices_V3.shape == (468, 3)
    assert torch.equal(copy.uv_V2, mesh.uv_V2)
    assert torch.equal(copy.triangles_P3, mesh.triangles_P3)
    # As wide as a head, in decimetres.
    assert 1.3 < float(copy.vertices_V3[454, 0] - copy.vertices_V3[234, 0]) < 1.6
    write_copy(copy, tmp_path / COPY)
    shipped = Path(viseme_data.__file__).parent / "assets" / COPY
    assert (tmp_path / COPY).read_bytes() == shipped.read_bytes()


def test_the_completed_face_has_its_lips_closed_and_irises_between_the_lids() -> None:
    mesh = read_canonical()
    assert lip_opening(torch.cat([mesh.vertices_V3, torch.zeros(10, 3)])) > 0.05
    whole = complete(mesh)
    assert lip_opening(whole.vertices_V3) < 1e-9
    for iris, upper, lower in ((468, 159, 145), (473, 386, 374)):
        height = [float(whole.vertices_V3[i, 1]) for i in (lower, iris, upper)]
        assert height == sorted(height)


def test_identity_of_the_prior_is_apart_from_shifting_and_turning_the_head() -> None:
    prior = prior_knowledge(complete(read_canonical()))
    rows_NV3 = prior.identity.rows_NV3
    assert rows_NV3.sum(1).abs().max() < 1e-9
    turned = torch.linalg.cross(prior.mean_V3.expand_as(rows_NV3), rows_NV3).sum(1)
    assert turned.abs().max() < 1e-9
