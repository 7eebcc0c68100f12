"""Names and shapes of the tensors in the public weight files, from their authors' classes."""

from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import nn

Shapes = dict[str, tuple[int, ...]]


def norm(name: str, width: int) -> Shapes:
    wide = {f"{name}.{k}": (width,) for k in ("weight", "bias", "running_mean", "running_var")}
    return {**wide, f"{name}.num_batches_tracked": ()}


def layer(name: str, *shape: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": shape, **({f"{name}.bias": shape[:1]} if bias else {})}


def syncnet() -> Shapes:
    table: Shapes = {}
    heard = [(0, 64, 1, 3, 3), (4, 192, 64, 3, 3), (8, 384, 192, 3, 3), (11, 256, 384, 3, 3)]
    heard += [(14, 256, 256, 3, 3), (18, 512, 256, 5, 4)]
    seen = [(0, 96, 3, 5, 7, 7), (4, 256, 96, 1, 5, 5), (8, 256, 256, 1, 3, 3)]
    seen += [(11, 256, 256, 1, 3, 3), (14, 256, 256, 1, 3, 3), (18, 512, 256, 1, 6, 6)]
    for part, layers in (("netcnnaud", heard), ("netcnnlip", seen)):
        for index, *shape in layers:
            table |= layer(f"{part}.{index}", *shape) | norm(f"{part}.{index + 1}", shape[0])
    for part in ("netfcaud", "netfclip"):
        table |= layer(f"{part}.0", 512, 512) | norm(f"{part}.1", 512)
        table |= layer(f"{part}.3", 1024, 512)
    return table


def expert() -> Shapes:
    face = [(32, 15, 7), (64, 32, 5), (64, 64, 3), (64, 64, 3), (128, 64, 3)]
    face += [(128, 128, 3)] * 3 + [(256, 128, 3)] + [(256, 256, 3)] * 2 + [(512, 256, 3)]
    face += [(512, 512, 3)] * 4 + [(512, 512, 1)]
    audio = [(32, 1, 3), (32, 32, 3), (32, 32, 3), (64, 32, 3), (64, 64, 3), (64, 64, 3)]
    audio += [(128, 64, 3), (128, 128, 3), (128, 128, 3), (256, 128, 3), (256, 256, 3)]
    audio += [(256, 256, 3), (512, 256, 3), (512, 512, 1)]
    table: Shapes = {}
    for part, blocks in (("face_encoder", face), ("audio_encoder", audio)):
        for index, (made, given, kernel) in enumerate(blocks):
            name = f"{part}.{index}.conv_block"
            table |= layer(f"{name}.0", made, given, kernel, kernel) | norm(f"{name}.1", made)
    return table


def iresnet(depths: tuple[int, ...]) -> Shapes:
    table = layer("conv1", 64, 3, 3, 3, bias=False) | norm("bn1", 64) | {"prelu.weight": (64,)}
    given = 64
    for stage, depth in enumerate(depths):
        width = 64 * 2**stage
        for index in range(depth):
            name = f"layer{stage + 1}.{index}"
            table |= norm(f"{name}.bn1", given) | norm(f"{name}.bn2", width)
            table |= norm(f"{name}.bn3", width) | {f"{name}.prelu.weight": (width,)}
            table |= layer(f"{name}.conv1", width, given, 3, 3, bias=False)
            table |= layer(f"{name}.conv2", width, width, 3, 3, bias=False)
            if index == 0:
                table |= layer(f"{name}.downsample.0", width, given, 1, 1, bias=False)
                table |= norm(f"{name}.downsample.1", width)
            given = width
    table |= norm("bn2", 512) | layer("fc", 512, 25088) | norm("features", 512)
    return table


def ir_se50() -> Shapes:
    table = layer("input_layer.0", 64, 3, 3, 3, bias=False) | norm("input_layer.1", 64)
    table |= {"input_layer.2.weight": (64,)}
    widths = [64] * 3 + [128] * 4 + [256] * 14 + [512] * 3
    for index, (given, width) in enumerate(zip([64, *widths], widths, strict=False)):
        name = f"body.{index}"
        if given != width:
            table |= layer(f"{name}.shortcut_layer.0", width, given, 1, 1, bias=False)
            table |= norm(f"{name}.shortcut_layer.1", width)
        table |= norm(f"{name}.res_layer.0", given) | norm(f"{name}.res_layer.4", width)
        table |= layer(f"{name}.res_layer.1", width, given, 3, 3, bias=False)
        table |= {f"{name}.res_layer.2.weight": (width,)}
        table |= layer(f"{name}.res_layer.3", width, width, 3, 3, bias=False)
        table |= layer(f"{name}.res_layer.5.fc1", width // 16, width, 1, 1, bias=False)
        table |= layer(f"{name}.res_layer.5.fc2", width, width // 16, 1, 1, bias=False)
    table |= norm("output_layer.0", 512) | layer("output_layer.3", 512, 25088)
    return table | norm("output_layer.4", 512)


def torchvision_shapes(build: Callable[..., nn.Module], **options: Any) -> Shapes:
    with torch.device("meta"):
        state = build(weights=None, **options).state_dict()
    return {name: tuple(value.shape) for name, value in state.items()}


def resnet(kind: str, prefix: str = "") -> Shapes:
    shapes = torchvision_shapes(getattr(torchvision.models, kind))
    return {prefix + name: shape for name, shape in shapes.items() if not name.startswith("fc.")}


def hopenet() -> Shapes:
    table = resnet("resnet50") | layer("fc_finetune", 3, 2051)
    for angle in ("yaw", "pitch", "roll"):
        table |= layer(f"fc_{angle}", 66, 2048)
    return table


def deep3d() -> Shapes:
    table = resnet("resnet50", "backbone.")
    for index, width in enumerate((80, 64, 80, 3, 27, 2, 1)):
        table |= layer(f"final_layers.{index}", width, 2048, 1, 1)
    return table


def emotion_fan() -> Shapes:
    table = resnet("resnet18") | layer("alpha.0", 1, 512) | layer("beta.0", 1, 1024)
    return table | layer("pred_fc1", 7, 512) | layer("pred_fc2", 7, 1024)


def stable_syncnet() -> Shapes:
    table: Shapes = {}
    encoders = {
        "audio_encoder": (1, [32, 64, 128, 256, 512, 1024, 2048], [0, 0, 0, 1, 1, 0, 0], [3]),
        "visual_encoder": (
            48, [64, 128, 256, 256, 512, 1024, 2048, 2048], [0, 0, 0, 0, 1, 1, 0, 0], [],
        ),
    }  # fmt: skip
    for part, (given, widths, attention, same_size) in encoders.items():
        table |= layer(f"{part}.conv_in", widths[0], given, 3, 3)
        place, before = 0, widths[0]
        for index, width in enumerate(widths):
            name = f"{part}.down_blocks.{place}"
            table |= layer(f"{name}.norm1", before) | layer(f"{name}.norm2", width)
            table |= layer(f"{name}.conv1", width, before, 3, 3)
            table |= layer(f"{name}.conv2", width, width, 3, 3)
            if before != width:
                table |= layer(f"{name}.conv_shortcut", width, before, 1, 1)
            if index not in same_size:
                table |= layer(f"{name}.downsample_conv", width, width, 3, 3)
            if attention[index]:
                place += 1
                name = f"{part}.down_blocks.{place}"
                for k in (1, 2, 3):
                    table |= layer(f"{name}.norm{k}", width)
                for k in ("to_q", "to_k", "to_v", "to_out.0"):
                    table |= layer(f"{name}.attn.{k}", width, width)
                table |= layer(f"{name}.ff.net.0.proj", 8 * width, width)
                table |= layer(f"{name}.ff.net.2", width, 4 * width)
                table |= layer(f"{name}.conv_in", width, width, 1, 1)
                table |= layer(f"{name}.conv_out", width, width, 1, 1)
            place, before = place + 1, width
        table |= layer(f"{part}.norm_out", widths[-1])
    return table


FILES: dict[str, tuple[int, Callable[[], Shapes], str]] = {
    # Number of tensors, their shapes, key of the checkpoint they lie under.
    "syncnet_v2": (102, syncnet, ""),
    "wav2lip_expert": (217, expert, "state_dict"),
    "stable_syncnet": (266, stable_syncnet, "state_dict"),
    "arcface_r50": (475, lambda: iresnet((3, 4, 14, 3)), ""),
    "arcface_r100": (925, lambda: iresnet((3, 13, 30, 3)), ""),
    "ir_se50": (397, ir_se50, ""),
    "hopenet": (326, hopenet, ""),
    "inception_fid": (
        566,
        lambda: torchvision_shapes(
            torchvision.models.inception_v3, num_classes=1008, aux_logits=False, init_weights=False
        ),
        "",
    ),
    "lpips_alex": (16, lambda: torchvision_shapes(torchvision.models.alexnet), ""),
    "lpips_vgg": (32, lambda: torchvision_shapes(torchvision.models.vgg16), ""),
    "lpips_squeeze": (52, lambda: torchvision_shapes(torchvision.models.squeezenet1_1), ""),
    "deep3d": (332, deep3d, "net_recon"),
    "fairface": (218, lambda: torchvision_shapes(torchvision.models.resnet34, num_classes=18), ""),
    "emotion_fan": (128, emotion_fan, "state_dict"),
}
UNREAD = {name: "classifier." for name in ("lpips_alex", "lpips_vgg", "lpips_squeeze")}
