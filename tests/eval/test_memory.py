"""Ten minutes of video take no more memory than one."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.memory import said_by
from viseme_data.write import VideoWriter

# A process of its own, whose largest size the system tells. Faces are not looked for in so few
# pixels: points that sway and tremble stand in for them, so that every measure of landmarks, pose
# and sound keeps what it keeps of a real face.
RUN = """
import json, sys
import numpy as np
import torch
from viseme_core.types import NUM_EXPRESSION, NUM_IDENTITY
from viseme_eval.run import evaluate as module
from viseme_eval.run.config import RunConfig
from viseme_face import MorphableModel

torch.set_num_threads(1)

class Swaying:
    def __enter__(self):
        shape = MorphableModel.builtin().landmarks(
            torch.zeros(NUM_IDENTITY), torch.zeros(NUM_EXPRESSION), "mp478"
        ).numpy()
        middle, size = shape.mean(0), np.ptp(shape[:, 1])
        self.face = (shape - middle) / size * [30, -30, -30] + [32, 32, 0]
        return self
    def __exit__(self, *_):
        pass
    def reset(self):
        self.now = 0
    def track(self, frame):
        self.now += 1
        sway = [np.sin(self.now / 9), np.cos(self.now / 7), 0]
        lips = 0.3 * np.sin(self.now / 3 + np.arange(478))[:, None]
        return [(self.face + sway + lips).astype(np.float32)]

module.FaceTracker = Swaying
film, out = sys.argv[1:]
names = "psnr,ssim,cpbd,lmsync_cosine,lmd_mouth,lmd_velocity,lip_correlation,lip_opening"
names += ",blink_rate,pose_diversity,beat_align,jitter_share"
report = module.evaluate(RunConfig(
    generated=film, reference=film, out=out, size=64, device="cpu", only=tuple(names.split(",")),
))
(row,) = report.rows
print(json.dumps({
    "peak": held_kb(),
    "frames": row.num_frames,
    "missing": [name for name, reading in row.findings.values.items() if reading.value is None],
}))
"""


def film_of(path: Path, seconds: int) -> Path:
    """A small picture that changes, with a burst of sound four times a second."""
    draw = np.random.default_rng(0)
    pictures = [draw.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(25)]
    times = np.arange(16_000) / 16_000
    second = (0.5 * np.sin(2 * np.pi * 220 * times) * (times % 0.25 < 0.1)).astype(np.float32)
    with VideoWriter(path, (64, 64), preset="ultrafast", threads=1, audio=16_000) as writer:
        for _ in range(seconds):
            for picture in pictures:
                writer.write(picture)
            writer.write_audio(second)
    return path


def run_over(folder: Path, seconds: int) -> dict[str, int]:
    """What the process says of a run over a video of some length."""
    film = film_of(folder / f"{seconds}.mp4", seconds)
    return json.loads(said_by(RUN, film, folder / f"out{seconds}"))


@pytest.mark.slow
def test_ten_minutes_take_no_more_memory_than_one(tmp_path):
    short, long = (run_over(tmp_path, seconds) for seconds in (60, 600))
    assert (short["frames"], long["frames"]) == (1_500, 15_000)
    assert short["missing"] == long["missing"] == []
    assert long["peak"] <= 1.2 * short["peak"], (short["peak"], long["peak"])
