"""Films drawn window by window: two frames are carried over, the reference is looked at once.

Letters: B films side by side, T frames of a window, K landmarks, Z latent channels, h w places.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from viseme_core.diffusion import SamplerConfig
from viseme_core.draws import Draws
from viseme_render.talkformer.model import MOTION_FRAMES, TalkFormerModel
from viseme_render.talkformer.net import Appearance

_EVALUATION = -1
FAST_STEPS = 10
"""Steps of the preset `fast`."""
BALANCED_STEPS = 50
"""Steps of the preset `balanced`: a quarter of the paper's."""


class FilmPainter:
    """Draws films of successive windows. Before the first stands the reference, twice.

    A frame's noise is a function of seed, film and the frame's number, so that a film does not
    depend on how it is asked for as long as windows are as long as the config says.

    Args:
        model: A trained model.
        appearance: What `model.look` makes of a picture of each person, of the model's size; may be
            set to that of another picture between windows.
        sampler: How to sample; by default as the model's config says.
        seed: Another seed is another film.
        films: Numbers of the films; 0 to B - 1 by default.
    """

    def __init__(
        self,
        model: TalkFormerModel,
        appearance: Appearance,
        *,
        sampler: SamplerConfig | None = None,
        seed: int = 0,
        films: Iterable[int] | None = None,
    ) -> None:
        self.model = model
        self.appearance = appearance
        latent_BZhw = appearance.latent_BZhw
        self.sampler = sampler or model.config.sampler
        self.seed = seed
        self.films = list(range(len(latent_BZhw)) if films is None else films)
        self.number = 0
        """Number of the next frame."""
        self._previous_BMZhw = latent_BZhw[:, None].repeat(1, MOTION_FRAMES, 1, 1, 1)

    @torch.no_grad()
    def __call__(self, frames_BT3HW: Tensor, landmarks_BTK2: Tensor) -> Tensor:
        """Return the next window (B, T, 3, H, W); the lower halves given are never looked at.

        Args:
            frames_BT3HW: Pictures of the model's size in [-1, 1].
            landmarks_BTK2: `talk131` in [0, 1] of these pictures.
        """
        model = self.model
        conditions = model.net.conditions(landmarks_BTK2, self.appearance, self._previous_BMZhw)
        upper_BTZhw = model.encode_upper(frames_BT3HW)
        start_BTZhw = self._noise(upper_BTZhw)
        draws = Draws(self.seed, self.number, self.films)
        latents_BTZhw = model.sample(upper_BTZhw, conditions, start_BTZhw, draws, self.sampler)
        self.number += frames_BT3HW.shape[1]
        self._previous_BMZhw = torch.cat([self._previous_BMZhw, latents_BTZhw], 1)[
            :, -MOTION_FRAMES:
        ]
        return model.decode(latents_BTZhw)

    def _noise(self, like_BTZhw: Tensor) -> Tensor:
        """Return the noise that the next window's lower halves start from."""
        draws = Draws(self.seed, _EVALUATION, self.films)
        frames, shape = like_BTZhw.shape[1], like_BTZhw.shape[2:]
        if self.model.config.shared_noise:
            found_BZhw = draws.normal("talkformer/start", *shape, like=like_BTZhw)
            return found_BZhw[:, None].expand(-1, frames, -1, -1, -1)
        numbers = range(self.number, self.number + frames)
        return torch.stack(
            [draws.normal(f"talkformer/start/{n}", *shape, like=like_BTZhw) for n in numbers], 1
        )


def draw_films(
    model: TalkFormerModel,
    frames_BT3HW: Tensor,
    landmarks_BTK2: Tensor,
    reference_B3HW: Tensor,
    *,
    sampler: SamplerConfig | None = None,
    seed: int = 0,
    films: Iterable[int] | None = None,
) -> Tensor:
    """Return whole films (B, T, 3, H, W), drawn window by window as a renderer does.

    Args:
        model: A trained model.
        frames_BT3HW: Pictures of the model's size, any number of them.
        landmarks_BTK2: `talk131` in [0, 1] of these pictures.
        reference_B3HW: A picture of each person, of the model's size, in [-1, 1].
        sampler: How to sample; this and the rest as `FilmPainter`.
        seed: Another seed is another film.
        films: Numbers of the films.
    """
    with torch.no_grad():
        appearance = model.look(reference_B3HW)
    painter = FilmPainter(model, appearance, sampler=sampler, seed=seed, films=films)
    window = model.config.window
    parts = zip(frames_BT3HW.split(window, 1), landmarks_BTK2.split(window, 1), strict=True)
    return torch.cat([painter(frames, points) for frames, points in parts], 1)
