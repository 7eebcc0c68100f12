"""What each preset of voice to motion loses, against the truth and against `paper`.

    python benchmarks/bench_motion_quality.py --checkpoint runs/motion/fd2talk/small --data DATA

As `viseme-motion test`, it shows the face as the clip's first frame has it: models that are told a
portrait are told that frame, all others go on from it.
"""

import argparse
from typing import Any

import torch
from torch import Tensor

from viseme_core.batches import MotionBatch
from viseme_core.types import NUM_EXPRESSION
from viseme_eval.functional.curves import curve_correlation
from viseme_face import MorphableModel, lip_opening
from viseme_face.layouts import LIP
from viseme_motion.build import MotionModel, load_model
from viseme_motion.datamodule import MotionDataConfig, MotionDataModule
from viseme_motion.generation import MotionStream
from viseme_motion.presets import PRESETS, find_preset

HEAD = [
    "Means over samples of lip-opening correlation and of the lips' landmark distance in mouth",
    "widths, to the truth and to what `paper` gives from the same noise.",
    "",
    "| preset | correlation, truth | distance, truth | correlation, paper | distance, paper |",
    "|---|---|---|---|---|",
]
NAMES = tuple(PRESETS["fd2talk"])


def main() -> None:
    """Print a table for each checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", nargs="*", default=[])
    parser.add_argument("--data", help="folder of prepared clips")
    parser.add_argument("--split", default="test", choices=("val", "test"))
    parser.add_argument("--samples", type=int, default=24, help="samples of 4 s")
    parser.add_argument("--presets", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if not (args.checkpoint and args.data):
        print("quality is not measured: give --checkpoint and --data")
        return
    torch.set_num_threads(args.threads)
    tables = [
        "\n".join(make_table(path, args.data, args.split, args.samples, args.presets))
        for path in args.checkpoint
    ]
    print("\n\n".join(tables))


def make_table(
    checkpoint: str, data: str, split: str, samples: int, presets: list[str]
) -> list[str]:
    """Return the lines of a checkpoint's table."""
    loaded = load_model(checkpoint)
    found = measure_quality(*loaded, data=data, split=split, samples=samples, presets=presets)
    cells = {name: " | ".join(f"{value:.3f}" for value in row) for name, row in found.items()}
    title = f"## Quality of {loaded[1].system}, {samples} samples of the split `{split}`"
    return [title, "", *HEAD, *(f"| {name} | {row} |" for name, row in cells.items())]


def measure_quality(
    model: MotionModel,
    config: Any,
    face_model: str,
    *,
    data: str,
    split: str,
    samples: int,
    presets: list[str],
) -> dict[str, list[float]]:
    """Return scores of each preset, and of the mean face, against the truth and `paper`."""
    face = MorphableModel.builtin()
    if face.name != face_model:
        raise ValueError(f"the model moves {face_model!r}, this benchmark measures {face.name!r}")
    module = MotionDataModule(
        MotionDataConfig(path=data, frames=config.windows.length, batch_size=8, num_workers=0)
    )
    loader = module.test_dataloader() if split == "test" else module.val_dataloader()
    rows: dict[str, list[list[float]]] = {name: [] for name in [*presets, "mean face"]}
    left = samples
    for whole in loader:
        batch = MotionBatch._make(values[:left] for values in whole)
        made = {name: generate(model, batch, name, config.system) for name in {*presets, "paper"}}
        mean_C = model.motion_scale.mean[:NUM_EXPRESSION]
        made["mean face"] = mean_C.expand_as(made["paper"])
        for i, mask_T in enumerate(batch.mask_BT):
            mask_T[0] = False  # given, not generated
            truth_TK3, paper_TK3 = (
                face.landmarks(batch.identity_BI[i], each[i, mask_T], "mp478")
                for each in (batch.expression_BTC, made["paper"])
            )
            for name, scores in rows.items():
                found_TK3 = face.landmarks(batch.identity_BI[i], made[name][i, mask_T], "mp478")
                scores.append([*compare(found_TK3, truth_TK3), *compare(found_TK3, paper_TK3)])
        left -= len(batch.mask_BT)
        if left <= 0:
            break
    return {name: torch.tensor(scores).nanmean(0).tolist() for name, scores in rows.items()}


def generate(model: MotionModel, batch: MotionBatch, preset: str, system: str) -> Tensor:
    """Return expression (B, T, 64) of faces whose first frame is the true one."""
    chosen = find_preset(preset, system)
    first_B1C = torch.cat([batch.expression_BTC, batch.pose_BT6], -1)[:, :1, : model.channels]
    start_BTC = first_B1C[:, :0] if model.config.portrait else first_B1C
    stream = MotionStream(
        model,
        chosen.sampler,
        seed=0,
        voices=batch.index_B.tolist(),
        windows=chosen.windows(model.windows),
        portrait_BC=batch.expression_BTC[:, 0],
        start_BTC=start_BTC,
    )
    made_BTC = torch.cat([start_BTC, stream.push(batch.audio_BTA), stream.finish()], 1)
    return made_BTC[..., :NUM_EXPRESSION]


def compare(found_TK3: Tensor, other_TK3: Tensor) -> tuple[float, float]:
    """Return lip-opening correlation and the lips' distance in mouth widths."""
    lips = list(LIP)
    width = (other_TK3[:, 61] - other_TK3[:, 291]).norm(dim=-1).mean()
    distance = (found_TK3 - other_TK3)[:, lips].norm(dim=-1).mean() / width
    return float(curve_correlation(lip_opening(found_TK3), lip_opening(other_TK3))), float(distance)


if __name__ == "__main__":
    main()
