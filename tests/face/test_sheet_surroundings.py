import math

import torch

from tests.face.portraits import POSE, sitter, turned
from viseme_face import pose_vertices, project
from viseme_face.parts import read_builtin
from viseme_face.pose import CAMERA_DISTANCE, FOCAL, euler_to_matrix
from viseme_face.raster import rasterize
from viseme_face.sheet.surroundings import Surroundings
from viseme_face.sheet.topology import NUM_FACE, RIM

COLUMNS = 2 * len(RIM)
"""Columns of rings around the face."""
HAIR_BEHIND = (0.1, 0.3)
"""How far the second ring lies behind the first one: one to three centimetres."""


def moved_rings(yaw: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Where rings are in the portrait and after a turn, (6, C, 2), in shares of the picture."""
    person = sitter(1)
    reference = person.reference
    points_K3 = person.model.landmarks(reference.identity, reference.expression, "mp478")
    camera_V3 = pose_vertices(points_K3, reference.pose)[:NUM_FACE]
    covered = rasterize(camera_V3[None], read_builtin().triangles_P3, (128, 128)).mask_BHW[0]
    around = Surroundings(camera_V3, covered, reference.pose[2])
    pose_6 = turned(reference.pose, yaw=yaw)
    moved_V3 = pose_vertices(points_K3, pose_6)[:NUM_FACE]
    turn_133 = euler_to_matrix(pose_6[None, :3]) @ euler_to_matrix(reference.pose[None, :3]).mT
    shift_T13 = pose_6[None, None, 3:] - reference.pose[None, None, 3:] @ turn_133.mT
    rings, _ = around.move(turn_133, shift_T13, moved_V3[None], project(moved_V3)[None])
    return around.source_N2.unflatten(0, (-1, COLUMNS)), rings[0].unflatten(0, (-1, COLUMNS))


def test_hair_and_neck_turn_as_what_lies_well_behind_the_face():
    source, moved = moved_rings(12.0)
    shift = (moved - source)[..., 0]
    sine, nearness = math.sin(math.radians(12)), FOCAL / (CAMERA_DISTANCE - POSE[5])
    for middle in (10, 152):
        column = 2 * RIM.index(middle)
        # Over the forehead and under the chin, what is further back goes further to the left.
        behind = float(shift[0, column] - shift[1, column]) / (sine * nearness)
        # Model units from the first ring to the second; a centimetre is a tenth.
        assert HAIR_BEHIND[0] < behind < HAIR_BEHIND[1]


def test_rings_stay_where_they_are_when_nothing_moves():
    source, moved = moved_rings(0.0)
    torch.testing.assert_close(moved, source, atol=2e-6, rtol=0)
