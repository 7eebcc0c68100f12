import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.data.prepared import TRAIN, VAL, Prepared, number_in
from viseme_data.latents import LatentFile, cache_latents

NAME = "toy@01234567"
SIZES = {f"{number:016x}": num for number, (num, _) in {**TRAIN, **VAL}.items()}


def numbers_as_latents(frames_T3HW: Tensor) -> Tensor:
    """An autoencoder that makes of a picture the number it shows."""
    numbers = torch.tensor([float(number_in(frame)) for frame in frames_T3HW])
    return numbers[:, None, None, None].expand(-1, 4, 2, 2).half()


@pytest.fixture
def folder(prepared: Prepared, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared.path, tmp_path / "prepared"))


def test_every_frame_of_every_clip_gets_its_latent(folder):
    report = cache_latents(folder, numbers_as_latents, encoder=NAME, frames=7)
    assert (report.encoded, report.found) == (len(SIZES), 0)
    for clip_id, num in SIZES.items():
        file = LatentFile(folder, clip_id, encoder=NAME)
        assert file.shape == (num, 4, 2, 2)
        wanted = [num - 1, 0, num // 2]
        assert file.read(wanted)[:, 2, 1, 0].tolist() == wanted


def test_an_interrupted_run_goes_on_with_the_clips_that_are_left(folder):
    seen: list[int] = []

    def failing(frames_T3HW: Tensor) -> Tensor:
        seen.append(len(frames_T3HW))
        if len(seen) == 4:
            raise KeyboardInterrupt
        return numbers_as_latents(frames_T3HW)

    with pytest.raises(KeyboardInterrupt):
        cache_latents(folder, failing, encoder=NAME, frames=100)
    report = cache_latents(folder, numbers_as_latents, encoder=NAME)
    assert (report.encoded, report.found) == (len(SIZES) - 3, 3)
    assert cache_latents(folder, failing, encoder=NAME).encoded == 0


def test_latents_of_another_encoder_are_refused(folder):
    cache_latents(folder, numbers_as_latents, encoder=NAME)
    with pytest.raises(ValueError, match=r"made by 'toy@01234567', not by 'toy@76543210'"):
        cache_latents(folder, numbers_as_latents, encoder="toy@76543210")
    with pytest.raises(ValueError, match="not by 'other@01234567'"):
        LatentFile(folder, next(iter(SIZES)), encoder="other@01234567")
    with pytest.raises(ValueError, match="NAME@HASH8"):
        cache_latents(folder, numbers_as_latents, encoder="toy")


def test_latents_that_are_missing_or_cut_off_are_refused(folder):
    clip_id = next(iter(SIZES))
    with pytest.raises(ValueError, match="has no latents"):
        LatentFile(folder, clip_id, encoder=NAME)
    cache_latents(folder, numbers_as_latents, encoder=NAME)
    file = folder / "clips" / f"{clip_id}.latents.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(ValueError, match="cut off"):
        LatentFile(folder, clip_id, encoder=NAME)


def test_an_encoder_that_loses_frames_is_refused(folder):
    with pytest.raises(ValueError, match=r"with T = 16, got \(15, 3, 32, 32\)"):
        cache_latents(folder, lambda frames: frames[1:], encoder=NAME)
