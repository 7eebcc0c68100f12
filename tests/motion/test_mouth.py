import torch

from tests.motion.small import FACE
from viseme_motion.mouth import MouthVertices


def test_the_mouth_is_that_of_the_morphable_models_mesh():
    mouth = MouthVertices(FACE)
    identity_BI, expression_BTC = torch.randn(2, 80), torch.randn(2, 4, 64)
    found_BTK3 = mouth(identity_BI, expression_BTC)
    ids = FACE.mouth_ids()
    mean_K3 = FACE.mean_V3[ids]
    width = mean_K3[:, 0].max() - mean_K3[:, 0].min()
    for b in range(2):
        whole_TV3 = FACE(identity_BI[b], expression_BTC[b])
        expected = (whole_TV3[:, ids] - mean_K3.mean(0)) / width
        torch.testing.assert_close(found_BTK3[b], expected, rtol=1e-4, atol=1e-5)
    assert mouth.num_points == len(ids)


def test_gradients_reach_the_coefficients_and_nothing_is_saved():
    mouth = MouthVertices(FACE)
    expression_BTC = torch.zeros(1, 2, 64, requires_grad=True)
    (slope,) = torch.autograd.grad(mouth(torch.zeros(1, 80), expression_BTC).sum(), expression_BTC)
    torch.testing.assert_close(slope[0, 1], mouth.expression_EK3.sum((1, 2)))
    assert not mouth.state_dict()
