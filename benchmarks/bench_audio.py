"""Audio encoders: rate, peak memory on long sound, and the drift of the window plan.

    python benchmarks/bench_audio.py --out benchmarks/results/audio_HARDWARE_DATE.md
    python benchmarks/bench_audio.py --path whisper=FOLDER --sound one.flac two.flac

Without --path a model has random weights of its published base size: rate and memory are those
of the trained one, drift is not. Every case runs in a process of its own, so that its peak memory
is its own.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from peak import held_mb
from torch import Tensor

from viseme_core.audio import (
    AudioConfig,
    LogMelConfig,
    PretrainedConfig,
    Wav2LipMelConfig,
    build_encoder,
    resample,
    to_mono,
)
from viseme_core.types import FPS, SAMPLE_RATE_HZ, AudioClip

KINDS = ("logmel", "wav2lip_mel", "hubert", "wav2vec2", "whisper")
DRIFT_FRAMES = 500
SEAM_FRAMES = 5
PLANS = ((250, 100), (250, 50), (250, 0), (125, 50), (50, 100), (50, 50), (50, 25))


def main() -> None:
    """Run the cases one after the other and print or write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="length for rate and memory")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--path", nargs="*", default=[], metavar="KIND=FOLDER")
    parser.add_argument("--name", nargs="*", default=[], metavar="KIND=NAME", help="of its weights")
    parser.add_argument("--sound", nargs="*", default=[], type=Path, help="20 s or more, for drift")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--case", nargs=2, metavar=("WHAT", "JSON"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.case:
        what, job = args.case[0], json.loads(args.case[1])
        cases = {"save": save_random_model, "speed": measure_speed, "drift": measure_drift}
        print(json.dumps(cases[what](**job)))
        return
    report = "\n".join(make_report(args))
    print(report)
    if args.out:
        args.out.write_text(report + "\n")


def make_report(args: argparse.Namespace) -> list[str]:
    """Return the report's lines."""
    paths = dict(item.split("=", 1) for item in args.path)
    names = dict(item.split("=", 1) for item in args.name)
    speed, drift = [], []
    with tempfile.TemporaryDirectory() as folder:
        for kind in args.kinds:
            is_random = kind not in paths and kind not in ("logmel", "wav2lip_mel")
            path = f"{folder}/{kind}" if is_random else paths.get(kind)
            if is_random:
                # Linux counts the parent's peak into its children's: it must stay small.
                run_case(args, "save", {"kind": kind, "folder": path})
            weights = "random" if is_random else names.get(kind, "trained" if path else "none")
            job = {"kind": kind, "path": path}
            speed.append((kind, weights, run_case(args, "speed", job | {"minutes": args.minutes})))
            sound = {"sound": [str(file) for file in args.sound]}
            drift += [(kind, weights, row) for row in run_case(args, "drift", job | sound)]
    source = f"{len(args.sound)} recordings of real speech" if args.sound else "shaped noise"
    return [
        "# Audio encoders: rate, memory, drift of the window plan",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, {args.threads} threads, "
        f"Python {platform.python_version()}, torch {version('torch')}, "
        f"torchaudio {version('torchaudio')}, transformers {version('transformers')}; load "
        f"average at the start {os.getloadavg()[0]:.1f}; default configs; random weights are 12 "
        "layers of 768 (HuBERT, wav2vec 2.0) or Whisper base.",
        "",
        f"## Rate and memory over {args.minutes:g} minutes at 16 kHz",
        "",
        "One file per process. Rate is seconds of sound per second: overall, then the median "
        "window after the first with quartiles. Peak is the process's largest resident set, "
        "imports (in brackets) and weights included.",
        "",
        "| encoder | weights | overall | median window | quartiles | peak MB |",
        "|---|---|---|---|---|---|",
        *(
            f"| {kind} | {weights} | {row['rate']:.1f} | {row['median']:.1f} | "
            f"{row['low']:.1f} to {row['high']:.1f} | {row['peak_mb']:.0f} "
            f"({row['import_mb']:.0f}) |"
            for kind, weights, row in speed
        ),
        "",
        f"## Drift against one pass over 20 s ({source})",
        "",
        "Root mean square difference over the features' deviation in time. Seam: the "
        f"{SEAM_FRAMES} frames on either side of a window's end. Largest: the worst frame of all "
        "files. The default plan of the pretrained models takes 20 s in one pass, so it has no "
        "drift here; the shorter plans show what it costs to cut. 'Cut front' encodes the sound "
        "without its first 2 s and compares the last 10 s: what is left when no context is near "
        "is that features depend on the time since the pass began. 'Padded to 30 s' is what "
        "Whisper was trained on, against the same 20 s alone. **The drift of random weights says "
        "nothing about trained ones.**",
        "",
        "| encoder | weights | window, context | all | seam | inner | largest |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {kind} | {weights} | {row['plan']} | {row['all']:.1e} | {row['seam']:.1e} | "
            f"{row['inner']:.1e} | {row['largest']:.1e} |"
            for kind, weights, row in drift
        ),
    ]


def run_case(args: argparse.Namespace, what: str, job: dict[str, Any]) -> Any:
    """Return what one case measures in a process of its own."""
    command = [sys.executable, __file__, "--threads", str(args.threads)]
    output = subprocess.run(
        [*command, "--case", what, json.dumps(job)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
    )
    return json.loads(output.stdout.splitlines()[-1])


def measure_speed(kind: str, path: str | None, minutes: float) -> dict[str, float]:
    """Return rates and peak memory of one file of `minutes`."""
    encoder = build_encoder(make_config(kind, path))
    clip = AudioClip(shaped_noise(int(minutes * 60 * SAMPLE_RATE_HZ)))
    import_mb = held_mb()
    encoder.encode(clip.samples_S[:SAMPLE_RATE_HZ])
    encode_window, rates = encoder.encode_window, []

    def timed(samples_S: Tensor) -> Tensor:
        start = time.perf_counter()
        features = encode_window(samples_S)
        rates.append(encoder.plan.length / FPS / (time.perf_counter() - start))
        return features

    encoder.encode_window = timed
    start = time.perf_counter()
    encoder.encode(clip)
    rate = clip.seconds / (time.perf_counter() - start)
    # The last window may be short.
    low, median, high = np.quantile(rates[1:-1] or rates, [0.25, 0.5, 0.75])
    return {
        "rate": rate,
        "median": float(median),
        "low": float(low),
        "high": float(high),
        "peak_mb": held_mb(),
        "import_mb": import_mb,
    }


def measure_drift(kind: str, path: str | None, sound: list[str]) -> list[dict[str, Any]]:
    """Return the drift of each plan against one pass, over all files."""
    num_samples = DRIFT_FRAMES * SAMPLE_RATE_HZ // FPS
    signals = [read_sound(file)[:num_samples] for file in sound] or [shaped_noise(num_samples)]
    config = make_config(kind, path)
    if isinstance(config, PretrainedConfig):
        configs = [replace(config, window=w, context=c) for w, c in PLANS]
        whole = build_encoder(replace(config, window=DRIFT_FRAMES, context=0))
    else:
        configs = [config]
        whole = build_encoder(replace(config, window=DRIFT_FRAMES))
    references = [whole.encode(signal) for signal in signals]
    rows = []
    for config in configs:
        encoder = build_encoder(config)
        features = [encoder.encode(signal) for signal in signals]
        plan = f"{encoder.plan.length}, {encoder.plan.context}"
        rows.append({"plan": plan} | compare(features, references, encoder.plan.length))
    if isinstance(config, PretrainedConfig):
        cut, half = 2 * FPS, DRIFT_FRAMES // 2
        features = [whole.encode(signal[2 * SAMPLE_RATE_HZ :])[half - cut :] for signal in signals]
        ends = [reference_TA[half:] for reference_TA in references]
        rows.append({"plan": "cut front"} | compare(features, ends, DRIFT_FRAMES))
    if kind == "whisper":
        padded = build_encoder(replace(config, window=750, context=0))
        features = [padded.encode(F.pad(s, (0, 480_000 - len(s))))[:DRIFT_FRAMES] for s in signals]
        rows.append({"plan": "padded to 30 s"} | compare(features, references, DRIFT_FRAMES))
    return rows


def compare(features: list[Tensor], references: list[Tensor], window: int) -> dict[str, float]:
    """Return relative differences near the seams between windows and away from them."""
    errors, is_seam = [], []
    for ours_TA, reference_TA in zip(features, references, strict=True):
        deviation = (reference_TA - reference_TA.mean(0)).square().mean().sqrt()
        errors.append((ours_TA - reference_TA).square().mean(1) / deviation.square())
        frame_T = torch.arange(len(ours_TA))
        # Twice the distance of a frame's middle from the nearest multiple of the window.
        doubled_T = (2 * frame_T + 1) % (2 * window)
        near_T = torch.minimum(doubled_T, 2 * window - doubled_T) < 2 * SEAM_FRAMES
        has_seam_T = (frame_T >= SEAM_FRAMES) & (frame_T < len(ours_TA) - SEAM_FRAMES)
        is_seam.append(near_T & has_seam_T)
    error_T, seam_T = torch.cat(errors), torch.cat(is_seam)
    return {
        "all": error_T.mean().sqrt().item(),
        "seam": error_T[seam_T].mean().sqrt().item() if seam_T.any() else 0.0,
        "inner": error_T[~seam_T].mean().sqrt().item(),
        "largest": error_T.max().sqrt().item(),
    }


def make_config(kind: str, path: str | None) -> AudioConfig:
    """Return the default config of a kind."""
    if kind == "logmel":
        return LogMelConfig()
    if kind == "wav2lip_mel":
        return Wav2LipMelConfig()
    if kind not in ("hubert", "wav2vec2", "whisper") or path is None:
        raise ValueError(f"a pretrained kind needs a path, got {kind!r} at {path!r}")
    return PretrainedConfig(kind=kind, path=path)


def save_random_model(kind: str, folder: str) -> None:
    """Save a base-sized model with random weights as transformers does."""
    import transformers

    torch.manual_seed(0)
    if kind == "hubert":
        model = transformers.HubertModel(transformers.HubertConfig())
    elif kind == "wav2vec2":
        model = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config())
    else:
        size: dict[str, Any] = {"d_model": 512, "encoder_layers": 6, "encoder_attention_heads": 8}
        size |= {"encoder_ffn_dim": 2048, "decoder_layers": 6, "decoder_attention_heads": 8}
        size |= {"decoder_ffn_dim": 2048}
        model = transformers.WhisperModel(transformers.WhisperConfig(**size))
    model.save_pretrained(folder)
    if kind != "whisper":
        transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)


def read_sound(file: str) -> Tensor:
    """Return the samples of a recording at 16 kHz."""
    import soundfile

    samples, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    return resample(AudioClip(to_mono(torch.from_numpy(samples.T)), rate_hz)).samples_S


def shaped_noise(num_samples: int) -> Tensor:
    """Return noise that swells four times a second, as syllables do."""
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(num_samples, generator=generator)
    return noise * torch.sin(torch.arange(num_samples) * (4 * torch.pi / SAMPLE_RATE_HZ)).abs()


if __name__ == "__main__":
    main()
