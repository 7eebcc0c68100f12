"""The command line of autoencoders.

python -m viseme_render.autoencoder fit --config packages/render/configs/autoencoder/tiny.yaml
python -m viseme_render.autoencoder validate --config ... --ckpt_path last
python -m viseme_render.autoencoder import kl-f4.ckpt kl-f4.safetensors --data prepared/faces
"""

import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from jsonargparse import auto_cli

from viseme_core.train.cli import StageCLI
from viseme_core.train.refusal import is_mendable, refuse
from viseme_data.windows import to_float_frames
from viseme_render.autoencoder.datamodule import PictureDataModule
from viseme_render.autoencoder.module import AutoencoderModule
from viseme_render.autoencoder.net import Autoencoder
from viseme_render.autoencoder.saving import save_autoencoder
from viseme_render.datamodule import RenderDataConfig, resized

_PICTURES, _SIZE = 64, 256


def import_weights(
    source: Path, out: Path, data: Path | None = None, scale_factor: float | None = None
) -> None:
    """Write a stage file of an autoencoder of diffusers or latent-diffusion.

    Args:
        source: Folder of diffusers, or checkpoint of latent-diffusion.
        out: Stage file to write, ending in .safetensors.
        data: Prepared clips on whose training pictures the scale of the latents is measured.
        scale_factor: That scale, where it is known; what the file says is overruled by either.
    """
    if data is not None and scale_factor is not None:
        raise ValueError("--data measures the scale, --scale_factor says it: give one of them")
    # Measured latents must not be scaled by anything.
    given = 1.0 if data is not None else scale_factor
    autoencoder = Autoencoder.from_checkpoint(source, scale_factor=given)
    if data is not None:
        autoencoder.set_scale(_deviation(autoencoder, data))
    save_autoencoder(autoencoder, out)
    net, scale = autoencoder.config, float(autoencoder.scale_factor)
    print(
        f"wrote {out}: {net.kind}, factor {net.factor}, {net.latent_channels} channels, {scale:.5f}"
    )


@torch.no_grad()
def _deviation(autoencoder: Autoencoder, data: Path) -> torch.Tensor:
    config = RenderDataConfig(path=str(data), frames=1, batch_size=1, num_workers=0)
    loader = PictureDataModule(config).train_dataloader()
    found = [
        autoencoder.raw_latents(resized(to_float_frames(batch.frames_BT3HW.flatten(0, 1)), _SIZE))
        for batch in islice(loader, _PICTURES)
    ]
    return torch.cat(found).std()


def main(args: Sequence[str] | None = None) -> None:
    """Run a command: `fit`, `validate`, or `import`, which reads weights of others."""
    args = list(sys.argv[1:] if args is None else args)
    if args[:1] != ["import"]:
        StageCLI(AutoencoderModule, PictureDataModule, args=args)
        return
    try:
        auto_cli(import_weights, args=args[1:], prog="python -m viseme_render.autoencoder import")
    except Exception as error:
        if not is_mendable(error):
            raise
        refuse(error)
