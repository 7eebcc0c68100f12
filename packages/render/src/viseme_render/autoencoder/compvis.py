"""Checkpoints of latent-diffusion: their sizes are read off the weights, their names translated.

Both kinds of file are taken: the whole model's, with the autoencoder under `first_stage_model.`,
and the autoencoder's own, with its critic under `loss.`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from viseme_render.autoencoder.config import AutoencoderConfig

_INSIDE = ("first_stage_model.", "vae.")
_PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "quantize.")
_ATTENTION = {
    "norm": "group_norm",
    "q": "to_q",
    "k": "to_k",
    "v": "to_v",
    "proj_out": "to_out.0",
}


def read_compvis(
    content: Mapping[str, Any], source: Path
) -> tuple[AutoencoderConfig, dict[str, Tensor]]:
    """Return config and tensors, under the names of `Autoencoder`.

    `scale_factor` is among them where the file holds it (models that measured it do), and 1 for
    code books, which latent-diffusion does not scale.

    Args:
        content: What the file holds: tensors by name, or those under `state_dict`.
        source: The file, for errors.

    Raises:
        ValueError: If it holds no autoencoder of latent-diffusion, or one with attention outside
            the smallest size.
    """
    state: Mapping[str, Any] = content.get("state_dict", content)
    own = _autoencoder_of(state)
    if not {"encoder.conv_in.weight", "quant_conv.weight"} <= own.keys():
        some = ", ".join(repr(key) for key in list(state)[:3]) or "nothing"
        raise ValueError(
            f"{str(source)!r} is no autoencoder: neither a stage file of ours nor a checkpoint of "
            f"latent-diffusion ('first_stage_model.encoder.conv_in.weight' or without the prefix); "
            f"it holds {some}"
        )
    attends = [key for key in own if re.match(r"(en|de)coder\.(up|down)\.\d+\.attn\.", key)]
    if attends:
        raise ValueError(
            f"{str(source)!r} attends at more than its smallest size ({attends[0]!r}), which the "
            f"autoencoders here do not; take KL-f4, VQ-f4 or another without attn_resolutions"
        )
    config = _config_of(own)
    tensors = {}
    for key, value in own.items():
        renamed = _renamed(key, len(config.widths))
        # Attention was made of 1 x 1 convolutions.
        is_kernel = ".attentions." in renamed and value.ndim == 4
        tensors[f"net.{renamed}"] = value[:, :, 0, 0] if is_kernel else value
    if isinstance(state.get("scale_factor"), Tensor):
        tensors["scale_factor"] = state["scale_factor"].detach().float().reshape(())
    elif config.kind == "vq":
        tensors["scale_factor"] = own["quant_conv.weight"].new_ones(()).float()
    return config, tensors


def _autoencoder_of(state: Mapping[str, Any]) -> dict[str, Tensor]:
    prefix = next((p for p in _INSIDE if any(key.startswith(p) for key in state)), "")
    names = {key: key.removeprefix(prefix) for key in state if key.startswith(prefix)}
    return {new: state[old] for old, new in names.items() if new.startswith(_PARTS)}


def _config_of(own: Mapping[str, Tensor]) -> AutoencoderConfig:
    sizes = 1 + max(_numbers(own, r"encoder\.down\.(\d+)\.block\."))
    blocks = 1 + max(_numbers(own, r"encoder\.down\.0\.block\.(\d+)\."))
    # Every block ends with its own width.
    widths = tuple(len(own[f"encoder.down.{i}.block.0.conv2.weight"]) for i in range(sizes))
    codes = own.get("quantize.embedding.weight")
    code_dim, channels = own["post_quant_conv.weight"].shape[1], len(own["post_quant_conv.weight"])
    return AutoencoderConfig(
        kind="kl" if codes is None else "vq",
        channels=channels,
        widths=widths,
        blocks=blocks,
        attends="encoder.mid.attn_1.q.weight" in own,
        codes=AutoencoderConfig.codes if codes is None else len(codes),
        code_dim=None if code_dim == channels else code_dim,
    )


def _numbers(own: Mapping[str, Tensor], pattern: str) -> set[int]:
    found = (re.match(pattern, key) for key in own)
    return {int(match.group(1)) for match in found if match}


def _renamed(key: str, sizes: int) -> str:
    part, _, rest = key.partition(".")
    if part not in ("encoder", "decoder"):
        return key
    rest = rest.replace("nin_shortcut", "conv_shortcut").replace("norm_out", "conv_norm_out")
    if match := re.match(r"(down|up)\.(\d+)\.(block\.(\d+)|(?:down|up)sample)\.(.*)", rest):
        way, size, what, block, leaf = match.groups()
        # diffusers counts the decoder's sizes from the smallest.
        number = int(size) if way == "down" else sizes - 1 - int(size)
        inner = f"resnets.{block}" if what.startswith("block") else f"{way}samplers.0"
        return f"{part}.{way}_blocks.{number}.{inner}.{leaf}"
    if match := re.match(r"mid\.block_(\d)\.(.*)", rest):
        return f"{part}.mid_block.resnets.{int(match.group(1)) - 1}.{match.group(2)}"
    if match := re.match(r"mid\.attn_1\.(\w+)\.(.*)", rest):
        name, leaf = match.groups()
        return f"{part}.mid_block.attentions.0.{_ATTENTION.get(name, name)}.{leaf}"
    return f"{part}.{rest}"
