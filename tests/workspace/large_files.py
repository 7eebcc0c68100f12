"""Names files that are too large for the repository: 500 kB, shipped weights 16 MB."""

import sys
from pathlib import Path

LIMIT_BYTES = 500_000
WEIGHTS_LIMIT_BYTES = 16 * 2**20


def too_large(paths: list[Path]) -> list[str]:
    """Return a line for every path over its limit."""
    lines = []
    for path in paths:
        if path.name == "uv.lock" or not path.is_file():
            continue
        limit = WEIGHTS_LIMIT_BYTES if path.suffix == ".safetensors" else LIMIT_BYTES
        if path.stat().st_size > limit:
            lines.append(f"{path}: {path.stat().st_size} bytes, at most {limit}")
    return lines


if __name__ == "__main__":
    found = too_large([Path(name) for name in sys.argv[1:]])
    sys.stderr.writelines(line + "\n" for line in found)
    sys.exit(bool(found))
