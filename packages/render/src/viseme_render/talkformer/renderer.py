"""Landmarks and a template video to frames by TalkFormer.

renderer = TalkFormerRenderer.from_checkpoint("runs/render/talkformer/small", preset="fast")
clips = renderer(looped(template, landmarks.num_frames), landmarks)
frames = torch.cat(list(clips))  # (T, 3, H, W) in [-1, 1]
"""

from collections.abc import Iterator
from dataclasses import replace
from os import PathLike
from typing import Literal, get_args

import torch
from torch import Tensor

from viseme_core.diffusion import SamplerConfig
from viseme_core.types import Landmarks, VideoClip
from viseme_face.layouts import select
from viseme_render.renderer import default_device
from viseme_render.talkformer.blend import blended
from viseme_render.talkformer.build import load_talkformer
from viseme_render.talkformer.film import FAST_STEPS, FilmPainter
from viseme_render.talkformer.framing import framed, framed_points
from viseme_render.talkformer.model import TalkFormerModel

PresetName = Literal["paper", "fast"]
"""`paper`: the steps that the model's config says. `fast`: 10 of DDIM."""


class TalkFormerRenderer:
    """Makes the people of a template video speak as landmarks say.

    Of each frame the lower half of the face is drawn anew and laid over the template through a soft
    mask; all else stays as it is. Memory does not grow with the film's length.

    Args:
        model: A trained model.
        preset: How to sample: `paper`, `fast`, or a sampler's settings.
        seed: Another seed is another film.
        is_soft: Off, all that the network drew is laid over the template, with a hard edge: what
            the paper compares in numbers.
        device: Where to draw, and where frames come out; by default on a GPU if there is one.
    """

    def __init__(
        self,
        model: TalkFormerModel,
        *,
        preset: PresetName | SamplerConfig = "paper",
        seed: int = 0,
        is_soft: bool = True,
        device: torch.device | str | None = None,
    ) -> None:
        self.device = default_device() if device is None else torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.sampler = sampler_of(preset, model.config.sampler)
        self.seed = seed
        self.is_soft = is_soft

    @classmethod
    def from_checkpoint(
        cls,
        path: str | PathLike[str],
        *,
        preset: PresetName | SamplerConfig = "paper",
        autoencoder: str | PathLike[str] | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> "TalkFormerRenderer":
        """Return the renderer whose weights a stage file, a checkpoint or a run's folder holds.

        Args:
            path: As for `viseme_core.checkpoint.load_stage`.
            preset: How to sample.
            autoencoder: Where its autoencoder's file is now, if not where it was in training.
            seed: Another seed is another film.
            device: Where to draw.

        Raises:
            ValueError: If a file is damaged or of another stage or system, or the autoencoder is
                not the one of the training.
        """
        model = load_talkformer(path, autoencoder=autoencoder)
        return cls(model, preset=preset, seed=seed, device=device)

    def __call__(
        self,
        template: Iterator[VideoClip],
        landmarks: Landmarks,
        *,
        reference_3HW: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """Yield the frames of a film, (t, 3, H, W), float32 RGB in [-1, 1], in their order.

        How the template is cut into clips changes no frame.

        Args:
            template: Square face crops of one size, as many frames as landmarks or more
                (`looped` makes them so).
            landmarks: The whole face of every frame in [0, 1] of the crop, lips and jaw as they
                shall be.
            reference_3HW: Any crop of the person; by default the template's first.

        Raises:
            ValueError: If landmarks are of a layout without the 131 points, crops are not square or
                change their size, or the template ends before the landmarks do.
        """
        points_TK2 = select(landmarks, "talk131").points_TKD[..., :2]
        return self._frames(template, points_TK2, reference_3HW)

    def _frames(
        self, template: Iterator[VideoClip], points_TK2: Tensor, reference_3HW: Tensor | None
    ) -> Iterator[Tensor]:
        config = self.model.config
        painter: FilmPainter | None = None
        done = 0
        for crops_T3HW in _windows(template, len(points_TK2), config.window):
            crops_T3HW = crops_T3HW.to(self.device, torch.float32)
            if painter is None:
                seen = crops_T3HW[0] if reference_3HW is None else reference_3HW
                seen_13HW = seen.to(self.device, torch.float32)[None]
                painter = FilmPainter(
                    self.model,
                    framed(seen_13HW, config.size, config.zoom),
                    sampler=self.sampler,
                    seed=self.seed,
                )
            part_TK2 = points_TK2[done : done + len(crops_T3HW)].to(crops_T3HW)
            done += len(crops_T3HW)
            part_TK2 = framed_points(part_TK2, crops_T3HW.shape[-1], config.zoom)
            pictures_T3HW = framed(crops_T3HW, config.size, config.zoom)
            drawn_T3HW = painter(pictures_T3HW[None], part_TK2[None])[0]
            yield blended(
                crops_T3HW, drawn_T3HW.clamp(-1, 1), part_TK2, config.zoom, is_soft=self.is_soft
            )


def sampler_of(preset: PresetName | SamplerConfig, trained: SamplerConfig) -> SamplerConfig:
    """Return a sampler's settings.

    Args:
        preset: A name, or settings, which are returned.
        trained: Settings of the model's config.

    Raises:
        ValueError: If there is no preset of that name.
    """
    if isinstance(preset, SamplerConfig):
        return preset
    if preset not in get_args(PresetName):
        raise ValueError(
            f"preset must be one of {get_args(PresetName)}, or a SamplerConfig, got {preset!r}"
        )
    if preset == "paper":
        return trained
    return replace(trained, solver="ddim", eta=0.0, num_steps=min(FAST_STEPS, trained.num_steps))


def _windows(template: Iterator[VideoClip], num_frames: int, window: int) -> Iterator[Tensor]:
    """Yield the template's frames (T, 3, H, W) in windows of one length; the last may be shorter.

    Raises:
        ValueError: If it ends too soon.
    """
    kept: list[Tensor] = []
    held, given = 0, 0
    while given < num_frames:
        wanted = min(window, num_frames - given)
        while held < wanted:
            clip = next(template, None)
            if clip is None:
                raise ValueError(
                    f"the template has {given + held} frames, the landmarks {num_frames}; loop it: "
                    f"renderer(looped(template, {num_frames}), landmarks)"
                )
            kept.append(clip.frames_T3HW)
            held += clip.num_frames
        frames_T3HW = torch.cat(kept)
        yield frames_T3HW[:wanted]
        kept, held, given = [frames_T3HW[wanted:]], held - wanted, given + wanted
