"""Random face models and coefficients for the tests of the face package."""

import torch
from torch import Tensor

from viseme_face.morphable import MorphableModel
from viseme_face.parts import FaceParts


def random_model(
    *, seed: int = 0, num_identity: int = 80, num_expression: int = 64, family: str = "random"
) -> MorphableModel:
    """A cloud of 478 points the size of a head with random directions of one deviation each."""
    draw = torch.Generator().manual_seed(seed)
    mean = torch.randn(478, 3, generator=draw) * torch.tensor([0.5, 0.6, 0.3])
    return MorphableModel(
        FaceParts(
            family=family,
            mean_V3=mean,
            identity_basis_IV3=0.02 * torch.randn(num_identity, 478, 3, generator=draw),
            expression_basis_EV3=0.02 * torch.randn(num_expression, 478, 3, generator=draw),
            identity_std_I=torch.ones(num_identity),
            expression_std_E=torch.ones(num_expression),
            triangles_P3=torch.zeros(0, 3, dtype=torch.int64),
            landmarks={"mp478": torch.arange(478)},
        )
    )


def random_truth(
    model: MorphableModel, num_frames: int, *, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Identity (80,), expression (T, 64) and pose (T, 6) of a face that moves a good deal."""
    draw = torch.Generator().manual_seed(seed)
    identity = torch.randn(80, generator=draw) * model.identity_std_I
    expression = torch.randn(num_frames, 64, generator=draw) * model.expression_std_E
    angles = 0.25 * torch.randn(num_frames, 3, generator=draw)
    shift = torch.randn(num_frames, 3, generator=draw) * torch.tensor([0.15, 0.15, 0.5])
    return identity, expression, torch.cat([angles, shift], -1)
