"""PIRender with its losses: warping first, then both networks together.

Letters: B batch, T frames, W frames of a window, C coefficients, K landmarks.
"""

import torch
from torch import Tensor, nn

from viseme_core.draws import Draws
from viseme_render.pirender.batch import PIRenderBatch
from viseme_render.pirender.config import PIRenderConfig
from viseme_render.pirender.flow import landmark_error
from viseme_render.pirender.losses import EdgeLoss, PerceptualLoss, pixel_loss
from viseme_render.pirender.net import PIRenderNet, Prepared, Rendered
from viseme_render.pirender.regions import mouth_weight
from viseme_render.pirender.scale import CoefficientScale

_HUNDREDTHS = 100.0


class PIRenderModel(nn.Module):
    """Makes pictures of a portrait and coefficients, and says how wrong they are.

    Args:
        config: Settings.
        perceptual: What the perceptual loss looks through; by default colours and edges. A model
            that only draws needs none.
    """

    def __init__(self, config: PIRenderConfig, perceptual: PerceptualLoss | None = None) -> None:
        super().__init__()
        self.config = config
        self.scale = CoefficientScale()
        self.net = PIRenderNet(config.net)
        self._perceptual = perceptual or EdgeLoss(config.loss.scales)

    def prepare(self, reference_B3HW: Tensor) -> Prepared:
        """Return the constant work on portraits."""
        return self.net.prepare(reference_B3HW)

    def forward(
        self, prepared: Prepared, window_BWC: Tensor, own_BC: Tensor, *, edit: bool = True
    ) -> Rendered:
        """Return pictures.

        Args:
            prepared: The portrait, 1 or B.
            window_BWC: Coefficients around each frame, as the config's convention has them.
            own_BC: The portrait's own, 1 or B.
            edit: False leaves the editing network out.
        """
        told = self.scale(own_BC) if self.config.net.knows_reference else None
        return self.net(prepared, self.net.describe(self.scale(window_BWC), told), edit=edit)

    def is_warping(self, step: int) -> bool:
        """Return whether a step of training is one of the first phase; evaluation (-1) is not."""
        return 0 <= step < self.config.warp_steps

    def render(self, batch: PIRenderBatch, *, edit: bool = True) -> Rendered:
        """Return the pictures of a batch, its samples and their frames in one row."""
        frames = batch.frames_BT3HW.shape[1]
        prepared = self.prepare(batch.reference_B3HW)
        repeated = Prepared(*(part.repeat_interleave(frames, 0) for part in prepared))
        own_BC = batch.own_motion_BC.repeat_interleave(frames, 0)
        return self(repeated, batch.motion_window_BTWC.flatten(0, 1), own_BC, edit=edit)

    def loss(self, batch: PIRenderBatch, draws: Draws) -> dict[str, Tensor]:
        """Return the named losses of a batch; the phase is that of the draws' step."""
        edit = not self.is_warping(draws.step)
        return self.losses_of(self.render(batch, edit=edit), batch, edit=edit)

    def losses_of(self, made: Rendered, batch: PIRenderBatch, *, edit: bool) -> dict[str, Tensor]:
        """Return the named losses of what was made of a batch.

        Args:
            made: Result of `render`.
            batch: What it was made of.
            edit: Whether the finished pictures count too.
        """
        weights = self.config.loss
        true_B3HW = batch.frames_BT3HW.flatten(0, 1)
        losses: dict[str, Tensor] = {}
        total = true_B3HW.new_zeros(())
        if weights.perceptual_warp:
            found = self._perceptual(made.warped_B3HW, true_B3HW, style=False)
            losses["warp_perceptual"] = found.content
            total = total + weights.perceptual_warp * found.content
        if edit and (weights.perceptual or weights.style):
            found = self._perceptual(made.picture_B3HW, true_B3HW, style=weights.style > 0)
            losses["perceptual"] = found.content
            total = total + weights.perceptual * found.content
            if weights.style:
                losses["style"] = found.style
                total = total + weights.style * found.style
        points_BK2 = batch.landmarks_BTK2.flatten(0, 1)
        if weights.pixels:
            weight_BHW = 1 + weights.mouth * mouth_weight(points_BK2, true_B3HW.shape[-1])
            losses["warp_pixels"] = pixel_loss(made.warped_B3HW, true_B3HW, weight_BHW)
            total = total + weights.pixels * losses["warp_pixels"]
            if edit:
                losses["pixels"] = pixel_loss(made.picture_B3HW, true_B3HW, weight_BHW)
                total = total + weights.pixels * losses["pixels"]
        if weights.landmarks:
            own_BK2 = batch.own_landmarks_BK2.repeat_interleave(batch.frames_BT3HW.shape[1], 0)
            missed = landmark_error(made.flow_B2hw, points_BK2, own_BK2, self.config.net.grid)
            losses["landmarks"] = _HUNDREDTHS * missed
            total = total + weights.landmarks * losses["landmarks"]
        if not edit:
            # A gradient of zero: all processes wait for one of every parameter that trains.
            waiting = (p.sum() for p in self.net.editing_net.parameters() if p.requires_grad)
            total = total + 0 * torch.stack(list(waiting)).sum()
        return {"loss": total, **losses}
