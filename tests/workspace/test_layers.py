"""Which files of a package may import what: import-linter's contracts, and what they cannot say."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "packages").glob("*/src/**/*.py"))
LIGHTNING = {"lightning", "pytorch_lightning", "jsonargparse"}
STAGES = {"motion", "landmarks", "render", "eval"}


def package_of(path: Path) -> str:
    return path.relative_to(ROOT / "packages").parts[0]


def imports(source: str) -> set[str]:
    """Return every module that a file imports, with those around it: a.b.c gives a, a.b, a.b.c."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # What follows `import` may itself be a module.
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in names]
    return {".".join(part[:depth]) for part in parts for depth in range(1, len(part) + 1)}


def may_train(path: Path) -> bool:
    in_core_train = "viseme_core/train" in path.as_posix()
    return in_core_train or path.stem in {"module", "datamodule", "cli", "__main__"}


def may_import_data(path: Path) -> bool:
    allowed = {"datamodule", "cli", "__main__"}
    if package_of(path) == "eval":
        allowed.add("module")
        # Reads the videos that it compares.
        if path.parent.name == "run":
            return True
    return path.stem in allowed


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_source_file_keeps_to_its_floor(path):
    found = imports(path.read_text())
    if not may_train(path):
        assert not found & {*LIGHTNING, "viseme_core.train"}
    if package_of(path) in STAGES and not may_import_data(path):
        assert "viseme_data" not in found


def test_the_reader_of_imports_sees_each_form():
    source = "import lightning.pytorch as pl\nfrom av.video import x\nfrom .near import y"
    assert imports(source) == {"lightning", "lightning.pytorch", "av", "av.video", "av.video.x"}
    for form in ("import viseme_core.train.optim", "from viseme_core import train"):
        assert "viseme_core.train" in imports(form)


def test_there_are_sources_of_all_eight_packages():
    assert len({package_of(path) for path in SOURCES}) == 8


NETS_CONTRACT = "nets and models never import lightning or file readers"


def lint_imports_with(folder: Path, extra: dict[str, str]) -> str:
    """Return what import-linter says of a copy of all sources with some files more."""
    for source in (ROOT / "packages").glob("*/src/viseme_*"):
        ignored = shutil.ignore_patterns("assets", "__pycache__")
        shutil.copytree(source, folder / source.name, ignore=ignored)
    for name, text in extra.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).parent.joinpath("__init__.py").touch()
        with open(folder / name, "a") as file:
            file.write(f"\n{text}\n")
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1));"
        "from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    command = [sys.executable, "-c", script, str(folder), "--no-cache"]
    command += ["--config", str(ROOT / "pyproject.toml")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_import_linter_sees_a_bad_import_in_every_place_that_nets_can_be(tmp_path):
    report = lint_imports_with(
        tmp_path,
        {
            "viseme_landmarks/net.py": "import lightning",
            "viseme_motion/fd2talk/model.py": "from viseme_core.train import StageModule",
            "viseme_render/talkformer/net.py": "import viseme_data",
            "viseme_core/audio/mel.py": "import soundfile",
            "viseme_core/config.py": "import yaml",
        },
    )
    assert f"{NETS_CONTRACT} BROKEN" in report
    for line in (
        "viseme_landmarks.net is not allowed to import lightning",
        "viseme_motion.fd2talk.model is not allowed to import viseme_core.train",
        "viseme_render.talkformer.net is not allowed to import viseme_data",
        "viseme_core.audio is not allowed to import soundfile",
        "viseme_core.config is not allowed to import yaml",
    ):
        assert line in report


def test_import_linter_is_content_with_the_sources_as_they_are(tmp_path):
    assert f"{NETS_CONTRACT} KEPT" in lint_imports_with(tmp_path, {})


def test_every_part_of_core_but_training_is_under_the_contract_of_nets():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (nets,) = [c for c in settings["contracts"] if c["name"] == NETS_CONTRACT]
    core = ROOT / "packages/core/src/viseme_core"
    parts = {path.stem for path in core.iterdir() if not path.name.startswith("__")}
    parts -= {"py", "train"}  # py.typed
    assert {f"viseme_core.{part}" for part in parts} <= set(nets["source_modules"])
