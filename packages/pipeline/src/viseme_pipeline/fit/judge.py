"""How well a pair of landmark completion and TalkFormer speaks: what it draws of a voice.

Letters: B batch, T frames, K landmarks.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from viseme_core.batches import JointBatch
from viseme_eval.functional.curves import curve_correlation
from viseme_face.layouts import CONTENT_SLICE, lip_opening
from viseme_landmarks.monitor import openings
from viseme_pipeline.joint import JointModel
from viseme_render.judging import FaceFinder, Score, mean_of
from viseme_render.talkformer.judge import Drawn, likeness, lips_missed


def pair_scores(
    model: JointModel, batch: JointBatch, found_BTK2: Tensor, faces: FaceFinder
) -> Iterator[Score]:
    """Yield how near films that are drawn by completed landmarks come to the true ones.

    They are compared with the truth, not with what was completed: an error of either stage is one.

    - `psnr_mouth`, `psnr_lower`, `ssim_lower`: of pictures, and each with `_copy` of the true upper
      half over the reference's lower half.
    - `lips_missed`: distance of the lips that are found in pictures from the true ones, over the
      distance of the eyes; `_copy`, `_true` (in true pictures: what finding them misses by).
    - `seen_correlation`, `seen_spread`: of the opening of these lips with the true opening, and
      its deviation over the true one's; `_true`.

    With `_by_truth`: of films that are drawn by true landmarks, the renderer's own error.

    Args:
        model: The pair.
        batch: Successive frames.
        found_BTK2: Completed lips and jaws, (B, T, 57, 2).
        faces: Finds lips in pictures.
    """
    renderer = model.renderer
    told_BTK2 = model.told(found_BTK2, batch)["landmarks_BTK2"]
    drawn = Drawn(renderer, batch.render, told_BTK2=told_BTK2)  # type: ignore[arg-type]
    by_truth = Drawn(renderer, batch.render)  # type: ignore[arg-type]
    yield from likeness(drawn)
    for score in likeness(by_truth):
        if not score.name.endswith("_copy"):
            yield score._replace(name=f"{score.name}_by_truth")
    for suffix, pictures_BT3HW in (
        ("", drawn.pictures_BT3HW),
        ("_by_truth", by_truth.pictures_BT3HW),
        ("_copy", drawn.copied_BT3HW),
        ("_true", drawn.frames_BT3HW),
    ):
        yield from _seen(suffix, pictures_BT3HW, drawn.points_BTK2, faces)


def _seen(
    suffix: str, pictures_BT3HW: Tensor, points_BTK2: Tensor, faces: FaceFinder
) -> Iterator[Score]:
    """Yield what lips found in pictures say; `points_BTK2` is where they should be."""
    missed, correlations, spreads = [], [], []
    for pictures_T3HW, points_TK2 in zip(pictures_BT3HW, points_BTK2, strict=True):
        found_TK2 = faces.found_points(pictures_T3HW, points_TK2)
        missed.append(lips_missed(found_TK2, points_TK2))
        seen_T = lip_opening(found_TK2)
        true_T = openings(points_TK2[:, CONTENT_SLICE]).to(seen_T)
        correlations.append(curve_correlation(seen_T, true_T))
        is_seen_T = seen_T.isfinite()
        spreads.append(seen_T[is_seen_T].std() / true_T[is_seen_T].std())
    yield mean_of(f"lips_missed{suffix}", torch.cat(missed))
    if suffix != "_copy":
        # A copied mouth never moves.
        yield mean_of(f"seen_correlation{suffix}", torch.stack(correlations))
        yield mean_of(f"seen_spread{suffix}", torch.stack(spreads))
