"""Writing a stage file: whole or not at all, and the same bytes for the same content."""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from viseme_core.checkpoint.header import StageHeader, header_to_metadata

_DTYPE_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def save_stage(
    path: str | os.PathLike[str],
    state_dict: Mapping[str, Tensor],
    header: StageHeader,
    *,
    dtype: torch.dtype | None = None,
) -> str:
    """Return the sha256 of the stage file that it writes.

    The file appears under its name only when it is complete and on the disk; until then, and
    after any failure, an older file of that name stays as it was. A process that is killed
    leaves at most a hidden `.partial` file behind. Tensors that share memory are each written in
    full. The same content gives the same bytes.

    Args:
        path: File to write, ending in `.safetensors`; missing folders are made.
        state_dict: Tensors of the stage's module.
        header: What the file says about itself.
        dtype: Type to store floating-point tensors in; None keeps each its own.

    Raises:
        ValueError: If a value is no dense tensor of a supported type, or overflows `dtype`.
        OSError: If the file cannot be written, e.g. on a full disk.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"save_stage: path must end in .safetensors, got {str(path)!r}")
    for name, tensor in state_dict.items():
        _check_tensor(name, tensor)
    try:
        with _replacing(path) as file:
            return _write(file, state_dict, header_to_metadata(header), dtype)
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot save the stage: {error.strerror or error}; the partial file is removed and "
            f"an older one left as it was; free some space or choose another folder",
            str(path),
        ) from error


def _check_tensor(name: str, tensor: object) -> None:
    if not isinstance(tensor, Tensor):
        raise ValueError(
            f"state_dict[{name!r}] must be a tensor, got {type(tensor).__name__}; "
            f"a stage file holds tensors only, settings belong into the header's config"
        )
    if tensor.layout != torch.strided or tensor.is_meta:
        raise ValueError(f"state_dict[{name!r}] must be a dense tensor with data; make it one")
    if tensor.dtype not in _DTYPE_NAMES:
        known = ", ".join(str(dtype) for dtype in _DTYPE_NAMES)
        raise ValueError(f"state_dict[{name!r}] must be one of {known}, got {tensor.dtype}")


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of `path` if the block succeeds, and vanishes if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not from tempfile: its files are private to the user, and teams share checkpoints.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with open(partial, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    # The new name itself reaches the disk with its folder. Some network file systems refuse to
    # sync a folder; the file is complete there all the same.
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write(
    file: IO[bytes],
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    dtype: torch.dtype | None,
) -> str:
    # The library's own writer orders the metadata at random, so that no two files are equal.
    stored = {
        name: dtype if dtype and tensor.is_floating_point() else tensor.dtype
        for name, tensor in tensors.items()
    }
    # Widest types first, as the library does, keeps every tensor aligned.
    names = sorted(tensors, key=lambda name: (-stored[name].itemsize, name))
    entries: dict[str, object] = {"__metadata__": metadata}
    end = 0
    for name in names:
        start, end = end, end + tensors[name].numel() * stored[name].itemsize
        entries[name] = {
            "dtype": _DTYPE_NAMES[stored[name]],
            "shape": list(tensors[name].shape),
            "data_offsets": [start, end],
        }
    head = json.dumps(entries, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    digest = hashlib.sha256()
    for block in (len(head).to_bytes(8, "little"), head):
        file.write(block)
        digest.update(block)
    for name in names:
        data = _bytes_of(name, tensors[name], stored[name])
        file.write(data)
        digest.update(data)
    return digest.hexdigest()


def _bytes_of(name: str, tensor: Tensor, dtype: torch.dtype) -> memoryview:
    values = tensor.detach().cpu()
    stored = values.to(dtype).contiguous()
    if stored.dtype != values.dtype and stored.isinf().sum() > values.isinf().sum():
        raise ValueError(
            f"state_dict[{name!r}] overflows {dtype} (largest value {values.abs().max():.3g}); "
            f"save it in a wider type such as torch.bfloat16"
        )
    return stored.reshape(-1).view(torch.uint8).numpy().data
