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
from viseme_core.types import FPS, Layout, Motion
from viseme_face.fit_points import observed_frames
from viseme_face.fit_start import closed_form_coefficients, closed_form_pose
from viseme_face.gauss_newton import fit_frames, fit_shared
from viseme_face.least_squares import FitOptions, Observed, State, shape_of
from viseme_face.morphable import MorphableModel
from viseme_face.pose import CAMERA_DISTANCE, FOCAL, matrix_to_euler

NOISE = 1e-4
"""Expected error of a crop coordinate; the weight of the prior is its square."""
IDENTITY_FRAMES = 16
"""Frames that identity is estimated from, evenly spread over the clip."""


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
    problem = _Problem.of(model, points_TKD, layout, weights, noise, robust_scale)
    if identity is None:
        shared_I = problem.shared_coefficients()
    else:
        check_shape(identity, f"{len(problem.std_I)}", name="identity")
        if not identity.isfinite().all():
            raise ValueError("identity holds NaN or infinity; leave it out to have it estimated")
        shared_I = identity.to(points_TKD) / problem.std_I
    state, residual = problem.own_coefficients(shared_I)
    pose = torch.cat([matrix_to_euler(state.rotation_T33), state.shift_T3], -1)
    expression = state.coefficients_TC * problem.std_E
    return FitResult(
        identity=shared_I * problem.std_I if identity is None else identity.to(points_TKD),
        expression=_spread(expression, problem.valid_T),
        pose=_spread(pose, problem.valid_T),
        residual=_spread(residual, problem.valid_T),
        valid=problem.valid_T,
        face_model=model.name,
    )


@torch.no_grad()
def fit_identity(
    model: MorphableModel,
    points_TKD: Tensor,
    layout: Layout,
    *,
    weights: Tensor | None = None,
    noise: float = NOISE,
    robust_scale: float | None = None,
) -> Tensor:
    """Return the identity (I,) that `fit_clip` finds, which takes the same, without the rest.

    Raises:
        ValueError: As `fit_clip`.
    """
    problem = _Problem.of(model, points_TKD, layout, weights, noise, robust_scale)
    return problem.shared_coefficients() * problem.std_I


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """A clip's points and a model's shape there; coefficients count in deviations."""

    observed: Observed
    """Of the valid frames."""
    valid_T: Tensor
    rest_3K: Tensor
    identity_I3K: Tensor
    expression_E3K: Tensor
    std_I: Tensor
    std_E: Tensor
    options: FitOptions

    @classmethod
    def of(
        cls,
        model: MorphableModel,
        points_TKD: Tensor,
        layout: Layout,
        weights: Tensor | None,
        noise: float,
        robust_scale: float | None,
    ) -> "_Problem":
        mean_V3, identity_IV3, expression_EV3 = model.shape_at(model.landmark_ids(layout))
        _check_options(noise, robust_scale)
        observed, valid_T = observed_frames(points_TKD, layout, weights)
        std_I, std_E = model.identity_std_I.to(points_TKD), model.expression_std_E.to(points_TKD)
        unit = CAMERA_DISTANCE / FOCAL if observed.kind == "space" else 1.0
        return cls(
            observed=observed,
            valid_T=valid_T,
            rest_3K=mean_V3.to(points_TKD).T,
            identity_I3K=(identity_IV3.to(points_TKD) * std_I[:, None, None]).mT.contiguous(),
            expression_E3K=(expression_EV3.to(points_TKD) * std_E[:, None, None]).mT.contiguous(),
            std_I=std_I,
            std_E=std_E,
            options=FitOptions(prior=(noise * unit) ** 2, robust_scale=robust_scale),
        )

    def shared_coefficients(self) -> Tensor:
        """Return what frames spread over the clip have in common, (I,)."""
        num = len(self.observed.points_TRK)
        chosen = torch.linspace(0, num - 1, min(num, IDENTITY_FRAMES)).round().long()
        some = self.observed[chosen.to(self.rest_3K.device)]
        start = closed_form_pose(some, self.rest_3K, len(self.std_E))
        return fit_shared(
            self.rest_3K, self.expression_E3K, self.identity_I3K, some, start, self.options
        )

    def own_coefficients(self, shared_I: Tensor) -> tuple[State, Tensor]:
        """Return every frame's state and residual with these in common."""
        rest_3K = shape_of(self.rest_3K, self.identity_I3K, shared_I)
        rigid = closed_form_pose(self.observed, rest_3K, len(self.std_E))
        start = closed_form_coefficients(
            self.observed, rest_3K, self.expression_E3K, rigid, self.options.prior
        )
        return fit_frames(rest_3K, self.expression_E3K, self.observed, start, self.options)


def _check_options(noise: float, robust_scale: float | None) -> None:
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise must be finite and at least 0, got {noise}")
    if robust_scale is not None and not robust_scale > 0:
        raise ValueError(
            f"robust_scale must be above 0, got {robust_scale}; None trusts all points alike"
        )


def _spread(rows: Tensor, valid_T: Tensor) -> Tensor:
    """Put rows of valid frames in their places, NaN elsewhere."""
    full = rows.new_full((len(valid_T), *rows.shape[1:]), torch.nan)
    full[valid_T] = rows
    return full
