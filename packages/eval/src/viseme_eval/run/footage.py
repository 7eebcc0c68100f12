"""Videos of a study: equally long, all with sound or none, all through one encoder."""

from collections.abc import Mapping
from itertools import chain, islice
from pathlib import Path

import numpy as np

from viseme_core.types import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, count_frames
from viseme_data.media import probe, read_frames, stream_audio
from viseme_data.write import VideoWriter

# Better than the eye needs, so that this encoding adds nothing to see.
_CRF = 12.0


def sounds_of_trial(
    clip: str, paths: Mapping[str, Path], sound: Path | None
) -> dict[str, Path | None]:
    """Return the file that each video's sound is in, by its name; None where all are silent.

    Args:
        clip: Name of the clip, for errors.
        paths: Each method's video.
        sound: Sound for videos that have none.

    Raises:
        ValueError: If some of them would be silent and others not, which gives methods away.
    """
    heard = {name: path if probe(path).audio_rate_hz else sound for name, path in paths.items()}
    silent = [paths[name] for name, source in heard.items() if source is None]
    if silent and len(silent) < len(paths):
        raise ValueError(
            f"clip {clip!r}: {str(silent[0])!r} has no sound and another method's video has; give "
            f"--audio a folder that holds sound of this name"
        )
    return heard


def film_trial(paths: Mapping[str, Path], sounds: Mapping[str, Path | None], folder: Path) -> None:
    """Write the videos of one trial.

    Args:
        paths: Each method's video by the name of the file to write, without suffix.
        sounds: What `sounds_of_trial` says of them.
        folder: Where to write.
    """
    facts = [probe(path) for path in paths.values()]
    lengths = [count_frames(fact.seconds) for fact in facts if fact.seconds > 0]
    limit = min(lengths, default=None)
    for name, path in paths.items():
        _copy(path, sounds[name], folder / f"{name}.mp4", limit)


def _copy(path: Path, heard: Path | None, target: Path, limit: int | None) -> None:
    frames = islice(read_frames(path), limit)
    first = next(frames)
    # H.264 takes even sides only.
    height, width = (side // 2 * 2 for side in first.shape[:2])
    rate_hz = SAMPLE_RATE_HZ if heard else None
    sound = stream_audio(heard) if heard else iter(())
    with VideoWriter(target, (width, height), crf=_CRF, audio=rate_hz, threads=1) as writer:
        for frame_HW3 in chain([first], frames):
            writer.write(frame_HW3[:height, :width])
        wanted = writer.num_frames * SAMPLES_PER_FRAME
        for piece in sound:
            writer.write_audio(piece[: wanted - writer.num_samples])
            if writer.num_samples >= wanted:
                break
        if heard and writer.num_samples < wanted:
            writer.write_audio(np.zeros(wanted - writer.num_samples, np.float32))
