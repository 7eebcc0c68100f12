"""A pair of videos as aligned chunks: same times, same crop, sound in step.

Both are read at 25 frames per second by their timestamps with the first picture at time zero, and
compared as long as both last. Nothing holds more than one chunk of pictures or sound.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.types import FPS, SAMPLES_PER_FRAME, CropBox
from viseme_data.crop import to_crop, warp
from viseme_data.media import MediaError, probe, read_frames, stream_audio
from viseme_data.track import FaceTracker
from viseme_eval.run.config import Crop
from viseme_eval.run.faces import FaceFilm, film_face
from viseme_eval.run.measure import Chunk, View
from viseme_eval.run.pairing import Pair
from viseme_eval.run.poses import PoseFitter
from viseme_face import MorphableModel

# Pixels of one video that are in memory at a time, 32 frames of 256 px: networks make ten times as
# many numbers of them.
_MOST_PIXELS = 32 * 256**2
# Aspect ratios that differ by less are one picture at two sizes, rounded to even numbers.
_SAME_ASPECT = 0.01


@dataclass(frozen=True, kw_only=True)
class ClipRead:
    """What the first pass found out of a pair."""

    generated: FaceFilm
    reference: FaceFilm
    boxes: tuple[CropBox | None, CropBox | None]
    """Crops of the generated video and of the reference; None is the whole frame."""
    size: tuple[int, int]
    """Width and height of what measures get."""
    audio: tuple[Path | None, Path | None]
    """Where the sound of the generated video and of the reference is."""
    audio_from: str
    """In words: `--audio`, `generated`, `reference`, or empty."""

    @property
    def num_frames(self) -> int:
        """Frames that both have."""
        return min(self.generated.num_frames, self.reference.num_frames)

    @property
    def cut_sec(self) -> tuple[float, float]:
        """Seconds left out at the end of the generated video and of the reference."""
        cut = (film.num_frames - self.num_frames for film in (self.generated, self.reference))
        first, second = (frames / FPS for frames in cut)
        return first, second


def survey(
    pair: Pair,
    tracker: FaceTracker | None,
    work: Path,
    *,
    crop: Crop,
    size: int,
    on_frames: Callable[[int], None] = lambda count: None,
) -> ClipRead:
    """Return what a first pass over both videos finds: length, face, crop, sound.

    Args:
        pair: The videos.
        tracker: Finds faces; without one there are no landmarks, and only `none` can crop.
        work: Folder for landmarks.
        crop: How to crop.
        size: Side of the crop.
        on_frames: Called with how many frames were looked at since the last call.

    Raises:
        ValueError: If a video cannot be read, or the pair cannot be compared like this.
    """
    if pair.generated is None or pair.reference is None:
        raise ValueError(pair.reason or "there is nothing to compare")
    films = []
    for side, path in (("generated", pair.generated), ("reference", pair.reference)):
        frames = _told(read_frames(path), on_frames)
        file = work / f"{side}.landmarks"
        films.append(film_face(frames, tracker, file) if tracker else _unseen(frames, file))
    generated, reference = films
    sound, audio_from = _sound_of(pair)
    # The reference spoke with its own voice, whatever drove the generated video.
    spoken = pair.reference if _has_sound(pair.reference) else pair.audio
    return ClipRead(
        generated=generated,
        reference=reference,
        boxes=_boxes(generated, reference, crop),
        size=reference.size if crop == "none" else (size, size),
        audio=(sound, spoken),
        audio_from=audio_from,
    )


def read_chunks(
    pair: Pair, clip: ClipRead, *, batch: int, with_pose: bool, on_frames: Callable[[int], None]
) -> Iterator[Chunk]:
    """Yield the frames that both videos have, at most `batch` at a time.

    Args:
        pair: The videos.
        clip: What `survey` said of them.
        batch: Frames at a time; fewer where frames are large.
        with_pose: Fit the head pose, where there is a face.
        on_frames: Called with how many frames were read since the last call.
    """
    if pair.generated is None or pair.reference is None:
        raise ValueError("there is nothing to read")
    sides = [
        _Side(path, film, box, sound, clip, with_pose=with_pose)
        for path, film, box, sound in zip(
            (pair.generated, pair.reference),
            (clip.generated, clip.reference),
            clip.boxes,
            clip.audio,
            strict=True,
        )
    ]
    width, height = clip.size
    step = max(1, min(batch, _MOST_PIXELS // (width * height)))
    for start in range(0, clip.num_frames, step):
        stop = min(start + step, clip.num_frames)
        generated, reference = (side.view(start, stop) for side in sides)
        yield Chunk(generated, reference)
        on_frames(2 * (stop - start))


class _Side:
    """One of the two videos, read once from its start."""

    def __init__(
        self,
        path: Path,
        film: FaceFilm,
        box: CropBox | None,
        sound: Path | None,
        clip: ClipRead,
        *,
        with_pose: bool,
    ) -> None:
        self._film = film
        self._size = clip.size
        self._cut = box
        self._frames = read_frames(path)
        self._sound = _Sound(sound) if sound else None
        self._fitter = None
        if with_pose and film.has_face and box is not None:
            self._fitter = PoseFitter(
                lambda some: torch.cat([self._landmarks(n, n + 1) for n in some]),
                clip.num_frames,
                MorphableModel.builtin(),
            )

    def view(self, start: int, stop: int) -> View:
        pictures = [self._picture(frame) for frame in islice(self._frames, stop - start)]
        if len(pictures) < stop - start:
            raise ValueError("the video changed while it was read")
        frames_T3HW = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        landmarks = self._landmarks(start, stop) if self._film.has_face else None
        pose = self._fitter.pose(landmarks) if self._fitter and landmarks is not None else None
        return View(
            start=start,
            frames_T3HW=frames_T3HW.float() / 127.5 - 1,
            landmarks_TK3=landmarks,
            seen_T=self._film.seen_T[start:stop] if landmarks is not None else None,
            pose_T6=pose,
            audio_S=self._sound.take(stop - start) if self._sound else None,
        )

    def _picture(self, frame_HW3: np.ndarray) -> np.ndarray:
        if self._cut is not None:
            return warp(frame_HW3, self._cut, self._size[0])
        if (frame_HW3.shape[1], frame_HW3.shape[0]) != self._size:
            return _resized(frame_HW3, self._size)
        return np.ascontiguousarray(frame_HW3)

    def _landmarks(self, start: int, stop: int) -> Tensor:
        points_TK3 = self._film.points(start, stop)
        if self._cut is not None:
            return to_crop(points_TK3, self._cut).points_TKD.float()
        width, height = self._film.size
        return points_TK3 / points_TK3.new_tensor([width, height, width])


class _Sound:
    """The sound of a file, 640 samples for each frame."""

    def __init__(self, path: Path) -> None:
        self._pieces = stream_audio(path)
        self._rest = np.zeros(0, np.float32)

    def take(self, num_frames: int) -> Tensor:
        """Return the sound of the next frames; silence after the end."""
        wanted = num_frames * SAMPLES_PER_FRAME
        parts, have = [self._rest], len(self._rest)
        while have < wanted:
            piece = next(self._pieces, None)
            if piece is None:
                piece = np.zeros(wanted - have, np.float32)
            parts.append(piece)
            have += len(piece)
        joined = np.concatenate(parts)
        self._rest = joined[wanted:]
        return torch.from_numpy(joined[:wanted].copy())


def _resized(frame_HW3: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a picture at another width and height, uint8."""
    picture = torch.from_numpy(np.ascontiguousarray(frame_HW3)).permute(2, 0, 1)[None].float()
    width, height = size
    resized = F.interpolate(picture, (height, width), mode="bilinear", antialias=True)
    return resized[0].round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def _boxes(
    generated: FaceFilm, reference: FaceFilm, crop: Crop
) -> tuple[CropBox | None, CropBox | None]:
    if crop == "own":
        for side, film in (("generated video", generated), ("reference", reference)):
            if not film.has_face:
                raise ValueError(f"no face was found in the {side}; --crop none needs none")
        return generated.box(), reference.box()
    (width, height), (ref_width, ref_height) = generated.size, reference.size
    if abs(width * ref_height / (height * ref_width) - 1) > _SAME_ASPECT:
        raise ValueError(
            f"frames have other proportions, {width} x {height} against {ref_width} x "
            f"{ref_height}: pixels do not correspond; give the reference cropped as the generated "
            f"video is, or --crop own"
        )
    if crop == "none":
        return None, None
    if not reference.has_face:
        raise ValueError("no face was found in the reference; --crop none needs none")
    box = reference.box()
    factor = width / ref_width
    scaled = replace(box, cx=box.cx * factor, cy=box.cy * factor, side=box.side * factor)
    return scaled, box


def _sound_of(pair: Pair) -> tuple[Path | None, str]:
    """Return the sound that drove the generated video, and whose it is."""
    if pair.audio is not None:
        return pair.audio, "--audio"
    for path, name in ((pair.generated, "generated"), (pair.reference, "reference")):
        if path is not None and _has_sound(path):
            return path, name
    return None, ""


def _has_sound(path: Path) -> bool:
    try:
        return probe(path).audio_rate_hz > 0
    except MediaError:
        return False


def _told(frames: Iterator[np.ndarray], on_frames: Callable[[int], None]) -> Iterator[np.ndarray]:
    for frame_HW3 in frames:
        on_frames(1)
        yield frame_HW3


def _unseen(frames: Iterator[np.ndarray], file: Path) -> FaceFilm:
    """Return the film of a video in which nobody looked for a face."""
    num, size = 0, (0, 0)
    for frame_HW3 in frames:
        size = (frame_HW3.shape[1], frame_HW3.shape[0])
        num += 1
    return FaceFilm(
        size=size,
        num_frames=num,
        seen_T=torch.zeros(num, dtype=torch.bool),
        boxes_T4=torch.zeros(0, 4),
        file=file,
    )
