"""How near completed landmarks are to the true ones: numbers and pictures.

Letters: T frames, R references, K landmarks.
"""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from viseme_core.types import FPS, LAYOUT_SIZES
from viseme_eval.functional.curves import curve_correlation
from viseme_face.layouts import CONTENT_SLICE, JAW_SLICE, LIP_SLICE, TALK131, lip_opening

_CORNERS = [TALK131.index(61), TALK131.index(291)]
_SHOWN = 5


def mouth_width(reference_RK2: Tensor) -> Tensor:
    """Return the mean distance of the references' mouth corners, the unit of all distances."""
    right_R2, left_R2 = reference_RK2[:, _CORNERS].unbind(1)
    return (right_R2 - left_R2).norm(dim=-1).mean()


def distances(found_TK2: Tensor, true_TK2: Tensor, width: Tensor) -> dict[str, Tensor]:
    """Return the mean distance of lip and of jaw landmarks in mouth widths.

    Args:
        found_TK2: Completed lips and jaws, shape (T, 57, 2).
        true_TK2: The true ones.
        width: What `mouth_width` returns.
    """
    away_TK = (found_TK2 - true_TK2).norm(dim=-1) / width
    return {
        "lip_distance": away_TK[:, LIP_SLICE].mean(),
        "jaw_distance": away_TK[:, JAW_SLICE].mean(),
    }


def opening_scores(found_TK2: Tensor, true_TK2: Tensor) -> dict[str, Tensor]:
    """Return how well the opening of lips follows the true one.

    Returns:
        `lip_correlation`, Pearson's, and `lip_spread`, its deviation over the true one's; NaN where
        the true lips or the found ones never move.
    """
    found_T, true_T = openings(found_TK2), openings(true_TK2)
    return {
        "lip_correlation": curve_correlation(found_T, true_T),
        "lip_spread": found_T.std() / true_T.std(),
    }


def openings(content_TK2: Tensor) -> Tensor:
    """Return how far lips are apart as a part of the mouth's width, shape (T,)."""
    mesh_TK2 = content_TK2.new_zeros(len(content_TK2), LAYOUT_SIZES["mp478"], 2)
    mesh_TK2[:, list(TALK131[CONTENT_SLICE])] = content_TK2
    return lip_opening(mesh_TK2)


def plot_openings(curves: dict[str, Tensor]) -> Figure:
    """Return lip openings over time.

    Args:
        curves: Lips and jaws (T, 57, 2) by what they are.
    """
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    for (name, content_TK2), color in zip(
        curves.items(), ("0.6", "tab:red", "tab:blue"), strict=False
    ):
        opening_T = openings(content_TK2)
        seconds_T = (torch.arange(len(opening_T)) / FPS).tolist()
        axes.plot(seconds_T, opening_T.tolist(), color=color, label=name)
    axes.set_ylabel("lip opening")
    axes.set_xlabel("seconds")
    axes.legend(loc="upper right")
    return figure


def plot_faces(found_TK2: Tensor, true_TK2: Tensor, pose_TK2: Tensor) -> Figure:
    """Return completed lips and jaws (red) over the true ones (grey) at a few frames.

    Args:
        found_TK2: Completed lips and jaws, shape (T, 57, 2).
        true_TK2: The true ones.
        pose_TK2: Upper faces, shape (T, 74, 2).
    """
    figure = Figure(figsize=(3 * _SHOWN, 3.2), layout="constrained")
    # From the most closed of the true mouths to the most open.
    order_T = openings(true_TK2).argsort()
    chosen = order_T[torch.linspace(0, len(order_T) - 1, _SHOWN).long()].tolist()
    for axes, frame in zip(figure.subplots(1, _SHOWN), chosen, strict=True):
        for points_K2, color in (
            (pose_TK2[frame], "0.8"),
            (true_TK2[frame], "0.5"),
            (found_TK2[frame], "tab:red"),
        ):
            axes.scatter(*points_K2.T.tolist(), s=4, color=color)
        axes.set_title(f"frame {frame}")
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.set_axis_off()
    return figure
