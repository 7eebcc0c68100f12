"""What is looked at while TalkFormer is trained and tested.

Letters: B batch, T frames, K landmarks, H W pixels.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from viseme_core.batches import RenderBatch
from viseme_core.draws import Draws
from viseme_eval.functional.image import lower_half, psnr, ssim
from viseme_face.layouts import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS, TALK131, positions
from viseme_render.judging import FaceFinder, Score, mean_of
from viseme_render.pirender.regions import mouth_weight
from viseme_render.talkformer.film import FAST_STEPS, draw_films
from viseme_render.talkformer.framing import framed, framed_points
from viseme_render.talkformer.model import TalkFormerModel

SHOWN = 4
"""Films in the picture that validation shows."""
_LIPS = list(range(40))
_EYES = positions((RIGHT_EYE_CORNERS[0], LEFT_EYE_CORNERS[0]), "talk131").tolist()


class TalkFormerJudge:
    """Judges films that TalkFormer draws of given landmarks, window by window, as at inference.

    Scores are the losses and, as means over frames, `psnr_mouth` (around the mouth), `psnr_lower`
    and `ssim_lower` (lower half); each also with `_copy`, of the true upper half over the
    reference's lower half.

    Test adds how far the landmarks of the lips that are found in pictures are from those that were
    asked for, over the distance of the outer corners of the eyes: `lips_missed` in drawn pictures,
    `lips_missed_copy` in copied ones, `lips_missed_true` in true ones, which is what finding them
    misses by.

    Validation draws by 10 steps, test as the config says.
    """

    def scores(self, model: TalkFormerModel, batch: RenderBatch, draws: Draws) -> Iterator[Score]:
        """Yield what validation looks at; see `Judge`."""
        yield from _losses(model, batch, draws)
        yield from likeness(Drawn(model, batch, steps=FAST_STEPS))

    def test_scores(
        self, model: TalkFormerModel, batch: RenderBatch, draws: Draws, faces: FaceFinder
    ) -> Iterator[Score]:
        """Yield all that test looks at; see `Judge`."""
        yield from _losses(model, batch, draws)
        drawn = Drawn(model, batch)
        yield from likeness(drawn)
        for name, pictures_BT3HW in (
            ("lips_missed", drawn.pictures_BT3HW),
            ("lips_missed_copy", drawn.copied_BT3HW),
            ("lips_missed_true", drawn.frames_BT3HW),
        ):
            missed = [
                lips_missed(faces.found_points(pictures_T3HW, points_TK2), points_TK2)
                for pictures_T3HW, points_TK2 in zip(pictures_BT3HW, drawn.points_BTK2, strict=True)
            ]
            yield mean_of(name, torch.cat(missed))

    def films(self, model: TalkFormerModel, batch: RenderBatch) -> Tensor:
        """Return reference, copied, drawn and true beside each other; see `Judge`."""
        drawn = Drawn(model, batch)
        reference_BT3HW = drawn.reference_B3HW[:, None].expand_as(drawn.frames_BT3HW)
        return torch.cat(
            [reference_BT3HW, drawn.copied_BT3HW, drawn.pictures_BT3HW, drawn.frames_BT3HW], -1
        )

    def sheet(self, model: TalkFormerModel, batch: RenderBatch) -> Tensor:
        """Return reference, copied, drawn and true of each film's middle, a row each."""
        few = RenderBatch._make(values[:SHOWN] for values in batch)
        half, window = few.frames_BT3HW.shape[1] // 2, model.config.window
        part = slice(half, half + window)
        few = few._replace(
            frames_BT3HW=few.frames_BT3HW[:, part], landmarks_BTK2=few.landmarks_BTK2[:, part]
        )
        return torch.cat(tuple(self.films(model, few)[:, 0]), -2)


class Drawn:
    """A batch as the network sees it, and what it draws of it.

    Args:
        model: A trained model.
        batch: Windows as long as films shall be.
        steps: Steps of sampling at most; by default those of the config.
        told_BTK2: Landmarks to draw by, in [0, 1] of the crop; by default the batch's own, which
            pictures are judged by in any case.
    """

    def __init__(
        self,
        model: TalkFormerModel,
        batch: RenderBatch,
        *,
        steps: int | None = None,
        told_BTK2: Tensor | None = None,
    ) -> None:
        config = model.config
        side = batch.frames_BT3HW.shape[-1]
        self.frames_BT3HW = framed(batch.frames_BT3HW, config.size, config.zoom)
        self.reference_B3HW = framed(batch.reference_B3HW, config.size, config.zoom)
        self.points_BTK2 = framed_points(batch.landmarks_BTK2, side, config.zoom)
        told_BTK2 = batch.landmarks_BTK2 if told_BTK2 is None else told_BTK2
        self.told_BTK2 = framed_points(told_BTK2, side, config.zoom)
        upper_BT3hW = self.frames_BT3HW[..., : config.size // 2, :]
        below_BT3hW = lower_half(self.reference_B3HW)[:, None].expand_as(upper_BT3hW)
        self.copied_BT3HW = torch.cat([upper_BT3hW, below_BT3hW], -2)
        sampler = config.sampler
        if steps is not None:
            sampler = replace(sampler, num_steps=min(steps, sampler.num_steps))
        self.pictures_BT3HW = draw_films(
            model,
            self.frames_BT3HW,
            self.told_BTK2,
            self.reference_B3HW,
            sampler=sampler,
            films=batch.index_B.tolist(),
        ).clamp(-1, 1)


def _losses(model: TalkFormerModel, batch: RenderBatch, draws: Draws) -> Iterator[Score]:
    for name, value in model.loss(batch, draws).items():
        yield Score(name, value, len(batch.index_B))


def likeness(drawn: Drawn) -> Iterator[Score]:
    """Yield how like the truth drawn and copied pictures are: `psnr_mouth` and the rest."""
    true_X3HW = drawn.frames_BT3HW.flatten(0, 1)
    mouth_XHW = mouth_weight(drawn.points_BTK2.flatten(0, 1), true_X3HW.shape[-1])
    for suffix, pictures_BT3HW in (("", drawn.pictures_BT3HW), ("_copy", drawn.copied_BT3HW)):
        found_X3HW = pictures_BT3HW.flatten(0, 1)
        yield mean_of(f"psnr_mouth{suffix}", psnr(found_X3HW, true_X3HW, mask=mouth_XHW))
        yield mean_of(f"psnr_lower{suffix}", psnr(found_X3HW, true_X3HW, region="lower"))
        yield mean_of(f"ssim_lower{suffix}", ssim(found_X3HW, true_X3HW, region="lower"))


def lips_missed(found_TK2: Tensor, wanted_TK2: Tensor) -> Tensor:
    """Return the mean distance of the lips' landmarks over that of the eyes, (T,); NaN unseen.

    Args:
        found_TK2: What a finder found, `mp478`.
        wanted_TK2: Where they should be, `talk131`, in the same unit.
    """
    lips_TK2 = found_TK2[:, list(TALK131)][:, _LIPS].to(wanted_TK2)
    right_T2, left_T2 = (wanted_TK2[:, i] for i in _EYES)
    away_T = (lips_TK2 - wanted_TK2[:, _LIPS]).norm(dim=-1).mean(-1)
    return away_T / (right_T2 - left_T2).norm(dim=-1)
