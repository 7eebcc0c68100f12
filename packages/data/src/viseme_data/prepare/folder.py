"""The folder of prepared data: what it was made with, what is done, and nothing half-done.

    dataset.json  manifest.parquet  clips/<id>.{safetensors,mp4}  work/<key>.json

Latents that were cached beside a clip (`viseme_data.latents`) stay as long as the clip does.

A file in `work/` says that one video is done and holds its rows. It is written after the video's
clips, and every file appears only when it is whole: a run that was killed anywhere goes on from
there. What no such file names is swept away.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from viseme_data.clips import FORMAT_VERSION, write_whole
from viseme_data.manifest import ClipRow, row_from_plain, row_to_plain, write_manifest
from viseme_data.prepare.crops import writing
from viseme_data.prepare.sources import Source
from viseme_data.run_guard import alone_in
from viseme_data.sources import clip_path, latent_path, video_path

_SETTINGS, _MANIFEST, _CLIPS, _WORK = "dataset.json", "manifest.parquet", "clips", "work"
_OURS = {_SETTINGS, _MANIFEST, _CLIPS, _WORK}
_LOCK = ".lock"


class DataFolder:
    """Where prepared clips go.

    Args:
        path: The folder; made if it is not there.
        settings_hash: Of the settings and the face model; part of the names of what is done.
    """

    def __init__(self, path: Path, settings_hash: str) -> None:
        self.path = path
        self.clips = path / _CLIPS
        self._work = path / _WORK
        self._settings_hash = settings_hash

    def check(self, description: dict[str, Any], names: set[str] | None) -> None:
        """Refuse a folder that holds something else than what this run would make.

        Args:
            description: What `dataset.json` will hold besides the format.
            names: The videos; None if what others left may be thrown away.

        Raises:
            ValueError: If it is no folder of prepared data, or one of other settings or videos.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise ValueError(f"{str(self.path)!r} is a file; give a folder")
        strangers = {entry.name for entry in self.path.iterdir()} - _OURS
        before = _read_json(self.path / _SETTINGS)
        if strangers and before is None:
            raise ValueError(
                f"{str(self.path)!r} holds other files, first {min(strangers)!r}; give a new folder"
            )
        if names is None:
            return
        after = _described(description)
        if before is not None and before != after:
            raise ValueError(
                f"{str(self.path)!r} was prepared with other settings: "
                f"{_difference(before, after)}; give the same, another --out, or --overwrite"
            )
        self._check_videos(names)

    def _check_videos(self, names: set[str]) -> None:
        marks = [_read_json(path) for path in self._work.glob("*.json")]
        others = sorted({mark["source"] for mark in marks if mark is not None} - names)
        if others:
            raise ValueError(
                f"{str(self.path)!r} holds clips of {len(others)} videos that are not among those "
                f"given, first {others[0]!r}; give the folder with all of them, another --out, or "
                f"--overwrite to drop these clips"
            )

    def open(self, description: dict[str, Any]) -> None:
        """Make the folder, or bring it to these settings.

        Args:
            description: What `dataset.json` will hold besides the format.

        Raises:
            OutputError: If it cannot be written.
        """
        path, after = self.path / _SETTINGS, _described(description)
        with writing():
            self.clips.mkdir(exist_ok=True)
            if _read_json(path) != after:
                (self.path / _MANIFEST).unlink(missing_ok=True)
                write_whole(path, _json(after))

    def reopen(self) -> None:
        """Take the manifest away, whose clips are about to change: only what is finished has one.

        Raises:
            OutputError: If that is not possible.
        """
        with writing():
            (self.path / _MANIFEST).unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs away from the folder meanwhile.

        Raises:
            ValueError: If another run is at work in it.
        """
        with writing():
            self._work.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            with writing():
                stack.enter_context(alone_in(self.path, self._work / _LOCK))
            yield

    def done(self, source: Source) -> list[ClipRow] | None:
        """Return the rows of a video that is done, or None."""
        mark = _read_json(self._mark(source))
        if mark is None:
            return None
        rows = [row_from_plain(row) for row in mark["rows"]]
        if all(self._has_files(row) for row in rows):
            return rows
        return None

    def set_done(self, source: Source, rows: list[ClipRow]) -> None:
        """Note that a video is done; its clips must be written.

        Raises:
            OutputError: If that cannot be written.
        """
        mark = {"source": source.name, "rows": [row_to_plain(row) for row in rows]}
        with writing():
            write_whole(self._mark(source), _json(mark))

    def sweep(self, rows: list[ClipRow], sources: list[Source]) -> None:
        """Remove what is half-written, and whatever belongs to none of these rows and videos."""
        wanted = {
            file.name
            for row in rows
            for file in (*self._files(row), latent_path(self.path, row.clip_id))
        }
        marks = {self._mark(source).name for source in sources}
        with writing():
            for folder, names in ((self.clips, wanted), (self._work, {*marks, _LOCK})):
                for path in folder.iterdir():
                    if path.name not in names:
                        path.unlink(missing_ok=True)
        self.drop_partial()

    def drop_partial(self) -> None:
        """Remove what is half-written."""
        for path in self.path.rglob("*.partial"):
            # On a disk that refuses even this there is nothing more to do.
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def finish(self, rows: list[ClipRow]) -> None:
        """Write the manifest.

        Raises:
            OutputError: If it cannot be written.
        """
        with writing():
            write_manifest(self.path / _MANIFEST, rows)

    def _has_files(self, row: ClipRow) -> bool:
        if row.status == "rejected":
            return True
        return all(file.is_file() for file in self._files(row))

    def _files(self, row: ClipRow) -> tuple[Path, Path]:
        return clip_path(self.path, row.clip_id), video_path(self.path, row.clip_id)

    def _mark(self, source: Source) -> Path:
        key = [self._settings_hash, source.name, source.content_hash, asdict(source.facts)]
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        return self._work / f"{name}.json"


def _described(description: dict[str, Any]) -> dict[str, Any]:
    return {"format": FORMAT_VERSION, **description}


def _json(plain: Any) -> bytes:
    return (json.dumps(plain, indent=1, sort_keys=True) + "\n").encode()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _difference(before: dict[str, Any], after: dict[str, Any], where: str = "") -> str:
    """Return the first setting that differs, with both values."""
    for key in sorted({*before, *after}):
        one, other = before.get(key), after.get(key)
        if one != other:
            if isinstance(one, dict) and isinstance(other, dict):
                return _difference(one, other, f"{where}{key}.")
            return f"{where}{key} was {one!r} and now is {other!r}"
    return "none"
