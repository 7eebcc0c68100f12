"""The network against plain formulas, and what each of its parts is there for."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.landmarks.small import SMALL, make_batch
from viseme_landmarks import net as net_file
from viseme_landmarks.config import LandmarksConfig
from viseme_landmarks.net import LandmarkNet, build_point_encoder, build_sound_encoder


def make_net(**config: object) -> LandmarkNet:
    torch.manual_seed(0)
    net = LandmarkNet(LandmarksConfig(**{**SMALL, **config})).double().eval()
    for parameter in net.parameters():
        # Biases and gains that begin as zeros and ones could be left out without a trace.
        if parameter.ndim == 1:
            nn.init.normal_(parameter, mean=float(parameter.detach().mean()), std=0.2)
    return net


def inputs(size: int = 2, frames: int = 4, references: int = 3) -> tuple[torch.Tensor, ...]:
    batch = make_batch(size, frames, references=references, dtype=torch.float64)
    return batch.mel_BTMW, batch.pose_BTK2, batch.reference_BNK2


def as_numpy(net: LandmarkNet) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in net.state_dict().items()}


def layer_norm(values: np.ndarray, w: dict, name: str) -> np.ndarray:
    centred = values - values.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def transformer(tokens: np.ndarray, w: dict, layers: int, heads: int) -> np.ndarray:
    """Return one sample's tokens (U, D) after post-norm layers of attention and MLP."""
    width = tokens.shape[1] // heads
    for layer in range(layers):
        at = f"fusion.layers.{layer}"
        mixed = tokens @ w[f"{at}.self_attn.in_proj_weight"].T + w[f"{at}.self_attn.in_proj_bias"]
        query, key, value = np.split(mixed, 3, axis=1)
        gathered = []
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            scores = query[:, part] @ key[:, part].T / np.sqrt(width)
            weights = np.exp(scores - scores.max(1, keepdims=True))
            gathered.append(weights / weights.sum(1, keepdims=True) @ value[:, part])
        out = np.concatenate(gathered, 1) @ w[f"{at}.self_attn.out_proj.weight"].T
        tokens = layer_norm(tokens + out + w[f"{at}.self_attn.out_proj.bias"], w, f"{at}.norm1")
        hidden = np.maximum(tokens @ w[f"{at}.linear1.weight"].T + w[f"{at}.linear1.bias"], 0)
        out = hidden @ w[f"{at}.linear2.weight"].T + w[f"{at}.linear2.bias"]
        tokens = layer_norm(tokens + out, w, f"{at}.norm2")
    return tokens


def test_fusion_is_the_plain_transformer_of_concatenated_tokens_with_places():
    net = make_net()
    torch.manual_seed(1)
    reference, sound, pose = (torch.randn(2, n, 32).double() for n in (3, 4, 4))
    with torch.no_grad():
        found = net.fuse(reference, sound, pose)
    w = as_numpy(net)
    # Vaswani et al.: sin(t / 10000^(2i/D)) at 2i, cos of the same at 2i + 1.
    angle = np.arange(4)[:, None] / 10000 ** (2 * np.arange(16) / 32)
    place = np.zeros((4, 32))
    place[:, 0::2], place[:, 1::2] = np.sin(angle), np.cos(angle)
    for i in range(2):
        parts = [reference[i].numpy(), sound[i].numpy() + place, pose[i].numpy() + place]
        tokens = transformer(np.concatenate(parts), w, layers=2, heads=2)
        lip = tokens[3:7] @ w["lip.weight"].T + w["lip.bias"]
        jaw = tokens[7:] @ w["jaw.weight"].T + w["jaw.bias"]
        expected = np.concatenate([lip.reshape(4, 41, 2), jaw.reshape(4, 16, 2)], 1)
        # Sines are made in float32.
        np.testing.assert_allclose(found[i].numpy(), expected, rtol=0, atol=1e-6)


def conv1d(values: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int, pad: int):
    """Return a convolution of (C, L) by loops."""
    padded = np.pad(values, ((0, 0), (pad, pad)))
    size = weight.shape[2]
    starts = range(0, padded.shape[1] - size + 1, stride)
    columns = [np.tensordot(weight, padded[:, s : s + size], ([1, 2], [0, 1])) for s in starts]
    return np.stack(columns, 1) + bias[:, None]


def test_a_pose_token_is_convolutions_in_a_row_then_a_norm_and_its_kind():
    net = make_net()
    _, pose, _ = inputs(size=1, frames=1)
    with torch.no_grad():
        found = net.embed_pose(pose)[0, 0].numpy()
    w = as_numpy(net)
    # 74, 37, 19, 10, 5, 3 points: five halvings after a stage of full length.
    blocks = [(1, 1, False)]
    for stride in (1, 2, 2, 2, 2, 2):
        blocks += [(stride, 1, False), (1, 1, True), (1, 1, True)]
    blocks += [(1, 0, False), (1, 0, True)]
    values = pose[0, 0].numpy().T
    for number, (stride, padding, is_residual) in enumerate(blocks):
        weight, bias = w[f"pose.{number}.conv.weight"], w[f"pose.{number}.conv.bias"]
        out = conv1d(values, weight, bias, stride, padding) + (values if is_residual else 0)
        values = np.tanh(out) if number == len(blocks) - 1 else np.maximum(out, 0)
    assert f"pose.{len(blocks)}.conv.weight" not in w
    expected = layer_norm(values[:, 0], w, "token_norm") + w["modality.weight"][0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("num_points", [1, 2, 3, 4, 9, 68, 74, 131, 192, 478])
def test_any_number_of_points_becomes_one_embedding(num_points):
    encoder = build_point_encoder(
        num_points, 32, has_norm=False, last_residuals=2, is_last_residual=False
    )
    assert encoder(torch.rand(2, 2, num_points)).shape == (2, 32, 1)


def test_a_mel_window_becomes_one_embedding_of_all_of_it():
    encoder = build_sound_encoder(32, has_norm=False)
    mel = torch.randn(2, 1, 80, 16, requires_grad=True)
    found = encoder(mel)
    assert found.shape == (2, 32, 1, 1)
    (gradient,) = torch.autograd.grad(found[0].sum(), mel)
    assert (gradient[0] != 0).float().mean() > 0.9
    assert not gradient[1].any()


@pytest.mark.parametrize("has_places", [True, False])
def test_frames_know_their_places_only_by_their_positions(has_places, monkeypatch):
    if not has_places:
        monkeypatch.setattr(net_file, "_alternating", lambda n, like: like.new_zeros(n, 32))
    net = make_net()
    mel, pose, reference = inputs()
    order = [2, 0, 3, 1]
    with torch.no_grad():
        found = net(mel, pose, reference)
        shuffled = net(mel[:, order], pose[:, order], reference)
    difference = (shuffled - found[:, order]).abs().max()
    assert difference > 1e-3 if has_places else difference < 1e-12


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_every_modality_has_an_embedding_that_matters(kind):
    net = make_net()
    given = inputs()
    with torch.no_grad():
        found = net(*given)
        net.modality.weight[kind] += 0.5
        assert (net(*given) - found).abs().max() > 1e-3


def test_references_are_a_set_and_each_of_them_matters():
    net = make_net()
    mel, pose, reference = inputs()
    with torch.no_grad():
        found = net(mel, pose, reference)
        turned = net(mel, pose, reference.flip(1))
        torch.testing.assert_close(turned, found, rtol=0, atol=1e-12)
        for number in range(3):
            other = reference.clone()
            other[:, number] += 0.1 * torch.rand(2, 131, 2)
            assert (net(mel, pose, other) - found).abs().max() > 1e-4


def test_layers_do_not_begin_as_copies_of_each_other():
    torch.manual_seed(0)
    layers: list = list(LandmarkNet(LandmarksConfig(**SMALL)).fusion.layers)
    first, second = (layer.self_attn.in_proj_weight for layer in layers)
    assert not torch.equal(first, second)


def test_tokens_begin_in_bounds_without_batch_norm():
    torch.manual_seed(0)
    encoder = LandmarkNet(LandmarksConfig(**{**SMALL, "dim": 128})).sound
    with torch.no_grad():
        before_tanh = encoder[:-1](torch.randn(16, 1, 80, 16))
    assert 0.1 < before_tanh.std() < 10
