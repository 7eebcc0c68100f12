"""From what a user names to a chain that is loaded."""

import logging
from dataclasses import replace
from pathlib import Path

from viseme_pipeline.arguments import ChainChoice
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.default import default_folder, describe, embedded_folders
from viseme_pipeline.dubbing_rules import SYSTEM, TRAINING, check_files
from viseme_pipeline.folder import MESH, StageFiles, read_folder
from viseme_pipeline.systems import pair_trained_here, trained_here

logger = logging.getLogger(__name__)

DEFAULT_PRESET = "fast"


def load_chain(choice: ChainChoice) -> TalkingFace:
    """Return the chosen chain; says so when it is an embedded one.

    Raises:
        ValueError: If a stage is not there, damaged, or of another kind or system.
    """
    renderer = None if choice.renderer in (None, MESH) else Path(choice.renderer)
    preset = choice.preset or DEFAULT_PRESET
    embedded = None
    if choice.motion is not None or choice.landmarks is not None:
        files = StageFiles(
            motion=_path(choice.motion),
            landmarks=_path(choice.landmarks),
            pose=_path(choice.pose_from),
            renderer=renderer,
            hearing=_path(choice.hearing),
            autoencoder=_path(choice.autoencoder),
        )
    else:
        folder = _path(choice.pretrained)
        if folder is None:
            folder = embedded = _embedded(choice.system)
        files, kept = read_folder(folder)
        preset = choice.preset or kept
        if choice.renderer is not None:
            files = replace(files, renderer=renderer)
    check_files(files)
    _check_system(files, choice.system)
    if embedded is not None:
        what = "default" if choice.system is None else choice.system
        logger.info("No --motion given: the embedded %s. %s", what, describe(embedded))
    return TalkingFace.from_stages(files, preset=preset, device=choice.device)


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)


def _embedded(system: str | None) -> Path:
    """Return the folder of the weights that come with the package."""
    if system is None:
        return default_folder()
    folders = embedded_folders()
    if system in folders:
        return folders[system]
    known = ", ".join(folders) or "none"
    none = f"--system {system}: no weights of it come with viseme, only of {known}"
    if system == SYSTEM:
        raise ValueError(f"{none}; {_dubbing_remedy()}")
    run = trained_here("motion", system)
    remedy = (
        f"`make train-motion SYSTEM={system} SCALE=small` trains some, then give --motion "
        f"runs/motion/{system}/small"
        if run is None
        else f"give those that were trained here: --motion {run}"
    )
    raise ValueError(f"{none}; {remedy}")


def _dubbing_remedy() -> str:
    pair = pair_trained_here()
    if pair is None:
        return f"{TRAINING}; then give --landmarks RUN --renderer RUN beside --video"
    return f"give those that were trained here: --landmarks {pair[0]} --renderer {pair[1]}"


def _check_system(files: StageFiles, system: str | None) -> None:
    if system is None:
        return
    if files.system != system:
        raise ValueError(
            f"--system {system}: {str(files.motion or files.renderer)!r} holds {files.system}; "
            f"leave --system out, or name weights of {system}"
        )
