"""The face that generated motion belongs to: its model, its regions, other faces' motion."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, cached_property

from torch import Tensor

from viseme_core.types import NUM_EXPRESSION, Motion
from viseme_face import MorphableModel, convert
from viseme_motion.control import Region
from viseme_motion.disenttalk.subspaces import Subspaces


@dataclass(frozen=True, eq=False)
class FaceKit:
    """What edits of motion know of a face."""

    name: str
    """Face model of the motion, `NAME@HASH8`."""
    faces: Mapping[str, MorphableModel]
    """Face models by name, the built-in one apart."""
    subspaces: Subspaces | None
    """Expression directions by region; None takes those shipped for the built-in face model."""
    mean_expression: Tensor
    """(64,) mean over the model's training data."""
    mean_pose: Tensor | None
    """(6,) likewise; None without a model of pose."""

    @cached_property
    def model(self) -> MorphableModel:
        """The face model of the motion in float64, for edits on landmarks.

        Refitting magnifies what rounding leaves, and how much depends on how many frames are edited
        at once: in float32 a stream would not be the whole call.

        Raises:
            ValueError: If it is not at hand or lacks the landmarks.
        """
        model = self._find(self.name)
        if model is None:
            raise ValueError(
                f"blinks and closed mouths need the face model {self.name!r} itself; give it to "
                f"MotionGenerator by faces=[MorphableModel.from_file(...)]"
            )
        if "mp478" not in model.layouts:
            raise ValueError(
                f"blinks and closed mouths need landmarks 'mp478', which face model "
                f"{self.name!r} lacks; convert the motion to the built-in model and edit it there"
            )
        return deepcopy(model).double()

    def directions(self, region: Region) -> list[int]:
        """Return the expression directions of a region.

        Raises:
            ValueError: If the face model has no subspaces of its own here.
        """
        if self.subspaces is None and self.name != _builtin().name:
            raise ValueError(
                f"no regions are known of face model {self.name!r}: choose them with "
                f"`viseme-motion subspaces DATA` and give them to MotionGenerator by "
                f"subspaces=Subspaces.load(...)"
            )
        subspaces = self.subspaces or Subspaces.shipped(self.name)
        return list(subspaces.regions[region])

    def adopt(self, motion: Motion, what: str) -> Motion:
        """Return motion of any known face model as motion of this one.

        Args:
            motion: Motion of a clip or reference.
            what: What the caller calls it; it starts the error.

        Raises:
            ValueError: If it holds NaN, or the face models differ and one of them is not at hand.
        """
        motion = motion.to("cpu")
        for name in ("expression", "pose", "identity"):
            if not getattr(motion, name).isfinite().all():
                raise ValueError(f"{what} has an {name} with NaN or infinity; track it again")
        if motion.face_model == self.name:
            return motion
        source, target = self._find(motion.face_model), self._find(self.name)
        for name, model in ((motion.face_model, source), (self.name, target)):
            if model is None:
                raise ValueError(
                    f"{what} belongs to face model {motion.face_model!r}, the generated motion to "
                    f"{self.name!r}; to convert it give MotionGenerator the face model {name!r} "
                    f"by faces=[...]"
                )
        assert source is not None
        assert target is not None
        return convert(motion, source, target)

    def _find(self, name: str) -> MorphableModel | None:
        if name in self.faces:
            return self.faces[name]
        builtin = _builtin()
        return builtin if builtin.name == name else None


def non_lip(kit: FaceKit) -> list[int]:
    """Return the expression directions of everything but the lips."""
    lip = kit.directions("lip")
    return [i for i in range(NUM_EXPRESSION) if i not in lip]


@cache
def _builtin() -> MorphableModel:
    return MorphableModel.builtin()
