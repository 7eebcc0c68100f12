"""Pictures for autoencoders, from the same clips as renderers'."""

from typing import Any

import torch

from viseme_core.draws import Draws
from viseme_data.manifest import Split
from viseme_data.sources import Piece
from viseme_data.window_dataset import WindowDataset, index_of
from viseme_data.windows import frame_numbers, to_float_frames
from viseme_render.autoencoder.batch import PictureBatch
from viseme_render.datamodule import RenderDataModule, resized


class PictureDataset(WindowDataset):
    """Pictures of a clip as bytes: in training from anywhere in a segment, else successive."""

    def sample(self, piece: Piece, start: int, draws: Draws) -> PictureBatch:
        """Return the sample of a piece; evaluation's begins at a frame."""
        if self.tiles is None:
            inside = torch.arange(piece.segment.start, piece.segment.stop)
            order = draws.uniform("data/pictures", len(inside))[0].argsort()
            numbers = inside[order[torch.arange(self.frames) % len(order)]]
        else:
            numbers, _ = frame_numbers(start, self.frames, piece.num_frames)
        return PictureBatch(piece.pictures(numbers.tolist()), index_of(draws))


class PictureDataModule(RenderDataModule):
    """Feeds autoencoders.

    Args:
        config: What is trained on.
    """

    def on_after_batch_transfer(self, batch: PictureBatch, dataloader_idx: int) -> PictureBatch:
        """Return the batch with its pictures in [-1, 1], as large as the model's."""
        trainer: Any = self.trainer
        module = getattr(trainer, "lightning_module", None)
        dtype = getattr(module, "dtype", torch.float32)
        bytes_BT3HW = batch.frames_BT3HW
        frames_X3HW = to_float_frames(bytes_BT3HW.flatten(0, 1)).to(dtype)
        sized_X3HW = resized(frames_X3HW, getattr(module, "picture_size", None))
        return batch._replace(frames_BT3HW=sized_X3HW.unflatten(0, bytes_BT3HW.shape[:2]))

    def _dataset(self, split: Split, seed: int) -> WindowDataset:
        is_training = split == "train"
        config = self.render_config
        return PictureDataset(
            self.source(split),
            frames=config.frames if is_training else config.evaluation_frames,
            seed=seed,
            is_tiled=not is_training,
            repeats=config.repeats,
        )
