"""MediaPipe's face nets as two plain functions: faces of a picture, landmarks of a square.

The graphs are those inside `mp.solutions.face_mesh` with refined landmarks, but their region of
interest is ours to choose: nothing is carried from call to call, any number of faces share one
graph, and only the square around a face is handed over instead of the whole frame.
"""

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
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
    from mediapipe.python._framework_bindings import calculator_graph, resource_util
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
# Detectors take 128 and 192 pixels; their own reduction skips pixels, ours does not. It is by whole
# numbers of pixels, which takes a fifth of the time of others.
_DETECT_PX = 192
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
# The calling thread runs the nets: handed over to threads of the graph's own, as is the default,
# they take a fifth more work and, where all cores are busy, nearly twice the time. Same bits.
_GRAPH = """
executor { type: "ApplicationThreadExecutor" }
input_stream: "image"
output_stream: "found"
"""
_DETECTION_GRAPH = (
    _GRAPH
    + """
node {
  calculator: "%s"
  input_stream: "IMAGE:image"
  output_stream: "DETECTIONS:found"
}
"""
)
_LANDMARK_GRAPH = (
    _GRAPH
    + """
input_stream: "roi"
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
  output_stream: "LANDMARKS:found"
}
"""
)


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
        self._graphs: list[_Graph] = []
        if getattr(mp, "solutions", None) is None:
            raise RuntimeError(
                f"mediapipe {mp.__version__} carries no face models; "
                f"install the pinned one with `pip install viseme-data[track]`"
            )
        # The nets are files of MediaPipe's own, named from beside its folder.
        resource_util.set_resource_dir(str(Path(mp.__file__).parents[1]))
        try:
            with without_lines(_CHATTER):
                self._near = self._start(_DETECTION_GRAPH % "FaceDetectionShortRangeCpu")
                self._far = self._start(_DETECTION_GRAPH % "FaceDetectionFullRangeCpu")
                self._landmarks = self._start(_LANDMARK_GRAPH)
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
        shrink = max(height, width) // _DETECT_PX
        if shrink > 1:
            size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
            frame_HW3 = cv2.resize(frame_HW3, size, interpolation=cv2.INTER_AREA)
        found = (self._far if far else self._near).run(frame_HW3)
        faces = packet_getter.get_proto_list(found) if found is not None else []
        return [_to_detection(face, width, height) for face in faces]

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
        found = self._landmarks.run(tile_HW3, roi=region)
        if found is None:
            return None
        # What `packet_getter.get_proto` makes a message of, only to be asked for its bytes again.
        packed = packet_getter._packet_getter._get_serialized_proto(found)
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
        """Stop the graphs; calling it again does nothing."""
        while self._graphs:
            self._graphs.pop().close()

    def __enter__(self) -> "FaceNets":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, text: str) -> "_Graph":
        self._graphs.append(_Graph(text))
        return self._graphs[-1]


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


class _Graph:
    """A graph of MediaPipe without its wrapper, which takes a tenth longer.

    Args:
        text: What it does; it takes an `image` and says what it has `found`.
    """

    def __init__(self, text: str) -> None:
        config = text_format.Parse(text, _message(calculator_pb2, "CalculatorGraphConfig"))
        self._graph: Any = calculator_graph.CalculatorGraph(graph_config=config)
        self._found: Any = None
        self._time = 0
        self._graph.observe_output_stream("found", self._keep, True)
        self._graph.start_run({})

    def run(self, picture_HW3: np.ndarray, **messages: Any) -> Any | None:
        """Return the packet of what is found in a picture, None if it is nothing."""
        if self._graph is None:
            raise RuntimeError("these face nets are closed; open others")
        self._time += 1
        self._found = None
        # One that cannot be written to is not copied: it is looked at until this returns.
        lent_HW3 = np.ascontiguousarray(picture_HW3).view()
        lent_HW3.flags.writeable = False
        image = packet_creator.create_image(lent_HW3, image_format=mp.ImageFormat.SRGB)
        self._graph.add_packet_to_input_stream("image", image.at(self._time))
        for name, message in messages.items():
            packet = packet_creator.create_proto(message)
            self._graph.add_packet_to_input_stream(name, packet.at(self._time))
        self._graph.wait_until_idle()
        return None if self._found is None or self._found.is_empty() else self._found

    def close(self) -> None:
        """Stop the graph."""
        # What went wrong inside was an error of `run` already.
        with suppress(RuntimeError):
            self._graph.close()
        # The graph holds `_keep` and so this object, which holds the graph, where no collector of
        # garbage sees it.
        self._graph = self._found = None

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
