import pytest
import torch

from viseme_data.synthetic.rig import CONTROLS, FACE_CONTROLS, FaceRig
from viseme_face import MorphableModel
from viseme_face.layouts import LEFT_IRIS, LIP_CORNERS, RIGHT_IRIS, eye_aspect_ratio, lip_opening

MODEL = MorphableModel.builtin()


def person(seed: int) -> FaceRig:
    generator = torch.Generator().manual_seed(seed)
    deviations = torch.randn(len(MODEL.identity_std_I), generator=generator).clamp(-2, 2)
    return FaceRig(MODEL, 0.8 * deviations * MODEL.identity_std_I)


def points(rig: FaceRig, **controls: float) -> torch.Tensor:
    values = torch.zeros(1, len(CONTROLS))
    for name, value in controls.items():
        values[0, CONTROLS.index(name)] = value
    return MODEL.landmarks(rig.identity, rig.expression(values), "mp478")[0]


def mouth_width_mm(face: torch.Tensor) -> float:
    return 100 * float((face[LIP_CORNERS[0]] - face[LIP_CORNERS[1]]).norm())


@pytest.mark.parametrize("seed", range(4))
def test_lips_of_everyone_are_closed_at_rest_and_whatever_else_the_face_does(seed: int) -> None:
    rig = person(seed)
    assert lip_opening(points(rig)) < 0.003
    busy = dict.fromkeys(FACE_CONTROLS, 0.7)
    assert lip_opening(points(rig, jaw=8, width=-4, protrusion=3, press=1, **busy)) < 0.008


@pytest.mark.parametrize("gap_mm", [2, 8, 20])
def test_lips_part_by_as_many_millimetres_as_asked_for(gap_mm: float) -> None:
    face = points(person(1), opening=gap_mm, jaw=gap_mm)
    assert 100 * float(face[13, 1] - face[14, 1]) == pytest.approx(gap_mm, abs=0.3)


@pytest.mark.parametrize("seed", range(3))
def test_lids_of_one_eye_close_and_the_other_stays(seed: int) -> None:
    rig = person(seed)
    rest = eye_aspect_ratio(points(rig))
    right, left = eye_aspect_ratio(points(rig, lid_right=1))
    assert right < 0.01
    assert left == pytest.approx(float(rest[1]), abs=0.01)
    assert eye_aspect_ratio(points(rig, lid_right=1, lid_left=1)).max() < 0.01
    assert (eye_aspect_ratio(points(rig, lid_right=-0.3, lid_left=-0.3)) > 1.2 * rest).all()


def test_the_mouth_widens_and_narrows_by_millimetres_of_the_mean_face() -> None:
    rig = FaceRig(MODEL, torch.zeros_like(MODEL.identity_std_I))
    rest = mouth_width_mm(points(rig))
    assert mouth_width_mm(points(rig, width=3)) - rest == pytest.approx(3, abs=0.5)
    assert mouth_width_mm(points(rig, width=-6)) - rest == pytest.approx(-6, abs=0.8)


def test_lips_come_forward_and_the_chin_goes_down_when_told() -> None:
    rig = person(2)
    rest = points(rig)
    forward = points(rig, protrusion=4) - rest
    assert 100 * float(forward[[0, 17], 2].mean()) == pytest.approx(4, abs=1.5)
    down = points(rig, jaw=10, opening=12) - rest
    assert -100 * float(down[152, 1]) > 3


def test_the_lower_lip_tucks_behind_the_upper_one() -> None:
    rig = person(0)
    change = points(rig, tuck=1) - points(rig)
    assert 100 * float(change[14, 2]) < -2.5
    assert float(change[14, 2]) < float(change[13, 2])


def test_eyes_look_where_they_are_told() -> None:
    rig = person(3)
    irises = [RIGHT_IRIS[0], LEFT_IRIS[0]]
    right = (points(rig, look_right=0.2) - points(rig))[irises]
    down = (points(rig, look_down=0.2) - points(rig))[irises]
    assert (right[:, 0] > 0.015).all()
    assert (right[:, 1].abs() < 0.005).all()
    assert (down[:, 1] < -0.015).all()
    assert (
        eye_aspect_ratio(points(rig, look_down=0.2)).mean() < eye_aspect_ratio(points(rig)).mean()
    )


def test_a_smile_lifts_the_corners_and_a_frown_lowers_them() -> None:
    rig = person(1)
    corners = list(LIP_CORNERS)
    rest = points(rig)[corners, 1].mean()
    assert points(rig, smile=1)[corners, 1].mean() - rest > 0.03
    assert points(rig, frown=1)[corners, 1].mean() - rest < -0.03


def test_an_unrelated_model_gets_coefficients_of_its_own() -> None:
    # The same faces in a basis that is turned and scaled: other numbers, the same points.
    from viseme_face.parts import read_builtin

    parts = read_builtin()
    generator = torch.Generator().manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(64, 64, generator=generator))
    basis = torch.einsum("fe,ekc->fkc", turn, parts.expression_basis_EV3 * 3)
    other = MorphableModel(
        type(parts)(
            **{
                **{name: getattr(parts, name) for name in parts.__dataclass_fields__},
                "expression_basis_EV3": basis,
                "expression_std_E": torch.ones(64) / 3,
            }
        )
    )
    rig, same = person(0), FaceRig(other, person(0).identity)
    values = torch.zeros(1, len(CONTROLS))
    values[0, :3] = torch.tensor([8.0, 10.0, -3.0])
    here = MODEL.landmarks(rig.identity, rig.expression(values), "mp478")
    there = other.landmarks(same.identity, same.expression(values), "mp478")
    assert (here - there).norm(dim=-1).max() < 0.02
    assert not torch.allclose(rig.expression(values), same.expression(values), atol=0.1)
