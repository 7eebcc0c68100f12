"""The command line of the landmark stage.

python -m viseme_landmarks fit --config packages/landmarks/configs/tiny.yaml
python -m viseme_landmarks test --config ... --ckpt_path runs/landmarks/tiny
python -m viseme_landmarks predict --config ... --ckpt_path runs/landmarks/tiny
python -m viseme_landmarks import landmarkgenerator_checkpoint.pth landmarks.safetensors
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import auto_cli

from viseme_core.checkpoint import save_stage
from viseme_core.train.cli import StageCLI, offer
from viseme_core.train.refusal import is_mendable, refuse
from viseme_landmarks.build import header_of
from viseme_landmarks.datamodule import LandmarkDataModule
from viseme_landmarks.module import LandmarksModule
from viseme_landmarks.public import NUM_REFERENCES, read_public


class LandmarksCLI(StageCLI):
    """Trains, validates and tests landmark completion, and writes that of the test clips."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return the verbs."""
        return offer("fit", "validate", "test", "predict")


def import_public(
    checkpoint: Path, out: Path, num_heads: int = 4, num_references: int = NUM_REFERENCES
) -> None:
    """Write a stage file of a landmark generator that IP_LAP's authors publish.

    Args:
        checkpoint: Their file, with `state_dict` in it.
        out: Stage file to write, ending in .safetensors.
        num_heads: Heads of its attention, which its weights do not tell.
        num_references: Reference faces that it looks at.
    """
    model = read_public(checkpoint, num_heads=num_heads, num_references=num_references)
    save_stage(out, model.state_dict(), header_of(model.config))
    print(f"wrote {out}, which completes talk131 landmarks as IP_LAP does")


def main(args: Sequence[str] | None = None) -> None:
    """Run a command; `import` reads a public checkpoint."""
    given = list(sys.argv[1:] if args is None else args)
    if given[:1] == ["import"]:
        try:
            auto_cli(import_public, args=given[1:], prog="python -m viseme_landmarks import")
        except Exception as error:
            if not is_mendable(error):
                raise
            refuse(error)
        return
    LandmarksCLI(LandmarksModule, LandmarkDataModule, args=given)
