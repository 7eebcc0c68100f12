"""The listener: the mean of a committee, and what its members learn from.

People speak with mouths of their own: how far one opens, and how it rests, cannot be heard. So the
targets are in units of each clip's own mean and spread, and what is left can be learned from
minutes, where a generator that has to explain the rest as well learns people by heart.

Letters: B batch, T frames, A audio-feature width, C coefficients, Y = 1 + C targets of a frame.
"""

import torch
from torch import Tensor, nn

from viseme_core.batches import MotionBatch
from viseme_core.draws import Draws
from viseme_core.types import NUM_EXPRESSION
from viseme_face import MorphableModel
from viseme_motion.listener.config import ListenerConfig
from viseme_motion.listener.net import Hide, LinearMember, Member
from viseme_motion.losses import squared_error
from viseme_motion.scaling import Scaler

NUM_TARGETS = 1 + NUM_EXPRESSION
"""The lips' opening, and the expression coefficients."""
# A face that never moves has no spread to be measured in.
_SMALLEST_SPREAD = 1e-3


class ListenerModel(nn.Module):
    """Voice to how the face moves, in units of the clip's own spread.

    Args:
        config: Members, widths, training.
        face_model: Face model of the coefficients; only training needs it.
    """

    opening_C: Tensor

    def __init__(self, config: ListenerConfig, face_model: MorphableModel | None = None) -> None:
        super().__init__()
        self.config = config
        self.audio_scale = Scaler(config.audio_dim)
        self.members = nn.ModuleList(
            Member(
                config.audio_dim,
                config.dim,
                NUM_TARGETS,
                num_blocks=config.num_blocks,
                kernel=config.kernel,
            )
            for _ in range(config.members)
        )
        self.linear = (
            LinearMember(config.audio_dim, NUM_TARGETS, config.linear_kernel)
            if config.linear_share
            else None
        )
        opening_C = torch.zeros(NUM_EXPRESSION) if face_model is None else opening_of(face_model)
        self.register_buffer("opening_C", opening_C, persistent=False)

    def forward(self, audio_BTA: Tensor, mask_BT: Tensor) -> Tensor:
        """Return what the committee says (B, T, Y): the mean of its members, and its linear one.

        Args:
            audio_BTA: Audio features in units of `audio_scale`.
            mask_BT: Real frames.
        """
        said_BTY = torch.stack([member(audio_BTA, mask_BT) for member in self.members]).mean(0)
        if self.linear is None:
            return said_BTY
        return torch.lerp(said_BTY, self.linear(audio_BTA, mask_BT), self.config.linear_share)

    def loss(self, batch: MotionBatch, draws: Draws) -> dict[str, Tensor]:
        """Return `loss` and its parts `opening` and `expression`: squared errors of each member.

        Members are judged one by one: the mean of networks that err independently errs less.
        """
        audio_BTA = self.audio_scale(batch.audio_BTA)
        target_BTY = self.targets(batch.expression_BTC, batch.mask_BT)
        trained = [
            (member, _hider(draws, f"listener/{number}", self.config.dropout))
            for number, member in enumerate(self.members)
        ]
        if self.linear is not None:
            hide = _hider(draws, "listener/linear", self.config.linear_dropout)
            trained.append((self.linear, hide))
        losses = {"opening": audio_BTA.new_zeros(()), "expression": audio_BTA.new_zeros(())}
        for member, hide in trained:
            found_BTY = member(audio_BTA, batch.mask_BT, hide)
            for name, part in (("opening", slice(0, 1)), ("expression", slice(1, None))):
                error = squared_error(found_BTY[..., part], target_BTY[..., part], batch.mask_BT)
                losses[name] = losses[name] + error / len(trained)
        total = losses["opening"] + self.config.weight_expression * losses["expression"]
        return {"loss": total, **losses}

    def targets(self, expression_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """Return what is to be said (B, T, Y): movements in units of each sample's own spread."""
        opening_BT1 = (expression_BTC @ self.opening_C)[..., None]
        return in_own_units(torch.cat([opening_BT1, expression_BTC], -1), mask_BT)


def opening_of(model: MorphableModel) -> Tensor:
    """Return how far one unit of each expression coefficient opens the lips, (C,).

    The inner lips' middles, landmarks 13 above and 14 below, along the head's height.
    """
    upper, lower = model.landmark_ids("mp478")[[13, 14]]
    shape = model.shape_at(torch.stack([upper, lower]))
    return shape.expression_basis_EV3[:, 0, 1] - shape.expression_basis_EV3[:, 1, 1]


def in_own_units(values_BTY: Tensor, mask_BT: Tensor) -> Tensor:
    """Return values less each sample's mean over its real frames, divided by its deviation."""
    weight_BT1 = mask_BT[..., None].to(values_BTY)
    count_B11 = weight_BT1.sum(1, keepdim=True).clamp(min=1)
    centred_BTY = values_BTY - (values_BTY * weight_BT1).sum(1, keepdim=True) / count_B11
    power_B1Y = (centred_BTY.square() * weight_BT1).sum(1, keepdim=True) / count_B11
    return centred_BTY / power_B1Y.sqrt().clamp(min=_SMALLEST_SPREAD)


def _hider(draws: Draws, name: str, share: float) -> Hide:
    """Return dropout whose draws depend on seed, step and sample alone."""

    def hide(values_BTD: Tensor, place: str) -> Tensor:
        if not share:
            return values_BTD
        kept = [
            torch.empty(values_BTD.shape[1:]).bernoulli_(1 - share, generator=generator)
            for generator in draws.generators(f"{name}/{place}")
        ]
        return values_BTD * torch.stack(kept).to(values_BTD) / (1 - share)

    return hide
