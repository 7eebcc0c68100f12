"""The folder of a run: where it lies, what to go on from, and what may not be written over.

<run_dir>/checkpoints/last.ckpt       the newest state, to resume from
<run_dir>/checkpoints/*.ckpt          what callbacks of the user keep
<run_dir>/hpc_ckpt_<n>.ckpt           what Lightning saves when Slurm is about to requeue the job
<run_dir>/<stage>.safetensors         the finished stage
<run_dir>/config.yaml, events.out.*   full config, TensorBoard
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

CHECKPOINTS = "checkpoints"
LAST = "last.ckpt"
_EVENTS = "events.out.tfevents.*"


def default_run_dir(stage: str, configs: Sequence[str | os.PathLike[str]]) -> Path:
    """Return the folder of a run that names none: one for each config file.

    `.../configs/fd2talk/tiny.yaml` of the stage `motion` runs in `runs/motion/fd2talk/tiny`.

    Args:
        stage: Stage of the run.
        configs: Config files of the command line; the last one counts.
    """
    if not configs:
        return Path("runs", stage, "default")
    config = Path(os.path.abspath(configs[-1])).with_suffix("")
    folders = [parent.name for parent in config.parents]
    depth = folders.index("configs") if "configs" in folders else 0
    return Path("runs", stage, *config.parts[-depth - 1 :])


def find_checkpoint(given: str) -> Path:
    """Return the checkpoint that a file or the folder of a run is.

    Raises:
        ValueError: If it is a stage file, which has no optimizer, or a folder without `last.ckpt`.
    """
    path = Path(given).expanduser()
    if path.suffix == ".safetensors":
        raise ValueError(
            f"{path} is a stage file: it holds weights, but neither optimizer nor step to go on "
            "from; give its weights by --init_from, or the checkpoint of its run by --ckpt_path"
        )
    if not path.is_dir():
        return path
    found = find_last(path)
    if found is None:
        raise ValueError(f"{path} holds no checkpoint, neither in itself nor in {CHECKPOINTS}/")
    return found


def find_last(folder: Path) -> Path | None:
    """Return the `last.ckpt` of a run's folder, None if the folder holds no checkpoint at all.

    Raises:
        ValueError: If it holds other checkpoints only; which one is meant is not guessed.
    """
    for path in (folder / CHECKPOINTS / LAST, folder / LAST):
        if path.is_file():
            return path
    others = _checkpoints(folder) or sorted(folder.glob("*.ckpt"))
    if others:
        names = ", ".join(str(path.relative_to(folder)) for path in others)
        raise ValueError(f"{folder} has no {LAST}, but {names}; name one of them by --ckpt_path")
    return None


def is_requeued() -> bool:
    """Return whether Slurm has started this job before."""
    return os.environ.get("SLURM_RESTART_COUNT", "0") not in ("", "0")


def find_own_newest(run_dir: Path) -> Path | None:
    """Return the newest state that a requeued job left: `last.ckpt` or Slurm's own."""
    own = [run_dir / CHECKPOINTS / LAST, *run_dir.glob("hpc_ckpt_*.ckpt")]
    found = [path for path in own if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def refuse_old_run(run_dir: Path, stages: Iterable[str]) -> None:
    """Refuse to start a new run where an old one lies.

    Args:
        run_dir: Folder of the new run.
        stages: Names of the stage files that it will write.
    """
    if _checkpoints(run_dir) or _stage_files(run_dir, stages):
        raise ValueError(
            f"{run_dir} holds a run already: go on with it by --ckpt_path last, choose another "
            "--run_dir, or start anew over it by --overwrite true"
        )


def remove_old_run(run_dir: Path, stages: Iterable[str]) -> None:
    """Remove checkpoints, stage files and TensorBoard events of an old run, and nothing else."""
    for path in (*_checkpoints(run_dir), *_stage_files(run_dir, stages), *run_dir.glob(_EVENTS)):
        path.unlink()


def _checkpoints(run_dir: Path) -> list[Path]:
    found = (*(run_dir / CHECKPOINTS).glob("*.ckpt"), *run_dir.glob("hpc_ckpt_*.ckpt"))
    return sorted(path for path in found if path.is_file() or path.is_symlink())


def _stage_files(run_dir: Path, stages: Iterable[str]) -> list[Path]:
    paths = (run_dir / f"{stage}.safetensors" for stage in stages)
    return [path for path in paths if path.is_file()]
