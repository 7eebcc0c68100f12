"""`viseme ship`: trained stages to one folder."""

from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from viseme_motion.presets import PresetName
from viseme_pipeline.arguments import Parser
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.folder import MESH, StageFiles


def ship(arguments: Sequence[str]) -> tuple[int, str]:
    """Return exit code and last word of `viseme ship`."""
    parser = Parser(prog="viseme ship", description="Trained stages to one folder.")
    parser.add_argument("folder", type=Path, help="folder to write")
    parser.add_argument("--motion", type=Path, help="motion stage")
    parser.add_argument("--landmarks", type=Path, help="landmark stage, in place of --motion")
    parser.add_argument(
        "--joint", type=Path, help="checkpoint of joint training, for --landmarks and --renderer"
    )
    parser.add_argument("--pose-from", type=Path, help="FD2Talk stage for pose")
    parser.add_argument("--hearing", type=Path, help="speech model of --motion, if it was moved")
    parser.add_argument("--renderer", default=MESH, help="`mesh`, or a renderer's stage")
    parser.add_argument(
        "--autoencoder", type=Path, help="autoencoder of TalkFormer, if it was moved"
    )
    parser.add_argument(
        "--blink-rate", type=float, help="blinks per second, for motion that makes none itself"
    )
    parser.add_argument("--preset", choices=get_args(PresetName), default="fast")
    parser.add_argument("--half", action="store_true", help="weights in 16 bits, half the size")
    parser.add_argument("--card", type=Path, help="file that says where the weights come from")
    given = parser.parse_args(list(arguments))
    _check(given)
    with TemporaryDirectory(prefix="viseme-") as scratch:
        # Loading proves that the stages fit together.
        chain = TalkingFace.from_stages(
            _files(given, Path(scratch)), preset=given.preset, device="cpu"
        )
        chain.save_pretrained(given.folder, half=given.half, card=given.card)
    size = sum(file.stat().st_size for file in given.folder.rglob("*.safetensors"))
    return 0, f"{given.folder}: {size / 1e6:.1f} MB of weights"


def _check(given: Namespace) -> None:
    """Refuse options that belong to stages which are not given."""
    if sum(stage is not None for stage in (given.motion, given.landmarks, given.joint)) != 1:
        raise ValueError("give one of --motion, --landmarks with a --renderer, or --joint")
    if given.motion is None:
        for name in ("pose_from", "hearing", "blink_rate"):
            if getattr(given, name) is not None:
                option = "--" + name.replace("_", "-")
                raise ValueError(f"{option} belongs to --motion, which is not given; leave it out")
    elif given.autoencoder is not None:
        raise ValueError(
            "--autoencoder is what TalkFormer draws through, which motion does not drive; leave it "
            "out"
        )
    if given.joint is not None and given.renderer != MESH:
        raise ValueError("--joint holds its own renderer; leave --renderer out")


def _files(given: Namespace, scratch: Path) -> StageFiles:
    if given.joint is not None:
        # Needs what trains only where it is asked for.
        split = import_module("viseme_pipeline.joint_files").split_checkpoint
        return split(given.joint, scratch, autoencoder=given.autoencoder)
    return StageFiles(
        motion=given.motion,
        landmarks=given.landmarks,
        autoencoder=given.autoencoder,
        pose=given.pose_from,
        hearing=given.hearing,
        blink_rate=given.blink_rate,
        renderer=None if given.renderer == MESH else Path(given.renderer),
    )
