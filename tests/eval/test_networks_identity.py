"""ArcFace's embedding of whole faces and of their lower halves, by a network that adds up."""

import torch
from torch import Tensor, nn

from tests.eval.test_networks_alignment import picture
from viseme_eval.networks.identity import ARCFACE_TEMPLATE, ArcFaceIdentity, align_face


class Rows(nn.Module):
    """Means of rows of an aligned face, by colour."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, faces: Tensor) -> Tensor:
        return faces.mean(3).flatten(1) * self.weight


def landmarks() -> Tensor:
    return torch.rand(1, 478, 3, generator=torch.Generator().manual_seed(2)) * 0.4 + 0.3


def test_a_lower_half_is_the_aligned_face_with_its_upper_half_black() -> None:
    frames, points = picture(), landmarks()
    whole = align_face(frames, points)
    expected = whole.mean(3)
    expected[:, :, :56] = -1
    network = ArcFaceIdentity(Rows())
    torch.testing.assert_close(network.lower(frames, points), expected.flatten(1))
    torch.testing.assert_close(network(frames, points), whole.mean(3).flatten(1))
    # Below the eyes of the template, above its nose.
    eyes, nose = ARCFACE_TEMPLATE[:2], ARCFACE_TEMPLATE[2]
    assert max(y for _, y in eyes) < 56 < nose[1]


def test_a_network_that_takes_blue_first_sees_the_lower_half_so() -> None:
    frames, points = picture(), landmarks()
    ours, turned = (
        ArcFaceIdentity(Rows(), is_bgr=is_bgr).lower(frames, points) for is_bgr in (False, True)
    )
    torch.testing.assert_close(turned.view(1, 3, 112), ours.view(1, 3, 112).flip(1))
