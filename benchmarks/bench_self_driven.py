"""Renderers on people's own motion: first frame and fitted motion in, the clip's rest compared.

    python benchmarks/bench_self_driven.py DATA [--pirender FILE] [--out FILE.md] [--sheet FILE.png]

DATA is a folder of `viseme-data prepare`. Every clip's first frame is the portrait, the clip's own
motion drives it, and what comes out is compared with the clip, on the face (a disc around the mean
landmarks) and whole: peak signal-to-noise ratio, structural similarity, distance of landmarks that
FaceMesh finds in both, in outer eye distances, correlation of lip opening, and sharpness (CPBD).
`copy` shows the first frame for ever, `mesh, as fitted` has the head as deep as its fit says, not
as it is seen to turn. Only numbers are kept; a sheet is written if asked for.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from viseme_core.types import CropBox, Landmarks, Motion, ReferenceFace
from viseme_data.clips import PreparedClip, read_clip
from viseme_data.facemesh import FaceNets, square_around
from viseme_data.head_depth import head_depth
from viseme_data.manifest import kept, read_manifest
from viseme_data.media import read_frames
from viseme_eval.functional.cpbd import cpbd
from viseme_eval.functional.image import psnr, ssim
from viseme_face import MorphableModel, lip_opening
from viseme_face.layouts import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS
from viseme_render import FrameRenderer, MeshRenderer

Draw = Callable[[ReferenceFace, Motion], Tensor]
COLUMNS = ("psnr_face", "psnr", "ssim", "landmarks", "lips", "cpbd")
HEADS = ("PSNR face, dB", "PSNR, dB", "SSIM", "landmarks", "lip correlation", "CPBD")
_SHEET_FRAMES = 5


class Scene(NamedTuple):
    """A clip, and what a renderer is given of it."""

    name: str
    frames_T3HW: Tensor
    reference: ReferenceFace
    motion: Motion


def scenes(data: Path, num_frames: int, speakers: Sequence[str], nets: FaceNets) -> Iterator[Scene]:
    """Yield the clips of a prepared folder."""
    model = MorphableModel.builtin()
    for row in kept(read_manifest(data / "manifest.parquet")):
        if speakers and row.speaker not in speakers:
            continue
        clip = read_clip(data / "clips" / f"{row.clip_id}.safetensors")
        pictures = islice(read_frames(data / "clips" / f"{row.clip_id}.mp4"), num_frames)
        frames_THW3 = torch.from_numpy(np.stack([np.ascontiguousarray(p) for p in pictures]))
        frames_T3HW = frames_THW3.permute(0, 3, 1, 2).float() / 127.5 - 1
        fitted = portrait_of(clip, frames_T3HW[0])
        reference = replace(fitted, depth=head_depth(fitted, model, nets))
        yield Scene(row.clip_id, frames_T3HW, reference, clip.motion[:num_frames])


def portrait_of(clip: PreparedClip, frame_3HW: Tensor) -> ReferenceFace:
    """Return a clip's first frame as a portrait."""
    motion, side = clip.motion, frame_3HW.shape[-1]
    return ReferenceFace(
        frame_3HW=frame_3HW,
        landmarks=Landmarks(clip.landmarks_TK3[:1], "mp478"),
        identity=motion.identity,
        expression=motion.expression[0],
        pose=motion.pose[0],
        face_model=motion.face_model,
        crop=CropBox(side / 2, side / 2, side),
        source_3HW=frame_3HW,
    )


def renderers(pirender: Path | None) -> dict[str, Draw]:
    """Return what is compared, by name."""

    def copy(reference: ReferenceFace, motion: Motion) -> Tensor:
        return reference.frame_3HW.expand(motion.num_frames, -1, -1, -1)

    def by(renderer: FrameRenderer) -> Draw:
        return lambda reference, motion: torch.cat(list(renderer(reference, motion))).cpu()

    mesh = by(MeshRenderer())

    def as_fitted(reference: ReferenceFace, motion: Motion) -> Tensor:
        return mesh(replace(reference, depth=1.0), motion)

    found: dict[str, Draw] = {"copy": copy, "mesh": mesh, "mesh, as fitted": as_fitted}
    if pirender is not None:
        found["pirender"] = by(FrameRenderer.from_checkpoint(pirender))
    return found


class Judge:
    """Compares what is drawn with what was filmed.

    Args:
        nets: What finds faces in both.
    """

    def __init__(self, nets: FaceNets) -> None:
        self._nets = nets

    def measure(self, scene: Scene, drawn_T3HW: Tensor, every: int) -> dict[str, float]:
        """Return a clip's means over its frames but the first, every so many."""
        some = slice(1, None, every)
        drawn, filmed = drawn_T3HW[some], scene.frames_T3HW[some]
        around_TK2 = scene.reference.landmarks.points_TKD[..., :2]
        points = [self._points(frames, around_TK2[0]) for frames in (drawn, filmed)]
        corners = points[1][:, [RIGHT_EYE_CORNERS[0], LEFT_EYE_CORNERS[0]]]
        eyes = (corners[:, 0] - corners[:, 1]).norm(dim=-1).nanmean()
        openings = torch.stack([lip_opening(one) for one in points])
        known = openings.isfinite().all(0)
        mask_HW = _disc(scene.reference, drawn.shape[-1])
        return {
            "psnr_face": float(psnr(drawn, filmed, mask=mask_HW).clamp_max(99).mean()),
            "psnr": float(psnr(drawn, filmed).clamp_max(99).mean()),
            "ssim": float(ssim(drawn, filmed).mean()),
            "landmarks": float((points[0] - points[1]).norm(dim=-1).nanmean() / eyes),
            "lips": _correlation(openings[:, known]),
            "cpbd": float(cpbd(drawn).mean()),
        }

    def _points(self, frames_T3HW: Tensor, around_K2: Tensor) -> Tensor:
        side = frames_T3HW.shape[-1]
        found = []
        expected_K2 = (side * around_K2).numpy()
        for frame_3HW in frames_T3HW:
            picture = ((frame_3HW + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
            points_K3 = self._nets.landmarks(
                np.ascontiguousarray(picture), square_around(expected_K2)
            )
            found.append(
                torch.full((478, 2), torch.nan)
                if points_K3 is None
                else torch.from_numpy(points_K3[:, :2]) / side
            )
        return torch.stack(found)


def _disc(reference: ReferenceFace, side: int) -> Tensor:
    points_K2 = reference.landmarks.points_TKD[0, :, :2]
    low, high = points_K2.amin(0), points_K2.amax(0)
    grid = (torch.arange(side) + 0.5) / side
    x, y = (grid[None] - (low + high)[0] / 2), (grid[:, None] - (low + high)[1] / 2)
    half = (high - low) / 2
    return ((x / half[0]) ** 2 + (y / half[1]) ** 2 <= 1).float()


def _correlation(pair_2T: Tensor) -> float:
    if pair_2T.shape[1] < 10 or (pair_2T.std(1) < 1e-6).any():
        return 0.0
    return float(torch.corrcoef(pair_2T)[0, 1])


def _sheet(scene: Scene, drawn: dict[str, Tensor]) -> np.ndarray:
    """Return frames side by side: filmed above, each renderer below."""
    times = torch.linspace(0, len(scene.frames_T3HW) - 1, _SHEET_FRAMES).long()
    rows = [torch.cat(list(v[times]), -1) for v in (scene.frames_T3HW, *drawn.values())]
    return ((torch.cat(rows, -2) + 1) * 127.5).clamp(0, 255).byte().permute(1, 2, 0).numpy()


def table(rows: dict[str, list[dict[str, float]]]) -> list[str]:
    """Return the mean of every measure over the clips."""
    lines = ["| | " + " | ".join(HEADS) + " |", "|---" * (len(HEADS) + 1) + "|"]
    for name, found in rows.items():
        cells = [statistics.mean(one[column] for one in found) for column in COLUMNS]
        digits = (1, 1, 3, 4, 3, 3)
        cells = [f"{cell:.{n}f}" for cell, n in zip(cells, digits, strict=True)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and, if asked, write it and a sheet."""
    parser = argparse.ArgumentParser(description="compare renderers on people's own motion")
    parser.add_argument("data", type=Path, help="folder of `viseme-data prepare`")
    parser.add_argument("--pirender", type=Path, help="stage file, or folder of a run")
    parser.add_argument("--frames", type=int, default=100, help="of each clip, at most")
    parser.add_argument("--every", type=int, default=3, help="measure one frame of so many")
    parser.add_argument("--clips", type=int, help="the first so many clips only")
    parser.add_argument("--speakers", nargs="*", default=[], help="these people only")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--sheet", type=Path, help="PNG of the first clips to write")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    nets = FaceNets()
    judge, by_name = Judge(nets), renderers(options.pirender)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in by_name}
    sheets: list[np.ndarray] = []
    found = scenes(options.data, options.frames, options.speakers, nets)
    for scene in islice(found, options.clips):
        drawn = {name: draw(scene.reference, scene.motion) for name, draw in by_name.items()}
        for name, frames in drawn.items():
            rows[name].append(judge.measure(scene, frames, options.every))
        if options.sheet and len(sheets) < 8:
            sheets.append(_sheet(scene, drawn))
    num = len(next(iter(rows.values())))
    if not num:
        print(f"there is no clip in {str(options.data)!r}", file=sys.stderr)
        return 1
    lines = ["# Renderers on people's own motion", "", f"{num} clips, their means.", ""]
    lines += table(rows)
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")
    if options.sheet:
        import cv2

        cv2.imwrite(str(options.sheet), np.concatenate(sheets)[..., ::-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
