"""The command line of joint training.

python -m viseme_pipeline fit --config packages/pipeline/configs/tiny.yaml
python -m viseme_pipeline fit --config ... --landmarks_from runs/landmarks/tiny --render_from FILE
torchrun --nproc-per-node 2 -m viseme_pipeline fit --config ... --trainer.devices 2
python -m viseme_pipeline validate --config ... --ckpt_path last
"""

import logging
from collections.abc import Sequence
from typing import Any

from lightning.pytorch.cli import LightningArgumentParser

from viseme_core.train.cli import StageCLI
from viseme_pipeline.datamodule import JointDataModule
from viseme_pipeline.module import LANDMARKS, RENDER, JointModule

logger = logging.getLogger(__name__)

_PARTS = {"landmarks_from": LANDMARKS, "render_from": RENDER}


class JointCLI(StageCLI):
    """Trains landmark completion and TalkFormer together, from scratch or from what was trained."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add where the weights of each stage come from."""
        super().add_arguments_to_parser(parser)
        for name, stage in _PARTS.items():
            parser.add_argument(
                f"--{name}",
                type=str | None,
                default=None,
                help=f"Stage file, checkpoint or run folder of the stage '{stage}' whose weights a "
                "new run starts from; its settings must be those of this run. --init_from takes a "
                "checkpoint of joint training instead.",
            )

    def after_instantiate_classes(self) -> None:
        """Load the stages that a new run starts from."""
        super().after_instantiate_classes()
        module: Any = self.model
        for name, stage in _PARTS.items():
            path = self._get(self.config_init, name)
            if not path:
                continue
            if self._get(self.config_init, "ckpt_path"):
                logger.info("--%s is left alone: the run goes on from its checkpoint", name)
                continue
            self._checked(lambda stage=stage, path=path: module.load_part(stage, path))
            logger.info("weights of %s from %s", stage, path)


def main(args: Sequence[str]) -> int:
    """Run `fit` or `validate` and return the exit code."""
    JointCLI(JointModule, JointDataModule, args=list(args))
    return 0
