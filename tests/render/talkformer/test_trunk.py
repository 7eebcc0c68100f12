from typing import Any

import torch

from tests.render.talkformer.small import make_config
from viseme_render.talkformer.config import TalkFormerNetConfig
from viseme_render.talkformer.layers import TalkFormer, Told
from viseme_render.talkformer.trunk import Decoder, Encoder, Middle

NET = TalkFormerNetConfig(
    widths=(8, 16, 24, 32), blocks=2, groups=4, head_width=8, landmark_width=12
)


def test_each_scale_is_half_of_the_one_before_and_as_wide_as_the_config_says():
    behind, skips = Encoder(5, NET)(torch.randn(2, 5, 16, 16))
    assert [tuple(x.shape[1:]) for x in behind] == [
        (8, 16, 16),
        (16, 8, 8),
        (24, 4, 4),
        (32, 2, 2),
    ]
    # The first convolution, two blocks of each scale, and three halvings.
    assert len(skips) == 1 + 2 * 4 + 3


def test_a_decoder_takes_all_that_the_encoder_gives():
    behind, skips = Encoder(5, NET)(torch.randn(2, 5, 16, 16))
    middle = Middle(NET)(behind[-1])[-1]
    decoder: Any = Decoder(NET)
    taken = []
    for scale in decoder.scales:
        for block in scale.blocks:
            block.register_forward_hook(lambda *given: taken.append(1))
    found = decoder(middle, skips)
    assert [tuple(x.shape[1:]) for x in found] == [
        (32, 2, 2),
        (24, 4, 4),
        (16, 8, 8),
        (8, 16, 16),
    ]
    assert len(taken) == len(skips)


def test_a_decoder_may_end_before_the_finest_scale():
    behind, skips = Encoder(5, NET)(torch.randn(2, 5, 16, 16))
    found = Decoder(NET, finest=1)(behind[-1], skips)
    assert tuple(found[-1].shape[1:]) == (16, 8, 8)


def test_blocks_that_are_worked_out_again_give_the_same_gradients():
    config = make_config()
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        net = TalkFormerNetConfig(
            widths=(8, 16), blocks=1, groups=4, head_width=8, landmark_width=12,
            checkpointing=checkpointing,
        )  # fmt: skip
        encoder = Encoder(3, net, make=lambda width: TalkFormer(width, config))
        given = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        told = Told(torch.ones(2, 131, 12), torch.ones(1, 16, 4, 4), None, 2)
        behind, _ = encoder(given, None, [None, told])
        behind[-1].square().sum().backward()
        gradients.append([p.grad for p in encoder.parameters()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again, rtol=0, atol=0)
