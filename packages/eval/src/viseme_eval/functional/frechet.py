"""Distance of two sets of frames: the Frechet distance of their features (FID).

Heusel et al. 2017. FD2Talk Table 1, TalkFormer Tables I to III, ImagineID Tables 1 and 2 report it
on features of the Inception network; none says of how many frames. On any other network it is a
distance of its own and not FID.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from viseme_core.shapes import check_shape


@dataclass(frozen=True)
class FeatureMoments:
    """Sums over features from which mean and covariance follow; sets of any size take the same.

    Sums of parts add up to those of the whole, so that clips can be counted one by one, on any
    number of processes.
    """

    count: Tensor
    """Number of frames, int64, shape ()."""
    total_D: Tensor
    """Sum of features, float64."""
    outer_DD: Tensor
    """Sum of outer products of features with themselves, float64."""

    @classmethod
    def of(cls, features_TD: Tensor) -> "FeatureMoments":
        """Return the moments of frames with features (T, D).

        Raises:
            ValueError: If they have another shape, or hold NaN or infinity.
        """
        check_shape(features_TD, "T D", name="features_TD")
        if not features_TD.isfinite().all():
            raise ValueError(
                "features_TD holds NaN or infinity; check the frames and the network's precision"
            )
        features_TD = features_TD.detach().double()
        count = torch.tensor(len(features_TD), device=features_TD.device)
        return cls(count, features_TD.sum(0), features_TD.T @ features_TD)

    def __add__(self, other: "FeatureMoments") -> "FeatureMoments":
        """Return the moments of both sets together."""
        return FeatureMoments(
            self.count + other.count, self.total_D + other.total_D, self.outer_DD + other.outer_DD
        )

    @property
    def mean(self) -> Tensor:
        """Mean of features, (D,)."""
        return self.total_D / self.count

    @property
    def covariance(self) -> Tensor:
        """Unbiased covariance of features, (D, D), as `numpy.cov` gives it."""
        mean = self.mean
        return (self.outer_DD - self.count * torch.outer(mean, mean)) / (self.count - 1)


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    """Return the Frechet distance of two normal distributions, at least 0; lower is more alike.

    |m_a - m_b|^2 + Tr(C_a + C_b - 2 (C_a C_b)^(1/2)). The last trace is the sum of the singular
    values of C_a^(1/2) C_b^(1/2), which is exact for singular covariances as well, where a matrix
    square root needs help and leaves an imaginary part behind.

    Args:
        mean_a: (D,).
        cov_a: (D, D), symmetric.
        mean_b: (D,).
        cov_b: (D, D), symmetric.

    Returns:
        Scalar, float64, in the squared unit of the features.
    """
    mean_a, cov_a, mean_b, cov_b = (x.double() for x in (mean_a, cov_a, mean_b, cov_b))
    cross = torch.linalg.svdvals(_square_root(cov_a) @ _square_root(cov_b)).sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    # Equal sets: rounding may leave it just below 0, where no distance is.
    return distance.clamp_min(0)


def frechet_of_moments(
    generated: FeatureMoments, real: FeatureMoments, *, allow_few: bool = False
) -> Tensor:
    """Return the Frechet distance of two sets of frames.

    Args:
        generated: Moments of one set.
        real: Moments of the other.
        allow_few: Give the number although there are no more frames than features.

    Returns:
        Scalar, float64.

    Raises:
        ValueError: If a set has too few frames: at least 2, and more than there are features
            unless allowed.
    """
    width = len(real.total_D)
    for name, moments in (("generated", generated), ("real", real)):
        count = int(moments.count)
        if count < 2:
            raise ValueError(f"a covariance needs at least 2 {name} frames, got {count}")
        if count <= width and not allow_few:
            raise ValueError(
                f"{count} {name} frames are too few for {width} features: their covariance is "
                f"singular and the distance mostly that of small sets; give more than {width} "
                f"frames, use a network with fewer features, or set allow_few=True and compare "
                f"only with numbers from as many frames"
            )
    return frechet_distance(generated.mean, generated.covariance, real.mean, real.covariance)


def _square_root(cov: Tensor) -> Tensor:
    """Return the symmetric square root of a covariance."""
    values, vectors = torch.linalg.eigh(cov)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
