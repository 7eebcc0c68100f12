from pathlib import Path

import pytest
import torch

from tests.render.speakers import LENGTHS, SIZE, make_folder
from viseme_core.train.loader import Visit
from viseme_core.types import Landmarks
from viseme_data.clips import read_clip
from viseme_data.manifest import read_manifest
from viseme_data.pictures import CropVideo
from viseme_face.driving import coefficients
from viseme_face.layouts import lip_opening, select
from viseme_render.datamodule import (
    RenderDataConfig,
    RenderDataModule,
    resized,
    with_pictures,
)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("people") / "clips")


def data_of(people: Path, **options) -> RenderDataModule:
    return RenderDataModule(RenderDataConfig(path=str(people), num_workers=0, **options))


def clip_of(people: Path, split: str):
    """The clip of a split with its pictures and coefficients."""
    (row,) = (row for row in read_manifest(people) if row.split == split)
    clip = read_clip(people / "clips" / f"{row.clip_id}.safetensors")
    video = CropVideo(people / "clips" / f"{row.clip_id}.mp4")
    pictures = video.read(range(row.num_frames))
    rows = coefficients(clip.motion.expression, clip.motion.pose, clip.crop)
    points = select(Landmarks(clip.landmarks_TK3, "mp478"), "talk131").points_TKD[..., :2]
    return pictures, rows, points


def frame_of(rows: torch.Tensor, window: torch.Tensor) -> int:
    """Which frame of a clip a row of coefficients is of."""
    return int((rows - window).abs().sum(-1).argmin())


def test_everything_in_a_training_sample_is_of_the_same_frames(people):
    pictures, rows, points = clip_of(people, "train")
    dataset = data_of(people, frames=5)._dataset("train", 3)
    sample = dataset[Visit(0, epoch=2)]
    numbers = [frame_of(rows, window[13]) for window in sample.motion_window_BTWC]
    own = frame_of(rows, sample.own_motion_BC)
    assert len({*numbers, own}) == 6
    assert torch.equal(sample.frames_BT3HW, pictures[numbers])
    assert torch.equal(sample.reference_B3HW, pictures[own])
    assert torch.equal(sample.own_landmarks_BK2, points[own])
    for number, window, found in zip(
        numbers, sample.motion_window_BTWC, sample.landmarks_BTK2, strict=True
    ):
        around = [min(max(n, 0), len(rows) - 1) for n in range(number - 13, number + 14)]
        assert torch.equal(window, rows[around])
        assert torch.equal(found, points[number])


def test_training_frames_are_drawn_anew_each_epoch_and_by_the_seed_alone(people):
    def drawn(seed: int, epoch: int) -> torch.Tensor:
        dataset = data_of(people, frames=3)._dataset("train", seed)
        return dataset[Visit(0, epoch=epoch)].own_motion_BC

    assert torch.equal(drawn(1, 4), drawn(1, 4))
    assert not torch.equal(drawn(1, 4), drawn(1, 5))
    assert not torch.equal(drawn(1, 4), drawn(2, 4))


def test_evaluation_goes_through_clips_in_order_and_takes_the_portrait_from_elsewhere(people):
    _, rows, _ = clip_of(people, "val")
    batches = list(data_of(people, evaluation_frames=6, batch_size=3).val_dataloader())
    windows = torch.cat([batch.motion_window_BTWC for batch in batches])
    numbers = [[frame_of(rows, window[13]) for window in sample] for sample in windows]
    starts = [0, 6, 12, LENGTHS["val"] - 6]
    assert numbers == [list(range(start, start + 6)) for start in starts]
    own = torch.cat([batch.own_motion_BC for batch in batches])
    for row, inside in zip(own, numbers, strict=True):
        assert frame_of(rows, row) not in inside


def test_moments_are_those_of_the_training_clips(people):
    _, rows, _ = clip_of(people, "train")
    mean, deviation = data_of(people).moments()
    torch.testing.assert_close(mean, rows.double().mean(0).float())
    expected = rows.double().std(0, correction=0).float()
    torch.testing.assert_close(deviation, expected, atol=1e-5, rtol=1e-4)
    assert not deviation[70:].any()


def test_pictures_come_as_bytes_and_leave_in_the_models_size(people):
    batch = next(iter(data_of(people, frames=2, batch_size=1).train_dataloader()))
    assert batch.frames_BT3HW.dtype == torch.uint8
    found = with_pictures(batch, SIZE // 2)
    assert found.frames_BT3HW.shape == (1, 2, 3, SIZE // 2, SIZE // 2)
    whole = batch.frames_BT3HW.float() / 127.5 - 1
    corner = whole[0, 1, :, :2, :2].mean((1, 2))
    torch.testing.assert_close(found.frames_BT3HW[0, 1, :, 0, 0], corner)
    assert with_pictures(batch).reference_B3HW.shape == (1, 3, SIZE, SIZE)


@pytest.mark.parametrize("size", [16, 24, 64, 96])
def test_pictures_of_one_colour_stay_so_in_any_size(size):
    pictures = torch.tensor([0.3, -0.5, 0.9]).view(1, 3, 1, 1).expand(2, 3, 64, 64)
    found = resized(pictures, size)
    assert found.shape == (2, 3, size, size)
    torch.testing.assert_close(found, pictures[:, :, :1, :1].expand_as(found))


def test_films_are_as_long_and_as_wide_as_their_pictures(people, tmp_path):
    path = tmp_path / "films" / "one.mp4"
    shades = torch.linspace(-1, 1, 5)[:, None, None, None].expand(5, 3, 32, 64)
    data_of(people).write_film(path, shades)
    found = CropVideo(path).read(range(5)).float() / 127.5 - 1
    torch.testing.assert_close(found, shades.contiguous(), atol=0.05, rtol=0)


def test_lips_that_open_are_found_to_open(people):
    pytest.importorskip("mediapipe")
    from tests.face.portraits import sitter

    person = sitter(0, size=256)
    share = torch.tensor([0.0, 1.0, 0.5])
    expression = person.closed_E + share[:, None] * person.opening_E
    pose = person.reference.pose.expand(3, -1)
    points = person.points(expression, pose)[:, list(range(468))] / 256
    data = data_of(people)
    found = lip_opening(data.found_points(person.truth(expression, pose), points))
    assert float(found[0]) < float(found[2]) < float(found[1])
    blank = torch.zeros(1, 3, 256, 256)
    assert data.found_points(blank, points[:1]).isnan().all()
