"""Where weights of autoencoders come from: our files, folders of diffusers, latent-diffusion's.

What is read is handed on as the config that fits and the tensors of `Autoencoder`.
"""

import json
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from viseme_core.checkpoint import FORMAT, HEADER_KEY, load_stage
from viseme_core.config import from_plain
from viseme_render.autoencoder.compvis import read_compvis
from viseme_render.autoencoder.config import STAGE, AutoencoderConfig

_Found = tuple[AutoencoderConfig, dict[str, Tensor]]

_NET = "net."
_SCALE = "scale_factor"
_MODEL = "autoencoder."
"""Where the model that trains keeps it, beside its critic."""
_OLD_ATTENTION = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}
"""Names of attention in folders that old versions of diffusers wrote."""
_WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")


def read_autoencoder(path: str | PathLike[str], scale_factor: float | None = None) -> _Found:
    """Return config and tensors of the autoencoder that a file or folder holds.

    Args:
        path: See `Autoencoder.from_checkpoint`.
        scale_factor: What latents are multiplied by; None takes what the file says.

    Raises:
        ValueError: As `Autoencoder.from_checkpoint` does.
    """
    source = Path(path)
    if (source / "config.json").is_file():
        config, tensors = _from_diffusers(source)
    elif source.is_dir():
        config, tensors = _from_stage(source)
    elif not source.is_file():
        raise ValueError(f"there is no autoencoder at {str(source)!r}; check the path")
    else:
        content = _read(source)
        config, tensors = _from_stage(source) if content is None else read_compvis(content, source)
    if scale_factor is not None:
        tensors[_SCALE] = torch.tensor(float(scale_factor))
    if not float(tensors.get(_SCALE, 0)):
        raise ValueError(
            f"{str(source)!r} does not say what its latents are multiplied by: give scale_factor, "
            f"the inverse of the deviation of its latents (0.18215 for Stable Diffusion's), or 1 "
            f"and call set_scale once that is measured"
        )
    return replace(config, scale_factor=float(tensors[_SCALE])), tensors


def _from_stage(source: Path) -> _Found:
    found = load_stage(source, stage=STAGE)
    config = from_plain(AutoencoderConfig, found.header.config["net"], where=f"{source}: config")
    kept = {k.removeprefix(_MODEL): v for k, v in found.tensors.items() if k.startswith(_MODEL)}
    return config, kept


def _from_diffusers(folder: Path) -> _Found:
    try:
        said = json.loads((folder / "config.json").read_text())
    except ValueError as error:
        raise ValueError(f"{str(folder / 'config.json')!r} is no JSON ({error})") from error
    config, scale = _config_of_diffusers(said, folder)
    file = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if file is None:
        raise ValueError(f"{str(folder)!r} holds no weights: put {_WEIGHTS[0]} into it")
    tensors: dict[str, Tensor] = {_SCALE: torch.tensor(scale)}
    for key, value in _tensors_of(file).items():
        for old, new in _OLD_ATTENTION.items():
            key = key.replace(old, new)
        tensors[_NET + key] = value
    return config, tensors


def _config_of_diffusers(said: Mapping[str, Any], folder: Path) -> tuple[AutoencoderConfig, float]:
    kinds = {"AutoencoderKL": "kl", "VQModel": "vq"}
    kind = kinds.get(said.get("_class_name", ""))
    if kind is None:
        raise ValueError(
            f"{str(folder)!r} holds diffusers' {said.get('_class_name')!r}, expected "
            f"{' or '.join(kinds)}; of a whole pipeline give its folder 'vae' or 'vqvae'"
        )
    fixed = {
        "in_channels": 3,
        "out_channels": 3,
        "act_fn": "silu",
        "shift_factor": None,
        "latents_mean": None,
        "latents_std": None,
        "use_quant_conv": True,
        "use_post_quant_conv": True,
        "norm_type": "group",
        "lookup_from_codebook": False,
    }
    for name, value in fixed.items():
        if said.get(name, value) != value:
            raise ValueError(
                f"{str(folder)!r}: autoencoders with {name} = {said[name]!r} cannot be used here, "
                f"it must be {value!r}"
            )
    config = AutoencoderConfig(
        kind="vq" if kind == "vq" else "kl",
        channels=said.get("latent_channels", 3 if kind == "vq" else 4),
        widths=tuple(said.get("block_out_channels", (64,))),
        blocks=said.get("layers_per_block", 1),
        norm_groups=said.get("norm_num_groups", 32),
        attends=said.get("mid_block_add_attention", True),
        codes=said.get("num_vq_embeddings", 256),
        code_dim=said.get("vq_embed_dim"),
    )
    return config, float(said.get("scaling_factor", 0.18215))


def _read(source: Path) -> Mapping[str, Any] | None:
    """Return what a file of others holds; None is one of ours."""
    if source.suffix != ".safetensors":
        content = _unpickled(source)
        if not isinstance(content, Mapping):
            raise ValueError(f"{str(source)!r} holds a {type(content).__name__}, not weights")
        return None if HEADER_KEY in content else content
    try:
        with safe_open(source, framework="pt") as file:
            is_ours = (file.metadata() or {}).get("format") == FORMAT
    except SafetensorError as error:
        raise ValueError(f"{str(source)!r} is cut short or damaged ({error})") from error
    return None if is_ours else _tensors_of(source)


def _tensors_of(file: Path) -> dict[str, Tensor]:
    if file.suffix != ".safetensors":
        return dict(_unpickled(file))
    try:
        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{str(file)!r} is cut short or damaged ({error})") from error


class _Callback:
    """Stands for Lightning's class by whose name old checkpoints keep the state of a callback."""


_INERT: list[Any] = [(_Callback, "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint")]


def _unpickled(source: Path) -> Any:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_INERT):
            # A newer pickle either can be read or is refused below.
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{str(source)!r} is damaged or holds more than tensors and plain values, which could "
            f"run code; nothing was run: where you trust its maker, save its 'state_dict' alone"
        ) from error
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, AttributeError) as error:
        reason = str(error).split("\n")[0][:120]
        raise ValueError(f"{str(source)!r} cannot be read ({reason}); fetch it again") from error
