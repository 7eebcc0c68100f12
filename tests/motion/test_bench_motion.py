"""The benchmark of motion: its measures measure what they say, and its report is whole."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.motion.small import FACE
from tests.motion.voices import make_generator, make_loaded
from viseme_core.checkpoint import StageHeader, save_stage
from viseme_core.config import to_plain
from viseme_face import close_lips

FILE = Path(__file__).parents[2] / "benchmarks" / "bench_motion.py"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module, with small networks and every case in this process."""
    spec = importlib.util.spec_from_file_location("bench_motion", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SECONDS", {"fast": 1.0, "balanced": 1.0, "paper": 1.0})

    def small(system: str, preset: str, checkpoint: str | None) -> Any:
        return make_generator(system, preset=preset)

    monkeypatch.setattr(module, "make_generator", small)
    cases = {
        "rate": module.measure_rate,
        "memory": module.measure_memory,
        "quality": module.measure_quality,
    }
    monkeypatch.setattr(module, "run_case", lambda what, **job: cases[what](**job))
    return module


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    model, config, face_model = make_loaded("disenttalk")
    header = StageHeader(
        stage="motion",
        system="disenttalk",
        config=to_plain(config),
        audio=to_plain(config.audio),
        face_model=face_model,
    )
    path = tmp_path / "motion.safetensors"
    save_stage(path, model.state_dict(), header)
    return path


def test_lips_that_agree_correlate_and_lips_that_are_shut_are_far_away(bench):
    generator = torch.Generator().manual_seed(0)
    talk_TC = 0.5 * torch.randn(20, 64, generator=generator) * FACE.expression_std_E
    points_TK3 = FACE.landmarks(torch.zeros(80), talk_TC, "mp478")
    correlation, distance = bench.compare(points_TK3, points_TK3)
    assert correlation == pytest.approx(1)
    assert distance == 0
    assert bench.compare(close_lips(points_TK3), points_TK3)[1] > 0.01
    # One mouth width to the side.
    width = (points_TK3[:, 61] - points_TK3[:, 291]).norm(dim=-1).mean()
    aside_TK3 = points_TK3 + torch.tensor([1.0, 0.0, 0.0]) * width
    assert bench.compare(aside_TK3, points_TK3)[1] == pytest.approx(1, abs=1e-4)


def test_the_report_has_every_preset_memory_and_quality(
    bench, monkeypatch, tmp_path, checkpoint, speakers, capsys
):
    out = tmp_path / "new" / "motion.md"
    settings = {
        "--presets": ["fast", "balanced"],
        "--disenttalk": [checkpoint],
        "--data": [speakers],
        "--samples": [2],
        "--minutes": [0.02],
        "--repeats": [1],
        "--threads": [1],
        "--out": [out],
    }
    words = [str(word) for name, values in settings.items() for word in (name, *values)]
    monkeypatch.setattr(sys, "argv", ["bench_motion.py", *words])
    bench.main()
    text = out.read_text()
    assert capsys.readouterr().out.strip() == text.strip()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    firsts = [[cell.strip("| ") for cell in row] for row in rows]
    rates = {(row[0], row[1]): row for row in firsts if len(row) == 7}
    assert ("fd2talk, random", "fast") in rates
    assert rates["disenttalk, trained", "balanced"][2] == "dpm++ 10, guidance 1.5"
    assert all(float(row[6]) <= 0.5 for key, row in rates.items() if key[1] == "fast")
    assert ["disenttalk", "0.02"] in [row[:2] for row in firsts]
    quality = {row[0]: row[1:] for row in firsts if len(row) == 5}
    assert set(quality) == {"preset", "fast", "balanced", "mean face"}
    assert quality["mean face"][0] == "nan"
    assert 0 < float(quality["fast"][3]) < float(quality["mean face"][3])
