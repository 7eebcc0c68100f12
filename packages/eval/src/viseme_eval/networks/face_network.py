"""What every network of this folder is to its callers: frozen, named, hashed, in our conventions.

Letters: T frames, H W pixels, K landmarks, D features.
"""

from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from viseme_core.shapes import check_shape
from viseme_core.types import LAYOUT_SIZES

CHUNK = 32
"""Frames that go through a network at once on an accelerator; no result depends on it."""

N = TypeVar("N", bound=nn.Module)


class FaceNetwork(nn.Module, Generic[N]):
    """A frozen network behind the conventions of this house.

    Args:
        net: Network as its authors publish it; its parameters stop asking for gradients. Gradients
            still flow through it to frames that ask for them.
    """

    name: str = ""
    """Its name in the registry."""
    fingerprint: str = ""
    """Start of the weight file's sha256; empty for a network that was read from no file."""
    chunk_on_cpu: ClassVar[int] = 8
    """Frames at once on a processor: 32 gain nothing there and take four times the memory."""

    def __init__(self, net: N) -> None:
        super().__init__()
        self.net: N = net.requires_grad_(False).eval()

    @property
    def label(self) -> str:
        """Name and hash, for reports."""
        return f"{self.name}@{self.fingerprint}"

    @property
    def device(self) -> torch.device:
        """Where the weights are; inputs are moved there, a chunk at a time."""
        return next(self.net.parameters()).device

    @property
    def chunk(self) -> int:
        """Frames that go through at once, where the weights are."""
        return self.chunk_on_cpu if self.device.type == "cpu" else CHUNK

    def train(self, mode: bool = True) -> "FaceNetwork[N]":
        """Stay in evaluation mode whatever the mode of the module that owns this one."""
        return super().train(False)

    def in_chunks(self, function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """Return `function` of the inputs, `chunk` rows at a time and on this network's device."""
        parts = zip(*(rows.split(self.chunk) for rows in inputs), strict=True)
        return torch.cat([function(*(rows.to(self.device) for rows in part)) for part in parts])


def check_frames(frames_T3HW: Tensor, points_TKD: Tensor | None = None) -> None:
    """Check frames and, if given, their landmarks.

    Raises:
        ValueError: If frames are not float (T, 3, H, W) with T at least 1, or landmarks not `mp478`
            of the same T and finite.
    """
    sizes = check_shape(frames_T3HW, "T 3 H W", name="frames_T3HW")
    if sizes["T"] == 0 or not frames_T3HW.is_floating_point():
        raise ValueError(
            f"frames_T3HW must be at least one frame of floating point in [-1, 1], got "
            f"{sizes['T']} of {frames_T3HW.dtype}"
        )
    if points_TKD is not None:
        pattern = f"T {LAYOUT_SIZES['mp478']} D"
        check_shape(points_TKD, pattern, name="points_TKD (mp478)", sizes={"T": sizes["T"]})
        if not points_TKD.isfinite().all():
            raise ValueError(
                "points_TKD (mp478) hold NaN or infinity: there is no face to look at; leave such "
                "frames out or interpolate their landmarks"
            )
