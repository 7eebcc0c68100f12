"""DisentTalk's network against Eq. 4 to 7, part by part."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.core.nets.test_attention import as_torch_has_it
from tests.motion.small import AUDIO_DIM, SUBSPACES, num_parameters
from viseme_motion.disenttalk.config import DisentTalkConfig
from viseme_motion.disenttalk.net import (
    AudioFusion,
    Block,
    LearnedDistance,
    MultiScaleConvolution,
    RegionAttention,
    RegionDenoiser,
    StepModulation,
)

F64 = torch.float64
REGIONS = list(SUBSPACES.regions.values())
EVERYWHERE = torch.ones(2, 9, 9, dtype=torch.bool)
REAL = torch.ones(2, 9, dtype=torch.bool)


def make_net(regions=REGIONS, **config) -> RegionDenoiser:
    torch.manual_seed(0)
    settings = DisentTalkConfig(**{"num_blocks": 1, "dim": 8, "num_heads": 2, **config})
    net = RegionDenoiser(regions, AUDIO_DIM, settings).double()
    nn.init.normal_(net.known)
    return net


def make_inputs(frames: int = 12, size: int = 2, dtype: torch.dtype = F64) -> dict:
    return {
        "noisy_BTC": torch.randn(size, frames, 64, dtype=dtype),
        "step_B": torch.arange(size) * 200 + 3,
        "audio_BTA": torch.randn(size, frames, AUDIO_DIM, dtype=dtype),
        "is_known_BT": torch.zeros(size, frames, dtype=torch.bool),
        "mask_BT": torch.ones(size, frames, dtype=torch.bool),
    }


def moved(function, frames_BTX: torch.Tensor, frame: int, column: slice = slice(None)) -> list[int]:
    """Return which frames of the result change when one of the input does."""
    changed = frames_BTX.clone()
    changed[:, frame, column] += 5
    difference = (function(changed) - function(frames_BTX)).abs().amax((0, 2))
    return difference.nonzero()[:, 0].tolist()


def test_equation_4_attends_within_each_region_and_fuses_the_regions():
    layer: Any = RegionAttention(3, 12, 2).double()
    motion = torch.randn(2, 9, 12, dtype=F64)
    attended = []
    for attention, region in zip(layer.attentions, motion.split(4, dim=-1), strict=True):
        attended.append(as_torch_has_it(attention, 4)(region, region, region)[0])
    expected = torch.cat(attended, -1) @ layer.fuse.weight.T + layer.fuse.bias
    torch.testing.assert_close(layer(motion, EVERYWHERE), expected)


def test_before_the_fusion_a_region_sees_no_other():
    layer = RegionAttention(3, 12, 2).double()
    nn.init.eye_(layer.fuse.weight)
    motion = torch.randn(2, 9, 12, dtype=F64)
    changed = motion.clone()
    changed[..., 4:8] += 1
    columns = (layer(changed, EVERYWHERE) - layer(motion, EVERYWHERE)).abs().amax((0, 1)) > 0
    assert columns.tolist() == [4 <= c < 8 for c in range(12)]


def test_equation_5_is_three_dilated_depthwise_sums_and_a_pointwise_one():
    layer: Any = MultiScaleConvolution(4).double()
    motion = torch.randn(1, 9, 4, dtype=F64)
    scales = []
    for dilation, convolution in zip((1, 2, 4), layer.scales, strict=True):
        weight, bias = convolution.weight.detach().numpy(), convolution.bias.detach().numpy()
        out = np.tile(bias, (9, 1))
        for t in range(9):
            for channel in range(4):
                for tap in range(3):
                    source = t + (tap - 1) * dilation
                    if 0 <= source < 9:
                        out[t, channel] += weight[channel, 0, tap] * motion[0, source, channel]
        scales.append(out)
    joined = np.concatenate(scales, 1) @ layer.join.weight.detach().numpy()[..., 0].T
    expected = joined + layer.join.bias.detach().numpy()
    np.testing.assert_allclose(layer(motion)[0].detach(), expected, rtol=1e-9)


def test_each_scale_reaches_twice_as_far_as_the_one_before():
    layer = MultiScaleConvolution(4).double()
    motion = torch.randn(2, 15, 4, dtype=F64)
    assert moved(layer, motion, 7) == [3, 5, 6, 7, 8, 9, 11]


def test_equation_6_joins_a_convolution_over_five_frames_and_attention_to_past_sound():
    layer: Any = AudioFusion(8, 6, 2, window=5, ahead=0).double()
    motion, audio = torch.randn(2, 9, 8, dtype=F64), torch.randn(2, 9, 6, dtype=F64)
    convolution = layer.convolution
    local = convolution.bias.expand(2, 9, 8)
    for tap in range(5):
        shifted = torch.zeros_like(motion)
        for t in range(9):
            if 0 <= t + tap - 2 < 9:
                shifted[:, t] = motion[:, t + tap - 2]
        local = local + shifted @ convolution.weight[..., tap].T
    future = torch.ones(9, 9).triu(1).bool()
    attended = as_torch_has_it(layer.attention, 6)(motion, audio, audio, attn_mask=future)[0]
    both = torch.cat([local, attended], -1)
    expected = both @ layer.fuse.weight.T + layer.fuse.bias
    torch.testing.assert_close(layer(motion, audio, REAL), expected)


@pytest.mark.parametrize("ahead", [0, 2])
def test_sound_moves_no_frame_that_came_before_it(ahead):
    layer = AudioFusion(8, 6, 2, window=5, ahead=ahead).double()
    motion, audio = torch.randn(2, 9, 8, dtype=F64), torch.randn(2, 9, 6, dtype=F64)
    for frame in (0, 4, 8):
        heard = moved(lambda sound: layer(motion, sound, REAL), audio, frame)
        assert heard == list(range(max(0, frame - ahead), 9))


def test_equation_7_scales_and_shifts_by_the_step_alone():
    layer = StepModulation(4).double()
    motion, step = torch.randn(2, 9, 4, dtype=F64), torch.randn(2, 4, dtype=F64)
    found = layer(motion, step)
    scale, shift = (step @ layer.scale_shift.weight.T + layer.scale_shift.bias).chunk(2, -1)
    for b in range(2):
        for t in range(9):
            torch.testing.assert_close(found[b, t], (1 + scale[b]) * motion[b, t] + shift[b])


def test_a_block_is_equations_4_to_7_in_their_order_on_top_of_what_came_in():
    config = DisentTalkConfig(dim=4, num_heads=2)
    block = Block(config, 3, 12).double()
    motion, audio = torch.randn(2, 2, 9, 12, dtype=F64)
    step = torch.randn(2, 12, dtype=F64)
    assert block.temporal is not None
    spatial = block.spatial(nn.functional.layer_norm(motion, (12,)), EVERYWHERE)
    final = block.sound(block.temporal(spatial), audio, REAL)
    out = nn.functional.gelu(block.step(final, step))
    expected = motion + out @ block.leave.weight.T + block.leave.bias
    torch.testing.assert_close(block(motion, audio, step, EVERYWHERE, REAL), expected)


def test_directions_come_back_in_their_own_places_and_each_region_has_a_door_of_its_own():
    net, inputs = make_net(), make_inputs()
    for block in net.blocks:
        assert isinstance(block, Block)
        nn.init.zeros_(block.leave.weight)
        nn.init.zeros_(block.leave.bias)
    net.leave_norm = nn.Identity()  # type: ignore[assignment]
    noise = net(**inputs)
    for region in REGIONS:
        changed = inputs["noisy_BTC"].clone()
        changed[..., list(region)] += 1
        difference = (net(**{**inputs, "noisy_BTC": changed}) - noise).abs().amax((0, 1))
        assert set(difference.nonzero()[:, 0].tolist()) == set(region)


def test_padding_gives_what_the_cut_sequence_gives():
    net, inputs = make_net(num_blocks=2), make_inputs()
    inputs["mask_BT"][:, 7:] = False
    cut = {name: v if v.ndim == 1 else v[:, :7] for name, v in inputs.items()}
    expected = net(**cut)
    for fill in (0.0, 1e4):
        padded = {**inputs}
        for name in ("noisy_BTC", "audio_BTA"):
            padded[name] = inputs[name].masked_fill(~inputs["mask_BT"][..., None], fill)
        torch.testing.assert_close(net(**padded)[:, :7], expected)


def test_the_network_is_told_which_frames_are_known_and_at_which_step_it_is():
    net, inputs = make_net(), make_inputs()
    told = inputs["is_known_BT"].clone()
    told[:, :4] = True
    assert not torch.allclose(net(**{**inputs, "is_known_BT": told}), net(**inputs))
    assert not torch.allclose(net(**{**inputs, "step_B": inputs["step_B"] + 1}), net(**inputs))
    nn.init.zeros_(net.known)
    torch.testing.assert_close(net(**{**inputs, "is_known_BT": told}), net(**inputs))


def parts(net: RegionDenoiser) -> dict[str, int]:
    """Return the number of weights of each part of the only block."""
    (block,) = net.blocks
    return {name: num_parameters(part) for name, part in block.named_children()}


def test_each_ablation_takes_out_the_part_that_it_names_and_no_other():
    full = parts(make_net())
    width = 24
    no_temporal = parts(make_net(temporal=False))
    assert no_temporal == {n: size for n, size in full.items() if n != "temporal"}
    no_local = parts(make_net(local=False))
    # The convolution, and the half of W_o that reads it.
    left_out = 5 * width**2 + width + width**2
    assert no_local == {**full, "sound": full["sound"] - left_out}
    no_attention = parts(make_net(hierarchical=False))
    assert no_attention == {**full, "spatial": width**2 + width}
    one_region = parts(make_net([tuple(range(64))]))
    attention = 4 * (width**2 + width)
    assert one_region == {**full, "spatial": attention + width**2 + width}


def test_without_regions_all_directions_enter_and_attend_together():
    net, inputs = make_net([tuple(range(64))]), make_inputs()
    assert torch.equal(net.order_C, torch.arange(64))
    (door,) = net.enter
    assert door(inputs["noisy_BTC"]).shape == (2, 12, 24)


@pytest.mark.parametrize("frames", [1, 7, 25])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_length_and_precision_keeps_its_shape_and_type(frames, dtype):
    net = make_net().to(dtype)
    found = net(**make_inputs(frames, 1, dtype))
    assert found.shape == (1, frames, 64)
    assert found.dtype == dtype
    assert found.isfinite().all()


def test_heads_that_prefer_near_sounds_begin_with_halving_slopes_either_way():
    bias_NTU = LearnedDistance(3)(torch.ones(4, 5, dtype=torch.bool)).detach().numpy()
    for head, slope in enumerate((1.0, 0.5, 0.25)):
        expected = [[-slope * abs(u - t) for u in range(5)] for t in range(4)]
        np.testing.assert_allclose(bias_NTU[head], expected, rtol=1e-6)


def test_a_future_sound_moves_no_past_frame_also_where_near_sounds_are_preferred():
    fusion = AudioFusion(8, AUDIO_DIM, 2, window=None, ahead=0, prefer_near=True).double()
    motion, mask = torch.randn(1, 9, 8, dtype=F64), torch.ones(1, 9, dtype=torch.bool)
    audio = torch.randn(1, 9, AUDIO_DIM, dtype=F64)
    assert moved(lambda heard: fusion(motion, heard, mask), audio, 4) == list(range(4, 9))
