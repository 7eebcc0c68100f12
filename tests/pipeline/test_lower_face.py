import torch

from viseme_face import MorphableModel, pose_vertices, project
from viseme_face.layouts import LEFT_EYE, LIP_INNER, RIGHT_EYE
from viseme_pipeline.lower_face import lower_face


def points_of(roll: float) -> torch.Tensor:
    model = MorphableModel.builtin()
    still_K3 = model.landmarks(torch.zeros(80), torch.zeros(1, 64), "mp478")
    return project(pose_vertices(still_K3, torch.tensor([[0.0, 0.0, roll, 0.0, 0.0, -4.0]])))[0]


def test_lips_and_chin_are_covered_and_eyes_are_not_however_the_head_is_tilted():
    for roll in (0.0, 0.6, -0.9):
        points_K2 = points_of(roll)
        mask = torch.from_numpy(lower_face(points_K2))

        def at(ids, mask=mask, points_K2=points_K2):
            places = (points_K2[list(ids)] * len(mask)).long()
            return mask[places[:, 1], places[:, 0]]

        assert at(LIP_INNER).min() > 0.99
        assert at([152]).min() > 0.9
        assert at([*LEFT_EYE, *RIGHT_EYE]).max() < 0.05


def test_the_mask_ends_softly_within_the_crop():
    mask = torch.from_numpy(lower_face(points_of(0.0)))
    assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) < 0.01
    assert mask.diff(dim=0).abs().max() < 0.2
