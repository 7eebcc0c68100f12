"""The command line of the render stage.

python -m viseme_render fit --config packages/render/configs/pirender/tiny.yaml
python -m viseme_render test --config ... --ckpt_path runs/render/pirender/tiny
python -m viseme_render predict --config ... --ckpt_path runs/render/pirender/tiny
python -m viseme_render import checkpoint.pt BFM_model_front.mat pirender.safetensors
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import auto_cli

from viseme_core.checkpoint import StageHeader, save_stage
from viseme_core.train.cli import StageCLI, offer
from viseme_core.train.refusal import is_mendable, refuse
from viseme_core.train.systems import stored_config
from viseme_face import MorphableModel
from viseme_render.config import STAGE, RenderConfig
from viseme_render.datamodule import RenderDataModule
from viseme_render.module import RenderModule
from viseme_render.pirender.public import read_public


class RenderCLI(StageCLI):
    """Trains, validates and tests renderers, and draws the clips of the test split."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return the verbs."""
        return offer("fit", "validate", "test", "predict")


def import_public(checkpoint: Path, face_model: Path, out: Path) -> None:
    """Write a stage file of a checkpoint that PIRender's authors publish.

    Args:
        checkpoint: Their file, with `net_G_ema` in it.
        face_model: The Basel model: `BFM_model_front.mat`, the raw files, or their folder.
        out: Stage file to write, ending in .safetensors.
    """
    name = MorphableModel.from_basel(face_model).name
    model = read_public(checkpoint)
    config = RenderConfig(system="pirender", pirender=model.config, face_model=name)
    header = StageHeader(
        stage=STAGE, system="pirender", config=stored_config(config), face_model=name
    )
    save_stage(out, model.state_dict(), header)
    print(f"wrote {out}, which draws motion of {name}")


def main(args: Sequence[str] | None = None) -> None:
    """Run a command; `import` reads a public checkpoint."""
    args = list(sys.argv[1:] if args is None else args)
    if args[:1] == ["import"]:
        try:
            auto_cli(import_public, args=args[1:], prog="python -m viseme_render import")
        except Exception as error:
            if not is_mendable(error):
                raise
            refuse(error)
        return
    RenderCLI(RenderModule, RenderDataModule, args=args)
