"""Which code measured: a version number stays the same while somebody works on a measure."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("viseme_core", "viseme_face", "viseme_data", "viseme_eval")


@cache
def code_hash() -> str:
    """Return the start of a hash of all source files that a value can depend on, 8 hex digits."""
    digest = hashlib.sha256()
    for name in _PACKAGES:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        folder = Path(spec.origin).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{name}/{path.relative_to(folder).as_posix()}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
