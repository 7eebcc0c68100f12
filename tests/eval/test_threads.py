"""Pixel metrics leave the number of threads as it was, whatever happens."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import viseme_eval.functional.cpbd as cpbd_file
import viseme_eval.functional.image as image_file
from tests.eval.pictures import face
from viseme_eval.functional.threads import on_one_thread


@pytest.fixture(autouse=True)
def _two_threads() -> None:
    torch.set_num_threads(2)


def test_operations_inside_use_one_thread_and_those_after_as_many_as_before() -> None:
    with on_one_thread(torch.zeros(1)):
        assert torch.get_num_threads() == 1
        with on_one_thread(torch.zeros(1)):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_an_error_inside_leaves_no_trace() -> None:
    with pytest.raises(KeyError), on_one_thread(torch.zeros(1)):
        raise KeyError
    assert torch.get_num_threads() == 2


def test_another_device_does_not_matter_to_threads() -> None:
    with on_one_thread(torch.zeros(1, device="meta")):
        assert torch.get_num_threads() == 2


def test_metrics_run_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(inner: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def outer(*args: Tensor) -> Tensor:
            seen.append(torch.get_num_threads())
            return inner(*args)

        return outer

    monkeypatch.setattr(cpbd_file, "_cpbd_of", spy(cpbd_file._cpbd_of))
    monkeypatch.setattr(image_file, "_ssim_map", spy(image_file._ssim_map))
    frames = face(64)
    cpbd_file.cpbd(frames)
    image_file.ssim(frames, frames)
    assert seen == [1, 1]
    assert torch.get_num_threads() == 2
