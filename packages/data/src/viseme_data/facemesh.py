"""MediaPipe's face nets as two plain functions: faces of a picture, landmarks of a square.

The graphs are those inside `mp.solutions.face_mesh` with refined landmarks, but their region of
interest is ours to choose: nothing is carried from call to call, any number of faces share one
graph, and only the square around a face is handed over instead of the whole frame.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from viseme_core.types import CropBox
from viseme_data.boxes import box_of
from viseme_data.crop import reduced
from viseme_data.quiet import without_lines

try:
    import cv2
    import mediapipe as mp
    from google.protobuf import text_format
    from mediapipe.framework import calculator_pb2
    from mediapipe.framework.formats import landmark_pb2, rect_pb2
    from mediapipe.python import packet_creator, packet_getter
    from mediapipe.python._framework_bindings import calculator_graph
except ImportError as error:
    raise ImportError(
        "finding faces needs MediaPipe 0.10.21 and OpenCV; install them with "
        "`pip install viseme-data[track]`"
    ) from error

_CHATTER = (
    r"XNNPACK delegate|absl::InitializeLog|inference_feedback_manager|gl_context|"
    r"landmark_projection_calculator|face_landmarker_graph"
)
# FaceMesh turns a detection, or the landmarks of the frame before, into a square 1.5 times as big.
ROI_SCALE = 1.5
# What the landmark net takes; more pixels would only be thrown away.
_NET_PX = 192
# Detectors take 128 and 192 pixels; their own reduction skips pixels, ours does not.
_DETECT_PX = 384
# A landmark in protobuf's wire format: field 1 of 15 bytes, in it float fields 1, 2 and 3.
_PACKED = np.dtype(
    {
        "names": ["tags", "x", "y", "z"],
        "formats": ["<u2", "<f4", "<f4", "<f4"],
        "offsets": [0, 3, 8, 13],
        "itemsize": 17,
    }
)
_TAGS = 0x0F0A
# The calling thread runs the net: handed over to threads of the graph's own, as is the default, it
# takes a fifth more work and, where all cores are busy, nearly twice the time. Same bits.
_LANDMARK_GRAPH = """
executor { type: "ApplicationThreadExecutor" }
input_stream: "image"
input_stream: "roi"
output_stream: "landmarks"
node {
  calculator: "ConstantSidePacketCalculator"
  output_side_packet: "PACKET:with_attention"
  node_options: {
    [type.googleapis.com/mediapipe.ConstantSidePacketCalculatorOptions]: {
      packet { bool_value: true }
    }
  }
}
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""


@dataclass(frozen=True, kw_only=True)
class Detection:
    """A face that a detector saw."""

    score: float
    """0 to 1."""
    square: CropBox
    """Square to look for landmarks in, turned with the eyes, in source pixels."""


class FaceNets:
    """Two detectors and the landmark net; close it, or use it as a context.

    Raises:
        RuntimeError: If this MediaPipe carries no face models.
    """

    def __init__(self) -> None:
        graph = text_format.Parse(
            _LANDMARK_GRAPH, _message(calculator_pb2, "CalculatorGraphConfig")
        )
        self._graphs: list[Any] = []
        solutions = getattr(mp, "solutions", None)
        if solutions is None:
            raise RuntimeError(
                f"mediapipe {mp.__version__} carries no face models; "
                f"install the pinned one with `pip install viseme-data[track]`"
            )
        try:
            with without_lines(_CHATTER):
                self._near = self._start(solutions.face_detection.FaceDetection(model_selection=0))
                self._far = self._start(solutions.face_detection.FaceDetection(model_selection=1))
                self._landmarks = self._start(_LandmarkGraph(graph))
                # The nets are built, and announce themselves, when the first picture comes.
                blank = np.zeros((_NET_PX, _NET_PX, 3), np.uint8)
                self.detect(blank, far=False)
                self.detect(blank, far=True)
                self.landmarks(blank, CropBox(cx=_NET_PX / 2, cy=_NET_PX / 2, side=_NET_PX))
        except BaseException:
            self.close()
            raise

    def detect(self, frame_HW3: np.ndarray, *, far: bool) -> list[Detection]:
        """Return the faces of a picture, best first.

        Args:
            frame_HW3: Picture, uint8 RGB.
            far: Use the full-range net, which sees faces down to about a fourteenth of the
                picture's longer side; the other needs about a seventh, but is three times as fast
                and better on faces that fill the picture.
        """
        height, width = frame_HW3.shape[:2]
        shrink = max(height, width) / _DETECT_PX
        if shrink > 1:
            size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
            frame_HW3 = cv2.resize(frame_HW3, size, interpolation=cv2.INTER_AREA)
        found = _process(self._far if far else self._near, frame_HW3).detections or []
        return [_to_detection(face, width, height) for face in found]

    def landmarks(self, frame_HW3: np.ndarray, square: CropBox) -> np.ndarray | None:
        """Return 478 points (x, y, z) in source pixels, float32, or None if there is no face.

        Args:
            frame_HW3: Picture, uint8 RGB.
            square: Where to look; the face should fill two thirds of it, upright.
        """
        tile_HW3, matrix, scale = reduced(frame_HW3, square, _NET_PX)
        height, width = tile_HW3.shape[:2]
        side = scale * _NET_PX
        corner_2 = matrix[:, 2]
        cx, cy = (corner_2 + matrix[:, :2].sum(1) / 2).tolist()
        region = _message(
            rect_pb2,
            "NormalizedRect",
            x_center=cx / width,
            y_center=cy / height,
            width=side / width,
            height=side / height,
            rotation=square.angle,
        )
        packed = self._landmarks.run(np.ascontiguousarray(tile_HW3), region)
        if packed is None:
            return None
        # Shares of the tile to its pixels, and these to the source's: two maps of one square, which
        # differ by a factor and in where its corner lies.
        points_K3 = _coordinates(packed) * (width, height, width)
        points_K3[:, :2] -= corner_2
        points_K3 *= square.side / side
        cos, sin = math.cos(square.angle), math.sin(square.angle)
        points_K3[:, 0] += square.cx - (cos - sin) * square.side / 2
        points_K3[:, 1] += square.cy - (sin + cos) * square.side / 2
        return points_K3.astype(np.float32)

    def close(self) -> None:
        """Stop the graphs and their threads; calling it again does nothing."""
        while self._graphs:
            self._graphs.pop().close()

    def __enter__(self) -> "FaceNets":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, graph: Any) -> Any:
        self._graphs.append(graph)
        return graph


def square_around(points_K3: np.ndarray) -> CropBox:
    """Return the square in which to look for the same face in the next frame, as FaceMesh does."""
    x, y = points_K3[263, :2] - points_K3[33, :2]
    left, top, right, bottom = box_of(points_K3).tolist()
    side = ROI_SCALE * max(right - left, bottom - top)
    angle = math.atan2(float(y), float(x))
    return CropBox((left + right) / 2, (top + bottom) / 2, side=max(side, 1.0), angle=angle)


def _to_detection(face: Any, width: int, height: int) -> Detection:
    place = face.location_data
    box = place.relative_bounding_box
    right, left = place.relative_keypoints[:2]
    square = CropBox(
        cx=(box.xmin + box.width / 2) * width,
        cy=(box.ymin + box.height / 2) * height,
        side=max(ROI_SCALE * max(box.width * width, box.height * height), 1.0),
        angle=float(np.arctan2((left.y - right.y) * height, (left.x - right.x) * width)),
    )
    return Detection(score=float(face.score[0]), square=square)


class _LandmarkGraph:
    """The graph of the landmark net, without MediaPipe's wrapper, which takes a tenth longer."""

    def __init__(self, config: Any) -> None:
        self._graph: Any = calculator_graph.CalculatorGraph(graph_config=config)
        self._found: Any = None
        self._time = 0
        self._graph.observe_output_stream("landmarks", self._keep, True)
        self._graph.start_run({})

    def run(self, tile_HW3: np.ndarray, region: Any) -> bytes | None:
        """Return the landmarks' message as bytes, None if there is no face."""
        self._time += 1
        self._found = None
        image = packet_creator.create_image(tile_HW3, image_format=mp.ImageFormat.SRGB)
        self._graph.add_packet_to_input_stream("image", image.at(self._time))
        self._graph.add_packet_to_input_stream(
            "roi", packet_creator.create_proto(region).at(self._time)
        )
        self._graph.wait_until_idle()
        if self._found is None or self._found.is_empty():
            return None
        # What `packet_getter.get_proto` makes a message of, only to be asked for its bytes again.
        return packet_getter._packet_getter._get_serialized_proto(self._found)

    def close(self) -> None:
        """Stop the graph."""
        self._graph.close()

    def _keep(self, _: str, packet: Any) -> None:
        self._found = packet


def _coordinates(packed: bytes) -> np.ndarray:
    """Return the landmarks of a message, (478, 3) float64."""
    if len(packed) % _PACKED.itemsize == 0:
        # Reading the message's own bytes takes a thirtieth of asking it for 1434 numbers.
        rows = np.frombuffer(packed, _PACKED)
        if (rows["tags"] == _TAGS).all():
            return np.stack([rows["x"], rows["y"], rows["z"]], 1).astype(float)
    found = _message(landmark_pb2, "NormalizedLandmarkList")
    found.ParseFromString(packed)
    return np.array([(p.x, p.y, p.z) for p in found.landmark])


def _message(module: Any, name: str, **fields: float) -> Any:
    # Protobuf makes its classes at run time, where no type checker sees them.
    return getattr(module, name)(**fields)


def _process(graph: Any, inputs: Any) -> Any:
    with warnings.catch_warnings():
        # MediaPipe 0.10.21 calls a function that protobuf 4 is about to drop.
        warnings.filterwarnings("ignore", message=r"SymbolDatabase\.GetPrototype")
        return graph.process(inputs)
