import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from viseme_eval.networks.loading import fingerprint, load_strictly, read_state


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("inside", ["", "net_recon"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_weights_come_out_of_their_wrappings(
    prefix: str, inside: str, is_zip: bool, tmp_path: Path
) -> None:
    state = {prefix + name: value for name, value in net().state_dict().items()}
    content = {inside: state, "epoch": 3} if inside else state
    path = saved(tmp_path / "x.pth", content, _use_new_zipfile_serialization=is_zip)
    found = read_state(path, inside=inside)
    assert list(found) == list(net().state_dict())
    assert torch.equal(found["0.weight"], state[f"{prefix}0.weight"])


def test_a_file_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return Path.touch, (str(marker),)

    for is_zip in (True, False):
        path = tmp_path / "evil.pth"
        torch.save({"a": Evil()}, path, _use_new_zipfile_serialization=is_zip)
        with pytest.raises(ValueError, match="holds more than tensors, which would run code"):
            read_state(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match=r"evil\.pth' "):
        read_state(path)
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 broken"])
@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_a_file_that_is_none_is_one_sentence(content: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"fetch it again") as caught:
        read_state(path)
    assert "\n" not in str(caught.value)


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pth", {"a": torch.rand(1000)})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match="fetch it again"):
        read_state(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(1)], "holds a list, not weights by name"),
        ({}, "holds a dict, not weights"),
        ({"epoch": 3, "net": {}}, "holds 'epoch' beside tensors: it is a checkpoint of something"),
    ],
)
def test_another_kind_of_file_is_named(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_state(saved(tmp_path / "x.pth", content))


def test_weights_of_another_network_are_refused_with_the_first_name() -> None:
    state = net().state_dict()
    path = Path("x.pth")
    with pytest.raises(ValueError, match=r"1 weights are missing \(first '0.bias'\), 0 unexpected"):
        load_strictly(net(), {k: v for k, v in state.items() if k != "0.bias"}, path)
    with pytest.raises(ValueError, match=r"0 weights are missing, 1 unexpected \(first 'extra'\)"):
        load_strictly(net(), {**state, "extra": torch.ones(1)}, path)
    with pytest.raises(ValueError, match=r"0.weight must have shape \(3, 2\), got \(2, 3\)"):
        load_strictly(net(), {**state, "0.weight": torch.ones(2, 3)}, path)
    with pytest.raises(ValueError, match=r"0.bias holds NaN"):
        load_strictly(net(), {**state, "0.bias": torch.full((3,), torch.nan)}, path)


def test_only_what_is_named_is_ignored() -> None:
    state = {**net().state_dict(), "classifier.1": torch.ones(1)}
    load_strictly(net(), state, Path("x.pth"), ignore=("classifier.",))
    with pytest.raises(ValueError, match="unexpected"):
        load_strictly(net(), state, Path("x.pth"), ignore=("other.",))


def test_half_precision_weights_become_float32_on_a_network_without_memory() -> None:
    state = net().half().state_dict()
    with torch.device("meta"):
        empty = net()
    load_strictly(empty, state, Path("x.pth"))
    assert {v.dtype for v in empty.state_dict().values()} == {torch.float32, torch.int64}
    assert torch.equal(empty.state_dict()["0.weight"], state["0.weight"].float())
    assert not any(v.is_meta for v in empty.state_dict().values())


def test_a_fingerprint_follows_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    # The sha256 of "abc", in FIPS 180-2.
    assert fingerprint(path) == "ba7816bf8f01"
    path.write_bytes(b"abcd")
    assert fingerprint(path) == "88d4266fd4e6"
