"""The built-in face model, learned from landmarks of many people.

    viseme-data build-face-model FACES --out builtin.safetensors

A prior made by hand (`face_model.prior`) and what people teach (`face_model.learn`) give the
covariances of faces and expressions; the directions that hold most of them make the model. Every
hand-made gesture stays within reach, whether people showed it or not.
"""

import shlex
from dataclasses import dataclass, fields
from pathlib import Path

import torch

from viseme_core.types import NUM_EXPRESSION, NUM_IDENTITY
from viseme_data.canonical import complete, read_canonical
from viseme_data.face_model.card import Report, card
from viseme_data.face_model.estimate import Noise
from viseme_data.face_model.learn import check_people, learn, one_thread
from viseme_data.face_model.measure import measure
from viseme_data.face_model.people import Person, read_people
from viseme_data.face_model.prior import Knowledge, prior_knowledge
from viseme_data.face_model.shapes import Rows, principal, reduced
from viseme_data.gestures import Gestures
from viseme_face import MorphableModel
from viseme_face.layouts import LEFT_EYE, LEFT_IRIS, LIP_RINGS, RIGHT_EYE, RIGHT_IRIS
from viseme_face.parts import FaceParts, read_face_file, write_face_file

# What a squared displacement of lips, lids and irises counts when directions are chosen.
_LIVELY_WEIGHT = 4.0
_LIVELY = (*sum(LIP_RINGS, ()), *RIGHT_EYE, *LEFT_EYE, *RIGHT_IRIS, *LEFT_IRIS)


@dataclass(frozen=True, kw_only=True)
class BuildFaceModelConfig:
    """What the model is learned from, and how."""

    faces: str
    """Folder of videos and pictures, or of prepared clips. Files in a folder of their own show one
    person, every other file somebody else, unless a table says otherwise."""
    out: str
    """File to write, ending in .safetensors."""
    table: str = ""
    """Table of the files: tab-separated, with the columns file and person, and if wanted use (learn
    or measure), source and licence. Other files are left aside."""
    card: str = ""
    """Markdown file that says from what the model was made and how well it does; by default beside
    the model, with its name."""
    mesh: str = ""
    """MediaPipe's face_landmarker.task, for another mesh than the canonical one shipped here."""
    holdout: float = 0.2
    """Share of the people to measure on instead of learning from, where no table says; they are
    chosen by name."""
    frames: int = 16
    """Frames of each person that are learned from."""
    rounds: int = 3
    """How often everybody is fitted with what is known so far."""
    expression_prior: float = 0.35
    """Part of the covariance of expressions that is that of the hand-made gestures."""

    def __post_init__(self) -> None:
        if not self.out.endswith(".safetensors"):
            raise ValueError(f"out must end in .safetensors, got {self.out!r}")
        for name in ("frames", "rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.holdout < 1:
            raise ValueError(f"holdout must be from 0 to below 1, got {self.holdout}")
        if not 0 < self.expression_prior <= 1:
            raise ValueError(
                f"expression_prior must be above 0 and at most 1, got {self.expression_prior}; "
                f"without it expressions that nobody shows are out of reach"
            )


def build(config: BuildFaceModelConfig) -> Report:
    """Learn the face model, write it and its card, and return what was found.

    The same files give the same bytes.

    Raises:
        ValueError: If the settings, the files or the people in them do not do.
    """
    people = read_people(Path(config.faces), _path(config.table), config.holdout)
    with one_thread():
        prior = prior_knowledge(complete(read_canonical(_path(config.mesh))))
        return build_from(config, prior, people)


def build_from(config: BuildFaceModelConfig, prior: Knowledge, people: list[Person]) -> Report:
    """Do the same with people who were read already."""
    frames = [person.frames(config.frames) for person in people if person.use == "learn"]
    check_people(frames)
    learned = learn(
        prior,
        frames,
        rounds=config.rounds,
        noise=Noise(),
        expression_prior=config.expression_prior,
    )
    parts, identity_share, expression_share = to_parts(learned.knowledge)
    out = Path(config.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_face_file(parts, out, _about(len(frames)))
    # As it will be read: bases are rounded in the file.
    model = MorphableModel(read_face_file(out))
    held = [clip for person in people if person.use == "measure" for clip in person.clips]
    report = Report(
        name=model.name,
        learned=learned,
        people=len(frames),
        frames=sum(map(len, frames)),
        identity_share=identity_share,
        expression_share=expression_share,
        prior=measure(MorphableModel(to_parts(prior)[0]), held) if held else None,
        model=measure(model, held) if held else None,
    )
    path = _path(config.card) or out.with_suffix(".md")
    path.write_text(card(report, people, _command(config)), encoding="utf-8")
    return report


def to_parts(known: Knowledge) -> tuple[FaceParts, float, float]:
    """Return the model of what is known, and the part of both variances that it holds."""
    mean_V3, triangles_P3 = known.mean_V3, known.mesh.triangles_P3
    weights_V = torch.ones_like(mean_V3[:, 0])
    weights_V[list(_LIVELY)] = _LIVELY_WEIGHT
    gestures = torch.stack(list(Gestures(mean_V3, triangles_P3).all().values()))
    identity = reduced(known.identity, NUM_IDENTITY, weights_V)
    expression = reduced(
        known.expression, NUM_EXPRESSION, weights_V, principal(gestures, known.mirror_V)
    )
    parts = FaceParts(
        family="builtin",
        mean_V3=mean_V3.float(),
        identity_basis_IV3=identity.rows_NV3.float(),
        expression_basis_EV3=expression.rows_NV3.float(),
        identity_std_I=torch.ones(NUM_IDENTITY),
        expression_std_E=torch.ones(NUM_EXPRESSION),
        triangles_P3=triangles_P3,
        landmarks={"mp478": torch.arange(len(mean_V3))},
        uv_V2=known.mesh.uv_V2,
    )
    return parts, _share(identity, known.identity), _share(expression, known.expression)


def _share(few: Rows, all_: Rows) -> float:
    return float(few.rows_NV3.square().sum() / all_.rows_NV3.square().sum())


def _about(num_people: int) -> dict[str, str]:
    return {
        "license": "Apache-2.0",
        "made_from": "MediaPipe's canonical face mesh (Apache-2.0), hand-made gestures, and "
        f"statistics of FaceMesh landmarks of {num_people} people",
        "made_by": "viseme-data build-face-model",
        "units": "decimetres; y up, z towards the viewer; coefficients in standard deviations",
    }


def _command(config: BuildFaceModelConfig) -> str:
    """Return the command line, with files by name only."""
    words = ["viseme-data build-face-model", shlex.quote(Path(config.faces).name)]
    for setting in fields(config):
        value = getattr(config, setting.name)
        if setting.name != "faces" and value != setting.default:
            words += [
                f"--{setting.name}",
                shlex.quote(Path(value).name if isinstance(value, str) else str(value)),
            ]
    return " ".join(words)


def _path(name: str) -> Path | None:
    return Path(name) if name else None
