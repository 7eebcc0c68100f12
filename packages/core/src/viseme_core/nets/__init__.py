"""Parts that networks of several stages share."""

from viseme_core.nets.attention import Attention, causal_mask, near_mask
from viseme_core.nets.embeddings import StepEmbedding, positions
from viseme_core.nets.transformer import FeedForward

__all__ = ["Attention", "FeedForward", "StepEmbedding", "causal_mask", "near_mask", "positions"]
