"""DisentTalk's motion stage: losses (Eq. 8, 10) and guided sampling (Eq. 9) around its network.

Letters: B batch, T frames, A audio-feature width, C coefficients.
"""

import torch
from torch import Tensor, nn

from viseme_core.batches import MotionBatch
from viseme_core.diffusion import DiffusionProcess, sample
from viseme_core.draws import Draws
from viseme_core.frozen import Frozen
from viseme_core.types import NUM_EXPRESSION
from viseme_motion.disenttalk.config import DisentTalkConfig
from viseme_motion.disenttalk.net import RegionDenoiser
from viseme_motion.disenttalk.subspaces import Subspaces
from viseme_motion.experts import LipExpert
from viseme_motion.hearing import ListenedSound, PlainHearing, Said, heard_dim
from viseme_motion.known import draw_window, hold
from viseme_motion.losses import Importance, squared_error
from viseme_motion.portrait import cut_samples, describe, nobody
from viseme_motion.request import WindowRequest
from viseme_motion.scaling import Scaler
from viseme_motion.windows import WindowConfig


class DisentTalkModel(nn.Module):
    """Voice to expression.

    Args:
        config: Sizes, losses, ablations.
        windows: The windows it is trained for.
        audio_dim: Width A of the audio features.
        subspaces: Directions of each region.
        expert: Judge of lip directions, for the sync loss; None where that is off.
        hearing: What gives audio features context; by default they are heard as they are.
    """

    channels = NUM_EXPRESSION
    """Coefficients of a generated frame: expression."""

    def __init__(
        self,
        config: DisentTalkConfig,
        windows: WindowConfig,
        audio_dim: int,
        subspaces: Subspaces,
        expert: LipExpert | None = None,
        hearing: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.windows = windows
        self.subspaces = subspaces
        self.process = DiffusionProcess(config.diffusion)
        is_judged = config.sync and config.weight_sync > 0
        self._expert = Frozen(expert) if expert is not None and is_judged else None
        self.motion_scale = Scaler(self.channels)
        self.audio_scale = Scaler(audio_dim)
        self.hearing = hearing or PlainHearing()
        self.importance = Importance(self.channels)
        regions = list(subspaces.regions.values())
        if not config.disentangle:
            regions = [tuple(range(self.channels))]
        heard = heard_dim(self.hearing, audio_dim)
        self.net = RegionDenoiser(regions, audio_dim, config, heard_dim=heard)
        self.said = Said() if isinstance(self.hearing, ListenedSound) and config.velocity else None

    def loss(self, batch: MotionBatch, draws: Draws) -> dict[str, Tensor]:
        """Return `loss`, the sum of its parts `noise` (Eq. 8) and `sync` (Eq. 10, y = 1)."""
        batch, portrait_BC = cut_samples(batch, self.windows.length, draws)
        clean_BTC = self.motion_scale(batch.expression_BTC)
        is_known_BT, mask_BT = draw_window(batch.mask_BT, self.windows, draws)
        audio_BTA = self.audio_scale(batch.audio_BTA)
        is_deaf_B = draws.chance("disenttalk/drop_audio", self.config.drop_audio)
        is_deaf_B = is_deaf_B.to(audio_BTA.device)
        audio_BTA = torch.where(is_deaf_B[:, None, None], self.net.null_A, audio_BTA)
        drawn = self.process.draw(clean_BTC, draws)
        found_BTC = self._noise(
            hold(clean_BTC, is_known_BT)(drawn.noisy, None),
            drawn.step_B,
            audio_BTA=audio_BTA,
            is_known_BT=is_known_BT,
            mask_BT=mask_BT,
            portrait_BP=describe(self.motion_scale(portrait_BC)),
        )
        weight = self.importance(self.motion_scale.std)
        if self.config.velocity:
            weight = weight / self.process.alpha_bar(drawn.step_B).to(clean_BTC)[:, None, None]
        wanted_BT = mask_BT & ~is_known_BT
        losses = {"noise": squared_error(found_BTC, drawn.noise, wanted_BT, weight)}
        total = losses["noise"]
        if self._expert is not None:
            estimate_BTC = self.process.clean_of(found_BTC, drawn.noisy, drawn.step_B)
            estimate_BTC = hold(clean_BTC, is_known_BT)(estimate_BTC, None)
            # The clean estimate divides by sqrt(abar) and explodes at high t; a face that heard
            # nothing has nothing to be in sync with.
            weight_B = self.process.alpha_bar(drawn.step_B).to(clean_BTC) * ~is_deaf_B
            expression_BTC = self.motion_scale.undo(estimate_BTC)
            losses["sync"] = self._expert.on(clean_BTC).sync_loss(
                batch, expression_BTC, mask_BT, is_known_BT, weight_B
            )
            total = total + self.config.weight_sync * losses["sync"]
        return {"loss": total, **losses}

    def _sampled_noise(self, noisy: Tensor, step_B: Tensor, **condition: Tensor) -> Tensor:
        """Return the noise (B, T, C) of sampling, with the shares that the config names."""
        config = self.config
        return self._noise(
            noisy, step_B, own_share=config.own_share, emphasis=config.emphasis, **condition
        )

    def _noise(
        self,
        noisy: Tensor,
        step_B: Tensor,
        *,
        own_share: float = 1.0,
        emphasis: float = 1.0,
        **condition: Tensor,
    ) -> Tensor:
        """Return the noise (B, T, C) that the network finds.

        Args:
            noisy: Coefficients (B, T, C) at the step's noise level; known frames clean.
            step_B: Diffusion step.
            own_share: Weight of what the network adds to a listener's words; only sampling has
                another than 1, and so with `emphasis`, the weight of the words.
            emphasis: See there.
            condition: As the network's, except that `audio_BTA` has no context yet.
        """
        heard_BTA = self.hearing(condition["audio_BTA"], condition["mask_BT"])
        found_BTC = self.net(noisy, step_B, **{**condition, "audio_BTA": heard_BTA})
        if not self.config.velocity:
            return found_BTC
        # v = sqrt(abar) eps - sqrt(1 - abar) x_0 and x_t give eps with no division.
        alpha_bar_B11 = self.process.alpha_bar(step_B).to(noisy)[:, None, None]
        if self.said is not None:
            # In noise alone the velocity is all guess, in a clean sample all noise, which is not
            # to shrink.
            found_BTC = (1 - (1 - own_share) * (1 - alpha_bar_B11)) * found_BTC
            said_BTC = emphasis * self.said(heard_BTA)
            found_BTC = found_BTC - (1 - alpha_bar_B11).sqrt() * said_BTC
        return (1 - alpha_bar_B11).sqrt() * noisy + alpha_bar_B11.sqrt() * found_BTC

    def sample(self, asked: WindowRequest) -> Tensor:
        """Return expression (B, T, C) in its own units; known frames keep their bits."""
        audio_BTA, is_known_BT = self.audio_scale(asked.audio_BTA), asked.is_known_BT
        portrait_BC = asked.portrait_BC
        if portrait_BC is None:
            portrait_BC = nobody(len(audio_BTA), audio_BTA)
        condition = {
            "audio_BTA": audio_BTA,
            "is_known_BT": is_known_BT,
            "mask_BT": torch.ones_like(is_known_BT),
            "portrait_BP": describe(self.motion_scale(portrait_BC)),
        }
        found_BTC = sample(
            self._sampled_noise,
            tuple(asked.start_BTC.shape),
            self.config.diffusion,
            asked.sampler,
            asked.draws,
            condition=condition,
            null={"audio_BTA": self.net.null_A.expand_as(audio_BTA)},
            start=asked.start_BTC,
            constrain=hold(self.motion_scale(asked.known_BTC), is_known_BT),
            device=audio_BTA.device,
            dtype=audio_BTA.dtype,
        )
        return hold(asked.known_BTC, is_known_BT)(self.motion_scale.undo(found_BTC), None)
