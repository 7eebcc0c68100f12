"""Beats of sound and of motion, and how well one falls on the other.

Times are in seconds from the beginning of the clip; frame i covers i / fps to (i + 1) / fps.
Letters: S samples, T frames, C features, N beats.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import FPS, SAMPLE_RATE_HZ

SIGMA_FRAMES = 3.0
"""Width of Bailando's Gaussian kernel, in frames."""
SMOOTHING_FRAMES = 5.0
"""Deviation of the Gaussian that Bailando smooths speed with, in frames."""

_HOP_SEC, _WINDOW_SEC = 0.01, 0.032
# An onset tops all flux within 30 ms, and the mean over 100 ms either way by the clip's own mean.
_PEAK_SEC, _MEAN_SEC = 0.03, 0.1
# Flux of a held note is 0.001 to 0.02 nepers, that of syllables in real speech 0.03 to 0.3.
_LEAST_RISE = 0.03
# Syllables follow each other at 0.1 s or more.
_APART_SEC = 0.1
# Magnitudes below this part of a full-scale tone's are silence: 40 dB, which leaves room noise out.
_FLOOR = 1e-2
_BLOCK_HOPS = 512


def beat_align(
    audio_beats_N: Tensor, motion_beats_N: Tensor, *, sigma_sec: float = SIGMA_FRAMES / FPS
) -> Tensor:
    """Return the Beat Align Score: how near to each beat of the sound one of the motion is.

    1/|A| sum_(a in A) exp(-min_(m in M) (a - m)^2 / (2 sigma^2)) (Siyao et al., "Bailando", 2022,
    as FD2Talk Table 1 and SadTalker use it), 0 to 1. Bailando's sigma is 3 frames of its 60 a
    second; at our 25 the same number is 0.12 s. Many beats of motion score high wherever they are:
    compare with the score of another clip's motion.

    Args:
        audio_beats_N: Times of beats of the sound, in seconds.
        motion_beats_N: Times of beats of the motion, in seconds.
        sigma_sec: Deviation of the kernel.

    Returns:
        0-dimensional float64; NaN if either has no beat, as for a head that does not move.
    """
    audio_N, motion_M = audio_beats_N.double(), motion_beats_N.double()
    if len(audio_N) == 0 or len(motion_M) == 0:
        return torch.full((), torch.nan, dtype=torch.float64, device=audio_N.device)
    motion_M = motion_M.sort().values
    after = torch.searchsorted(motion_M, audio_N).clamp_max(len(motion_M) - 1)
    around_2N = torch.stack([motion_M[(after - 1).clamp_min(0)], motion_M[after]])
    nearest_N = (around_2N - audio_N).abs().amin(0)
    return (-nearest_N.square() / (2 * sigma_sec**2)).exp().mean()


def motion_beats(
    features_TC: Tensor, *, fps: float = FPS, smoothing_frames: float = SMOOTHING_FRAMES
) -> Tensor:
    """Return when the motion comes to rest before the next move, in seconds, float64 (N,).

    Beats are the minima in time of the speed || x_(t+1) - x_t || after a Gaussian of 5 frames, as
    in Bailando, whose joints are here the features of one head: yaw, pitch and roll in degrees.

    Args:
        features_TC: Motion of a clip, shape (T, C); scale features to like units.
        fps: Frames per second.
        smoothing_frames: Deviation of the Gaussian.

    Returns:
        Times between the two frames of each least speed; empty for motion without a minimum, such
        as none, and for less than four frames.
    """
    check_shape(features_TC, "T C", name="features_TC")
    if len(features_TC) < 4:
        return torch.zeros(0, dtype=torch.float64, device=features_TC.device)
    speed_T = _smooth(features_TC.double().diff(dim=0).norm(dim=-1), smoothing_frames)
    middle = speed_T[1:-1]
    is_least = (middle < speed_T[:-2]) & (middle < speed_T[2:])
    return (is_least.nonzero()[:, 0] + 2).double() / fps


def audio_beats(audio_S: Tensor, *, rate_hz: int = SAMPLE_RATE_HZ) -> Tensor:
    """Return when sounds set in, in seconds, float64 of shape (N,).

    Onsets are peaks of the spectral flux mean_f max(0, l_f(t) - l_f(t - 1)), l the logarithm of the
    magnitude spectrum (32 ms windows every 10 ms) above a floor 40 dB under the clip's loudest. A
    peak is the largest within 30 ms and exceeds the mean within 100 ms by the clip's mean, or 0.03;
    peaks are at least 0.1 s apart. In speech they are onsets of syllables. A sound that is there
    when the clip begins does not set in.

    Args:
        audio_S: Mono sound.
        rate_hz: Samples per second.

    Returns:
        Times, within 20 ms of a sharp onset; empty for silence.
    """
    check_shape(audio_S, "S", name="audio_S")
    if len(audio_S) == 0:
        return torch.zeros(0, dtype=torch.float64, device=audio_S.device)
    return audio_beats_of_pieces([audio_S], audio_S.abs().amax(), rate_hz=rate_hz)


def audio_beats_of_pieces(
    pieces: Iterable[Tensor], peak: Tensor, *, rate_hz: int = SAMPLE_RATE_HZ
) -> Tensor:
    """Return `audio_beats` of a sound that comes in pieces; memory does not grow with the sound.

    Args:
        pieces: The sound's samples, any number (S,) at a time.
        peak: The largest magnitude of them all, 0-dimensional, of their type.
        rate_hz: Samples per second.
    """
    flux_N = _spectral_flux(pieces, peak, rate_hz)
    if len(flux_N) == 0 or not bool(flux_N.max() > 0):
        return flux_N[:0]
    near, around = round(_PEAK_SEC / _HOP_SEC), round(_MEAN_SEC / _HOP_SEC)
    highest_N = F.max_pool1d(flux_N[None], 2 * near + 1, stride=1, padding=near)[0]
    mean_N = F.avg_pool1d(
        flux_N[None], 2 * around + 1, stride=1, padding=around, count_include_pad=False
    )[0]
    is_onset = (flux_N == highest_N) & (flux_N > mean_N + flux_N.mean().clamp_min(_LEAST_RISE))
    kept: list[int] = []
    for hop in is_onset.nonzero()[:, 0].tolist():
        if not kept or hop - kept[-1] >= round(_APART_SEC / _HOP_SEC):
            kept.append(hop)
        elif flux_N[hop] > flux_N[kept[-1]]:
            kept[-1] = hop
    # Entry h is the rise into the window that begins at hop h + 1; its middle counts.
    hops = torch.tensor(kept, dtype=torch.float64, device=flux_N.device)
    return (hops + 1) * _HOP_SEC + _WINDOW_SEC / 2


def _spectral_flux(pieces: Iterable[Tensor], peak: Tensor, rate_hz: int) -> Tensor:
    """Return the rise of the spectrum from each window to the next, float64 of shape (hops,)."""
    hop, window = round(_HOP_SEC * rate_hz), round(_WINDOW_SEC * rate_hz)
    flux = [torch.zeros(0, dtype=torch.float64, device=peak.device)]
    if not bool(peak > 0):
        return flux[0]
    taper = torch.hann_window(window, dtype=torch.float64, device=peak.device)
    floor = _FLOOR * taper.sum() / 2
    rest_S = peak.new_zeros(0)
    # In blocks that share a window: a spectrum of ten minutes at once would take half a gigabyte.
    for samples_S in (block for piece in pieces for block in piece.split(_BLOCK_HOPS * hop)):
        rest_S = torch.cat([rest_S, samples_S / peak])
        num = (len(rest_S) - window) // hop + 1
        if num < 2:
            continue
        magnitude = torch.fft.rfft(rest_S.unfold(0, window, hop) * taper).abs()
        flux.append((magnitude + floor).log().diff(dim=0).clamp_min(0).mean(-1))
        rest_S = rest_S[(num - 1) * hop :]
    return torch.cat(flux)


def _smooth(curve_T: Tensor, deviation: float) -> Tensor:
    """Return the curve under a Gaussian cut at four deviations, mirrored at its ends as scipy's."""
    if deviation <= 0:
        return curve_T
    reach, num = int(4 * deviation + 0.5), len(curve_T)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64, device=curve_T.device)
    kernel = (-0.5 * (steps / deviation) ** 2).exp()
    at = torch.arange(-reach, num + reach, device=curve_T.device) % (2 * num)
    mirrored = curve_T[torch.where(at < num, at, 2 * num - 1 - at)]
    return mirrored.unfold(0, 2 * reach + 1, 1) @ (kernel / kernel.sum())
