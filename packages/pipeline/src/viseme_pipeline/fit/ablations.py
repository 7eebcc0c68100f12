"""The rows of TalkFormer's tables III and IV, and how what is measured here compares with them."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Row:
    """One line of a table of the paper's."""

    table: str
    name: str
    """As the paper has it."""
    switches: Mapping[str, object]
    """Settings below `model.config` that make it."""
    published: tuple[float, ...]
    """The paper's numbers, in the order of `PUBLISHED`."""
    windows: int = 4
    """Windows of a step."""


PUBLISHED = ("PSNR", "SSIM", "LPIPS", "FID", "CSIM", "SyncScore")
"""The paper's columns; pictures are compared in the lower half."""

_TRUE, _FALSE = "true", "false"
OURS = Row("III, IV", "Ours (N = 5)", {}, (24.49, 0.83, 0.097, 29.15, 0.795, 5.46))
"""What all other rows differ from by what their name says."""
ROWS = (
    OURS,
    Row(
        "III",
        "w/o M-Align",
        # Where landmarks stand beside the latent as well, they would be told apart by place anyway.
        {"talkformer.m_align": _FALSE, "talkformer.landmarks_beside": _FALSE},
        (20.82, 0.75, 0.159, 50.28, 0.687, 1.12),
    ),
    Row(
        "III",
        "w/o R-Align",
        {"talkformer.r_align": _FALSE},
        (24.28, 0.82, 0.114, 43.36, 0.790, 1.54),
    ),
    Row(
        "III",
        "w/o B-Sequential",
        {"landmarks.num_frames": 1, "talkformer.b_sequential": _FALSE, "talkformer.window": 1},
        (23.88, 0.81, 0.118, 35.91, 0.777, 5.35),
        # As many frames as the other rows have.
        windows=20,
    ),
    Row("III", "w/o End2End", {"end_to_end": _FALSE}, (23.85, 0.82, 0.096, 30.96, 0.786, 4.93)),
    Row(
        "III",
        "+ CompleteRef",
        {"talkformer.complete_ref": _TRUE},
        (25.12, 0.86, 0.091, 23.66, 0.794, 5.48),
    ),
    Row(
        "III",
        "+ TempAttn",
        {"talkformer.temp_attn": _TRUE},
        (26.34, 0.86, 0.083, 23.62, 0.791, 5.59),
    ),
    Row("IV", "N = 1", {"landmarks.num_references": 1}, (23.66, 0.80, 0.111, 31.74, 0.781, 4.55)),
    Row("IV", "N = 3", {"landmarks.num_references": 3}, (24.33, 0.82, 0.098, 29.83, 0.793, 5.25)),
    Row("IV", "N = 10", {"landmarks.num_references": 10}, (24.31, 0.84, 0.098, 29.35, 0.794, 5.48)),
)
BASE: Mapping[str, object] = {
    "talkformer.m_align": _TRUE,
    "talkformer.r_align": _TRUE,
    "talkformer.b_sequential": _TRUE,
    "talkformer.complete_ref": _FALSE,
    "talkformer.temp_attn": _FALSE,
    "talkformer.window": 5,
    "end_to_end": _TRUE,
    "landmarks.num_frames": 5,
    "landmarks.num_references": 5,
}
"""The paper's base, whatever a config file says: TempAttn and CompleteRef are rows of their own."""

COLUMNS = {
    "psnr_lower": ("PSNR", 2),
    "ssim_lower": ("SSIM", 3),
    "psnr_mouth": ("PSNR mouth", 2),
    "lips_missed": ("lips missed", 3),
    "seen_correlation": ("lip correlation", 3),
    "lip_distance": ("landmarks missed", 3),
}
"""Scores by name, how the table calls them, and their decimals."""
_BARS = {
    "reference copied": {
        "psnr_lower": "psnr_lower_copy",
        "ssim_lower": "ssim_lower_copy",
        "psnr_mouth": "psnr_mouth_copy",
        "lips_missed": "lips_missed_copy",
    },
    "true pictures": {
        "lips_missed": "lips_missed_true",
        "seen_correlation": "seen_correlation_true",
    },
}
"""What is not trained, and by which of a run's scores it is known."""
LEARNED = {"seen_correlation": 0.3}
"""From where on the base has learned what a score is of: differences below are chance."""
MEASURED_AS = {"PSNR": "psnr_lower", "SSIM": "ssim_lower", "SyncScore": "seen_correlation"}
"""Which score stands for a paper's number; the others need weights that are not free to ship."""

Scores = Mapping[str, float]


def switches_of(row: Row) -> list[str]:
    """Return the command-line switches of a row, those of the base among them."""
    return [f"--model.config.{name}={value}" for name, value in settings_of(row).items()]


def settings_of(row: Row) -> dict[str, object]:
    """Return the settings of a row below `model.config`, those of the base among them."""
    return {**BASE, **row.switches}


def as_markdown(found: Mapping[Row, Sequence[Scores]], seeds: int) -> str:
    """Return the table of all rows, those without scores as well.

    Args:
        found: Scores of each row's runs, as `test` writes them without `test/`.
        seeds: How many runs of each row there shall be.
    """
    names = [f"{name} (paper)" for name in PUBLISHED]
    heads = ["table", "row", "runs", *(name for name, _ in COLUMNS.values())]
    heads += ["against ours, as the paper?", *names]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    ours = found.get(OURS, [])
    for row in ROWS:
        runs = found.get(row, [])
        cells = [row.table, row.name, f"{len(runs)} of {seeds}"]
        cells += [_cell([run[key] for run in runs if key in run], key) for key in COLUMNS]
        cells += [compare(row, runs, ours), *(f"{value:g}" for value in row.published)]
        lines.append("| " + " | ".join(cells) + " |")
    for name, keys in _BARS.items():
        cells = ["", name, ""]
        for key in COLUMNS:
            values = [run[keys[key]] for run in ours if key in keys and keys[key] in run]
            cells.append(_cell(values, key))
        lines.append("| " + " | ".join([*cells, *([""] * (1 + len(PUBLISHED)))]) + " |")
    return "\n".join(lines) + "\n"


def compare(row: Row, runs: Sequence[Scores], ours: Sequence[Scores]) -> str:
    """Return, number by number, whether a row differs from ours as in the paper.

    Args:
        row: A row.
        runs: Scores of its runs.
        ours: Scores of the base's runs.

    Returns:
        `yes`, `no`, or `too near`, where the difference is less than the base's runs differ among
        themselves (their standard deviation); `one run` where that is not known; `not learned`
        where the base is below `LEARNED`. Empty for the base itself and where something was not
        run.
    """
    if row is OURS:
        return ""
    said = []
    for number, name in enumerate(PUBLISHED):
        key = MEASURED_AS.get(name)
        if key is None:
            continue
        # Where no face was found in a row's pictures, nothing is known of its lips.
        here, base = (
            [run[key] for run in some if math.isfinite(run.get(key, math.nan))]
            for some in (runs, ours)
        )
        if not here or not base:
            continue
        if statistics.mean(base) < LEARNED.get(key, -math.inf):
            said.append(f"{name} not learned")
            continue
        difference = statistics.mean(here) - statistics.mean(base)
        published = row.published[number] - OURS.published[number]
        word = "yes" if difference * published > 0 else "no" if published else "the paper's equal"
        if len(base) == 1:
            word += ", one run"
        elif abs(difference) < statistics.stdev(base):
            word = "too near"
        said.append(f"{name} {word}")
    return "; ".join(said)


def _cell(values: Sequence[float], key: str) -> str:
    if not values:
        return "-"
    decimals = COLUMNS[key][1]
    spread = f" +- {statistics.stdev(values):.{decimals}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{decimals}f}{spread}"
