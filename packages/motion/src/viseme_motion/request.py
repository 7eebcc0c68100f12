"""What any model of motion is asked when it samples windows of several voices.

Letters: B voices, T frames, A audio-feature width, C coefficients.
"""

from dataclasses import dataclass

from torch import Tensor

from viseme_core.diffusion import SamplerConfig
from viseme_core.draws import Draws


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowRequest:
    """One window of each voice, with what is known of it."""

    audio_BTA: Tensor
    """Audio features."""
    start_BTC: Tensor
    """Standard normal noise to begin from."""
    known_BTC: Tensor
    """Coefficients of the frames that are known, in their own units."""
    is_known_BT: Tensor
    """Which these are."""
    sampler: SamplerConfig
    """Solver, steps and guidance; FD2Talk's Eq. 5 is `ddim`, DisentTalk's Eq. 9 is guidance."""
    draws: Draws
    """Fresh noise, for solvers that use it."""
    portrait_BC: Tensor | None = None
    """Expression of the faces at rest, in its own units; NaN, or None for all, where it is not
    known."""
