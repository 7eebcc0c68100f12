"""Lip experts: judges of whether lips and a sound belong together, trained first, then frozen.

FD2Talk's looks at the mouth's vertices (Eq. 10, 11), DisentTalk's at the lip directions of the
expression coefficients (Eq. 10). Letters: B batch, T frames, A audio-feature width, C coefficients,
D width of embeddings.
"""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from viseme_core.audio import AudioConfig, LogMelConfig
from viseme_core.batches import MotionBatch
from viseme_core.contrastive import ContrastiveConfig, ContrastiveExpert, slide_windows
from viseme_core.draws import Draws
from viseme_core.types import NUM_EXPRESSION
from viseme_face import MorphableModel
from viseme_motion.disenttalk.subspaces import Subspaces
from viseme_motion.losses import frame_mean
from viseme_motion.mouth import MouthVertices
from viseme_motion.scaling import Scaler


@dataclass(frozen=True, kw_only=True)
class ExpertConfig:
    """A lip expert: whose it is, its size and how it is trained."""

    system: Literal["fd2talk", "disenttalk"]
    """What it looks at: `fd2talk` vertices of the mouth, `disenttalk` lip directions."""
    dim: int = 192
    """Width of the encoders and of the embeddings."""
    window: int = 5
    """Frames that are judged together."""
    min_shift: int = 5
    """Smallest distance in frames of a wrong sound."""
    max_shift: int = 15
    """Largest distance in frames of a wrong sound."""
    lip: tuple[int, ...] = ()
    """Expression directions of the lips, for `disenttalk`; empty takes those shipped for the
    built-in face model."""
    audio: AudioConfig | None = None
    """Audio encoder of the data, log-mel by default."""
    audio_dim: int = 320
    """Width of the audio features: 320 for log-mel, 768 or 384 for speech models."""
    face_model: str = "builtin"
    """Face model of the data: `builtin`, or a face file."""

    def __post_init__(self) -> None:
        if self.audio is None:
            # As the field's default, YAML would be merged into it, whatever encoder it names.
            object.__setattr__(self, "audio", LogMelConfig())

    @property
    def contrastive(self) -> ContrastiveConfig:
        """Settings of the shared trainer of experts."""
        return ContrastiveConfig(
            window=self.window,
            min_shift=self.min_shift,
            max_shift=self.max_shift,
            probability="clamp" if self.system == "fd2talk" else "affine",
        )


class LipExpert(nn.Module):
    """Judges lip motion, given as coefficients, by the sound.

    Args:
        config: System, size, training.
        model: Face model of the coefficients.
    """

    def __init__(self, config: ExpertConfig, model: MorphableModel) -> None:
        super().__init__()
        self.config = config
        self.audio_scale = Scaler(config.audio_dim)
        self.motion_scale = Scaler(NUM_EXPRESSION)
        self.mouth = MouthVertices(model) if config.system == "fd2talk" else None
        self.lips: tuple[int, ...] = ()
        if self.mouth is not None:
            seen_dim = 3 * self.mouth.num_points
        else:
            self.lips = config.lip or Subspaces.shipped(model.name).lip
            seen_dim = len(self.lips)
        # Wav2Lip's encoders end in ReLU, so that its cosine is never negative.
        is_positive = config.system == "fd2talk"
        encoders = (
            WindowEncoder(width, config.dim, config.window, is_positive=is_positive)
            for width in (seen_dim, config.audio_dim)
        )
        self.expert = ContrastiveExpert(config.contrastive, *encoders)

    def see(self, identity_BI: Tensor, expression_BTC: Tensor) -> Tensor:
        """Return what the expert sees of each frame, (B, T, ...)."""
        if self.mouth is not None:
            return self.mouth(identity_BI, expression_BTC).flatten(2)
        return self.motion_scale(expression_BTC)[..., list(self.lips)]

    def pair(self, batch: MotionBatch) -> tuple[Tensor, Tensor]:
        """Return what is seen and what is heard of a batch, frame by frame."""
        seen = self.see(batch.identity_BI, batch.expression_BTC)
        return seen, self.audio_scale(batch.audio_BTA)

    def loss(
        self, seen: Tensor, heard: Tensor, draws: Draws, length_B: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return loss and accuracy of one window per sample, for the expert's own training."""
        return self.expert.loss(seen, heard, draws, length_B)

    def lag_curve(self, seen: Tensor, heard: Tensor, max_lag: int) -> Tensor:
        """Return the mean cosine at each lag of the lips behind the sound, (B, 2 max_lag + 1)."""
        return self.expert.lag_curve(seen, heard, max_lag)

    def sync_loss(
        self,
        batch: MotionBatch,
        expression_BTC: Tensor,
        mask_BT: Tensor,
        is_known_BT: Tensor,
        weight_B: Tensor | None = None,
    ) -> Tensor:
        """Return -log of the probability that generated lips fit the sound.

        FD2Talk Eq. 11, and DisentTalk Eq. 10 with y = 1, averaged over windows, then over samples.

        Args:
            batch: Sound and identity.
            expression_BTC: Generated expression in raw units.
            mask_BT: Real frames; windows that touch others do not count.
            is_known_BT: Frames that were given; windows with no other do not count.
            weight_B: Weight of each sample.
        """
        seen = self.see(batch.identity_BI, expression_BTC)
        loss_BT = self.expert.sync_loss(seen, self.audio_scale(batch.audio_BTA))
        if weight_B is not None:
            loss_BT = loss_BT * weight_B[:, None]
        is_real_BT = slide_windows(mask_BT, self.config.window).all(-1)
        is_given_BT = slide_windows(is_known_BT, self.config.window).all(-1)
        return frame_mean(loss_BT, is_real_BT & ~is_given_BT)


class WindowEncoder(nn.Module):
    """Embeds a window of frames as one vector.

    Args:
        in_dim: Features of a frame.
        dim: Width of the embedding.
        window: Frames of a window.
        is_positive: Embeddings have no negative entry.
    """

    def __init__(self, in_dim: int, dim: int, window: int, *, is_positive: bool) -> None:
        super().__init__()
        self.enter = nn.Linear(in_dim, dim)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, dim, 3, padding=1) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.leave = nn.Linear(window * dim, dim)
        self.is_positive = is_positive

    def forward(self, window_BTX: Tensor) -> Tensor:
        """Return embeddings (B, D) of windows (B, window, features)."""
        hidden_BTD = self.enter(window_BTX)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            around = convolution(rearrange(F.relu(norm(hidden_BTD)), "b t d -> b d t"))
            hidden_BTD = hidden_BTD + rearrange(around, "b d t -> b t d")
        embedding = self.leave(F.relu(hidden_BTD).flatten(1))
        return F.relu(embedding) if self.is_positive else embedding
