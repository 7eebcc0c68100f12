import pytest
import torch
from torch import Tensor

from tests.face.portraits import SIZE, Sitter, mistracked, psnr, sitter, turned
from viseme_face import close_eyes, refit
from viseme_face.layouts import AROUND_LIPS, LEFT_EYE, LIP_INNER, RIGHT_EYE
from viseme_face.sheet.topology import AROUND
from viseme_render.mesh.light import share_inside
from viseme_render.mesh.portrait import MeshPortrait

TURNS = [{"yaw": 15}, {"yaw": -15}, {"pitch": 10}, {"pitch": -10}, {"roll": 15}]


def portrait_of(person: Sitter) -> MeshPortrait:
    return MeshPortrait(person.reference, person.model)


def turns_of(person: Sitter) -> tuple[Tensor, Tensor]:
    poses = torch.stack([turned(person.reference.pose, **turn) for turn in TURNS])
    return person.reference.expression.expand(len(poses), -1), poses


def outside_mouth(person: Sitter) -> Tensor:
    points_K2 = SIZE * person.reference.landmarks.points_TKD[0, :, :2]
    return share_inside(points_K2, AROUND_LIPS, SIZE) == 0


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("opening", [0.0, 0.8])
def test_its_own_motion_gives_the_portrait_back_outside_the_mouth(seed, opening):
    person = sitter(seed, opening=opening)
    reference = mistracked(person.reference, 0.3)
    drawn = MeshPortrait(reference, person.model).draw(
        reference.expression[None], reference.pose[None]
    )[0]
    outside = outside_mouth(person)
    assert psnr(drawn[:, outside], reference.frame_3HW[:, outside]) > 40


def test_under_its_own_motion_every_pixel_comes_from_itself():
    person = sitter(1)
    flow, part = portrait_of(person).flow(
        person.reference.expression[None], person.reference.pose[None]
    )
    centre = (torch.arange(SIZE) + 0.5) / SIZE
    here = torch.stack(torch.meshgrid(centre, centre, indexing="xy"), -1)
    # Skin and surroundings: what lies between lips and lids is laid over.
    away_px = SIZE * (flow[0] - here).norm(dim=-1)[part[0] <= AROUND + 1]
    assert float(away_px.quantile(0.999)) < 0.004


@pytest.mark.parametrize("opening", [0.5, 0.8])
def test_an_open_mouth_under_its_own_motion_looks_as_it_did(opening):
    person = sitter(0, opening=opening)
    reference = person.reference
    drawn = portrait_of(person).draw(reference.expression[None], reference.pose[None])[0]
    inside = ~outside_mouth(person)
    assert psnr(drawn[:, inside], reference.frame_3HW[:, inside]) > 28


@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_has_a_hole_and_the_surroundings_fold_nowhere(seed):
    person = sitter(seed)
    flow, part = portrait_of(person).flow(*turns_of(person))
    assert (part >= 0).all()
    flow = flow * SIZE
    right = flow[:, :-1, 1:] - flow[:, :-1, :-1]
    down = flow[:, 1:, :-1] - flow[:, :-1, :-1]
    area = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    around = part == AROUND
    whole = around[:, :-1, :-1] & around[:, :-1, 1:] & around[:, 1:, :-1]
    assert whole.sum() > 10_000
    assert float(area[whole].min()) > 0.05


def test_movement_beyond_reason_still_leaves_no_hole():
    person = sitter(1)
    poses = torch.stack(
        [
            turned(person.reference.pose, yaw=60, pitch=20),
            turned(person.reference.pose, roll=90),
            person.reference.pose + torch.tensor([0, 0, 0, 0.9, -0.5, 1.5]),
        ]
    )
    expression = person.closed_E + 3 * person.opening_E
    _, part = portrait_of(person).flow(expression.expand(3, -1), poses)
    assert (part >= 0).all()


def test_turned_heads_are_nearer_to_the_truth_than_the_portrait_is():
    person = sitter(1)
    expression, poses = turns_of(person)
    frames, truth = portrait_of(person).draw(expression, poses), person.truth(expression, poses)
    points = person.points(expression, poses)
    for frame, true, points_K2 in zip(frames, truth, points, strict=True):
        # The front of the face, which both show; the sides come into view as nobody knows them.
        front = share_inside(points_K2, (70, 63, 105, 107, 336, 334, 293, 300, 425, 200, 205), SIZE)
        seen = front > 0.99
        still = psnr(person.reference.frame_3HW[:, seen], true[:, seen])
        assert psnr(frame[:, seen], true[:, seen]) > still + 2.5


def test_parted_lips_are_nearer_to_the_truth_than_the_portrait_is():
    person = sitter(1, size=256)
    expression = (person.closed_E + 1.5 * person.opening_E)[None]
    pose = person.reference.pose[None]
    frame = portrait_of(person).draw(expression, pose)[0]
    true = person.truth(expression, pose)[0]
    # Lips and the skin around: what lies between the lips is anybody's guess.
    points_K2 = person.points(expression, pose)[0]
    lips = share_inside(points_K2, AROUND_LIPS, 256) > 0.5
    lips &= share_inside(points_K2, LIP_INNER, 256) == 0
    still = psnr(person.reference.frame_3HW[:, lips], true[:, lips])
    assert psnr(frame[:, lips], true[:, lips]) > still + 4


def blueness(frame_3HW: torch.Tensor) -> torch.Tensor:
    red_HW, _, blue_HW = (frame_3HW + 1) / 2
    return blue_HW / red_HW.clamp_min(1e-3)


def test_a_mouth_that_shows_teeth_closes():
    person = sitter(0, opening=0.8)
    pose = person.reference.pose[None]
    frame = portrait_of(person).draw(person.closed_E[None], pose)[0]
    lips = share_inside(person.points(person.closed_E[None], pose)[0], AROUND_LIPS, SIZE) > 0.5
    teeth = share_inside(SIZE * person.reference.landmarks.points_TKD[0], LIP_INNER, SIZE) > 0.9
    # Teeth are bluer than anything else about a mouth, however dark it is.
    blue = blueness(person.reference.frame_3HW)[teeth].max()
    assert blueness(frame)[lips].max() < blue - 0.15
    true = person.truth(person.closed_E[None], pose)[0]
    still = psnr(person.reference.frame_3HW[:, lips], true[:, lips])
    assert psnr(frame[:, lips], true[:, lips]) > still + 2.5


def test_a_blink_hides_the_eyes():
    person = sitter(1)
    pose = person.reference.pose[None]
    motion = person.motion(person.reference.expression[None], pose)
    shut = refit(person.model, motion, close_eyes).expression
    frame = portrait_of(person).draw(shut, pose)[0]
    points_K2 = SIZE * person.reference.landmarks.points_TKD[0]
    for ring in (RIGHT_EYE, LEFT_EYE):
        eye = share_inside(points_K2, ring, SIZE) > 0.9
        # The white of an eye has as much blue as red, skin has far less.
        white = (person.reference.frame_3HW[2] - person.reference.frame_3HW[0])[eye]
        assert white.max() > -0.2
        assert (frame[2] - frame[0])[eye].max() < white.max() - 0.1


def test_speaking_moves_nothing_above_the_nose():
    person = sitter(0)
    expression = person.closed_E + torch.tensor([0.0, 0.4, 0.8])[:, None] * person.opening_E
    drawn = portrait_of(person)
    flow, _ = drawn.flow(expression, person.reference.pose.expand(3, -1))
    eyes_y = int(SIZE * person.reference.landmarks.points_TKD[0, 33, 1])
    assert float((flow[1:] - flow[:1])[:, : eyes_y + 3].abs().max()) * SIZE < 0.35


def test_upper_teeth_stay_with_the_skull_while_the_jaw_drops():
    person = sitter(0, opening=1.2, size=256)
    shares = torch.tensor([1.2, 1.5, 1.8])
    expression = person.closed_E + shares[:, None] * person.opening_E
    poses = person.reference.pose.expand(3, -1)
    frames = portrait_of(person).draw(expression, poses)
    inside = torch.stack(
        [share_inside(points, LIP_INNER, 256) for points in person.points(expression, poses)]
    )
    seen = (inside > 0.999).all(0)
    rows = seen.any(1).nonzero()[:, 0]
    upper = seen.clone()
    upper[int(rows[len(rows) // 3]) :] = False
    assert upper.sum() > 20
    # Teeth, not the dark behind them.
    assert float(frames[0][:, upper].mean()) > 0
    assert float((frames[1:] - frames[:1])[:, :, upper].abs().max()) < 0.02


def test_a_small_movement_changes_little_and_a_smaller_one_less():
    person = sitter(0)
    drawn = portrait_of(person)
    expression = person.closed_E + 0.5 * person.opening_E
    steps = torch.tensor([0.0, 0.01, 0.1])
    poses = torch.stack([turned(person.reference.pose, yaw=float(step)) for step in 4 + steps])
    more = expression + steps[:, None] * person.opening_E
    frames = drawn.draw(more, poses)
    tiny, small = ((frames[1:] - frames[:1]).abs().mean((1, 2, 3))).tolist()
    assert 0 < tiny < 0.15 * small
    assert small < 0.01
    assert float((frames[1] - frames[0]).abs().max()) < 0.25
