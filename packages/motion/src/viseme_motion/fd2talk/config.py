"""Settings of FD2Talk's motion stage; defaults are the paper's where it gives a number."""

from dataclasses import dataclass, field

from viseme_core.diffusion import DiffusionConfig


@dataclass(frozen=True, kw_only=True)
class FD2TalkConfig:
    """Two diffusion transformers that predict the clean signal."""

    num_layers: int = 6
    """Layers of each transformer (6 in the paper)."""
    dim: int = 256
    """Width of each transformer; the paper names none."""
    num_heads: int = 4
    """Attention heads; the paper names none."""
    reach: int = 3
    """k of the alignment mask: sound is heard that many frames to either side (Eq. 4)."""
    diffusion: DiffusionConfig = field(
        default_factory=lambda: DiffusionConfig(num_steps=1000, target="clean")
    )
    """Noise schedule: 1000 steps, and the clean signal is predicted (Eq. 2, 3)."""
    weight_expression: float = 1.0
    """Weight of the expression loss (Eq. 12); the paper names none."""
    weight_pose: float = 1.0
    """Weight of the pose loss (Eq. 12); the paper names none."""
    weight_sync: float = 0.05
    """Weight of the sync loss (Eq. 12); the paper names none. At this one its gradient is about a
    tenth of the expression loss's once that has settled."""
    single_transformer: bool = False
    """Ablation, table 2: one transformer for expression and pose together."""
    alignment: bool = True
    """Ablation, table 3: without it every frame hears the whole window."""
    portrait: bool = False
    """Whether the network is told one frame's expression of the face that it moves, off in the
    paper: a voice does not say how its owner smiles. Training samples then want to be longer than
    the windows (data.frames), so that the frame comes from elsewhere."""
    centre_pose: bool = False
    """Whether the pose of every training sample is moved to the mean of the data, off in the paper:
    clips differ far more in how near the camera stands than a head moves in any of them, and what
    learned both makes heads that jump towards the camera and away."""
    sync: bool = True
    """Ablation, table 3: without it there is no sync loss, and no lip expert is needed."""

    def __post_init__(self) -> None:
        if self.num_layers < 1:
            raise ValueError(f"fd2talk.num_layers must be at least 1, got {self.num_layers}")
        if self.dim % (2 * self.num_heads):
            raise ValueError(
                f"fd2talk.dim must be a multiple of 2 x num_heads = {2 * self.num_heads}, "
                f"got {self.dim}"
            )
        if self.reach < 0:
            raise ValueError(f"fd2talk.reach must not be negative, got {self.reach}")
        if self.diffusion.target != "clean":
            raise ValueError(
                f"fd2talk.diffusion.target must be 'clean' (Eq. 3), got {self.diffusion.target!r}"
            )
