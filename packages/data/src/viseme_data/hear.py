"""`viseme-data hear`: the clips of a folder with the features of further speech encoders."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track

from viseme_core.audio import AudioConfig, AudioEncoder, build_encoder
from viseme_core.config import to_plain
from viseme_data.clips import PreparedClip, read_clip, write_clip, write_whole
from viseme_data.manifest import kept, read_manifest, write_manifest
from viseme_data.run_guard import alone_in
from viseme_data.sources import clip_path, video_path


def hear(
    folder: Path,
    *,
    out: Path,
    audio: dict[str, AudioConfig] | None = None,
    overwrite: bool = False,
) -> str:
    """Copy a folder of clips with audio features that it lacks, such as synthetic speakers.

    Started again, a run goes on where it ended. Crop videos are linked where that can be.

    Args:
        folder: Folder that `viseme-data prepare`, `synthesize` or `vary` wrote.
        out: Folder to write into.
        audio: Speech encoders by names of yours: `--audio '{"whisper": {"kind": "whisper",
            "path": "FOLDER"}}'`. Features that `folder` has are taken along.
        overwrite: Replace clips that other settings have left in `out`.

    Returns:
        What the folder then holds, in a line.

    Raises:
        ValueError: If an encoder is missing or its name taken, a clip is damaged, or `out` holds
            other data.
        OSError: If `out` cannot be written, for example because the disk is full.
    """
    folder, out = Path(folder), Path(out)
    if out.exists() and folder.exists() and out.samefile(folder):
        raise ValueError(f"--out {str(out)!r} is the folder with the clips; give another one")
    rows = kept(read_manifest(folder))
    encoders = {name: build_encoder(config) for name, config in (audio or {}).items()}
    if not encoders:
        raise ValueError("--audio must name the speech encoders to hear with, got none")
    facts = _facts(folder, encoders)
    changes = _check(out, facts, overwrite=overwrite)
    (out / "clips").mkdir(parents=True, exist_ok=True)
    with alone_in(out, out / ".lock"):
        if changes:
            # Manifest and clips go first, then the word that they are of these settings comes.
            (out / "manifest.parquet").unlink(missing_ok=True)
            for path in (out / "clips").iterdir():
                path.unlink()
            content = json.dumps(facts, indent=1, sort_keys=True) + "\n"
            write_whole(out / "dataset.json", content.encode())
        waiting = [row for row in rows if not clip_path(out, row.clip_id).is_file()]
        for row in track(waiting, "hear", console=Console(stderr=True)):
            clip = read_clip(clip_path(folder, row.clip_id))
            _link(video_path(folder, row.clip_id), video_path(out, row.clip_id))
            write_clip(clip_path(out, row.clip_id), _heard(clip, encoders))
        write_manifest(out / "manifest.parquet", rows)
    return f"{len(rows)} clips ({len(waiting)} new) heard by {', '.join(encoders)}"


def _facts(folder: Path, encoders: dict[str, AudioEncoder]) -> dict[str, Any]:
    """Return what `dataset.json` of the copies holds."""
    facts = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    taken = sorted(set(facts["audio"]) & set(encoders))
    if taken:
        raise ValueError(f"{str(folder)!r} has features {taken[0]!r}; give another name")
    heard = {name: to_plain(encoder.pinned_config) for name, encoder in encoders.items()}
    return {**facts, "audio": {**facts["audio"], **heard}}


def _check(out: Path, facts: dict[str, Any], *, overwrite: bool) -> bool:
    """Return whether the folder has to be begun anew.

    Raises:
        ValueError: If it holds other clips, and these may not be thrown away.
    """
    found = out / "dataset.json"
    if not found.is_file():
        strangers = [entry for entry in out.glob("*") if entry.name not in (".lock", "clips")]
        if strangers or any(out.glob("clips/*")):
            raise ValueError(f"{str(out)!r} holds other files; give a new folder")
        return True
    if json.loads(found.read_text(encoding="utf-8")) == facts:
        return False
    if not overwrite:
        raise ValueError(
            f"{str(out)!r} was made of other clips or with other encoders; give another --out, or "
            f"--overwrite"
        )
    return True


def _heard(clip: PreparedClip, encoders: dict[str, AudioEncoder]) -> PreparedClip:
    with torch.inference_mode():
        heard = {name: encoder.encode(clip.audio_S) for name, encoder in encoders.items()}
    return replace(clip, features={**clip.features, **heard})


def _link(video: Path, target: Path) -> None:
    """Link the crop's video, where a clip has one."""
    if not video.is_file() or target.exists():
        return
    try:
        os.link(video, target)
    except OSError:
        # Another disk, or one that knows no links.
        shutil.copyfile(video, target)
