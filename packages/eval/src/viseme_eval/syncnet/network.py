"""The trained sync network at work: landmarks and sound in, two streams of embeddings out.

    network = load_sync_network()                       # the one that is shipped
    embedding = network.embed(landmarks, samples)
    found = cosine_offset(embedding.seen_TD, embedding.heard_TD)

Row t of either stream covers frames t to t + window - 1. Letters: T frames or rows, K landmarks,
S samples, X features, D width of embeddings.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from viseme_core.audio import build_encoder
from viseme_core.checkpoint import load_stage, load_weights
from viseme_core.config import from_plain
from viseme_core.shapes import check_shape
from viseme_core.types import SAMPLES_PER_FRAME, Landmarks
from viseme_eval.networks.face_network import FaceNetwork
from viseme_eval.networks.loading import fingerprint
from viseme_eval.networks.sync_network import SyncEmbedding
from viseme_eval.syncnet.config import NAME, STAGE, SyncConfig
from viseme_eval.syncnet.model import SyncModel
from viseme_eval.syncnet.mouth import LAYOUT
from viseme_eval.syncnet.net import without_level
from viseme_face.layouts import select

SHIPPED = Path(__file__).parents[1] / "assets" / "lmsync.safetensors"
"""The network that comes with this package; `assets/LMSYNC.md` says how it was made."""

# Frames that are worked on at once; no result depends on it.
_PIECE = 250


class LandmarkSyncNetwork(FaceNetwork[SyncModel]):
    """A sync network that looks at landmarks, frozen.

    Args:
        net: Its weights.
    """

    seen = "landmarks"
    """What it sees of the mouth."""

    def __init__(self, net: SyncModel) -> None:
        super().__init__(net)
        self.name = NAME
        assert net.config.audio is not None
        self._ears = build_encoder(net.config.audio)

    @property
    def window(self) -> int:
        """Frames that a row covers."""
        return self.net.config.window

    @property
    def embedding(self) -> int:
        """Width D of a row."""
        return self.net.config.embedding

    def embed(self, landmarks: Landmarks | Tensor, samples_S: Tensor) -> SyncEmbedding:
        """Return both streams of a clip, T - window + 1 rows where sound and picture last as long.

        Args:
            landmarks: `mp478` with depth, or the 131 of `talk131`, in one unit for x and y (a
                square crop, or pixels); a bare tensor is one of these by its shape, (T, K, 3).
            samples_S: 16 kHz mono in [-1, 1]. Picture or sound that outlasts the other is left out.

        Raises:
            ValueError: If the clip is too short for a single row.
        """
        stream = self.stream()
        pieces = (stream.push(None, landmarks, samples_S), stream.finish())
        return SyncEmbedding(*(torch.cat(parts) for parts in zip(*pieces, strict=True)))

    def stream(self) -> "LandmarkSyncStream":
        """Return a stream for a clip that comes in pieces; any pieces give the same rows."""
        return LandmarkSyncStream(self)

    def shape(self, points_TK3: Tensor) -> Tensor:
        """Return mouth shapes (T, X) of landmarks `talk131`."""
        return self.net.mouth(points_TK3.to(self.device).float())


class LandmarkSyncStream:
    """Both streams of a clip that comes in pieces. Memory does not grow with the clip.

    Args:
        network: What embeds.
    """

    def __init__(self, network: LandmarkSyncNetwork) -> None:
        self._network = network
        self._hearing = network._ears.stream()
        config = network.net.config
        self._eye = _Windows(network.net.visual, config)
        self._ear = _Windows(network.net.audio, config)
        self._num_frames = 0
        self._num_samples = 0
        self._num_rows = 0
        self._seen = self._heard = torch.zeros(0, network.embedding, device=network.device)

    def push(
        self,
        frames_T3HW: Tensor | None,
        landmarks: Landmarks | Tensor | None,
        samples_S: Tensor,
    ) -> SyncEmbedding:
        """Return the rows that these frames and this sound complete; often none.

        Args:
            frames_T3HW: The frames; only their shape is used, for landmarks in [0, 1] of frames
                that are not square. None where landmarks are of a square crop.
            landmarks: Landmarks of the next frames, as `embed` takes them.
            samples_S: The next samples, any number of them.
        """
        points_TK3 = _talk131(landmarks)
        if frames_T3HW is not None:
            height, width = frames_T3HW.shape[-2:]
            # x and depth are fractions of the width, y of the height.
            points_TK3 = points_TK3 * points_TK3.new_tensor([1.0, height / width, 1.0])
        self._num_frames += len(points_TK3)
        self._num_samples += len(samples_S)
        with torch.no_grad():
            for points in points_TK3.split(_PIECE):
                self._look(self._eye.push(self._network.shape(points)))
            for samples in samples_S.split(_PIECE * SAMPLES_PER_FRAME):
                self._listen(self._hearing.push(samples))
        return self._matched()

    def finish(self) -> SyncEmbedding:
        """Return the rows that are left.

        Raises:
            ValueError: If the clip was too short for a single row.
        """
        with torch.no_grad():
            if self._num_samples:
                self._listen(self._hearing.finish())
            self._look(self._eye.finish())
            self._heard = torch.cat([self._heard, self._ear.finish()])
        last = self._matched()
        if self._num_rows == 0:
            raise ValueError(
                f"{self._network.name} needs at least {self._network.window} frames and as much "
                f"sound for one row, got {self._num_frames} frames and {self._num_samples} "
                f"samples; leave the clip out"
            )
        return last

    def _look(self, rows_TD: Tensor) -> None:
        self._seen = torch.cat([self._seen, rows_TD])

    def _listen(self, features_TA: Tensor) -> None:
        rows_TD = self._ear.push(features_TA.to(self._network.device))
        self._heard = torch.cat([self._heard, rows_TD])

    def _matched(self) -> SyncEmbedding:
        """Return rows that both streams have, and keep the rest."""
        num = min(len(self._seen), len(self._heard))
        rows = SyncEmbedding(self._seen[:num], self._heard[:num])
        self._seen, self._heard = self._seen[num:], self._heard[num:]
        self._num_rows += num
        return rows


class _Windows:
    """Takes the level off a signal that comes in pieces and embeds its windows."""

    def __init__(self, encoder: Callable[[Tensor], Tensor], config: SyncConfig) -> None:
        self._encoder = encoder
        self._surround = config.surround
        self._window = config.window
        self._width = config.embedding
        # Frames from `surround` before the first that waits for the frames after it.
        self._raw: Tensor | None = None
        self._num_before = 0
        self._free: list[Tensor] = []

    def push(self, values_TX: Tensor) -> Tensor:
        """Return the rows that these frames complete."""
        self._raw = values_TX if self._raw is None else torch.cat([self._raw, values_TX])
        return self._advance(len(self._raw) - self._num_before - self._surround)

    def finish(self) -> Tensor:
        """Return the rows that are left."""
        if self._raw is None:
            return torch.zeros(0, self._width)
        return self._advance(len(self._raw) - self._num_before)

    def _advance(self, num: int) -> Tensor:
        """Return the rows that the first `num` waiting frames complete."""
        assert self._raw is not None
        none = self._raw.new_zeros(0, self._width)
        if num <= 0:
            return none
        stop = self._num_before + num
        free_TX = without_level(self._raw[None], self._surround)[0, self._num_before : stop]
        kept = max(0, stop - self._surround)
        self._raw = self._raw[kept:].clone()
        self._num_before = stop - kept
        windows_TX = torch.cat([*self._free, free_TX])
        self._free = [windows_TX[max(0, len(windows_TX) - self._window + 1) :].clone()]
        return self._encoder(windows_TX[None])[0] if len(windows_TX) >= self._window else none


def load_sync_network(path: Path | str | None = None) -> LandmarkSyncNetwork:
    """Return a trained sync network.

    Args:
        path: Stage file, Lightning checkpoint, or a folder with either; by default the network that
            comes with this package.

    Raises:
        ValueError: If there is none, if it is of another stage, or damaged.
    """
    found = load_stage(SHIPPED if path is None else path, stage=STAGE)
    config = from_plain(SyncConfig, found.header.config, where=f"{found.source}: config")
    net = SyncModel(config)
    load_weights(net, found.tensors)
    network = LandmarkSyncNetwork(net)
    network.fingerprint = fingerprint(found.source)
    return network


def _talk131(landmarks: Landmarks | Tensor | None) -> Tensor:
    """Return landmarks as (T, 131, 3).

    Raises:
        ValueError: If they are of another kind, lack depth or are not finite.
    """
    if landmarks is None:
        raise ValueError("the sync network looks at landmarks, got none; find the faces first")
    if isinstance(landmarks, Tensor):
        check_shape(landmarks, "T K 3", name="landmarks")
        landmarks = Landmarks(landmarks, LAYOUT if landmarks.shape[1] == 131 else "mp478")
    points_TK3 = select(landmarks, LAYOUT).points_TKD
    check_shape(points_TK3, "T 131 3", name="landmarks with depth")
    if not points_TK3.isfinite().all():
        raise ValueError(
            "landmarks hold NaN or infinity: there is no face to look at; leave such frames out "
            "or interpolate their landmarks"
        )
    return points_TK3
