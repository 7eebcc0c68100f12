"""What import-linter cannot say: which files of a package may import what."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "packages").glob("*/src/**/*.py"))
LIGHTNING = {"lightning", "pytorch_lightning", "jsonargparse"}
STAGES = {"motion", "landmarks", "render", "eval"}


def package_of(path: Path) -> str:
    return path.relative_to(ROOT / "packages").parts[0]


def imports(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def may_import_lightning(path: Path) -> bool:
    in_core_train = "viseme_core/train" in path.as_posix()
    return in_core_train or path.stem in {"module", "datamodule", "cli", "__main__"}


def may_import_data(path: Path) -> bool:
    allowed = {"datamodule", "cli", "__main__"}
    if package_of(path) == "eval":
        allowed.add("module")
    return path.stem in allowed


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_source_file_keeps_to_its_floor(path):
    found = imports(path.read_text())
    if not may_import_lightning(path):
        assert not found & LIGHTNING
    if package_of(path) in STAGES and not may_import_data(path):
        assert "viseme_data" not in found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_source_file_is_short_enough_to_be_read(path):
    assert len(path.read_text().splitlines()) <= 320


def test_the_reader_of_imports_sees_each_form():
    source = "import lightning.pytorch as pl\nfrom av.video import x\nfrom .near import y"
    assert imports(source) == {"lightning", "av"}


def test_there_are_sources_of_all_eight_packages():
    assert len({package_of(path) for path in SOURCES}) == 8
