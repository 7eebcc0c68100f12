"""The pictures of a clip: its video, and what every part of a picture shows."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.types import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Motion
from viseme_data.synthetic.frames import draw_clip
from viseme_data.synthetic.look import FaceLook
from viseme_data.write import VideoWriter
from viseme_face import MorphableModel

KEY_EVERY = 10
"""Frames from one key frame to the next, as in prepared videos."""
MASK_STEP = 4
"""Pixels of a picture to one of its mask."""


def film(
    path: Path,
    model: MorphableModel,
    motion: Motion,
    look: FaceLook,
    audio_S: Tensor,
    *,
    gaze_T2: Tensor,
    tongue_T: Tensor,
    size: int,
) -> Tensor:
    """Write a clip's video with its sound and return what its pictures show.

    Args:
        path: Video to write.
        model: Model of the motion.
        motion: What the face does.
        look: What it looks like.
        audio_S: What is heard, 640 samples to a frame.
        gaze_T2: Where the eyes look.
        tongue_T: How high the tongue is.
        size: Side of the pictures in pixels.

    Returns:
        Number of the part of `viseme_face.portrait.MASKS` that most of each block of 4 x 4 pixels
        shows, uint8 (T, size / 4, size / 4).
    """
    sound_TS = audio_S.reshape(-1, SAMPLES_PER_FRAME)
    masks: list[Tensor] = []
    at = 0
    with VideoWriter(
        path,
        (size, size),
        preset="superfast",
        key_every=KEY_EVERY,
        threads=1,
        audio=SAMPLE_RATE_HZ,
    ) as writer:
        for drawn in draw_clip(
            model, motion, look, gaze_T2=gaze_T2, tongue_T=tongue_T, size=size, masks=True
        ):
            pixels_THW3 = (127.5 * (drawn.frames_T3HW + 1)).round().byte().permute(0, 2, 3, 1)
            for frame_HW3 in pixels_THW3:
                writer.write(frame_HW3.numpy())
                writer.write_audio(sound_TS[at].numpy())
                at += 1
            assert drawn.masks_TMHW is not None
            masks.append(F.avg_pool2d(drawn.masks_TMHW, MASK_STEP).argmax(1).byte())
    return torch.cat(masks)
