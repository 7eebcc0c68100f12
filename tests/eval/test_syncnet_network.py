"""The trained sync network at work: stage files, streams, and the network that is shipped."""

import pytest
import torch

from tests.eval.syncnet_toys import TOY, face
from viseme_core.audio import LogMelConfig, build_encoder
from viseme_core.checkpoint import StageHeader, read_header, save_stage
from viseme_core.config import to_plain
from viseme_core.types import Landmarks
from viseme_eval.functional.sync import cosine_lag_curve
from viseme_eval.syncnet import load_sync_network
from viseme_eval.syncnet.config import NAME, STAGE
from viseme_eval.syncnet.model import SyncModel
from viseme_eval.syncnet.network import SHIPPED, LandmarkSyncNetwork
from viseme_face.layouts import select

POINTS = face(120)
SAMPLES = 0.1 * torch.randn(120 * 640, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed):
    # Many small steps are faster so.
    torch.set_num_threads(1)


def save(path, seed=0, stage=STAGE, **options):
    torch.manual_seed(seed)
    model = SyncModel(TOY)
    header = StageHeader(
        stage=stage,
        system=NAME,
        config=to_plain(TOY),
        audio=to_plain(LogMelConfig()),
        layout="talk131",
    )
    save_stage(path, model.state_dict(), header, **options)
    return model.eval()


@pytest.fixture
def network():
    torch.manual_seed(0)
    return LandmarkSyncNetwork(SyncModel(TOY))


def assert_same_rows(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        # Sums over pieces of another length round differently.
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_network_that_was_saved_gives_the_same_rows(tmp_path):
    model = save(tmp_path / "net.safetensors")
    network = load_sync_network(tmp_path / "net.safetensors")
    again = LandmarkSyncNetwork(model)

    assert_same_rows(network.embed(POINTS, SAMPLES), again.embed(POINTS, SAMPLES))
    assert network.label == f"{NAME}@{network.fingerprint}"


def test_other_weights_have_another_fingerprint(tmp_path):
    marks = set()
    for seed in (0, 0, 1):
        save(tmp_path / "net.safetensors", seed)
        marks.add(load_sync_network(tmp_path / "net.safetensors").fingerprint)

    assert len(marks) == 2
    assert all(len(mark) == 12 for mark in marks)


def test_a_stage_file_of_another_stage_is_refused_by_name(tmp_path):
    save(tmp_path / "net.safetensors", stage="lip-expert")

    with pytest.raises(ValueError, match="'lip-expert', expected 'syncnet'"):
        load_sync_network(tmp_path / "net.safetensors")


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(ValueError, match="no stage file"):
        load_sync_network(tmp_path / "net.safetensors")


def test_rows_are_those_of_the_model_on_the_whole_clip(network):
    embedding = network.embed(POINTS, SAMPLES)
    points = select(Landmarks(POINTS, "mp478"), "talk131").points_TKD
    heard = build_encoder(LogMelConfig()).encode(SAMPLES)
    with torch.no_grad():
        seen = network.net.embed_seen(network.net.mouth(points)[None])[0]
        wanted = seen, network.net.embed_heard(heard[None])[0]

    assert len(embedding.seen_TD) == len(embedding.heard_TD) == 120 - TOY.window + 1
    assert_same_rows(embedding, wanted)


@pytest.mark.parametrize(("frames", "samples"), [(3, 1_777), (7, 6_400), (50, 51_000), (120, 999)])
def test_any_pieces_give_the_same_rows(network, frames, samples):
    stream = network.stream()
    sound = list(SAMPLES.split(samples))
    picture = list(POINTS.split(frames))
    # One side runs ahead of the other.
    pieces = [stream.push(None, points, SAMPLES[:0]) for points in picture[:-1]]
    pieces += [stream.push(None, POINTS[:0], part) for part in sound]
    pieces += [stream.push(None, picture[-1], SAMPLES[:0]), stream.finish()]
    rows = tuple(torch.cat(parts) for parts in zip(*pieces, strict=True))

    assert_same_rows(rows, network.embed(POINTS, SAMPLES))


def test_a_stream_keeps_no_more_of_a_long_clip_than_of_a_short_one(network):
    stream = network.stream()
    held = []
    for _ in range(8):
        stream.push(None, POINTS, SAMPLES)
        sides = (stream._eye, stream._ear)
        held.append(
            sum(len(side._raw) + sum(map(len, side._free)) for side in sides)
            + len(stream._seen)
            + len(stream._heard)
        )

    assert max(held[1:]) <= 120
    assert len(stream.finish().seen_TD) > 0


def test_landmarks_of_any_kind_give_the_same_rows(network):
    whole = network.embed(POINTS, SAMPLES)
    landmarks = Landmarks(POINTS, "mp478")

    assert_same_rows(network.embed(landmarks, SAMPLES), whole)
    assert_same_rows(network.embed(select(landmarks, "talk131"), SAMPLES), whole)
    fewer = select(landmarks, "talk131").points_TKD
    assert_same_rows(network.embed(fewer, SAMPLES), whole)


def test_frames_that_are_not_square_are_made_square_again(network):
    wide = POINTS * torch.tensor([0.5, 1.0, 0.5])
    stream = network.stream()
    frames = torch.zeros(1, 3, 4, 8).expand(120, -1, -1, -1)
    pieces = (stream.push(frames, wide, SAMPLES), stream.finish())
    rows = tuple(torch.cat(parts) for parts in zip(*pieces, strict=True))

    assert_same_rows(rows, network.embed(POINTS, SAMPLES))


def test_what_outlasts_the_other_is_left_out(network):
    whole = network.embed(POINTS, SAMPLES)
    rows = network.embed(POINTS, SAMPLES[: 60 * 640])

    assert len(rows.seen_TD) == len(rows.heard_TD) == 60 - TOY.window + 1
    torch.testing.assert_close(rows.seen_TD, whole.seen_TD[: len(rows.seen_TD)])


@pytest.mark.parametrize(
    ("points", "samples", "message"),
    [
        (POINTS[:4], SAMPLES, "needs at least 5 frames .* got 4 frames"),
        (POINTS, SAMPLES[:0], "and 0 samples; leave the clip out"),
        (POINTS[..., :2], SAMPLES, r"landmarks must have shape \(T, K, 3\)"),
        (POINTS[:, :100], SAMPLES, "478"),
        (POINTS / 0, SAMPLES, "hold NaN or infinity"),
        (None, SAMPLES, "got none; find the faces first"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_reason(network, points, samples, message):
    with pytest.raises(ValueError, match=message):
        network.embed(points, samples)


def test_a_frozen_network_asks_for_no_gradient_and_stays_in_evaluation(network):
    network.train()

    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_shipped_network_is_small_and_says_what_it_hears():
    header = read_header(SHIPPED, stage=STAGE)

    assert SHIPPED.stat().st_size <= 4_000_000
    assert header.audio == to_plain(LogMelConfig())
    assert (header.system, header.layout) == (NAME, "talk131")
    assert load_sync_network().fingerprint in (SHIPPED.parent / "LMSYNC.md").read_text()


def test_the_shipped_network_hears_nothing_in_noise():
    network = load_sync_network()
    curve = cosine_lag_curve(*network.embed(POINTS, SAMPLES))

    assert float(curve.abs().max()) < 0.5
