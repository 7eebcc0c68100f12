"""Face geometry of viseme: morphable model, pose, landmark layouts, fitting, edits, rasteriser.

`morphable` holds the linear face model, `parts` and `sources` read it; `pose` is the camera;
`layouts` names landmarks; `fitting` turns landmarks into coefficients; `convert` moves motion
between face models; `regions` closes lips and eyes; `raster` draws meshes, `sheet` moves portraits.
"""

from viseme_face.convert import convert
from viseme_face.fitting import FitResult, fit_clip, fit_identity
from viseme_face.layouts import eye_aspect_ratio, lip_opening, select
from viseme_face.morphable import MorphableModel
from viseme_face.parts import FaceParts
from viseme_face.pose import pose_vertices, project
from viseme_face.regions import close_eyes, close_lips, refit

__all__ = [
    "FaceParts",
    "FitResult",
    "MorphableModel",
    "close_eyes",
    "close_lips",
    "convert",
    "eye_aspect_ratio",
    "fit_clip",
    "fit_identity",
    "lip_opening",
    "pose_vertices",
    "project",
    "refit",
    "select",
]
