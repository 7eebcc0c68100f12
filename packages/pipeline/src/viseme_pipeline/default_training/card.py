"""What is known of how a default was made, beside its weights."""

import subprocess
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from viseme_core.types import FPS
from viseme_data.manifest import ClipRow

if TYPE_CHECKING:
    from viseme_pipeline.default_training.recipe import Recipe

# In the card of the embedded default these words come first, after the title.
WHAT = (
    "DisentTalk that hears voices through a listener, learned from {minutes:.1f} minutes of "
    "{people} real people and {spoken:g} minutes of {speakers} synthetic speakers; FD2Talk's pose "
    "transformer moves the head."
)


def write_card(path: Path, rows: list[ClipRow], recipe: "Recipe") -> Path:
    """Return the file that says from what a chain was made, by which command and code.

    Args:
        path: File to write.
        rows: The real clips.
        recipe: What was done.
    """
    minutes = sum(row.num_frames for row in rows) / FPS / 60
    people = len({row.speaker for row in rows})
    what = WHAT.format(
        minutes=minutes, people=people, spoken=recipe.minutes, speakers=recipe.speakers
    )
    lines = [
        "# A chain by `viseme train-default`",
        "",
        what,
        "",
        "| | |",
        "|---|---|",
        f"| real clips | {len(rows)} of {people} people, {minutes:.1f} minutes, sound shifted to "
        "be in sync; disturbed copies of each |",
        f"| synthetic | {recipe.speakers} speakers, {recipe.minutes:g} minutes, English and "
        f"Mandarin by espeak-ng, seed {recipe.seed} |",
        f"| hears with | the first blocks of {Path(recipe.speech).name} |",
        f"| made by | `{_command(recipe)}`, {_commit()}, torch "
        f"{torch.__version__}, {datetime.now(UTC):%Y-%m-%d} |",
        "",
        "Figures of people whom it was not trained on: `viseme train-default VIDEOS --out OUT "
        "--groups 5`, then `python benchmarks/bench_left_out.py OUT`.",
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _command(recipe: "Recipe") -> str:
    """Return the command that was given, with no path of the machine that it ran on."""
    words = ["viseme train-default VIDEOS --out OUT"]
    for field in fields(recipe):
        value = getattr(recipe, field.name)
        if field.name in ("videos", "out", "workers", "one_thread") or value == field.default:
            continue
        if field.name == "extra":
            words += [f"--extra={switch}" for switch in value]
        else:
            name = Path(value).name if field.name in ("speech", "people") else value
            words.append(f"--{field.name} {name}")
    return " ".join(words)


def _commit() -> str:
    """Return the commit of the code that runs."""
    try:
        told = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
            check=False,
            capture_output=True,
            text=True,
        )
    except OSError:
        return "commit unknown"
    return f"commit {told.stdout.strip()}" if told.returncode == 0 else "commit unknown"
