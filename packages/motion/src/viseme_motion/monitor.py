"""How well generated motion follows the true one: numbers and pictures while training.

Letters: B batch, T frames, K vertices.
"""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from viseme_core.types import FPS
from viseme_eval.functional.blinks import detect_blinks
from viseme_eval.functional.curves import best_lag, curve_correlation
from viseme_face import MorphableModel, eye_aspect_ratio, lip_opening, pose_vertices
from viseme_face.layouts import LIP
from viseme_face.raster import rasterize
from viseme_face.shading import render_normals

MESH_SIZE = 160
"""Side of the mesh video's frames in pixels."""
NEAR_LAG = 2
"""Frames of shift that a real clip's sound may still have after preparation."""
# Upright, looking into the camera, where the model's own units put it.
_STILL = (0.0,) * 6


class MotionMonitor:
    """Measures generated expression against the true one on the same person's face.

    Args:
        model: Face model of the coefficients; it must know `mp478`.
    """

    def __init__(self, model: MorphableModel) -> None:
        self._model = model

    def scores(
        self, found_TC: Tensor, true_TC: Tensor, mean_C: Tensor, identity_I: Tensor
    ) -> dict[str, Tensor]:
        """Return how near one sample's motion is to the truth.

        Args:
            found_TC: Generated expression.
            true_TC: True expression.
            mean_C: Mean expression of the training data: the face that never moves.
            identity_I: Whose face it is.

        Returns:
            `lip_distance`, mean distance of the lips' landmarks in mouth widths, and
            `lip_distance_of_mean`, that of the mean face; `lip_correlation` of the lip opening, and
            `lip_correlation_near`, at the best lag within two frames; `lip_spread`, its deviation
            over the true one's; `blinks_per_sec` and `true_blinks_per_sec`; `diversity`, mean
            deviation of the coefficients over time as a share of the true one. What is not defined,
            such as the correlation with lips that never move, is NaN.
        """
        found_TK3, true_TK3, mean_TK3 = (
            self._model.landmarks(identity_I, expression, "mp478")
            for expression in (found_TC, true_TC, mean_C[None])
        )
        lips = list(LIP)
        width = (mean_TK3[0, 61] - mean_TK3[0, 291]).norm()
        found_T, true_T = lip_opening(found_TK3), lip_opening(true_TK3)
        seconds = len(found_TC) / FPS
        return {
            "lip_distance": _distance(found_TK3[:, lips], true_TK3[:, lips]) / width,
            "lip_distance_of_mean": _distance(mean_TK3[:, lips], true_TK3[:, lips]) / width,
            "lip_correlation": curve_correlation(found_T, true_T),
            "lip_correlation_near": best_lag(found_T, true_T, max_lag=NEAR_LAG).correlation,
            "lip_spread": found_T.std() / true_T.std(),
            "blinks_per_sec": _blinks(found_TK3) / seconds,
            "true_blinks_per_sec": _blinks(true_TK3) / seconds,
            "diversity": found_TC.std(0).mean() / true_TC.std(0).mean(),
        }

    def plot(self, found_TC: Tensor, true_TC: Tensor, identity_I: Tensor) -> Figure:
        """Return the lip opening and the eyes' opening of both over time."""
        figure = Figure(figsize=(9, 4), layout="constrained")
        rows = figure.subplots(2, 1, sharex=True)
        for name, expression_TC, color in (
            ("true", true_TC, "0.6"),
            ("generated", found_TC, "tab:red"),
        ):
            points_TK3 = self._model.landmarks(identity_I, expression_TC, "mp478")
            seconds_T = (torch.arange(len(points_TK3)) / FPS).tolist()
            eyes_T = eye_aspect_ratio(points_TK3).mean(-1)
            for axes, curve_T in zip(rows, (lip_opening(points_TK3), eyes_T), strict=True):
                axes.plot(seconds_T, curve_T.tolist(), color=color, label=name)
        rows[0].set_ylabel("lip opening")
        rows[0].legend(loc="upper right")
        rows[1].set_ylabel("eye opening")
        rows[1].set_xlabel("seconds")
        return figure

    def film(self, found_TC: Tensor, true_TC: Tensor, identity_I: Tensor) -> Tensor:
        """Return both meshes, the true one on the left: frames (T, 3, H, 2 H) in [-1, 1]."""
        return torch.cat([self._mesh(true_TC, identity_I), self._mesh(found_TC, identity_I)], -1)

    def _mesh(self, expression_TC: Tensor, identity_I: Tensor) -> Tensor:
        vertices_TV3 = self._model(identity_I, expression_TC)
        pose_T6 = torch.tensor(_STILL).expand(len(vertices_TV3), -1)
        posed_TV3 = pose_vertices(vertices_TV3, pose_T6.to(vertices_TV3))
        triangles_P3 = self._model.triangles_P3
        raster = rasterize(posed_TV3, triangles_P3, (MESH_SIZE, MESH_SIZE))
        normals_THW3 = render_normals(raster, posed_TV3, triangles_P3)
        # Lit from the camera, a little from above.
        light_3 = torch.tensor([0.0, 0.35, 0.94]).to(normals_THW3)
        shade_THW = (normals_THW3 @ light_3).clamp(min=0)
        return (1.8 * shade_THW - 0.9)[:, None].expand(-1, 3, -1, -1)


def _distance(a_TK3: Tensor, b_TK3: Tensor) -> Tensor:
    return (a_TK3 - b_TK3).norm(dim=-1).mean()


def _blinks(points_TK3: Tensor) -> Tensor:
    return torch.tensor(float(len(detect_blinks(eye_aspect_ratio(points_TK3)))))
