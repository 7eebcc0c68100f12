"""What the watermark costs and survives, and how often it is seen where there is none.

    python benchmarks/bench_marks.py --clips FOLDER [--limit 12] [--side 256] [--windows 10000]

Clips are cut square, marked, written as `viseme generate` writes, attacked and read again. Windows
for false alarms are two seconds of the unmarked clips, every few frames, and of drawn noise that
moves; each is asked every question of the detector.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from viseme_data.media import MediaError, read_frames
from viseme_data.write import VideoWriter
from viseme_pipeline.marks import Watermark, detect
from viseme_pipeline.marks.detection import LOG10_ALARM, log10_tail, squared_cosines, vectors
from viseme_pipeline.marks.listening import WINDOW, Window, hear, shrink
from viseme_pipeline.marks.pattern import GRID
from viseme_pipeline.marks.views import VIEWS

SIZES = ((64, 64), (256, 256), (512, 512), (1280, 720), (3840, 2160))


@dataclass(frozen=True)
class Attack:
    """What happens to a film on its way."""

    name: str
    crf: int
    scale: float = 1.0
    trim: int = 0


ATTACKS = (
    Attack("crf 23", 23),
    Attack("crf 28", 28),
    Attack("crf 32", 32),
    Attack("crf 28, 0.75", 28, 0.75),
    Attack("crf 28, half", 28, 0.5),
    Attack("crf 28, half, trimmed", 28, 0.5, 7),
)


def read_square(path: Path, side: int, num_frames: int | None) -> Iterator[np.ndarray]:
    """Yield frames of a clip, cut to a square around the middle and scaled."""
    for frame_HW3 in itertools.islice(read_frames(path, threads=1), num_frames):
        height, width = frame_HW3.shape[:2]
        edge = min(height, width)
        top, left = (height - edge) // 2, (width - edge) // 2
        square = np.ascontiguousarray(frame_HW3[top : top + edge, left : left + edge])
        yield cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)


def attacked(source: Path, target: Path, attack: Attack) -> Path:
    """Write a film again, scaled and coded as an attack says."""
    frames = itertools.islice(read_frames(source, threads=1), attack.trim, None)
    writer: VideoWriter | None = None
    for frame_HW3 in frames:
        size = tuple(int(edge * attack.scale) // 2 * 2 for edge in frame_HW3.shape[1::-1])
        if writer is None:
            writer = VideoWriter(target, (size[0], size[1]), crf=attack.crf, preset="medium")
            writer.__enter__()
        small = cv2.resize(np.ascontiguousarray(frame_HW3), size, interpolation=cv2.INTER_AREA)
        writer.write(small)
    assert writer is not None
    writer.__exit__(None, None, None)
    return target


def measure_clip(path: Path, side: int, folder: Path) -> dict[str, float] | None:
    """Return PSNR, SSIM and the detector's exponent after each attack, of one clip."""
    longest = WINDOW + max(attack.trim for attack in ATTACKS)
    try:
        frames_THW3 = np.stack(list(read_square(path, side, longest)))
    except (MediaError, ValueError):
        return None
    if len(frames_THW3) < longest:
        return None
    marked_THW3 = Watermark().embed(frames_THW3, 0)
    error = np.mean((marked_THW3.astype(np.float32) - frames_THW3) ** 2)
    similarity: Any = structural_similarity(frames_THW3[0], marked_THW3[0], channel_axis=2)
    row = {
        "psnr": float(10 * np.log10(255**2 / error)),
        "ssim": float(similarity),
    }
    source = folder / "marked.mp4"
    with VideoWriter(source, (side, side)) as writer:
        for frame_HW3 in marked_THW3:
            writer.write(frame_HW3)
    row["as written"] = detect(source).log10_p
    for attack in ATTACKS:
        row[attack.name] = detect(attacked(source, folder / "attacked.mp4", attack)).log10_p
    return row


def embed_cost(repeats: int = 25) -> Iterator[tuple[str, float]]:
    """Yield size and milliseconds of processor time per frame."""
    generator = np.random.default_rng(0)
    for width, height in SIZES:
        frames = generator.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
        mark = Watermark()
        mark.embed(frames, 0)
        times = []
        for start in range(repeats):
            begin = time.process_time()
            mark.embed(frames, start)
            times.append((time.process_time() - begin) / len(frames) * 1e3)
        yield f"{width} x {height}", float(np.median(times))


def unmarked_windows(clips: list[Path], side: int, number: int) -> Iterator[Window]:
    """Yield windows without a mark: of clips, then of moving noise until there are enough."""
    made, step = 0, 7
    for path in clips:
        try:
            luma = [shrink(frame) for frame in read_square(path, side, None)]
        except MediaError:
            continue
        for start in range(0, len(luma) - WINDOW + 1, step):
            yield hear(np.stack(luma[start : start + WINDOW]), start)
            made += 1
    print(f"{made} windows of clips, {max(0, number - made)} drawn")
    generator = np.random.default_rng(1)
    for _ in range(number - made):
        rough = generator.standard_normal((WINDOW, GRID, GRID)).astype(np.float32)
        smooth = np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in rough])
        yield hear((120 + 300 * np.cumsum(smooth, axis=0) / WINDOW**0.5).astype(np.float32), 0)


def judge_each(windows: list[Window]) -> tuple[np.ndarray, np.ndarray]:
    """Return the detector's bound of each window alone, and p of the whole picture, as powers."""
    bounds_W, whole_W = np.zeros(len(windows)), np.zeros(len(windows))
    for view in VIEWS:
        cosines_W = squared_cosines(vectors(windows, view))
        tails_W = np.array([log10_tail(float(cosine)) for cosine in cosines_W])
        bounds_W = np.minimum(bounds_W, tails_W - np.log10(view.weight / 2))
        if view is VIEWS[0]:
            whole_W = tails_W
    return bounds_W, whole_W


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description="Measure the watermark.")
    parser.add_argument("--clips", type=Path, required=True, help="folder of videos")
    parser.add_argument("--limit", type=int, default=0, help="clips to attack; 0 is all of them")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--windows", type=int, default=10_000, help="unmarked windows at least")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    clips = sorted(path for path in args.clips.iterdir() if path.is_file())

    print("embedding, ms of processor time per frame")
    for size, cost_ms in embed_cost():
        print(f"  {size}: {cost_ms:.2f}")

    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for path in clips[: args.limit or None]:
            row = measure_clip(path, args.side, Path(folder))
            if row is not None:
                rows.append(row)
                found = ", ".join(f"{k} {v:.3g}" for k, v in row.items())
                print(f"  {path.name}: {found}", flush=True)
    if rows:
        psnr, ssim = ([row[name] for row in rows] for name in ("psnr", "ssim"))
        print(f"{len(rows)} clips of two seconds, {args.side} px")
        print(f"PSNR median {np.median(psnr):.1f}, least {min(psnr):.1f} dB")
        print(f"SSIM median {np.median(ssim):.4f}, least {min(ssim):.4f}")
        for name in [key for key in rows[0] if key not in ("psnr", "ssim")]:
            powers = np.array([row[name] for row in rows])
            print(
                f"{name}: found {np.mean(powers <= LOG10_ALARM):.1%}, power of ten median "
                f"{np.median(powers):.1f}, worst {powers.max():.1f}"
            )

    bounds, tails = [np.zeros(0)], [np.zeros(0)]
    windows = unmarked_windows(clips if args.windows else [], args.side, args.windows)
    while batch := list(itertools.islice(windows, 100)):
        bounds_W, whole_W = judge_each(batch)
        bounds.append(bounds_W)
        tails.append(whole_W)
    bound_W, p_W = np.concatenate(bounds), 10 ** np.concatenate(tails)
    if len(bound_W):
        alarms = int(np.sum(bound_W <= LOG10_ALARM))
        print(f"{len(p_W)} unmarked windows: {alarms} alarms, lowest bound 1e{bound_W.min():.1f}")
        shares = ", ".join(f"{np.mean(p_W <= p):.4f}" for p in (0.5, 0.1, 0.01, 0.001))
        print(f"share of p-values of the whole picture below 0.5, 0.1, 0.01, 0.001: {shares}")


if __name__ == "__main__":
    main()
