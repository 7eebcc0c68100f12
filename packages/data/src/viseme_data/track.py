"""Faces of every frame: 478 landmarks each, found once and then followed.

A face is looked for by detectors only while there is one to find; after that each frame's square
comes from the landmarks of the frame before, as in MediaPipe's own tracking. Results depend on the
pictures and their order alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from viseme_data.boxes import area, box_of, shared_area
from viseme_data.facemesh import Detection, FaceNets, square_around

# Two faces that overlap by more than this share of the smaller one are one face.
_SAME_FACE = 0.5
# A face of fewer pixels than this has no lips to speak of.
_MIN_FACE_PX = 16.0


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """How faces are looked for."""

    max_faces: int = 4
    """Faces followed at a time, the largest first; one face costs the same whatever this says."""
    scan_every: int = 25
    """Frames between two looks for further faces while at least one is followed."""
    tile_every: int = 12
    """Frames between two looks for small faces, by tiles, while none is found at all."""
    min_score: float = 0.5
    """Score of the detector below which it saw no face; the nets report none below 0.5, the
    one for small faces none below 0.6."""

    def __post_init__(self) -> None:
        for name in ("max_faces", "scan_every", "tile_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"tracker.{name} must be at least 1, got {getattr(self, name)}")
        if not 0.5 <= self.min_score < 1:
            raise ValueError(f"tracker.min_score must be from 0.5 to 1, got {self.min_score}")


class FaceTracker:
    """Landmarks of the faces of a video, frame by frame; close it, or use it as a context.

    Args:
        config: How faces are looked for.
        nets: Nets to share with other trackers one after another; by default its own, which
            `close` then closes.
    """

    def __init__(
        self, config: TrackerConfig | None = None, *, nets: FaceNets | None = None
    ) -> None:
        self.config = config or TrackerConfig()
        self._owns_nets = nets is None
        self._nets = nets or FaceNets()
        self.reset()

    def reset(self) -> None:
        """Forget all faces: what comes next is another video, or another shot."""
        self._faces: list[np.ndarray] = []
        self._until_scan = 0
        self._until_tiles = 0

    def track(self, frame_HW3: np.ndarray) -> list[np.ndarray]:
        """Return the faces of the next frame, longest followed first.

        Args:
            frame_HW3: Picture, uint8 RGB.

        Returns:
            Arrays (478, 3) of float32: x to the right and y down in source pixels from the
            picture's corner, z in pixels, growing away from the camera, 0 near the head's centre.

        Raises:
            ValueError: If the picture is no uint8 RGB.
        """
        if frame_HW3.dtype != np.uint8 or frame_HW3.ndim != 3 or frame_HW3.shape[2] != 3:
            raise ValueError(
                f"frames must be uint8 RGB of shape (H, W, 3), got {frame_HW3.dtype} "
                f"{frame_HW3.shape}"
            )
        before = len(self._faces)
        kept: list[np.ndarray] = []
        for face in self._faces:
            self._add(kept, self._nets.landmarks(frame_HW3, square_around(face)))
        self._until_scan -= 1
        # A face that was lost is looked for again at once, in the same frame.
        if len(kept) < before or not kept or self._until_scan <= 0:
            self._scan(frame_HW3, kept)
        self._faces = kept
        return list(kept)

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Yield the faces of each frame, as `track` does."""
        for frame_HW3 in frames:
            yield self.track(frame_HW3)

    def close(self) -> None:
        """Stop MediaPipe's graphs, if they are the tracker's own."""
        if self._owns_nets:
            self._nets.close()

    def __enter__(self) -> "FaceTracker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _scan(self, frame_HW3: np.ndarray, kept: list[np.ndarray]) -> None:
        """Add faces that are not yet followed."""
        self._until_scan = self.config.scan_every
        if len(kept) >= self.config.max_faces:
            return
        self._adopt(frame_HW3, self._nets.detect(frame_HW3, far=True), kept)
        if not kept:
            self._adopt(frame_HW3, self._nets.detect(frame_HW3, far=False), kept)
        if kept:
            self._until_tiles = 0
            return
        self._until_tiles -= 1
        if self._until_tiles <= 0:
            self._until_tiles = self.config.tile_every
            self._adopt(frame_HW3, self._detect_in_tiles(frame_HW3), kept)

    def _adopt(self, frame_HW3: np.ndarray, found: list[Detection], kept: list[np.ndarray]) -> None:
        for face in sorted(found, key=lambda face: -face.square.side):
            if len(kept) >= self.config.max_faces:
                return
            if face.score < self.config.min_score or any(_is_inside(face, k) for k in kept):
                continue
            points_K3 = self._nets.landmarks(frame_HW3, face.square)
            # A detector's square is rough; landmarks are at their best in one made of landmarks.
            if points_K3 is not None:
                points_K3 = self._nets.landmarks(frame_HW3, square_around(points_K3))
            self._add(kept, points_K3)

    def _detect_in_tiles(self, frame_HW3: np.ndarray) -> list[Detection]:
        """Return faces too small for a look at the whole frame, from the largest tiles with any."""
        height, width = frame_HW3.shape[:2]
        for side in (min(height, width), min(height, width) // 2):
            found: list[Detection] = []
            for top in _starts(height, side):
                for left in _starts(width, side):
                    tile = np.ascontiguousarray(frame_HW3[top : top + side, left : left + side])
                    found += [_moved(face, left, top) for face in self._nets.detect(tile, far=True)]
            if found:
                return found
        return []

    def _add(self, kept: list[np.ndarray], points_K3: np.ndarray | None) -> None:
        if points_K3 is None:
            return
        left, top, right, bottom = box_of(points_K3).tolist()
        if max(right - left, bottom - top) < _MIN_FACE_PX:
            return
        if not any(_is_same_face(points_K3, other) for other in kept):
            kept.append(points_K3)


def _is_same_face(one_K3: np.ndarray, other_K3: np.ndarray) -> bool:
    one, other = box_of(one_K3), box_of(other_K3)
    return bool(shared_area(one, other) > _SAME_FACE * min(area(one), area(other)))


def _is_inside(face: Detection, known_K3: np.ndarray) -> bool:
    """Say whether a detection's centre lies in the box of a face that is already known."""
    left, top, right, bottom = box_of(known_K3)
    return bool(left < face.square.cx < right and top < face.square.cy < bottom)


def _starts(length: int, side: int) -> list[int]:
    """Return where tiles start that cover `length` and overlap by a quarter or more."""
    count = 1 + max(0, -(-(length - side) * 4 // (side * 3)))
    return np.linspace(0, length - side, count).round().astype(int).tolist()


def _moved(face: Detection, left: int, top: int) -> Detection:
    square = replace(face.square, cx=face.square.cx + left, cy=face.square.cy + top)
    return replace(face, square=square)
