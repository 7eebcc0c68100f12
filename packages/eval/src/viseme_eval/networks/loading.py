"""Reading weight files: tensors only, every name accounted for, one sentence for what is wrong."""

import hashlib
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

FACERES_FILE = Path(__file__).parents[1] / "assets" / "faceres.safetensors"
"""Where the asset of the network `faceres` is."""
FACERES_FORMAT = "viseme-faceres-1"

_PREFIX = "module."
_COUNTER = "num_batches_tracked"
_PIECE = 1 << 20


def read_state(path: Path, *, inside: str = "") -> dict[str, Tensor]:
    """Return the tensors of a weight file by name.

    Nothing in the file is run: it is read as safetensors, or by torch with `weights_only`. What
    data-parallel training put before the names, `module.`, is taken off.

    Args:
        path: The file, `.safetensors` or any ending that torch saved it under.
        inside: Key of a training checkpoint under which the weights lie; a file that holds them
            bare is taken too.

    Raises:
        ValueError: If it cannot be read, would run code, or holds something else.
    """
    content = _read(path)
    if isinstance(content, Mapping) and inside and inside in content:
        content = content[inside]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{_quoted(path)} holds a {type(content).__name__}, not weights by name")
    strays = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if strays:
        raise ValueError(
            f"{_quoted(path)} holds {strays[0]!r} beside tensors: it is a checkpoint of something "
            f"else; take the file that the table of `viseme-eval weights` names"
        )
    prefixed = all(name.startswith(_PREFIX) for name in content)
    return {name[len(_PREFIX) :] if prefixed else name: content[name] for name in content}


def load_strictly(
    net: nn.Module, state: Mapping[str, Tensor], path: Path, *, ignore: tuple[str, ...] = ()
) -> None:
    """Put weights into a network, in float32; none may be missing and none left over.

    Files from before PyTorch 0.4.1 lack the counters of their normalisations, which play no part
    in evaluation; they are left at zero.

    Args:
        net: Network to fill; it may have been built on the meta device.
        state: Weights by name.
        path: Where they are from, for errors.
        ignore: Beginnings of names that the network leaves out on purpose.

    Raises:
        ValueError: If a name or a shape does not fit, or a number is not finite.
    """
    state = {name: value for name, value in state.items() if not name.startswith(ignore or ("\0",))}
    expected = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    counters = {name for name in expected if name.endswith(_COUNTER)} - set(state)
    missing = sorted(set(expected) - set(state) - counters)
    unexpected = sorted(set(state) - set(expected))
    if missing or unexpected:
        raise ValueError(
            f"{_quoted(path)} is not this network: {len(missing)} weights are missing"
            f"{_first(missing)}, {len(unexpected)} unexpected{_first(unexpected)}; take the file "
            f"that the table of `viseme-eval weights` names"
        )
    filled: dict[str, Tensor] = {name: torch.tensor(0) for name in counters}
    for name, value in state.items():
        if tuple(value.shape) != expected[name]:
            raise ValueError(
                f"{_quoted(path)} is not this network: {name} must have shape {expected[name]}, "
                f"got {tuple(value.shape)}"
            )
        value = value.detach().float() if value.is_floating_point() else value.detach()
        if not value.isfinite().all():
            raise ValueError(f"{_quoted(path)} is damaged: {name} holds NaN or infinity; fetch it")
        filled[name] = value.contiguous()
    net.load_state_dict(filled, assign=True)


@lru_cache(maxsize=64)
def _digest(path: Path, _size: int, _time_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def fingerprint(path: Path) -> str:
    """Return the first twelve hex digits of a file's sha256."""
    status = path.stat()
    return _digest(path.resolve(), status.st_size, status.st_mtime_ns)[:12]


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            # A newer pickle either can be read or is refused below.
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{_quoted(path)} is damaged or holds more than tensors, which would run code when "
            f"read; fetch it again, or save its state dict alone with torch.save"
        ) from error
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, SafetensorError) as error:
        raise _damaged(path, error) from error
    except (zipfile.BadZipFile, UnicodeDecodeError, AttributeError, IndexError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ValueError:
    reason = str(error).split("\n")[0][:120]
    return ValueError(f"{_quoted(path)} cannot be read ({reason}); fetch it again")


def _first(names: list[str]) -> str:
    return f" (first {names[0]!r})" if names else ""


def _quoted(path: Path) -> str:
    return repr(str(path))
