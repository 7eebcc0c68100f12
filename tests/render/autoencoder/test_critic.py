import pytest
import torch

from viseme_render.autoencoder.critic import PatchCritic


@pytest.mark.parametrize(("layers", "side"), [(1, 7), (2, 7), (3, 6)])
def test_there_is_a_number_for_each_patch(layers, side):
    size = {1: 18, 2: 36, 3: 64}[layers]
    assert PatchCritic(4, layers)(torch.randn(2, 3, size, size)).shape == (2, 1, side, side)


def test_a_patch_of_the_published_size_is_70_pixels():
    critic = PatchCritic(4, 3).eval()
    # Normalisation looks at the whole picture; without it the patch is what convolutions reach.
    for name, module in list(critic.net.named_children()):
        if isinstance(module, torch.nn.GroupNorm):
            setattr(critic.net, name, torch.nn.Identity())
    pictures = torch.randn(1, 3, 160, 160, requires_grad=True)
    made = critic(pictures)
    middle = made.shape[-1] // 2
    (grad,) = torch.autograd.grad(made[0, 0, middle, middle], pictures)
    seen = grad[0].abs().sum(0).nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [70, 70]


def test_what_is_said_of_a_picture_does_not_depend_on_the_others():
    critic = PatchCritic(4, 2)
    pictures = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(critic(pictures)[1:2], critic(pictures[1:2]))
