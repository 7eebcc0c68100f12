"""Motion models that hear through a listener."""

from dataclasses import replace

import pytest
import torch

from tests.motion.listener.test_model import make_listener
from tests.motion.small import AUDIO_DIM, FACE, WINDOWS, make_batch
from viseme_core import Draws
from viseme_core.checkpoint import StageHeader, load_stage, save_stage
from viseme_core.config import to_plain
from viseme_core.diffusion import DiffusionConfig, SamplerConfig
from viseme_core.train.systems import stored_config
from viseme_motion.build import LISTENER_STAGE, load_listener, load_model
from viseme_motion.config import MotionConfig
from viseme_motion.disenttalk.config import DisentTalkConfig
from viseme_motion.fd2talk.config import FD2TalkConfig
from viseme_motion.module import MotionModule
from viseme_motion.request import WindowRequest

SYSTEMS = {
    "fd2talk": FD2TalkConfig(num_layers=1, dim=16, num_heads=2, sync=False),
    "disenttalk": DisentTalkConfig(num_blocks=1, dim=8, num_heads=2, sync=False),
}


@pytest.fixture
def listener_file(tmp_path):
    model = make_listener()
    model.audio_scale.set(torch.full((AUDIO_DIM,), 0.3), torch.full((AUDIO_DIM,), 2.0))
    header = StageHeader(
        stage=LISTENER_STAGE,
        system="listener",
        config=stored_config(model.config),
        audio=to_plain(model.config.audio),
        face_model=FACE.name,
    )
    save_stage(tmp_path / "listener.safetensors", model.state_dict(), header)
    return tmp_path / "listener.safetensors", model


def config_for(system, path) -> MotionConfig:
    return MotionConfig(
        system=system,
        windows=WINDOWS,
        audio_dim=AUDIO_DIM,
        listener=str(path),
        **{system: SYSTEMS[system]},
    )


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_the_network_is_told_what_the_listener_says_and_leaves_it_as_it_is(system, listener_file):
    path, listener = listener_file
    module = MotionModule(config_for(system, path))
    batch = make_batch()
    heard = module.model.hearing(module.model.audio_scale(batch.audio_BTA), batch.mask_BT)
    expected = listener(listener.audio_scale(batch.audio_BTA), batch.mask_BT)
    torch.testing.assert_close(heard, expected)
    module.model.loss(batch, Draws(0, 0, batch.index_B))["loss"].backward()
    for name, parameter in module.model.named_parameters():
        assert (parameter.grad is None) is name.startswith("hearing."), name
        assert parameter.requires_grad is not name.startswith("hearing."), name


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_a_stage_file_holds_the_listener(system, listener_file, tmp_path):
    path, listener = listener_file
    module = MotionModule(config_for(system, path))
    module.model.motion_scale.set(
        torch.zeros(module.model.channels), torch.full((module.model.channels,), 2.0)
    )
    for name, (tensors, header) in module.stage_files().items():
        save_stage(tmp_path / "run" / f"{name}.safetensors", tensors, header)
    path.unlink()
    model, config, _ = load_model(tmp_path / "run")
    assert config.listener is None
    assert config.listens == listener.config
    batch = make_batch()
    torch.testing.assert_close(
        model.hearing(model.audio_scale(batch.audio_BTA), batch.mask_BT),
        listener(listener.audio_scale(batch.audio_BTA), batch.mask_BT),
    )


def test_sampling_keeps_a_share_of_what_the_network_adds_and_stresses_what_was_said(listener_file):
    path, _ = listener_file
    batch = make_batch(2)
    nothing = torch.zeros(2, 12, dtype=torch.bool)
    start_BTC = torch.randn(2, 12, 64, generator=torch.Generator().manual_seed(0))
    betas = DiffusionConfig(num_steps=400, beta_start=2.5e-4, beta_end=0.05, target="noise")

    def sampled(**shares):
        disenttalk = replace(SYSTEMS["disenttalk"], velocity=True, diffusion=betas, **shares)
        config = replace(config_for("disenttalk", path), disenttalk=disenttalk)
        torch.manual_seed(0)
        model = MotionModule(config).model.eval()
        with torch.no_grad():
            for parameter in model.net.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
            found = model.sample(
                WindowRequest(
                    audio_BTA=batch.audio_BTA,
                    start_BTC=start_BTC,
                    known_BTC=start_BTC,
                    is_known_BT=nothing,
                    sampler=SamplerConfig(solver="dpm++", num_steps=1),
                    draws=Draws(0, 0, range(2)),
                )
            )
            heard = model.hearing(model.audio_scale(batch.audio_BTA), ~nothing)
            return found, model.said(heard)

    # One step from noise alone leaves 0.007 of the noise.
    plain, said = sampled()
    assert (plain - said).std() > 0.1
    found, _ = sampled(own_share=0.4, emphasis=1.5)
    torch.testing.assert_close(found, 1.5 * said + 0.4 * (plain - said), atol=0.04, rtol=0)
    found, _ = sampled(own_share=0.0)
    torch.testing.assert_close(found, said, atol=0.04, rtol=0)


def test_a_listener_of_other_sound_or_another_face_is_refused(listener_file):
    path, _ = listener_file
    config = config_for("disenttalk", path)
    with pytest.raises(ValueError, match=r"audio_dim 6, this model 7.*make train-listener"):
        load_listener(path, replace(config, audio_dim=7), FACE.name)
    with pytest.raises(ValueError, match=r"face model .*this model 'other@12345678'"):
        load_listener(path, config, "other@12345678")


def test_a_motion_stage_is_no_listener(listener_file, tmp_path):
    module = MotionModule(config_for("disenttalk", listener_file[0]))
    for tensors, header in module.stage_files().values():
        save_stage(tmp_path / "motion.safetensors", tensors, header)
    with pytest.raises(ValueError, match="listener"):
        load_listener(tmp_path / "motion.safetensors", module.config, FACE.name)
    assert load_stage(tmp_path / "motion.safetensors").header.stage == "motion"
