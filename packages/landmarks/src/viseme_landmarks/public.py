"""Reading the weights of IP_LAP's landmark generator, and what was trained with its code.

`landmarkgenerator_checkpoint.pth` and its like hold `state_dict` beside the optimizer's state.
"""

import pickle
import re
import warnings
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor

from viseme_core.checkpoint import load_weights
from viseme_landmarks.config import IP_LAP_JAW, IP_LAP_LIP, LandmarksConfig
from viseme_landmarks.model import LandmarkModel

KEY = "state_dict"
"""Where public checkpoints keep the weights."""
NUM_REFERENCES = 15
"""References that IP_LAP trains with and looks at."""

_PARALLEL = "module."
_MODALITY = "fusion_transformer.modality.weight"
_WIDTH = "Norm.weight"
_PREFIXES: dict[str, str | None] = {
    "mel_encoder.": "sound.",
    "pose_encoder.": "pose.",
    "ref_encoder.": "reference.",
    "Norm.": "token_norm.",
    "fusion_transformer.modality.": "modality.",
    "fusion_transformer.transformer_encoder.": "fusion.",
    # Sines, which are computed.
    "fusion_transformer.position_": None,
    "mouse_keypoint_map.": "lip.",
    "jaw_keypoint_map.": "jaw.",
}


def read_public(
    path: str | PathLike[str],
    *,
    num_heads: int = 4,
    num_frames: int = 5,
    num_references: int = NUM_REFERENCES,
) -> LandmarkModel:
    """Return a model with the weights of a public checkpoint.

    Nothing in the file is run: it is read with `weights_only`.

    Args:
        path: The checkpoint.
        num_heads: Heads of its attention, which its weights do not tell; so are the others.
        num_frames: Frames of a window.
        num_references: Reference faces.

    Raises:
        ValueError: If there is no such file, it is damaged, would run code, or holds other weights.
    """
    source = Path(path)
    tensors = _weights(_content(source), source)
    layers = {key.split(".")[3] for key in tensors if ".layers." in key}
    feedforward = tensors.get("fusion_transformer.transformer_encoder.layers.0.linear1.weight")
    if _WIDTH not in tensors or _MODALITY not in tensors or feedforward is None:
        raise ValueError(
            f"{str(source)!r} does not hold IP_LAP's landmark generator: among its "
            f"{len(tensors)} tensors are not {_WIDTH!r}, {_MODALITY!r} and a transformer's"
        )
    # Its first row stands for no modality.
    tensors[_MODALITY] = tensors[_MODALITY][1:]
    config = LandmarksConfig(
        num_lip=IP_LAP_LIP,
        num_jaw=IP_LAP_JAW,
        num_references=num_references,
        num_frames=num_frames,
        dim=len(tensors[_WIDTH]),
        num_layers=len(layers),
        num_heads=num_heads,
        feedforward_dim=len(feedforward),
        dropout=0.1,
        norm="batch",
        convention="ip_lap",
    )
    model = LandmarkModel(config)
    try:
        load_weights(model.net, tensors, key_map=own_key)
    except ValueError as error:
        raise ValueError(
            f"{str(source)!r} does not hold IP_LAP's landmark generator: {error}"
        ) from error
    return model.eval()


def own_key(key: str) -> str | None:
    """Return the name that a tensor of the public layout has here; None if it is not needed."""
    for theirs, ours in _PREFIXES.items():
        if key.startswith(theirs):
            if ours is None:
                return None
            name = ours + key.removeprefix(theirs)
            return re.sub(r"\.conv_block\.([01])\.", _part, name)
    return key


def _part(found: re.Match[str]) -> str:
    return ".conv." if found[1] == "0" else ".norm."


def _content(source: Path) -> object:
    if not source.is_file():
        raise ValueError(f"there is no checkpoint {str(source)!r}; check the path")
    try:
        with warnings.catch_warnings():
            # A newer pickle either can be read or is refused below.
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{str(source)!r} is damaged or holds more than tensors and plain values, which could "
            f"run code; nothing was run: save its {KEY!r} alone with torch.save"
        ) from error
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, AttributeError) as error:
        reason = str(error).split("\n")[0][:120]
        raise ValueError(f"{str(source)!r} cannot be read ({reason}); fetch it again") from error


def _weights(content: object, source: Path) -> dict[str, Tensor]:
    state = content.get(KEY) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        keys = ", ".join(map(repr, list(content)[:6])) if isinstance(content, dict) else "no dict"
        raise ValueError(
            f"{str(source)!r} is no checkpoint of IP_LAP: it must hold {KEY!r} with tensors, got "
            f"{keys}"
        )
    return {str(key).removeprefix(_PARALLEL): value for key, value in state.items()}
