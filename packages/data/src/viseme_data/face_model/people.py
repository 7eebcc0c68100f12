"""Landmarks of many people, from a folder of videos and pictures or from prepared clips."""

import csv
import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from viseme_core.types import Landmarks
from viseme_data.clips import ClipFile
from viseme_data.container import MediaError
from viseme_data.crop import crop_box, to_crop
from viseme_data.facemesh import FaceNets
from viseme_data.follow import FaceFollower
from viseme_data.frames import read_frames
from viseme_data.manifest import kept, read_manifest
from viseme_data.scenes import mark_cuts
from viseme_data.stills import read_image
from viseme_data.track import FaceTracker, TrackerConfig

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
VIDEOS = frozenset({".mp4", ".mov", ".avi", ".mpg", ".mpeg", ".mkv", ".webm", ".m4v", ".wmv"})
MANIFEST = "manifest.parquet"
Use = Literal["learn", "measure"]

logger = logging.getLogger(__name__)


@dataclass
class Person:
    """Somebody's clips; a picture is a clip of one frame."""

    name: str
    use: Use
    clips: list[Landmarks] = field(default_factory=list)
    """Landmarks with depth, each clip in a crop of its own."""
    origins: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Number of files by (source, licence)."""

    def frames(self, num: int) -> Tensor:
        """Return up to `num` frames (F, 478, 3), spread over all clips."""
        share = max(1, num // len(self.clips))
        parts = []
        for clip in self.clips[:num]:
            length = clip.num_frames
            chosen = torch.linspace(0, length - 1, min(length, share)).round().long()
            parts.append(clip.points_TKD[chosen])
        return torch.cat(parts)


@dataclass(frozen=True)
class _Entry:
    path: Path
    person: str
    use: Use
    origin: tuple[str, str]


def read_people(folder: Path, table: Path | None, holdout: float) -> list[Person]:
    """Return the people of a folder by name; files without a face are left out, by a warning.

    A folder with a manifest holds prepared clips, whose speakers are the people. Else every video
    and picture is looked at: without a table, files in a folder of their own show one person, and
    every other file somebody else.

    Args:
        folder: Where the files are.
        table: Tab-separated values with the columns file (relative to the folder) and person, and
            if wanted use (`learn` or `measure`), source and licence; other files are left aside.
        holdout: Share of people to measure on only, chosen by their names, where no table says.

    Raises:
        ValueError: If there are no such files, or the table is not as described.
    """
    if not folder.is_dir():
        raise ValueError(f"{str(folder)!r} must be a folder of videos, pictures or prepared clips")
    people: dict[str, Person] = {}
    if (folder / MANIFEST).is_file():
        for row in kept(read_manifest(folder / MANIFEST)):
            with ClipFile(folder / "clips" / f"{row.clip_id}.safetensors") as clip:
                points_TK3 = clip.read(["landmarks"])["landmarks"].float()
            person = people.setdefault(row.speaker, Person(row.speaker, _use(row.speaker, holdout)))
            person.clips.append(Landmarks(points_TK3, "mp478"))
            person.origins["prepared clips", "not stated"] += 1
    else:
        entries = _read_table(table, folder, holdout) if table else _list(folder, holdout)
        if not entries:
            raise ValueError(f"{str(folder)!r} holds no videos and no pictures")
        with FaceNets() as nets:
            for entry in entries:
                clip = _track(entry.path, nets)
                if clip is not None:
                    person = people.setdefault(entry.person, Person(entry.person, entry.use))
                    person.clips.append(clip)
                    person.origins[entry.origin] += 1
    return [people[name] for name in sorted(people)]


def _list(folder: Path, holdout: float) -> list[_Entry]:
    entries = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURES | VIDEOS:
            inner = path.relative_to(folder)
            name = inner.parts[0] if len(inner.parts) > 1 else inner.name
            entries.append(_Entry(path, name, _use(name, holdout), ("not stated", "not stated")))
    return entries


def _read_table(table: Path, folder: Path, holdout: float) -> list[_Entry]:
    with open(table, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, delimiter="\t")
        columns = reader.fieldnames or ()
        if not {"file", "person"} <= set(columns):
            raise ValueError(
                f"{str(table)!r} must be tab-separated values with a first line that names the "
                f"columns file and person (and use, source, licence), got {tuple(columns)}"
            )
        entries = []
        for row in reader:
            use = row.get("use") or _use(row["person"], holdout)
            if use not in ("learn", "measure"):
                raise ValueError(f"{str(table)!r}: use must be learn or measure, got {use!r}")
            origin = (row.get("source") or "not stated", row.get("licence") or "not stated")
            entries.append(_Entry(folder / row["file"], row["person"], use, origin))
    mixed = {e.person for e in entries if e.use == "learn"} & {
        e.person for e in entries if e.use == "measure"
    }
    if mixed:
        raise ValueError(f"{str(table)!r}: {sorted(mixed)[0]!r} is both to learn and to measure")
    return entries


def _use(person: str, holdout: float) -> Use:
    """Choose by name, so that more people never move one from one side to the other."""
    number = int.from_bytes(hashlib.sha256(person.encode()).digest()[:6], "big") / 2**48
    return "measure" if number < holdout else "learn"


def _track(path: Path, nets: FaceNets) -> Landmarks | None:
    """Return the most prominent face, in its crop, or None if there is none."""
    try:
        points_TK3 = _faces(path, nets)
    except MediaError as error:
        logger.warning("%s", error)
        return None
    if points_TK3 is None:
        logger.warning("%s shows no face", path)
        return None
    return to_crop(points_TK3, crop_box(points_TK3))


def _faces(path: Path, nets: FaceNets) -> Tensor | None:
    tracker = FaceTracker(TrackerConfig(max_faces=2), nets=nets)
    if path.suffix.lower() in PICTURES:
        faces = tracker.track(np.ascontiguousarray(read_image(path)))
        largest = max(faces, key=lambda face_K3: float(np.ptp(face_K3[:, 0])), default=None)
        return None if largest is None else torch.from_numpy(largest)[None]
    follower = FaceFollower()
    for frame_HW3, is_cut in mark_cuts(_read(path)):
        if is_cut:
            tracker.reset()
        follower.push(tracker.track(frame_HW3), is_cut=is_cut)
    # After a cut it may be somebody else: one shot only.
    tracks = follower.finish()
    return max(tracks, key=lambda track: track.prominence).points_TK3 if tracks else None


def _read(path: Path) -> Iterator[np.ndarray]:
    for frame_HW3 in read_frames(path):
        yield np.ascontiguousarray(frame_HW3)
