"""What renderers train on: prepared clips with pictures, or synthetic speakers made on the fly."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from viseme_core.batches import RenderBatch
from viseme_core.draws import Draws
from viseme_core.types import LAYOUT_SIZES, CropBox, Landmarks
from viseme_data.datamodule import ClipDataModule, DataConfig
from viseme_data.face_datasets import RenderDataset, draw_references
from viseme_data.manifest import Split
from viseme_data.sources import Piece
from viseme_data.synthetic.config import SynthesizeConfig
from viseme_data.window_dataset import WindowDataset, index_of, rows_at
from viseme_data.windows import frame_numbers, to_float_frames
from viseme_face.driving import (
    COEFFICIENT_REACH,
    NUM_COEFFICIENTS,
    coefficient_windows,
    coefficients,
)
from viseme_face.layouts import select
from viseme_render.pirender.batch import PIRenderBatch


@dataclass(frozen=True, kw_only=True)
class SpeakersConfig:
    """Synthetic speakers to make where there is no data."""

    speakers: int = 24
    """How many people."""
    minutes: float = 3.0
    """How long they speak, all together; everyone speaks one clip of 4 to 12 s at least."""
    languages: str = "en,cmn"
    """Codes of languages, with commas between."""
    seed: int = 0
    """Another seed is other people."""
    split_shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """Shares of the speakers that are for train, val and test."""


Samples = Literal["scattered", "successive"]
"""How training chooses the frames of a sample."""


@dataclass(frozen=True, kw_only=True)
class RenderDataConfig:
    """What is trained on."""

    samples: Samples = "scattered"
    """`scattered`: a portrait and frames from anywhere in its clip, for PIRender. `successive`:
    frames in a row, the two before them, and one from elsewhere, for TalkFormer."""
    path: str | None = None
    """Folder of prepared clips or shards; left out, synthetic speakers are made and kept in
    `synthetic_path`."""
    synthetic_path: str = "runs/data/render"
    """Where synthetic speakers are kept; a later run with the same settings finds them there."""
    synthetic: SpeakersConfig = field(default_factory=SpeakersConfig)
    """Which synthetic speakers are made."""
    frames: int = 4
    """Pictures in a training sample, besides portrait and preceding frames."""
    evaluation_frames: int = 25
    """Successive pictures of a sample of validation and test."""
    batch_size: int = 4
    """Portraits per process and step."""
    repeats: int = 1
    """Samples of each segment (at most 10 s) in an epoch."""
    num_workers: int = 2
    """Loader processes."""


class PIRenderDataset(WindowDataset):
    """Pictures, what drives them, and a portrait: `PIRenderBatch`, without its first dimension.

    Pictures are bytes. In training they come from anywhere in a segment: successive ones are too
    much alike to be worth a step. In evaluation they are successive.
    """

    def sample(self, piece: Piece, start: int, draws: Draws) -> PIRenderBatch:
        """Return the sample of a piece; evaluation's begins at a frame."""
        if self.tiles is None:
            numbers, reference = _scattered(piece, self.frames, draws)
        else:
            numbers, _ = frame_numbers(start, self.frames, piece.num_frames)
            reference = draw_references(piece, start, self.frames, 1, draws)
        wanted = torch.cat([numbers, reference])
        pictures_X3HW = piece.pictures(wanted.tolist())
        points_XK3 = rows_at(piece, ["landmarks"], wanted)["landmarks"]
        points_XK2 = select(Landmarks(points_XK3, "mp478"), "talk131").points_TKD[..., :2]
        window_XWC = _driving(piece, wanted)
        return PIRenderBatch(
            frames_BT3HW=pictures_X3HW[:-1],
            reference_B3HW=pictures_X3HW[-1],
            motion_window_BTWC=window_XWC[:-1],
            landmarks_BTK2=points_XK2[:-1],
            own_motion_BC=window_XWC[-1, COEFFICIENT_REACH],
            own_landmarks_BK2=points_XK2[-1],
            index_B=index_of(draws),
        )


class RenderDataModule(ClipDataModule):
    """Feeds renderers.

    Args:
        config: What is trained on.
    """

    def __init__(self, config: RenderDataConfig) -> None:
        self.render_config = config
        super().__init__(
            DataConfig(
                path=config.path or config.synthetic_path,
                kind="render",
                frames=config.frames,
                evaluation_frames=config.evaluation_frames,
                batch_size=config.batch_size,
                repeats=config.repeats,
                num_workers=config.num_workers,
            )
        )

    def prepare_data(self) -> None:
        """Make the synthetic speakers where no data are given."""
        if self.render_config.path is not None:
            return
        # Synthetic speech is an extra of viseme_data that training on real clips does without.
        from viseme_data.synthetic.run import synthesize

        wanted = self.render_config.synthetic
        settings = SynthesizeConfig(
            speakers=wanted.speakers,
            minutes=wanted.minutes,
            languages=wanted.languages,
            seed=wanted.seed,
            split_shares=wanted.split_shares,
            frames="256",
        )
        synthesize(settings, out=Path(self.config.path), workers=self.config.num_workers)

    def predict_dataloader(self) -> DataLoader:
        """Return the loader of the test clips: their pictures are what is predicted."""
        return self.test_dataloader()

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of the 73 coefficients over the training clips, (73,) each."""
        source = self.source("train")
        count, total, squares = 0, *(torch.zeros(NUM_COEFFICIENTS, dtype=torch.float64),) * 2
        for number, segment in enumerate(source.segments):
            piece = source.open(number)
            read = piece.read(["expression", "pose"], segment.start, segment.stop)
            rows_TC = coefficients(read["expression"], read["pose"], piece.crop).double()
            count += len(rows_TC)
            total = total + rows_TC.sum(0)
            squares = squares + rows_TC.square().sum(0)
        mean = total / count
        return mean.float(), (squares / count - mean.square()).clamp(min=0).sqrt().float()

    def found_points(self, pictures_T3HW: Tensor, points_TK2: Tensor) -> Tensor:
        """Return the 478 landmarks that FaceMesh finds; see the function of this name."""
        return found_points(pictures_T3HW, points_TK2)

    def write_film(self, path: Path, pictures_T3HW: Tensor) -> None:
        """Write pictures in [-1, 1] as a video, 25 a second."""
        # PyAV is needed here alone.
        from viseme_data.write import VideoWriter

        height, width = pictures_T3HW.shape[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        bytes_THW3 = ((pictures_T3HW.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
        with VideoWriter(path, (width, height)) as writer:
            for picture_HW3 in bytes_THW3.cpu():
                writer.write(picture_HW3.contiguous().numpy())

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Return the batch with its pictures in [-1, 1], as large as the model's if it asks."""
        size = getattr(getattr(self.trainer, "lightning_module", None), "picture_size", None)
        return with_pictures(batch, size)

    def _dataset(self, split: Split, seed: int) -> WindowDataset:
        is_training = split == "train"
        config = self.render_config
        if config.samples == "successive":
            return RenderDataset(
                self.source(split),
                is_compact=True,
                frames=config.frames if is_training else config.evaluation_frames,
                seed=seed,
                is_tiled=not is_training,
                repeats=config.repeats,
            )
        return PIRenderDataset(
            self.source(split),
            frames=config.frames if is_training else config.evaluation_frames,
            seed=seed,
            is_tiled=not is_training,
            repeats=config.repeats,
        )


def found_points(pictures_T3HW: Tensor, points_TK2: Tensor) -> Tensor:
    """Return the 478 landmarks that FaceMesh finds, (T, 478, 2) in [0, 1]; NaN without face.

    Args:
        pictures_T3HW: Pictures in [-1, 1].
        points_TK2: Landmarks in [0, 1] that say where the face is.

    Raises:
        ImportError: If MediaPipe, an extra of viseme_data, is not installed.
    """
    # Tracking is an extra that training does without.
    from viseme_data.facemesh import ROI_SCALE, FaceNets

    side = pictures_T3HW.shape[-1]
    bytes_THW3 = ((pictures_T3HW.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    low_T2, high_T2 = points_TK2.amin(1) * side, points_TK2.amax(1) * side
    points = torch.full((len(pictures_T3HW), LAYOUT_SIZES["mp478"], 2), torch.nan)
    with FaceNets() as nets:
        for number, picture_HW3 in enumerate(bytes_THW3.cpu()):
            cx, cy = ((low_T2[number] + high_T2[number]) / 2).tolist()
            reach = float((high_T2[number] - low_T2[number]).max())
            square = CropBox(cx=cx, cy=cy, side=ROI_SCALE * reach)
            found = nets.landmarks(picture_HW3.contiguous().numpy(), square)
            if found is not None:
                points[number] = torch.from_numpy(found)[:, :2] / side
    return points


def with_pictures(batch: Any, size: int | None = None) -> Any:
    """Return a batch whose pictures were bytes with pictures in [-1, 1] of a size.

    Args:
        batch: As the data set gives it, a `PIRenderBatch` or a `RenderBatch`.
        size: Side in pixels; None leaves it as it is.
    """
    # Precision is set for all floating-point tensors of a batch before, when pictures are bytes.
    dtype = batch.motion_window_BTWC.dtype

    def floating(pictures_X3HW: Tensor) -> Tensor:
        flat = pictures_X3HW.reshape(-1, *pictures_X3HW.shape[-3:])
        made = resized(to_float_frames(flat).to(dtype), size)
        return made.reshape(*pictures_X3HW.shape[:-2], *made.shape[-2:])

    made = batch._replace(
        frames_BT3HW=floating(batch.frames_BT3HW), reference_B3HW=floating(batch.reference_B3HW)
    )
    if isinstance(made, RenderBatch):
        return made._replace(previous_B23HW=floating(made.previous_B23HW))
    return made


def resized(pictures_X3HW: Tensor, size: int | None) -> Tensor:
    """Return square pictures of another side, (X, 3, size, size); smaller ones are area means."""
    side = pictures_X3HW.shape[-1]
    if size is None or side == size:
        return pictures_X3HW
    if side % size == 0:
        return F.avg_pool2d(pictures_X3HW, side // size)
    return F.interpolate(
        pictures_X3HW, (size, size), mode="bilinear", align_corners=False, antialias=True
    )


def _scattered(piece: Piece, frames: int, draws: Draws) -> tuple[Tensor, Tensor]:
    """Return random frames of a segment and one more for the portrait, all different if it can."""
    inside = torch.arange(piece.segment.start, piece.segment.stop)
    order = draws.uniform("data/frames", len(inside))[0].argsort()
    chosen = inside[order[torch.arange(frames + 1) % len(order)]]
    return chosen[:-1], chosen[-1:]


def _driving(piece: Piece, numbers: Tensor) -> Tensor:
    """Return the coefficients around frames, (n, 27, 73)."""
    begin = max(0, int(numbers.min()) - COEFFICIENT_REACH)
    end = min(piece.num_frames, int(numbers.max()) + 1 + COEFFICIENT_REACH)
    read = piece.read(["expression", "pose"], begin, end)
    rows_TC = coefficients(read["expression"], read["pose"], piece.crop)
    return coefficient_windows(rows_TC, numbers - begin)
