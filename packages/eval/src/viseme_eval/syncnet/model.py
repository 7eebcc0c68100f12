"""The sync network: two streams of embeddings whose cosine says whether mouth and sound fit.

Letters: B batch, T frames, K landmarks, X features of a mouth, A audio-feature width, D width of
embeddings.
"""

import torch
from torch import Tensor, nn

from viseme_core.contrastive import ContrastiveExpert, slide_windows
from viseme_core.draws import Draws
from viseme_eval.syncnet.augment import disturb_heard, disturb_seen
from viseme_eval.syncnet.config import SyncConfig
from viseme_eval.syncnet.mouth import NUM_POINTS, MouthShape
from viseme_eval.syncnet.net import StreamEncoder, without_level


class SyncModel(nn.Module):
    """Judges mouths by sounds.

    Args:
        config: What it sees and hears, size, training.
    """

    def __init__(self, config: SyncConfig) -> None:
        super().__init__()
        self.config = config
        self.mouth = MouthShape()
        self.visual, self.audio = (
            StreamEncoder(width, config.dim, config.embedding, config.window, config.dropout)
            for width in (3 * NUM_POINTS, config.audio_dim)
        )
        # The streams are encoded already: the shared trainer chooses rows and compares them.
        self.expert = ContrastiveExpert(config.contrastive, nn.Flatten(), nn.Flatten())

    def embed_seen(self, seen_BTX: Tensor) -> Tensor:
        """Return embeddings (B, T - window + 1, D) of mouth shapes (B, T, X)."""
        return self.visual(without_level(seen_BTX, self.config.surround))

    def embed_heard(self, heard_BTA: Tensor) -> Tensor:
        """Return embeddings (B, T - window + 1, D) of audio features (B, T, A)."""
        return self.audio(without_level(heard_BTA, self.config.surround))

    def loss(self, seen_BTX: Tensor, heard_BTA: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Return loss and accuracy over many pairs of each sample.

        Each sample's streams are encoded once and cut into overlapping pieces; in each piece one
        row of the mouth has to find its sound among others `min_shift` to `max_shift` away.

        Args:
            seen_BTX: Mouth shapes, T at least `config.shortest`.
            heard_BTA: Audio features of the same frames.
            draws: Source of disturbances, rows and negatives.
        """
        self._check_length(seen_BTX.shape[1])
        if self.training:
            seen_BTX = disturb_seen(seen_BTX, draws, self.config.augment)
            heard_BTA = disturb_heard(heard_BTA, draws, self.config.augment)
        seen = self._pieces(self.embed_seen(seen_BTX))
        heard = self._pieces(self.embed_heard(heard_BTA))
        num = seen.shape[1]
        index = [row * num + piece for row in draws.index for piece in range(num)]
        own_draws = Draws(draws.seed, draws.step, index)
        return self.expert.loss(seen.flatten(0, 1), heard.flatten(0, 1), own_draws)

    @torch.no_grad()
    def lag_curve(self, seen_BTX: Tensor, heard_BTA: Tensor, max_lag: int) -> Tensor:
        """Return the mean cosine at each lag of the mouth behind the sound, (B, 2 max_lag + 1)."""
        streams = (self.embed_seen(seen_BTX), self.embed_heard(heard_BTA))
        return self.expert.lag_curve(*streams, max_lag)

    def _pieces(self, stream_BTD: Tensor) -> Tensor:
        """Return pieces (B, num, 2 max_shift + 1, D), a stride apart."""
        pieces = slide_windows(stream_BTD, 2 * self.config.max_shift + 1)
        return pieces[:, :: self.config.stride]

    def _check_length(self, num_frames: int) -> None:
        shortest = self.config.shortest
        if num_frames < shortest:
            raise ValueError(
                f"data.frames must be at least window + 2 max_shift = {shortest}, got "
                f"{num_frames}; make samples longer or model.config.max_shift smaller"
            )
