"""From what a user names to a chain that is loaded."""

import logging
from pathlib import Path

from viseme_pipeline.arguments import ChainChoice
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.default import default_folder, describe_default
from viseme_pipeline.folder import MESH, StageFiles, read_folder

logger = logging.getLogger(__name__)

DEFAULT_PRESET = "fast"


def load_chain(choice: ChainChoice) -> TalkingFace:
    """Return the chosen chain; says so when it is the embedded default.

    Raises:
        ValueError: If a stage is not there, damaged, or of another kind.
    """
    renderer = None if choice.renderer == MESH else Path(choice.renderer)
    preset = choice.preset or DEFAULT_PRESET
    if choice.motion is not None:
        files = StageFiles(
            motion=Path(choice.motion),
            pose=None if choice.pose_from is None else Path(choice.pose_from),
            renderer=renderer,
        )
    else:
        folder = default_folder() if choice.pretrained is None else Path(choice.pretrained)
        files, kept = read_folder(folder)
        preset = choice.preset or kept
        if renderer is not None:
            files = StageFiles(motion=files.motion, pose=files.pose, renderer=renderer)
        if choice.pretrained is None:
            logger.info("No --motion given: the embedded default. %s", describe_default())
    return TalkingFace.from_stages(files, preset=preset, device=choice.device)
