"""Loader: windows and frames per second from clips and from shards, against what a renderer needs.

    python benchmarks/bench_loader.py --out benchmarks/results/loader_HARDWARE_DATE.md
    python benchmarks/bench_loader.py --data PREPARED       # clips of yours instead of drawn ones

A renderer's need is its work per frame over what a GPU gets done: the work is counted layer by
layer, a training step is three forward passes, and an H200 is taken to reach 40 % of its 989
TFLOP/s of dense bfloat16, which few training steps do: a lower share needs less of the loader.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from viseme_core.audio import LogMelConfig
from viseme_core.config import to_plain
from viseme_core.train.loader import EpochSampler
from viseme_core.types import SAMPLES_PER_FRAME, CropBox, Motion
from viseme_data.clips import PreparedClip, write_clip
from viseme_data.datamodule import ClipDataModule, DataConfig, Kind
from viseme_data.manifest import ClipRow, write_manifest
from viseme_data.pack import PackConfig, pack
from viseme_data.prepare.crops import KEY_EVERY
from viseme_data.write import VideoWriter

H200_FLOPS = 989e12
UTILISATION = 0.4
SIDE = 256
FACE_MODEL = "builtin@00000000"


@dataclass(frozen=True)
class Need:
    """What a renderer consumes."""

    name: str
    """Which, and how its work was counted."""
    flop: float
    """Of a training step, per frame."""

    @property
    def rate(self) -> float:
        """Frames per second on one H200."""
        return H200_FLOPS * UTILISATION / self.flop


def needs() -> list[Need]:
    """Return the renderers that the loader is held against, by layers on the meta device."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from torchvision.models import vgg19

    found = []
    with torch.device("meta"):
        for channels in ((128, 256, 384, 512), (320, 640, 1280, 1280)):
            unet = UNet2DConditionModel(
                sample_size=64, block_out_channels=channels, cross_attention_dim=768
            )
            with FlopCounterMode(display=False) as counter:
                unet(torch.zeros(1, 4, 64, 64), torch.ones(1), torch.zeros(1, 131, 768))
            name = f"latent diffusion UNet, channels {channels}, 64 x 64 latents"
            found.append(Need(name, 3.0 * counter.get_total_flops()))
        with FlopCounterMode(display=False) as counter:
            vgg19().features(torch.zeros(1, 3, SIDE, SIDE))
    # Two predictions forward and back to their pixels, one target forward, at four scales.
    scales = sum(0.25**k for k in range(4))
    vgg = (2 * 2 + 1) * scales * counter.get_total_flops()
    found.append(Need("PIRender, its two VGG-19 losses alone (the generator comes on top)", vgg))
    return found


def draw_pictures(number: int, num_frames: int) -> Iterator[np.ndarray]:
    """Yield pictures (SIDE, SIDE, 3) about as hard to code as a face: soft shapes move, grain."""
    rng = np.random.default_rng(number)
    soft = torch.nn.functional.interpolate(
        torch.from_numpy(rng.random((1, 3, 24, 24))), scale_factor=16, mode="bicubic"
    )[0].permute(1, 2, 0)
    fine = rng.random((384, 384, 1)) - 0.5
    texture = (soft.numpy() * 200 + fine * 30 + 20).clip(0, 255)
    for frame in range(num_frames):
        x, y = (60 + 50 * np.sin(frame / np.array([17.0, 23.0]) + number)).astype(int)
        moved = texture[y : y + SIDE, x : x + SIDE]
        yield (moved + 4 * (rng.random(moved.shape) - 0.5)).clip(0, 255).astype(np.uint8)


def make_prepared(path: Path, num_clips: int, num_frames: int) -> None:
    """Write a prepared folder with drawn pictures and random tensors."""
    (path / "clips").mkdir(parents=True)
    rows = []
    for number in range(num_clips):
        generator = torch.Generator().manual_seed(number)
        clip = PreparedClip(
            motion=Motion(
                expression=torch.randn(num_frames, 64, generator=generator),
                pose=torch.randn(num_frames, 6, generator=generator),
                identity=torch.randn(80, generator=generator),
                face_model=FACE_MODEL,
            ),
            landmarks_TK3=torch.rand(num_frames, 478, 3, generator=generator),
            seen_T=torch.ones(num_frames, dtype=torch.bool),
            audio_S=torch.rand(num_frames * SAMPLES_PER_FRAME, generator=generator) - 0.5,
            features={"logmel": torch.randn(num_frames, 320, generator=generator)},
            crop=CropBox(256.0, 256.0, 400.0),
            size=SIDE,
            clip_id=f"{number:016x}",
            speaker=f"speaker {number}",
            has_audio=True,
        )
        write_clip(path / "clips" / f"{clip.clip_id}.safetensors", clip)
        film = path / "clips" / f"{clip.clip_id}.mp4"
        with VideoWriter(film, (SIDE, SIDE), preset="superfast", key_every=KEY_EVERY) as writer:
            for picture in draw_pictures(number, num_frames):
                writer.write(picture)
        rows.append(
            ClipRow(
                clip_id=clip.clip_id,
                source=f"{number:04d}.mp4",
                status="kept",
                speaker=clip.speaker,
                split="train",
                num_frames=num_frames,
                crop_cx=256.0,
                crop_cy=256.0,
                crop_side=400.0,
                crop_angle=0.0,
                size=SIDE,
                has_audio=True,
                face_model=FACE_MODEL,
            )
        )
    write_manifest(path / "manifest.parquet", rows)
    audio = {"logmel": to_plain(LogMelConfig())}
    facts = {"format": 1, "settings": {}, "face_model": FACE_MODEL, "audio": audio}
    (path / "dataset.json").write_text(json.dumps(facts))


def measure(
    path: Path, kind: Kind, frames: int, workers: int, seconds: float
) -> tuple[list[float], float]:
    """Return quartiles of windows per second, and CPU milliseconds of this process per window."""
    config = DataConfig(
        path=str(path), kind=kind, frames=frames, batch_size=8, num_workers=workers, repeats=16
    )
    loader = ClipDataModule(config).train_dataloader()
    sampler = loader.sampler
    assert isinstance(sampler, EpochSampler)
    # As many batches as the workers hold ready come out at once.
    step = max(1, 2 * workers)
    ends: list[float] = []
    busy = 0.0
    for epoch in range(1_000_000):
        sampler.set_epoch(epoch)
        for _ in loader:
            ends.append(time.perf_counter())
            busy = busy or time.process_time()
            if ends[-1] - ends[0] > seconds and len(ends) > 10 * step:
                break
        else:
            continue
        break
    busy_ms = 1e3 * (time.process_time() - busy) / (8 * (len(ends) - 1))
    rates = 8 * step / np.diff(ends[step::step])
    return statistics.quantiles(rates.tolist(), n=4), busy_ms


def main() -> None:
    """Print the report and, if asked, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="prepared folder; drawn clips by default")
    parser.add_argument("--clips", type=int, default=16, help="drawn clips of 10 s")
    parser.add_argument("--frames", type=int, default=5, help="frames of a window")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--kinds", nargs="+", default=["render", "motion"])
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    torch.set_num_threads(1)

    wanted = needs()
    lines = ["# Loader", "", describe(args), "", "| renderer | GFLOP a frame | frames/s |"]
    lines += [
        "|---|---|---|",
        *(f"| {n.name} | {n.flop / 1e9:.0f} | {n.rate:.0f} |" for n in wanted),
    ]
    feeds: list[str] = []
    most = max(need.rate for need in wanted)
    with tempfile.TemporaryDirectory() as folder:
        clips = args.data or Path(folder) / "clips"
        if not args.data:
            make_prepared(clips, args.clips, 250)
        start = time.perf_counter()
        report = pack(PackConfig(data=str(clips), out=f"{folder}/shards", window=args.frames))
        num = sum(report.segments.values())
        lines += [
            "",
            f"Packed {num} segments in {time.perf_counter() - start:.1f} s: "
            f"{report.bytes / 2**20:.0f} MB, pictures stored twice {report.overhead:.1%}.",
            "",
            "| batches | from | workers | windows/s | spread | frames/s | of the highest need "
            "| CPU ms/window |",
            "|---|---|---|---|---|---|---|---|",
        ]
        print("\n".join(lines), flush=True)
        for kind in args.kinds:
            for name, path in (("clips", clips), ("shards", Path(folder) / "shards")):
                for workers in args.workers:
                    (low, rate, high), busy = measure(
                        path, kind, args.frames, workers, args.seconds
                    )
                    cpu = f"{busy:.2f}" if not workers else ""
                    share = f"{rate * args.frames / most:.2f}" if kind == "render" else ""
                    lines.append(
                        f"| {kind} | {name} | {workers} | {rate:.0f} | {low:.0f} - {high:.0f} "
                        f"| {rate * args.frames:.0f} | {share} | {cpu} |"
                    )
                    print(lines[-1], flush=True)
                    if kind == "render" and not workers:
                        cores = [f"{n.rate / args.frames * busy / 1e3:.1f}" for n in wanted]
                        feeds.append(f"From {name}, cores that feed them: {', '.join(cores)}.")
    lines += ["", *feeds]
    print("\n".join(feeds))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")


def describe(args: argparse.Namespace) -> str:
    """Return hardware, versions and settings."""
    info = Path("/proc/cpuinfo")
    names = [x for x in info.read_text().splitlines() if "model name" in x] if info.exists() else []
    cpu = names[0].partition(":")[2].strip() if names else platform.machine()
    return (
        f"{cpu}, {os.cpu_count()} cores; Python {platform.python_version()}, torch "
        f"{torch.__version__}, PyAV {version('av')}, litdata {version('litdata')}, "
        f"{platform.system()}. Load average at the start: {os.getloadavg()[0]:.1f}.\n"
        f"Windows of {args.frames} frames at {SIDE} px, batches of 8; a render window decodes "
        f"{args.frames + 3} pictures (two before it and a reference) and has 27 x 73 coefficients "
        f"a frame. One thread per process; median and middle half over batches, files in memory.\n"
        f"An H200 is taken to reach {UTILISATION:.0%} of {H200_FLOPS / 1e12:.0f} TFLOP/s."
    )


if __name__ == "__main__":
    main()
