"""The command line of joint training.

python -m viseme_pipeline fit --config packages/pipeline/configs/tiny.yaml
python -m viseme_pipeline fit --config ... --landmarks_from runs/landmarks/tiny --render_from FILE
torchrun --nproc-per-node 2 -m viseme_pipeline fit --config ... --trainer.devices 2
python -m viseme_pipeline validate --config ... --ckpt_path last
python -m viseme_pipeline test --config ... --ckpt_path runs/joint/tiny
python -m viseme_pipeline test --config ... --landmarks_from FILE --render_from FILE
python -m viseme_pipeline reproduce --out runs/reproduce/talkformer
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace, auto_cli
from lightning.pytorch.cli import LightningArgumentParser

from viseme_core.train.cli import StageCLI, offer
from viseme_core.train.refusal import is_mendable, refuse
from viseme_pipeline.datamodule import JointDataModule
from viseme_pipeline.fit.reproduce import Reproduction, Scale
from viseme_pipeline.module import LANDMARKS, RENDER, JointModule

logger = logging.getLogger(__name__)

_PARTS = {"landmarks_from": LANDMARKS, "render_from": RENDER}


class JointCLI(StageCLI):
    """Trains and tests landmark completion and TalkFormer together, or as they were trained."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return the verbs."""
        return offer("fit", "validate", "test")

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add where the weights of each stage come from."""
        super().add_arguments_to_parser(parser)
        for name, stage in _PARTS.items():
            parser.add_argument(
                f"--{name}",
                type=str | None,
                default=None,
                help=f"Stage file, checkpoint or run folder of the stage '{stage}' whose weights a "
                "new run starts from, or that are looked at; its settings must be those of this "
                "run. --init_from takes a checkpoint of joint training instead.",
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

    def _choose_checkpoint(self, config: Namespace, run_dir: Path, verb: str | None) -> None:
        is_whole = all(config.get(name) for name in _PARTS)
        if verb != "fit" and is_whole and not (config.ckpt_path or config.init_from):
            # The stages' own files are weights to look at.
            return
        super()._choose_checkpoint(config, run_dir, verb)


def reproduce(
    out: Path = Path("runs/reproduce/talkformer"),
    scale: Scale = "repro",
    seeds: int = 1,
    data: Path | None = None,
    extra: tuple[str, ...] = (),
    jobs: int = 1,
) -> None:
    """Train TalkFormer with landmark completion in every row of tables III and IV; write a table.

    Args:
        out: Folder of corpus, rows and `table.md`; what is there is not done again.
        scale: `tiny` takes minutes and shows that every row runs; `repro` an hour or two.
        seeds: How often every row is trained; three say how large chance is.
        data: Prepared clips to train on; by default synthetic speakers, made at the beginning.
        extra: Further switches for every joint training, such as --trainer.max_steps=10.
        jobs: Trainings at once; with more than one, each has one thread.
    """
    table = Reproduction(out, scale, seeds, data, extra, jobs).run()
    print(table.read_text())


def main(args: Sequence[str]) -> int:
    """Run `fit`, `validate`, `test` or `reproduce` and return the exit code."""
    given = list(args)
    if given[:1] == ["reproduce"]:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        try:
            auto_cli(reproduce, args=given[1:], prog="viseme reproduce")
        except Exception as error:
            if not is_mendable(error):
                raise
            refuse(error)
        return 0
    JointCLI(JointModule, JointDataModule, args=given)
    return 0
