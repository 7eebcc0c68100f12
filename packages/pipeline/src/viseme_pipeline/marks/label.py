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
    cap_px = max(_MIN_CAP_PX, round(_SHARE_OF_SIDE * min(height, width)))
    letters_hw = _draw_text(text, cap_px)
    margin = max(2, cap_px // 2)
    top, left = height - margin - letters_hw.shape[0], width - margin - letters_hw.shape[1]
    if top < 0 or left < 0:
        raise ValueError(
            f"draw_label needs frames of at least {letters_hw.shape[1] + margin} x "
            f"{letters_hw.shape[0] + margin} for {text!r}, got {width} x {height}"
        )
    labelled_THW3 = frames_THW3.copy()
    patch_Thw3 = labelled_THW3[:, top : height - margin, left : width - margin]
    alpha_hw1 = letters_hw[..., None]
    drawn_Thw3 = _SHADE * patch_Thw3 * (1 - alpha_hw1) + _GREY * alpha_hw1
    patch_Thw3[...] = np.rint(drawn_Thw3).astype(np.uint8)
    return labelled_THW3


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
