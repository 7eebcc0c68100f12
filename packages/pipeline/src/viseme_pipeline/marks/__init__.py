"""Marks of generated films: an invisible watermark, signed provenance, a visible label.

from viseme_pipeline.marks import Watermark, detect, write_provenance
"""

from viseme_pipeline.marks.config import Marks
from viseme_pipeline.marks.detection import Detection, detect, detect_frames
from viseme_pipeline.marks.label import LABEL, check_label, draw_label
from viseme_pipeline.marks.provenance import (
    Provenance,
    check_provenance,
    read_provenance,
    write_provenance,
)
from viseme_pipeline.marks.watermark import Watermark

__all__ = [
    "LABEL",
    "Detection",
    "Marks",
    "Provenance",
    "Watermark",
    "check_label",
    "check_provenance",
    "detect",
    "detect_frames",
    "draw_label",
    "read_provenance",
    "write_provenance",
]
