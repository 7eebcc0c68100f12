"""The benchmark of motion: its measures measure what they say, and its report is whole."""

import importlib.util
import re
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
from viseme_motion.datamodule import MotionDataConfig, MotionDataModule
from viseme_motion.disenttalk.config import DisentTalkConfig

FOLDER = Path(__file__).parents[2] / "benchmarks"


def load_script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def quality() -> Any:
    """The script of quality as a module."""
    return load_script("bench_motion_quality")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, quality: Any, capsys: Any) -> Any:
    """The script as a module, with small networks and every case in this process."""
    monkeypatch.syspath_prepend(FOLDER)
    module = load_script("bench_motion")
    monkeypatch.setattr(module, "SECONDS", {"fast": 1.0, "balanced": 1.0, "paper": 1.0})

    def small(system: str, preset: str, checkpoint: str | None) -> Any:
        return make_generator(system, preset=preset)

    monkeypatch.setattr(module, "make_generator", small)
    cases = {
        "rate": module.measure_rate,
        "memory": module.measure_memory,
        "equality": module.measure_equality,
        "encoder": module.measure_encoder,
    }
    tiny = {"d_model": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    monkeypatch.setattr(module, "WHISPER_TINY", module.WHISPER_TINY | tiny)
    monkeypatch.setattr(module, "run_case", lambda what, **job: cases[what](**job))

    def run_script(script: Path, *arguments: str) -> str:
        assert script.name == "bench_motion_quality.py"
        monkeypatch.setattr(sys, "argv", [str(script), *arguments])
        quality.main()
        return capsys.readouterr().out

    monkeypatch.setattr(module, "run_script", run_script)
    return module


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    told = DisentTalkConfig(num_blocks=1, dim=8, num_heads=2, portrait=True)
    model, config, face_model = make_loaded("disenttalk", disenttalk=told)
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


def test_lips_that_agree_correlate_and_lips_that_are_shut_are_far_away(quality):
    generator = torch.Generator().manual_seed(0)
    talk_TC = 0.5 * torch.randn(20, 64, generator=generator) * FACE.expression_std_E
    points_TK3 = FACE.landmarks(torch.zeros(80), talk_TC, "mp478")
    correlation, distance = quality.compare(points_TK3, points_TK3)
    assert correlation == pytest.approx(1)
    assert distance == 0
    assert quality.compare(close_lips(points_TK3), points_TK3)[1] > 0.01
    # One mouth width to the side.
    width = (points_TK3[:, 61] - points_TK3[:, 291]).norm(dim=-1).mean()
    aside_TK3 = points_TK3 + torch.tensor([1.0, 0.0, 0.0]) * width
    assert quality.compare(aside_TK3, points_TK3)[1] == pytest.approx(1, abs=1e-4)


def test_the_report_has_every_preset_memory_and_quality(
    bench, monkeypatch, tmp_path, checkpoint, unheard, capsys
):
    out = tmp_path / "new" / "motion.md"
    settings = {
        "--presets": ["fast", "balanced"],
        "--checkpoint": [checkpoint],
        "--data": [unheard],
        "--samples": [2],
        "--minutes": [0.02, 0.04],
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
    ratios = {(row[0], row[1]): row[3] for row in firsts if row[1] in ("0.02", "0.04")}
    assert ratios["disenttalk", "0.02"] == "1.000"
    assert float(ratios["fd2talk", "0.04"]) < 1.1
    assert "Whisper tiny's size takes" in text
    differences = re.findall(r"by at most (\S+)\.\n", text)
    assert len(differences) == 2
    assert all(float(difference) <= 1e-5 for difference in differences)
    quality = {row[0]: row[1:] for row in firsts if len(row) == 5}
    assert set(quality) == {"preset", "fast", "balanced", "mean face"}
    assert quality["mean face"][0] == "nan"
    assert 0 < float(quality["fast"][3]) < float(quality["mean face"][3])


def test_a_model_is_told_the_true_first_frame_or_goes_on_from_it(quality, unheard, monkeypatch):
    seen: list[dict[str, Any]] = []

    class Stream(quality.MotionStream):
        def __init__(self, *given: Any, **options: Any) -> None:
            seen.append(options)
            super().__init__(*given, **options)

    monkeypatch.setattr(quality, "MotionStream", Stream)
    config = MotionDataConfig(path=str(unheard), num_workers=0, batch_size=2)
    batch = next(iter(MotionDataModule(config).test_dataloader()))
    for is_told in (True, False):
        settings = DisentTalkConfig(num_blocks=1, dim=8, num_heads=2, portrait=is_told)
        model = make_loaded("disenttalk", disenttalk=settings)[0]
        made_BTC = quality.generate(model, batch, "fast", "disenttalk")
        assert made_BTC.shape == batch.expression_BTC.shape
        assert torch.equal(seen[-1]["portrait_BC"], batch.expression_BTC[:, 0])
        assert torch.equal(made_BTC[:, 0], batch.expression_BTC[:, 0]) is not is_told
