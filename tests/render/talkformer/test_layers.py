from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from tests.render.talkformer.small import ROWS, make_config
from viseme_render.talkformer.layers import (
    LandmarkAddition,
    LandmarkAttention,
    ReferenceAttention,
    SelfAttention,
    TalkFormer,
    TemporalAttention,
    Told,
)

D, E, K, H, W, T, B = 16, 12, 131, 3, 5, 2, 2
HEAD = 8


@pytest.fixture(autouse=True)
def _in_double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def told(*, motion: bool = False) -> Told:
    torch.manual_seed(1)
    return Told(
        torch.randn(B * T, K, E),
        torch.randn(B, D, H, W),
        torch.randn(B, 2, D, H, W) if motion else None,
        T,
    )


def stirred(layer: Any) -> Any:
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape))
    return layer


def linear(layer: Any, rows: np.ndarray) -> np.ndarray:
    return rows @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def attended(queries: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Softmax(Q K^T / sqrt(d)) V, head by head, without a library's attention."""
    parts = []
    for start in range(0, D, HEAD):
        head = slice(start, start + HEAD)
        scores = queries[:, head] @ keys[:, head].T / np.sqrt(HEAD)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        parts.append(weights / weights.sum(1, keepdims=True) @ values[:, head])
    return np.concatenate(parts, 1)


def projected(layer: Any, rows: np.ndarray) -> np.ndarray:
    weight = layer.weight.detach().numpy()[:, :, 0, 0]
    return rows @ weight.T + layer.bias.detach().numpy()


def rows_of(features: torch.Tensor) -> np.ndarray:
    """(D, h, w) as (h w, D)."""
    return features.detach().numpy().reshape(D, -1).T


def test_landmark_attention_is_equation_3():
    layer = stirred(LandmarkAttention(D, make_config()))
    hidden, given = torch.randn(B * T, D, H, W), told()
    found = layer(hidden, given)
    for picture in range(B * T):
        asked = rows_of(layer.norm(hidden)[picture])
        points = given.landmarks_XKE[picture].numpy()
        attention = layer.attention
        y = attended(
            linear(attention.to_q, asked),
            linear(attention.to_k, points),
            linear(attention.to_v, points),
        )
        np.testing.assert_allclose(rows_of(found[picture]), projected(layer.out, y), atol=1e-12)


def test_reference_attention_is_equations_4_and_5():
    layer = stirred(ReferenceAttention(D, make_config()))
    hidden, given = torch.randn(B * T, D, H, W), told()
    found = layer(hidden, given)
    for picture in range(B * T):
        asked = rows_of(layer.norm(hidden)[picture])
        # The frames of a window share their reference.
        seen = rows_of(layer.reference_norm(given.reference_BDhw)[picture // T])
        attention = layer.attention
        warped = attended(
            linear(attention.to_q, asked),
            linear(attention.to_k, seen),
            linear(attention.to_v, seen),
        )
        expected = projected(layer.out, warped)
        np.testing.assert_allclose(rows_of(found[picture]), expected, atol=1e-12)


@pytest.mark.parametrize("motion", [False, True])
def test_temporal_attention_is_self_attention_of_a_place_over_motion_frames_and_window(motion):
    layer = stirred(TemporalAttention(D, make_config()))
    hidden, given = torch.randn(B * T, D, H, W), told(motion=motion)
    found = layer(hidden, given).unflatten(0, (B, T))
    film = hidden.unflatten(0, (B, T))
    if given.motion_BMDhw is not None:
        film = torch.cat([given.motion_BMDhw, film], 1)
    count = film.shape[1]
    rate = np.exp(-np.log(10_000) * np.arange(D // 2) / (D // 2))
    angles = np.arange(count)[:, None] * rate
    places = np.concatenate([np.cos(angles), np.sin(angles)], 1)
    for b, y, x in [(0, 0, 0), (1, 2, 4), (1, 0, 3)]:
        track = film[b, :, :, y, x].numpy()
        centred = track - track.mean(1, keepdims=True)
        normed = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
        rows = normed * layer.norm.weight.detach().numpy() + layer.norm.bias.detach().numpy()
        rows = rows + places
        attention = layer.attention
        whole = attended(
            linear(attention.to_q, rows), linear(attention.to_k, rows), linear(attention.to_v, rows)
        )
        expected = projected(layer.out, whole[-T:])
        # diffusers works its waves out in single precision.
        np.testing.assert_allclose(found[b, :, :, y, x].detach().numpy(), expected, atol=1e-5)


def test_self_attention_asks_the_picture_itself():
    layer = stirred(SelfAttention(D, make_config(r_align=False)))
    hidden = torch.randn(B * T, D, H, W)
    found = layer(hidden, told())
    rows = rows_of(layer.norm(hidden)[1])
    attention = layer.attention
    expected = attended(
        linear(attention.to_q, rows), linear(attention.to_k, rows), linear(attention.to_v, rows)
    )
    np.testing.assert_allclose(rows_of(found[1]), projected(layer.out, expected), atol=1e-12)


def test_without_alignment_landmarks_add_the_same_at_every_place():
    layer = stirred(LandmarkAddition(D, make_config(m_align=False)))
    given = told()._replace(landmarks_XKE=torch.randn(B * T, 1, E))
    found = layer(torch.randn(B * T, D, H, W), given)
    assert found.shape == (B * T, D, 1, 1)
    expected = projected(layer.out, linear(layer.project, given.landmarks_XKE[:, 0].numpy()))
    np.testing.assert_allclose(found[..., 0, 0].detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("located", [False, True])
def test_an_untrained_talkformer_changes_nothing(row, located):
    config = make_config({"located": located}, **ROWS[row])
    layer = TalkFormer(D, config)
    given = told(motion=config.temp_attn and config.r_align)
    if not config.m_align:
        given = given._replace(landmarks_XKE=given.landmarks_XKE[:, :1])
    hidden = torch.randn(B * T, D, H, W)
    assert torch.equal(layer(hidden, given), hidden)
    assert not torch.equal(stirred(layer)(hidden, given), hidden)


def test_landmarks_come_first_then_the_reference_then_time():
    layer = stirred(TalkFormer(D, make_config()))
    hidden, given = torch.randn(B * T, D, H, W), told(motion=True)
    steered = hidden + layer.motion(hidden, given)
    steered = steered + layer.reference(steered, given)
    steered = steered + layer.temporal(steered, given)
    torch.testing.assert_close(layer(hidden, given), steered, rtol=0, atol=0)


def test_places_are_told_only_where_it_is_wanted():
    # Without places, attention to landmarks cannot tell two like features apart.
    hidden = torch.randn(B * T, D, 1, 1).expand(-1, -1, H, W).contiguous()
    plain = stirred(LandmarkAttention(D, make_config()))
    with torch.no_grad():
        plain.norm.weight.zero_()
    found = plain(hidden, told())
    torch.testing.assert_close(found, found[..., :1, :1].expand_as(found))
    knowing = stirred(LandmarkAttention(D, make_config({"located": True})))
    found = knowing(hidden, told())
    assert float((found[..., 0, 0] - found[..., -1, -1]).detach().abs().max()) > 1e-3
