"""IP_LAP's landmark generator in plain torch functions, from its published names and shapes.

Written apart from the package, so that the import of its weights has something to agree with.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

WIDTH, FEEDFORWARD, LAYERS, HEADS = 512, 1024, 4, 4

# (in, out, kernel, stride, padding, residual); the last of each ends in tanh.
REFERENCE = [(2, 4, 3, 1, 1, False)]
POSE = [(2, 4, 3, 1, 1, False)]
for _n, _width in enumerate((8, 16, 32, 64, 128, 256)):
    REFERENCE += [(_width // 2, _width, 3, 2, 1, False)]
    REFERENCE += [(_width, _width, 3, 1, 1, True)] * (1 if _width == 256 else 2)
    POSE += [(_width // 2, _width, 3, 2 if _n else 1, 1, False)]
    POSE += [(_width, _width, 3, 1, 1, True)] * 2
REFERENCE += [(256, 512, 3, 1, 0, False), (512, 512, 1, 1, 0, False)]
POSE += [(256, 512, 3, 1, 0, False), (512, 512, 1, 1, 0, True)]
MEL = [(1, 32, 3, 1, 1, False), *[(32, 32, 3, 1, 1, True)] * 2]
MEL += [(32, 64, 3, (3, 1), 1, False), *[(64, 64, 3, 1, 1, True)] * 2]
MEL += [(64, 128, 3, 3, 1, False), *[(128, 128, 3, 1, 1, True)] * 2]
MEL += [(128, 256, 3, (3, 2), 1, False), (256, 256, 3, 1, 1, True)]
MEL += [(256, 512, 3, 1, 0, False), (512, 512, 1, 1, 0, False)]
ENCODERS = {"mel_encoder": MEL, "ref_encoder": REFERENCE, "pose_encoder": POSE}


def make_state(generator: torch.Generator) -> dict[str, Tensor]:
    """Return random weights under the public names."""

    def draw(*shape: int, scale: float = 0.05) -> Tensor:
        return scale * torch.randn(shape, generator=generator)

    state: dict[str, Tensor] = {}
    for name, blocks in ENCODERS.items():
        for number, (before, after, kernel, *_) in enumerate(blocks):
            at = f"{name}.{number}.conv_block"
            sides = (kernel, kernel) if name == "mel_encoder" else (kernel,)
            scale = (before * math.prod(sides)) ** -0.5
            state[f"{at}.0.weight"] = draw(after, before, *sides, scale=scale)
            state[f"{at}.0.bias"] = draw(after)
            state[f"{at}.1.weight"] = 0.7 + draw(after)
            state[f"{at}.1.bias"] = draw(after)
            state[f"{at}.1.running_mean"] = draw(after)
            state[f"{at}.1.running_var"] = 0.8 + 0.4 * torch.rand(after, generator=generator)
            state[f"{at}.1.num_batches_tracked"] = torch.tensor(7)
    fusion = "fusion_transformer"
    for name in ("position_v", "position_a"):
        state[f"{fusion}.{name}.pe"] = places(512)[None]
    state[f"{fusion}.modality.weight"] = draw(4, WIDTH, scale=0.5)
    for layer in range(LAYERS):
        at = f"{fusion}.transformer_encoder.layers.{layer}"
        state[f"{at}.self_attn.in_proj_weight"] = draw(3 * WIDTH, WIDTH)
        state[f"{at}.self_attn.in_proj_bias"] = draw(3 * WIDTH)
        state[f"{at}.self_attn.out_proj.weight"] = draw(WIDTH, WIDTH)
        state[f"{at}.self_attn.out_proj.bias"] = draw(WIDTH)
        state[f"{at}.linear1.weight"] = draw(FEEDFORWARD, WIDTH)
        state[f"{at}.linear1.bias"] = draw(FEEDFORWARD)
        state[f"{at}.linear2.weight"] = draw(WIDTH, FEEDFORWARD)
        state[f"{at}.linear2.bias"] = draw(WIDTH)
        for norm in ("norm1", "norm2"):
            state[f"{at}.{norm}.weight"] = 1 + draw(WIDTH)
            state[f"{at}.{norm}.bias"] = draw(WIDTH)
    for name, points in (("mouse_keypoint_map", 40), ("jaw_keypoint_map", 17)):
        state[f"{name}.weight"], state[f"{name}.bias"] = draw(2 * points, WIDTH), draw(2 * points)
    state["Norm.weight"], state["Norm.bias"] = 1 + draw(WIDTH), draw(WIDTH)
    return state


def places(count: int) -> Tensor:
    """Return sines and cosines of places in turn, shape (count, 512)."""
    rows = torch.arange(count)[:, None]
    angle = rows / 10000 ** (torch.arange(0, WIDTH, 2) / WIDTH)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


def forward(state: dict[str, Tensor], mel: Tensor, pose: Tensor, reference: Tensor) -> Tensor:
    """Return jaw and lip points in the public order, shape (T, 57, 2), for one sample.

    Args:
        state: Weights by their public names.
        mel: Windows, shape (T, 80, 16).
        pose: Upper faces, shape (T, 2, 74).
        reference: Upper faces and then contents, shape (N, 2, 131).
    """
    heard = _encode(state, "mel_encoder", mel[:, None])
    seen = _encode(state, "pose_encoder", pose)
    known = _encode(state, "ref_encoder", reference)
    kinds = state["fusion_transformer.modality.weight"]
    place = places(len(mel)).to(mel)
    tokens = torch.cat([known + kinds[3], heard + place + kinds[2], seen + place + kinds[1]])
    for layer in range(LAYERS):
        at = f"fusion_transformer.transformer_encoder.layers.{layer}"
        tokens = _norm(state, f"{at}.norm1", tokens + _attend(state, f"{at}.self_attn", tokens))
        hidden = _linear(state, f"{at}.linear1", tokens).clamp(min=0)
        tokens = _norm(state, f"{at}.norm2", tokens + _linear(state, f"{at}.linear2", hidden))
    first = len(reference)
    lip = _linear(state, "mouse_keypoint_map", tokens[first : first + len(mel)])
    jaw = _linear(state, "jaw_keypoint_map", tokens[first + len(mel) :])
    return torch.cat([jaw, lip], 1).reshape(len(mel), 57, 2)


def _encode(state: dict[str, Tensor], name: str, values: Tensor) -> Tensor:
    convolve = F.conv2d if name == "mel_encoder" else F.conv1d
    blocks = ENCODERS[name]
    for number, (_, _, _, stride, padding, is_residual) in enumerate(blocks):
        at = f"{name}.{number}.conv_block"
        weight, bias = state[f"{at}.0.weight"], state[f"{at}.0.bias"]
        out = convolve(values, weight, bias, stride, padding)
        shape = (1, -1, *[1] * (out.ndim - 2))
        mean, variance, gain, offset = (
            state[f"{at}.1.{part}"].reshape(shape)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        out = (out - mean) / (variance + 1e-5).sqrt() * gain + offset
        out = out + values if is_residual else out
        values = out.tanh() if number == len(blocks) - 1 else out.clamp(min=0)
    return _norm(state, "Norm", values.flatten(1))


def _attend(state: dict[str, Tensor], at: str, tokens: Tensor) -> Tensor:
    mixed = tokens @ state[f"{at}.in_proj_weight"].T + state[f"{at}.in_proj_bias"]
    gathered = []
    for query, key, value in zip(
        *(part.chunk(HEADS, 1) for part in mixed.chunk(3, 1)), strict=True
    ):
        gathered.append((query @ key.T / query.shape[1] ** 0.5).softmax(1) @ value)
    return _linear(state, f"{at}.out_proj", torch.cat(gathered, 1))


def _linear(state: dict[str, Tensor], at: str, values: Tensor) -> Tensor:
    return values @ state[f"{at}.weight"].T + state[f"{at}.bias"]


def _norm(state: dict[str, Tensor], at: str, values: Tensor) -> Tensor:
    centred = values - values.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return scaled * state[f"{at}.weight"] + state[f"{at}.bias"]
