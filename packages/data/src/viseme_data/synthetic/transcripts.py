"""What is said in the videos of a prepared folder, from a table of transcripts.

The first line names the columns: `source start_sec end_sec text`, tabs between. Every other line is
a stretch of speech: the video's path as in the manifest, and seconds of the video from silence to
silence.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from viseme_core.types import FPS
from viseme_data.manifest import ClipRow
from viseme_data.synthetic.alignment import Stretch

COLUMNS = ("source", "start_sec", "end_sec", "text")


def read_transcripts(path: Path | str) -> dict[str, list[Stretch]]:
    """Return the stretches of each video, in order of time.

    Raises:
        ValueError: If the file cannot be read, or a line is not as it should be.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read the transcripts {str(path)!r}: {error}") from error
    if not lines or tuple(lines[0].split("\t")) != COLUMNS:
        raise ValueError(
            f"the first line of {str(path)!r} must be {' '.join(COLUMNS)} with tabs between, got "
            f"{lines[0] if lines else ''!r}"
        )
    stretches: dict[str, list[Stretch]] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            source, start, end, text = line.split("\t")
            stretch = Stretch(float(start), float(end), text)
        except ValueError as error:
            raise ValueError(
                f"line {number} of {str(path)!r} must have {' '.join(COLUMNS)} with tabs between, "
                f"got {line!r}"
            ) from error
        stretches.setdefault(source, []).append(stretch)
    for source, some in stretches.items():
        some.sort()
        for one, other in pairwise(some):
            if other.start_sec < one.end_sec:
                raise ValueError(
                    f"{str(path)!r} has two stretches of {source!r} at the same time, "
                    f"{one.text!r} and {other.text!r}; let the first end where the second begins"
                )
    return stretches


def stretches_of(row: ClipRow, transcripts: Mapping[str, Sequence[Stretch]]) -> list[Stretch]:
    """Return what is said in a clip, in seconds of the clip's sound.

    That is what lies in the clip as a whole; of several people at a time only the most prominent
    is taken to speak.
    """
    if row.face != 0:
        return []
    # The prepared sound has been moved by its offset.
    shift_sec = (row.offset_frames - row.start_frame) / FPS
    moved = [
        Stretch(one.start_sec + shift_sec, one.end_sec + shift_sec, one.text)
        for one in transcripts.get(row.source, ())
    ]
    return [one for one in moved if one.start_sec >= 0 and one.end_sec <= row.num_frames / FPS]
