import math

import pytest
import torch
from torch import nn

from viseme_core.train.optim import OptimConfig, build_optimizer, build_schedule


def rates(config: OptimConfig, steps: int, run_steps: int | None = None) -> list[float]:
    optimizer = build_optimizer({"net": nn.Linear(2, 2).parameters()}, config)
    schedule = build_schedule(optimizer, config, run_steps)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def test_warm_up_rises_linearly_then_stays():
    assert rates(OptimConfig(lr=2.0, warmup_steps=4), 6) == pytest.approx([0.5, 1, 1.5, 2, 2, 2])


def test_cosine_falls_along_the_written_formula_to_its_end():
    config = OptimConfig(lr=1.0, schedule="cosine", warmup_steps=2, final_lr_ratio=0.1)
    expected = [0.1 + 0.9 * (1 + math.cos(math.pi * n / 8)) / 2 for n in range(9)]
    assert rates(config, 12, run_steps=10)[2:11] == pytest.approx(expected)
    assert rates(config, 12, run_steps=10)[11] == pytest.approx(0.1)


def test_linear_reaches_half_way_down_in_the_middle():
    config = OptimConfig(lr=1.0, schedule="linear", decay_steps=10)
    assert rates(config, 11)[5] == pytest.approx(0.5)
    assert rates(config, 11)[10] == pytest.approx(0.0)


def test_a_falling_rate_without_an_end_is_refused():
    with pytest.raises(ValueError, match=r"needs optim\.decay_steps"):
        rates(OptimConfig(schedule="cosine"), 1)


def test_vectors_are_not_decayed_and_groups_have_their_own_rate():
    config = OptimConfig(lr=1.0, weight_decay=0.1, group_lr={"landmark": 0.25})
    groups = {"landmark": nn.Linear(3, 3).parameters(), "render": nn.Conv2d(1, 2, 3).parameters()}
    found = {
        g["name"]: (g["lr"], g["weight_decay"])
        for g in build_optimizer(groups, config).param_groups
    }
    assert found == {
        "landmark": (0.25, 0.1),
        "landmark/no_decay": (0.25, 0.0),
        "render": (1.0, 0.1),
        "render/no_decay": (1.0, 0.0),
    }


def test_frozen_parameters_are_left_out():
    net = nn.Linear(3, 3)
    net.weight.requires_grad_(False)
    groups = build_optimizer({"net": net.parameters()}, OptimConfig()).param_groups
    assert [[p.shape for p in group["params"]] for group in groups] == [[torch.Size([3])]]
    net.bias.requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to train"):
        build_optimizer({"net": net.parameters()}, OptimConfig())


def test_a_rate_for_an_unknown_group_is_refused():
    with pytest.raises(ValueError, match=r"\['lips'\], the groups are \['net'\]"):
        build_optimizer({"net": nn.Linear(1, 1).parameters()}, OptimConfig(group_lr={"lips": 2.0}))


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_one_step_is_that_of_torch(kind):
    torch.manual_seed(0)
    ours, theirs = nn.Linear(3, 1, bias=False), nn.Linear(3, 1, bias=False)
    theirs.load_state_dict(ours.state_dict())
    config = OptimConfig(name=kind, lr=0.1, weight_decay=0.3, betas=(0.8, 0.9))
    reference = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[kind]
    pairs = [
        (ours, build_optimizer({"net": ours.parameters()}, config)),
        (theirs, reference(theirs.parameters(), lr=0.1, betas=(0.8, 0.9), weight_decay=0.3)),
    ]
    for net, optimizer in pairs:
        net(torch.ones(2, 3)).sum().backward()
        optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight)
