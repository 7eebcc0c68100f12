import math
from dataclasses import replace

import numpy as np
import torch

from tests.face.portraits import mistracked, sitter, turned
from viseme_face import lip_opening, pose_vertices, project
from viseme_face.layouts import LEFT_LID_PAIRS, LIP_PAIRS, LIP_RINGS, RIGHT_LID_PAIRS
from viseme_face.sheet.topology import FIRST_RING, NUM_FACE, RIM
from viseme_face.sheet.warp import PortraitWarp


def test_the_portraits_own_motion_leaves_every_vertex_where_it_came_from():
    person = sitter(0)
    reference = mistracked(person.reference, 0.5)
    warp = PortraitWarp(reference, person.model)
    moved = warp.move(reference.expression[None], reference.pose[None])
    face_N2, rings_N2 = warp.source_N2[:NUM_FACE], warp.source_N2[FIRST_RING:]
    # The lips of this portrait are open by a hair, and their edges taken from as far inside them.
    torch.testing.assert_close(moved.screen_TN2[0, :NUM_FACE], face_N2, atol=1e-4, rtol=0)
    torch.testing.assert_close(moved.screen_TN2[0, FIRST_RING:], rings_N2, atol=2e-6, rtol=0)


def test_the_mesh_lies_on_the_landmarks_that_were_tracked():
    person = sitter(0)
    reference = mistracked(person.reference, 0.5)
    warp = PortraitWarp(reference, person.model)
    landmarks_K2 = reference.landmarks.points_TKD[0, :NUM_FACE]
    # Pairs of lips and lids share what the model misses, so that they open as the motion says.
    paired = torch.tensor([*LIP_PAIRS, *RIGHT_LID_PAIRS, *LEFT_LID_PAIRS])
    alone = torch.ones(NUM_FACE, dtype=torch.bool)
    alone[paired.flatten()] = False
    torch.testing.assert_close(
        warp.source_N2[:NUM_FACE][alone], landmarks_K2[alone], atol=5e-5, rtol=0
    )
    middle = project(pose_vertices(warp.points_K3, reference.pose))[paired].mean(1)
    torch.testing.assert_close(middle, landmarks_K2[paired].mean(1), atol=2e-5, rtol=0)


def test_lips_open_as_far_as_the_motion_says_whatever_the_tracker_missed():
    person = sitter(0)
    reference = mistracked(person.reference, 1.0)
    shares = torch.tensor([0.0, 0.2, 0.6, 1.0])
    expression_TE = person.closed_E + shares[:, None] * person.opening_E
    got = lip_opening(PortraitWarp(reference, person.model).points(expression_TE))
    asked = lip_opening(person.model.landmarks(reference.identity, expression_TE, "mp478"))
    # What both points of a pair share changes the mouth's width by a few per cent, not its gap.
    torch.testing.assert_close(got, asked, atol=2e-3, rtol=0.1)


def test_the_border_of_the_picture_never_moves():
    person = sitter(1)
    warp = PortraitWarp(person.reference, person.model)
    poses = torch.stack([turned(person.reference.pose, yaw=20, pitch=-10, roll=15)])
    moved = warp.move(person.reference.expression[None], poses)
    border = slice(-2 * len(RIM), None)
    assert torch.equal(moved.screen_TN2[0, border], warp.source_N2[border])


def test_the_rim_of_the_face_and_the_first_ring_move_as_one_head():
    person = sitter(1)
    warp = PortraitWarp(person.reference, person.model)
    pose_16 = turned(person.reference.pose, yaw=12)[None]
    moved = warp.move(person.reference.expression[None], pose_16).screen_TN2[0]
    shift_N2 = moved - warp.source_N2
    ring_C2 = shift_N2[FIRST_RING : FIRST_RING + 2 * len(RIM) : 2]
    rim_C2 = shift_N2[list(RIM)]
    assert float(rim_C2.norm(dim=1).max()) > 0.02
    # The ring lies a little behind the rim, and so moves a little less on a head that turns.
    assert float((ring_C2 - rim_C2).norm(dim=1).max()) < 0.15 * float(rim_C2.norm(dim=1).max())


def test_edges_of_open_lips_are_taken_from_within_the_lips():
    shut, open_ = sitter(0), sitter(0, opening=0.8)
    inner, next_ring = list(LIP_RINGS[3]), list(LIP_RINGS[2])
    for person, pull in ((shut, 0.0), (open_, 0.5)):
        warp = PortraitWarp(person.reference, person.model)
        points_K2 = project(pose_vertices(warp.points_K3, person.reference.pose))
        wanted = torch.lerp(points_K2[inner], points_K2[next_ring], pull)
        torch.testing.assert_close(warp.source_N2[inner], wanted, atol=2e-4, rtol=0)


def test_a_deeper_head_lies_as_before_and_its_depth_moves_it_as_it_turns():
    person = sitter(0)
    flat, deep = (
        PortraitWarp(replace(person.reference, depth=depth), person.model) for depth in (1.0, 1.2)
    )
    own = person.reference.expression[None], person.reference.pose[None]
    torch.testing.assert_close(
        deep.move(*own).screen_TN2, flat.move(*own).screen_TN2, atol=1e-5, rtol=0
    )
    # By hand: the model's rest 1.2 times as deep, what that misses of the landmarks made up for.
    angle = math.radians(15)
    x, y, z = flat.points_K3.double().numpy().T
    rest_z = person.model.landmarks(person.reference.identity, torch.zeros(64), "mp478")[:, 2]
    deeper_z = z + 0.2 * rest_z.double().numpy()
    distance = 10 - person.reference.pose[5].item()
    stretch = (distance - deeper_z) / (distance - z)
    ty = person.reference.pose[4].item()
    turned_x = x * stretch * math.cos(angle) + deeper_z * math.sin(angle)
    turned_z = -x * stretch * math.sin(angle) + deeper_z * math.cos(angle)
    seen_x = 0.5 + 1015 / 224 * turned_x / (distance - turned_z)
    seen_y = 0.5 - 1015 / 224 * ((y + ty) * stretch) / (distance - turned_z)
    got_NX = deep.move(own[0], turned(own[1], yaw=15)).screen_TN2[0, :NUM_FACE]
    asked_NX = torch.from_numpy(np.stack([seen_x, seen_y], 1)[:NUM_FACE]).float()
    alone = torch.ones(NUM_FACE, dtype=torch.bool)
    alone[torch.tensor([*LIP_PAIRS, *RIGHT_LID_PAIRS, *LEFT_LID_PAIRS]).flatten()] = False
    torch.testing.assert_close(got_NX[alone], asked_NX[alone], atol=2e-4, rtol=0)
    nose = flat.move(own[0], turned(own[1], yaw=15)).screen_TN2[0, 1] - got_NX[1]
    assert float(nose.norm()) > 0.005
