"""FD2Talk's motion stage: losses (Eq. 8-12) and sampling (Eq. 5) around its transformers.

Letters: B batch, T frames, A audio-feature width, C coefficients (64 expression, then 6 pose).
"""

import torch
from torch import Tensor, nn

from viseme_core.batches import MotionBatch
from viseme_core.diffusion import DiffusionProcess, sample
from viseme_core.draws import Draws
from viseme_core.frozen import Frozen
from viseme_core.types import NUM_EXPRESSION, NUM_POSE
from viseme_motion.experts import LipExpert
from viseme_motion.fd2talk.config import FD2TalkConfig
from viseme_motion.fd2talk.net import MotionTransformer
from viseme_motion.hearing import PlainHearing, heard_dim
from viseme_motion.known import draw_window, hold
from viseme_motion.losses import Importance, squared_error
from viseme_motion.portrait import cut_samples, describe, nobody
from viseme_motion.request import WindowRequest
from viseme_motion.scaling import Scaler
from viseme_motion.windows import WindowConfig

EXPRESSION = slice(0, NUM_EXPRESSION)
POSE = slice(NUM_EXPRESSION, NUM_EXPRESSION + NUM_POSE)


class FD2TalkModel(nn.Module):
    """Voice to expression and pose.

    Args:
        config: Sizes, losses, ablations.
        windows: The windows it is trained for.
        audio_dim: Width A of the audio features.
        expert: Judge of lip motion, for the sync loss; None where that is off.
        hearing: What gives audio features context; by default they are heard as they are.
    """

    channels = NUM_EXPRESSION + NUM_POSE
    """Coefficients of a generated frame: expression, then pose."""

    def __init__(
        self,
        config: FD2TalkConfig,
        windows: WindowConfig,
        audio_dim: int,
        expert: LipExpert | None = None,
        hearing: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.windows = windows
        self.process = DiffusionProcess(config.diffusion)
        is_judged = config.sync and config.weight_sync > 0
        self._expert = Frozen(expert) if expert is not None and is_judged else None
        self.motion_scale = Scaler(self.channels)
        self.audio_scale = Scaler(audio_dim)
        self.hearing = hearing or PlainHearing()
        self.importance = Importance(NUM_EXPRESSION)
        parts = {"expression": NUM_EXPRESSION, "pose": NUM_POSE}
        if config.single_transformer:
            parts = {"both": self.channels}
        heard = heard_dim(self.hearing, audio_dim)
        self.nets = nn.ModuleDict(
            {name: MotionTransformer(width, heard, config) for name, width in parts.items()}
        )

    def loss(self, batch: MotionBatch, draws: Draws) -> dict[str, Tensor]:
        """Return `loss` (Eq. 12) and its parts `expression`, `pose` (Eq. 8, 9) and `sync` (Eq. 11).

        Errors are in units of the training data's spread, averaged over channels.
        """
        if self.config.centre_pose:
            batch = batch._replace(pose_BT6=self._centred(batch.pose_BT6, batch.mask_BT))
        batch, portrait_BC = cut_samples(batch, self.windows.length, draws)
        clean_BTC = self.motion_scale(torch.cat([batch.expression_BTC, batch.pose_BT6], -1))
        is_known_BT, mask_BT = draw_window(batch.mask_BT, self.windows, draws)
        condition = {
            "audio_BTA": self.hearing(self.audio_scale(batch.audio_BTA), mask_BT),
            "is_known_BT": is_known_BT,
            "mask_BT": mask_BT,
            "portrait_BP": self._portrait(portrait_BC),
        }
        found = []
        for name, part in self._slices().items():
            drawn = self.process.draw(clean_BTC[..., part], draws, name=name)
            noisy_BTC = hold(clean_BTC[..., part], is_known_BT)(drawn.noisy, None)
            found.append(self.nets[name](noisy_BTC, drawn.step_B, **condition))
        found_BTC = torch.cat(found, -1)
        wanted_BT = mask_BT & ~is_known_BT
        importance_C = self.importance(self.motion_scale.std[EXPRESSION])
        losses = {
            name: squared_error(found_BTC[..., part], clean_BTC[..., part], wanted_BT, weight)
            for name, part, weight in (
                ("expression", EXPRESSION, importance_C),
                ("pose", POSE, 1.0),
            )
        }
        total = (
            self.config.weight_expression * losses["expression"]
            + self.config.weight_pose * losses["pose"]
        )
        if self._expert is not None:
            # Nothing else asks anything of what is predicted for known frames.
            held_BTC = hold(clean_BTC, is_known_BT)(found_BTC, None)
            expression_BTC = self.motion_scale.undo(held_BTC)[..., EXPRESSION]
            losses["sync"] = self._expert.on(clean_BTC).sync_loss(
                batch, expression_BTC, mask_BT, is_known_BT
            )
            total = total + self.config.weight_sync * losses["sync"]
        return {"loss": total, **losses}

    def sample(self, asked: WindowRequest) -> Tensor:
        """Return coefficients (B, T, C) in their own units; known frames keep their bits."""
        condition = self.condition(asked)
        parts = [self.sample_part(name, asked, condition) for name in self._slices()]
        found_BTC = self.motion_scale.undo(torch.cat(parts, -1))
        return hold(asked.known_BTC, asked.is_known_BT)(found_BTC, None)

    def sample_part(self, name: str, asked: WindowRequest, condition: dict[str, Tensor]) -> Tensor:
        """Return what one transformer makes, in units of its spread.

        Args:
            name: Which of `nets`.
            asked: As `sample`.
            condition: What the networks are told.
        """
        part = self._slices()[name]
        start_BTP = asked.start_BTC[..., part]
        return sample(
            self.nets[name],
            tuple(start_BTP.shape),
            self.config.diffusion,
            asked.sampler,
            asked.draws,
            condition=condition,
            start=start_BTP,
            constrain=hold(self.motion_scale(asked.known_BTC)[..., part], asked.is_known_BT),
            device=asked.audio_BTA.device,
            dtype=asked.audio_BTA.dtype,
        )

    def condition(self, asked: WindowRequest) -> dict[str, Tensor]:
        """Return what sampling tells the networks."""
        audio_BTA, portrait_BC = asked.audio_BTA, asked.portrait_BC
        if portrait_BC is None:
            portrait_BC = nobody(len(audio_BTA), audio_BTA)
        mask_BT = torch.ones_like(asked.is_known_BT)
        return {
            "audio_BTA": self.hearing(self.audio_scale(audio_BTA), mask_BT),
            "is_known_BT": asked.is_known_BT,
            "mask_BT": mask_BT,
            "portrait_BP": self._portrait(portrait_BC),
        }

    def _portrait(self, portrait_BC: Tensor) -> Tensor:
        mean_C, std_C = self.motion_scale.mean[EXPRESSION], self.motion_scale.std[EXPRESSION]
        return describe((portrait_BC - mean_C) / std_C)

    def _centred(self, pose_BT6: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the pose of samples around the mean of the data instead of their own."""
        real_BT1 = mask_BT[..., None].to(pose_BT6)
        own_B16 = (pose_BT6 * real_BT1).sum(1, keepdim=True) / real_BT1.sum(1, keepdim=True)
        return pose_BT6 - own_B16 + self.motion_scale.mean[POSE]

    def _slices(self) -> dict[str, slice]:
        """Return which channels each transformer predicts."""
        slices = {"expression": EXPRESSION, "pose": POSE, "both": slice(0, self.channels)}
        return {name: slices[name] for name in self.nets}
