"""What dubbing by landmarks can be asked for, and what it needs; told before anything is loaded."""

from typing import get_args

from viseme_core.checkpoint import read_header
from viseme_pipeline.folder import StageFiles
from viseme_pipeline.wishes import Wishes
from viseme_render.talkformer.config import PresetName as DubbingPreset

SYSTEM = "talkformer"
"""The system that makes landmarks of a voice, and frames of landmarks."""
TRAINING = (
    "`make train-joint` trains landmarks and TalkFormer, or `make train-landmarks` and `make "
    "train-render SYSTEM=talkformer` one each"
)
"""What trains what dubbing needs."""

_OF_MOTION = {
    "lip": "--lip",
    "eye": "--eye",
    "rest": "--global",
    "pose": "--pose",
    "blink_rate": "--blink-rate",
    "close_in_silence": "--leave-silence",
    "seal_lips": "--leave-lips",
}
"""Wishes that only motion can grant, and their options."""


def check_wishes(wishes: Wishes) -> None:
    """Refuse wishes that mean nothing to landmarks.

    Raises:
        ValueError: If there is one.
    """
    usual = Wishes()
    for name, option in _OF_MOTION.items():
        if getattr(wishes, name) != getattr(usual, name):
            raise ValueError(
                f"{option} is for renderers that motion drives; in dubbing by landmarks eyes and "
                f"head stay the clip's own, and lips go where landmarks say: leave {option} out"
            )


def check_files(files: StageFiles) -> None:
    """Refuse stages that do not drive each other, by what their files say of themselves.

    Raises:
        ValueError: If they do not, or a file is damaged.
    """
    drawn = None if files.renderer is None else read_header(files.renderer, stage="render").system
    if files.landmarks is not None:
        read_header(files.landmarks, stage="landmarks")
        if drawn != SYSTEM:
            raise ValueError(
                f"--landmarks drives a TalkFormer stage, and --renderer {str(files.renderer)!r} "
                f"holds {drawn}, which motion drives; leave --landmarks out, or name another "
                f"renderer ({TRAINING})"
            )
    elif drawn == SYSTEM:
        raise ValueError(
            f"--renderer {str(files.renderer)!r} holds TalkFormer, which landmarks drive, not "
            f"motion; give a landmark stage by --landmarks ({TRAINING})"
        )


def dubbing_preset(name: str) -> DubbingPreset:
    """Return the preset of a name.

    Raises:
        ValueError: If dubbing has none of that name.
    """
    known: tuple[DubbingPreset, ...] = get_args(DubbingPreset)
    for preset in known:
        if name == preset:
            return preset
    raise ValueError(f"--preset {name} is for motion; dubbing by landmarks has {', '.join(known)}")
