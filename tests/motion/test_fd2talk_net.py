"""FD2Talk's transformer against the paper's section 3.2, written out."""

import pytest
import torch
from torch import Tensor, nn

from tests.core.nets.test_attention import as_torch_has_it
from tests.motion.small import AUDIO_DIM, num_parameters
from viseme_motion.fd2talk.config import FD2TalkConfig
from viseme_motion.fd2talk.net import MotionTransformer, TransformerLayer

K = 3


def make_net(**config) -> MotionTransformer:
    torch.manual_seed(0)
    settings = FD2TalkConfig(**{"num_layers": 1, "dim": 16, "num_heads": 2, **config})
    net = MotionTransformer(5, AUDIO_DIM, settings).double()
    nn.init.normal_(net.known)
    return net


def make_inputs(frames: int = 12, size: int = 2, dtype: torch.dtype = torch.float64) -> dict:
    return {
        "noisy_BTC": torch.randn(size, frames, 5, dtype=dtype),
        "step_B": torch.arange(size) * 400 + 3,
        "audio_BTA": torch.randn(size, frames, AUDIO_DIM, dtype=dtype),
        "is_known_BT": torch.zeros(size, frames, dtype=torch.bool),
        "mask_BT": torch.ones(size, frames, dtype=torch.bool),
    }


def moved_by_sound(net: MotionTransformer, inputs: dict, frame: int) -> list[int]:
    """Return which frames change when the sound of one does."""
    audio_BTA = inputs["audio_BTA"].clone()
    audio_BTA[:, frame] += 10
    change = net(**inputs) - net(**{**inputs, "audio_BTA": audio_BTA})
    return change.abs().amax((0, 2)).nonzero()[:, 0].tolist()


def test_a_layer_is_attention_cross_attention_and_two_linear_layers_as_torch_has_them():
    layer = TransformerLayer(8, 2).double()
    motion, heard = torch.randn(2, 3, 7, 8, dtype=torch.float64)
    mask_TT = (torch.arange(7)[:, None] - torch.arange(7)).abs() <= 2
    everywhere = torch.ones(3, 7, 7, dtype=torch.bool)
    among, across = as_torch_has_it(layer.among, 8), as_torch_has_it(layer.across, 8)

    normed = nn.functional.layer_norm(motion, (8,))
    expected = motion + among(normed, normed, normed)[0]
    normed = nn.functional.layer_norm(expected, (8,))
    expected = expected + across(normed, heard, heard, attn_mask=~mask_TT)[0]
    first, last = layer.forward_part[0], layer.forward_part[2]
    hidden = nn.functional.gelu(first(nn.functional.layer_norm(expected, (8,))))
    expected = expected + last(hidden)
    found = layer(motion, heard, everywhere, mask_TT.expand(3, -1, -1))
    torch.testing.assert_close(found, expected)


def test_the_condition_is_a_linear_map_of_step_and_sound_side_by_side():
    net, inputs = make_net(), make_inputs()
    heard: list[Tensor] = []
    net.layers[0].register_forward_pre_hook(lambda _, given: heard.append(given[1]))
    net(**inputs)
    weight, bias = net.condition.weight, net.condition.bias
    by_step, by_sound = weight[:, :16], weight[:, 16:]
    step_BD = net.step(inputs["step_B"]) @ by_step.T
    without_place = heard[0] - step_BD[:, None] - inputs["audio_BTA"] @ by_sound.T - bias
    # What is left is each frame's place, the same in every sample.
    torch.testing.assert_close(without_place[0], without_place[1])
    assert without_place[0].std(0).min() > 0


def test_a_layer_hears_three_frames_to_either_side_and_no_others():
    net, inputs = make_net(), make_inputs()
    for frame in (0, 5, 11):
        reached = [t for t in range(12) if abs(t - frame) <= K]
        assert moved_by_sound(net, inputs, frame) == reached


def test_without_alignment_every_frame_hears_all_sound_with_as_many_weights():
    net = make_net(alignment=False)
    assert moved_by_sound(net, make_inputs(), 5) == list(range(12))
    assert num_parameters(net) == num_parameters(make_net())


def test_layers_pass_sound_on_by_attention_among_frames():
    assert moved_by_sound(make_net(num_layers=2), make_inputs(), 5) == list(range(12))


def test_padding_gives_what_the_cut_sequence_gives():
    net, inputs = make_net(num_layers=2), make_inputs()
    inputs["mask_BT"][:, 7:] = False
    cut = {name: v if v.ndim == 1 else v[:, :7] for name, v in inputs.items()}
    expected = net(**cut)
    for fill in (0.0, 1e4):
        padded = {**inputs}
        for name in ("noisy_BTC", "audio_BTA"):
            padded[name] = inputs[name].masked_fill(~inputs["mask_BT"][..., None], fill)
        torch.testing.assert_close(net(**padded)[:, :7], expected)


def test_the_network_is_told_which_frames_are_known():
    net, inputs = make_net(), make_inputs()
    told = {**inputs, "is_known_BT": inputs["is_known_BT"].clone()}
    told["is_known_BT"][:, :4] = True
    difference = (net(**told) - net(**inputs)).abs().amax((0, 2))
    assert (difference > 0).all()
    nn.init.zeros_(net.known)
    torch.testing.assert_close(net(**told), net(**inputs))


def test_the_step_and_the_order_of_frames_matter():
    net, inputs = make_net(), make_inputs()
    other = net(**{**inputs, "step_B": inputs["step_B"] + 1})
    assert not torch.allclose(other, net(**inputs))
    turned = {n: v if v.ndim == 1 else v.flip(1) for n, v in inputs.items()}
    assert not torch.allclose(net(**turned).flip(1), net(**inputs))


@pytest.mark.parametrize("frames", [1, 7, 25])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_length_and_precision_keeps_its_shape_and_type(frames, dtype):
    net = make_net().to(dtype)
    found = net(**make_inputs(frames, 1, dtype))
    assert found.shape == (1, frames, 5)
    assert found.dtype == dtype
    assert found.isfinite().all()
