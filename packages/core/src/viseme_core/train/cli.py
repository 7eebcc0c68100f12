"""One command line for every stage, on LightningCLI: `fit`, `validate`, `test`, `predict`."""

import logging
import sys
from pathlib import Path
from typing import Any

from jsonargparse import set_parsing_settings
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from viseme_core.checkpoint import load_stage, load_weights
from viseme_core.train.callbacks import (
    NonFiniteGuard,
    RunSummary,
    SampleLogger,
    StageExport,
    StageThroughput,
    StepSeed,
)
from viseme_core.train.module import StageModule

logger = logging.getLogger(__name__)

_NO_WEIGHTS_ONLY = {"weights_only"}
# Values of --ckpt_path that are no files: Lightning looks for what they mean.
_LIGHTNING_NAMES = ("last", "best", "hpc", "registry")


class StageCLI(LightningCLI):
    """Builds and runs one stage from YAML and the command line.

    A run lives in one folder, `--run_dir`: TensorBoard logs, the full config, checkpoints, and at
    the end the stage file. `--ckpt_path FILE` (or `last`) resumes exactly: what the checkpoint
    stores of the model's config beats the command line. `--init_from FILE` starts a new run from
    old weights.

    Args:
        module_class: The stage's `StageModule`.
        datamodule_class: The stage's datamodule; with `subclass_mode_data` any subclass of it can
            be named in YAML by `class_path`.
        args: Arguments instead of `sys.argv`.
        options: Passed on to LightningCLI.
    """

    def __init__(
        self,
        module_class: type[StageModule],
        datamodule_class: type,
        *,
        args: ArgsType = None,
        **options: Any,
    ) -> None:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        # The docstring under each config field is its help text.
        set_parsing_settings(docstring_parse_attribute_docstrings=True)
        self.stage = module_class.stage
        super().__init__(
            module_class,
            datamodule_class,
            args=args,
            seed_everything_default=0,
            save_config_kwargs={"overwrite": True},
            # Our own checkpoints say what they are; parsed class paths would not load elsewhere.
            load_from_checkpoint_support=False,
            auto_configure_optimizers=False,
            trainer_defaults={
                # ResumableLoader already gives every process its share.
                "use_distributed_sampler": False,
                "log_every_n_steps": 10,
            },
            **options,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return the verbs; `weights_only` is no choice here: pickles are never trusted."""
        return {
            name: skipped | _NO_WEIGHTS_ONLY for name, skipped in LightningCLI.subcommands().items()
        }

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what belongs to a run rather than to the trainer."""
        parser.add_argument(
            "--run_dir",
            type=str,
            default=f"runs/{self.stage}",
            help="Folder of this run: logs, config, checkpoints and the finished stage file.",
        )
        parser.add_argument(
            "--init_from",
            type=str | None,
            default=None,
            help="Stage file or checkpoint whose weights a new run starts from; to go on with an "
            "old run use --ckpt_path, which restores optimizer, step and config too.",
        )
        parser.add_argument(
            "--overwrite",
            type=bool,
            default=False,
            help="Start anew in a folder that holds a run already.",
        )
        parser.add_argument(
            "--save_every",
            type=int,
            default=1000,
            help="Steps between checkpoints; the newest is kept, for --ckpt_path last.",
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, and refuse a checkpoint that is broken or of another stage before using it."""
        super().parse_arguments(parser, args)
        config = self.config.get(str(self.config.get("subcommand")), self.config)
        path = config.get("ckpt_path")
        newest = Path(config.run_dir) / "checkpoints" / "last.ckpt"
        if path == "last" and newest.is_file():
            # Named, so that its stored config is read too; without one the run starts from zero.
            path = config["ckpt_path"] = str(newest)
        if path and path not in _LIGHTNING_NAMES:
            self._checked(lambda: load_stage(path, stage=self.stage))
        if self.config.get("subcommand") == "fit" and not path and not config.overwrite:
            self._checked(lambda: _refuse_old_run(Path(config.run_dir)))

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """Return the trainer with this project's logger, checkpoints and callbacks."""
        run_dir = Path(self._get(self.config_init, "run_dir"))
        trainer = self._get(self.config_init, "trainer")
        kwargs.setdefault("default_root_dir", str(run_dir))
        if trainer.get("logger") is None:
            kwargs["logger"] = TensorBoardLogger(run_dir.parent, name=run_dir.name, version="")
        given = trainer.get("callbacks") or []
        given = given if isinstance(given, list) else [given]
        ours: list[Any] = [RunSummary(), StepSeed(), NonFiniteGuard(), StageThroughput()]
        ours += (
            [LearningRateMonitor(), SampleLogger()] if trainer.get("logger") is not False else []
        )
        if trainer.get("enable_checkpointing") is not False:
            ours.append(StageExport())
            if not any(isinstance(callback, ModelCheckpoint) for callback in given):
                ours.append(self._checkpointing(run_dir))
        kinds = {type(callback) for callback in given}
        self.trainer_defaults["callbacks"] = [c for c in ours if type(c) not in kinds]
        return super().instantiate_trainer(**kwargs)

    def after_instantiate_classes(self) -> None:
        """Load the weights that `--init_from` names."""
        path = self._get(self.config_init, "init_from")
        if path:
            if self._get(self.config_init, "ckpt_path"):
                self.parser.error("--init_from starts a new run, --ckpt_path resumes one: give one")
            self._checked(lambda: self._init_from(path))

    def _init_from(self, path: str) -> None:
        found = load_stage(path, stage=self.stage)
        load_weights(self.model.model, found.tensors)
        logger.info("weights from %s", path)

    def _checkpointing(self, run_dir: Path) -> ModelCheckpoint:
        return ModelCheckpoint(
            dirpath=run_dir / "checkpoints",
            every_n_train_steps=self._get(self.config_init, "save_every"),
            # Nothing but the newest, `last.ckpt`, replaced at one stroke.
            save_top_k=0,
            save_last=True,
            enable_version_counter=False,
        )

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        # Lightning leaves the choice to torch for files and trusts pickles from addresses.
        return super()._prepare_subcommand_kwargs(subcommand) | {"weights_only": True}

    def _checked(self, action: Any) -> None:
        try:
            action()
        except (ValueError, OSError) as error:
            sys.stderr.write(f"error: {error}\n")
            raise SystemExit(2) from error


@rank_zero_only
def _refuse_old_run(run_dir: Path) -> None:
    if any((run_dir / "checkpoints").glob("*.ckpt")):
        raise ValueError(
            f"{run_dir} holds a run already: go on with it by --ckpt_path last, choose another "
            "--run_dir, or start anew over it by --overwrite true"
        )
