"""Films of some portraits with some voices: whether lips follow, against loudness and true lips.

    python benchmarks/bench_voices.py CLIPS [--portraits 10] [--voices 5] [--films FOLDER]

CLIPS holds the folders `video`, `audio` and `portrait`; `--voices` and `--portraits` also take
parts of the names of files, such as `anna,b20`. Voices come from videos, so that the lips that
spoke them are known; those that are named may be sound files, too, whose lips nobody has seen.
Every film is read again from its file: faces are found anew, and the lengths are those of its
streams. Correlations are Pearson's over the frames of a film, of the opening between the lips
(`viseme_face.lip_opening`) with the root mean square of each frame's sound, in decibels, and with
the opening of the true lips, both as they lie and at the best lag within two frames, as real clips
are not all in sync.
"""

import argparse
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from viseme_core.types import SAMPLES_PER_FRAME, AudioClip
from viseme_data.media import MediaError, read_audio, read_frames
from viseme_data.track import FaceTracker, TrackerConfig
from viseme_face.layouts import lip_opening
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.wishes import Wishes

LAGS = range(-2, 3)
MIN_FACES = 0.8
"""Share of the frames of a clip in which its face must be found."""
MIN_FRAMES = 25
MIN_LOUDNESS = 0.02
"""Of the loudest sample, as a share of full scale."""
_QUIET_DB = -60.0


@dataclass(frozen=True, eq=False)
class Spoken:
    """A voice, how loud it is, and how far the lips that spoke it were open."""

    name: str
    sound: AudioClip
    loudness_T: np.ndarray
    opening_T: np.ndarray | None
    """None for a voice without a face."""


def openings(path: Path, num_frames: int) -> tuple[np.ndarray, float]:
    """Return how far lips are open in each frame of a video, and in what share of it they are seen.

    Where no face is found, the opening of the frame before holds.
    """
    found, last, seen = [], None, 0
    with FaceTracker(TrackerConfig(max_faces=1)) as tracker:
        for frame_HW3 in itertools.islice(read_frames(path, threads=1), num_frames):
            faces = tracker.track(np.ascontiguousarray(frame_HW3))
            seen += bool(faces)
            if faces:
                last = float(lip_opening(torch.from_numpy(faces[0])))
            found.append(last)
    known = [value for value in found if value is not None]
    filled = [known[0] if value is None else value for value in found] if known else []
    return np.array(filled), seen / max(1, len(found))


def loudness(sound: AudioClip, num_frames: int) -> np.ndarray:
    """Return how loud each frame is, in decibels, not below -60."""
    samples_S = np.zeros(num_frames * SAMPLES_PER_FRAME)
    given_S = sound.samples_S.numpy()[: len(samples_S)]
    samples_S[: len(given_S)] = given_S
    power_T = np.square(samples_S).reshape(num_frames, -1).mean(1)
    return np.maximum(10 * np.log10(power_T + 1e-12), _QUIET_DB)


def correlation(one_T: np.ndarray, other_T: np.ndarray, lag: int = 0) -> float:
    """Return Pearson's correlation, 0 if one is flat; with a lag above 0, the first is later."""
    count = min(len(one_T), len(other_T)) - abs(lag)
    one_T = one_T[max(lag, 0) :][:count]
    other_T = other_T[max(-lag, 0) :][:count]
    if min(one_T.std(), other_T.std()) < 1e-9:
        return 0.0
    return float(np.corrcoef(one_T, other_T)[0, 1])


def read_voices(clips: Path, wanted: str, seconds: float) -> Iterator[Spoken]:
    """Yield so many voices of clips whose faces are seen, or all those whose names are wanted."""
    paths = _files(clips / "video")
    if wanted.isdigit():
        # From all over the list, which is sorted by where clips come from.
        number = int(wanted)
        step = max(1, len(paths) // (2 * number))
        paths = [*paths[::step], *paths]
    else:
        paths = _named([*paths, *_files(clips / "audio")], wanted)
        number = len(paths)
    made: set[str] = set()
    for path in paths:
        if len(made) < number and path.name not in made:
            spoken = _voice(path, seconds, has_face=path.parent.name == "video")
            if spoken is not None:
                made.add(path.name)
                yield spoken


def _voice(path: Path, seconds: float, *, has_face: bool) -> Spoken | None:
    """Return the voice of a file; None if it is silent, or a face is not seen that should be."""
    try:
        whole = read_audio(path)
    except MediaError:
        return None
    sound = AudioClip(whole.samples_S[: round(seconds * whole.rate_hz)])
    num_frames = len(sound.samples_S) // SAMPLES_PER_FRAME
    if num_frames < MIN_FRAMES or float(sound.samples_S.abs().max()) < MIN_LOUDNESS:
        return None
    opening_T = None
    if has_face:
        opening_T, share = openings(path, num_frames)
        if share < MIN_FACES or len(opening_T) < MIN_FRAMES:
            return None
    return Spoken(path.name, sound, loudness(sound, num_frames), opening_T)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _named(paths: list[Path], wanted: str) -> list[Path]:
    return [path for path in paths if any(part in path.name for part in wanted.split(","))]


def choose_portraits(folder: Path, wanted: str) -> list[Path]:
    """Return so many portraits from all over a folder, or those whose names are wanted."""
    paths = _files(folder)
    if wanted.isdigit():
        return paths[:: max(1, len(paths) // int(wanted))][: int(wanted)]
    return _named(paths, wanted)


def measure(film: Path, spoken: Spoken) -> dict[str, float]:
    """Return all figures of a finished film."""
    opening_T, share = openings(film, len(spoken.loudness_T))
    row = {"found": share}
    for name, truth_T in (("loud", spoken.loudness_T), ("lips", spoken.opening_T)):
        if truth_T is None:
            of_lags = [float("nan")] * len(LAGS)
        elif share:
            of_lags = [correlation(opening_T, truth_T, lag) for lag in LAGS]
        else:
            of_lags = [0.0] * len(LAGS)
        row[name], row[f"{name} best"] = of_lags[len(LAGS) // 2], max(of_lags)
    with av.open(str(film)) as container:
        streams: tuple[Any, Any] = (container.streams.video[0], container.streams.audio[0])
        video_sec, audio_sec = (stream.duration * stream.time_base for stream in streams)
    row["apart ms"] = abs(1000 * float(video_sec - audio_sec))
    return row


def table(title: str, rows: dict[str, list[dict[str, float]]]) -> Iterator[str]:
    """Yield the lines of a table of means."""
    names = list(next(iter(rows.values()))[0])
    yield f"\n| {title} | films | {' | '.join(names)} |\n|{'---|' * (len(names) + 2)}"
    for key, group in rows.items():
        means = " | ".join(_mean([row[name] for row in group]) for name in names)
        yield f"| {key} | {len(group)} | {means} |"


def _mean(values: list[float]) -> str:
    """Return the mean of what is known, in two digits."""
    known = [value for value in values if value == value]
    return f"{np.mean(known):.2f}" if known else ""


def report(arguments: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Yield the lines of the report."""
    chain = TalkingFace.from_pretrained(arguments.pretrained, device="cpu")
    portraits = choose_portraits(arguments.clips / "portrait", arguments.portraits)
    by_voice: dict[str, list[dict[str, float]]] = {}
    by_portrait: dict[str, list[dict[str, float]]] = {}
    refused: list[str] = []
    yield f"# {len(portraits)} portraits, voices of {arguments.seconds:g} s\n"
    for spoken in read_voices(arguments.clips, arguments.voices, arguments.seconds):
        if spoken.opening_T is None:
            yield f"- {spoken.name}: sound without a face"
        else:
            true = correlation(spoken.opening_T, spoken.loudness_T)
            yield f"- {spoken.name}: its own lips correlate {true:.2f} with its loudness"
        for portrait in portraits:
            out = folder / f"{Path(spoken.name).stem}__{portrait.stem}.mp4"
            try:
                chain.generate(
                    spoken.sound,
                    portrait,
                    out=out,
                    wishes=Wishes(max_side=720),
                    overwrite=True,
                )
            except ValueError as error:
                refused.append(f"- {portrait.name}: {error}")
                continue
            row = measure(out, spoken)
            by_voice.setdefault(spoken.name, []).append(row)
            by_portrait.setdefault(portrait.name, []).append(row)
    every = [row for rows in by_voice.values() for row in rows]
    if every:
        yield from table("voice", {**by_voice, "all": every})
        yield from table("portrait", by_portrait)
        yield f"\nSound and picture at most {max(row['apart ms'] for row in every):.1f} ms apart."
    yield from sorted(set(refused))


def main() -> None:
    """Print the report, and write it if a file is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clips", type=Path, help="folder with `video`, `audio`, `portrait`")
    parser.add_argument("--portraits", default="10", help="how many, or parts of names")
    parser.add_argument("--voices", default="5", help="how many, or parts of names")
    parser.add_argument("--seconds", type=float, default=5, help="of each voice")
    parser.add_argument("--pretrained", type=Path, help="a chain; by default the embedded one")
    parser.add_argument("--films", type=Path, help="folder to keep the films in, to look at them")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        films = arguments.films or Path(folder)
        films.mkdir(parents=True, exist_ok=True)
        for line in report(arguments, films):
            print(line, flush=True)
            lines.append(line)
    if arguments.out is not None:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
