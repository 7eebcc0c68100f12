"""What a morphable model consists of, and the file it is kept in.

Units are decimetres; the mean face is centred, y up, looking along +z.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import LAYOUT_SIZES, Layout
from viseme_face.layouts import LAYOUT_IDS

BUILTIN_FILE = Path(__file__).parent / "assets" / "builtin.safetensors"
FORMAT = "viseme-face-1"

_PATTERNS = {
    "mean_V3": "V 3",
    "identity_basis_IV3": "I V 3",
    "expression_basis_EV3": "E V 3",
    "identity_std_I": "I",
    "expression_std_E": "E",
    "triangles_P3": "P 3",
    "uv_V2": "V 2",
    "color_V3": "V 3",
}


@dataclass(frozen=True, kw_only=True)
class FaceParts:
    """What a morphable model consists of, as tensors on the CPU."""

    family: str
    """Start of the model's name: `builtin`, `bfm09`, or a name of your own."""
    mean_V3: Tensor
    identity_basis_IV3: Tensor
    expression_basis_EV3: Tensor
    identity_std_I: Tensor
    """Standard deviation of each identity coefficient over faces."""
    expression_std_E: Tensor
    """Standard deviation of each expression coefficient over frames."""
    triangles_P3: Tensor
    """Vertex ids, int64, counter-clockwise seen from outside."""
    landmarks: Mapping[Layout, Tensor] = field(default_factory=dict)
    """Vertex id of every landmark, int64. `mp478` brings the layouts it contains."""
    uv_V2: Tensor | None = None
    """Texture coordinates in [0, 1], v down, as rows of a picture run."""
    color_V3: Tensor | None = None
    """Mean colour of each vertex, RGB in [0, 1]."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for name, pattern in _PATTERNS.items():
            tensor = getattr(self, name)
            if tensor is None:
                continue
            sizes = check_shape(tensor, pattern, name=f"FaceParts.{name}", sizes=sizes)
            if not tensor.isfinite().all():
                raise ValueError(f"FaceParts.{name} holds NaN or infinity; the file is damaged")
        for name in ("identity_std_I", "expression_std_E"):
            if not (getattr(self, name) > 0).all():
                raise ValueError(f"FaceParts.{name} must be above 0; leave out dead directions")
        landmarks = dict(self.landmarks)
        for layout, ids in landmarks.items():
            check_shape(ids, str(LAYOUT_SIZES[layout]), name=f"FaceParts.landmarks[{layout!r}]")
        if "mp478" in landmarks:
            for layout, ids in LAYOUT_IDS.items():
                landmarks.setdefault(layout, landmarks["mp478"][list(ids)])
        for name, ids in (("triangles_P3", self.triangles_P3), *landmarks.items()):
            if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < sizes["V"]:
                raise ValueError(
                    f"FaceParts {name} must hold vertex ids in [0, {sizes['V']}), "
                    f"got {int(ids.min())} to {int(ids.max())}"
                )
        object.__setattr__(self, "landmarks", landmarks)


def write_face_file(parts: FaceParts, path: Path, card: Mapping[str, str]) -> None:
    """Write a face model in the format of the built-in one; the same parts give the same bytes.

    Bases are kept in float16, everything else in float32 and int32.

    Args:
        parts: The model.
        path: File to write, ending in `.safetensors`.
        card: From what, how and under which licence it was made.
    """
    tensors = {
        "mean": parts.mean_V3.float(),
        "identity_basis": parts.identity_basis_IV3.half(),
        "expression_basis": parts.expression_basis_EV3.half(),
        "identity_std": parts.identity_std_I.float(),
        "expression_std": parts.expression_std_E.float(),
        "triangles": parts.triangles_P3.int(),
        **{f"landmarks.{layout}": ids.int() for layout, ids in parts.landmarks.items()},
    }
    if parts.uv_V2 is not None:
        tensors["uv"] = parts.uv_V2.float()
    if parts.color_V3 is not None:
        tensors["color"] = parts.color_V3.float()
    # One key only: the order in which safetensors writes several is random.
    about = {"format": FORMAT, "family": parts.family, **card}
    # Beside, then at once: a model that another process has mapped must not change under it.
    partial = path.with_name(f"{path.name}.partial")
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        partial,
        {"face": json.dumps(about, sort_keys=True)},
    )
    partial.replace(path)


def read_face_file(path: Path) -> FaceParts:
    """Return the face model that `write_face_file` wrote, everything in float32.

    Raises:
        ValueError: If the file is missing, damaged or not a face model.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get("face", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"cannot read the face model {str(path)!r}: {error}") from error
    if about.get("format") != FORMAT:
        raise ValueError(
            f"{str(path)!r} must be a face model of format {FORMAT!r}, got "
            f"{about.get('format')!r}; write_face_file makes one"
        )
    try:
        return FaceParts(
            family=about["family"],
            mean_V3=tensors["mean"],
            identity_basis_IV3=tensors["identity_basis"].float(),
            expression_basis_EV3=tensors["expression_basis"].float(),
            identity_std_I=tensors["identity_std"],
            expression_std_E=tensors["expression_std"],
            triangles_P3=tensors["triangles"].long(),
            landmarks={
                layout: tensors[f"landmarks.{layout}"].long()
                for layout in LAYOUT_IDS
                if f"landmarks.{layout}" in tensors
            },
            uv_V2=tensors.get("uv"),
            color_V3=tensors.get("color"),
        )
    except KeyError as error:
        raise ValueError(f"the face model {str(path)!r} lacks {error}; make it again") from error


@cache
def read_builtin() -> FaceParts:
    """Return the built-in face model, read once per process."""
    return read_face_file(BUILTIN_FILE)
