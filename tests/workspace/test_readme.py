"""Every example of the READMEs runs as it stands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    pytest.param(block, id=f"{document.parent.name}-{number}")
    for document in [ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md"))]
    for number, block in enumerate(
        re.findall(r"```python\n(.*?)```", document.read_text(), re.DOTALL)
    )
]


def test_the_readmes_hold_examples():
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("block", EXAMPLES)
def test_an_example_imports_what_it_uses_and_no_more(block):
    command = [sys.executable, "-m", "ruff", "check", "--quiet", "--select", "F,I", "-"]
    result = subprocess.run(
        command, input=block, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("block", EXAMPLES)
def test_an_example_runs(block):
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    # A comment such as `# (25, 320)` behind a tensor promises its shape.
    for name, shape in re.findall(r"^(\w+) = .*# .*?(\(\d[\d, ]*\))$", block, re.MULTILINE):
        assert tuple(names[name].shape) == eval(shape), name


TRAINING = re.findall(r"^    ((?:python|torchrun) .*)$", (ROOT / "README.md").read_text(), re.M)


def test_the_readme_shows_how_training_is_launched_on_one_process_and_on_several():
    assert [command.split()[0] for command in TRAINING] == ["python", "torchrun"]


@pytest.mark.slow
@pytest.mark.parametrize("command", TRAINING, ids=["python", "torchrun"])
def test_a_training_command_leaves_a_stage_file(command, tmp_path):
    program, *arguments = shlex.split(command.replace("--run_dir runs/", f"--run_dir {tmp_path}/"))
    modules = {"python": [], "torchrun": ["-m", "torch.distributed.run"]}
    start = [sys.executable, *modules[program], *arguments]
    result = subprocess.run(start, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert list(tmp_path.glob("*/toy.safetensors"))
