"""Landmarks and a template video to frames by TalkFormer.

renderer = TalkFormerRenderer.from_checkpoint("runs/render/talkformer/small", preset="fast")
clips = renderer(looped(template, landmarks.num_frames), landmarks)
frames = torch.cat(list(clips))  # (T, 3, H, W) in [-1, 1]
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from os import PathLike
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from viseme_core.diffusion import SamplerConfig
from viseme_core.types import Landmarks, VideoClip
from viseme_face.layouts import select
from viseme_render.renderer import default_device
from viseme_render.talkformer.blend import blended, crop_share, laid_over
from viseme_render.talkformer.build import load_talkformer
from viseme_render.talkformer.config import PresetName
from viseme_render.talkformer.film import BALANCED_STEPS, FAST_STEPS, FilmPainter
from viseme_render.talkformer.framing import framed, framed_points
from viseme_render.talkformer.model import TalkFormerModel
from viseme_render.talkformer.net import Appearance
from viseme_render.talkformer.references import References

_STEPS: dict[PresetName, int] = {"fast": FAST_STEPS, "balanced": BALANCED_STEPS}


class Redrawn(NamedTuple):
    """Crops whose middle was drawn anew, and how far they are to be laid over the template."""

    frames_T3HW: Tensor
    """The template's crops with all that was drawn in its place, float32 RGB in [-1, 1]."""
    share_THW: Tensor
    """1 on the lower face, 0 away from it, soft between."""


class TalkFormerRenderer:
    """Makes the people of a template video speak as landmarks say.

    Of each frame the lower half of the face is drawn anew and laid over the template through a soft
    mask; all else stays as it is. Memory does not grow with the film's length.

    Args:
        model: A trained model.
        preset: How to sample: `paper`, `balanced`, `fast`, or a sampler's settings.
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
        # Refuses another layout at once, not with the first frame.
        points = Landmarks(select(landmarks, "talk131").points_TKD, "talk131")
        wanted = _Template(template, landmarks.num_frames)
        references = None if reference_3HW is None else References(reference_3HW[None])
        return (
            blended(
                part.crops_T3HW, part.drawn_T3HW, part.points_TK2, self._zoom, is_soft=self.is_soft
            )
            for part in self._drawn(wanted, [points], references, self.seed)
        )

    def stream(
        self,
        template: Iterator[VideoClip],
        landmarks: Iterable[Landmarks],
        *,
        references: References | None = None,
        seed: int | None = None,
    ) -> Iterator[Redrawn]:
        """Yield the film's lower faces while landmarks arrive, for whoever lays them over pictures.

        Laid over the template's crops by their shares they are what a call yields. How landmarks
        are cut into parts changes nothing; the template is asked for no more frames than there are
        landmarks for.

        Args:
            template: As in a call.
            landmarks: Parts of any length, in the order of the film.
            references: Crops of the person, of which each window takes the nearest in pose; by
                default the template's first.
            seed: Another seed than the renderer's.

        Raises:
            ValueError: As in a call.
        """
        seed = self.seed if seed is None else seed
        for part in self._drawn(_Template(template), landmarks, references, seed):
            yield Redrawn(
                laid_over(part.crops_T3HW, part.drawn_T3HW, self._zoom),
                crop_share(part.points_TK2, part.crops_T3HW.shape[-1], self._zoom),
            )

    @property
    def _zoom(self) -> float:
        return self.model.config.zoom

    def _drawn(
        self,
        template: "_Template",
        landmarks: Iterable[Landmarks],
        references: References | None,
        seed: int,
    ) -> Iterator["_Part"]:
        config = self.model.config
        painter: FilmPainter | None = None
        looked: dict[int, Appearance] = {}
        chosen: int | None = None
        for points_TK2 in _windows(landmarks, config.window):
            crops_T3HW = template.take(len(points_TK2)).to(self.device, torch.float32)
            references = references or References(crops_T3HW[:1])
            chosen = references.nearest(Landmarks(points_TK2, "talk131"), chosen)
            if chosen not in looked:
                seen_13HW = references.pictures_R3HW[chosen : chosen + 1]
                seen_13HW = seen_13HW.to(self.device, torch.float32)
                looked[chosen] = self.model.look(framed(seen_13HW, config.size, config.zoom))
            if painter is None:
                painter = FilmPainter(self.model, looked[chosen], sampler=self.sampler, seed=seed)
            painter.appearance = looked[chosen]
            points_TK2 = points_TK2.to(crops_T3HW)
            points_TK2 = framed_points(points_TK2, crops_T3HW.shape[-1], config.zoom)
            pictures_T3HW = framed(crops_T3HW, config.size, config.zoom)
            drawn_T3HW = painter(pictures_T3HW[None], points_TK2[None])[0]
            yield _Part(crops_T3HW, drawn_T3HW.clamp(-1, 1), points_TK2)


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
    steps = min(_STEPS[preset], trained.num_steps)
    return replace(trained, solver="ddim", eta=0.0, num_steps=steps)


class _Part(NamedTuple):
    """A window of a film."""

    crops_T3HW: Tensor
    """The template's."""
    drawn_T3HW: Tensor
    """Their middle, drawn anew in the network's size."""
    points_TK2: Tensor
    """Landmarks in [0, 1] of what was drawn."""


class _Template:
    """The frames of a template, taken in order.

    Args:
        clips: Its pieces.
        wanted: How many frames will be asked for, if that is known.
    """

    def __init__(self, clips: Iterator[VideoClip], wanted: int | None = None) -> None:
        self._clips = clips
        self._wanted = wanted
        self._kept: list[Tensor] = []
        self._held = self._given = 0

    def take(self, count: int) -> Tensor:
        """Return the next frames, (count, 3, H, W).

        Raises:
            ValueError: If there are no more.
        """
        while self._held < count:
            clip = next(self._clips, None)
            if clip is None:
                wanted = self._wanted or "more"
                raise ValueError(
                    f"the template has {self._given + self._held} frames, the landmarks {wanted}; "
                    f"loop it: looped(template, number of landmarks)"
                )
            self._kept.append(clip.frames_T3HW)
            self._held += clip.num_frames
        frames_T3HW = torch.cat(self._kept)
        self._kept, self._held = [frames_T3HW[count:]], self._held - count
        self._given += count
        return frames_T3HW[:count]


def _windows(landmarks: Iterable[Landmarks], window: int) -> Iterator[Tensor]:
    """Yield landmarks `talk131` (T, 131, 2) in windows of one length; the last may be shorter."""
    held_TK2: Tensor | None = None
    for part in landmarks:
        points_TK2 = select(part, "talk131").points_TKD[..., :2]
        held_TK2 = points_TK2 if held_TK2 is None else torch.cat([held_TK2, points_TK2])
        while len(held_TK2) >= window:
            yield held_TK2[:window]
            held_TK2 = held_TK2[window:]
    if held_TK2 is not None and len(held_TK2):
        yield held_TK2
