import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from viseme_core.frozen import Frozen

FLOAT32 = torch.zeros(0)


class Owner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 2)
        self.critic = Frozen(nn.Sequential(nn.Linear(2, 1), nn.Dropout()))


def test_a_frozen_network_is_invisible_to_its_owner():
    owner = Owner()
    assert set(owner.state_dict()) == {"net.weight", "net.bias"}
    assert len(list(owner.parameters())) == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_frozen_network_stays_in_evaluation_when_its_owner_trains(dtype):
    owner = Owner().train()
    assert not owner.critic.on(torch.zeros(0, dtype=dtype)).training


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_gradients_flow_through_but_not_into_it(dtype):
    owner = Owner().to(dtype)
    inputs = owner.net(torch.ones(1, 2, dtype=dtype))
    critic = owner.critic.on(inputs)
    critic(inputs).sum().backward()
    assert owner.net.weight.grad is not None
    assert owner.net.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in critic.parameters())


def test_it_follows_the_floating_point_type_of_the_tensor():
    network = nn.Linear(3, 2)
    inputs = torch.randn(4, 3, dtype=torch.float64)
    expected = inputs @ network.weight.double().T + network.bias.double()
    torch.testing.assert_close(Frozen(network).on(inputs)(inputs), expected)


def test_a_pass_in_half_precision_does_not_round_the_weights():
    network = nn.Linear(3, 2)
    exact = network.weight.detach().clone()
    frozen = Frozen(network)
    assert frozen.on(torch.zeros(0, dtype=torch.bfloat16)).weight.dtype == torch.bfloat16
    assert torch.equal(frozen.on(FLOAT32).weight, exact)
    assert torch.equal(frozen.on(torch.zeros(0, dtype=torch.float64)).weight, exact.double())


def test_whole_numbers_leave_the_type_as_it_is():
    assert Frozen(nn.Embedding(3, 2)).on(torch.tensor([1])).weight.dtype == torch.float32


def test_it_follows_the_device_of_the_tensor_and_takes_its_buffers_along():
    frozen = Frozen(nn.BatchNorm1d(2))
    for dtype in (torch.float32, torch.float64):
        elsewhere = frozen.on(torch.zeros(0, dtype=dtype, device="meta"))
        state = elsewhere.state_dict()
        assert {tensor.device.type for tensor in state.values()} == {"meta"}
        assert state["running_mean"].dtype == dtype
        assert state["num_batches_tracked"].dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_network_first_used_in_validation_serves_training_too(dtype):
    # Whether moved or copied: without care its weights would be born under inference mode.
    owner = Owner().to(dtype)
    inputs = torch.ones(1, 2, dtype=dtype)
    with torch.inference_mode():
        owner.critic.on(inputs)(inputs)
    owner.critic.on(inputs)(owner.net(inputs)).sum().backward()
    assert owner.net.weight.grad is not None


def test_a_network_without_weights_is_returned_as_it_is():
    network = nn.ReLU()
    assert Frozen(network).on(torch.zeros(0, dtype=torch.float64)) is network


def test_a_copy_of_the_owner_shares_it():
    owner = Owner()
    twin = copy.deepcopy(owner)
    assert twin.critic is owner.critic
    assert twin.net is not owner.net


def test_a_model_that_holds_one_does_not_load_lightning():
    code = "import sys, viseme_core.frozen; sys.exit('lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
