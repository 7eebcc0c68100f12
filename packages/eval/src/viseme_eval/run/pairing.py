"""Which generated video belongs to which reference: the same path under each folder."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Beside videos: what datasets and methods leave in such folders and nobody wants a row for.
_OTHER_KINDS = re.compile(
    r"\.(txt|md|json|jsonl|ya?ml|csv|tsv|npy|npz|pt|pth|ckpt|safetensors|html?|log|png|jpe?g|bmp"
    r"|webp|srt|vtt|partial|py|sh|zip|tar|gz)",
    re.IGNORECASE,
)
_SOUND = re.compile(r"\.(wav|mp3|flac|m4a|aac|ogg|opus|wma)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A row of the report to be."""

    name: str
    """Path under the folder, without suffix, with `/`."""
    generated: Path | None = None
    reference: Path | None = None
    audio: Path | None = None
    """Sound file of `--audio`, if there is one."""
    reason: str = ""
    """Why it cannot be compared; empty if it can."""


def find_pairs(generated: Path, reference: Path, audio: Path | None = None) -> list[Pair]:
    """Return all pairs by name, and a row with a reason for what has no partner.

    Args:
        generated: Folder of videos, or one video.
        reference: The same kind of thing.
        audio: Folder of sound files (or videos with sound), or one file.

    Raises:
        ValueError: If a path does not exist, a file meets a folder, or no pair comes out.
    """
    for option, path in (("generated", generated), ("reference", reference), ("audio", audio)):
        if path is not None and not path.exists():
            raise ValueError(f"--{option}: there is no {str(path)!r}; check the path")
    if generated.is_dir() != reference.is_dir():
        raise ValueError(
            f"--generated and --reference must be two folders or two files, got "
            f"{_kind(generated)} {str(generated)!r} and {_kind(reference)} {str(reference)!r}"
        )
    if not generated.is_dir():
        return [_single(generated, reference, audio)]
    if audio is not None and not audio.is_dir():
        raise ValueError(
            f"--audio must be a folder, as --generated is, got the file {str(audio)!r}"
        )
    ours = files_by_stem(generated, sound=False)
    theirs = files_by_stem(reference, sound=False)
    sounds = files_by_stem(audio, sound=True) if audio is not None else {}
    pairs = [
        _joined(name, ours.get(name, []), theirs.get(name, []), sounds.get(name, []))
        for name in sorted({*ours, *theirs})
    ]
    if not any(pair.generated and pair.reference for pair in pairs):
        raise ValueError(
            f"no video under {str(generated)!r} has a partner of the same relative path (less "
            f"suffix) under {str(reference)!r}: {_first(ours)} against {_first(theirs)}; rename "
            f"one side, or give two files"
        )
    return pairs


def _single(generated: Path, reference: Path, audio: Path | None) -> Pair:
    if audio is not None and audio.is_dir():
        raise ValueError(
            f"--audio must be a file, as --generated is, got the folder {str(audio)!r}"
        )
    # After the reference, so that reports of several methods have it in common.
    return Pair(name=reference.stem, generated=generated, reference=reference, audio=audio)


def _joined(name: str, ours: list[Path], theirs: list[Path], sounds: list[Path]) -> Pair:
    many = next((paths for paths in (ours, theirs, sounds) if len(paths) > 1), None)
    reason = ""
    if many:
        reason = f"several files of this name: {', '.join(p.name for p in many)}; keep one"
    elif not ours:
        reason = "no generated video of this name"
    elif not theirs:
        reason = "no reference of this name"
    return Pair(
        name=name,
        generated=ours[0] if ours else None,
        reference=theirs[0] if theirs else None,
        audio=sounds[0] if sounds else None,
        reason=reason,
    )


def files_by_stem(folder: Path, *, sound: bool) -> dict[str, list[Path]]:
    """Return the media files under a folder by relative path without suffix.

    Args:
        folder: Where to look, at any depth; hidden files and what is no media are left out.
        sound: Whether files of sound alone count.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if hidden or not path.is_file() or _OTHER_KINDS.fullmatch(path.suffix):
            continue
        if not sound and _SOUND.fullmatch(path.suffix):
            continue
        found[inside.with_suffix("").as_posix()].append(path)
    return found


def _kind(path: Path) -> str:
    return "the folder" if path.is_dir() else "the file"


def _first(names: Iterable[str]) -> str:
    return next((repr(name) for name in sorted(names)), "nothing")
