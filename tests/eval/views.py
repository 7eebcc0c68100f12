"""Frames, landmarks and sound of a clip, as measures get them, and measures run over them."""

import torch

from viseme_eval.run.measure import Chunk, ClipFacts, View

NUM = 30


def facts_of(work):
    """A clip of NUM frames of 32 px."""
    return ClipFacts(name="clip", num_frames=NUM, size=(32, 32), work=work)


def view_of(start, stop, seed=0, *, seen=None):
    """Frames of noise and landmarks whose first number is the frame's."""
    draw = torch.Generator().manual_seed(seed)
    frames = torch.rand(NUM, 3, 32, 32, generator=draw) * 2 - 1
    points = torch.rand(NUM, 478, 3, generator=draw)
    points[:, 0, 0] = torch.arange(NUM)
    sound = torch.randn(NUM * 640, generator=draw)
    found = torch.ones(NUM, dtype=torch.bool) if seen is None else torch.tensor(seen)
    return View(
        start=start,
        frames_T3HW=frames[start:stop],
        landmarks_TK3=points[start:stop],
        seen_T=found[start:stop],
        pose_T6=None,
        audio_S=sound[start * 640 : stop * 640],
    )


def run_video(measure, clip, batch, **how):
    measure.start(clip)
    for start in range(0, NUM, batch):
        measure.update(view_of(start, min(start + batch, NUM), **how))
    return measure.finish()


def run_pair(measure, clip, batch, other=1, **how):
    measure.start(clip)
    for start in range(0, NUM, batch):
        stop = min(start + batch, NUM)
        measure.update(Chunk(view_of(start, stop, **how), view_of(start, stop, other)))
    return measure.finish()
