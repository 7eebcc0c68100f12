"""Who is seen: embeddings of faces by the ArcFace networks and by faceres.

Letters: T frames, K landmarks, D features.
"""

import torch
from torch import Tensor, nn

from viseme_eval.networks.alignment import five_points, similarity, to_pixels, warp
from viseme_eval.networks.face_network import FaceNetwork, check_frames
from viseme_eval.networks.faceres import EMBEDDING, NUM_AGES, SIZE, Faceres, FaceresOutput

ARCFACE_TEMPLATE = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
"""Where ArcFace's aligned faces of 112 px have eyes, nose tip and mouth corners."""
_ARCFACE_SIZE = 112
_HALF = _ARCFACE_SIZE // 2

# How large a face is in faceres's picture against ArcFace's. Of 1.0, 0.8 and 0.65 the one that
# told people apart best; see assets/README.md.
_FACERES_ZOOM = 0.8
# What Keras's `caffe` mode takes off, blue, green, red. With plain colours faceres tells people
# apart nearly as well, but takes them for younger than they are.
_CAFFE_MEAN = (103.939, 116.779, 123.68)


def align_face(
    frames_T3HW: Tensor, points_TKD: Tensor, size: int = _ARCFACE_SIZE, zoom: float = 1.0
) -> Tensor:
    """Return faces (T, 3, size, size) in [-1, 1], upright, of one size and in one place.

    Args:
        frames_T3HW: Frames in [-1, 1].
        points_TKD: Landmarks `mp478` in [0, 1] of the frame.
        size: Side of the pictures.
        zoom: Size of the face against ArcFace's own, about the middle of the picture.
    """
    check_frames(frames_T3HW, points_TKD)
    middle = _ARCFACE_SIZE / 2
    template_K2 = (torch.tensor(ARCFACE_TEMPLATE, dtype=torch.float64) - middle) * zoom + middle
    points = five_points(to_pixels(points_TKD, (frames_T3HW.shape[2], frames_T3HW.shape[3])))
    return warp(frames_T3HW, similarity(points, template_K2 * (size / _ARCFACE_SIZE)), (size, size))


class ArcFaceIdentity(FaceNetwork[nn.Module]):
    """CSIM's embedding (TalkFormer): frames and landmarks in, (T, 512) out.

    Args:
        net: `IResNet`, or `IRSE50`.
        is_bgr: Whether the network takes blue first, as IR-SE-50 does.
    """

    def __init__(self, net: nn.Module, *, is_bgr: bool = False) -> None:
        super().__init__(net)
        self._is_bgr = is_bgr

    def forward(self, frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
        """Return embeddings (T, 512); compare them by their cosine.

        Args:
            frames_T3HW: RGB in [-1, 1].
            points_TKD: Landmarks `mp478` in [0, 1] of the frame.
        """
        check_frames(frames_T3HW, points_TKD)
        return self.in_chunks(self._embed, frames_T3HW, points_TKD)

    def lower(self, frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
        """Return the same of faces whose upper half is black: eyes and brows say nothing.

        The middle of the aligned face is the bridge of the nose.
        """
        check_frames(frames_T3HW, points_TKD)
        return self.in_chunks(self._embed_lower, frames_T3HW, points_TKD)

    def _embed(self, frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
        return self._recognise(align_face(frames_T3HW, points_TKD))

    def _embed_lower(self, frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
        faces = align_face(frames_T3HW, points_TKD)
        return self._recognise(
            torch.cat([torch.full_like(faces[:, :, :_HALF], -1), faces[:, :, _HALF:]], 2)
        )

    def _recognise(self, faces: Tensor) -> Tensor:
        return self.net(faces.flip(1) if self._is_bgr else faces)


class FaceresIdentity(FaceNetwork[Faceres]):
    """The stand-in's embedding, age and gender: frames and landmarks in."""

    # Its many thin layers are bound by memory: one frame fits a processor's caches, eight do not.
    chunk_on_cpu = 1

    def forward(self, frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
        """Return embeddings (T, 1024); compare them by their cosine.

        Args:
            frames_T3HW: RGB in [-1, 1].
            points_TKD: Landmarks `mp478` in [0, 1] of the frame.
        """
        return self.describe(frames_T3HW, points_TKD).embedding_BD

    def describe(self, frames_T3HW: Tensor, points_TKD: Tensor) -> FaceresOutput:
        """Return embedding, age and gender of every frame."""
        check_frames(frames_T3HW, points_TKD)
        columns = self.in_chunks(self._columns, frames_T3HW, points_TKD)
        embedding, age, ages, male = columns.split([EMBEDDING, 1, NUM_AGES, 1], 1)
        return FaceresOutput(embedding, age[:, 0], ages, male[:, 0])

    def _columns(self, frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
        faces = align_face(frames_T3HW, points_TKD, SIZE, _FACERES_ZOOM)
        mean_311 = faces.new_tensor(_CAFFE_MEAN)[:, None, None]
        found = self.net((faces.flip(1) + 1) * 127.5 - mean_311)
        return torch.cat(
            [found.embedding_BD, found.age_B[:, None], found.ages_BA, found.male_B[:, None]], 1
        )
