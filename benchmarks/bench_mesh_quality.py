"""What becomes of portraits under the mesh renderer, measured by finding the face again.

    python benchmarks/bench_mesh_quality.py FOLDER [--as-fitted] [--moved PIXELS] [--out table.tsv]

One row per picture of the folder in which a face is found: each is drawn in its own motion, with
lips that move as in speech, with lips and lids that close, and with its head turned; FaceMesh then
says what the pictures show. FaceMesh errs, too: `--drawn` measures heads that are drawn in the true
shape instead of rendered, which is as good as a renderer could be, and `--moved 1` shows what hangs
on where FaceMesh happens to look. Heads are as deep as FaceMesh sees them turn by 15 degrees, so
that other turns say more about them; `--as-fitted` leaves them as they were. Only numbers are kept.
"""

import argparse
import csv
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from viseme_core.types import CropBox, Landmarks, Motion, ReferenceFace
from viseme_data.facemesh import FaceNets, square_around
from viseme_data.reference import ReferenceConfig, make_reference
from viseme_data.stills import read_image
from viseme_data.synthetic.look import FaceLook
from viseme_data.synthetic.rig import CONTROLS, FaceRig
from viseme_data.track import FaceTracker
from viseme_face import (
    MorphableModel,
    close_eyes,
    close_lips,
    eye_aspect_ratio,
    fit_clip,
    lip_opening,
    pose_vertices,
    project,
    refit,
)
from viseme_face.layouts import AROUND_LIPS, BROWS, NOSE_BASE, NOSE_BRIDGE
from viseme_face.portrait import Portrait
from viseme_face.sheet.topology import AROUND
from viseme_render.mesh.light import share_inside
from viseme_render.mesh.portrait import MeshPortrait

SIZE = 256
# Points that speech leaves in place and that are seen from every side.
_STILL = list((*BROWS, *NOSE_BRIDGE, *NOSE_BASE))
_TURN_DEG, _FAR_DEG, _NOD_DEG = 15.0, 22.0, 10.0
_TALK_FRAMES = 50
# Expected error of FaceMesh and of a linear model together, in crop units.
_NOISE = 2e-3
_NUM_DRAWN = 12
# From where to where these should be, in every portrait.
_AIMS = {"lips_correlation": (0.95, 1), "lips_range": (0.85, 1.15), "yaw_error_deg": (0, 3)}
_AIMS |= {"yaw_22_error_deg": (0, 3), "pitch_error_deg": (0, 3), "lips_closed": (0, 0.02)}
_AIMS |= {"least_jacobian": (0, 99), "own_psnr_db": (35, 999)}


class Subject(NamedTuple):
    """Somebody whose pictures can be made in any motion."""

    name: str
    reference: ReferenceFace
    draw: Callable[[Tensor, Tensor], Tensor]
    """Frames of expressions and poses."""
    points: Callable[[Tensor], Tensor]
    """`mp478` points of expressions in model space."""
    mesh: MeshPortrait | None
    """None for heads that are drawn as they truly are."""


def portraits(folder: Path, model: MorphableModel, *, as_fitted: bool) -> Iterator[Subject]:
    """Yield the portraits of a folder."""
    config = ReferenceConfig(measure_depth=not as_fitted)
    with FaceTracker() as tracker:
        for path in sorted(folder.iterdir()):
            try:
                reference = make_reference(read_image(path), config, model=model, tracker=tracker)
            except ValueError as error:
                print(f"{path.name}: {error}", file=sys.stderr)
                continue
            mesh = MeshPortrait(reference, model)
            yield Subject(path.name, reference, mesh.draw, mesh.warp.points, mesh)


def drawn_heads(model: MorphableModel) -> Iterator[Subject]:
    """Yield synthetic heads, drawn anew in every motion."""
    for seed in range(_NUM_DRAWN):
        generator = torch.Generator().manual_seed(seed)
        identity = 0.8 * torch.randn(80, generator=generator) * model.identity_std_I
        rig = FaceRig(model, identity)
        pose = torch.tensor([0.0, 0.0, 0.0, 0.0, -0.05, -4.3])

        def points(expression_TE: Tensor, identity: Tensor = identity) -> Tensor:
            return model.landmarks(identity, expression_TE, "mp478")

        rest_1K3 = points(rig.neutral_E[None])
        portrait = Portrait(rest_1K3[0], FaceLook.from_seed(seed).style(SIZE), pose)

        def draw(
            expression_TE: Tensor,
            pose_T6: Tensor,
            portrait: Portrait = portrait,
            points: Callable[[Tensor], Tensor] = points,
        ) -> Tensor:
            return portrait.draw(points(expression_TE), pose_T6).frames_T3HW

        frame_3HW = draw(rig.neutral_E[None], pose[None])[0]
        reference = ReferenceFace(
            frame_3HW=frame_3HW,
            landmarks=Landmarks(project(pose_vertices(rest_1K3, pose[None])), "mp478"),
            identity=identity,
            expression=rig.neutral_E,
            pose=pose,
            face_model=model.name,
            crop=CropBox(SIZE / 2, SIZE / 2, SIZE),
            source_3HW=frame_3HW,
        )
        yield Subject(f"drawn {seed}", reference, draw, points, None)


class Judge:
    """Measures subjects with FaceMesh.

    Args:
        model: Face model of the subjects.
        moved: Pixels to the right by which the square is moved in which FaceMesh looks.
    """

    def __init__(self, model: MorphableModel, moved: float = 0.0) -> None:
        self._model = model
        self._moved = moved
        self._nets = FaceNets()

    def measure(self, subject: Subject) -> dict[str, float]:
        """Return all numbers of one subject."""
        own_1E, pose_16 = subject.reference.expression[None], subject.reference.pose[None]
        own_1K3 = self._seen(subject, own_1E, pose_16)
        row = self._still(subject) if subject.mesh else {}
        row |= self._lips(subject)
        closed_1K3 = self._seen(subject, self._closed(subject, close_lips), pose_16)
        row["lips_before"] = float(lip_opening(own_1K3[..., :2]))
        row["lips_closed"] = float(lip_opening(closed_1K3[..., :2]))
        blink_1K3 = self._seen(subject, self._closed(subject, close_eyes), pose_16)
        row["eyes_before"] = float(eye_aspect_ratio(own_1K3[..., :2]).mean())
        row["eyes_closed"] = float(eye_aspect_ratio(blink_1K3[..., :2]).mean())
        return row | self._turns(subject, own_1K3)

    def _still(self, subject: Subject) -> dict[str, float]:
        """Own motion outside the mouth, and a hundredth of a nod's change."""
        reference = subject.reference
        own_2E, pose_26 = reference.expression.expand(2, -1), reference.pose.repeat(2, 1)
        pose_26[1, 1] += math.radians(0.1)
        frames = subject.draw(own_2E, pose_26)
        points_K2 = SIZE * reference.landmarks.points_TKD[0, :, :2]
        outside = share_inside(points_K2, AROUND_LIPS, SIZE) == 0
        error = (frames[0] - reference.frame_3HW)[:, outside].square().mean()
        return {
            "own_psnr_db": float(-10 * (error / 4).clamp_min(1e-12).log10()),
            "change_by_0.1_deg": float((frames[1] - frames[0]).abs().mean()) * 127.5,
        }

    def _lips(self, subject: Subject) -> dict[str, float]:
        """Lips that open and close like speech, by up to 14 mm."""
        reference = subject.reference
        rig, time = FaceRig(self._model, reference.identity), torch.arange(_TALK_FRAMES) / 25
        swing = (1 - (2 * torch.pi * 2.3 * time).cos()) / 2
        swing = swing * (0.35 + 0.65 * (2.1 * time).sin() ** 2)
        controls = torch.zeros(_TALK_FRAMES, len(CONTROLS))
        controls[:, CONTROLS.index("opening")] = 14 * swing
        controls[:, CONTROLS.index("jaw")] = 11 * swing
        controls[:, CONTROLS.index("width")] = 2.5 * (2 * torch.pi * 1.1 * time).sin()
        # Brows and lids stay as in the portrait as far as closing its lips leaves them.
        spoken_TE = self._closed(subject, close_lips) + rig.expression(controls) - rig.neutral_E
        pose_T6 = reference.pose.expand(_TALK_FRAMES, 6)
        found_TK2 = self._seen(subject, spoken_TE, pose_T6)[..., :2]
        posed_TK3 = pose_vertices(subject.points(spoken_TE), pose_T6)
        asked_T, found_T = lip_opening(project(posed_TK3)), lip_opening(found_TK2)
        moved = (found_TK2[:, _STILL] - found_TK2[:1, _STILL]).norm(dim=-1)
        return {
            "lips_correlation": float(torch.corrcoef(torch.stack([asked_T, found_T]))[0, 1]),
            "lips_range": _range(found_T) / _range(asked_T),
            "rest_moves_px": float(moved.mean()) * SIZE,
        }

    def _turns(self, subject: Subject, own_1K3: Tensor) -> dict[str, float]:
        """Heads turned aside, up and down, and further aside."""
        sides = torch.tensor([-1.0, 1.0])
        turns_66 = torch.zeros(6, 6)
        turns_66[:2, 1] = (_TURN_DEG * sides).deg2rad()
        turns_66[2:4, 0] = (_NOD_DEG * sides).deg2rad()
        turns_66[4:, 1] = (_FAR_DEG * sides).deg2rad()
        own_6E = subject.reference.expression.expand(6, -1)
        poses_66 = subject.reference.pose + turns_66
        found_6K3 = self._seen(subject, own_6E, poses_66)
        # What FaceMesh says of the portrait itself is the zero: a turn is asked for.
        fitted_76 = self._poses(subject, torch.cat([own_1K3, found_6K3]))
        error_66 = (fitted_76[1:] - fitted_76[:1] - turns_66).rad2deg().abs()
        row = {
            "faces_lost": float(found_6K3[:4].isnan().any(-1).any(-1).sum()),
            "yaw_error_deg": float(error_66[:2, 1].max()),
            "yaw_22_error_deg": float(error_66[4:, 1].max()),
            "pitch_error_deg": float(error_66[2:4, 0].max()),
        }
        if subject.mesh:
            row["least_jacobian"], row["holes"] = _folds(subject.mesh, own_6E[:4], poses_66[:4])
        return row

    def _closed(self, subject: Subject, edit: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the subject's expression with lips or lids closed, (1, E)."""
        reference = subject.reference
        motion = Motion(
            expression=reference.expression[None],
            pose=reference.pose[None],
            identity=reference.identity,
            face_model=reference.face_model,
        )
        return refit(self._model, motion, edit).expression

    def _poses(self, subject: Subject, points_TK3: Tensor) -> Tensor:
        points_TK2, identity = points_TK3[..., :2], subject.reference.identity
        return fit_clip(self._model, points_TK2, "mp478", identity=identity, noise=_NOISE).pose

    def _seen(self, subject: Subject, expression_TE: Tensor, pose_T6: Tensor) -> Tensor:
        """Return the landmarks of the pictures in [0, 1], (T, 478, 3); NaN without a face."""
        frames_T3HW = subject.draw(expression_TE, pose_T6)
        expected_TK2 = SIZE * project(pose_vertices(subject.points(expression_TE), pose_T6))
        found = []
        for frame_3HW, expected_K2 in zip(frames_T3HW, expected_TK2, strict=True):
            picture_3HW = ((frame_3HW + 1) * 127.5).round().byte()
            picture_HW3 = np.ascontiguousarray(picture_3HW.permute(1, 2, 0).numpy())
            square = square_around(expected_K2.numpy())
            square = replace(square, cx=square.cx + self._moved)
            points_K3 = self._nets.landmarks(picture_HW3, square)
            none = torch.full((478, 3), torch.nan)
            found.append(none if points_K3 is None else torch.from_numpy(points_K3))
        return torch.stack(found) / SIZE


def _range(values_T: Tensor) -> float:
    low, high = values_T.quantile(torch.tensor([0.02, 0.98])).tolist()
    return high - low


def _folds(mesh: MeshPortrait, expression_TE: Tensor, pose_T6: Tensor) -> tuple[float, float]:
    """Return the least determinant of the map around the face, below 0 a fold, and the holes."""
    flow, part = mesh.flow(expression_TE, pose_T6)
    right = (flow[:, :-1, 1:] - flow[:, :-1, :-1]) * SIZE
    down = (flow[:, 1:, :-1] - flow[:, :-1, :-1]) * SIZE
    determinant = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    around = part == AROUND
    whole = around[:, :-1, :-1] & around[:, :-1, 1:] & around[:, 1:, :-1]
    return float(determinant[whole].min()), float((part < 0).sum())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print quantiles of every number, and write a row per portrait."""
    parser = argparse.ArgumentParser(description="measure portraits under the mesh renderer")
    parser.add_argument("folder", type=Path, nargs="?", help="pictures")
    parser.add_argument("--drawn", action="store_true", help="measure truly drawn heads instead")
    parser.add_argument("--as-fitted", action="store_true", help="keep the depth of the fit")
    parser.add_argument("--moved", type=float, default=0.0, help="pixels FaceMesh's square moves")
    parser.add_argument("--out", type=Path, help="write the table as tab-separated values")
    options = parser.parse_args(arguments)
    if (options.folder is None) != options.drawn:
        parser.error("give a folder of pictures, or --drawn")
    torch.set_num_threads(1)
    model = MorphableModel.builtin()
    judge = Judge(model, options.moved)
    rows: list[dict[str, float]] = []
    with open(options.out or "/dev/null", "w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        found = portraits(options.folder, model, as_fitted=options.as_fitted)
        for subject in drawn_heads(model) if options.drawn else found:
            rows.append(judge.measure(subject))
            if len(rows) == 1:
                writer.writerow(["file", *rows[0]])
            writer.writerow([subject.name, *(f"{value:.4g}" for value in rows[-1].values())])
            file.flush()
    if not rows:
        raise SystemExit("there is no picture with a face")
    print(f"{len(rows)} faces: least, 5 %, median, 95 %, most")
    for name in rows[0]:
        values = torch.tensor([row[name] for row in rows])
        numbers = values.nanquantile(torch.tensor([0, 0.05, 0.5, 0.95, 1])).tolist()
        print(f"{name:18s}" + "".join(f"{number:9.3f}" for number in numbers))
    for name, (least, most) in _AIMS.items():
        if name in rows[0]:
            count = sum(least <= row[name] <= most for row in rows)
            print(f"{name} from {least} to {most}: {count} of {len(rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
