"""One model for every expert that judges whether a motion and a sound belong together.

Two encoders, one for motion and one for sound, map windows to embeddings whose cosine says how
well they match. FD2Talk's lip expert (Eq. 10, 11), DisentTalk's parameter-level expert (Eq. 10) and
sync networks on frames differ only in their encoders and in how a cosine becomes a probability.
Negatives are the same clip's sound at another time, never another sample's, so that the loss of a
batch does not depend on how it is spread over processes.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viseme_core.draws import Draws


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig:
    """How an audio-motion expert is trained and read."""

    window: int = 5
    """Frames that are judged together."""
    min_shift: int = 5
    """Smallest distance in frames between a window and its negative."""
    max_shift: int = 15
    """Largest distance in frames between a window and its negative."""
    objective: Literal["bce", "infonce"] = "bce"
    """`bce`: one positive or negative per window, as Wav2Lip; `infonce`: one positive among all."""
    num_negatives: int = 1
    """Negatives per window; `bce` needs 1."""
    probability: Literal["clamp", "affine"] = "clamp"
    """A cosine becomes a probability by cutting it at 0 (encoders that end in ReLU never get there,
    FD2Talk) or by (1 + cos) / 2 (encoders of either sign, DisentTalk)."""
    temperature: float = 0.07
    """Divides cosines in `infonce`."""

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"contrastive.window must be at least 1, got {self.window}")
        if not 1 <= self.min_shift <= self.max_shift:
            raise ValueError(
                "contrastive needs 1 <= min_shift <= max_shift, got "
                f"{self.min_shift} and {self.max_shift}"
            )
        if self.num_negatives < 1 or (self.objective == "bce" and self.num_negatives != 1):
            raise ValueError(
                f"contrastive.num_negatives must be 1 for 'bce' and at least 1 for 'infonce', "
                f"got {self.num_negatives}"
            )


class ContrastiveExpert(nn.Module):
    """Judges whether windows of motion and of sound happened together.

    Args:
        config: Window, negatives, objective.
        motion_encoder: Maps windows (B, window, ...) to embeddings (B, D).
        audio_encoder: Maps windows (B, window, ...) to embeddings (B, D).
    """

    # Wav2Lip's own choice of a small number that keeps -log finite.
    EPSILON = 1e-7

    def __init__(
        self, config: ContrastiveConfig, motion_encoder: nn.Module, audio_encoder: nn.Module
    ) -> None:
        super().__init__()
        self.config = config
        self.motion_encoder = motion_encoder
        self.audio_encoder = audio_encoder

    def similarity(self, motion: Tensor, audio: Tensor) -> Tensor:
        """Return the cosine of each pair of windows (FD2Talk Eq. 10), shape (B,).

        Cosines are at least float32 whatever the encoders compute in: half precision cannot tell
        0.999 from 1, and -log is steepest where the difference counts.
        """
        seen = _directions(self.motion_encoder(motion))
        heard = _directions(self.audio_encoder(audio))
        return (seen * heard).sum(-1)

    def probability(self, similarity: Tensor) -> Tensor:
        """Return the probability, in [EPSILON, 1 - EPSILON], that pairs of a cosine match."""
        similarity = _at_least_float32(similarity)
        if self.config.probability == "affine":
            similarity = (1 + similarity) / 2
        return similarity.clamp(self.EPSILON, 1 - self.EPSILON)

    def loss(
        self, motion: Tensor, audio: Tensor, draws: Draws, length_B: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the training loss and the accuracy on one random window per sample.

        Args:
            motion: Motion features (B, T, ...), T >= window + min_shift.
            audio: Audio features (B, T, ...) of the same frames.
            draws: Source of windows, shifts and labels.
            length_B: Real frames of each sample, which padding follows; all by default. Samples too
                short for two windows count as zero.

        Returns:
            `loss`; `accuracy`, how often the true pair is closer than every negative.
        """
        num_frames = motion.shape[1]
        length_B = torch.full((len(motion),), num_frames) if length_B is None else length_B.cpu()
        counts_B = length_B >= min(num_frames, self.config.window + self.config.min_shift)
        length_B = torch.where(counts_B, length_B, num_frames)
        start_B = self._draw_starts(length_B, draws)
        shifted_BN = self._draw_shifted(start_B, length_B, draws)
        counts_B = counts_B.to(motion.device)
        motion_window = take_windows(motion, start_B, self.config.window)
        audio_windows = [take_windows(audio, start_B, self.config.window)]
        audio_windows += [take_windows(audio, s, self.config.window) for s in shifted_BN.unbind(1)]
        similarity_BN = self._similarities(motion_window, audio_windows)
        positive, negatives = similarity_BN[:, 0], similarity_BN[:, 1:]
        is_closer_B = (positive[:, None] > negatives).all(dim=1) & counts_B
        accuracy = is_closer_B.to(similarity_BN.dtype).mean()
        if self.config.objective == "infonce":
            labels = torch.zeros(len(start_B), dtype=torch.long, device=similarity_BN.device)
            scaled_BN = similarity_BN / self.config.temperature
            loss_B = F.cross_entropy(scaled_BN, labels, reduction="none")
        else:
            is_true = draws.chance("contrastive/label", 0.5).to(similarity_BN.device)
            chosen = torch.where(is_true, positive, negatives[:, 0])
            chance = self.probability(chosen)
            # Binary cross-entropy by its definition: on a GPU, torch's own refuses autocast.
            loss_B = -torch.where(is_true, chance.log(), (-chance).log1p())
        loss = torch.where(counts_B, loss_B, 0.0).mean()
        return {"loss": loss, "accuracy": accuracy.detach()}

    def sync_loss(self, motion: Tensor, audio: Tensor) -> Tensor:
        """Return -log of the probability that each window of a sequence matches, shape (B, T').

        FD2Talk Eq. 11, and DisentTalk Eq. 10 with y = 1. T' = T - window + 1, every window of the
        sequence.
        """
        motion_windows = slide_windows(motion, self.config.window)
        audio_windows = slide_windows(audio, self.config.window)
        similarity = self.similarity(motion_windows.flatten(0, 1), audio_windows.flatten(0, 1))
        return -self.probability(similarity).log().unflatten(0, motion_windows.shape[:2])

    @torch.no_grad()
    def lag_curve(self, motion: Tensor, audio: Tensor, max_lag: int) -> Tensor:
        """Return the mean cosine at each lag of the motion behind the sound, (B, 2 max_lag + 1).

        Entry `max_lag + n` compares motion at frame t with sound at frame t - n over all t where
        both exist, so the curve peaks at n > 0 where the mouth comes later than the sound.
        """
        windows = [slide_windows(x, self.config.window) for x in (motion, audio)]
        num_samples, count = windows[0].shape[:2]
        if count <= max_lag:
            raise ValueError(
                f"a lag curve up to {max_lag} frames with window {self.config.window} needs at "
                f"least {self.config.window + max_lag} frames, got {motion.shape[1]}"
            )
        encoders = (self.motion_encoder, self.audio_encoder)
        seen, heard = (
            _directions(encoder(w.flatten(0, 1))).unflatten(0, (num_samples, count))
            for encoder, w in zip(encoders, windows, strict=True)
        )
        curve = []
        for lag in range(-max_lag, max_lag + 1):
            later, earlier = (seen, heard) if lag >= 0 else (heard, seen)
            size = count - abs(lag)
            curve.append((later[:, abs(lag) :] * earlier[:, :size]).sum(-1).mean(1))
        return torch.stack(curve, dim=1)

    def _similarities(self, motion_window: Tensor, audio_windows: list[Tensor]) -> Tensor:
        """Return cosines (B, 1 + negatives) of one motion window with several of sound."""
        seen = _directions(self.motion_encoder(motion_window))
        heard = _directions(self.audio_encoder(torch.cat(audio_windows)))
        # No einsum: autocast would take it to half precision.
        return (seen * heard.unflatten(0, (len(audio_windows), -1))).sum(-1).T

    def _draw_starts(self, length_B: Tensor, draws: Draws) -> Tensor:
        """Return starts (B,) of windows that have another at least min_shift before or after."""
        shift = self.config.min_shift
        last_B = length_B - self.config.window
        if last_B.min() < shift:
            raise ValueError(
                f"contrastive training with window {self.config.window} and min_shift {shift} "
                f"needs at least {self.config.window + shift} frames a sample, got "
                f"{int(length_B.min())}"
            )
        # Starts [0, side) have one after them, starts [shift, last] one before; in a short clip
        # those in between have neither.
        side_B = (last_B - shift + 1).clamp(max=shift)
        between_B = shift - side_B
        highs = (last_B + 1 - between_B).tolist()
        streams = draws.generators("contrastive/start")
        start_B = torch.stack(
            [torch.randint(high, (), generator=g) for high, g in zip(highs, streams, strict=True)]
        )
        return start_B + between_B * (start_B >= side_B)

    def _draw_shifted(self, start_B: Tensor, length_B: Tensor, draws: Draws) -> Tensor:
        """Return starts (B, negatives) of windows that are min_shift to max_shift away."""
        shifts = torch.arange(self.config.min_shift, self.config.max_shift + 1)
        candidates = torch.cat([-shifts.flip(0), shifts]) + start_B[:, None]
        allowed = (candidates >= 0) & (candidates <= (length_B - self.config.window)[:, None])
        score = draws.uniform("contrastive/shift", candidates.shape[1])
        order = score.masked_fill(~allowed, -1).argsort(dim=1, descending=True)
        # Fewer windows in reach than negatives wanted: the list is gone through again.
        count = allowed.sum(dim=1, keepdim=True)
        picked = torch.arange(self.config.num_negatives)[None] % count
        return candidates.gather(1, order.gather(1, picked))


def take_windows(sequence: Tensor, start_B: Tensor, length: int) -> Tensor:
    """Return the window (B, length, ...) of each sample that begins at its own frame."""
    frames = start_B[:, None] + torch.arange(length, device=start_B.device)
    rows = torch.arange(len(sequence), device=sequence.device)[:, None]
    return sequence[rows, frames.to(sequence.device)]


def slide_windows(sequence: Tensor, length: int) -> Tensor:
    """Return all windows (B, T - length + 1, length, ...) of a sequence (B, T, ...)."""
    windows = sequence.unfold(1, length, 1)
    return windows.movedim(-1, 2)


def _directions(embedding: Tensor) -> Tensor:
    """Return embeddings scaled to length one; an embedding of zeros stays zero."""
    # The bound on the length also bounds the gradient of an encoder that answers with zeros.
    return F.normalize(_at_least_float32(embedding), dim=-1, eps=1e-8)


def _at_least_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
