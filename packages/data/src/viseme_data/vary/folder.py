"""The folder of disturbed copies: what it was made with, what is done, nothing half-done.

    dataset.json  manifest.parquet  clips/<id>.safetensors  work/<id>.json

A file in `work/` says that a copy's file is whole and holds its row. What no such file names is
swept away.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from viseme_data.clips import write_whole
from viseme_data.manifest import ClipRow, row_from_plain, row_to_plain, write_manifest
from viseme_data.run_guard import alone_in
from viseme_data.sources import clip_path

_MARK = "vary"
"""Key of `dataset.json` that other folders of clips do not have."""


class VariedFolder:
    """Where disturbed copies go.

    Args:
        path: The folder; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clips = path / "clips"
        self._work = path / "work"

    def check(self, description: dict[str, Any], names: set[str], *, overwrite: bool) -> None:
        """Refuse a folder that holds something else than what this run would make.

        Args:
            description: What `dataset.json` will hold.
            names: The copies.
            overwrite: Whether copies of other settings, or of other clips, may be thrown away.

        Raises:
            ValueError: If it is no folder of such copies, or one of other settings or clips.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise ValueError(f"{str(self.path)!r} is a file; give a folder")
        before = _read_json(self.path / "dataset.json")
        if before is None:
            strangers = {entry.name for entry in self.path.iterdir()} - {"clips", "work"}
            if strangers:
                raise ValueError(
                    f"{str(self.path)!r} holds other files, first {min(strangers)!r}; give a new "
                    f"folder"
                )
            return
        if _MARK not in before:
            # Never overwritten: recordings may be gone, copies can be made again.
            raise ValueError(
                f"{str(self.path)!r} holds clips that are no disturbed copies; give another --out"
            )
        if overwrite:
            return
        wanted, found = ({**facts["settings"], **facts} for facts in (description, before))
        for key, value in wanted.items():
            if key != "settings" and found.get(key) != value:
                raise ValueError(
                    f"{str(self.path)!r} was made with other settings: {key} was "
                    f"{found.get(key)!r} and now is {value!r}; give the same, another --out, or "
                    f"--overwrite"
                )
        extra = {path.stem for path in self._work.glob("*.json")} - names
        if extra:
            raise ValueError(
                f"{str(self.path)!r} holds {len(extra)} more copies than are asked for; give as "
                f"many copies of the same clips as before, another --out, or --overwrite to drop "
                f"them"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs away from the folder meanwhile.

        Raises:
            ValueError: If another run is at work in it.
        """
        self._work.mkdir(parents=True, exist_ok=True)
        self._clips.mkdir(exist_ok=True)
        with alone_in(self.path, self._work / ".lock"):
            yield

    def describe(self, description: dict[str, Any], *, is_changing: bool) -> None:
        """Write `dataset.json`; while clips change there is no manifest.

        Args:
            description: What it holds.
            is_changing: Whether copies will be made or dropped.
        """
        path = self.path / "dataset.json"
        is_other = _read_json(path) != description
        if is_changing or is_other:
            (self.path / "manifest.parquet").unlink(missing_ok=True)
        if is_other:
            content = json.dumps(description, indent=1, sort_keys=True) + "\n"
            write_whole(path, content.encode())

    def row(self, name: str) -> ClipRow | None:
        """Return the row of a copy that is done, or None."""
        mark = _read_json(self._work / f"{name}.json")
        if mark is None or not clip_path(self.path, name).is_file():
            return None
        return row_from_plain(mark)

    def set_done(self, row: ClipRow) -> None:
        """Note that a copy's file is written."""
        content = json.dumps(row_to_plain(row), sort_keys=True).encode()
        write_whole(self._work / f"{row.clip_id}.json", content)

    def sweep(self, names: Iterable[str]) -> None:
        """Remove what is half-written, and whatever belongs to none of these copies."""
        wanted = set(names)
        for folder in (self._clips, self._work):
            for path in folder.iterdir():
                name = path.name.partition(".")[0]
                if path.name != ".lock" and (name not in wanted or path.suffix == ".partial"):
                    path.unlink(missing_ok=True)

    def finish(self, rows: list[ClipRow]) -> None:
        """Write the manifest."""
        write_manifest(self.path / "manifest.parquet", rows)


def _read_json(path: Path) -> Any:
    with suppress(OSError, ValueError):
        return json.loads(path.read_bytes())
    return None
