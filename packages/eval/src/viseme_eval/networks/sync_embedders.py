"""SyncNet v2, Wav2Lip's expert and StableSyncNet behind the conventions of this house.

Each says what it sees of a frame and what it hears of a window; `SyncNetwork` does the rest.
Letters: B windows, T frames, K landmarks, X numbers that say where to cut.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.audio import MEL_WINDOW
from viseme_eval.networks import lipsync_expert, stable_syncnet, syncnet
from viseme_eval.networks.alignment import box_maps, similarity, to_pixels, warp
from viseme_eval.networks.ears import CepstralEar, Ear, MelEar
from viseme_eval.networks.sync_network import SyncNetwork
from viseme_face.layouts import DLIB68

# What SyncNet's pipeline puts where the picture ends.
_BORDER_GREY = 110 / 127.5 - 1


class SyncNetV2Embedder(SyncNetwork[syncnet.SyncNetV2]):
    """SyncNet v2: rows of 1024 numbers for Euclidean distances.

    The face is cut out as its authors' pipeline does: a square 1.4 times the larger side of the
    face's box, moved down by a fifth of that side, grey where the picture ends. The last row is
    left off, as there.
    """

    window = 5
    spare = 1
    embedding = syncnet.EMBEDDING

    def ear(self) -> Ear:
        """Return what computes cepstral coefficients."""
        return CepstralEar()

    def crop(self, frames_T3HW: Tensor, places_TX: Tensor | None) -> Tensor:
        """Return BGR (T, 3, 224, 224) in 0 to 255."""
        if places_TX is None:
            crops = _resized(frames_T3HW, (224, 224))
        else:
            low_T2, high_T2 = places_TX[:, :2], places_TX[:, 2:]
            half_T1 = (high_T2 - low_T2).amax(1, keepdim=True) / 2
            middle_T2 = (low_T2 + high_T2) / 2 + half_T1 * half_T1.new_tensor([0.0, 0.4])
            squares_T4 = torch.cat([middle_T2 - 1.4 * half_T1, middle_T2 + 1.4 * half_T1], 1)
            maps_T23 = box_maps(squares_T4, (224, 224))
            crops = warp(frames_T3HW, maps_T23, (224, 224), fill=_BORDER_GREY)
        return (crops.flip(1) + 1) * 127.5

    def _see(self, windows_BT3HW: Tensor) -> Tensor:
        return self.net.see(windows_BT3HW.transpose(1, 2))

    def _hear(self, inputs: Tensor) -> Tensor:
        return self.net.hear(inputs)


class LipSyncExpertEmbedder(SyncNetwork[lipsync_expert.LipSyncExpert]):
    """Wav2Lip's expert: rows of 512 numbers of length one; their cosine is a probability.

    The face's box is resized to 96 px whatever its shape, and its lower half is seen.
    """

    window = 5
    embedding = lipsync_expert.EMBEDDING

    def ear(self) -> Ear:
        """Return what computes mel spectrograms of 16 columns."""
        return MelEar(self.window, MEL_WINDOW[1])

    def crop(self, frames_T3HW: Tensor, places_TX: Tensor | None) -> Tensor:
        """Return lower halves BGR (T, 3, 48, 96) in 0 to 1."""
        if places_TX is None:
            crops = _resized(frames_T3HW, (96, 96))
        else:
            crops = warp(frames_T3HW, box_maps(places_TX, (96, 96)), (96, 96))
        return (crops[:, :, 48:].flip(1) + 1) / 2

    def _see(self, windows_BT3HW: Tensor) -> Tensor:
        return self.net.see(windows_BT3HW.flatten(1, 2))

    def _hear(self, inputs: Tensor) -> Tensor:
        return self.net.hear(inputs)


class StableSyncNetEmbedder(SyncNetwork[stable_syncnet.StableSyncNet]):
    """LatentSync's StableSyncNet: rows of 2048 numbers of length one over 16 frames.

    The face is turned upright by brows and nose, as LatentSync aligns it, and its lower half seen.
    """

    window = 16
    embedding = stable_syncnet.EMBEDDING

    # Where brows and nose lie in LatentSync's aligned face, and its width and height in pixels;
    # it is then resized to a square.
    _template = ((47.6, 56.0), (162.4, 56.0), (105.0, 112.0))
    _shape = (210.0, 280.0)

    def ear(self) -> Ear:
        """Return what computes mel spectrograms of 52 columns."""
        return MelEar(self.window, 52)

    def places(self, points_TKD: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the middles of both brows and the nose's ridge, (T, 6) pixels."""
        points = to_pixels(points_TKD, size)
        groups = (DLIB68[17:22], DLIB68[22:27], DLIB68[28:31])
        return torch.cat([points[:, list(ids)].mean(1) for ids in groups], 1)

    def crop(self, frames_T3HW: Tensor, places_TX: Tensor | None) -> Tensor:
        """Return lower halves RGB (T, 3, 128, 256) in -1 to 1."""
        if places_TX is None:
            crops = _resized(frames_T3HW, (256, 256))
        else:
            maps_T23 = similarity(places_TX.unflatten(1, (3, 2)), torch.tensor(self._template))
            width, height = self._shape
            square_T23 = box_maps(torch.tensor([[0.0, 0.0, width, height]]), (256, 256))
            turn_T22, shift_T21 = maps_T23.split([2, 1], -1)
            turn_T22, shift_T21 = (square_T23[..., :2] @ part for part in (turn_T22, shift_T21))
            maps_T23 = torch.cat([turn_T22, shift_T21 + square_T23[..., 2:]], -1)
            crops = warp(frames_T3HW, maps_T23, (256, 256), fill=0.0)
        return crops[:, :, 128:]

    def _see(self, windows_BT3HW: Tensor) -> Tensor:
        return self.net.see(windows_BT3HW.flatten(1, 2))

    def _hear(self, inputs: Tensor) -> Tensor:
        return self.net.hear(inputs)


def _resized(frames_T3HW: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(frames_T3HW, size, mode="bilinear", align_corners=False)
