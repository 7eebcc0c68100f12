"""What is looked at while PIRender is trained and tested."""

from collections.abc import Iterator

import torch
from torch import Tensor

from viseme_core.draws import Draws
from viseme_core.types import LAYOUT_SIZES
from viseme_eval.functional.curves import curve_correlation
from viseme_eval.functional.image import psnr
from viseme_face.layouts import TALK131, lip_opening
from viseme_render.judging import FaceFinder, Score, mean_of
from viseme_render.pirender.batch import PIRenderBatch
from viseme_render.pirender.model import PIRenderModel
from viseme_render.pirender.net import Rendered
from viseme_render.pirender.regions import face_mask, mouth_weight

SHOWN = 4
"""Portraits in the picture that validation shows."""


class PIRenderJudge:
    """Judges PIRender's pictures.

    Scores are the losses and, as means over frames: `psnr_face`, of the finished picture inside the
    hull of the landmarks, `psnr_mouth`, around the mouth, `psnr_face_warped`, of the warped
    portrait, and `psnr_face_copy`, of the portrait as it is; all in dB.

    Test adds over the frames of a sample: `lip_correlation` with the opening of the true landmarks,
    `lip_correlation_seen` with what is found in the true pictures, `lip_correlation_true` between
    these two, the best that can be had; `lip_spread` is the mean opening over that in the true
    pictures.
    """

    def scores(self, model: PIRenderModel, batch: PIRenderBatch, draws: Draws) -> Iterator[Score]:
        """Yield what validation and test look at; see `Judge`."""
        return _scores(model, batch, model.render(batch))

    def test_scores(
        self, model: PIRenderModel, batch: PIRenderBatch, draws: Draws, faces: FaceFinder
    ) -> Iterator[Score]:
        """Yield all that test looks at; see `Judge`."""
        made = model.render(batch)
        yield from _scores(model, batch, made)
        frames = batch.frames_BT3HW.shape[1]
        for number, picture_T3HW in enumerate(made.picture_B3HW.split(frames)):
            points_TK2 = batch.landmarks_BTK2[number]
            true_T = lip_opening(_as_mesh(points_TK2))
            seen_T = lip_opening(faces.found_points(batch.frames_BT3HW[number], points_TK2))
            found_T = lip_opening(faces.found_points(picture_T3HW, points_TK2))
            for name, value in (
                ("lip_correlation", curve_correlation(found_T, true_T.cpu())),
                ("lip_correlation_true", curve_correlation(seen_T, true_T.cpu())),
                ("lip_correlation_seen", curve_correlation(found_T, seen_T)),
                ("lip_spread", found_T.nanmean() / seen_T.nanmean()),
            ):
                yield Score(name, value, int(value.isfinite()))

    def films(self, model: PIRenderModel, batch: PIRenderBatch) -> Tensor:
        """Return portrait, warped, finished and true beside each other; see `Judge`."""
        made = model.render(batch)
        shape = batch.frames_BT3HW.shape[:2]
        portrait_BT3HW = batch.reference_B3HW[:, None].expand_as(batch.frames_BT3HW)
        warped, picture = (x.unflatten(0, shape) for x in (made.warped_B3HW, made.picture_B3HW))
        return torch.cat([portrait_BT3HW, warped, picture, batch.frames_BT3HW], -1)

    def sheet(self, model: PIRenderModel, batch: PIRenderBatch) -> Tensor:
        """Return portrait, warped, finished and true, a row each; see `Judge`."""
        few = PIRenderBatch._make(values[:SHOWN] for values in batch)
        # The frame whose lips or head differ most from the portrait's.
        away_BT = (few.landmarks_BTK2 - few.own_landmarks_BK2[:, None]).abs().mean((2, 3))
        chosen_B = away_BT.argmax(1)
        rows = torch.arange(len(chosen_B), device=chosen_B.device)
        few = few._replace(
            frames_BT3HW=few.frames_BT3HW[rows, chosen_B][:, None],
            motion_window_BTWC=few.motion_window_BTWC[rows, chosen_B][:, None],
            landmarks_BTK2=few.landmarks_BTK2[rows, chosen_B][:, None],
        )
        return torch.cat(tuple(self.films(model, few)[:, 0]), -2)


def _scores(model: PIRenderModel, batch: PIRenderBatch, made: Rendered) -> Iterator[Score]:
    for name, value in model.losses_of(made, batch, edit=True).items():
        yield Score(name, value, len(batch.index_B))
    true_B3HW = batch.frames_BT3HW.flatten(0, 1)
    points_BK2 = batch.landmarks_BTK2.flatten(0, 1)
    size = true_B3HW.shape[-1]
    face_BHW = face_mask(points_BK2, size)
    copied_B3HW = batch.reference_B3HW.repeat_interleave(batch.frames_BT3HW.shape[1], 0)
    for name, found_B3HW, mask_BHW in (
        ("psnr_face", made.picture_B3HW, face_BHW),
        ("psnr_mouth", made.picture_B3HW, mouth_weight(points_BK2, size)),
        ("psnr_face_warped", made.warped_B3HW, face_BHW),
        ("psnr_face_copy", copied_B3HW, face_BHW),
    ):
        yield mean_of(name, psnr(found_B3HW.clamp(-1, 1), true_B3HW, mask=mask_BHW))


def _as_mesh(points_TK2: Tensor) -> Tensor:
    """Return landmarks `talk131` at their places among 478; the others are 0."""
    mesh_TK2 = points_TK2.new_zeros(len(points_TK2), LAYOUT_SIZES["mp478"], 2)
    mesh_TK2[:, list(TALK131)] = points_TK2
    return mesh_TK2
