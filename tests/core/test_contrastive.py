import numpy as np
import pytest
import torch
from torch import Tensor, nn

from viseme_core import Draws
from viseme_core.contrastive import (
    ContrastiveConfig,
    ContrastiveExpert,
    slide_windows,
    take_windows,
)


def make_expert(dim: int = 4, **config) -> ContrastiveExpert:
    torch.manual_seed(0)
    settings = ContrastiveConfig(**config)
    motion, audio = (
        nn.Sequential(nn.Flatten(), nn.Linear(settings.window * dim, 16)) for _ in range(2)
    )
    return ContrastiveExpert(settings, motion, audio)


class Remember(nn.Module):
    """Embeds a window as its first frame and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, windows: Tensor) -> Tensor:
        self.seen.append(windows)
        return windows[:, 0]


@pytest.mark.parametrize(("reading", "low"), [("clamp", 1e-7), ("affine", 0.25)])
def test_probability_of_a_cosine_follows_the_written_formula(reading, low):
    expert = make_expert(probability=reading)
    cosine = torch.tensor([-0.5, 0.0, 0.3, 1.0])
    expected = np.maximum([-0.5, 0, 0.3, 1], 0) if reading == "clamp" else [0.25, 0.5, 0.65, 1]
    assert expert.probability(cosine)[0].item() == pytest.approx(low)
    np.testing.assert_allclose(expert.probability(cosine), expected, atol=2e-7)


@pytest.mark.parametrize("reading", ["clamp", "affine"])
def test_sync_loss_is_minus_log_of_the_cosine_of_every_window(reading):
    expert = make_expert(window=3, probability=reading).double()
    motion, audio = torch.rand(2, 2, 6, 4, dtype=torch.float64)
    ours = expert.sync_loss(motion, audio).detach().numpy()
    assert ours.shape == (2, 4)
    weights = [
        [p.detach().numpy() for p in net.parameters()]
        for net in (expert.motion_encoder, expert.audio_encoder)
    ]
    for b in range(2):
        for t in range(4):
            v, a = (
                weight @ x[b, t : t + 3].numpy().ravel() + bias
                for (weight, bias), x in zip(weights, (motion, audio), strict=True)
            )
            cosine = v @ a / max(np.linalg.norm(v) * np.linalg.norm(a), 1e-8)
            chance = np.clip(cosine if reading == "clamp" else (1 + cosine) / 2, 1e-7, 1 - 1e-7)
            assert ours[b, t] == pytest.approx(-np.log(chance), rel=1e-9)


@pytest.mark.parametrize("num_frames", [10, 12, 25, 80])
def test_negatives_are_the_same_clip_at_the_stated_distance(num_frames):
    config = ContrastiveConfig(window=5, min_shift=5, max_shift=15)
    audio_encoder, motion_encoder = Remember(), Remember()
    expert = ContrastiveExpert(config, motion_encoder, audio_encoder)
    # Each value tells its sample and its frame.
    frames = torch.arange(1500)[:, None] * 1000.0 + torch.arange(num_frames)
    sequence = torch.stack([frames, torch.ones_like(frames)], dim=-1)
    expert.loss(sequence, sequence, Draws(0, 0, range(1500)))
    true, negative = audio_encoder.seen[0][..., 0].split(1500)
    assert torch.equal(true, motion_encoder.seen[0][..., 0])
    assert torch.equal(negative // 1000, true // 1000)
    distance = (negative[:, 0] - true[:, 0]).abs()
    assert distance.min() == 5
    assert distance.max() == min(15, num_frames - 5)
    starts = set((true[:, 0] % 1000).int().tolist())
    last = num_frames - 5
    assert starts == {s for s in range(last + 1) if s >= 5 or s + 5 <= last}


def test_infonce_negatives_of_one_window_differ():
    config = ContrastiveConfig(
        window=2, min_shift=2, max_shift=9, objective="infonce", num_negatives=6
    )
    audio_encoder = Remember()
    expert = ContrastiveExpert(config, Remember(), audio_encoder)
    frames = torch.arange(40.0).expand(50, 40)
    sequence = torch.stack([frames, torch.ones_like(frames)], dim=-1)
    expert.loss(sequence, sequence, Draws(0, 0, range(50)))
    negatives = audio_encoder.seen[0][:, 0, 0].reshape(7, 50)[1:]
    assert all(len(set(column.tolist())) == 6 for column in negatives.T)


def test_infonce_loss_is_the_cross_entropy_of_scaled_cosines():
    expert = make_expert(objective="infonce", num_negatives=3, temperature=0.2)
    motion, audio = torch.randn(2, 6, 40, 4)
    draws = Draws(1, 2, range(6))
    loss = expert.loss(motion, audio, draws)["loss"]
    length_B = torch.full((6,), 40)
    start = expert._draw_starts(length_B, draws)
    shifted = expert._draw_shifted(start, length_B, draws)
    total = 0.0
    for b in range(6):
        embed = expert.motion_encoder(motion[b : b + 1, start[b] : start[b] + 5])
        scores = [
            torch.cosine_similarity(embed, expert.audio_encoder(audio[b : b + 1, s : s + 5])) / 0.2
            for s in [start[b], *shifted[b]]
        ]
        total += -torch.log_softmax(torch.cat(scores), 0)[0].item() / 6
    assert loss.item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("reading", ["clamp", "affine"])
def test_bce_loss_is_the_binary_cross_entropy_of_torch(reading):
    expert = make_expert(probability=reading).double()
    motion, audio = torch.randn(2, 40, 30, 4, dtype=torch.float64)
    draws = Draws(1, 2, range(40))
    length_B = torch.full((40,), 30)
    start = expert._draw_starts(length_B, draws)
    shifted = expert._draw_shifted(start, length_B, draws)[:, 0]
    is_true = draws.chance("contrastive/label", 0.5)
    heard = torch.where(is_true, start, shifted)
    cosine = expert.similarity(take_windows(motion, start, 5), take_windows(audio, heard, 5))
    expected = nn.functional.binary_cross_entropy(expert.probability(cosine), is_true.double())
    torch.testing.assert_close(expert.loss(motion, audio, draws)["loss"], expected)


class Fixed(nn.Module):
    """Embeds every window as the same vector, in the type that autocast would give."""

    def __init__(self, *vector: float) -> None:
        super().__init__()
        self.vector = torch.tensor(vector, dtype=torch.bfloat16)

    def forward(self, windows: Tensor) -> Tensor:
        return self.vector.to(windows.device).expand(len(windows), -1)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("objective", ["bce", "infonce"])
def test_cosines_near_one_keep_their_digits_under_autocast(objective, device):
    # Between (1, 0) and (1, 1 / 32) the cosine is 0.99951, which bfloat16 rounds to 1.
    cosine = 1 / np.sqrt(1 + 1 / 32**2)
    expert = ContrastiveExpert(
        ContrastiveConfig(objective=objective, temperature=1.0), Fixed(1, 0), Fixed(1, 1 / 32)
    )
    motion = audio = torch.zeros(64, 30, 4, device=device)
    with torch.autocast(device, torch.bfloat16):
        sync = expert.sync_loss(motion, audio)
        loss = expert.loss(motion, audio, Draws(0, 0, range(64)))["loss"]
        curve = expert.lag_curve(motion, audio, 3)
    assert {sync.dtype, loss.dtype, curve.dtype} == {torch.float32}
    np.testing.assert_allclose(sync.cpu(), -np.log(cosine), rtol=1e-3)
    np.testing.assert_allclose(curve.cpu(), cosine, rtol=1e-6)
    share = Draws(0, 0, range(64)).chance("contrastive/label", 0.5).float().mean().item()
    bce = -share * np.log(cosine) - (1 - share) * np.log(1 - cosine)
    # The float32 cosine is known to 6e-8, 1 minus it to one part in eight thousand.
    assert loss.item() == pytest.approx(bce if objective == "bce" else np.log(2), rel=1e-3)


@pytest.mark.parametrize("objective", ["bce", "infonce"])
def test_loss_and_gradient_under_autocast_stay_near_those_in_full_precision(objective):
    expert = make_expert(objective=objective, probability="affine")
    motion, audio = torch.randn(2, 16, 30, 4)
    gradients, losses = [], []
    for enabled in (False, True):
        expert.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = expert.loss(motion, audio, Draws(0, 0, range(16)))["loss"]
        loss.backward()
        losses.append(loss.item())
        flat = [p.grad.flatten() for p in expert.parameters() if p.grad is not None]
        gradients.append(torch.cat(flat))
    # The encoders themselves run in bfloat16, eight bits, through one layer each.
    assert losses[1] == pytest.approx(losses[0], rel=2e-2)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


@pytest.mark.parametrize("objective", ["bce", "infonce"])
def test_loss_of_a_batch_is_the_mean_over_any_split_of_it(objective):
    expert = make_expert(objective=objective)
    motion, audio = torch.randn(2, 8, 30, 4)
    whole = expert.loss(motion, audio, Draws(7, 3, range(8)))
    parts = [
        expert.loss(motion[rank::2], audio[rank::2], Draws(7, 3, range(rank, 8, 2)))
        for rank in (0, 1)
    ]
    for name in ("loss", "accuracy"):
        mean = (parts[0][name] + parts[1][name]) / 2
        torch.testing.assert_close(whole[name], mean)


@pytest.mark.parametrize(
    "config",
    [{"probability": "affine"}, {"objective": "infonce", "num_negatives": 4}],
    ids=["bce", "infonce"],
)
def test_expert_learns_to_tell_true_pairs_and_finds_a_known_lag(config):
    expert = make_expert(window=3, min_shift=3, max_shift=8, **config)
    mixing = torch.randn(4, 4)
    audio = torch.randn(64, 30, 4)
    motion = audio @ mixing
    optimizer = torch.optim.Adam(expert.parameters(), lr=1e-2)
    for step in range(150):
        losses = expert.loss(motion, audio, Draws(0, step, range(64)))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    fresh = torch.randn(64, 40, 4)
    scores = expert.loss(fresh @ mixing, fresh, Draws(1, 0, range(64)))
    assert scores["accuracy"] > 0.95
    # Motion that comes four frames after its sound.
    late = torch.cat([torch.randn(64, 4, 4), fresh[:, :-4]], dim=1) @ mixing
    lags = expert.lag_curve(late, fresh, max_lag=6).argmax(dim=1) - 6
    assert (lags == 4).float().mean() > 0.95
    early = torch.cat([fresh[:, 3:], torch.randn(64, 3, 4)], dim=1) @ mixing
    lags = expert.lag_curve(early, fresh, max_lag=6).argmax(dim=1) - 6
    assert (lags == -3).float().mean() > 0.95


def test_windows_are_slices_of_the_sequence():
    sequence = torch.randn(3, 9, 2, 2)
    starts = torch.tensor([0, 4, 6])
    windows = take_windows(sequence, starts, 3)
    every = slide_windows(sequence, 3)
    assert every.shape == (3, 7, 3, 2, 2)
    for b, start in enumerate(starts):
        assert torch.equal(windows[b], sequence[b, start : start + 3])
        assert torch.equal(every[b, start], windows[b])


def test_clips_too_short_to_hold_a_negative_are_refused():
    with pytest.raises(ValueError, match="at least 10 frames a sample, got 9"):
        make_expert().loss(torch.zeros(1, 9, 4), torch.zeros(1, 9, 4), Draws(0, 0, [0]))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"window": 0}, "window must be at least 1"),
        ({"min_shift": 8, "max_shift": 4}, "min_shift <= max_shift"),
        ({"num_negatives": 3}, "must be 1 for 'bce'"),
    ],
)
def test_impossible_settings_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        ContrastiveConfig(**config)
