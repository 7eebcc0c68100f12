"""The command line of our own sync network.

python -m viseme_eval.syncnet fit --config packages/eval/configs/syncnet/tiny.yaml
python -m viseme_eval.syncnet score --data runs/data/syncnet
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import chain

import torch

from viseme_core.train.cli import StageCLI
from viseme_core.types import FPS
from viseme_data.manifest import SPLITS, Split
from viseme_eval.syncnet.datamodule import SyncDataModule, whole_clips
from viseme_eval.syncnet.module import SyncModule
from viseme_eval.syncnet.network import load_sync_network
from viseme_eval.syncnet.scoring import ClipScore, add_up, draw_offsets, score_clip

_NEAR = 1.0


def main(args: Sequence[str] | None = None) -> None:
    """Run a command: `fit` and `validate` of every stage, or `score`."""
    args = list(sys.argv[1:] if args is None else args)
    if args[:1] == ["score"]:
        sys.exit(_score(args[1:]))
    StageCLI(SyncModule, SyncDataModule, args=args)


def _score(args: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m viseme_eval.syncnet score",
        description="Accuracy and known offsets on prepared clips that are in sync.",
    )
    parser.add_argument("--data", required=True, help="Folder of prepared or synthetic clips.")
    parser.add_argument("--split", nargs="+", default=["test"], choices=SPLITS)
    parser.add_argument("--network", help="Stage file; by default the network that is shipped.")
    parser.add_argument("--offsets", type=int, default=5, help="Known offsets for each clip.")
    given = parser.parse_args(args)
    try:
        print(score_table(given.data, given.split, given.network, given.offsets))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


@torch.no_grad()
def score_table(data: str, splits: Sequence[Split], path: str | None, num_offsets: int) -> str:
    """Return a table of how a network fares on the clips of some splits, those it misses by name.

    Args:
        data: Folder of prepared clips.
        splits: Which of them.
        path: The network's file; None is the one that is shipped.
        num_offsets: Known offsets for each clip.
    """
    network = load_sync_network(path)
    scores: dict[str, ClipScore] = {}
    num_frames = short = 0
    clips = chain.from_iterable(whole_clips(data, split) for split in splits)
    for number, clip in enumerate(clips):
        if len(clip.points_TK3) < network.window:
            short += 1
            continue
        offsets = draw_offsets(number, num_offsets)
        name = f"{clip.row.source}@{clip.row.start_frame}"
        scores[name] = score_clip(network, clip.points_TK3, clip.audio_S, offsets)
        num_frames += len(clip.points_TK3)
    if not scores:
        raise ValueError(f"{data!r} has no clip with sound in {' and '.join(splits)}; try --split")
    minutes = num_frames / FPS / 60
    where = f"{data}, {' and '.join(splits)}"
    lines = [
        f"{network.label} on {where}: {len(scores)} clips, {minutes:.1f} min",
        *_rows(scores, network.window),
    ]
    if short:
        lines.append(f"{short} clips were too short for one window")
    return "\n".join(lines)


def _rows(scores: Mapping[str, ClipScore], window: int) -> list[str]:
    windows = add_up(score.window for score in scores.values()).accuracy
    seconds = add_up(score.second for score in scores.values()).accuracy
    errors = torch.tensor([score.errors for score in scores.values()]).double()
    # Once shifted, the shortest clips have no lag curve.
    is_open = errors.isfinite().all(1)
    is_near = errors.abs() <= _NEAR
    rows = [
        f"accuracy, one window of {window} frames  {float(windows):.4f}",
        f"accuracy, one second              {float(seconds):.4f}",
        f"known offsets within one frame    {float(is_near[is_open].double().mean()):.4f}",
        f"clips with all of them            {float(is_near[is_open].all(1).double().mean()):.4f}",
    ]
    for name, error_O, is_missed in zip(scores, errors, is_open & ~is_near.all(1), strict=True):
        if is_missed:
            rows.append(f"  off by {', '.join(f'{e:+g}' for e in error_O.tolist())}: {name}")
    if not is_open.all():
        rows.append(f"{int((~is_open).sum())} clips are too short for known offsets")
    return rows
