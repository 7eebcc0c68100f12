"""Which clips are learned from, and who is left out to be measured on."""

import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from viseme_data.clips import read_clip, write_clip
from viseme_data.manifest import ClipRow, kept, read_manifest, write_manifest
from viseme_data.sources import clip_path

MIN_CONFIDENCE = 0.6
"""Of the offset between sound and picture: a wrong one teaches lips to be late."""
MIN_VOICED = 0.3
"""Share of a clip in which something is heard."""
_BITS = 256


def read_people(path: Path | None) -> dict[str, str]:
    """Return who is seen in files whose names hold a word, by that word in small letters.

    Args:
        path: Text file of lines `part of a file's name<TAB>person`; None knows nobody.

    Raises:
        ValueError: If it cannot be read as such.
    """
    if path is None:
        return {}
    people = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        part, tab, person = line.partition("\t")
        if not (part.strip() and tab and person.strip()):
            raise ValueError(
                f"line {number} of {str(path)!r} must be part of a file's name, a tab and a "
                f"person, got {line!r}"
            )
        people[part.strip().lower()] = person.strip()
    return people


def person_in(source: str, people: dict[str, str]) -> str:
    """Return who is seen in a file: by the first word that its name holds, or else its stem.

    Clips of one person under two names would be on both sides of a cross-validation.
    """
    name = PurePosixPath(source)
    found = (person for part, person in people.items() if part in name.name.lower())
    return next(found, name.stem.lower())


def choose(prepared: Path, out: Path, people: dict[str, str]) -> list[ClipRow]:
    """Return the rows of the clips that can be learned from, and write these to a folder.

    Args:
        prepared: What `viseme-data prepare` wrote.
        out: Folder to write; all of it is for training.
        people: See `read_people`.

    Raises:
        ValueError: If there is none.
    """
    (out / "clips").mkdir(parents=True, exist_ok=True)
    rows = []
    for row in kept(read_manifest(prepared)):
        if not (row.offset_confidence >= MIN_CONFIDENCE and row.voiced >= MIN_VOICED):
            continue
        rows.append(replace(row, speaker=person_in(row.source, people), split="train"))
        clip = replace(read_clip(clip_path(prepared, row.clip_id)), speaker=rows[-1].speaker)
        write_clip(clip_path(out, row.clip_id), clip)
    if not rows:
        raise ValueError(
            f"no clip of {str(prepared)!r} has a voice and a sure offset between sound and "
            f"picture (confidence {MIN_CONFIDENCE}); `viseme-data inspect` shows what is there"
        )
    shutil.copyfile(prepared / "dataset.json", out / "dataset.json")
    write_manifest(out / "manifest.parquet", rows)
    return rows


def group_of(person: str, groups: int) -> int:
    """Return which group a person is in: by the name alone, so that others never move it."""
    digest = hashlib.sha256(person.encode()).digest()
    return int.from_bytes(digest[: _BITS // 8], "big") % groups


def leave_out(folder: Path, out: Path, *, group: int, groups: int, is_tested: bool) -> int:
    """Return how many clips the people of a group have, and write a folder for training without.

    Args:
        folder: Clips of everyone.
        out: Folder to write, whose clips are those of `folder`.
        group: The group whose people are left out.
        groups: How many there are.
        is_tested: Keep their clips, for the test; or drop them.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = kept(read_manifest(folder))
    others = [row for row in rows if group_of(row.speaker, groups) != group]
    theirs = [row for row in rows if group_of(row.speaker, groups) == group]
    tested: Iterable[ClipRow] = (replace(row, split="test") for row in theirs)
    link = out / "clips"
    if not link.is_symlink():
        link.symlink_to(os.path.relpath(folder / "clips", out))
    shutil.copyfile(folder / "dataset.json", out / "dataset.json")
    write_manifest(out / "manifest.parquet", [*others, *(tested if is_tested else ())])
    return len(theirs)
