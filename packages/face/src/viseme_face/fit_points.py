"""What a fit is given: points of a clip, checked, and which of its frames show a face."""

import torch
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import LAYOUT_SIZES, Layout
from viseme_face.least_squares import Kind, Observed

MIN_POINTS = 6
# Spread of the points below which a frame shows no face, in the unit of the points.
_MIN_SPREAD = 1e-4
# Spread beyond which they are not in their unit but in pixels or centimetres: a face that fills its
# crop spreads by a third of it, one in space by 0.8 decimetres.
_MAX_SPREAD = 5.0


def observed_frames(
    points_TKD: Tensor, layout: Layout, weights: Tensor | None
) -> tuple[Observed, Tensor]:
    """Return what the frames show that show enough of a face, and which these are, (T,).

    Args:
        points_TKD: As `fit_clip` takes them.
        layout: Which points these are.
        weights: Weight of each point, (K,) or (T, K), or None for 1.

    Raises:
        ValueError: If they are of another shape, type or unit, or no frame shows a face.
    """
    kind = _checked_kind(points_TKD, layout)
    seen_TK = _seen_weights(points_TKD, weights)
    valid_T = _valid(seen_TK)
    return _observe(kind, points_TKD, seen_TK, valid_T), valid_T


def _checked_kind(points_TKD: Tensor, layout: Layout) -> Kind:
    sizes = check_shape(points_TKD, f"T {LAYOUT_SIZES[layout]} D", name=f"points_TKD ({layout})")
    if sizes["D"] not in (2, 3):
        raise ValueError(f"points_TKD must end in 2 (crop) or 3 (camera space), got {sizes['D']}")
    if points_TKD.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"points_TKD must be float32 or float64, got {points_TKD.dtype}; convert with .float()"
        )
    return "space" if sizes["D"] == 3 else "image"


def _seen_weights(points_TKD: Tensor, weights: Tensor | None) -> Tensor:
    """Return weights (T, K), zero where a point is not seen."""
    seen_TK = points_TKD.isfinite().all(-1)
    if weights is None:
        return seen_TK.to(points_TKD)
    if weights.shape not in (seen_TK.shape, seen_TK.shape[1:]):
        raise ValueError(
            f"weights must have shape {tuple(seen_TK.shape[1:])} or {tuple(seen_TK.shape)}, "
            f"got {tuple(weights.shape)}"
        )
    if not (weights.isfinite().all() and (weights >= 0).all()):
        raise ValueError("weights must be finite and at least 0; use 0 for a point not seen")
    return weights.to(points_TKD) * seen_TK


def _valid(weights_TK: Tensor) -> Tensor:
    valid_T = (weights_TK > 0).sum(-1) >= MIN_POINTS
    if not valid_T.any():
        raise ValueError(
            f"no frame has {MIN_POINTS} visible points: there is no face to fit; check the tracker"
        )
    return valid_T


def _observe(kind: Kind, points_TKD: Tensor, weights_TK: Tensor, valid_T: Tensor) -> Observed:
    """Return the valid frames, refusing one that cannot be a face."""
    points_TKD, weights_TK = points_TKD[valid_T], weights_TK[valid_T]
    if (weights_TK == weights_TK[0]).all():
        weights_TK = weights_TK[:1]
    if kind == "image":
        points_TKD = (points_TKD - 0.5) * points_TKD.new_tensor([1, -1])
    observed = Observed(kind, points_TKD.nan_to_num(0, 0, 0).mT.contiguous(), weights_TK)
    spread_T, frame_T = observed.spread(), valid_T.nonzero()[:, 0]
    flat_T, wide_T = spread_T < _MIN_SPREAD, ~(spread_T <= _MAX_SPREAD)
    if flat_T.any():
        raise ValueError(
            f"all points of frame {int(frame_T[flat_T][0])} coincide: there is no face to fit; "
            f"mark such frames with NaN"
        )
    if wide_T.any():
        unit, remedy = {
            "image": ("[0, 1] of the crop", "divide pixels by the crop's side"),
            "space": ("decimetres, the model's unit", "divide centimetres by 10"),
        }[kind]
        raise ValueError(
            f"points_TKD must be in {unit}, but those of frame {int(frame_T[wide_T][0])} lie "
            f"{float(spread_T[wide_T][0]):.3g} from their centre; {remedy}, or mark wild guesses "
            f"with NaN"
        )
    return observed
