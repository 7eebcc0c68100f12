"""Windows of landmarks, of pictures, and of both."""

from typing import Any

import torch
from torch import Tensor

from viseme_core.audio import MEL_WINDOW, AudioEncoder, Wav2LipMelConfig, build_encoder
from viseme_core.batches import JointBatch, LandmarkBatch, RenderBatch
from viseme_core.draws import Draws
from viseme_core.types import Landmarks
from viseme_data.segments import PREVIOUS
from viseme_data.sources import Piece, Source
from viseme_data.window_dataset import WindowDataset, index_of, rows_at
from viseme_data.windows import (
    elsewhere,
    frame_numbers,
    to_float_frames,
)
from viseme_face.driving import COEFFICIENT_REACH, coefficient_windows, coefficients
from viseme_face.layouts import CONTENT_SLICE, POSE_SLICE, select

# Frames that Wav2Lip's columns reach beyond their own, and what its encoder's windows begin on a
# multiple of.
_MEL_REACH = 5
_MEL_STEP = 5


class LandmarkDataset(WindowDataset):
    """Windows for landmark completion: `LandmarkBatch`, without its first dimension.

    Args:
        source: Clips of one split.
        references: Reference frames from elsewhere in the clip.
        options: As `WindowDataset`.
    """

    needs_sound = True

    def __init__(self, source: Source, *, references: int = 5, **options: Any) -> None:
        super().__init__(source, **options)
        if references < 1:
            raise ValueError(f"data.references must be at least 1, got {references}")
        self.references = references
        self._mel: AudioEncoder = build_encoder(Wav2LipMelConfig())

    def sample(self, piece: Piece, start: int, draws: Draws) -> LandmarkBatch:
        """Return the window of a piece that begins at a frame."""
        numbers, mask_T = frame_numbers(start, self.frames, piece.num_frames)
        points_TK2 = _talk131(piece, numbers)
        references = draw_references(piece, start, self.frames, self.references, draws)
        return LandmarkBatch(
            mel_BTMW=self._mel_windows(piece, numbers),
            pose_BTK2=points_TK2[:, POSE_SLICE],
            reference_BNK2=_talk131(piece, references),
            target_BTK2=points_TK2[:, CONTENT_SLICE],
            mask_BT=mask_T,
            index_B=index_of(draws),
        )

    def _mel_windows(self, piece: Piece, numbers: Tensor) -> Tensor:
        first, last = int(numbers[0]), int(numbers[-1])
        begin = max(0, first - _MEL_REACH) // _MEL_STEP * _MEL_STEP
        end = min(piece.num_frames, last + 1 + _MEL_REACH)
        samples_S = piece.read(["audio"], begin, end)["audio"]
        mel_TA = self._mel.encode_window(samples_S)
        return mel_TA[numbers - begin].unflatten(-1, MEL_WINDOW)


class RenderDataset(WindowDataset):
    """Successive frames with what drives them: `RenderBatch`, without its first dimension.

    A clip that is shorter than the window repeats its last frame.

    Args:
        source: Clips of one split.
        is_compact: Leave pictures as bytes, a quarter of the size, for `with_float_pictures` on the
            other side of a queue.
        options: As `WindowDataset`.
    """

    def __init__(self, source: Source, *, is_compact: bool = False, **options: Any) -> None:
        super().__init__(source, **options)
        self.is_compact = is_compact

    def sample(self, piece: Piece, start: int, draws: Draws) -> RenderBatch:
        """Return the window of a piece that begins at a frame."""
        numbers, _ = frame_numbers(start, self.frames, piece.num_frames)
        previous, _ = frame_numbers(start - PREVIOUS, PREVIOUS, piece.num_frames)
        reference = draw_references(piece, start, self.frames, 1, draws)
        # At once, so that the decoder goes through them in order.
        wanted = torch.cat([previous, numbers, reference])
        pictures_X3HW = piece.pictures(wanted.tolist())
        if not self.is_compact:
            pictures_X3HW = to_float_frames(pictures_X3HW)
        previous_23HW, frames_T3HW, reference_13HW = pictures_X3HW.split([PREVIOUS, self.frames, 1])
        return RenderBatch(
            frames_BT3HW=frames_T3HW,
            reference_B3HW=reference_13HW[0],
            motion_window_BTWC=_driving(piece, numbers),
            landmarks_BTK2=_talk131(piece, numbers),
            previous_B23HW=previous_23HW,
            index_B=index_of(draws),
        )


class JointDataset(WindowDataset):
    """The same window for landmark completion and for the renderer: `JointBatch`.

    The renderer's reference is the first of the landmarks' references.

    Args:
        source: Clips of one split.
        references: Reference frames from elsewhere in the clip.
        is_compact: As `RenderDataset`.
        options: As `WindowDataset`.
    """

    needs_sound = True

    def __init__(
        self, source: Source, *, references: int = 5, is_compact: bool = False, **options: Any
    ) -> None:
        super().__init__(source, **options)
        self._landmark = LandmarkDataset(source, references=references, **options)
        self._render = RenderDataset(source, is_compact=is_compact, **options)

    def sample(self, piece: Piece, start: int, draws: Draws) -> JointBatch:
        """Return the window of a piece that begins at a frame."""
        return JointBatch(
            landmark=self._landmark.sample(piece, start, draws),
            render=self._render.sample(piece, start, draws),
        )


def with_float_pictures(batch: Any) -> Any:
    """Return a batch with the pictures of a compact data set as float32 in [-1, 1]."""
    if isinstance(batch, JointBatch):
        return batch._replace(render=with_float_pictures(batch.render))
    if not isinstance(batch, RenderBatch):
        return batch
    return batch._replace(
        frames_BT3HW=to_float_frames(batch.frames_BT3HW),
        reference_B3HW=to_float_frames(batch.reference_B3HW),
        previous_B23HW=to_float_frames(batch.previous_B23HW),
    )


def draw_references(piece: Piece, start: int, frames: int, num: int, draws: Draws) -> Tensor:
    """Return frames of a piece from elsewhere than a window, int64 (num,).

    All different where there are enough; fewer of them are the first of more.
    """
    candidates = elsewhere(piece.plan.pictures(piece.segment, piece.num_frames), start, frames)
    order = draws.uniform("data/reference", len(candidates))[0].argsort()
    return candidates[order[torch.arange(num) % len(order)]]


def _talk131(piece: Piece, numbers: Tensor) -> Tensor:
    """Return x and y of the 131 points at frames, (n, 131, 2)."""
    points_TK3 = rows_at(piece, ["landmarks"], numbers)["landmarks"]
    return select(Landmarks(points_TK3, "mp478"), "talk131").points_TKD[..., :2]


def _driving(piece: Piece, numbers: Tensor) -> Tensor:
    """Return the coefficients around frames, (n, 27, 73)."""
    begin = max(0, int(numbers.min()) - COEFFICIENT_REACH)
    end = min(piece.num_frames, int(numbers.max()) + 1 + COEFFICIENT_REACH)
    read = piece.read(["expression", "pose"], begin, end)
    # The ends that are repeated are those of the clip: elsewhere the margin is long enough.
    rows_TC = coefficients(read["expression"], read["pose"], piece.crop)
    return coefficient_windows(rows_TC, numbers - begin)
