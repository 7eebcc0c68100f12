"""The shape legend of the whole project, and the check at the doors of a stage.

Tensor names carry their shape: `motion_BTC` is (batch, frames, coefficients).

| letter | size | letter | size |
|---|---|---|---|
| B | batch | R | reference frames |
| T | video frames (25 per second) | D | model width |
| S | audio samples (16,000 per second) | N | heads |
| A | audio-feature width | H W | pixels |
| C | 3DMM coefficients | h w | latent pixels |
| K | landmarks | Z | latent channels |
| M W | mel bands and columns of one window | V | mesh vertices |
| I E | identity and expression coefficients | P | triangles (polygons) |
"""

from collections.abc import Mapping

from torch import Tensor


def check_shape(
    tensor: Tensor, pattern: str, *, name: str, sizes: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return the size of every letter in `pattern`, or say which dimension is wrong.

    Args:
        tensor: Tensor to check.
        pattern: Space-separated dimensions: a number is exact, a letter binds on its first use
            and must agree afterwards, e.g. `"B T 3 H W"`.
        name: What the caller calls this tensor; it starts the error.
        sizes: Letters already bound by an earlier check.

    Returns:
        Letters of `sizes` and `pattern` with their sizes.

    Raises:
        ValueError: If the number of dimensions or any size disagrees.
    """
    bound = dict(sizes or {})
    dims = pattern.split()
    shape = tuple(tensor.shape)
    if len(shape) != len(dims):
        raise ValueError(f"{name} must have shape ({', '.join(dims)}), got {shape}")
    for dim, size in zip(dims, shape, strict=True):
        expected = int(dim) if dim.isdigit() else bound.setdefault(dim, size)
        if size != expected:
            where = "" if dim.isdigit() else f" with {dim} = {expected}"
            raise ValueError(f"{name} must have shape ({', '.join(dims)}){where}, got {shape}")
    return bound
