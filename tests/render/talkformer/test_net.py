from typing import Any

import pytest
import torch
from torch import nn

from tests.render.talkformer.small import ROWS, make_batch, make_config, make_model, moved
from viseme_core.draws import Draws
from viseme_render.talkformer.layers import LandmarkAttention, TalkFormer
from viseme_render.talkformer.net import AppearanceEncoder, TalkFormerNet

Z = 3


def given(config, *, frames: int = 2, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    points = torch.rand(1, frames, 131, 2, generator=generator)
    return (
        draw(1, frames, Z, 8, 8),
        torch.tensor([7]),
        points,
        draw(1, Z, 8, 8),
        draw(1, 2, Z, 8, 8),
    )


def make_net(is_moved: bool = True, **options: Any) -> Any:
    torch.manual_seed(0)
    net = TalkFormerNet(make_config(**options), Z)
    return moved(net) if is_moved else net


def predict(net: Any, noisy, step, points, reference, previous) -> torch.Tensor:
    return net(noisy, step, net.conditions(points, net.look(reference), previous))


def test_talkformers_are_at_all_scales_but_the_first():
    net = make_net(net={"widths": (8, 16, 24, 32), "blocks": 2}, size=64)
    count = {
        "encoder": [len(scale.talkformers) for scale in net.encoder.scales],
        "middle": len(net.middle.talkformers),
        "decoder": [len(scale.talkformers) for scale in net.decoder.scales],
    }
    assert count == {"encoder": [0, 2, 2, 2], "middle": 1, "decoder": [3, 3, 3, 0]}


def test_the_appearance_encoder_has_no_attention_and_knows_no_step():
    for is_complete in (False, True):
        encoder = AppearanceEncoder(Z, make_config().net, is_complete=is_complete)
        assert not any(isinstance(m, TalkFormer) for m in encoder.modules())
        assert not any("time_emb_proj" in name for name, _ in encoder.named_parameters())


@pytest.mark.parametrize("complete_ref", [False, True])
def test_features_are_as_large_as_the_hidden_ones_that_ask_for_them(complete_ref):
    net = make_net(complete_ref=complete_ref)
    seen = []
    for module in net.modules():
        if isinstance(module, TalkFormer):
            module.register_forward_hook(
                lambda _, told, __: seen.append(
                    (told[0].shape[1:], told[1].reference_BDhw.shape[1:])
                )
            )
    predict(net, *given(net.config))
    assert seen
    assert all(hidden == reference for hidden, reference in seen)


def test_a_complete_reference_network_has_features_of_its_own_for_the_decoder():
    config = make_config()
    latent = torch.randn(1, Z, 8, 8)
    plain = AppearanceEncoder(Z, config.net, is_complete=False)(latent)
    assert plain[0] is plain[-1]
    assert plain[1] is plain[2]
    complete = AppearanceEncoder(Z, config.net, is_complete=True)(latent)
    assert len({id(x) for x in complete}) == len(complete) == 5


def test_what_is_far_away_in_the_reference_is_seen_through_attention_alone():
    net = make_net(temp_attn=False)
    noisy, step, points, reference, previous = given(net.config)
    other = reference.clone()
    other[..., 0, 0] += 3
    before = predict(net, noisy, step, points, reference, previous)
    after = predict(net, noisy, step, points, other, previous)
    # The corner across is farther than any convolution of the appearance encoder would carry it.
    assert float((before - after)[..., -1, -1].detach().abs().max()) > 1e-4
    for module in net.modules():
        if isinstance(module, TalkFormer):
            for parameter in module.reference.out.parameters():
                nn.init.zeros_(parameter)
    before = predict(net, noisy, step, points, reference, previous)
    after = predict(net, noisy, step, points, other, previous)
    assert torch.equal(before, after)


def test_landmarks_are_seen_through_their_attention_alone():
    net = make_net()
    noisy, step, points, reference, previous = given(net.config)
    assert not torch.equal(
        predict(net, noisy, step, points, reference, previous),
        predict(net, noisy, step, 1 - points, reference, previous),
    )
    for module in net.modules():
        if isinstance(module, LandmarkAttention):
            nn.init.zeros_(module.out.weight)
    assert torch.equal(
        predict(net, noisy, step, points, reference, previous),
        predict(net, noisy, step, 1 - points, reference, previous),
    )


def test_motion_frames_and_other_frames_are_seen_with_temporal_attention_alone():
    for temp_attn in (False, True):
        net = make_net(temp_attn=temp_attn)
        noisy, step, points, reference, previous = given(net.config)
        before = predict(net, noisy, step, points, reference, previous)
        moved_on = predict(net, noisy, step, points, reference, previous + 1)
        assert torch.equal(before, moved_on) == (not temp_attn)
        other = noisy.clone()
        other[:, 1] += 1
        after = predict(net, other, step, points, reference, previous)
        # A batch's rows may be summed in another order.
        same = torch.allclose(before[:, 0], after[:, 0], atol=1e-6)
        assert same == (not temp_attn)


def test_without_reference_alignment_the_reference_stands_beside():
    net = make_net(r_align=False, temp_attn=False)
    assert net.appearance is None
    assert net.encoder.conv_in.in_channels == 2 * Z
    noisy, step, points, reference, previous = given(net.config)
    assert not torch.equal(
        predict(net, noisy, step, points, reference, previous),
        predict(net, noisy, step, points, reference + 1, previous),
    )


def test_the_step_is_heard():
    net = make_net()
    noisy, step, *rest = given(net.config)
    assert not torch.equal(predict(net, noisy, step, *rest), predict(net, noisy, step + 500, *rest))


def test_a_window_in_a_batch_is_drawn_as_alone():
    net = make_net().double()
    one = [x.double() if x.is_floating_point() else x for x in given(net.config)]
    two = [x.double() if x.is_floating_point() else x for x in given(net.config, seed=5)]
    both = predict(net, *(torch.cat(pair) for pair in zip(one, two, strict=True)))
    torch.testing.assert_close(both[:1], predict(net, *one), atol=1e-7, rtol=0)
    torch.testing.assert_close(both[1:], predict(net, *two), atol=1e-7, rtol=0)


@pytest.mark.parametrize("row", ROWS)
def test_every_parameter_gets_a_gradient_and_once_moved_none_is_zero(row):
    batch = make_batch()
    for is_moved in (False, True):
        model = make_model(is_moved=is_moved, **ROWS[row])
        model.loss(batch, Draws(0, 0, batch.index_B))["loss"].backward()
        gradients = {name: p.grad for name, p in model.named_parameters()}
        assert not [name for name, g in gradients.items() if g is None]
        assert all(g.isfinite().all() for g in gradients.values())
        if is_moved:
            # A key's bias shifts all scores alike: softmax does not see it.
            idle = [name for name, g in gradients.items() if not name.endswith("to_k.bias")]
            assert not [name for name in idle if not gradients[name].any()]


def test_landmarks_beside_the_latent_are_seen_before_anything_is_learned():
    """Attention ends in zeros at first, so the hidden features know nothing of landmarks."""
    for is_beside in (False, True):
        net = make_net(is_moved=False, landmarks_beside=is_beside)
        noisy, step, points, reference, previous = given(net.config)
        seen = []
        net.encoder.conv_in.register_forward_hook(lambda _, __, out, seen=seen: seen.append(out))
        for moved_by in (0.0, 0.05):
            predict(net, noisy, step, points + moved_by, reference, previous)
        assert torch.equal(*seen) is not is_beside
