"""The command line of the motion stage.

python -m viseme_motion fit --config packages/motion/configs/fd2talk/tiny.yaml
python -m viseme_motion expert fit --config packages/motion/configs/fd2talk/expert_tiny.yaml
"""

import sys
from collections.abc import Sequence

from viseme_core.train.cli import StageCLI
from viseme_motion.datamodule import MotionDataModule
from viseme_motion.module import LipExpertModule, MotionModule


def main(args: Sequence[str] | None = None) -> None:
    """Run a command; `expert` before it means the lip expert instead of the generator."""
    args = list(sys.argv[1:] if args is None else args)
    module: type = MotionModule
    if args[:1] == ["expert"]:
        module, args = LipExpertModule, args[1:]
    StageCLI(module, MotionDataModule, args=args)
