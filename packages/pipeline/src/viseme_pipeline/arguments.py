"""The options of `viseme generate`: of the command line, and of each line of a file of jobs."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from dataclasses import dataclass, fields
from typing import Any, NoReturn, cast, get_args

from viseme_motion.presets import PresetName
from viseme_pipeline.dubbing_rules import TRAINING, check_wishes, dubbing_preset
from viseme_pipeline.folder import MESH
from viseme_pipeline.systems import chain_systems
from viseme_pipeline.wishes import Wishes

# A job that asked for these would end the run, or hold jobs of its own.
_NOT_OF_A_JOB = ("help", "jobs")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One film to make, checked as far as options can be by themselves."""

    audio: str
    image: str | None
    video: str | None
    out: str
    wishes: Wishes
    overwrite: bool
    marks: str | None
    chain: "ChainChoice"


@dataclass(frozen=True, kw_only=True)
class ChainChoice:
    """Which stages are chained; equal choices share what they loaded."""

    pretrained: str | None
    motion: str | None
    pose_from: str | None
    renderer: str | None
    preset: PresetName | None
    device: str | None
    system: str | None = None
    hearing: str | None = None
    landmarks: str | None = None
    autoencoder: str | None = None

    def __post_init__(self) -> None:
        driving = self.motion or self.pose_from or self.landmarks
        if self.pretrained is not None and driving:
            raise ValueError(
                "--pretrained names all stages; leave --motion, --pose-from and --landmarks out"
            )
        if self.hearing is not None and self.motion is None:
            raise ValueError("--hearing is what the stage of --motion hears with; name that too")
        if self.pose_from is not None and self.motion is None:
            raise ValueError("--pose-from gives pose to the stage of --motion; name that one too")
        if self.landmarks is not None:
            self._check_dubbing()
        elif self.autoencoder is not None:
            raise ValueError(
                "--autoencoder is what a renderer of --landmarks draws through; name these too"
            )

    def _check_dubbing(self) -> None:
        if self.motion is not None:
            raise ValueError("faces are driven by --motion or by --landmarks; give one of them")
        if self.renderer in (None, MESH):
            raise ValueError(
                f"--landmarks needs a renderer that they drive, {self.renderer or 'none'} is "
                f"given: name a TalkFormer stage by --renderer ({TRAINING})"
            )
        if self.preset is not None:
            dubbing_preset(self.preset)


class Parser(ArgumentParser):
    """A parser whose errors are ValueErrors, so that everyone reports them alike."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong."""
        raise ValueError(f"{message}; `{self.prog} --help` lists the options")


def generate_parser() -> Parser:
    """Return the parser of `viseme generate`."""
    parser = Parser(
        prog="viseme generate",
        description="A voice and a face to a talking video.",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
        epilog=(
            "examples:\n"
            "  viseme generate --audio voice.wav --image portrait.jpg --out talking.mp4\n"
            "  viseme generate --audio voice.wav --video clip.mp4 --out dubbed.mp4\n"
            "  viseme generate --audio voice.wav --video clip.mp4 --out dubbed.mp4 \\\n"
            "      --landmarks runs/joint/small --renderer runs/joint/small\n"
            "  viseme generate --jobs jobs.jsonl     # one JSON object of options per line\n"
            "\n"
            "Faces are driven by motion, or by landmarks: --landmarks completes the lips and jaws\n"
            "of a clip by the voice, --renderer, a TalkFormer stage, draws its lower face so.\n"
            "`make train-joint` trains both, `make train-landmarks` and\n"
            "`make train-render SYSTEM=talkformer` one each. Head and eyes stay the clip's own:\n"
            "--lip, --eye, --global, --pose, --blink-rate, --leave-silence and --leave-lips are\n"
            "refused with them. A portrait is dubbed as a clip that stands still."
        ),
    )
    what = parser.add_argument_group("what")
    what.add_argument("--audio", help="the voice: a sound or video file")
    what.add_argument("--image", help="a portrait that is to talk")
    what.add_argument("--video", help="a clip whose lips are made anew, instead of a portrait")
    what.add_argument("--out", help="video to write, ending in .mp4")
    what.add_argument("--overwrite", action="store_true", help="replace a file of that name")
    what.add_argument("--jobs", help="a file of jobs: JSON lines, or a YAML list")

    stages = parser.add_argument_group("stages")
    stages.add_argument(
        "--system",
        choices=chain_systems(),
        help="system that drives the face: of the weights that come with viseme, or as a check of "
        "--motion or --landmarks; `viseme doctor` says of which there are any (default: the "
        "embedded ones)",
    )
    stages.add_argument("--motion", help="motion stage: file, checkpoint or folder of a run")
    stages.add_argument("--pose-from", help="FD2Talk stage that moves the head beside DisentTalk")
    stages.add_argument(
        "--hearing", help="folder of the speech model that --motion hears with, if it was moved"
    )
    stages.add_argument(
        "--landmarks",
        help="landmark stage, in place of motion: file, checkpoint or folder of a run; --renderer "
        "is then a TalkFormer stage",
    )
    stages.add_argument(
        "--renderer", help="`mesh`, or a renderer's stage (default: that of --pretrained, or mesh)"
    )
    stages.add_argument(
        "--autoencoder", help="autoencoder that --renderer draws through, if it was moved"
    )
    stages.add_argument("--pretrained", help="folder that save_pretrained wrote, with all stages")
    stages.add_argument(
        "--preset",
        choices=get_args(PresetName),
        help="effort of the motion, or of drawing by landmarks, which has no `direct` (default: "
        "as the weights say; fast with --motion and --landmarks)",
    )
    stages.add_argument("--device", help="where networks run: cpu, cuda, mps")

    look = parser.add_argument_group("how")
    look.add_argument("--seed", type=int, help="another seed is another film (default: 0)")
    look.add_argument("--lip", type=float, metavar="GAIN", help="how far lips go (default: 1)")
    look.add_argument("--eye", type=float, metavar="GAIN", help="how far eyes and lids go")
    look.add_argument(
        "--global",
        type=float,
        metavar="GAIN",
        dest="rest",
        help="how far the rest of the face goes",
    )
    look.add_argument("--pose", type=float, metavar="GAIN", help="how far the head goes")
    look.add_argument("--blink-rate", type=float, metavar="PER_SEC", help="blinks per second")
    look.add_argument(
        "--leave-silence",
        dest="close_in_silence",
        action="store_const",
        const=False,
        help="do not close the mouth in pauses",
    )
    look.add_argument(
        "--leave-lips",
        dest="seal_lips",
        action="store_const",
        const=False,
        help="do not draw lips together that nearly meet",
    )
    look.add_argument("--face", type=int, metavar="N", help="which face, from the left and from 1")
    look.add_argument(
        "--size", type=int, metavar="PX", help="side of the rendered face (default: 256 to 512)"
    )
    look.add_argument(
        "--max-side", type=int, metavar="PX", help="longer side of the video (default: 1920)"
    )
    look.add_argument(
        "--label",
        nargs="?",
        const="AI generated",
        metavar="TEXT",
        help="text in a corner that says what it is (AI generated, unless it is given)",
    )
    look.add_argument(
        "--marks",
        metavar="FILE",
        help="YAML of the marks that the film carries (default: all; see viseme_pipeline.marks)",
    )
    look.add_argument("--crf", type=float, help="quality of the video: 18 looks lossless")
    return parser


def to_task(given: Namespace) -> Task:
    """Return the film that options describe.

    Raises:
        ValueError: If they do not describe one.
    """
    for name in ("audio", "out"):
        if not getattr(given, name):
            raise ValueError(f"--{name} is missing; `viseme generate --help` shows an example")
    if bool(given.image) == bool(given.video):
        raise ValueError("give a portrait by --image or a clip by --video, one of them")
    asked = {field.name: getattr(given, field.name) for field in fields(Wishes)}
    wishes = Wishes(**{name: value for name, value in asked.items() if value is not None})
    choice = {field.name: getattr(given, field.name) for field in fields(ChainChoice)}
    if given.landmarks is not None:
        check_wishes(wishes)
    return Task(
        audio=given.audio,
        image=given.image,
        video=given.video,
        out=given.out,
        wishes=wishes,
        overwrite=given.overwrite,
        marks=given.marks,
        chain=ChainChoice(**choice),
    )


def as_arguments(options: dict[str, Any]) -> list[str]:
    """Return one job's options as they would stand on the command line.

    Raises:
        ValueError: If a value is neither text, number nor switch, or an option is not a job's.
    """
    found = []
    for name, value in options.items():
        if name in _NOT_OF_A_JOB:
            raise ValueError(f"{name!r} is no option of a job; leave it out")
        if isinstance(value, bool):
            found += [f"--{name}"] if value else []
        elif isinstance(value, str | int | float):
            found.append(f"--{name}={value}")
        elif value is not None:
            raise ValueError(f"{name!r} must be text or a number, got {type(value).__name__}")
    return found


def parse(arguments: list[str], defaults: list[str] | None = None) -> Namespace:
    """Return parsed options; those of `defaults` hold where `arguments` say nothing."""
    parser = generate_parser()
    common = parser.parse_args(defaults) if defaults else None
    # `store_true` and defaults do not overwrite what a namespace has already.
    return cast(Namespace, parser.parse_args(arguments, common))
