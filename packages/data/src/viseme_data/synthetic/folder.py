"""The folder of a synthetic data set: what it was made with, what is done, nothing half-done.

    dataset.json  manifest.parquet  clips/<id>.{safetensors,mp4}  work/<id>.json

A file in `work/` says that a clip's files are whole and holds its row. What no such file names is
swept away.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from viseme_core.config import to_plain
from viseme_data.clips import FORMAT_VERSION, write_whole
from viseme_data.manifest import ClipRow, row_from_plain, row_to_plain, write_manifest
from viseme_data.run_guard import alone_in
from viseme_data.synthetic.clip import Studio
from viseme_data.synthetic.config import GENERATOR_VERSION, SynthesizeConfig
from viseme_data.synthetic.phonemes import inventory
from viseme_data.synthetic.plan import ClipPlan, split_of_speaker


class SyntheticFolder:
    """Where synthetic clips go.

    Args:
        path: The folder; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clips = path / "clips"
        self._work = path / "work"

    def check(self, studio: Studio, names: set[str], overwrite: bool) -> None:
        """Refuse a folder that holds something else than what this run would make.

        Raises:
            ValueError: If it is no folder of synthetic data, or one of other settings.
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
        if overwrite:
            return
        wanted = {**studio.config.lasting(), **_made_with(studio)}
        found = {**(before.get("settings") or {}), **before}
        for key, value in wanted.items():
            if found.get(key) != value:
                raise ValueError(
                    f"{str(self.path)!r} was made with other settings: {key} was "
                    f"{found.get(key)!r} and now is {value!r}; give the same, another --out, or "
                    f"--overwrite"
                )
        extra = {path.stem for path in self._work.glob("*.json")} - names
        if extra:
            raise ValueError(
                f"{str(self.path)!r} holds {len(extra)} more clips than these settings ask for; "
                f"give as many speakers and minutes as before, another --out, or --overwrite to "
                f"drop them"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs away from the folder meanwhile.

        Raises:
            ValueError: If another run is at work in it.
        """
        self._work.mkdir(parents=True, exist_ok=True)
        self.clips.mkdir(exist_ok=True)
        with alone_in(self.path, self._work / ".lock"):
            yield

    def describe(self, studio: Studio) -> None:
        """Write `dataset.json`; a manifest of other settings goes away."""
        content = {
            "format": FORMAT_VERSION,
            "settings": to_plain(studio.config),
            **_made_with(studio),
            "audio": to_plain(studio.config.encoders),
            "phonemes": list(inventory().names),
        }
        path = self.path / "dataset.json"
        if _read_json(path) != content:
            (self.path / "manifest.parquet").unlink(missing_ok=True)
            write_whole(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())

    def row(self, name: str, plan: ClipPlan, config: SynthesizeConfig) -> ClipRow | None:
        """Return the row of a clip that is done, or None."""
        mark = _read_json(self._work / f"{name}.json")
        kinds = (".safetensors",) if config.frames == "none" else (".safetensors", ".mp4")
        if mark is None or not all((self.clips / f"{name}{kind}").is_file() for kind in kinds):
            return None
        # Splits are no part of a clip.
        split = split_of_speaker(plan.speaker, config.split_seed, config.split_shares)
        return replace(row_from_plain(mark), split=split)

    def set_done(self, row: ClipRow) -> None:
        """Note that a clip's files are written."""
        content = json.dumps(row_to_plain(row), sort_keys=True).encode()
        write_whole(self._work / f"{row.clip_id}.json", content)

    def sweep(self, names: Iterable[str]) -> None:
        """Remove what is half-written, and whatever belongs to none of these clips."""
        wanted = set(names)
        for folder in (self.clips, self._work):
            for path in folder.iterdir():
                # Of ID.safetensors, and of ID.latents.safetensors, which `latents` caches.
                name = path.name.partition(".")[0]
                if path.name != ".lock" and (name not in wanted or path.suffix == ".partial"):
                    path.unlink(missing_ok=True)

    def finish(self, rows: list[ClipRow]) -> None:
        """Write the manifest."""
        write_manifest(self.path / "manifest.parquet", rows)


def _made_with(studio: Studio) -> dict[str, Any]:
    """Return what clips depend on besides the settings."""
    return {
        "generator": GENERATOR_VERSION,
        "face_model": studio.model.name,
        "viseme_table": studio.table.digest,
    }


def _read_json(path: Path) -> Any:
    with suppress(OSError, ValueError):
        return json.loads(path.read_bytes())
    return None
