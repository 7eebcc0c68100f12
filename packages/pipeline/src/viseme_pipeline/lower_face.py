"""The part of a face that speech moves, as a soft mask: mouth, cheeks beside it, jaw and chin."""

import cv2
import numpy as np
from torch import Tensor

from viseme_face.head_shape import LOWER_OVAL

# Points on the line from between the eyes to the chin, down which places are counted from 0 to 1.
_BETWEEN_EYES, _CHIN = 168, 152
# Down that line the mask begins; at 0.5 a nose ends.
_BEGINS = 0.4
# A jaw that opens wider than in the picture needs room beyond its outline.
_ROOM = 1.25
_SIZE = 128
_SOFT = 0.025


def lower_face(points_K2: Tensor) -> np.ndarray:
    """Return how far each pixel belongs to the lower face, float32 (128, 128) in [0, 1].

    Args:
        points_K2: `mp478` landmarks in [0, 1] of the crop.
    """
    points = points_K2.double().numpy()
    down_2 = points[_CHIN] - points[_BETWEEN_EYES]
    length = float(down_2 @ down_2)

    def place(some: np.ndarray) -> np.ndarray:
        return (some - points[_BETWEEN_EYES]) @ down_2 / length

    outline = points[list(LOWER_OVAL)]
    # What stands higher is moved down to where the mask begins.
    higher = np.clip(_BEGINS - place(outline), 0, None)
    outline = outline + higher[:, None] * down_2
    middle_2 = points[_BETWEEN_EYES] + _BEGINS * down_2
    outline = middle_2 + _ROOM * (outline - middle_2)
    mask = np.zeros((_SIZE, _SIZE), np.float32)
    cv2.fillPoly(mask, [np.round(outline * _SIZE * 16).astype(np.int32)], (1.0,), shift=4)
    return cv2.GaussianBlur(mask, (0, 0), _SOFT * _SIZE)
