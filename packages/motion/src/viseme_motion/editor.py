"""From the coefficients that a model generates to one person's motion, frames in order.

Every edit looks at a frame by itself, or at a plan that only frame numbers and the seed decide, so
that a voice that arrives in pieces gives what the whole voice gives. Letters: T frames, C
expression coefficients.
"""

from dataclasses import replace

import torch
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import FPS, NUM_EXPRESSION, NUM_IDENTITY, NUM_POSE, Motion, ReferenceFace
from viseme_motion.blinking import BlinkPlan, Lids
from viseme_motion.control import Control, PoseChoice, Region
from viseme_motion.face_kit import FaceKit, non_lip
from viseme_motion.job import Job, Reference
from viseme_motion.pose_source import looped
from viseme_motion.sealing import opening_of_motion, sealed_share, with_lips_closed

START_FRAMES = 8
"""Frames in which a face leaves the reference it started from."""
_REGIONS: tuple[Region, ...] = ("lip", "eye", "global")


class MotionEditor:
    """Makes one person's motion of generated coefficients.

    Args:
        kit: The face.
        job: What is wanted.
        has_pose: Whether there is a model of pose.
        knows_portrait: Whether the model is told the reference's expression; what it makes then
            rests around it already.
    """

    def __init__(
        self, kit: FaceKit, job: Job, *, has_pose: bool, knows_portrait: bool = False
    ) -> None:
        self._kit = kit
        self._knows_portrait = knows_portrait
        self._control = job.control
        self._reference = None if job.reference is None else _one_frame(kit, job.reference)
        clip = None if job.clip is None else _clip(kit, job.clip, "the clip")
        self._driven: dict[Region, Motion] = {
            region: _clip(kit, motion, f"control.driven[{region!r}]")
            for region, motion in job.control.driven.items()
        }
        if clip is not None:
            self._driven = {"eye": clip, "global": clip, "pose": clip, **self._driven}
        self.pose: PoseChoice = _choose_pose(job.control, self._driven, has_pose=has_pose)
        self._identity_I = _identity(job.identity, self._reference or clip)
        self._shown = self._reference or clip
        self._rest_C = torch.zeros(NUM_EXPRESSION)
        self._rest_6 = torch.zeros(NUM_POSE)
        if self._reference is not None:
            self._rest_C, self._rest_6 = self._reference.expression[0], self._reference.pose[0]
        elif self.pose == "clip":
            self._rest_6 = self._driven["pose"].pose.mean(0)
        elif clip is not None and self.pose == "still":
            self._rest_6 = clip.pose[0]
        elif kit.mean_pose is not None:
            self._rest_6 = kit.mean_pose
        self._frame = 0
        self._lids, self._blinks = None, None
        if job.control.blinks_per_sec is not None:
            self._lids = Lids(kit.model, self._identity_I.double(), self._open_eyes().double())
            self._blinks = BlinkPlan(job.control.blinks_per_sec, job.seed)
        # Asked for now, so that a face that cannot be edited is refused before it is generated.
        shuts = job.control.close_in_silence or job.control.seal_lips
        self._model = kit.model if shuts else None

    @property
    def portrait(self) -> Tensor:
        """Expression (64,) of the reference, or the clip's first; NaN without either.

        Where lips are to meet, the model is told of a face whose lips do.
        """
        if self._shown is None:
            return torch.full((NUM_EXPRESSION,), torch.nan)
        if self._model is not None and self._control.seal_lips:
            return with_lips_closed(self._model, self._shown[:1])[0].float()
        return self._shown.expression[0]

    def edit(self, expression_TC: Tensor, pose_T6: Tensor | None, shut_T: Tensor | None) -> Motion:
        """Return the motion of the next frames.

        Args:
            expression_TC: Generated expression.
            pose_T6: Generated pose; None without a model of it.
            shut_T: How far silence shuts the mouth; None leaves it to the voice.
        """
        first, self._frame = self._frame, self._frame + len(expression_TC)
        clips = {
            region: looped(motion, first, self._frame) for region, motion in self._driven.items()
        }
        expression_TC = self._from_reference(expression_TC, first)
        for region in _REGIONS:
            expression_TC = self._in_region(expression_TC, region, clips.get(region))
        if self._lids is not None and self._blinks is not None:
            shut_eyes_T = self._blinks.closure(len(expression_TC))
            held_TC = self._lids.hold_up(expression_TC.double())
            expression_TC = self._lids.shut(held_TC, shut_eyes_T.double()).float()
        motion = Motion(
            expression=expression_TC,
            pose=self._posed(pose_T6, clips.get("pose"), first, len(expression_TC)),
            identity=self._identity_I,
            face_model=self._kit.name,
        )
        if self._model is not None and self._control.seal_lips and "lip" not in clips:
            sealed_T = sealed_share(opening_of_motion(self._model, motion))
            shut_T = sealed_T if shut_T is None else 1 - (1 - shut_T) * (1 - sealed_T)
        if shut_T is None:
            return motion
        if self._reference is not None:
            # The first frame is the reference, whatever is heard.
            shut_T = shut_T * _leaving(first, len(shut_T))[:, 0]
        return self._shut(motion, shut_T)

    def _from_reference(self, expression_TC: Tensor, first: int) -> Tensor:
        """Image mode: rest around the reference, lips apart, and begin at it."""
        if self._reference is None:
            return expression_TC
        start_C = self._reference.expression[0]
        # Lips must still meet where the voice closes them.
        shift_C = torch.zeros_like(start_C)
        if not self._knows_portrait:
            others = non_lip(self._kit)
            shift_C[others] = (start_C - self._kit.mean_expression)[others]
        return torch.lerp(
            start_C.expand_as(expression_TC),
            expression_TC + shift_C,
            _leaving(first, len(expression_TC)),
        )

    def _in_region(self, expression_TC: Tensor, region: Region, clip: Motion | None) -> Tensor:
        gain = self._control.gain(region)
        if clip is None and gain == 1:
            return expression_TC
        chosen = self._kit.directions(region)
        expression_TC = expression_TC.clone()
        if clip is not None:
            expression_TC[:, chosen] = clip.expression[:, chosen]
        if gain != 1:
            rest_C = self._rest_C[chosen]
            expression_TC[:, chosen] = rest_C + gain * (expression_TC[:, chosen] - rest_C)
        return expression_TC

    def _posed(
        self, pose_T6: Tensor | None, clip: Motion | None, first: int, num_frames: int
    ) -> Tensor:
        if self.pose == "still":
            return self._rest_6.expand(num_frames, -1).clone()
        if self.pose == "clip":
            assert clip is not None
            pose_T6 = clip.pose
        assert pose_T6 is not None
        if self.pose == "model" and self._reference is not None:
            assert self._kit.mean_pose is not None
            away_T6 = pose_T6 - self._kit.mean_pose
            pose_T6 = self._rest_6 + _leaving(first, num_frames) * away_T6
        gain = self._control.pose_gain
        return pose_T6 if gain == 1 else self._rest_6 + gain * (pose_T6 - self._rest_6)

    def _shut(self, motion: Motion, shut_T: Tensor) -> Motion:
        frames = shut_T.nonzero()[:, 0]
        if self._model is None or not len(frames):
            return motion
        part = replace(motion, expression=motion.expression[frames], pose=motion.pose[frames])
        shut_TC = torch.lerp(
            part.expression.double(),
            with_lips_closed(self._model, part),
            shut_T[frames, None].double(),
        )
        return replace(motion, expression=motion.expression.index_copy(0, frames, shut_TC.float()))

    def _open_eyes(self) -> Tensor:
        """Return expressions with the eyes as open as they usually are."""
        if "eye" in self._driven:
            return self._driven["eye"].expression
        if self._reference is not None:
            return self._reference.expression
        return self._kit.mean_expression[None]


def _leaving(first: int, num_frames: int) -> Tensor:
    """Return how far a face has left its reference in frames from `first` on, (T, 1): 0 to 1."""
    share_T = (torch.arange(first, first + num_frames) / START_FRAMES).clamp(max=1)
    return (share_T**2 * (3 - 2 * share_T))[:, None]


def _clip(kit: FaceKit, clip: Motion, what: str) -> Motion:
    """Return a clip as motion of the kit's face model."""
    if not clip.num_frames:
        raise ValueError(f"{what} has no frame; give one at least")
    if clip.fps != FPS:
        raise ValueError(
            f"{what} runs at {clip.fps:g} frames a second, generated motion at {FPS}; resample it"
        )
    return kit.adopt(clip, what)


def _one_frame(kit: FaceKit, reference: Reference) -> Motion:
    """Return the reference as motion of one frame, of the kit's face model."""
    if isinstance(reference, ReferenceFace):
        reference = Motion(
            expression=reference.expression[None],
            pose=reference.pose[None],
            identity=reference.identity,
            face_model=reference.face_model,
        )
    if not reference.num_frames:
        raise ValueError("the reference has no frame; give one")
    return kit.adopt(reference[:1], "the reference")


def _identity(given: Tensor | None, source: Motion | None) -> Tensor:
    if given is not None:
        check_shape(given, f"{NUM_IDENTITY}", name="identity")
        return given.detach().cpu().float()
    return torch.zeros(NUM_IDENTITY) if source is None else source.identity.cpu()


def _choose_pose(control: Control, driven: dict[Region, Motion], *, has_pose: bool) -> PoseChoice:
    if control.pose is None:
        if "pose" in driven:
            return "clip"
        return "model" if has_pose else "still"
    if control.pose == "model" and not has_pose:
        raise ValueError(
            "control.pose is 'model', but this system makes no pose; give MotionGenerator an "
            "FD2Talk checkpoint by pose_from=, or choose 'clip' or 'still'"
        )
    return control.pose
