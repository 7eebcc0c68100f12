"""A clip that runs forth and back for as long as it is wanted."""

import torch
from torch import Tensor


def mirror_loop(num_frames: int, start: int, stop: int) -> Tensor:
    """Return which frames of a clip stand at places [start, stop) if it runs back and forth.

    0 1 2 3 2 1 0 1 ...: no place jumps. Pictures of a looped clip want the same frames.

    Args:
        num_frames: Frames of the clip.
        start: First place.
        stop: Place after the last.

    Returns:
        Frame numbers, int64 (stop - start,).
    """
    if num_frames < 1:
        raise ValueError("a clip must have at least one frame to be looped, got none")
    if num_frames == 1:
        return torch.zeros(stop - start, dtype=torch.int64)
    place_T = torch.arange(start, stop) % (2 * num_frames - 2)
    return torch.minimum(place_T, 2 * num_frames - 2 - place_T)
