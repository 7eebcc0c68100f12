import copy

import torch
from torch import nn
from viseme_core.train import Frozen


class Owner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 2)
        self.critic = Frozen(nn.Sequential(nn.Linear(2, 1), nn.Dropout()))


def test_a_frozen_network_is_invisible_to_its_owner():
    owner = Owner()
    assert set(owner.state_dict()) == {"net.weight", "net.bias"}
    assert len(list(owner.parameters())) == 2


def test_a_frozen_network_stays_in_evaluation_when_its_owner_trains():
    owner = Owner().train()
    assert not owner.critic.on(torch.device("cpu")).training


def test_gradients_flow_through_but_not_into_it():
    owner = Owner()
    critic = owner.critic.on(torch.device("cpu"))
    critic(owner.net(torch.ones(1, 2))).sum().backward()
    assert owner.net.weight.grad is not None
    assert owner.net.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in critic.parameters())


def test_a_copy_of_the_owner_shares_it():
    owner = Owner()
    twin = copy.deepcopy(owner)
    assert twin.critic is owner.critic
    assert twin.net is not owner.net
