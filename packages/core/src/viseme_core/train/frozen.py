"""Networks that a module uses but does not train.

A registered submodule enters state dicts, averaged copies and DDP's buckets. A critic or encoder
that never changes belongs in none of them.
"""

from typing import Any, Generic, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


class Frozen(Generic[M]):
    """Holds a network out of sight of the module that owns it.

    Args:
        module: Network to freeze: its parameters stop asking for gradients and it goes to
            evaluation mode. Gradients still flow through it to its inputs.
    """

    def __init__(self, module: M) -> None:
        self._module = module.requires_grad_(False).eval()
        self._device: torch.device | None = None

    def on(self, device: torch.device) -> M:
        """Return the network, moved to `device` if it is elsewhere."""
        if device != self._device:
            self._module.to(device)
            self._device = device
        return self._module

    def __deepcopy__(self, memo: dict[int, Any]) -> "Frozen[M]":
        """Return itself: an averaged copy of the owner shares what never changes."""
        return self
