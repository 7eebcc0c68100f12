"""Disturbing training clips: other cameras, voices and rooms. Letters as in `net`."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from viseme_core.draws import Draws
from viseme_eval.syncnet.config import AugmentConfig

NUM_BANDS = 80
_SILENCE = -1.5
# Knots of slow changes over a sample.
_KNOTS = 4
# A band warp moves no band further than this share of its frequency.
_MOST_WARP = 0.3


def disturb_seen(seen_BTX: Tensor, draws: Draws, config: AugmentConfig) -> Tensor:
    """Return mouth shapes with noise, moving more or less than they did."""
    num, width = seen_BTX.shape[1:]
    noise_BTX = draws.normal("augment/jitter", num, width, like=seen_BTX)
    gain_B11 = torch.exp(config.gain * draws.normal("augment/gain", 1, 1, like=seen_BTX))
    # Landmarks of a real tracker are noisy by their own, not by the mouth's movement.
    return seen_BTX * gain_B11 + config.jitter * noise_BTX


def disturb_heard(heard_BTA: Tensor, draws: Draws, config: AugmentConfig) -> Tensor:
    """Return log-mel features of another voice in another room.

    Features of any other kind only get the noise.

    Args:
        heard_BTA: Features; log-mel's are columns of `NUM_BANDS` bands.
        draws: Source of chance.
        config: How much.
    """
    num, width = heard_BTA.shape[1:]
    noise_BTA = draws.normal("augment/colour", num, width, like=heard_BTA)
    if width % NUM_BANDS:
        return heard_BTA + config.colour * noise_BTA
    mel_BTJM = rearrange(heard_BTA, "b t (j m) -> b t j m", m=NUM_BANDS)
    mel_BTJM = _warped(mel_BTJM, draws, config.warp)
    knots_B1K = draws.normal("augment/level", 1, _KNOTS, like=heard_BTA)
    level_BT = F.interpolate(knots_B1K, num, mode="linear", align_corners=True)[:, 0]
    mel_BTJM = mel_BTJM + config.level * level_BT[:, :, None, None]
    floor_B = _SILENCE + config.floor * draws.uniform("augment/floor", like=heard_BTA)
    # A mixture of two sounds in one band is about as loud as the louder of them.
    mel_BTJM = mel_BTJM.maximum(floor_B[:, None, None, None])
    return rearrange(mel_BTJM, "b t j m -> b t (j m)") + config.colour * noise_BTA


def _warped(mel_BTJM: Tensor, draws: Draws, deviation: float) -> Tensor:
    """Return spectra whose bands are stretched towards low or high ones."""
    stretch_B = deviation * draws.normal("augment/warp", like=mel_BTJM)
    factor_B1 = stretch_B.clamp(-_MOST_WARP, _MOST_WARP).exp()[:, None]
    bands_M = torch.arange(NUM_BANDS, device=mel_BTJM.device, dtype=mel_BTJM.dtype)
    place_BM = (bands_M * factor_B1).clamp(max=NUM_BANDS - 1)
    low_BM = place_BM.floor().long()
    share_BM = (place_BM - low_BM)[:, None, None]
    rows_BTJM = low_BM[:, None, None].expand(mel_BTJM.shape)
    above_BTJM = (rows_BTJM + 1).clamp(max=NUM_BANDS - 1)
    return torch.lerp(mel_BTJM.gather(-1, rows_BTJM), mel_BTJM.gather(-1, above_BTJM), share_BM)
