"""The visible label: two words in a corner, drawn without a font file."""

import cv2
import numpy as np

LABEL = "AI generated"

_FONT = cv2.FONT_HERSHEY_SIMPLEX
# Cap height: readable from 256 pixels on, and never a banner.
_SHARE_OF_SIDE = 0.035
_MIN_CAP_PX = 8
_GREY = 245
_SHADE = 0.45


def draw_label(frames_THW3: np.ndarray, text: str = LABEL) -> np.ndarray:
    """Return copies of frames with a label in the lower right corner, uint8 (T, H, W, 3).

    Light letters stand on a darkened patch, readable on any ground.

    Args:
        frames_THW3: uint8 RGB, shape (T, H, W, 3).
        text: Plain ASCII, one line.

    Raises:
        ValueError: If the frames are something else, or too narrow for the text.
    """
    if frames_THW3.dtype != np.uint8 or frames_THW3.ndim != 4 or frames_THW3.shape[3] != 3:
        raise ValueError(
            f"draw_label expects uint8 frames of shape (T, H, W, 3), got {frames_THW3.dtype} of "
            f"shape {frames_THW3.shape}"
        )
    height, width = frames_THW3.shape[1:3]
    letters_hw, margin = _fitting(text, (width, height))
    top, left = height - margin - letters_hw.shape[0], width - margin - letters_hw.shape[1]
    labelled_THW3 = frames_THW3.copy()
    patch_Thw3 = labelled_THW3[:, top : height - margin, left : width - margin]
    alpha_hw1 = letters_hw[..., None]
    drawn_Thw3 = _SHADE * patch_Thw3 * (1 - alpha_hw1) + _GREY * alpha_hw1
    patch_Thw3[...] = np.rint(drawn_Thw3).astype(np.uint8)
    return labelled_THW3


def check_label(text: str, size: tuple[int, int]) -> None:
    """Refuse a label that does not fit into a picture.

    Args:
        text: Plain ASCII, one line.
        size: Width and height of the picture.

    Raises:
        ValueError: If it does not.
    """
    _fitting(text, size)


def _fitting(text: str, size: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Return the letters for a picture of a size, and how far they stand from its border."""
    width, height = size
    cap_px = max(_MIN_CAP_PX, round(_SHARE_OF_SIDE * min(height, width)))
    letters_hw = _draw_text(text, cap_px)
    margin = max(2, cap_px // 2)
    needed = [side + margin for side in letters_hw.shape]
    if needed[0] > height or needed[1] > width:
        raise ValueError(
            f"the label {text!r} needs a picture of at least {needed[1]} x {needed[0]} pixels, got "
            f"{width} x {height}; give a shorter label or a larger picture"
        )
    return letters_hw, margin


def _draw_text(text: str, cap_px: int) -> np.ndarray:
    """Return how much of each pixel the letters cover, float32 (h, w), with room around."""
    # Drawn at four times the size and reduced: thin strokes at eight pixels need grey values.
    zoom = 4
    thickness = max(1, round(zoom * cap_px / 7))
    scale = cv2.getFontScaleFromHeight(_FONT, zoom * cap_px, thickness)
    (width, height), below = cv2.getTextSize(text, _FONT, scale, thickness)
    pad = zoom * cap_px // 2
    canvas = np.zeros((height + below + 2 * pad, width + 2 * pad), np.uint8)
    cv2.putText(canvas, text, (pad, pad + height), _FONT, scale, (255,), thickness, cv2.LINE_AA)
    size = (canvas.shape[1] // zoom, canvas.shape[0] // zoom)
    return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
