"""The morphable face model: a mean face and linear bases of identity and expression."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from viseme_core.types import LAYOUT_SIZES, Layout
from viseme_face.layouts import MOUTH
from viseme_face.parts import FaceParts, read_builtin, read_face_file
from viseme_face.sources import read_basel


class LinearShape(NamedTuple):
    """Mean and bases of some vertices."""

    mean_V3: Tensor
    identity_basis_IV3: Tensor
    expression_basis_EV3: Tensor


class MorphableModel(nn.Module):
    """A linear face model, S = mean + B_id alpha + B_exp beta (FD2Talk Eq. 1).

    It trains nothing and stays out of checkpoints, which name their face model instead.

    Args:
        parts: Mean, bases, deviations, triangles and landmarks, as a source reads them.
    """

    mean_V3: Tensor
    identity_basis_IV3: Tensor
    expression_basis_EV3: Tensor
    identity_std_I: Tensor
    expression_std_E: Tensor
    triangles_P3: Tensor
    uv_V2: Tensor | None
    color_V3: Tensor | None

    def __init__(self, parts: FaceParts) -> None:
        super().__init__()
        for name in MorphableModel.__annotations__:
            self.register_buffer(name, getattr(parts, name), persistent=False)
        for layout, ids in parts.landmarks.items():
            self.register_buffer(f"landmarks_{layout}", ids, persistent=False)
        self.layouts: tuple[Layout, ...] = tuple(parts.landmarks)
        self.name = f"{parts.family}@{_hash8(self.mean_V3, *self.bases)}"

    @classmethod
    def builtin(cls) -> "MorphableModel":
        """Return the built-in model on MediaPipe's mesh: 478 vertices, ids as in `mp478`."""
        return cls(read_builtin())

    @classmethod
    def from_file(cls, path: Path | str) -> "MorphableModel":
        """Return a model from a safetensors file in the format of the built-in one."""
        return cls(read_face_file(Path(path)))

    @classmethod
    def from_basel(cls, path: Path | str) -> "MorphableModel":
        """Return the Basel model of `BFM_model_front.mat`, of the raw files, or of their folder."""
        return cls(read_basel(Path(path)))

    @property
    def bases(self) -> tuple[Tensor, Tensor]:
        """Identity (I, V, 3) and expression (E, V, 3) directions."""
        return self.identity_basis_IV3, self.expression_basis_EV3

    @property
    def num_vertices(self) -> int:
        """Number of vertices."""
        return self.mean_V3.shape[0]

    def forward(self, identity_BI: Tensor, expression_BE: Tensor) -> Tensor:
        """Return vertices in model space (FD2Talk Eq. 1).

        Args:
            identity_BI: Identity coefficients (..., I).
            expression_BE: Expression coefficients (..., E); leading dimensions broadcast, so one
                identity (I,) serves a clip (T, E).

        Returns:
            Vertices (..., V, 3).
        """
        return _combine(LinearShape(self.mean_V3, *self.bases), identity_BI, expression_BE)

    def landmarks(self, identity_BI: Tensor, expression_BE: Tensor, layout: Layout) -> Tensor:
        """Return the landmarks of `layout` in model space, shape (..., K, 3).

        Equals the landmark rows of `forward`, without building the other vertices.
        """
        return _combine(self.shape_at(self.landmark_ids(layout)), identity_BI, expression_BE)

    def landmark_ids(self, layout: Layout) -> Tensor:
        """Return the vertex id of every landmark of `layout`, int64 (K,).

        Raises:
            ValueError: If the model does not know where these landmarks are.
        """
        if layout not in self.layouts:
            raise ValueError(
                f"face model {self.name!r} has landmarks {self.layouts}, not {layout!r}; "
                f"choose one of these"
            )
        return self.get_buffer(f"landmarks_{layout}")

    def shape_at(self, vertex_ids_K: Tensor) -> LinearShape:
        """Return mean (K, 3), identity (I, K, 3) and expression (E, K, 3) of some vertices."""
        identity_IV3, expression_EV3 = self.bases
        return LinearShape(
            self.mean_V3[vertex_ids_K],
            identity_IV3.index_select(1, vertex_ids_K),
            expression_EV3.index_select(1, vertex_ids_K),
        )

    def mouth_ids(self) -> Tensor:
        """Return the ids of the mouth's vertices, int64: the lips and a ring of skin around them.

        A model with `mp478` has exactly `layouts.MOUTH`; of another, the vertices inside an
        ellipse around its lip landmarks in the front view.
        """
        if "mp478" in self.layouts:
            return self.landmark_ids("mp478")[list(MOUTH)]
        lips_K2 = self.mean_V3[self.landmark_ids("dlib68")[48:], :2]
        low, high = lips_K2.amin(0), lips_K2.amax(0)
        # A quarter wider than the lips and half again as high: about the ring of MOUTH.
        radius = (high - low) / 2 * lips_K2.new_tensor([1.25, 1.5])
        offset_V2 = (self.mean_V3[:, :2] - (low + high) / 2) / radius
        return (offset_V2.square().sum(-1) <= 1).nonzero()[:, 0]


def common_layout(first: MorphableModel, second: MorphableModel) -> Layout:
    """Return the layout with the most points that both models know.

    Raises:
        ValueError: If they share none.
    """
    shared: list[Layout] = [layout for layout in first.layouts if layout in second.layouts]
    if not shared:
        raise ValueError(
            f"{first.name!r} has landmarks {first.layouts}, {second.name!r} has "
            f"{second.layouts}: they share none, so nothing relates one to the other"
        )
    return max(shared, key=LAYOUT_SIZES.__getitem__)


def _combine(shape: LinearShape, identity_BI: Tensor, expression_BE: Tensor) -> Tensor:
    mean_V3, identity_basis_IV3, expression_basis_EV3 = shape
    flat = identity_BI @ identity_basis_IV3.flatten(1) + expression_BE @ (
        expression_basis_EV3.flatten(1)
    )
    return flat.unflatten(-1, mean_V3.shape) + mean_V3


def _hash8(*tensors: Tensor) -> str:
    """Return eight hex digits over what gives coefficients their meaning."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]
