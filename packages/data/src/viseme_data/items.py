"""One shard item as bytes: named tensors of one segment, read in slices and checked.

The layout is that of a safetensors file; its metadata also hold a checksum of every tensor. Reading
touches only what is asked for: an item is a view into a chunk that lies in the page cache.
"""

import json
import math
import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

# Names that safetensors gives to types, for those that prepared data may have.
_TYPES = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}


def item_bytes(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> bytes:
    """Return an item; the same content gives the same bytes.

    Args:
        tensors: What it holds.
        facts: Plain facts about it; keys that begin with `crc.` are taken.

    Raises:
        ValueError: If a tensor is of a type that no item can hold.
    """
    arrays = {name: tensors[name].detach().cpu().contiguous().numpy() for name in sorted(tensors)}
    header: dict[str, object] = {}
    chunks, end = [], 0
    crc = {}
    for name, array in arrays.items():
        if array.dtype not in _NAMES:
            raise ValueError(f"{name!r} is {array.dtype}; shards hold {', '.join(_NAMES.values())}")
        data = array.tobytes()
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [end, end + len(data)],
        }
        crc[f"crc.{name}"] = f"{zlib.crc32(data):08x}"
        chunks.append(data)
        end += len(data)
    header["__metadata__"] = {**facts, **crc}
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    # Tensors start at a multiple of eight bytes.
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *chunks])


class Item:
    """An item whose tensors are read from its bytes.

    Args:
        data: The bytes; must stay as they are while the item is in use.
        where: What errors call it.

    Raises:
        ValueError: If they are no item.
    """

    def __init__(self, data: bytes | memoryview, *, where: str) -> None:
        self._where = where
        self._data = memoryview(data)
        self._checked: set[str] = set()
        try:
            length = int.from_bytes(self._data[:8], "little")
            header = json.loads(bytes(self._data[8 : 8 + length]))
            self.facts: dict[str, str] = header.pop("__metadata__")
            """Plain facts that were stored with it."""
            self._entries = header
            self._start = 8 + length
        except (ValueError, KeyError, AttributeError) as error:
            raise self._damaged("its header makes no sense") from error

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Return the rows of a tensor from `start` to before `stop`, as a copy.

        Raises:
            ValueError: If there is no such tensor, or its bytes have changed since it was packed.
        """
        if name not in self._entries:
            raise ValueError(
                f"{self._where} holds {', '.join(sorted(self._entries))}; there is no {name!r}: "
                f"prepare the data with it, then pack again"
            )
        dtype, shape, part = self._part(name)
        rows = range(shape[0])[start:stop] if shape else range(0)
        if shape and len(rows) != shape[0]:
            row_bytes = dtype.itemsize * math.prod(shape[1:])
            part = part[rows.start * row_bytes : rows.stop * row_bytes]
            shape = (len(rows), *shape[1:])
        return torch.from_numpy(np.frombuffer(part, dtype).reshape(shape).copy())

    def read_bytes(self, name: str) -> bytes:
        """Return a tensor's bytes, checked as by `read`."""
        return bytes(self._part(name)[2])

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def _part(self, name: str) -> tuple[np.dtype, tuple[int, ...], memoryview]:
        try:
            entry = self._entries[name]
            start, stop = entry["data_offsets"]
            dtype, shape = _TYPES[entry["dtype"]], tuple(entry["shape"])
            crc = self.facts[f"crc.{name}"]
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged("its header makes no sense") from error
        part = self._data[self._start + start : self._start + stop]
        if name not in self._checked:
            if f"{zlib.crc32(part):08x}" != crc:
                raise self._damaged(f"the bytes of {name!r} are not those that were packed")
            self._checked.add(name)
        return dtype, shape, part

    def _damaged(self, what: str) -> ValueError:
        return ValueError(f"{self._where} is damaged ({what}); copy the shards again or pack anew")
