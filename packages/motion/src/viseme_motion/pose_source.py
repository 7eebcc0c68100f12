"""Where pose comes from besides a model's own: a clip, or FD2Talk's pose transformer alone.

Letters: B batch, T frames, A audio-feature width, C coefficients.
"""

import torch
from torch import Tensor

from viseme_core.loop import mirror_loop
from viseme_core.types import Motion
from viseme_motion.fd2talk.model import POSE, FD2TalkModel
from viseme_motion.known import hold
from viseme_motion.request import WindowRequest


def looped(clip: Motion, start: int, stop: int) -> Motion:
    """Return frames [start, stop) of a clip that runs back and forth."""
    frames_T = mirror_loop(clip.num_frames, start, stop).to(clip.expression.device)
    return Motion(
        expression=clip.expression[frames_T],
        pose=clip.pose[frames_T],
        identity=clip.identity,
        face_model=clip.face_model,
        fps=clip.fps,
    )


class PoseModel:
    """FD2Talk's pose transformer by itself, for systems that make no pose.

    It gives bit for bit the pose that the whole model gives, at half of the work. What it leaves
    in the place of the expression means nothing.

    Args:
        model: Trained FD2Talk.
    """

    channels = FD2TalkModel.channels

    def __init__(self, model: FD2TalkModel) -> None:
        self._model = model
        self.windows = model.windows
        self.motion_scale = model.motion_scale
        self.audio_scale = model.audio_scale

    def sample(self, asked: WindowRequest) -> Tensor:
        """Return coefficients (B, T, C) as `FD2TalkModel.sample` does."""
        model = self._model
        if "pose" not in model.nets:
            # One transformer for both cannot do half of its work.
            return model.sample(asked)
        found_BTC = torch.zeros_like(asked.known_BTC)
        found_BTC[..., POSE] = model.sample_part("pose", asked, model.condition(asked))
        found_BTC = model.motion_scale.undo(found_BTC)
        return hold(asked.known_BTC, asked.is_known_BT)(found_BTC, None)


def pose_of(coefficients_TC: Tensor) -> Tensor:
    """Return the pose (T, 6) of FD2Talk's coefficients."""
    return coefficients_TC[:, POSE]
