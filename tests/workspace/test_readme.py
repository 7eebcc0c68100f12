"""Every Python example of the READMEs runs as it stands."""

import re
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
def test_an_example_runs(block):
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    # A comment such as `# (25, 320)` behind a tensor promises its shape.
    for name, shape in re.findall(r"^(\w+) = .*# .*?(\(\d[\d, ]*\))$", block, re.MULTILINE):
        assert tuple(names[name].shape) == eval(shape), name
