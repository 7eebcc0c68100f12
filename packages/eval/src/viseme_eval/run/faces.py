"""First pass over a video: where its most prominent face is, kept on disk frame by frame.

What stays in memory is a box and a flag per frame; landmarks go to a file, so that an hour takes no
more memory than a minute.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from viseme_core.types import LAYOUT_SIZES, CropBox
from viseme_data.boxes import area, box_of, shared_area
from viseme_data.crop import CROP_SCALE, MEDIAN_FRAMES
from viseme_data.track import FaceTracker

_NUM_POINTS = LAYOUT_SIZES["mp478"]


@dataclass(frozen=True, kw_only=True)
class FaceFilm:
    """The face of a video, and what kind of video it is."""

    size: tuple[int, int]
    """Width and height of the frames."""
    num_frames: int
    """At 25 per second."""
    seen_T: Tensor
    """Whether the face was found, bool."""
    boxes_T4: Tensor
    """Left, top, right, bottom of the landmarks in source pixels."""
    file: Path
    """Landmarks in source pixels; meaningless if no face was ever found."""

    @property
    def has_face(self) -> bool:
        """Whether there is a face in any frame."""
        return bool(self.seen_T.any())

    def points(self, start: int, stop: int) -> Tensor:
        """Return landmarks `mp478` in source pixels, (stop - start, 478, 3) float32."""
        row = _NUM_POINTS * 3
        numbers = np.fromfile(self.file, np.float32, (stop - start) * row, offset=start * row * 4)
        return torch.from_numpy(numbers.reshape(-1, _NUM_POINTS, 3))

    def box(self) -> CropBox:
        """Return the stable square around the face, as `viseme_data.crop.crop_box` gives it."""
        low_T2 = _median(self.boxes_T4[:, :2])
        high_T2 = _median(self.boxes_T4[:, 2:])
        low_2, high_2 = low_T2.amin(0), high_T2.amax(0)
        cx, cy = ((low_2 + high_2) / 2).tolist()
        return CropBox(cx=cx, cy=cy, side=CROP_SCALE * float((high_2 - low_2).max()))


def film_face(frames: Iterable[np.ndarray], tracker: FaceTracker, file: Path) -> FaceFilm:
    """Return the most prominent face of every frame: the largest at first, then the same.

    Where it is lost, landmarks go straight from where it was to where it comes back; before the
    first and after the last sight they stand still.

    Args:
        frames: Pictures, uint8 RGB; there must be one.
        tracker: Finds the faces; it forgets those of other videos.
        file: Where landmarks go.
    """
    tracker.reset()
    seen: list[bool] = []
    size = (0, 0)
    with _LandmarkFile(file) as landmarks:
        for frame_HW3 in frames:
            size = (frame_HW3.shape[1], frame_HW3.shape[0])
            face_K3 = _same_face(tracker.track(frame_HW3), landmarks.last)
            seen.append(face_K3 is not None)
            landmarks.add(face_K3)
    return FaceFilm(
        size=size,
        num_frames=len(seen),
        seen_T=torch.tensor(seen),
        boxes_T4=torch.from_numpy(np.array(landmarks.boxes, np.float64).reshape(-1, 4)),
        file=file,
    )


def _same_face(faces: list[np.ndarray], last_K3: np.ndarray | None) -> np.ndarray | None:
    """Return the face that goes on with the last one; without one, the largest."""
    if not faces:
        return None
    if last_K3 is None:
        return max(faces, key=lambda face: float(area(box_of(face))))
    last_4 = box_of(last_K3)

    def nearness(face_K3: np.ndarray) -> tuple[float, float]:
        box_4 = box_of(face_K3)
        # Where none overlaps, as after a gap, the nearest.
        return float(shared_area(box_4, last_4)), -float(np.linalg.norm(box_4 - last_4))

    return max(faces, key=nearness)


class _LandmarkFile:
    """Writes landmarks frame by frame; gaps are filled when they end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._gap = 0
        self.last: np.ndarray | None = None
        self.boxes: list[np.ndarray] = []

    def add(self, face_K3: np.ndarray | None) -> None:
        """Add the next frame's face, or None."""
        if face_K3 is None:
            self._gap += 1
            return
        before_K3 = face_K3 if self.last is None else self.last
        for i in range(1, self._gap + 1):
            share = np.float32(i / (self._gap + 1))
            self._write(before_K3 + (face_K3 - before_K3) * share)
        self._gap = 0
        self.last = face_K3
        self._write(face_K3)

    def _write(self, face_K3: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(face_K3, np.float32).tobytes())
        self.boxes.append(box_of(face_K3))

    def __enter__(self) -> "_LandmarkFile":
        self._file = self._path.open("wb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self.last is not None:
            for _ in range(self._gap):
                self._write(self.last)
        self._file.close()


def _median(corners_T2: Tensor) -> Tensor:
    """Return each corner's median over its neighbours, as `crop_box` does before its union."""
    half = MEDIAN_FRAMES // 2
    padded = corners_T2.new_full((len(corners_T2) + 2 * half, 2), torch.nan)
    padded[half : half + len(corners_T2)] = corners_T2
    return padded.unfold(0, MEDIAN_FRAMES, 1).nanquantile(0.5, dim=-1)
