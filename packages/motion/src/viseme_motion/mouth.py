"""The mouth as points in space, from coefficients: what lip experts look at and losses measure."""

import torch
from torch import Tensor, nn

from viseme_face import MorphableModel


class MouthVertices(nn.Module):
    """The mouth's vertices of the mesh that identity and expression make (FD2Talk Eq. 1).

    Linear in the coefficients, so that gradients reach them. In units of the mean mouth's width and
    about its centre. Nothing of it is saved: the face model's name says it all.

    Args:
        model: Face model of the coefficients.
    """

    mean_K3: Tensor
    identity_IK3: Tensor
    expression_EK3: Tensor

    def __init__(self, model: MorphableModel) -> None:
        super().__init__()
        shape = model.shape_at(model.mouth_ids())
        center_3 = shape.mean_V3.mean(0)
        self.width = float(shape.mean_V3[:, 0].amax() - shape.mean_V3[:, 0].amin())
        parts = (shape.mean_V3 - center_3, shape.identity_basis_IV3, shape.expression_basis_EV3)
        for name, part in zip(("mean_K3", "identity_IK3", "expression_EK3"), parts, strict=True):
            self.register_buffer(name, part / self.width, persistent=False)

    @property
    def num_points(self) -> int:
        """Number of vertices K."""
        return len(self.mean_K3)

    def forward(self, identity_BI: Tensor, expression_BTC: Tensor) -> Tensor:
        """Return the mouth's vertices (B, T, K, 3) of each frame."""
        neutral_BK3 = self.mean_K3 + torch.einsum("bi,ikd->bkd", identity_BI, self.identity_IK3)
        moved_BTK3 = torch.einsum("btc,ckd->btkd", expression_BTC, self.expression_EK3)
        return neutral_BK3[:, None] + moved_BTK3
