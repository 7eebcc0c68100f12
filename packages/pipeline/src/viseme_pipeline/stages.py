"""From what a user names to a chain that is loaded."""

import logging
from dataclasses import replace
from pathlib import Path

from viseme_core.checkpoint import read_header
from viseme_pipeline.arguments import ChainChoice
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.default import default_folder, describe, embedded_folders
from viseme_pipeline.folder import MESH, StageFiles, read_folder
from viseme_pipeline.systems import trained_here

logger = logging.getLogger(__name__)

DEFAULT_PRESET = "fast"


def load_chain(choice: ChainChoice) -> TalkingFace:
    """Return the chosen chain; says so when it is an embedded one.

    Raises:
        ValueError: If a stage is not there, damaged, or of another kind or system.
    """
    renderer = None if choice.renderer in (None, MESH) else Path(choice.renderer)
    preset = choice.preset or DEFAULT_PRESET
    if choice.motion is not None:
        files = StageFiles(
            motion=Path(choice.motion),
            pose=None if choice.pose_from is None else Path(choice.pose_from),
            renderer=renderer,
            hearing=None if choice.hearing is None else Path(choice.hearing),
        )
    else:
        folder = _embedded(choice.system) if choice.pretrained is None else Path(choice.pretrained)
        files, kept = read_folder(folder)
        preset = choice.preset or kept
        if choice.renderer is not None:
            files = replace(files, renderer=renderer)
        if choice.pretrained is None:
            what = "default" if choice.system is None else choice.system
            logger.info("No --motion given: the embedded %s. %s", what, describe(folder))
    _check_system(files, choice.system)
    return TalkingFace.from_stages(files, preset=preset, device=choice.device)


def _embedded(system: str | None) -> Path:
    """Return the folder of the weights that come with the package."""
    if system is None:
        return default_folder()
    folders = embedded_folders()
    if system in folders:
        return folders[system]
    run = trained_here("motion", system)
    remedy = (
        f"`make train-motion SYSTEM={system} SCALE=small` trains some, then give --motion "
        f"runs/motion/{system}/small"
        if run is None
        else f"give those that were trained here: --motion {run}"
    )
    raise ValueError(
        f"--system {system}: no weights of it come with viseme, only of "
        f"{', '.join(folders) or 'none'}; {remedy}"
    )


def _check_system(files: StageFiles, system: str | None) -> None:
    if system is None:
        return
    found = read_header(files.motion, stage="motion").system
    if found != system:
        raise ValueError(
            f"--system {system}: {str(files.motion)!r} holds {found}; leave --system out, or name "
            f"weights of {system}"
        )
