"""What each chosen direction moves, drawn on the mean face."""

from matplotlib.figure import Figure
from torch import Tensor

from viseme_face import MorphableModel
from viseme_motion.disenttalk.subspaces import Subspaces

COLUMNS = 7
"""Faces in a row."""
_DEVIATIONS = 2.0


def draw_subspaces(
    subspaces: Subspaces, model: MorphableModel, sensitivity: dict[str, Tensor]
) -> Figure:
    """Return one small face per direction of lips and eyes, bright where it moves that one most.

    Args:
        subspaces: The directions.
        model: Their face model.
        sensitivity: |change| / spread (64,) of all directions by region, as `choose` gives it.
    """
    chosen = [("lip", i) for i in subspaces.lip] + [("eye", i) for i in subspaces.eye]
    rows = -(-len(chosen) // COLUMNS)
    figure = Figure(figsize=(1.6 * COLUMNS, 2.3 * rows), layout="constrained")
    figure.suptitle(
        f"Directions of lips and eyes on {subspaces.face_model}: sensitivity (Eq. 1), and how far "
        f"{_DEVIATIONS:.0f} deviations move a vertex at most"
    )
    grid = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
    face_V3 = model.mean_V3
    height = float(face_V3[:, 1].amax() - face_V3[:, 1].amin())
    moved_EV = model.expression_basis_EV3.norm(dim=-1) * model.expression_std_E[:, None]
    moved_EV = _DEVIATIONS * moved_EV / height
    for axes, (region, direction) in zip(grid, chosen, strict=False):
        axes.tripcolor(
            face_V3[:, 0].numpy(),
            face_V3[:, 1].numpy(),
            model.triangles_P3.numpy(),
            moved_EV[direction].numpy(),
            shading="gouraud",
            cmap="magma",
        )
        ratio, most = float(sensitivity[region][direction]), float(moved_EV[direction].amax())
        axes.set_title(f"{region} {direction}: {ratio:.1f}, {most:.1%}", fontsize=8)
        axes.set_aspect("equal")
    for axes in grid:
        axes.set_axis_off()
    return figure
