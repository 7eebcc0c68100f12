"""Preparation as IP_LAP describes it, for a rate measured on the same machine in the same run.

Its recipe, in words of our own: a thread per video, as many as there are, at most six; OpenCV reads
all frames; FaceMesh with refined landmarks takes each as a picture by itself; of each frame the
landmarks of contours and nose within the face's box are stored as one file, a drawing of them and
the face as two more, 128 pixels wide. There is no sound, no fit and no film.
"""

import tempfile
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

THREADS = 6
_SIDE_PX = 128
_MARGIN_PX = 5


def peer_rate(paths: Sequence[Path]) -> float:
    """Return the frames per second of the recipe, start of the nets included."""
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / str(number) for number in range(len(paths))]
        for folder in folders:
            folder.mkdir()
        start = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            frames = sum(pool.map(_prepare, paths, folders))
        return frames / (time.perf_counter() - start)


def _prepare(path: Path, folder: Path) -> int:
    """Store what the recipe stores of one video; return the number of its frames."""
    from mediapipe.python.solutions import face_mesh

    lines = sorted(face_mesh.FACEMESH_CONTOURS | face_mesh.FACEMESH_NOSE)
    frames = _all_frames(path)
    with face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True) as mesh:
        for number, frame_HW3 in enumerate(frames):
            found: Any = mesh.process(cv2.cvtColor(frame_HW3, cv2.COLOR_BGR2RGB))
            if found.multi_face_landmarks:
                marks = found.multi_face_landmarks[0].landmark
                _store(frame_HW3, marks, lines, folder / str(number))
    return len(frames)


def _all_frames(path: Path) -> list[np.ndarray]:
    video = cv2.VideoCapture(str(path))
    frames = []
    while True:
        is_read, frame_HW3 = video.read()
        if not is_read:
            video.release()
            return frames
        frames.append(frame_HW3)


def _store(frame_HW3: np.ndarray, marks: Any, lines: Sequence[tuple[int, int]], stem: Path) -> None:
    height, width = frame_HW3.shape[:2]
    used = sorted({point for line in lines for point in line})
    points_K2 = np.array([(marks[point].x, marks[point].y) for point in used])
    margin_2 = np.array([_MARGIN_PX / width, _MARGIN_PX / height])
    low_2 = np.maximum(points_K2.min(0) - margin_2, 0)
    high_2 = np.minimum(points_K2.max(0) + margin_2, 1)
    shares_K2 = (points_K2 - low_2) / (high_2 - low_2)
    np.save(stem.with_suffix(".npy"), shares_K2)
    (left, top), (right, bottom) = (
        (corner_2 * (width, height)).astype(int) for corner_2 in (low_2, high_2)
    )
    face_HW3 = cv2.resize(frame_HW3[top:bottom, left:right], (_SIDE_PX, _SIDE_PX))
    cv2.imwrite(f"{stem}_face.png", face_HW3)
    sketch_HW3 = np.zeros((_SIDE_PX, _SIDE_PX, 3), np.uint8)
    place = dict(zip(used, (shares_K2 * (_SIDE_PX - 1)).astype(int).tolist(), strict=True))
    for one, other in lines:
        cv2.line(sketch_HW3, place[one], place[other], (0, 128, 0), 2)
    cv2.imwrite(f"{stem}_sketch.png", sketch_HW3)
