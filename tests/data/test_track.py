"""Tracking a real face: where it is, wherever it goes, however small it is."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from typing import cast

import mediapipe as mp
import numpy as np
import pytest

from tests.data.faces import flat_face, portrait, portrait_matrix, scene
from viseme_core.types import CropBox
from viseme_data.boxes import box_of
from viseme_data.facemesh import Detection, FaceNets, square_around
from viseme_data.track import FaceTracker, TrackerConfig

EYES = [33, 263]


@pytest.fixture(scope="module")
def nets() -> Iterator[FaceNets]:
    with FaceNets() as nets:
        yield nets


@pytest.fixture(scope="module")
def still(nets: FaceNets) -> np.ndarray:
    """Landmarks of the portrait as it is."""
    (points,) = FaceTracker(nets=nets).track(portrait())
    return points


def moved(points_K3: np.ndarray, matrix_23: np.ndarray) -> np.ndarray:
    return points_K3[:, :2] @ matrix_23[:, :2].T + matrix_23[:, 2]


def error(found_K3: np.ndarray, expected_K2: np.ndarray) -> float:
    """Median distance as a share of the distance of the outer eye corners."""
    away = np.linalg.norm(found_K3[:, :2] - expected_K2, axis=1)
    return float(np.median(away) / np.linalg.norm(np.diff(expected_K2[EYES], axis=0)))


@pytest.mark.filterwarnings("ignore:SymbolDatabase.GetPrototype")
def test_landmarks_agree_with_mediapipes_own_face_mesh(nets: FaceNets) -> None:
    tracker = FaceTracker(nets=nets)
    with mp.solutions.face_mesh.FaceMesh(refine_landmarks=True) as mesh:  # pyright: ignore
        for i in range(8):
            frame = scene(zoom=1.5, at=(-60 + 4 * i, -40), turn=0.03 * i, width=400, height=300)
            (ours,) = tracker.track(frame)
            (theirs,) = mesh.process(frame).multi_face_landmarks
            expected = np.array([(p.x * 400, p.y * 300, p.z * 400) for p in theirs.landmark])
            # FaceMesh's region comes from a detection or from a frame before; a region a little
            # to the side moves its points by about this much.
            assert error(ours, expected[:, :2]) < 0.02
            assert np.corrcoef(ours[:, 2], expected[:, 2])[0, 1] > 0.99
            assert np.ptp(ours[:, 2]) == pytest.approx(np.ptp(expected[:, 2]), rel=0.1)


def test_a_face_that_moves_zooms_and_turns_is_followed(nets: FaceNets, still: np.ndarray) -> None:
    tracker = FaceTracker(nets=nets)
    for i in range(20):
        motion = (0.8 + 0.03 * i, (6.0 * i, 2.0 * i), 0.04 * i)
        frame = scene(width=640, height=480, zoom=motion[0], at=motion[1], turn=motion[2])
        (points,) = tracker.track(frame)
        assert error(points, moved(still, portrait_matrix(*motion))) < 0.04


@pytest.mark.parametrize("face_px", [60, 110, 200])
def test_a_small_face_in_a_large_picture_is_found_at_once(
    nets: FaceNets, still: np.ndarray, face_px: int
) -> None:
    zoom, at = face_px / 100, (1000.0, 380.0)
    frame = scene(width=1920, height=1080, zoom=zoom, at=at)
    (points,) = FaceTracker(nets=nets).track(frame)
    assert error(points, moved(still, portrait_matrix(zoom, at))) < 0.08


def test_a_face_in_4k_is_found_in_source_pixels(nets: FaceNets, still: np.ndarray) -> None:
    motion = (6.0, (900.0, 200.0))
    (points,) = FaceTracker(nets=nets).track(scene(width=3840, height=2160, zoom=6, at=motion[1]))
    assert error(points, moved(still, portrait_matrix(*motion))) < 0.03
    assert np.ptp(points[:, 2]) == pytest.approx(6 * np.ptp(still[:, 2]), rel=0.15)


def test_a_face_that_leaves_is_gone_and_found_when_it_returns(nets: FaceNets) -> None:
    tracker = FaceTracker(nets=nets)
    counts = [
        len(tracker.track(scene(at=(-20.0, 0.0) if i < 9 else (30.0, 0.0), face=not 4 <= i < 9)))
        for i in range(14)
    ]
    assert counts == [1] * 4 + [0] * 5 + [1] * 5


def test_a_jump_is_found_in_the_same_frame(nets: FaceNets, still: np.ndarray) -> None:
    tracker = FaceTracker(nets=nets)
    for at in ((0.0, 60.0), (330.0, 100.0)):
        (points,) = tracker.track(scene(width=640, height=480, at=at))
        assert error(points, moved(still, portrait_matrix(1, at))) < 0.05


def two_faces(shift: float) -> np.ndarray:
    left = scene(width=900, height=400, zoom=1.2, at=(0.0, 0.0))
    return scene(width=900, height=400, zoom=0.8, at=(500 + shift, 80.0), under=left)


def test_two_faces_are_followed_the_larger_first(nets: FaceNets) -> None:
    tracker = FaceTracker(nets=nets)
    for i in range(6):
        sides = [np.ptp(points[:, 1]) for points in tracker.track(two_faces(5.0 * i))]
        assert len(sides) == 2
        assert sides[0] > 1.3 * sides[1]


def test_no_more_faces_than_wanted(nets: FaceNets) -> None:
    tracker = FaceTracker(TrackerConfig(max_faces=1), nets=nets)
    (points,) = tracker.track(two_faces(0))
    assert box_of(points)[2] < 384


def test_two_that_end_on_one_face_become_one() -> None:
    class OneFaceOnly:
        """Sees faces at 100 and 400 at first, then leads every square to the same one."""

        frames = 0

        def detect(self, frame: np.ndarray, *, far: bool) -> list[Detection]:
            places = (100, 400) if self.frames == 0 else ()
            return [Detection(score=1, square=CropBox(cx=x, cy=90, side=90)) for x in places]

        def landmarks(self, frame: np.ndarray, square: CropBox) -> np.ndarray:
            return flat_face(square.cx if self.frames == 0 else 250, 90, 60)

    nets = OneFaceOnly()
    tracker = FaceTracker(nets=cast(FaceNets, nets))
    frame = np.zeros((180, 500, 3), np.uint8)
    assert len(tracker.track(frame)) == 2
    nets.frames = 1
    assert len(tracker.track(frame)) == 1


def test_a_second_face_is_noticed_while_the_first_is_followed(nets: FaceNets) -> None:
    tracker = FaceTracker(TrackerConfig(scan_every=4), nets=nets)
    alone = scene(width=900, height=400, zoom=1.2)
    counts = [len(tracker.track(alone if i < 3 else two_faces(0))) for i in range(9)]
    assert counts[:3] == [1] * 3
    assert counts[-1] == 2


def test_the_same_pictures_give_the_same_bits(nets: FaceNets) -> None:
    frames = [scene(at=(3.0 * i, i)) for i in range(5)]
    tracker = FaceTracker(nets=nets)
    first = [tracker.track(frame)[0] for frame in frames]
    tracker.reset()
    for one, other in zip(first, tracker.stream(frames), strict=True):
        assert np.array_equal(one, other[0])


def test_no_face_is_seen_where_there_is_none(nets: FaceNets) -> None:
    draw = np.random.default_rng(0)
    tracker = FaceTracker(nets=nets)
    for frame in (
        np.zeros((240, 320, 3), np.uint8),
        draw.integers(0, 255, (240, 320, 3)).astype(np.uint8),
        np.full((1, 1, 3), 90, np.uint8),
        np.full((3, 500, 3), 90, np.uint8),
    ):
        assert tracker.track(frame) == []


def test_the_next_square_turns_with_the_head(still: np.ndarray) -> None:
    turn = portrait_matrix(1, (0, 0), 0.5)
    upright = square_around(still)
    tilted = square_around(np.concatenate([moved(still, turn), still[:, 2:]], 1))
    assert tilted.angle - upright.angle == pytest.approx(0.5, abs=1e-3)
    centre = turn[:, :2] @ [upright.cx, upright.cy] + turn[:, 2]
    assert np.linalg.norm(centre - [tilted.cx, tilted.cy]) < 0.06 * upright.side


def test_a_square_without_a_face_has_no_landmarks(nets: FaceNets) -> None:
    assert nets.landmarks(portrait(), CropBox(cx=280, cy=60, side=60)) is None


@pytest.mark.parametrize(
    "frame", [np.zeros((20, 20), np.uint8), np.zeros((20, 20, 4), np.uint8), np.zeros((20, 20, 3))]
)
def test_pictures_of_another_kind_are_refused(nets: FaceNets, frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 RGB"):
        FaceTracker(nets=nets).track(frame)


def test_start_and_use_are_silent_and_need_no_threads_but_the_calling_one() -> None:
    code = """
import sys, threading, os
import numpy as np
from viseme_data.track import FaceTracker
def threads(): return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
before = threads()
with FaceTracker() as tracker:
    tracker.track(np.zeros((64, 64, 3), np.uint8))
    assert threads() == before
sys.stderr.write("mine\\n")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "mine\n"
    assert done.stdout == ""


def test_a_missing_extra_is_named() -> None:
    code = """
import sys
sys.modules["mediapipe"] = None
try:
    import viseme_data.track
except ImportError as error:
    assert "pip install viseme-data[track]" in str(error), error
else:
    raise SystemExit("imported without MediaPipe")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_closed_nets_look_at_nothing():
    nets = FaceNets()
    nets.close()
    with pytest.raises(RuntimeError, match="these face nets are closed"):
        nets.landmarks(portrait(), CropBox(cx=150, cy=120, side=150))


def test_closed_nets_are_let_go():
    nets = FaceNets()
    graph = weakref.ref(nets._landmarks)
    nets.close()
    del nets
    gc.collect()
    assert graph() is None
