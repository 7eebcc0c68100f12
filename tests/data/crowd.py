"""People whose faces and expressions are drawn from a known model, for the builder's tests."""

import torch
from torch import Tensor

from viseme_data.canonical import complete, read_canonical
from viseme_data.face_model.prior import Knowledge, prior_knowledge
from viseme_data.face_model.shapes import Rows
from viseme_face import pose_vertices
from viseme_face.layouts import LEFT_EYE, LIP_RINGS, RIGHT_EYE
from viseme_face.pose import to_landmark_points


def small_prior(num_identity: int = 12, num_expression: int = 10) -> Knowledge:
    """The prior with a few of its directions only, half of them symmetric."""
    prior = prior_knowledge(complete(read_canonical()))
    return prior._replace(
        identity=_first(prior.identity, num_identity),
        expression=_first(prior.expression, num_expression),
    )


def _first(rows: Rows, num: int) -> Rows:
    even, odd = (((rows.is_even_N == want).nonzero()[: num // 2, 0]) for want in (True, False))
    chosen = torch.cat([even, odd])
    return Rows(rows.rows_NV3[chosen], rows.is_even_N[chosen])


def crowd(
    truth: Knowledge,
    num_people: int,
    num_frames: int,
    *,
    seed: int = 0,
    flat_noise: float = 0.0,
    depth_noise: float = 0.0,
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Landmarks (F, 478, 3) of each person, their identity (P, I) and expression (P, F, E).

    Lips and lids are twice as exact as the rest: so the builder takes them.
    """
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    identity_PI = normal(num_people, len(truth.identity.rows_NV3))
    expression_PFE = normal(num_people, num_frames, len(truth.expression.rows_NV3))
    people = []
    for identity_I, expression_FE in zip(identity_PI, expression_PFE, strict=True):
        shapes_FV3 = (
            truth.mean_V3
            + torch.tensordot(identity_I, truth.identity.rows_NV3, 1)
            + torch.tensordot(expression_FE, truth.expression.rows_NV3, 1)
        )
        pose_F6 = normal(num_frames, 6) * torch.tensor([0.15, 0.25, 0.1, 0.05, 0.05, 0.3])
        points_FK3 = to_landmark_points(pose_vertices(shapes_FV3, pose_F6), pose_F6[:, 5])
        error_FK3 = normal(*points_FK3.shape)
        error_FK3[:, [*sum(LIP_RINGS, ()), *RIGHT_EYE, *LEFT_EYE]] /= 2
        scale_3 = torch.tensor([flat_noise, flat_noise, depth_noise])
        people.append(points_FK3 + error_FK3 * scale_3)
    return people, identity_PI, expression_PFE
