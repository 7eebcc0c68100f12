import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viseme_core.audio import Wav2LipMelConfig, build_encoder
from viseme_eval.networks.ears import CepstralEar, MelEar
from viseme_eval.networks.mfcc import mfcc
from viseme_eval.networks.sync_embedders import (
    LipSyncExpertEmbedder,
    StableSyncNetEmbedder,
    SyncNetV2Embedder,
)
from viseme_eval.networks.sync_network import SyncNetwork
from viseme_face.layouts import DLIB68

NUM_FRAMES = 26
EMBEDDERS = {
    "syncnet": SyncNetV2Embedder,
    "expert": LipSyncExpertEmbedder,
    "stable": StableSyncNetEmbedder,
}


class Summary(nn.Module):
    """Takes the place of a network: rows are simple sums, and inputs are kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.width = width
        self.seen: list[Tensor] = []
        self.heard: list[Tensor] = []

    def see(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return x.flatten(1)[:, :: x[0].numel() // self.width][:, : self.width]

    def hear(self, x: Tensor) -> Tensor:
        self.heard.append(x)
        return x.flatten(1).mean(1, keepdim=True).expand(-1, self.width)


def embedder(kind: str) -> SyncNetwork:
    made = EMBEDDERS[kind]
    return made(Summary(made.embedding))  # type: ignore[arg-type]


def clip(num: int = NUM_FRAMES) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    frames = F.interpolate(torch.rand(num, 3, 12, 12, generator=generator) * 2 - 1, (64, 64))
    points = torch.rand(1, 478, 3, generator=generator) * 0.4 + 0.3
    points = points + 0.02 * torch.randn(num, 1, 3, generator=generator)
    samples = torch.rand(num * 640, generator=generator) - 0.5
    return frames, points, samples


@pytest.mark.parametrize(
    ("kind", "rows"),
    [("syncnet", NUM_FRAMES - 5), ("expert", NUM_FRAMES - 4), ("stable", NUM_FRAMES - 15)],
)
def test_a_clip_has_as_many_rows_as_its_authors_code_gives(kind: str, rows: int) -> None:
    frames, points, samples = clip()
    width = EMBEDDERS[kind].embedding
    for sound in (samples, torch.cat([samples, samples])):
        embedding = embedder(kind).embed(frames, points, sound)
        assert embedding.seen_TD.shape == embedding.heard_TD.shape == (rows, width)
    embedding = embedder(kind).embed(frames, points, samples[: -640 * 3])
    assert len(embedding.seen_TD) == rows - 3


@pytest.mark.parametrize("kind", EMBEDDERS)
@pytest.mark.parametrize("with_points", [True, False])
def test_a_clip_in_pieces_gives_the_same_rows(kind: str, with_points: bool) -> None:
    frames, points, samples = clip()
    whole = embedder(kind).embed(frames, points if with_points else None, samples)
    stream = embedder(kind).stream()
    sizes = [1, 2, 7, 4, 12]
    sounds = samples.split([640 * n for n in sizes])
    pieces = [
        stream.push(f, p if with_points else None, s)
        for f, p, s in zip(frames.split(sizes), points.split(sizes), sounds, strict=True)
    ]
    pieces.append(stream.finish())
    for name in ("seen_TD", "heard_TD"):
        rows = torch.cat([getattr(piece, name) for piece in pieces])
        # The same sums over the same numbers, but for how many frames are warped at once.
        torch.testing.assert_close(rows, getattr(whole, name), atol=1e-5, rtol=1e-5)
    assert all(len(piece.seen_TD) == len(piece.heard_TD) for piece in pieces)


def test_a_stream_keeps_no_more_of_a_long_clip_than_of_a_short_one() -> None:
    def kept(num: int) -> tuple[int, ...]:
        network = embedder("syncnet")
        stream = network.stream()
        frames, points, samples = clip(num)
        for k in range(0, num, 10):
            part = slice(k, k + 10)
            stream.push(frames[part], points[part], samples[640 * k : 640 * (k + 10)])
        assert stream._crops is not None
        return len(stream._frames), len(stream._places), len(stream._crops)

    assert kept(30) == kept(120)


def test_syncnet_sees_blue_first_in_0_to_255_and_a_square_of_the_face() -> None:
    network = embedder("syncnet")
    frames = torch.zeros(6, 3, 64, 64)
    frames[:, 0], frames[:, 2] = 1.0, -1.0
    points = torch.full((6, 478, 2), 0.5)
    # A face from 16 to 32 across and 16 to 40 down: the side is 1.4 x 24 = 33.6 px, its middle
    # 4.8 px below the face's.
    points[:, 0], points[:, 1] = torch.tensor([0.25, 0.25]), torch.tensor([0.5, 0.625])
    frames[:, 1, 33:34, 24:25] = 1.0
    network.embed(frames, points, torch.zeros(6 * 640))
    seen = network.net.seen[0]
    assert seen.shape == (2, 3, 5, 224, 224)
    blue, green, red = seen[0, :, 0, 112, 112].tolist()
    assert (blue, red) == (0, 255)
    # Middle (24, 28 + 4.8) in edges: the lit pixel's middle, (24.5, 33.5), is 0.7 of a pixel down.
    lit = (seen[0, 1, 0] - 127.5).clamp(min=0)
    y, x = (int(k) for k in (lit == lit.max()).nonzero().float().mean(0))
    scale = 224 / 33.6
    assert abs(x + 0.5 - (112 + 0.5 * scale)) < 1
    assert abs(y + 0.5 - (112 + 0.7 * scale)) < 1
    assert green == pytest.approx(127.5, abs=127.5)


def test_syncnets_crop_is_grey_where_the_picture_ends() -> None:
    network = embedder("syncnet")
    points = torch.zeros(1, 478, 2)
    points[:, 1] = 1.0
    crop = network.crop(torch.ones(1, 3, 64, 64), network.places(points, (64, 64)))
    assert torch.allclose(crop[0, :, -1, 0], torch.tensor(110.0), atol=1e-3)


def test_places_are_medians_over_thirteen_frames() -> None:
    network = embedder("expert")
    asked: list[Tensor] = []
    crop = network.crop

    def spy(frames: Tensor, places: Tensor | None) -> Tensor:
        assert places is not None
        asked.append(places)
        return crop(frames, places)

    network.crop = spy  # type: ignore[method-assign]
    frames, points, samples = clip()
    network.embed(frames, points, samples)
    places = network.places(points, (64, 64)).numpy()
    expected = [np.median(places[max(0, k - 6) : k + 7], axis=0) for k in range(len(places))]
    np.testing.assert_allclose(torch.cat(asked).numpy(), expected, atol=1e-4)


def test_the_expert_sees_the_lower_half_frame_by_frame() -> None:
    network = embedder("expert")
    frames = torch.zeros(6, 3, 96, 96)
    for t in range(6):
        for c in range(3):
            frames[t, c, 48:] = (3 * t + c) / 100
    network.embed(frames, None, torch.zeros(6 * 640))
    seen = network.net.seen[0]
    assert seen.shape == (2, 15, 48, 96)
    # Channel 3 t + c, blue first, 0 to 1.
    expected = [(1 + (3 * t + 2 - c) / 100) / 2 for t in range(5) for c in range(3)]
    np.testing.assert_allclose(seen[0, :, 0, 0].numpy(), expected, atol=1e-6)


def test_syncnet_hears_twenty_columns_from_the_first_sample_of_its_frame() -> None:
    _, _, samples = clip()
    rows = CepstralEar().push(samples)
    coefficients = mfcc(samples)
    assert rows.shape == (NUM_FRAMES - 5, 1, 13, 20)
    for k in (0, 3, NUM_FRAMES - 6):
        assert torch.equal(rows[k, 0], coefficients[4 * k : 4 * k + 20].T)


@pytest.mark.parametrize(("window", "columns"), [(5, 16), (16, 52)])
def test_mel_windows_are_successive_columns(window: int, columns: int) -> None:
    _, _, samples = clip()
    ear = MelEar(window, columns)
    rows = torch.cat([ear.push(samples[:7000]), ear.push(samples[7000:]), ear.finish()])
    assert rows.shape == (NUM_FRAMES - window + 1, 1, 80, columns)
    mel = build_encoder(Wav2LipMelConfig(lead=0)).encode(samples).unflatten(-1, (80, 16))
    # All columns of the clip: those of every fifth frame end where the next begin.
    whole = torch.cat(list(mel[::5]), -1)
    for k in range(len(rows)):
        start = 16 * k // 5
        assert torch.equal(rows[k, 0], whole[:, start : start + columns])


def test_stable_syncnet_aligns_brows_and_nose() -> None:
    network = embedder("stable")
    points = torch.zeros(1, 478, 2)
    # A face that lies in a frame of 210 x 280 as LatentSync's template has it.
    groups = (DLIB68[17:22], DLIB68[22:27], DLIB68[28:31])
    places = torch.tensor([[17, 20], [58, 20], [37.5, 40]]) * 2.8
    for ids, place in zip(groups, places, strict=True):
        points[:, list(ids)] = (place + 0.5) / torch.tensor([210.0, 280])
    frame = torch.rand(1, 3, 280, 210, generator=torch.Generator().manual_seed(0)) * 2 - 1
    crop = network.crop(frame, network.places(points, (280, 210)))
    square = F.interpolate(frame, (256, 256), mode="bilinear", align_corners=False)
    assert crop.shape == (1, 3, 128, 256)
    inner = (..., slice(0, -1), slice(1, -1))
    torch.testing.assert_close(crop[inner], square[:, :, 128:][inner], atol=1e-3, rtol=0)


def test_a_clip_without_a_row_is_refused() -> None:
    frames, points, samples = clip(5)
    with pytest.raises(ValueError, match="at least 6 frames"):
        embedder("syncnet").embed(frames, points, samples)


def test_landmarks_come_always_or_never() -> None:
    frames, points, samples = clip()
    stream = embedder("syncnet").stream()
    stream.push(frames[:10], None, samples[:6400])
    with pytest.raises(ValueError, match="with every piece"):
        stream.push(frames[10:], points[10:], samples[6400:])
    stream = embedder("syncnet").stream()
    stream.push(frames[:10], points[:10], samples[:6400])
    with pytest.raises(ValueError, match="with every piece"):
        stream.push(frames[10:], None, samples[6400:])
