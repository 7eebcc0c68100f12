"""Landmarks to coefficients: pose and expression of every frame, one identity for the clip.

`fit_clip` takes camera-space points (model units) or crop points (perspective), a whole clip at
once. Identity is found together with pose and expression on frames spread over the clip, then pose
and expression of every frame with identity kept. Each step is Gauss-Newton on the exact residual
(`gauss_newton`) with a prior on coefficients; the start is closed-form.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import FPS, LAYOUT_SIZES, Layout, Motion
from viseme_face.fit_start import closed_form_coefficients, closed_form_pose
from viseme_face.gauss_newton import fit_frames, fit_shared
from viseme_face.least_squares import FitOptions, Kind, Observed, shape_of
from viseme_face.morphable import MorphableModel
from viseme_face.pose import CAMERA_DISTANCE, FOCAL, matrix_to_euler

NOISE = 1e-4
"""Expected error of a crop coordinate; the weight of the prior is its square."""
IDENTITY_FRAMES = 16
"""Frames that identity is estimated from, evenly spread over the clip."""
MIN_POINTS = 6
# Spread of the points below which a frame shows no face, in the unit of the points.
_MIN_SPREAD = 1e-4
# Spread beyond which they are not in their unit but in pixels or centimetres: a face that fills its
# crop spreads by a third of it, one in space by 0.8 decimetres.
_MAX_SPREAD = 5.0


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """Coefficients of a clip and how well they explain its points."""

    identity: Tensor
    """(I,)."""
    expression: Tensor
    """(T, E); NaN where the frame is missing."""
    pose: Tensor
    """(T, 6); NaN where the frame is missing."""
    residual: Tensor
    """(T,) root mean square distance of the visible points, in their unit; NaN where missing."""
    valid: Tensor
    """(T,) False for a frame with fewer than six points: it has no coefficients of its own."""
    face_model: str

    def filled(self) -> "FitResult":
        """Return the same with missing frames interpolated over time, ends repeated.

        Raises:
            ValueError: If no frame is valid.
        """
        if not self.valid.any():
            raise ValueError("every frame of the clip is missing: there is nothing to fill from")
        known = self.valid.nonzero()[:, 0]
        times = torch.arange(len(self.valid), device=known.device)
        after = torch.searchsorted(known, times).clamp_max(len(known) - 1)
        before = (torch.searchsorted(known, times, right=True) - 1).clamp_min(0)
        span = (known[after] - known[before]).clamp_min(1)
        share = ((times - known[before]) / span).clamp(0, 1)[:, None].to(self.pose)

        def fill(rows: Tensor) -> Tensor:
            return torch.lerp(rows[known[before]], rows[known[after]], share)

        return replace(
            self,
            expression=fill(self.expression),
            pose=fill(self.pose),
            valid=torch.ones_like(self.valid),
        )

    def to_motion(self, fps: float = FPS) -> Motion:
        """Return the fit as a motion.

        Raises:
            ValueError: If a frame is missing.
        """
        if not self.valid.all():
            missing = (~self.valid).nonzero()[:, 0].tolist()
            raise ValueError(
                f"{len(missing)} frames are missing, first {missing[0]}: a Motion has no gaps; "
                f"call .filled() to interpolate over them, or cut the clip"
            )
        return Motion(
            expression=self.expression,
            pose=self.pose,
            identity=self.identity,
            face_model=self.face_model,
            fps=fps,
        )


@torch.no_grad()
def fit_clip(
    model: MorphableModel,
    points_TKD: Tensor,
    layout: Layout,
    *,
    identity: Tensor | None = None,
    weights: Tensor | None = None,
    noise: float = NOISE,
    robust_scale: float | None = None,
) -> FitResult:
    """Return identity, expression and pose that explain the points of a clip.

    The cost is sum_k w_k |model_k - point_k|^2 + noise^2 |coefficients / deviations|^2 per frame.
    Results carry no gradient.

    Args:
        model: Face model.
        points_TKD: (T, K, 2) in [0, 1] of the crop, or (T, K, 3) in camera space and model units,
            float32 or float64; results have their precision and device. A point with NaN is not
            seen; a frame with fewer than six points is missing.
        layout: Which points these are; the model must know it.
        identity: Coefficients (I,) to keep, if the person is known.
        weights: Weight of each point, (K,) or per frame (T, K); 0 is not seen. Default 1.
        noise: Expected error of a coordinate, in crop units (in space: times 10 / focal).
        robust_scale: If given, a point that is off by this much counts a quarter (Geman-McClure);
            same unit as the points.

    Raises:
        ValueError: If shapes or types disagree, a number is out of range, no frame has points, or
            the points of a frame coincide or are not in the unit above.
    """
    ids_K = model.landmark_ids(layout)
    kind = _checked_kind(points_TKD, layout)
    _check_options(noise, robust_scale)
    seen_TK = _seen_weights(points_TKD, weights)
    valid_T = _valid(seen_TK)
    observed = _observe(kind, points_TKD, seen_TK, valid_T)

    mean_V3, identity_IV3, expression_EV3 = model.shape_at(ids_K)
    std_I, std_E = model.identity_std_I.to(points_TKD), model.expression_std_E.to(points_TKD)
    rest_3K = mean_V3.to(points_TKD).T
    identity_I3K = (identity_IV3.to(points_TKD) * std_I[:, None, None]).mT.contiguous()
    expression_E3K = (expression_EV3.to(points_TKD) * std_E[:, None, None]).mT.contiguous()
    unit = CAMERA_DISTANCE / FOCAL if kind == "space" else 1.0
    options = FitOptions(prior=(noise * unit) ** 2, robust_scale=robust_scale)
    if identity is None:
        num = len(observed.points_TRK)
        chosen = torch.linspace(0, num - 1, min(num, IDENTITY_FRAMES)).round().long()
        some = observed[chosen.to(points_TKD.device)]
        start = closed_form_pose(some, rest_3K, len(std_E))
        shared_I = fit_shared(rest_3K, expression_E3K, identity_I3K, some, start, options)
        identity = shared_I * std_I
    else:
        check_shape(identity, f"{len(std_I)}", name="identity")
        if not identity.isfinite().all():
            raise ValueError("identity holds NaN or infinity; leave it out to have it estimated")
        shared_I = identity.to(points_TKD) / std_I
    rest_3K = shape_of(rest_3K, identity_I3K, shared_I)
    rigid = closed_form_pose(observed, rest_3K, len(std_E))
    start = closed_form_coefficients(observed, rest_3K, expression_E3K, rigid, options.prior)
    state, residual = fit_frames(rest_3K, expression_E3K, observed, start, options)

    pose = torch.cat([matrix_to_euler(state.rotation_T33), state.shift_T3], -1)
    return FitResult(
        identity=identity.to(points_TKD),
        expression=_spread(state.coefficients_TC * std_E, valid_T),
        pose=_spread(pose, valid_T),
        residual=_spread(residual, valid_T),
        valid=valid_T,
        face_model=model.name,
    )


def _checked_kind(points_TKD: Tensor, layout: Layout) -> Kind:
    sizes = check_shape(points_TKD, f"T {LAYOUT_SIZES[layout]} D", name=f"points_TKD ({layout})")
    if sizes["D"] not in (2, 3):
        raise ValueError(f"points_TKD must end in 2 (crop) or 3 (camera space), got {sizes['D']}")
    if points_TKD.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"points_TKD must be float32 or float64, got {points_TKD.dtype}; convert with .float()"
        )
    return "space" if sizes["D"] == 3 else "image"


def _check_options(noise: float, robust_scale: float | None) -> None:
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise must be finite and at least 0, got {noise}")
    if robust_scale is not None and not robust_scale > 0:
        raise ValueError(
            f"robust_scale must be above 0, got {robust_scale}; None trusts all points alike"
        )


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


def _spread(rows: Tensor, valid_T: Tensor) -> Tensor:
    """Put rows of valid frames in their places, NaN elsewhere."""
    full = rows.new_full((len(valid_T), *rows.shape[1:]), torch.nan)
    full[valid_T] = rows
    return full
