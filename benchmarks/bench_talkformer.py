"""TalkFormer: frames per second of presets, what caching and batching bring, memory over length.

    python benchmarks/bench_talkformer.py [--threads 1] [--device cpu] [--weights FILE] [--out MD]

Machines are shared, so every row also gives the processor time per frame, the least of some runs,
summed over threads.
Networks run with the weights they are born with unless a stage file is given: their speed does not
depend on them, and their pictures are not looked at. Memory is that of a process of its own.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from peak import held_mb

from viseme_core.config import from_plain
from viseme_core.diffusion import SamplerConfig
from viseme_core.types import Landmarks, VideoClip
from viseme_render.config import RenderConfig
from viseme_render.talkformer.build import load_talkformer
from viseme_render.talkformer.config import PIXEL
from viseme_render.talkformer.film import FAST_STEPS, FilmPainter
from viseme_render.talkformer.model import TalkFormerModel
from viseme_render.talkformer.renderer import TalkFormerRenderer

CONFIGS = Path(__file__).parents[1] / "packages" / "render" / "configs" / "talkformer"
PAPER_STEPS = 200
MINUTE = 60 * 25
_CROP = 256
_SHORT_CROP = 96


def make_model(scale: str, device: str, weights: Path | None = None) -> TalkFormerModel:
    """Return the network of a config file, trained if weights are given."""
    torch.manual_seed(0)
    if weights is not None:
        return load_talkformer(weights).to(device)
    plain = yaml.safe_load((CONFIGS / f"{scale}.yaml").read_text())["model"]["config"]
    config = from_plain(RenderConfig, plain).talkformer
    # The paper's autoencoder is the user's own; packed pixels are not counted for much.
    return TalkFormerModel(replace(config, autoencoder=PIXEL)).eval().to(device)


def faces(num_frames: int) -> torch.Tensor:
    """Return landmarks (T, 131, 2) of a mouth that goes up and down somewhere in a picture."""
    generator = torch.Generator().manual_seed(0)
    points_K2 = 0.3 + 0.4 * torch.rand(131, 2, generator=generator)
    moved_T12 = 0.01 * torch.arange(num_frames)[:, None, None].sin().expand(-1, 1, 2)
    return points_K2 + moved_T12


def timed(draw: Callable[[], int], repeats: int) -> tuple[float, float, float]:
    """Return best and median frames per second, and the least processor milliseconds per frame.

    Args:
        draw: Draws a film and returns how many frames it has.
        repeats: How often, after one warm-up; a single run has none, it takes long enough.
    """
    if repeats > 1:
        draw()
    rates, busy_ms = [], []
    for _ in range(repeats):
        start, busy = time.perf_counter(), time.process_time()
        frames = draw()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        rates.append(frames / (time.perf_counter() - start))
        busy_ms.append(1e3 * (time.process_time() - busy) / frames)
    return max(rates), statistics.median(rates), min(busy_ms)


def film(
    model: TalkFormerModel, *, steps: int, window: int, windows: int, looks: str = "once"
) -> Callable[[], int]:
    """Return what draws a film of windows.

    Args:
        model: The network.
        steps: Network evaluations for each window.
        window: Frames that are drawn together.
        windows: How many of these.
        looks: How often the reference's features are worked out: `once`, every `window`, or every
            `step`.
    """
    size, device = model.config.size, next(model.parameters()).device
    pictures_BT3HW = torch.rand(1, window, 3, size, size, device=device) * 2 - 1
    points_BTK2 = faces(window)[None].to(device)

    def draw() -> int:
        hooks = []
        painter = FilmPainter(
            model, model.look(pictures_BT3HW[:, 0]), sampler=SamplerConfig(num_steps=steps), seed=0
        )
        if looks == "step":
            hooks.append(
                model.net.register_forward_pre_hook(lambda *_: _look(model, pictures_BT3HW))
            )
        for _ in range(windows):
            if looks == "window":
                _look(model, pictures_BT3HW)
            painter(pictures_BT3HW, points_BTK2)[0, 0, 0, 0, 0].item()
        for hook in hooks:
            hook.remove()
        return window * windows

    return draw


def _look(model: TalkFormerModel, pictures_BT3HW: torch.Tensor) -> None:
    with torch.no_grad():
        model.look(pictures_BT3HW[:, 0])


def crops(num_frames: int, side: int) -> Iterator[VideoClip]:
    """Yield a template of so many frames, 25 at a time."""
    frames_T3HW = torch.rand(25, 3, side, side) * 2 - 1
    for start in range(0, num_frames, 25):
        yield VideoClip(frames_T3HW[: num_frames - start], 25.0)


def whole(renderer: TalkFormerRenderer, num_frames: int, side: int) -> int:
    """Draw a template's faces anew and lay them back, and return how many frames came."""
    points = Landmarks(faces(num_frames), "talk131")
    return sum(len(clip_T3HW) for clip_T3HW in renderer(crops(num_frames, side), points))


def preset_rows(model: TalkFormerModel, name: str, options: Any) -> Iterator[str]:
    """Yield a row of each preset, cropping and laying back included."""
    own = model.config.sampler.num_steps
    for preset, steps in (
        ("one step", 1),
        (f"`paper` of this file ({own})", own),
        (f"`fast` ({FAST_STEPS})", FAST_STEPS),
        (f"the paper's {PAPER_STEPS}", PAPER_STEPS),
    ):
        renderer = TalkFormerRenderer(
            model, preset=SamplerConfig(num_steps=steps), device=options.device
        )
        frames = 25 if steps <= FAST_STEPS else model.config.window
        best, middle, busy = timed(
            lambda renderer=renderer, frames=frames: whole(renderer, frames, _CROP),
            options.repeats if steps <= FAST_STEPS else 1,
        )
        peak = peak_mb(frames=frames, steps=steps, side=_CROP, scale="small")
        yield (
            f"| {name} | {preset} | {steps} | {model.config.window} | {middle:.2f} | {best:.2f} | "
            f"{busy:.0f} | {peak:.0f} |"
        )


def saving_rows(model: TalkFormerModel, name: str, options: Any) -> Iterator[str]:
    """Yield a row of each way to look at the reference and to batch frames."""
    own, steps = model.config.window, 2
    base = None
    for looks, window in (
        ("once", own),
        ("window", own),
        ("step", own),
        ("once", 1),
        ("window", 1),
        ("step", 1),
        ("once", 5 * own),
    ):
        _, middle, busy = timed(
            film(model, steps=steps, window=window, windows=max(1, 25 // window), looks=looks),
            options.repeats,
        )
        base = base or busy
        words = {"once": "once", "window": "every window", "step": "every step"}[looks]
        yield (
            f"| {name} | {steps} | {words} | {window} | {middle:.2f} | {busy:.1f} | "
            f"{busy / base:.2f} |"
        )


def paper_rows(options: Any) -> Iterator[str]:
    """Yield what one evaluation of the network of the paper's size takes, and so its presets."""
    model = make_model("paper", options.device)
    best, _, busy = timed(film(model, steps=1, window=1, windows=1), 1)
    for steps in (1, FAST_STEPS, PAPER_STEPS):
        word = "measured" if steps == 1 else "that many times"
        yield (
            f"| the paper's size, {model.config.size} px | {steps} | 1 | {best / steps:.4f} | "
            f"{busy * steps / 1e3:.1f} | {word} |"
        )


def peak_mb(*, frames: int, steps: int, side: int, scale: str) -> float:
    """Return the peak memory of a process that draws so many frames."""
    asked = json.dumps({"frames": frames, "steps": steps, "side": side, "scale": scale})
    command = [sys.executable, __file__, "--peak-of", asked]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_peak(asked: dict[str, Any]) -> None:
    """Draw and print this process's peak memory in MB."""
    torch.set_num_threads(1)
    model = make_model(asked["scale"], "cpu")
    sampler = SamplerConfig(num_steps=asked["steps"])
    renderer = TalkFormerRenderer(model, preset=sampler, device="cpu")
    assert whole(renderer, asked["frames"], asked["side"]) == asked["frames"]
    print(held_mb())


def describe(options: Any) -> str:
    """Return hardware, versions and settings."""
    name = torch.cuda.get_device_name() if options.device == "cuda" else platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if options.device == "cpu" and cpuinfo.exists():
        models = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    return (
        f"{name}, {os.cpu_count()} cores, device {options.device}, {options.threads} thread(s); "
        f"Python {platform.python_version()}, torch {torch.__version__}, {platform.system()}.\n"
        f"{options.repeats} runs after one of warm-up: median rate, least processor time; one run "
        f"of what takes minutes. Load average at the start: "
        f"{os.getloadavg()[0]:.1f}."
    )


def main() -> None:
    """Print the tables and, if asked, write them."""
    parser = argparse.ArgumentParser(description="Time TalkFormer.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda", "mps"), default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--minutes", type=float, nargs="*", default=(1, 10))
    parser.add_argument("--weights", type=Path, help="stage file of a trained TalkFormer")
    parser.add_argument("--no-paper", action="store_true", help="leave the paper's size out")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        print_peak(json.loads(options.peak_of))
        return
    torch.set_num_threads(options.threads)
    model = make_model("small", options.device, options.weights)
    name = f"`small`, {model.config.size} px"
    said: list[str] = []

    def say(*lines: str) -> None:
        said.extend(lines)
        print("\n".join(lines), flush=True)

    say("# TalkFormer", "", describe(options), "", f"Presets, {_CROP} px crops in and out:", "")
    say("| network | preset | steps | batch | frames/s | best | CPU ms/frame | peak MB |")
    say("|---" * 8 + "|")
    for row in preset_rows(model, name, options):
        say(row)
    say("", "The network alone; the reference's features worked out once, or again and again:", "")
    say("| network | steps | reference seen | batch | frames/s | CPU ms/frame | over the first |")
    say("|---" * 7 + "|")
    for row in saving_rows(model, name, options):
        say(row)
    if not options.no_paper:
        say("", "| network | steps | batch | frames/s | CPU s/frame | |", "|---" * 6 + "|")
        for row in paper_rows(options):
            say(row)
    if options.minutes:
        say("", f"| minutes of film, `tiny`, one step, {_SHORT_CROP} px | peak MB |", "|---|---|")
    for minutes in options.minutes:
        frames = round(minutes * MINUTE)
        peak = peak_mb(frames=frames, steps=1, side=_SHORT_CROP, scale="tiny")
        say(f"| {minutes:g} | {peak:.0f} |")
    if options.out:
        options.out.write_text("\n".join(said) + "\n")


if __name__ == "__main__":
    main()
