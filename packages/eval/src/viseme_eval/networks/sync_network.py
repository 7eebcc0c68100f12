"""What sync networks share: frames, landmarks and sound in, two streams of embeddings out.

    embedding = load_network("syncnet_v2").embed(frames, landmarks, samples)
    scores = syncnet_scores(embedding.seen_TD, embedding.heard_TD)

Row t of either stream starts at frame t and reaches `window` frames ahead. Letters: T frames or
rows, K landmarks, S samples, D features, X numbers that say where to cut.
"""

from typing import Generic, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_eval.networks.alignment import bounds, to_pixels
from viseme_eval.networks.ears import Ear
from viseme_eval.networks.face_network import FaceNetwork, N, check_frames

SMOOTHING = 13
"""Frames over which the place of a face is smoothed by its median, as SyncNet's tracker does."""


class SyncEmbedding(NamedTuple):
    """Embeddings of picture and sound, a row for each frame where a window starts."""

    seen_TD: Tensor
    heard_TD: Tensor


class SyncNetwork(FaceNetwork[N]):
    """What all sync networks share; `window` frames make one row of a stream."""

    window: int
    """Frames that a row covers."""
    embedding: int
    """Width D of a row."""
    spare: int = 0
    """Rows that the authors' code leaves off at the end."""

    def embed(
        self, frames_T3HW: Tensor, points_TKD: Tensor | None, samples_S: Tensor
    ) -> SyncEmbedding:
        """Return both streams of a clip, of equal length.

        Args:
            frames_T3HW: RGB in [-1, 1] at 25 frames per second.
            points_TKD: Landmarks `mp478` in [0, 1] of the frame; without them, frames must be cut
                out already as the network wants them.
            samples_S: 16 kHz mono in [-1, 1].

        Raises:
            ValueError: If the clip is too short for a single row.
        """
        stream = self.stream()
        pieces = (stream.push(frames_T3HW, points_TKD, samples_S), stream.finish())
        return SyncEmbedding(*(torch.cat(parts) for parts in zip(*pieces, strict=True)))

    def stream(self) -> "SyncStream[N]":
        """Return a stream for a clip that comes in pieces; any pieces give the same rows."""
        return SyncStream(self)

    def ear(self) -> Ear:
        """Return what turns sound into `hear`'s inputs."""
        raise NotImplementedError

    def crop(self, frames_T3HW: Tensor, places_TX: Tensor | None) -> Tensor:
        """Return what the network sees of each frame, given its `places`."""
        raise NotImplementedError

    def places(self, points_TKD: Tensor, size: tuple[int, int]) -> Tensor:
        """Return numbers (T, X) that say where to cut, to be smoothed: the face's box, in pixels.

        Left, top, right, bottom of all landmarks, which is about what face detectors give.
        """
        return bounds(to_pixels(points_TKD, size)) + 0.5

    def see(self, crops_T3HW: Tensor) -> Tensor:
        """Return rows (T - window + 1, D) of successive crops."""
        windows = crops_T3HW.unfold(0, self.window, 1).movedim(-1, 1)
        return self.in_chunks(self._see, windows)

    def hear(self, inputs: Tensor) -> Tensor:
        """Return rows (T, D) of the ear's inputs."""
        return self.in_chunks(self._hear, inputs)

    def _see(self, windows_BT3HW: Tensor) -> Tensor:
        raise NotImplementedError

    def _hear(self, inputs: Tensor) -> Tensor:
        raise NotImplementedError


class SyncStream(Generic[N]):
    """Both streams of a clip that comes in pieces. Memory does not grow with the clip."""

    def __init__(self, network: SyncNetwork[N]) -> None:
        self._network = network
        self._ear = network.ear()
        self._num_frames = 0
        self._num_rows = 0
        # Frames that wait for their neighbours' places, places from half a smoothing before them.
        self._frames: list[Tensor] = []
        self._places: list[Tensor] = []
        self._num_before = 0
        self._crops: Tensor | None = None
        self._seen: list[Tensor] = []
        self._heard: list[Tensor] = []

    def push(
        self, frames_T3HW: Tensor, points_TKD: Tensor | None, samples_S: Tensor
    ) -> SyncEmbedding:
        """Return the rows that these frames and this sound complete; often none.

        Args:
            frames_T3HW: The next frames, as `SyncNetwork.embed` takes them.
            points_TKD: Their landmarks; given for all frames or for none.
            samples_S: The next samples, any number of them.
        """
        check_frames(frames_T3HW, points_TKD)
        if self._num_frames and bool(self._places) == (points_TKD is None):
            raise ValueError("landmarks must be given with every piece of a stream or with none")
        self._num_frames += len(frames_T3HW)
        with torch.no_grad():
            self._listen(self._ear.push(samples_S))
            if points_TKD is None:
                for frames in frames_T3HW.split(self._network.chunk):
                    self._look(frames, None)
            else:
                self._frames += frames_T3HW.unbind()
                size = (frames_T3HW.shape[2], frames_T3HW.shape[3])
                self._places += self._network.places(points_TKD, size).unbind()
                self._cut(len(self._frames) - SMOOTHING // 2)
        return self._matched()

    def finish(self) -> SyncEmbedding:
        """Return the rows that are left.

        Raises:
            ValueError: If the clip was too short for a single row.
        """
        with torch.no_grad():
            self._cut(len(self._frames))
            self._listen(self._ear.finish())
        shortest = self._network.window + self._network.spare
        last = self._matched()
        if self._num_rows == 0:
            raise ValueError(
                f"{self._network.name or 'the sync network'} needs at least {shortest} frames and "
                f"as much sound for one row, got {self._num_frames} frames; leave the clip out"
            )
        return last

    def _cut(self, num: int) -> None:
        """Crop the first `num` waiting frames."""
        if num <= 0:
            return
        half = SMOOTHING // 2
        padded = F.pad(torch.stack(self._places).T, (half, half), value=torch.nan)
        smooth = padded.unfold(1, SMOOTHING, 1).nanquantile(0.5, dim=-1).T
        chosen = smooth[self._num_before : self._num_before + num]
        step = self._network.chunk
        for start in range(0, num, step):
            part = slice(start, min(num, start + step))
            self._look(torch.stack(self._frames[part]), chosen[part])
        del self._frames[:num]
        surplus = max(0, self._num_before + num - half)
        del self._places[:surplus]
        self._num_before += num - surplus

    def _look(self, frames_T3HW: Tensor, places_TX: Tensor | None) -> None:
        crops = self._network.crop(frames_T3HW.to(self._network.device), places_TX)
        if self._crops is not None:
            crops = torch.cat([self._crops, crops])
        if len(crops) >= self._network.window:
            self._seen.append(self._network.see(crops))
        self._crops = crops[max(0, len(crops) - self._network.window + 1) :]

    def _listen(self, inputs: Tensor) -> None:
        if len(inputs):
            self._heard.append(self._network.hear(inputs))

    def _matched(self) -> SyncEmbedding:
        """Return rows that both streams have, and keep the rest."""
        none = torch.zeros(0, self._network.embedding, device=self._network.device)
        seen, heard = torch.cat([none, *self._seen]), torch.cat([none, *self._heard])
        num = max(0, min(len(seen) - self._network.spare, len(heard)))
        self._num_rows += num
        self._seen, self._heard = [seen[num:]], [heard[num:]]
        return SyncEmbedding(seen[:num], heard[:num])
