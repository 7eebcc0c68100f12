"""Frames of synthetic speakers, and what every pixel of them shows.

    python -m viseme_data.synthetic.frames SHEET.png

draws a sheet of speakers with their mouths closed, open and with their eyes shut.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from viseme_core.draws import Draws
from viseme_core.shapes import check_shape
from viseme_core.types import Motion
from viseme_data.synthetic.look import FaceLook
from viseme_face.layouts import LIP_RINGS
from viseme_face.morphable import MorphableModel
from viseme_face.portrait import Drawn, Portrait
from viseme_face.regions import close_eyes, refit

__all__ = ["Drawn", "draw_clip", "draw_frames", "draw_sheet", "start_portrait"]

SHEET_DISTANCE = -4.2
"""Depth of the head in the sheet: its crop is 1.8 times the landmarks' box."""


def draw_frames(
    model: MorphableModel,
    motion: Motion,
    look: FaceLook,
    *,
    gaze_T2: Tensor | None = None,
    tongue_T: Tensor | None = None,
    size: int = 256,
    chunk: int = 25,
) -> Iterator[Tensor]:
    """Yield the frames of a motion, (t, 3, size, size) float32 in [-1, 1], a chunk at a time.

    Args: as of `draw_clip`.
    """
    for drawn in draw_clip(
        model, motion, look, gaze_T2=gaze_T2, tongue_T=tongue_T, size=size, chunk=chunk
    ):
        yield drawn.frames_T3HW


def draw_clip(
    model: MorphableModel,
    motion: Motion,
    look: FaceLook,
    *,
    gaze_T2: Tensor | None = None,
    tongue_T: Tensor | None = None,
    size: int = 256,
    chunk: int = 25,
    masks: bool = False,
) -> Iterator[Drawn]:
    """Yield the frames of a motion and, if asked for, masks of what they show.

    A frame depends on its own row of the motion, on the identity and the look, and on where the
    shoulders are: under the mean position of the head over the whole motion.

    Args:
        model: Model of the motion; it must know `mp478`.
        motion: Expression, pose and identity.
        look: What the speaker looks like.
        gaze_T2: Where both eyes look, angles (rx, ry) relative to the head as in a pose; default:
            where the irises of the mesh are.
        tongue_T: How far the tip of the tongue is raised, from 0 to 1. Default 0.
        size: Side of the pictures in pixels.
        chunk: Frames at a time.
        masks: Also give the share of each pixel that belongs to each of `portrait.MASKS`.

    Raises:
        ValueError: If the motion belongs to another model, or the numbers of frames disagree.
    """
    if motion.face_model != model.name:
        raise ValueError(
            f"motion belongs to face model {motion.face_model!r}, the frames were to be drawn with "
            f"{model.name!r}; convert the motion first"
        )
    sizes = {"T": motion.num_frames}
    if gaze_T2 is not None:
        check_shape(gaze_T2, "T 2", name="gaze_T2", sizes=sizes)
    if tongue_T is not None:
        check_shape(tongue_T, "T", name="tongue_T", sizes=sizes)
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1 frame, got {chunk}")
    motion = motion.to("cpu")
    portrait = start_portrait(model, motion, look, size=size)
    for start in range(0, motion.num_frames, chunk):
        part = slice(start, start + chunk)
        yield portrait.draw(
            model.landmarks(motion.identity, motion.expression[part], "mp478"),
            motion.pose[part],
            gaze_T2=None if gaze_T2 is None else gaze_T2[part],
            tongue_T=None if tongue_T is None else tongue_T[part],
            masks=masks,
        )


def start_portrait(
    model: MorphableModel, motion: Motion, look: FaceLook, *, size: int = 256
) -> Portrait:
    """Return the portrait of a motion's person, shoulders under the head's mean position.

    Args:
        model: Model of the motion; it must know `mp478`.
        motion: The person's identity and the whole of the poses to come.
        look: What the person looks like.
        size: Side of the pictures in pixels.
    """
    neutral_K3 = model.landmarks(motion.identity, torch.zeros_like(motion.expression[0]), "mp478")
    return Portrait(neutral_K3, look.style(size), motion.pose.mean(0))


def open_jaw(points_TK3: Tensor, angle_T: Tensor) -> Tensor:
    """Return the same faces with the jaw open.

    The jaw turns about the ears; the lips part from their corners to the middle, skin between
    follows.

    Args:
        points_TK3: `mp478` points in model space, mouth closed, shape (T, 478, 3).
        angle_T: How far the jaw turns, radians.
    """
    hinge_T13 = points_TK3[:, [234, 454]].mean(1, keepdim=True)
    mouth_T1 = points_TK3[:, 13, 1, None]
    below_TK = ((mouth_T1 - points_TK3[..., 1]) / 0.2).clamp(0, 1)
    share_TK = below_TK * ((points_TK3[..., 2] - hinge_T13[..., 2]) / 0.45).clamp(0, 1)
    across_9 = torch.linspace(0, torch.pi, 11)[1:-1].sin() ** 0.7
    for ring in LIP_RINGS:
        share_TK[:, list(ring[11:])] = across_9
    cos, sin = angle_T.cos()[:, None], angle_T.sin()[:, None]
    x, y, z = (points_TK3 - hinge_T13).unbind(-1)
    turned_TK3 = torch.stack([x, cos * y - sin * z, sin * y + cos * z], -1) + hinge_T13
    return torch.lerp(points_TK3, turned_TK3, share_TK[..., None])


def sample_motion(model: MorphableModel, seed: int) -> Motion:
    """Return a person of a seed in three frames: mouth closed, mouth open, eyes shut.

    Args:
        model: Model of the motion; it must know `mp478`.
        seed: Which person, and which pose.
    """
    draws = Draws(seed, 0, [0])
    identity_I = 0.6 * draws.normal("identity", len(model.identity_std_I))[0] * model.identity_std_I
    pose_6 = torch.zeros(6)
    pose_6[:3] = torch.tensor([0.06, 0.2, 0.04]) * draws.normal("pose", 3)[0].clamp(-1.5, 1.5)
    pose_6[4:] = torch.tensor([-0.08, SHEET_DISTANCE])
    motion = Motion(
        expression=torch.zeros(3, len(model.expression_std_E)),
        pose=pose_6.expand(3, -1),
        identity=identity_I,
        face_model=model.name,
    )
    angle_T = torch.tensor([0.0, 0.17, 0.0])
    motion = refit(model, motion, lambda points_TK3: open_jaw(points_TK3, angle_T))
    shut = torch.tensor([False, False, True])[:, None, None]
    return refit(
        model, motion, lambda points_TK3: torch.where(shut, close_eyes(points_TK3), points_TK3)
    )


def draw_sheet(seeds: Sequence[int] = tuple(range(8)), size: int = 128) -> Tensor:
    """Return a sheet of speakers, (3, rows, columns) in [-1, 1], two speakers to a row.

    Each shows three frames: mouth closed, mouth open, eyes shut.

    Args:
        seeds: Seeds of the looks.
        size: Side of each picture in pixels.
    """
    model = MorphableModel.builtin()
    strips = []
    for seed in seeds:
        frames = draw_frames(
            model, sample_motion(model, seed), FaceLook.from_seed(seed), size=2 * size
        )
        small_T3HW = F.avg_pool2d(torch.cat(list(frames)), 2)
        strips.append(torch.cat(list(small_T3HW), -1))
    pairs = [torch.cat(strips[i : i + 2], -1) for i in range(0, len(strips), 2)]
    return torch.cat(pairs, -2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the sheet of speakers as a picture."""
    parser = argparse.ArgumentParser(description="Draw a sheet of synthetic speakers.")
    parser.add_argument("sheet", type=Path, help="picture to write, .png or .jpg")
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first speaker")
    parser.add_argument("--speakers", type=int, default=8, help="speakers to draw")
    parser.add_argument("--size", type=int, default=128, help="side of each picture in pixels")
    options = parser.parse_args(arguments)
    seeds = range(options.first_seed, options.first_seed + options.speakers)
    sheet_3HW = draw_sheet(seeds, options.size)
    pixels_HW3 = (127.5 * (sheet_3HW + 1)).round().byte().permute(1, 2, 0)
    Image.fromarray(pixels_HW3.numpy()).save(options.sheet)


if __name__ == "__main__":
    main()
