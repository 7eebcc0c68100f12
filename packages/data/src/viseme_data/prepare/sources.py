"""The videos of a folder: which files count, what they are by their bytes, whose they are."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from viseme_data.container import MediaError, check_file
from viseme_data.layouts import ClipFacts, CorpusLayout

# What lies beside videos and is none by its name.
_OTHER_KINDS = re.compile(
    r"\.(aac|ass|bmp|cfg|csv|ds_store|exr|flac|gz|h5|hdf5|html?|ini|jpe?g|jsonl?|lab|lock|log|m4a|"
    r"mat|md|mp3|np[yz]|ogg|opus|parquet|part|partial|pdf|pickle|pkl|png|pth?|py|rar|rst|safetensors|sh|"
    r"srt|sub|tar|textgrid|tgz|tiff?|tmp|toml|tsv|txt|vtt|wav|webp|xml|ya?ml|zip)",
    re.IGNORECASE,
)
_HASH_THREADS = 4


@dataclass(frozen=True, kw_only=True)
class Source:
    """One video to prepare."""

    path: Path
    """Where it is."""
    name: str
    """The same relative to the folder, with `/`: what rows and messages call it."""
    facts: ClipFacts
    """What the corpus says of it."""
    sound: Path | None = None
    """File with its sound, if the corpus keeps it apart."""
    content_hash: str = ""
    """SHA-256 of its bytes, those of a separate sound included; empty if it cannot be read."""
    num_bytes: int = 0
    """Its length."""
    problem: MediaError | None = None
    """Why it cannot be read."""


def find_videos(folder: Path, *, besides: Path) -> list[Path]:
    """Return the files of a folder and those in it that may be videos, sorted; a file is itself.

    Hidden files are left aside, and those that are of another kind by their name.

    Args:
        folder: Folder, or one file.
        besides: A folder whose files do not count: what is written may lie among what is read.

    Raises:
        ValueError: If there is no such folder or file, or nothing in it.
    """
    if not folder.exists():
        raise ValueError(f"there is no folder {str(folder)!r}; give one with videos, or one video")
    if not folder.is_dir():
        return [folder]
    found = list(_walk(folder, besides))
    found.sort(key=lambda path: name_of(path, folder))
    if not found:
        raise ValueError(f"there is no video in {str(folder)!r}, nor in its folders")
    return found


def name_of(path: Path, folder: Path) -> str:
    """Return a file's path relative to the folder, with `/`, as valid text."""
    relative = path.relative_to(folder) if path != folder else Path(path.name)
    # Names may be any bytes on Linux; Parquet and JSON want text.
    return os.fsencode(relative.as_posix()).decode(errors="backslashreplace")


def describe(folder: Path, paths: Iterable[Path], layout: CorpusLayout) -> list[Source]:
    """Return a source for every path that is named as the layout says."""
    known = [
        (path, facts)
        for path in paths
        if (facts := layout.facts(name_of(path, folder))) is not None
    ]
    with ThreadPoolExecutor(_HASH_THREADS) as pool:
        return list(pool.map(lambda item: _describe(folder, *item), known))


def _describe(folder: Path, path: Path, facts: ClipFacts) -> Source:
    name = name_of(path, folder)
    sound = folder / facts.sound if facts.sound else None
    if sound is not None and not sound.is_file():
        sound = None
    try:
        digest = _digest(path)
        if sound is not None:
            digest = hashlib.sha256(f"{digest}{_digest(sound)}".encode()).hexdigest()
    except MediaError as error:
        return Source(path=path, name=name, facts=facts, problem=error)
    return Source(
        path=path,
        name=name,
        facts=facts,
        sound=sound,
        content_hash=digest,
        num_bytes=path.stat().st_size,
    )


def _digest(path: Path) -> str:
    check_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MediaError(
            "unreadable", f"{str(path)!r} cannot be read to its end: {error.strerror}"
        ) from error


def _walk(folder: Path, besides: Path) -> Iterator[Path]:
    """Yield files below a folder, through links to folders, but into none of them twice."""
    # By its real path: links and `..` lead to it by other names.
    seen = {os.path.realpath(besides)}
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        # Sorted, so that of two links to a folder the same one counts everywhere.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            path = Path(place, name)
            if name.startswith(".") or _OTHER_KINDS.fullmatch(path.suffix):
                continue
            # A link that leads nowhere is worth a row; a pipe would wait forever.
            if path.is_file() or path.is_symlink():
                yield path
