import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from viseme_core import AudioClip
from viseme_core.train.media import encode_gif, log_samples


def test_a_gif_keeps_number_order_and_rate_of_frames():
    levels = torch.linspace(-1, 1, 6)
    frames = levels[:, None, None, None].expand(6, 3, 8, 10)
    with Image.open(io.BytesIO(encode_gif(frames))) as gif:
        assert gif.size == (10, 8)
        assert getattr(gif, "n_frames", 1) == 6
        assert gif.info["duration"] == 40
        shown = []
        for index in range(6):
            gif.seek(index)
            shown.append(np.asarray(gif.convert("RGB")).mean())
    np.testing.assert_allclose(shown, ((levels + 1) * 127.5).round(), atol=1)


def test_a_gif_of_one_picture_without_time_is_refused():
    with pytest.raises(ValueError, match="frames_T3HW must have shape"):
        encode_gif(torch.zeros(3, 8, 8))


def test_samples_arrive_in_tensorboard_by_what_they_are(tmp_path):
    writer = SummaryWriter(tmp_path)
    figure = Figure()
    figure.subplots().plot([0, 1])
    samples = {
        "video": torch.zeros(2, 3, 8, 8),
        "picture": torch.ones(3, 4, 6),
        "sound": AudioClip(torch.zeros(160)),
        "plot": figure,
        "note": "said",
    }
    log_samples(writer, samples, step=7)
    writer.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["images"]) == {"video", "picture", "plot"}
    assert events.Tags()["audio"] == ["sound"]
    assert events.Images("picture")[0].step == 7
    picture = Image.open(io.BytesIO(events.Images("picture")[0].encoded_image_string))
    assert picture.size == (6, 4)
    assert np.asarray(picture).min() == 255
    video = Image.open(io.BytesIO(events.Images("video")[0].encoded_image_string))
    assert video.format == "GIF"
