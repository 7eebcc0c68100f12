import errno
import hashlib
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from viseme_core.checkpoint import StageHeader, save_stage
from viseme_core.checkpoint.header import header_to_metadata


def test_the_library_reads_back_every_tensor_and_the_metadata(
    tmp_path: Path, header: StageHeader, tensors: dict[str, Tensor]
) -> None:
    path = tmp_path / "deep" / "folder" / "motion.safetensors"
    save_stage(path, tensors, header)
    back = load_file(path)
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor), name
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == header_to_metadata(header)


def test_the_returned_hash_is_that_of_the_file(
    tmp_path: Path, header: StageHeader, tensors: dict[str, Tensor]
) -> None:
    digest = save_stage(tmp_path / "a.safetensors", tensors, header)
    assert digest == hashlib.sha256((tmp_path / "a.safetensors").read_bytes()).hexdigest()


def test_same_content_in_another_order_gives_the_same_bytes(
    tmp_path: Path, header: StageHeader, tensors: dict[str, Tensor]
) -> None:
    turned = StageHeader(
        stage="motion",
        system="fd2talk",
        config=dict(reversed(header.config.items())),
        audio=header.audio,
        face_model=header.face_model,
    )
    first = save_stage(tmp_path / "a.safetensors", tensors, header)
    second = save_stage(tmp_path / "b.safetensors", dict(reversed(tensors.items())), turned)
    other = save_stage(tmp_path / "c.safetensors", {**tensors, "steps": torch.tensor(8)}, header)
    assert first == second
    assert other != first


def test_every_tensor_starts_at_a_multiple_of_its_item_size(
    tmp_path: Path, header: StageHeader
) -> None:
    mixed = {"a": torch.zeros(3, dtype=torch.bool), "b": torch.zeros(5).half(), "c": torch.zeros(3)}
    save_stage(tmp_path / "a.safetensors", mixed, header)
    for tensor in load_file(tmp_path / "a.safetensors").values():
        assert tensor.data_ptr() % tensor.element_size() == 0


def test_shared_sliced_and_transposed_tensors_are_stored_by_value(
    tmp_path: Path, header: StageHeader
) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    net = nn.Linear(4, 4)
    views = {
        "whole": base,
        "again": base,
        "turned": base.T,
        "column": base[:, 1],
        "expanded": base[:1].expand(5, 4),
        "trained": net.weight,
        "conjugate": torch.view_as_real(torch.tensor([1 + 2j])),
    }
    save_stage(tmp_path / "a.safetensors", views, header)
    back = load_file(tmp_path / "a.safetensors")
    assert back.keys() == views.keys()
    assert all(torch.equal(back[name], view) for name, view in views.items())


def test_storing_in_half_precision_rounds_floats_and_leaves_integers(
    tmp_path: Path, header: StageHeader, tensors: dict[str, Tensor]
) -> None:
    save_stage(tmp_path / "a.safetensors", tensors, header, dtype=torch.float16)
    back = load_file(tmp_path / "a.safetensors")
    assert torch.equal(back["net.weight"], tensors["net.weight"].half())
    assert back["mean"].dtype == torch.float16
    assert (back["steps"].dtype, back["mask"].dtype) == (torch.int64, torch.bool)


def test_a_value_too_large_for_the_stored_type_is_refused_and_leaves_nothing(
    tmp_path: Path, header: StageHeader
) -> None:
    large = {"fits": torch.tensor([float("inf"), 6e4]), "scale": torch.tensor([1.0, -7e4])}
    with pytest.raises(ValueError, match=r"state_dict\['scale'\] overflows torch.float16 .*7e\+04"):
        save_stage(tmp_path / "a.safetensors", large, header, dtype=torch.float16)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, r"state_dict\['x'\] must be a tensor, got int"),
        (torch.zeros(2, device="meta"), r"state_dict\['x'\] must be a dense tensor with data"),
        (torch.eye(2).to_sparse(), r"state_dict\['x'\] must be a dense tensor with data"),
        (torch.zeros(2, dtype=torch.complex64), r"state_dict\['x'\] must be one of .*complex64"),
    ],
)
def test_what_a_stage_file_cannot_hold_is_refused_by_name(
    tmp_path: Path, header: StageHeader, value: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        save_stage(tmp_path / "a.safetensors", {"x": value}, header)
    assert list(tmp_path.iterdir()) == []


def test_another_ending_is_refused(tmp_path: Path, header: StageHeader) -> None:
    with pytest.raises(ValueError, match=r"must end in \.safetensors, got '.*a\.pt'"):
        save_stage(tmp_path / "a.pt", {}, header)


def test_others_may_read_the_file_as_far_as_the_users_mask_allows(
    tmp_path: Path, header: StageHeader
) -> None:
    before = os.umask(0o027)
    try:
        save_stage(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, header)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode) == 0o640


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Let the system refuse any file above 64 KiB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_file_that_does_not_fit_on_the_disk_leaves_the_older_one_alone(
    tmp_path: Path, header: StageHeader, small_disk: None
) -> None:
    path = tmp_path / "a.safetensors"
    save_stage(path, {"x": torch.ones(3)}, header)
    before = path.read_bytes()
    with pytest.raises(OSError, match="cannot save the stage: File too large; the partial") as info:
        save_stage(path, {"x": torch.ones(10**5)}, header)
    assert info.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_a_disk_that_fills_up_at_the_last_moment_leaves_the_older_file_alone(
    tmp_path: Path, header: StageHeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Delayed allocation: everything was written, and only fsync says that there is no room.
    path = tmp_path / "a.safetensors"
    save_stage(path, {"x": torch.ones(3)}, header)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device; .*free some space"):
        save_stage(path, {"x": torch.zeros(3)}, header)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_said_in_one_sentence(
    tmp_path: Path, header: StageHeader
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="cannot save the stage"):
        save_stage(tmp_path / "file" / "a.safetensors", {}, header)


# Children save two contents in turn until they are killed at a random moment.
KILLED_WHILE_SAVING = """
import os, random, signal, sys, time
import torch
from pathlib import Path
from viseme_core.checkpoint import StageHeader, load_stage, save_stage

torch.set_num_threads(1)
path = Path(sys.argv[1])
header = StageHeader(stage="motion")
contents = [{"x": torch.full((500_000,), float(value))} for value in (1, 2)]
save_stage(path, contents[0], header)
random.seed(0)
for _ in range(30):
    child = os.fork()
    if child == 0:
        while True:
            for content in contents:
                save_stage(path, content, header)
    time.sleep(random.uniform(0.01, 0.06))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    values = load_stage(path).tensors["x"]
    assert values.shape == (500_000,) and values.unique().numel() == 1
print(len(list(path.parent.glob(".*.partial"))))
"""


@pytest.mark.slow
def test_a_save_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING, str(tmp_path / "a.safetensors")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    # Some kills must have come in the middle of a file, or the test has tested nothing.
    assert int(done.stdout) > 5
