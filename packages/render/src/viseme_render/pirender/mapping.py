"""The mapping network: from coefficients around a frame to a descriptor.

Letters: B batch, W frames of a window, C coefficients, D descriptor.
"""

from torch import Tensor, nn

from viseme_face.driving import COEFFICIENT_REACH
from viseme_render.pirender.layers import SLOPE


class MappingNet(nn.Module):
    """From a window of coefficients to a descriptor.

    Args:
        given: Coefficients of a frame.
        width: Width of the descriptor.
        layers: Dilated convolutions.
        is_direct: Let the frame in the middle have a path of its own.
    """

    def __init__(self, given: int, width: int, layers: int, *, is_direct: bool = False) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(given, width, 7))
        for number in range(layers):
            convolution = nn.Conv1d(width, width, 3, dilation=3)
            self.add_module(f"encoder{number}", nn.Sequential(nn.LeakyReLU(SLOPE), convolution))
        self._layers = layers
        if is_direct:
            self.direct = nn.Sequential(nn.Linear(given, width), nn.LeakyReLU(SLOPE))
            self.leave = nn.Linear(width, width)

    def forward(self, window_BWC: Tensor) -> Tensor:
        """Return descriptors (B, D) of windows (B, W, C)."""
        x_BDW = self.first(window_BWC.mT)
        for number in range(self._layers):
            x_BDW = x_BDW[..., 3:-3] + self.get_submodule(f"encoder{number}")(x_BDW)
        found_BD = x_BDW.mean(-1)
        if hasattr(self, "direct"):
            found_BD = found_BD + self.leave(self.direct(window_BWC[:, COEFFICIENT_REACH]))
        return found_BD
