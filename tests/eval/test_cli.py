"""The command line: every setting has help, and errors are one sentence."""

import subprocess
import sys
from dataclasses import fields

import pytest
import torch

from tests.eval.pairs import blurred, film, frames
from viseme_eval import cli
from viseme_eval.run.config import RunConfig


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed):
    torch.set_num_threads(1)


def test_help_names_every_command_and_shows_how(capsys):
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in cli.COMMANDS)
    assert "viseme-eval run --generated" in printed


@pytest.mark.parametrize("arguments", [[], ["rnu"], ["--version"]])
def test_a_misspelt_command_shows_the_others(capsys, arguments):
    assert cli.main(arguments) == 2
    assert "compare" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run", ["--generated", "results do not depend on it", "--only psnr,ssim", "lmd_mouth"]),
        (
            "compare",
            [
                "viseme-eval compare reports/ours reports/theirs",
                "Two reports or more",
                "--resamples",
            ],
        ),
        ("weights", ["--folder", "$VISEME_WEIGHTS"]),
        ("study", ["--methods", "choose one video per question", "outside --out"]),
        ("tally", ["answers", "Files that people saved", "--key"]),
    ],
)
def test_help_of_each_command_carries_the_docstrings(capsys, command, words):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    for word in words:
        assert word in printed
    if command == "run":
        assert all(f"--{field.name}" in printed for field in fields(RunConfig))


def test_run_and_compare_from_the_command_line(tmp_path, capsys):
    real = film(tmp_path / "real.mp4", frames(6))
    film(tmp_path / "blurred.mp4", blurred(frames(6)))
    for name, path in (("same", real), ("soft", tmp_path / "blurred.mp4")):
        given = ["run", "--generated", str(path), "--reference", str(real), "--crop", "none"]
        given += ["--out", str(tmp_path / name), "--name", name, "--only", "[psnr, ssim]"]
        assert cli.main(given) == 0
    printed = capsys.readouterr().out
    assert "PSNR \N{UPWARDS ARROW}" in printed
    assert "1 clips compared" in printed
    assert cli.main(["compare", str(tmp_path / "same"), str(tmp_path / "soft/report.json")]) == 0
    assert capsys.readouterr().out.startswith("# same, soft on real")


@pytest.mark.parametrize("only", [["psnr,ssim"], ["[psnr,ssim]"], ["psnr, ssim"]])
def test_a_list_needs_no_brackets(tmp_path, capsys, only):
    real = film(tmp_path / "real.mp4", frames(4))
    given = ["run", "--generated", str(real), "--reference", str(real), "--crop", "none"]
    given += ["--out", str(tmp_path / "out"), "--pictures", "0"]
    assert cli.main([*given, "--only", *only]) == 0
    printed = capsys.readouterr().out
    assert "PSNR" in printed
    assert "SSIM" in printed
    assert "CPBD" not in printed
    assert cli.main([*given, "--only=psnr"]) == 0
    assert "SSIM" not in capsys.readouterr().out


def test_what_was_named_and_is_not_there_is_an_error_and_no_skipped_row(tmp_path, capsys):
    real = film(tmp_path / "real.mp4", frames(4))
    given = ["run", "--generated", str(real), "--reference", str(real), "--crop", "none"]
    given += ["--out", str(tmp_path / "out"), "--only", "psnr"]
    assert cli.main([*given, "--sync_network", str(tmp_path / "none.safetensors")]) == 1
    assert "none.safetensors" in capsys.readouterr().err
    assert cli.main([*given, "--device", "mps"]) == 1
    said = capsys.readouterr().err
    assert "--device 'mps' cannot be used here" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--generated", "a", "--reference", "b", "--out", "c"], "there is no 'a'"),
        (["run", "--generated", "a", "--reference", "b", "--out", "c", "--batch", "0"], "--batch"),
        (["compare", "one.json"], "two reports or more"),
        (["compare", "one.json", "two.json"], "'one.json' cannot be read"),
        (["tally", "x.json", "--key", "none.json"], "none.json"),
        (["weights", "--folder", "a", "--check", "maybe"], "check"),
    ],
)
def test_a_wrong_value_is_one_sentence(capsys, monkeypatch, tmp_path, arguments, words):
    monkeypatch.chdir(tmp_path)
    try:
        code = cli.main(arguments)
    except SystemExit as ended:
        code = ended.code
    assert code in (1, 2)
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_a_settings_file_says_the_same(tmp_path, capsys):
    film(tmp_path / "real.mp4", frames(4))
    (tmp_path / "run.yaml").write_text(
        f"generated: {tmp_path}/real.mp4\nreference: {tmp_path}/real.mp4\n"
        f"out: {tmp_path}/out\ncrop: none\nonly: [psnr]\npictures: 0\n"
    )
    assert cli.main(["run", "--config", str(tmp_path / "run.yaml")]) == 0
    assert "| inf |" in capsys.readouterr().out


def test_weights_lists_every_network_and_what_it_is_for(capsys, monkeypatch, tmp_path):
    from viseme_eval.networks.weights import WEIGHTS

    monkeypatch.delenv("VISEME_WEIGHTS", raising=False)
    (tmp_path / "syncnet_v2.model").write_bytes(b"no weights")
    assert cli.main(["weights", "--folder", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for weights in WEIGHTS:
        assert weights.files[0] in printed
    line = next(line for line in printed.splitlines() if line.startswith("| syncnet_v2"))
    assert line.endswith("| no |")
    assert "LSE-C" in line
    assert "syncnet_v2: " in printed
    stand_in = next(line for line in printed.splitlines() if line.startswith("| faceres"))
    assert stand_in.endswith("| yes |")


def test_the_package_can_be_run_and_help_loads_nothing_heavy():
    script = (
        "import sys, viseme_eval.cli as c; c.main(['--help']);"
        "sys.exit(any(m in sys.modules for m in ('torch', 'av', 'mediapipe', 'cv2')))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "viseme-eval COMMAND" in run.stdout
