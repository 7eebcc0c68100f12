"""Settings of DisentTalk's motion stage; defaults are the paper's where it gives a number."""

from dataclasses import dataclass, field

from viseme_core.diffusion import DiffusionConfig


@dataclass(frozen=True, kw_only=True)
class DisentTalkConfig:
    """A diffusion network over regions of the face that predicts the noise."""

    num_blocks: int = 4
    """Blocks of Eq. 4 to 7, one behind the other; the paper names no number."""
    dim: int = 192
    """Width of each region; a frame has three."""
    num_heads: int = 4
    """Attention heads; the paper names none."""
    window: int = 5
    """k of the local convolution (Eq. 6)."""
    ahead: int = 0
    """Frames of sound to come that the causal cross-attention hears: 0 in the paper, whose HuBERT
    features know what follows; log-mel features do not, and mouths move before they are heard."""
    prefer_near: bool = False
    """Whether heads of the causal cross-attention begin by listening to near sounds, each to
    another distance, and learn how far; off in the paper, whose features know the sentence."""
    velocity: bool = False
    """Whether the network says the velocity, from which the noise follows, and errors of the noise
    (Eq. 8) are weighted by 1 / abar_t. The best network is the same; it is found in a fraction of
    the steps, because plain Eq. 8 hardly asks at high noise, where only the sound can tell."""
    diffusion: DiffusionConfig = field(
        default_factory=lambda: DiffusionConfig(num_steps=400, target="noise")
    )
    """Noise schedule: T = 400, and the noise is predicted (Eq. 3, 8). The paper names no betas.
    With the usual ones 1.8 % of the motion's power is left after 400 steps, while sampling begins
    from noise alone; `beta_start: 2.5e-4, beta_end: 0.05` leave none, and want `velocity`."""
    drop_audio: float = 0.1
    """Share of training samples without sound, for guidance."""
    weight_sync: float = 0.01
    """lambda, the weight of the sync loss."""
    lip: tuple[int, ...] = ()
    """Expression directions of the lips (Eq. 1), as `viseme-motion subspaces` writes them; empty
    takes those shipped for the built-in face model."""
    eye: tuple[int, ...] = ()
    """Expression directions of the eyes; all others are global (Eq. 2)."""
    temporal: bool = True
    """Ablation, table IV: without it there are no multi-scale convolutions (Eq. 5)."""
    disentangle: bool = True
    """Ablation, table IV: without it all directions are one region (Eq. 1, 2)."""
    hierarchical: bool = True
    """Ablation, table IV: without it regions are fused without attention (Eq. 4)."""
    local: bool = True
    """Ablation, table IV: without it there is no local convolution beside the attention (Eq. 6)."""
    portrait: bool = False
    """Whether the network is told one frame's expression of the face that it moves, off in the
    paper: a voice does not say how its owner smiles. Training samples then want to be longer than
    the windows (data.frames), so that the frame comes from elsewhere."""
    own_share: float = 1.0
    """With a listener: share of what the network adds to the listener's words that sampling keeps,
    where noise is high. Learned from minutes, half of it fits the people it was learned from alone.
    """
    emphasis: float = 1.0
    """With a listener: how much further than it says a face moves in sampling. The mean of all ways
    to say something moves less than each of them."""
    sync: bool = True
    """Ablation, table IV: without it there is no sync loss, and no lip expert is needed."""

    def __post_init__(self) -> None:
        if self.num_blocks < 1:
            raise ValueError(f"disenttalk.num_blocks must be at least 1, got {self.num_blocks}")
        if self.dim % (2 * self.num_heads):
            raise ValueError(
                f"disenttalk.dim must be a multiple of 2 x num_heads = {2 * self.num_heads}, "
                f"got {self.dim}"
            )
        if self.window < 1 or self.window % 2 == 0:
            raise ValueError(f"disenttalk.window must be odd, got {self.window}")
        if self.ahead < 0:
            raise ValueError(f"disenttalk.ahead must not be negative, got {self.ahead}")
        if bool(self.lip) != bool(self.eye):
            raise ValueError("disenttalk.lip and disenttalk.eye must be given together, or neither")
        if not 0 <= self.own_share <= 1:
            raise ValueError(f"disenttalk.own_share must lie in [0, 1], got {self.own_share}")
        if self.emphasis <= 0:
            raise ValueError(f"disenttalk.emphasis must be positive, got {self.emphasis}")
        if not 0 <= self.drop_audio < 1:
            raise ValueError(f"disenttalk.drop_audio must lie in [0, 1), got {self.drop_audio}")
        if self.diffusion.target != "noise":
            raise ValueError(
                f"disenttalk.diffusion.target must be 'noise' (Eq. 8), got "
                f"{self.diffusion.target!r}"
            )
