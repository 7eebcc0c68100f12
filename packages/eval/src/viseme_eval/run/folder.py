"""The folder of a report: what is finished stays, so that a broken run goes on from there.

    report.json  report.md  report.html  clips/KEY.json  clips/KEY.jpg  clips/KEY/

KEY is a hash of the videos' contents, the settings, the networks and the code. A clip's JSON is
written last and whole; what has none is half-done and made again.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from viseme_data.clips import write_whole
from viseme_eval.run.pairing import Pair
from viseme_eval.run.rows import ClipRow, dumps, from_plain, to_plain

_OURS = re.compile(r"(?P<key>[0-9a-f]{16})(\.json|\.jpg)?")


class ReportFolder:
    """Where a report grows.

    Args:
        path: The folder; made if it is not there.
        settings: All that decides over values, as JSON takes it.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        if path.exists() and not path.is_dir():
            raise ValueError(f"--out {str(path)!r} is a file; give a folder")
        self.path = path
        self.clips = path / "clips"
        self.clips.mkdir(parents=True, exist_ok=True)
        self._settings = json.dumps(settings, sort_keys=True)

    def hashes(self, pair: Pair) -> dict[str, str]:
        """Return the hashes of a pair's videos, as rows name them."""
        sides = {"generated_sha256": pair.generated, "reference_sha256": pair.reference}
        return {name: "" if path is None else file_hash(path) for name, path in sides.items()}

    def key(self, pair: Pair) -> str:
        """Return the name of a pair's files, 16 hex digits."""
        sound = "" if pair.audio is None else file_hash(pair.audio)
        text = json.dumps([pair.name, self.hashes(pair), sound, self._settings])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def read(self, key: str) -> ClipRow | None:
        """Return the row of a clip that is finished, or None."""
        try:
            return from_plain(json.loads((self.clips / f"{key}.json").read_bytes()))
        except (OSError, ValueError, TypeError, KeyError):
            # Not there, cut off, or of an older version: it is made again.
            return None

    def work(self, key: str) -> Path:
        """Return an empty folder for a clip that begins."""
        work = self.clips / key
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        return work

    def write(self, row: ClipRow) -> None:
        """Note that a clip is finished."""
        work = self.clips / row.key
        if row.status != "done" or not any(work.iterdir()):
            shutil.rmtree(work, ignore_errors=True)
        write_whole(self.clips / f"{row.key}.json", dumps(to_plain(row, with_curves=True)))

    def sweep(self, rows: Iterable[ClipRow]) -> None:
        """Remove what belongs to none of these rows: clips of other settings or contents.

        What is not named as a run names its files stays: a folder of this name may have been there.
        """
        wanted = {row.key for row in rows}
        for entry in self.clips.iterdir():
            ours = _OURS.fullmatch(entry.name)
            if ours is None or ours["key"] in wanted:
                continue
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hex digits."""
    status = path.stat()
    return _hash(path.resolve(), status.st_size, status.st_mtime_ns)


# A clip's name and its row ask for the same files.
@lru_cache(maxsize=64)
def _hash(path: Path, _size: int, _time_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
