import pytest
import torch
from torch import Tensor, nn

from viseme_core.checkpoint import load_weights


def make_net() -> nn.Module:
    """Return parameters, float buffers and an integer buffer under nested names."""
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def make_tensors() -> dict[str, Tensor]:
    return {key: torch.rand(value.shape) for key, value in make_net().state_dict().items()} | {
        "1.num_batches_tracked": torch.tensor(5)
    }


def assert_holds(net: nn.Module, tensors: dict[str, Tensor]) -> None:
    for key, value in net.state_dict().items():
        assert torch.equal(value, tensors[key]), key


def test_parameters_and_buffers_take_the_values_that_fit() -> None:
    net, tensors = make_net(), make_tensors()
    report = load_weights(net, tensors)
    assert report.is_clean
    assert str(report) == "every key fits"
    assert_holds(net, tensors)


def test_half_precision_weights_are_widened_to_the_modules_type() -> None:
    net = make_net()
    half = {key: v.half() if v.is_floating_point() else v for key, v in make_tensors().items()}
    load_weights(net, half)
    assert_holds(net, {key: value.to(net.state_dict()[key].dtype) for key, value in half.items()})
    assert net.state_dict()["0.weight"].dtype == torch.float32


def test_loaded_weights_do_not_share_memory_with_the_source() -> None:
    net, tensors = make_net(), make_tensors()
    load_weights(net, tensors)
    tensors["0.weight"].zero_()
    assert net.state_dict()["0.weight"].abs().min() > 0


def make_misfits() -> dict[str, Tensor]:
    tensors = make_tensors()
    del tensors["1.bias"], tensors["1.running_mean"]
    return tensors | {"0.weight": torch.zeros(4, 9), "head.bias": torch.zeros(2)}


def test_every_misfit_is_named_and_nothing_is_loaded() -> None:
    net = make_net()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(ValueError, match="do not fit Sequential, nothing was loaded") as info:
        load_weights(net, make_misfits())
    assert (
        "2 missing: '1.bias', '1.running_mean'; 1 unexpected: 'head.bias'; "
        "1 misshapen: '0.weight' (4, 9) for (4, 3)"
    ) in str(info.value)
    assert_holds(net, before)


@pytest.mark.parametrize("misfit", ["missing", "unexpected", "misshapen"])
def test_any_single_kind_of_misfit_is_enough_to_refuse(misfit: str) -> None:
    tensors = make_tensors()
    if misfit == "missing":
        del tensors["0.bias"]
    else:
        tensors["0.bias" if misfit == "misshapen" else "other"] = torch.zeros(1)
    with pytest.raises(ValueError, match=f"nothing was loaded: 1 {misfit}:"):
        load_weights(make_net(), tensors)


def test_without_strictness_the_rest_is_loaded_and_the_misfits_returned() -> None:
    net = make_net()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    tensors = make_misfits()
    report = load_weights(net, tensors, strict=False)
    assert report.missing == ("1.bias", "1.running_mean")
    assert report.unexpected == ("head.bias",)
    assert report.misshapen == {"0.weight": ((4, 9), (4, 3))}
    kept = {key: before[key] for key in ("1.bias", "1.running_mean", "0.weight")}
    assert_holds(net, tensors | kept)


def test_a_long_list_of_keys_is_cut_with_the_count_of_the_rest() -> None:
    extra = {f"x{i}": torch.zeros(1) for i in range(17)}
    report = load_weights(make_net(), make_tensors() | extra, strict=False)
    assert str(report) == "17 unexpected: 'x0', 'x1', 'x2', 'x3', 'x4' and 12 more"


def test_prefixes_are_replaced_longest_first_and_dropped_where_none_is_given() -> None:
    net, tensors = make_net(), make_tensors()
    theirs = {
        "module.encoder." + key if key.startswith("0.") else "module." + key: value
        for key, value in tensors.items()
    }
    theirs["discriminator.weight"] = torch.zeros(3)
    names = {"module.": "", "module.encoder.": "", "discriminator.": None}
    assert load_weights(net, theirs, key_map=names).is_clean
    assert_holds(net, tensors)


def test_keys_may_be_renamed_by_a_function() -> None:
    net, tensors = make_net(), make_tensors()
    theirs = {key.replace(".", "/"): value for key, value in tensors.items()}
    theirs["step"] = torch.tensor(1)
    load_weights(net, theirs, key_map=lambda key: None if key == "step" else key.replace("/", "."))
    assert_holds(net, tensors)


def test_two_keys_renamed_to_one_are_refused() -> None:
    tensors = {"a.x": torch.zeros(1), "b.x": torch.ones(1)}
    with pytest.raises(ValueError, match=r"sends 'a\.x' and 'b\.x' to the same key 'x'"):
        load_weights(make_net(), tensors, key_map={"a.": "", "b.": ""})
