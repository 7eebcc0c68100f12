"""Attention over frames, and the masks that say which sound a frame may hear.

Letters: B batch, T frames, U frames of the keys, D width, N heads.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention, softmax(Q K^T / sqrt(D / N)) V.

    Args:
        dim: Width of queries and result.
        num_heads: Heads; must divide `dim`.
        key_dim: Width of what keys and values are made from; `dim` by default.
    """

    def __init__(self, dim: int, num_heads: int, *, key_dim: int | None = None) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"width {dim} must be a multiple of the number of heads, {num_heads}")
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(key_dim or dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(
        self,
        queries_BTD: Tensor,
        keys_BUD: Tensor | None = None,
        mask: Tensor | None = None,
        bias_NTU: Tensor | None = None,
    ) -> Tensor:
        """Return what each query gathers, shape (B, T, D).

        Args:
            queries_BTD: What asks.
            keys_BUD: What is asked; the queries themselves by default.
            mask: True where a query may look, (T, U) or (B, T, U). A query that may look nowhere
                gathers zeros.
            bias_NTU: Added to what each head's query and key agree on.
        """
        asked = queries_BTD if keys_BUD is None else keys_BUD
        query = rearrange(self.query(queries_BTD), "b t (n d) -> b n t d", n=self.num_heads)
        key, value = rearrange(
            self.key_value(asked), "b u (two n d) -> two b n u d", two=2, n=self.num_heads
        )
        if mask is not None and mask.ndim == 3:
            mask = mask[:, None]
        if bias_NTU is not None:
            allowed = bias_NTU if mask is None else bias_NTU.masked_fill(~mask, float("-inf"))
            mask = allowed.to(query)
        gathered = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.out(rearrange(gathered, "b n t d -> b t (n d)"))


def near_mask(num_queries: int, num_keys: int, reach: int, *, device: torch.device) -> Tensor:
    """Return where |i - j| <= reach, bool (T, U): the alignment mask of FD2Talk Eq. 4."""
    return _lag(num_queries, num_keys, device).abs() <= reach


def causal_mask(num_queries: int, num_keys: int, ahead: int, *, device: torch.device) -> Tensor:
    """Return where key i is at most `ahead` frames later than query j, bool (T, U)."""
    return _lag(num_queries, num_keys, device) <= ahead


def _lag(num_queries: int, num_keys: int, device: torch.device) -> Tensor:
    """Return how much later than its query each key is, int64 (T, U)."""
    keys_U = torch.arange(num_keys, device=device)
    return keys_U - torch.arange(num_queries, device=device)[:, None]
