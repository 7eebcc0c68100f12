"""The encoders of the sync network."""

import numpy as np
import pytest
import torch

from viseme_eval.syncnet.net import StreamEncoder, without_level


def test_the_level_is_the_mean_over_the_frames_around_that_are_there():
    values = torch.randn(2, 17, 3, dtype=torch.float64)
    found = without_level(values, 4)

    for t in range(17):
        around = values[:, max(0, t - 4) : t + 5].numpy().mean(1)
        np.testing.assert_allclose(found[:, t], values[:, t].numpy() - around)


def test_what_a_clip_is_like_all_the_time_says_nothing():
    values = torch.randn(1, 30, 3)
    other = values + torch.tensor([5.0, -2.0, 0.5])

    torch.testing.assert_close(without_level(other, 6), without_level(values, 6))


@pytest.mark.parametrize(("window", "num"), [(3, 3), (5, 9), (11, 24)])
def test_a_row_sees_its_window_and_no_other_frame(window, num):
    torch.manual_seed(0)
    encoder = StreamEncoder(6, 16, 4, window, dropout=0.0)
    frames = torch.randn(1, num, 6, requires_grad=True)
    rows = encoder(frames)

    assert rows.shape == (1, num - window + 1, 4)
    for t in range(rows.shape[1]):
        (gradient,) = torch.autograd.grad(rows[0, t].sum(), frames, retain_graph=True)
        touched = gradient[0].abs().amax(1).nonzero().flatten().tolist()
        assert touched == list(range(t, t + window))


def test_the_skips_lead_to_the_middle_of_the_window():
    torch.manual_seed(0)
    encoder = StreamEncoder(6, 16, 4, 7, dropout=0.0)
    for parameter in encoder.convolutions.parameters():
        torch.nn.init.zeros_(parameter)
    frames = torch.randn(2, 12, 6)

    torch.testing.assert_close(encoder(frames), encoder.leave(encoder.enter(frames[:, 3:-3])))


def test_samples_of_a_batch_do_not_mix():
    torch.manual_seed(0)
    encoder = StreamEncoder(6, 16, 4, 5, dropout=0.0)
    frames = torch.randn(3, 12, 6)
    order = torch.tensor([2, 0, 1])

    torch.testing.assert_close(encoder(frames[order]), encoder(frames)[order])
