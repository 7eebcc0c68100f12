"""One film from options to the finished file."""

import os

import torch

from viseme_pipeline.arguments import Task
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.film import Film, check_target
from viseme_pipeline.marks.config import Marks
from viseme_pipeline.progress import progress_bar
from viseme_pipeline.stages import load_chain


def make_film(task: Task, chain: TalkingFace | None = None, *, name: str = "") -> Film:
    """Return the film that a task asks for.

    Args:
        task: What is wanted.
        chain: The chain, if it is loaded already.
        name: What the progress bar says.
    """
    # What is quickly refused is refused before networks are loaded.
    check_target(task.out, overwrite=task.overwrite)
    if task.marks is not None:
        Marks.read(task.marks)
    chain = chain or load_chain(task.chain)
    with progress_bar(name or "talking") as on_frames:
        return chain.generate(
            task.audio,
            task.image,
            video=task.video,
            out=task.out,
            wishes=task.wishes,
            marks=task.marks,
            overwrite=task.overwrite,
            on_frames=on_frames,
        )


def describe(film: Film) -> str:
    """Return what was made and how fast, in one line."""
    width, height = film.size
    return (
        f"{film.path}: {film.num_frames} frames, {film.seconds:.2f} s, {width} x {height}, made in "
        f"{film.took_sec:.1f} s ({film.frames_per_sec:.1f} frames/s)"
    )


def share_cores() -> None:
    """Leave half of the cores to each of the chain's two busy threads.

    A net that takes all of them would wait for the other one.
    """
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
