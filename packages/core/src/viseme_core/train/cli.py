"""One command line for every stage, on LightningCLI: `fit`, `validate` and what a stage adds."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonargparse import Namespace, set_parsing_settings
from lightning.pytorch.callbacks import Checkpoint, LearningRateMonitor
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import distributed

from viseme_core.checkpoint import StageHeader, load_stage, load_weights
from viseme_core.train import run_folder
from viseme_core.train.callbacks import RunSummary, SampleLogger, StageThroughput, StepSeed
from viseme_core.train.module import StageModule
from viseme_core.train.refusal import is_mendable, refuse
from viseme_core.train.resume import check_fits, check_resumed
from viseme_core.train.saving import LastCheckpoint, NonFiniteGuard, RunConfig, StageExport

logger = logging.getLogger(__name__)

_LOGGER_DIR = "trainer.logger.init_args.save_dir"


class StageCLI(LightningCLI):
    """Builds and runs one stage from YAML and the command line.

    A run lives in one folder, `--run_dir`: TensorBoard logs, the full config, checkpoints, and at
    the end the stage file. `--ckpt_path FILE` (or `last`) resumes exactly: what the checkpoint
    stores of the model's config beats the command line. `--init_from FILE` starts a new run from
    old weights. Other commands take their weights from either.

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
        _configure_logging()
        # The docstring under each config field is its help text.
        set_parsing_settings(docstring_parse_attribute_docstrings=True)
        self.stage = module_class.stage
        self._resumed: StageHeader | None = None
        had_group = distributed.is_available() and distributed.is_initialized()
        super().__init__(
            module_class,
            datamodule_class,
            args=args,
            seed_everything_default=0,
            save_config_callback=RunConfig,
            save_config_kwargs={"save_to_log_dir": False},
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
        if not had_group and distributed.is_available() and distributed.is_initialized():
            # Lightning leaves it open; gloo's threads, alive at exit, now and then abort a process
            # whose work is done.
            distributed.destroy_process_group()

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return the verbs with the arguments of the Trainer's that are not offered.

        A stage whose module has `test_step` or `predict_step` offers `test` or `predict` too.
        """
        return offer("fit", "validate")

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what belongs to a run rather than to the trainer."""
        parser.add_argument(
            "--run_dir",
            type=str | None,
            default=None,
            help="Folder of this run: logs, config, checkpoints and the finished stage file. When "
            f"left out, runs/{self.stage}/ and the config file's path below its folder 'configs'.",
        )
        parser.add_argument(
            "--ckpt_path",
            type=str | None,
            default=None,
            help="Checkpoint, folder of a run, or 'last' of this --run_dir. fit resumes exactly: "
            "optimizer, step, order of data and seed; the model's settings that it stores beat the "
            "command line. Other commands look at its weights.",
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
            help="Start anew in a folder that holds a run already: its checkpoints, stage files "
            "and TensorBoard events are removed.",
        )
        parser.add_argument(
            "--save_every",
            type=int,
            default=1000,
            help="Steps between checkpoints; the newest is kept, for --ckpt_path last.",
        )
        # Filled in by parse_arguments where the folder is not given.
        parser.link_arguments("run_dir", _LOGGER_DIR, compute_fn=lambda given: given or "")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, find the run's folder and checkpoint, and refuse a checkpoint that cannot be used.

        Paths stand in the config as they were found, so that the saved config says them.
        """
        # Not LightningCLI's own, which warns of every program that gives `args`, as ours do.
        is_parsed = isinstance(args, dict | Namespace)
        self.config = parser.parse_object(args) if is_parsed else parser.parse_args(args)
        verb = self.config.get("subcommand")
        config = self.config.get(str(verb), self.config)
        run_dir = self._find_run_dir(config)
        config.run_dir = str(run_dir)
        for each in _as_list(config.trainer.logger):
            if isinstance(each, Namespace) and "init_args.save_dir" in each:
                each.init_args.save_dir = str(run_dir)
        if config.init_from:
            config.init_from = str(Path(config.init_from).expanduser())
        self._checked(lambda: self._choose_checkpoint(config, run_dir, verb))
        if config.ckpt_path:
            self._checked(lambda: self._check_resumed(config))

    def instantiate_classes(self) -> None:
        """Build module, data and trainer; what a config refuses ends as a sentence."""
        self._checked(super().instantiate_classes)

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """Return the trainer with this project's logger, checkpoints and callbacks."""
        run_dir = Path(self._get(self.config_init, "run_dir"))
        trainer = self._get(self.config_init, "trainer")
        if trainer.get("default_root_dir") not in (None, str(run_dir)):
            logger.warning("trainer.default_root_dir is overruled by run_dir, %s", run_dir)
        kwargs["default_root_dir"] = str(run_dir)
        given = _as_list(trainer.get("callbacks"))
        has_logger = trainer.get("logger") is not False
        if self.subcommand != "fit":
            kwargs["logger"] = trainer.get("logger") or False
            kwargs["enable_checkpointing"] = any(isinstance(c, Checkpoint) for c in given)
            self.trainer_defaults["callbacks"] = []
            return super().instantiate_trainer(**kwargs)
        if trainer.get("logger") in (None, True):
            kwargs["logger"] = TensorBoardLogger(run_dir.parent, name=run_dir.name, version="")
        ours: list[Any] = [RunSummary(), StepSeed(), NonFiniteGuard(), StageThroughput()]
        ours += [LearningRateMonitor(), SampleLogger()] if has_logger else []
        if trainer.get("enable_checkpointing") is not False and not trainer.get("fast_dev_run"):
            save_every = self._get(self.config_init, "save_every")
            ours += [LastCheckpoint(run_dir / run_folder.CHECKPOINTS, save_every), StageExport()]
        kinds = {type(callback) for callback in given}
        self.trainer_defaults["callbacks"] = [c for c in ours if type(c) not in kinds]
        return super().instantiate_trainer(**kwargs)

    def after_instantiate_classes(self) -> None:
        """Compare the module with the checkpoint it goes on from, or load `--init_from`."""
        resumed, checkpoint = self._resumed, self._get(self.config_init, "ckpt_path")
        if resumed is not None:
            self._checked(lambda: check_fits(resumed, self.model.header(), checkpoint))
        path = self._get(self.config_init, "init_from")
        if path:
            self._checked(lambda: self._init_from(path))

    def before_fit(self) -> None:
        """Keep an old run in the folder from being written over, or remove it if told to."""
        if not self._get(self.config_init, "trainer").get("fast_dev_run"):
            self._checked(self._prepare_folder)

    def _find_run_dir(self, config: Namespace) -> Path:
        if config.run_dir is not None:
            return Path(config.run_dir).expanduser()
        files = [str(file) for file in config.get("config") or []]
        return run_folder.default_run_dir(self.stage, files)

    def _choose_checkpoint(self, config: Namespace, run_dir: Path, verb: str | None) -> None:
        own = run_folder.find_own_newest(run_dir)
        if verb == "fit" and own and run_folder.is_requeued():
            logger.info("Slurm requeued this job: going on from %s", own)
            config.ckpt_path, config.init_from, config.overwrite = str(own), None, False
            return
        if config.ckpt_path and config.init_from:
            raise ValueError("--init_from starts a new run, --ckpt_path resumes one: give one")
        if config.ckpt_path == "last":
            last = run_folder.find_last(run_dir)
            if last is None and verb == "fit":
                logger.info("%s holds no checkpoint: starting from the beginning", run_dir)
            config.ckpt_path = None if last is None else str(last)
        elif config.ckpt_path:
            config.ckpt_path = str(run_folder.find_checkpoint(config.ckpt_path))
        if verb != "fit" and not (config.ckpt_path or config.init_from):
            raise ValueError(
                f"{verb} needs weights, and {run_dir} holds no checkpoint: give a checkpoint by "
                "--ckpt_path, or a stage file by --init_from with the config it was trained with"
            )

    def _check_resumed(self, config: Namespace) -> None:
        self._resumed = check_resumed(config, self.stage)

    def _init_from(self, path: str) -> None:
        found = load_stage(path, stage=self.stage)
        check_fits(found.header, self.model.header(), path)
        load_weights(self.model.model, found.tensors)
        self.model.on_weights_from(found.header)
        logger.info("weights from %s", path)

    @rank_zero_only
    def _prepare_folder(self) -> None:
        config = self.config_init[str(self.subcommand)]
        run_dir, checkpoint = Path(config.run_dir), config.ckpt_path
        stages = self.model.stage_files()
        if checkpoint and run_dir.resolve() in Path(checkpoint).resolve().parents:
            if config.overwrite:
                raise ValueError(
                    f"--overwrite would remove {checkpoint}, which --ckpt_path resumes"
                )
        elif config.overwrite:
            run_folder.remove_old_run(run_dir, stages)
        else:
            run_folder.refuse_old_run(run_dir, stages)

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        # Lightning leaves the choice to torch for files and trusts pickles from addresses.
        ours = {"ckpt_path": self._get(self.config_init, "ckpt_path"), "weights_only": True}
        return super()._prepare_subcommand_kwargs(subcommand) | ours

    def _run_subcommand(self, subcommand: str) -> None:
        try:
            super()._run_subcommand(subcommand)
        except Exception as error:
            if not is_mendable(error):
                raise
            has_begun = self.trainer.fit_loop.total_batch_idx >= 0
            refuse(error, on_every_process=has_begun)

    def _checked(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (ValueError, OSError) as error:
            refuse(error)


def offer(*verbs: str) -> dict[str, set[str]]:
    """Return verbs with the arguments of the Trainer's that they do not offer.

    `weights_only` is no choice: pickles are never trusted. `ckpt_path` is declared by `StageCLI`,
    with help of its own.
    """
    inherited = LightningCLI.subcommands()
    return {verb: inherited[verb] | {"weights_only", "ckpt_path"} for verb in verbs}


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _configure_logging() -> None:
    # A process other than rank zero speaks up only when something is wrong.
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    # Libraries say little of use below a warning.
    handler.addFilter(lambda r: r.levelno >= logging.WARNING or r.name.startswith("viseme"))
    level = logging.INFO if getattr(rank_zero_only, "rank", 0) == 0 else logging.ERROR
    logging.basicConfig(level=level, handlers=[handler])
