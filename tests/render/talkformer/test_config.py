import pytest

from tests.render.talkformer.small import make_config
from viseme_core.config import from_plain, to_plain
from viseme_core.diffusion import DiffusionConfig, SamplerConfig
from viseme_render.talkformer.config import TalkFormerConfig


def test_the_defaults_are_the_papers():
    config = TalkFormerConfig()
    assert config.size == 256
    assert len(config.net.widths) == 4
    assert config.diffusion.num_steps == 1000
    assert config.diffusion.target == "noise"
    assert (config.sampler.solver, config.sampler.num_steps, config.sampler.eta) == ("ddim", 200, 0)
    assert config.window == 5
    switches = (config.m_align, config.r_align, config.b_sequential, config.temp_attn)
    assert switches == (True,) * 4
    assert not config.complete_ref
    # Whatever the paper does not have is off.
    ours = (config.net.located, config.reference_beside, config.landmarks_beside)
    assert (*ours, config.shared_noise) == (False,) * 4
    assert (config.reference_deviation, config.mouth, config.mask_in_training) == (0, 0, False)


def test_settings_survive_a_file():
    config = make_config({"located": True}, r_align=False, mouth=2.0)
    assert from_plain(TalkFormerConfig, to_plain(config)) == config


@pytest.mark.parametrize(
    ("net", "options", "said"),
    [
        ({}, {"size": 40}, "size must be a multiple of 32 with 3 scales, got 40"),
        ({"widths": (8,)}, {}, "at least 2 scales"),
        ({"widths": (8, 18, 16)}, {}, r"multiples of groups = 4, got \(8, 18, 16\)"),
        ({"widths": (8, 12, 16)}, {}, r"multiples of head_width = 8, got \(8, 12, 16\)"),
        ({"blocks": 0}, {}, "net.blocks must be at least 1"),
        ({}, {"zoom": 0.5}, "zoom must be at least 1, got 0.5"),
        ({}, {"drop_previous": 1.5}, r"drop_previous must lie in \[0, 1\], got 1.5"),
        ({}, {"mouth": -1.0}, "mouth must not be negative"),
        ({}, {"window": 0}, "window must be at least 1 frame"),
        ({}, {"complete_ref": True, "r_align": False}, "without r_align there is none"),
        ({}, {"reference_deviation": 0.2}, "set diffusion.target to 'clean', it is 'noise'"),
        ({}, {"sampler": SamplerConfig(guidance_scale=2.0)}, "guidance_scale must be 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(net, options, said):
    with pytest.raises(ValueError, match=said):
        make_config(net, **options)


def test_the_reference_may_be_what_a_network_starts_from():
    process = DiffusionConfig(target="clean")
    assert make_config(reference_deviation=0.2, diffusion=process).reference_deviation == 0.2
