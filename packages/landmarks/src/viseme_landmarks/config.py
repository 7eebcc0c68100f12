"""Settings of the landmark stage: how many points, how many frames, how wide."""

from dataclasses import dataclass
from typing import Literal

from viseme_core.audio import Wav2LipMelConfig
from viseme_core.types import Layout
from viseme_face.layouts import CONTENT_SLICE, JAW_SLICE, LIP_SLICE, POSE_SLICE, TALK131

STAGE = "landmarks"
LAYOUT: Layout = "talk131"
AUDIO = Wav2LipMelConfig()
"""What the stage hears: one window of 80 x 16 around each frame."""

_NUM_LIP, _NUM_JAW, _NUM_POSE = (len(TALK131[part]) for part in (LIP_SLICE, JAW_SLICE, POSE_SLICE))
IP_LAP_LIP, IP_LAP_JAW = 40, 17
"""How IP_LAP divides the 57 points: its chin belongs to the jaw."""


@dataclass(frozen=True, kw_only=True)
class LandmarksConfig:
    """A model that completes lip and jaw landmarks from sound.

    The defaults are the paper's numbers (IV-A.5), and where it names none those of IP_LAP, whose
    completion module it takes over.
    """

    num_lip: int = _NUM_LIP
    """Lip landmarks to complete, first in a face's order."""
    num_jaw: int = _NUM_JAW
    """Jaw landmarks to complete, second in a face's order."""
    num_pose: int = _NUM_POSE
    """Landmarks of the upper face, which are given; last in a face's order."""
    num_references: int = 5
    """Whole faces from elsewhere in the clip, N; a trained model takes any number of them."""
    num_frames: int = 5
    """Successive frames that are completed together, L; 1 is the ablation w/o B-Sequential."""
    dim: int = 512
    """Width of the transformer and of what the convolutions end in; a multiple of `num_heads`."""
    num_layers: int = 4
    """Layers of the transformer."""
    num_heads: int = 4
    """Heads of its attention."""
    feedforward_dim: int = 1024
    """Width between the two linear maps of a layer."""
    dropout: float = 0.0
    """Dropout in the transformer; IP_LAP has 0.1. Other numbers on other processes."""
    norm: Literal["none", "batch"] = "none"
    """After each convolution: nothing, with inputs in units of their spread over the training data;
    or batch norm as IP_LAP, for which a sample is no longer by itself in training."""
    base: Literal["none", "references"] = "none"
    """What the heads add to: nothing, as in the paper; or the mean of the references' lips and
    jaws, carried to each frame by the upper face (rotation, scale, shift)."""
    convention: Literal["talk131", "ip_lap"] = "talk131"
    """`ip_lap`: its order of points, and coordinates within a box around each face, as its public
    weights want them. What goes in and comes out is `talk131` in the crop in either case."""
    box_margin: float = 0.05
    """Room around the points in IP_LAP's box, as a part of its sides: 5 pixels where it trained."""
    hop: int = 1
    """Frames that are kept of each window of a long voice, from its middle; 1 as IP_LAP, whose
    frames all see as much before as after; `num_frames` is fastest."""

    def __post_init__(self) -> None:
        for name in (
            *("num_lip", "num_jaw", "num_pose", "num_references", "num_frames"),
            *("num_layers", "num_heads", "feedforward_dim", "hop"),
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.dim < 1 or self.dim % self.num_heads or self.dim % 2:
            raise ValueError(
                f"dim must be even and a multiple of num_heads = {self.num_heads}, got {self.dim}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}")
        if self.hop > self.num_frames:
            raise ValueError(
                f"hop must be at most num_frames = {self.num_frames}, or frames would be left "
                f"out; got {self.hop}"
            )
        if self.box_margin < 0:
            raise ValueError(f"box_margin must not be negative, got {self.box_margin}")
        counts = (self.num_lip, self.num_jaw, self.num_pose)
        if self.convention == "ip_lap" and counts != (IP_LAP_LIP, IP_LAP_JAW, _NUM_POSE):
            raise ValueError(
                f"convention 'ip_lap' has {IP_LAP_LIP} lip, {IP_LAP_JAW} jaw and {_NUM_POSE} pose "
                f"points, got {counts}; set num_lip, num_jaw and num_pose to these"
            )

    @property
    def num_content(self) -> int:
        """Points that are completed, 57."""
        return self.num_lip + self.num_jaw

    @property
    def num_points(self) -> int:
        """Points of a whole face, 131."""
        return self.num_content + self.num_pose

    @property
    def is_talk131(self) -> bool:
        """Whether faces are those of the layout `talk131`."""
        return (self.num_content, self.num_pose) == (len(TALK131[CONTENT_SLICE]), _NUM_POSE)
