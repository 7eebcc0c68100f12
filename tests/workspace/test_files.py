"""The repository as a whole: sizes, paths, README."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workspace.large_files import too_large

ROOT = Path(__file__).parents[2]


def tracked() -> list[Path]:
    try:
        command = ["git", "ls-files", "-z"]
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name]


def test_no_file_is_too_large():
    assert not too_large(tracked())


def test_a_large_file_would_be_named(tmp_path):
    big, weights = tmp_path / "big.bin", tmp_path / "net.safetensors"
    big.write_bytes(bytes(600_000))
    weights.write_bytes(bytes(600_000))
    assert [line.startswith(str(big)) for line in too_large([big, weights])] == [True]


def test_no_python_file_is_too_long_to_be_read_in_five_minutes():
    for path in tracked():
        if path.suffix == ".py" and path.is_file():
            length = len(path.read_text().splitlines())
            assert length <= 300, f"{path.relative_to(ROOT)} has {length} lines, at most 300"


def test_no_home_folder_is_named_anywhere():
    pattern = re.compile(r"/(home|Users|root)/\w")
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".yml", ".sh"} and path.is_file():
            assert not pattern.search(path.read_text()), path


def test_every_make_target_that_the_documents_name_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md"):
        named = set(
            re.findall(
                r"`make ([a-z-]+)|^    make ([a-z-]+)", (ROOT / name).read_text(), re.MULTILINE
            )
        )
        for match in named:
            assert "".join(match) in targets, f"{name} names make {''.join(match)}"


def test_every_make_target_explains_itself():
    text = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: ([a-z-]+)$", text, re.MULTILINE))
    explained = set(re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE))
    assert phony
    assert phony == explained


def test_every_make_variable_that_the_makefile_explains_is_used_by_a_target():
    head, _, rules = (ROOT / "Makefile").read_text().partition("\n\n")
    explained = set(re.findall(r"([A-Z]+)=", head))
    assert explained
    assert explained <= set(re.findall(r"\$\(([A-Z]+)\)", rules))


def test_every_hook_runs_a_program_of_the_environment():
    entries = re.findall(r"entry: (\S+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert len(entries) >= 6
    for entry in entries:
        assert entry.startswith(".venv/bin/")
        assert Path(sys.executable).with_name(Path(entry).name).exists(), entry


def test_links_between_documents_lead_somewhere():
    for document in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("packages/*/README.md"),
    ]:
        prose = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#:]+)\)", prose):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_row_of_the_papers_is_listed():
    text = (ROOT / "docs/papers.md").read_text()
    rows = re.findall(r"^\| ([FDTI])(\d+) \|", text, re.MULTILINE)
    counts = {letter: sorted(int(n) for found, n in rows if found == letter) for letter in "FDTI"}
    assert counts == {
        "F": list(range(1, 23)),
        "D": list(range(1, 21)),
        "T": list(range(1, 20)),
        "I": list(range(1, 22)),
    }


def test_code_and_tests_that_the_papers_list_names_exist():
    text = (ROOT / "docs/papers.md").read_text()
    for name in re.findall(r"`((?:tests|packages|benchmarks)/[\w/.]+)`", text):
        assert (ROOT / name).exists(), name
    for symbol in re.findall(
        r"`((?:core|face|data|eval|motion|landmarks|render|pipeline)\.[\w.]+)`", text
    ):
        package, *path = symbol.split(".")
        base = ROOT / "packages" / package / "src" / f"viseme_{package}"
        source = base
        while path and (source / path[0]).is_dir():
            source = source / path.pop(0)
        file = (
            source / f"{path.pop(0)}.py"
            if path and (source / f"{path[0]}.py").exists()
            else source / "__init__.py"
        )
        assert file.exists(), symbol
        for part in path:
            assert re.search(rf"\b{part}\b", file.read_text()), symbol
