"""Reading the checkpoint that PIRender's authors publish, and what was trained with their code.

`epoch_00190_iteration_000400000_checkpoint.pt` and its like hold `net_G_ema`, 304 tensors, beside
raw weights and the optimizer's state.
"""

import pickle
import warnings
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor

from viseme_core.checkpoint import load_weights
from viseme_render.pirender.config import PIRenderConfig, PIRenderLossConfig, PIRenderNetConfig
from viseme_render.pirender.model import PIRenderModel

KEY = "net_G_ema"
"""Where public checkpoints keep the averaged generator."""
PUBLIC_CONFIG = PIRenderConfig(
    net=PIRenderNetConfig(grid="corners"),
    loss=PIRenderLossConfig(features="vgg19", style=1000.0),
    convention="deep3d",
)
"""What public weights were trained as."""


def read_public(path: str | PathLike[str]) -> PIRenderModel:
    """Return PIRender with the weights of a public checkpoint.

    Nothing in the file is run: it is read with `weights_only`.

    Raises:
        ValueError: If there is no such file, it is damaged, would run code, or holds other weights.
    """
    source = Path(path)
    if not source.is_file():
        raise ValueError(f"there is no checkpoint {str(source)!r}; check the path")
    try:
        with warnings.catch_warnings():
            # A newer pickle either can be read or is refused below.
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            content = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{str(source)!r} is damaged or holds more than tensors and plain values, which could "
            f"run code; nothing was run: save its {KEY!r} alone with torch.save"
        ) from error
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, AttributeError) as error:
        reason = str(error).split("\n")[0][:120]
        raise ValueError(f"{str(source)!r} cannot be read ({reason}); fetch it again") from error
    model = PIRenderModel(PUBLIC_CONFIG)
    try:
        load_weights(model.net, _generator(content, source))
    except ValueError as error:
        raise ValueError(f"{str(source)!r} does not hold PIRender's generator: {error}") from error
    return model.eval()


def _generator(content: object, source: Path) -> dict[str, Tensor]:
    if not isinstance(content, dict) or not isinstance(content.get(KEY), dict):
        keys = ", ".join(map(repr, list(content)[:6])) if isinstance(content, dict) else "no dict"
        raise ValueError(
            f"{str(source)!r} is no checkpoint of PIRender: it must hold {KEY!r}, got {keys}"
        )
    return content[KEY]
