import contextlib
import hashlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from viseme_core.checkpoint import (
    HEADER_KEY,
    StageHeader,
    header_to_plain,
    load_stage,
    read_header,
)

Writer = Callable[..., Path]
FILES = ["motion.safetensors", "epoch=3.ckpt"]
every_kind = pytest.mark.parametrize("name", FILES)


class Intruder:
    """Makes a file as soon as it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@every_kind
def test_what_was_saved_comes_back(
    tmp_path: Path, write: Writer, header: StageHeader, tensors: dict[str, Tensor], name: str
) -> None:
    found = load_stage(str(write(tmp_path / name)), stage="motion", system="fd2talk")
    assert found.header == header
    assert found.source == tmp_path / name
    assert found.tensors.keys() == tensors.keys()
    for key, tensor in tensors.items():
        assert found.tensors[key].dtype == tensor.dtype
        assert torch.equal(found.tensors[key], tensor), key


@every_kind
def test_tensors_do_not_change_when_the_file_is_written_over(
    tmp_path: Path, write: Writer, tensors: dict[str, Tensor], name: str
) -> None:
    path = write(tmp_path / name)
    found = load_stage(path)
    with open(path, "r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert torch.equal(found.tensors["net.weight"], tensors["net.weight"])


def test_tensors_arrive_on_the_device_asked_for(tmp_path: Path, write: Writer) -> None:
    found = load_stage(write(tmp_path / "a.safetensors"), device="meta")
    assert {tensor.device.type for tensor in found.tensors.values()} == {"meta"}


@every_kind
def test_another_stage_or_system_is_refused_by_name(
    tmp_path: Path, write: Writer, name: str
) -> None:
    path = write(tmp_path / name)
    with pytest.raises(ValueError, match=r"holds stage 'motion', expected 'render'"):
        load_stage(path, stage="render")
    with pytest.raises(ValueError, match=r"holds system 'fd2talk', expected 'disenttalk'"):
        load_stage(path, stage="motion", system="disenttalk")


@every_kind
def test_the_header_alone_is_that_of_the_whole_and_checked_alike(
    tmp_path: Path, write: Writer, header: StageHeader, name: str
) -> None:
    path = write(tmp_path / name)
    assert read_header(tmp_path, stage="motion", system="fd2talk") == header
    with pytest.raises(ValueError, match=r"holds stage 'motion', expected 'render'"):
        read_header(path, stage="render")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"is cut short.* damaged.*copy or download it again"):
        read_header(path)


def test_a_header_is_read_without_the_weights(
    tmp_path: Path, write: Writer, header: StageHeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def open_without_tensors(source: Path, framework: str) -> Iterator[SimpleNamespace]:
        with safe_open(source, framework) as file:
            yield SimpleNamespace(metadata=file.metadata, keys=file.keys)

    path = write(tmp_path / "motion.safetensors")
    monkeypatch.setattr("viseme_core.checkpoint.loading.safe_open", open_without_tensors)
    assert read_header(path, stage="motion") == header
    with pytest.raises(ValueError, match=r"holds stage 'motion', expected 'render'"):
        load_stage(path, stage="render")
    with pytest.raises(AttributeError, match="get_tensor"):
        load_stage(path, stage="motion")


@every_kind
def test_only_the_file_with_the_given_hash_is_read(
    tmp_path: Path, write: Writer, name: str
) -> None:
    path = write(tmp_path / name)
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_stage(path, sha256=right.upper()).header.stage == "motion"
    with pytest.raises(ValueError, match=f"must have sha256 {'0' * 64}, got {right}; copy or"):
        load_stage(path, sha256="0" * 64)


@pytest.mark.parametrize("wrapped", [True, False])
def test_code_in_a_checkpoint_is_refused_and_never_runs(
    tmp_path: Path, header: StageHeader, wrapped: bool
) -> None:
    mark = tmp_path / "intruded"
    content = {HEADER_KEY: header_to_plain(header), "state_dict": {"model.x": Intruder(mark)}}
    path = tmp_path / "a.ckpt"
    if wrapped:
        torch.save(content, path)
        message = r"holds Python objects \(posix\.mkdir\), which could run code; nothing was run"
    else:
        path.write_bytes(pickle.dumps(content))
        message = r"may be a plain pickle, which could run code, and was not opened"
    with pytest.raises(ValueError, match=message):
        load_stage(path)
    assert not mark.exists()
    # The trap is real: the same bytes read carelessly do run.
    if wrapped:
        torch.load(path, weights_only=False)
    else:
        pickle.loads(path.read_bytes())
    assert mark.exists()


@every_kind
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9, 0.999])
def test_a_file_cut_short_says_so(tmp_path: Path, write: Writer, name: str, kept: float) -> None:
    path = write(tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ValueError, match=r"is cut short.* damaged.*copy or download it again"):
        load_stage(path)


@every_kind
def test_an_empty_file_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"is empty \(0 bytes\); copy or download it again"):
        load_stage(tmp_path / name)


def test_a_safetensors_file_from_elsewhere_is_told_from_a_stage(tmp_path: Path) -> None:
    for metadata in (None, {"format": "pt"}):
        save_file({"x": torch.zeros(2)}, tmp_path / "a.safetensors", metadata=metadata)
        with pytest.raises(ValueError, match=r"is no viseme stage: its format must be"):
            load_stage(tmp_path / "a.safetensors")


def test_a_checkpoint_from_elsewhere_is_told_from_a_stage(tmp_path: Path) -> None:
    for content in ({"state_dict": {"model.x": torch.zeros(2)}}, torch.zeros(2)):
        torch.save(content, tmp_path / "a.ckpt")
        with pytest.raises(ValueError, match=r"it has no 'viseme_stage'"):
            load_stage(tmp_path / "a.ckpt")


def test_a_checkpoint_without_weights_of_the_model_says_so(
    tmp_path: Path, header: StageHeader
) -> None:
    content = {HEADER_KEY: header_to_plain(header), "state_dict": {"critic.x": torch.zeros(2)}}
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=r"holds no weights: its state_dict has no key model\.\*"):
        load_stage(tmp_path / "a.ckpt")


@every_kind
def test_a_newer_version_is_refused_with_what_to_do(
    tmp_path: Path, write: Writer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("viseme_core.checkpoint.header.VERSION", 2)
        path = write(tmp_path / name)
    with pytest.raises(ValueError, match=r"has format version 2, .* reads up to 1; upgrade viseme"):
        load_stage(path)


def test_paths_that_are_no_stage_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no stage file '.*missing\.safetensors'"):
        load_stage(tmp_path / "missing.safetensors")
    (tmp_path / "a.pt").touch()
    with pytest.raises(ValueError, match=r"a \.safetensors file, a Lightning \.ckpt or a folder"):
        load_stage(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["motion.safetensors", "render.safetensors", "last.ckpt"], "motion.safetensors"),
        (["best.safetensors", "checkpoints/last.ckpt"], "best.safetensors"),
        (["checkpoints/last.ckpt", "checkpoints/step=9.ckpt"], "checkpoints/last.ckpt"),
        (["checkpoints/step=9.ckpt", "checkpoints/step=10.ckpt"], "checkpoints/step=10.ckpt"),
        (["step=10.ckpt", "step=9.ckpt"], "step=9.ckpt"),
    ],
)
def test_in_a_folder_the_finished_stage_comes_before_the_last_and_the_newest_checkpoint(
    tmp_path: Path, write: Writer, files: list[str], chosen: str
) -> None:
    for age, name in enumerate(reversed(files)):
        os.utime(write(tmp_path / name), (2e9 - age, 2e9 - age))
    assert load_stage(tmp_path, stage="motion").source == tmp_path / chosen


@pytest.mark.parametrize(
    ("files", "listed"),
    [
        (["a.safetensors", "b.safetensors"], "2 candidates: a.safetensors, b.safetensors"),
        (["checkpoints/last.ckpt", "checkpoints/last-v1.ckpt"], "last-v1.ckpt, checkpoints/last"),
        (["last.ckpt", "checkpoints/last.ckpt"], "2 candidates: checkpoints/last.ckpt, last.ckpt"),
        (["checkpoints/a.ckpt", "checkpoints/b.ckpt"], "checkpoints/a.ckpt, checkpoints/b.ckpt"),
    ],
)
def test_a_folder_with_equal_candidates_lists_them(
    tmp_path: Path, write: Writer, files: list[str], listed: str
) -> None:
    for name in files:
        os.utime(write(tmp_path / name), (2e9, 2e9))
    with pytest.raises(ValueError, match=f"{listed}.*; name one of them"):
        load_stage(tmp_path, stage="motion")


def test_a_folder_without_a_stage_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ValueError, match=r"holds no stage: neither a \.safetensors file, nor a"):
        load_stage(tmp_path)


def test_the_only_stage_file_of_a_folder_is_still_refused_if_it_is_another_stage(
    tmp_path: Path, write: Writer
) -> None:
    write(tmp_path / "render.safetensors", StageHeader(stage="render"))
    with pytest.raises(ValueError, match=r"holds stage 'render', expected 'motion'"):
        load_stage(tmp_path, stage="motion")


@pytest.mark.skipif(sys.platform != "linux", reason="counts the bytes read in Linux's way")
def test_the_optimizers_state_is_never_read(tmp_path: Path, header: StageHeader) -> None:
    content = {
        HEADER_KEY: header_to_plain(header),
        "state_dict": {"model.x": torch.ones(4)},
        "optimizer_states": [torch.zeros(2_000_000)],
    }
    torch.save(content, tmp_path / "a.ckpt")
    before = psutil.Process().io_counters().read_chars
    load_stage(tmp_path / "a.ckpt")
    # The archive's directory and pickle take some kilobytes; the state alone has eight million.
    assert psutil.Process().io_counters().read_chars - before < 1_000_000
