"""Reading a stage: from a stage file, a Lightning checkpoint, or the folder of a run."""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from viseme_core.checkpoint.header import (
    HEADER_KEY,
    StageHeader,
    header_from_metadata,
    header_from_plain,
)

_MODEL_PREFIX = "model."
_ARCHIVE_START = b"PK\x03\x04"
"""First bytes of a zip archive, which is what torch.save writes."""
_AGAIN = "copy or download it again"

_Opened = tuple[StageHeader, Iterable[tuple[str, Tensor]]]


@dataclass(frozen=True)
class StageFile:
    """A stage as it was read: what it is, its tensors, and the file they came from."""

    header: StageHeader
    tensors: dict[str, Tensor]
    source: Path


def load_stage(
    path: str | os.PathLike[str],
    *,
    stage: str | None = None,
    system: str | None = None,
    sha256: str | None = None,
    device: torch.device | str = "cpu",
) -> StageFile:
    """Return the stage that a file or folder holds; its tensors are copies, not views of the file.

    Of a Lightning checkpoint the entries of `state_dict` under `model.` are taken. With
    Lightning's EMAWeightAveraging these are the averaged weights already (the raw ones lie under
    `current_model_state`), except in checkpoints made with `save_weights_only=True`, which hold
    the raw weights and do not tell.

    Nothing in a file is ever run: checkpoints are read with `weights_only=True`.

    Args:
        path: A stage file (`.safetensors`), a Lightning checkpoint (`.ckpt`), or a folder. In a
            folder: `<stage>.safetensors`, else the only stage file, else `last.ckpt`, else the
            newest checkpoint, in it or in its `checkpoints` folder.
        stage: Stage that it must hold.
        system: System that it must hold.
        sha256: Hash that the file must have, in hexadecimal.
        device: Device to put the tensors on.

    Raises:
        ValueError: If there is no such file or more than one, if it is damaged, unsafe, of
            another format, newer, or if it holds another stage, system or hash.
    """
    source = _find(Path(path), stage)
    if sha256 is not None:
        _check_hash(source, sha256)
    with _opened(source, stage, system) as (header, tensors):
        # What is read is mapped from the file; training may write over it at any time.
        copies = {name: tensor.to(device, copy=True) for name, tensor in tensors}
    return StageFile(header=header, tensors=copies, source=source)


def read_header(
    path: str | os.PathLike[str], *, stage: str | None = None, system: str | None = None
) -> StageHeader:
    """Return what a stage says about itself, without reading its weights.

    Args:
        path: As for `load_stage`.
        stage: Stage that it must hold.
        system: System that it must hold.

    Raises:
        ValueError: As `load_stage` does.
    """
    with _opened(_find(Path(path), stage), stage, system) as (header, _):
        return header


def _find(path: Path, stage: str | None) -> Path:
    if path.is_dir():
        return _find_in_folder(path, stage)
    if not path.is_file():
        raise ValueError(f"there is no stage file {str(path)!r}; check the path")
    if path.suffix not in (".safetensors", ".ckpt"):
        raise ValueError(
            f"a stage is a .safetensors file, a Lightning .ckpt or a folder, got {str(path)!r}"
        )
    return path


def _find_in_folder(folder: Path, stage: str | None) -> Path:
    stage_files = sorted(folder.glob("*.safetensors"))
    named = folder / f"{stage}.safetensors"
    if stage is not None and named in stage_files:
        return named
    if stage_files:
        return _only(stage_files, folder)
    checkpoints = sorted({*folder.glob("*.ckpt"), *folder.glob("checkpoints/*.ckpt")})
    checkpoints = [file for file in checkpoints if file.is_file()]
    # A second run in the same folder leaves last-v1.ckpt beside the last.ckpt of the first.
    last = [file for file in checkpoints if re.fullmatch(r"last(-v\d+)?", file.stem)]
    if last:
        return _only(last, folder)
    if not checkpoints:
        raise ValueError(
            f"{folder} holds no stage: neither a .safetensors file, nor a .ckpt in it or in its "
            f"folder 'checkpoints'; give the run's folder or the file itself"
        )
    newest = max(file.stat().st_mtime_ns for file in checkpoints)
    return _only([file for file in checkpoints if file.stat().st_mtime_ns == newest], folder)


def _only(candidates: list[Path], folder: Path) -> Path:
    if len(candidates) > 1:
        names = ", ".join(str(file.relative_to(folder)) for file in candidates)
        raise ValueError(f"{folder} holds {len(candidates)} candidates: {names}; name one of them")
    return candidates[0]


def _check_hash(source: Path, expected: str) -> None:
    with open(source, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected.lower():
        raise ValueError(f"{source} must have sha256 {expected}, got {found}; {_AGAIN}")


def _check_same(source: Path, what: str, found: str, expected: str | None) -> None:
    if expected is not None and found != expected:
        raise ValueError(
            f"{source} holds {what} {found!r}, expected {expected!r}; give a file of that {what}"
        )


@contextlib.contextmanager
def _opened(source: Path, stage: str | None, system: str | None) -> Iterator[_Opened]:
    """Yield header and tensors of the right stage; a tensor is read when it is asked for."""
    if source.stat().st_size == 0:
        raise ValueError(f"{source} is empty (0 bytes); {_AGAIN}")
    reader = _open_safetensors if source.suffix == ".safetensors" else _open_lightning
    with reader(source) as (header, tensors):
        _check_same(source, "stage", header.stage, stage)
        _check_same(source, "system", header.system, system)
        yield header, tensors


@contextlib.contextmanager
def _open_safetensors(source: Path) -> Iterator[_Opened]:
    try:
        with safe_open(source, framework="pt") as file:
            header = header_from_metadata(file.metadata() or {}, where=str(source))
            yield header, ((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"{source} is cut short, damaged or no safetensors file ({error}); {_AGAIN}"
        ) from error


@contextlib.contextmanager
def _open_lightning(source: Path) -> Iterator[_Opened]:
    content = _read_without_code(source)
    if not isinstance(content, dict) or not isinstance(content.get(HEADER_KEY), dict):
        raise ValueError(
            f"{source} is no checkpoint of a viseme stage: it has no {HEADER_KEY!r}; weights from "
            f"elsewhere are read with their own tools and go in through load_weights"
        )
    header = header_from_plain(content[HEADER_KEY], where=str(source))
    state_dict = content.get("state_dict")
    tensors = [
        (name.removeprefix(_MODEL_PREFIX), tensor)
        for name, tensor in (state_dict if isinstance(state_dict, dict) else {}).items()
        if isinstance(tensor, Tensor) and str(name).startswith(_MODEL_PREFIX)
    ]
    if not tensors:
        raise ValueError(f"{source} holds no weights: its state_dict has no key {_MODEL_PREFIX}*")
    yield header, tensors


def _read_without_code(source: Path) -> object:
    with open(source, "rb") as file:
        is_archive = file.read(4) == _ARCHIVE_START
    if not is_archive:
        raise ValueError(
            f"{source} is no Lightning checkpoint: it may be a plain pickle, which could run code, "
            f"and was not opened; give a checkpoint or a stage file (.safetensors)"
        )
    try:
        # Mapped, so that the optimizer's state, twice the weights, is never read.
        return torch.load(source, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a damaged pickle can raise anything
        unsafe = _names_of_code(source)
        if unsafe:
            raise ValueError(
                f"{source} holds Python objects ({', '.join(unsafe)}), which could run code; "
                f"nothing was run; ask its maker for a stage file (.safetensors)"
            ) from error
        raise ValueError(f"{source} is cut short or damaged; {_AGAIN}") from error


def _names_of_code(source: Path) -> list[str]:
    """Return what a checkpoint would import beyond tensors and plain values; imports nothing."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(source))
    except Exception:  # damaged, so the caller says
        return []
