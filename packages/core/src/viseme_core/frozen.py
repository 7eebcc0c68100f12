"""Networks that a model uses but does not train.

A registered submodule enters state dicts, averaged copies and DDP's buckets. A critic or encoder
that never changes belongs in none of them.
"""

import copy
from itertools import chain
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class Frozen(Generic[M]):
    """Holds a network out of sight of the module that owns it.

    Args:
        module: Network to freeze: its parameters stop asking for gradients and it goes to
            evaluation mode. Gradients still flow through it to its inputs.
    """

    def __init__(self, module: M) -> None:
        self._own_dtype = next((t.dtype for t in _tensors(module) if t.is_floating_point()), None)
        self._by_dtype = {self._own_dtype: module.requires_grad_(False).eval()}

    def on(self, like: Tensor) -> M:
        """Return the network on the device and in the floating-point type of `like`.

        Other types than its own are copies, so that a pass in half precision does not round the
        weights that a later one in float32 uses. Whole numbers leave the type as it is.
        """
        is_floating = like.is_floating_point() and self._own_dtype is not None
        dtype = like.dtype if is_floating else self._own_dtype
        # Weights that were made under inference mode, where Lightning validates, would refuse
        # to pass gradients to their inputs in training.
        with torch.inference_mode(False):
            if dtype not in self._by_dtype:
                self._by_dtype[dtype] = copy.deepcopy(self._by_dtype[self._own_dtype]).to(dtype)
            module = self._by_dtype[dtype]
            first = next(_tensors(module), None)
            if first is not None and first.device != like.device:
                module.to(like.device)
        return module

    def __deepcopy__(self, memo: dict[int, Any]) -> "Frozen[M]":
        """Return itself: an averaged copy of the owner shares what never changes."""
        return self


def _tensors(module: nn.Module) -> chain[Tensor]:
    return chain(module.parameters(), module.buffers())
