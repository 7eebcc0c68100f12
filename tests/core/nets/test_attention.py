import pytest
import torch
from torch import Tensor, nn

from viseme_core.nets import Attention, causal_mask, near_mask

CPU = torch.device("cpu")


def as_torch_has_it(attention: Attention, key_dim: int) -> nn.MultiheadAttention:
    """Return torch's own attention with the same weights."""
    dim = attention.query.in_features
    theirs = nn.MultiheadAttention(
        dim, attention.num_heads, kdim=key_dim, vdim=key_dim, batch_first=True
    ).to(attention.query.weight)
    key, value = attention.key_value.weight.chunk(2)
    weights = {"q_proj_weight": attention.query.weight, "k_proj_weight": key}
    weights["v_proj_weight"] = value
    if theirs.in_proj_weight is not None:
        weights = {"in_proj_weight": torch.cat([attention.query.weight, key, value])}
    weights["in_proj_bias"] = torch.cat([attention.query.bias, attention.key_value.bias])
    weights["out_proj.weight"] = attention.out.weight
    weights["out_proj.bias"] = attention.out.bias
    theirs.load_state_dict(weights)
    return theirs


@pytest.mark.parametrize("key_dim", [8, 5])
@pytest.mark.parametrize("is_masked", [False, True])
def test_attention_equals_torchs_own_with_the_same_weights(key_dim, is_masked):
    attention = Attention(8, 2, key_dim=key_dim).double()
    queries_BTD = torch.randn(3, 6, 8, dtype=torch.float64)
    keys_BUD = torch.randn(3, 7, key_dim, dtype=torch.float64)
    mask_BTU = torch.rand(3, 6, 7) < 0.5 if is_masked else None
    if mask_BTU is not None:
        mask_BTU[..., 0] = True
    theirs = as_torch_has_it(attention, key_dim)
    hidden = None if mask_BTU is None else ~mask_BTU.repeat_interleave(2, 0)
    expected, _ = theirs(queries_BTD, keys_BUD, keys_BUD, attn_mask=hidden)
    torch.testing.assert_close(attention(queries_BTD, keys_BUD, mask_BTU), expected)


def test_attention_follows_its_formula_head_by_head():
    attention = Attention(8, 2).double()
    frames_BTD = torch.randn(1, 5, 8, dtype=torch.float64)
    mask_TT = torch.eye(5, dtype=torch.bool) | torch.ones(5, 5).tril().bool()
    query, key, value = (
        part[0].detach()
        for part in (
            attention.query(frames_BTD),
            *attention.key_value(frames_BTD).chunk(2, dim=-1),
        )
    )
    heads = []
    for columns in (slice(0, 4), slice(4, 8)):
        score_TT = query[:, columns] @ key[:, columns].T / 4**0.5
        share_TT = score_TT.exp() * mask_TT
        heads.append(share_TT / share_TT.sum(1, keepdim=True) @ value[:, columns])
    expected = attention.out(torch.cat(heads, 1))
    torch.testing.assert_close(attention(frames_BTD, mask=mask_TT)[0], expected)


def test_a_query_that_may_look_nowhere_gathers_zeros_and_passes_finite_gradients():
    attention = Attention(8, 2)
    frames_BTD = torch.randn(2, 4, 8, requires_grad=True)
    mask_BTT = torch.ones(2, 4, 4, dtype=torch.bool)
    mask_BTT[0, 1] = False
    gathered = attention(frames_BTD, mask=mask_BTT)
    torch.testing.assert_close(gathered[0, 1], attention.out.bias)
    gathered.square().sum().backward()
    for values in (frames_BTD, *attention.parameters()):
        assert isinstance(values.grad, Tensor)
        assert values.grad.isfinite().all()


@pytest.mark.parametrize(("queries", "keys"), [(6, 6), (4, 7), (7, 4)])
def test_masks_follow_their_inequalities(queries, keys):
    near = near_mask(queries, keys, 3, device=CPU)
    causal = causal_mask(queries, keys, 1, device=CPU)
    for j in range(queries):
        for i in range(keys):
            assert near[j, i] == (j - 3 <= i <= j + 3)
            assert causal[j, i] == (i <= j + 1)


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="width 10 must be a multiple of the number of heads, 4"):
        Attention(10, 4)


def test_a_bias_is_added_to_what_query_and_key_agree_on():
    attention = Attention(8, 2).double()
    queries_BTD, keys_BUD = torch.randn(2, 3, 4, 8, dtype=torch.float64)
    bias_NTU = torch.randn(2, 4, 4, dtype=torch.float64)
    mask_BTU = causal_mask(4, 4, 1, device=CPU).expand(3, -1, -1)
    theirs = as_torch_has_it(attention, 8)
    added = bias_NTU.masked_fill(~mask_BTU[:1], float("-inf")).repeat(3, 1, 1)
    expected, _ = theirs(queries_BTD, keys_BUD, keys_BUD, attn_mask=added)
    found = attention(queries_BTD, keys_BUD, mask_BTU, bias_NTU)
    torch.testing.assert_close(found, expected)
