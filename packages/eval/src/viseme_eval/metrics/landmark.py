"""Landmark distances and lip movement over a set of clips. One `update` a clip."""

from typing import Literal, get_args

from torch import Tensor

from viseme_core.types import Landmarks
from viseme_eval.functional.curves import MAX_LAG, best_lag, curve_correlation, spread_ratio
from viseme_eval.functional.landmark import (
    CROP_PX,
    Alignment,
    Normalisation,
    Region,
    landmark_distance,
    landmark_velocity_error,
    lip_opening_curve,
)
from viseme_eval.metrics.clip_mean import ClipMean

Place = Literal["zero", "best"]
"""Where curves are compared: as they are, or at the lag where they fit best."""


class LMD(ClipMean):
    """Mean over clips of the landmark distance; less is better.

    DisentTalk Tables I, II and IV, ImagineID Table 2. The settings are explained with
    `landmark_distance`; the defaults are ATVGnet's mouth distance in pixels.

    Args:
        region: Mouth or whole face.
        align: What is taken out before.
        normalise: What distances are divided by.
        crop_px: Side of the crop in pixels.
    """

    higher_is_better = False

    def __init__(
        self,
        *,
        region: Region = "mouth",
        align: Alignment = "centroid",
        normalise: Normalisation = "none",
        crop_px: float = CROP_PX,
    ) -> None:
        super().__init__()
        self.region: Region = region
        self.align: Alignment = align
        self.normalise: Normalisation = normalise
        self.crop_px = crop_px

    def update(self, generated: Landmarks, reference: Landmarks) -> None:
        """Count one clip's generated and real landmarks of the same frames."""
        value = landmark_distance(
            generated,
            reference,
            region=self.region,
            align=self.align,
            normalise=self.normalise,
            crop_px=self.crop_px,
        )
        self.take(value)


class LandmarkVelocityError(LMD):
    """Mean over clips of the difference of landmark velocities, per frame; less is better."""

    def update(self, generated: Landmarks, reference: Landmarks) -> None:
        """Count one clip's generated and real landmarks of the same frames."""
        value = landmark_velocity_error(
            generated,
            reference,
            region=self.region,
            align=self.align,
            normalise=self.normalise,
            crop_px=self.crop_px,
        )
        self.take(value)


class LipOpeningCorrelation(ClipMean):
    """Mean over clips of the correlation of lip opening with the real one; more is better.

    Args:
        at: At lag 0, or at each clip's best lag.
        max_lag: Frames either way in which that is sought.
    """

    higher_is_better = True

    def __init__(self, *, at: Place = "zero", max_lag: int = MAX_LAG) -> None:
        super().__init__()
        if at not in get_args(Place):
            raise ValueError(f"at must be one of {get_args(Place)}, got {at!r}")
        self.at = at
        self.max_lag = max_lag

    def update(self, generated: Landmarks, reference: Landmarks) -> None:
        """Count one clip's generated and real landmarks of the same frames."""
        curves = _openings(generated, reference)
        if self.at == "best":
            self.take(best_lag(*curves, max_lag=self.max_lag).correlation)
        else:
            self.take(curve_correlation(*curves))


class LipOpeningLag(ClipMean):
    """Mean over clips of the lag of generated lips behind the real ones, in frames.

    Args:
        absolute: Mean of absolute lags; otherwise of signed ones.
        max_lag: Frames either way.
    """

    def __init__(self, *, absolute: bool = False, max_lag: int = MAX_LAG) -> None:
        super().__init__()
        self.absolute = absolute
        self.max_lag = max_lag

    def update(self, generated: Landmarks, reference: Landmarks) -> None:
        """Count one clip's generated and real landmarks of the same frames."""
        lag = best_lag(*_openings(generated, reference), max_lag=self.max_lag).frames
        self.take(lag.abs() if self.absolute else lag)


class LipOpeningSpread(ClipMean):
    """Mean over clips of how much the lips move, over how much the real ones do; 1 is best."""

    def update(self, generated: Landmarks, reference: Landmarks) -> None:
        """Count one clip's generated and real landmarks of the same frames."""
        self.take(spread_ratio(*_openings(generated, reference)))


def _openings(generated: Landmarks, reference: Landmarks) -> tuple[Tensor, Tensor]:
    if generated.layout != reference.layout:
        raise ValueError(
            f"lip openings of different layouts have different levels, got {generated.layout!r} "
            f"and {reference.layout!r}; find the landmarks of both clips with one detector"
        )
    return lip_opening_curve(generated), lip_opening_curve(reference)
