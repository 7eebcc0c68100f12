"""The LightningModule that trains a sync network and scores it while it does."""

from collections.abc import Iterator

import torch
from matplotlib.figure import Figure
from torch import Tensor

from viseme_core.checkpoint import StageHeader
from viseme_core.config import to_plain
from viseme_core.train.expert import ExpertModule, plot_lag_curve
from viseme_core.train.optim import OptimConfig
from viseme_eval.functional.sync import MAX_OFFSET, cosine_lag_curve, cosine_offset
from viseme_eval.syncnet.batch import SyncBatch
from viseme_eval.syncnet.config import NAME, STAGE, SyncConfig
from viseme_eval.syncnet.datamodule import SyncDataModule
from viseme_eval.syncnet.model import SyncModel
from viseme_eval.syncnet.mouth import LAYOUT
from viseme_eval.syncnet.scoring import add_up, judge, rows_of_a_second


class SyncModule(ExpertModule):
    """Trains a sync network.

    Validation adds: `val/accuracy_window` and `val/accuracy_second`, how often a stretch of that
    length is nearer to its own sound than to one that is 5 to 15 frames off; `val/offset`, the mean
    size of the offset that is found where there is none, in frames; `val/found`, how often it is at
    most one frame.

    Args:
        config: The network.
        optim: Optimizer and schedule.
    """

    stage = STAGE

    def __init__(self, config: SyncConfig, optim: OptimConfig | None = None) -> None:
        super().__init__(SyncModel(config), config, optim or OptimConfig(name="adamw", lr=1e-3))

    def header(self) -> StageHeader:
        """Return what stage files say."""
        return StageHeader(
            stage=self.stage,
            system=NAME,
            config=to_plain(self.config),
            audio=to_plain(self.config.audio),
            layout=LAYOUT,
        )

    def on_fit_start(self) -> None:
        """Check that the data were heard as the network's config says."""
        data: SyncDataModule = self.trainer.datamodule  # type: ignore[attr-defined]
        source = data.source("train")
        heard, ours = source.audio[data.config.audio], to_plain(self.config.audio)
        if heard != ours:
            raise ValueError(
                f"{source.where} was prepared with audio {heard!r}, model.config.audio is "
                f"{ours!r}; set it to what the data say"
            )

    def pair(self, batch: SyncBatch) -> tuple[Tensor, Tensor]:
        """Return mouth shapes and sound of a batch."""
        return self.model.mouth(batch.points_BTK3), batch.audio_BTA

    def validation_step(self, batch: SyncBatch, batch_idx: int) -> None:
        """Add up losses and scores, sample by sample and without padding."""
        for one in _unpadded(batch):
            super().validation_step(one, batch_idx)
            for seen_TD, heard_TD in self._streams(one):
                self._score(seen_TD, heard_TD)

    def samples(self, batch: SyncBatch) -> dict[str, Figure]:
        """Return the mean lag curve and the accuracy at each shift, for TensorBoard."""
        streams = list(self._streams(batch))
        curves = torch.stack([cosine_lag_curve(*each) for each in streams])
        every = range(1, MAX_OFFSET + 1)
        verdicts = add_up(judge(*each, shifts=every) for each in streams)
        return {
            "val/lag_curve": plot_lag_curve(curves.mean(0)),
            "val/accuracy_curve": plot_accuracy(verdicts.by_shift),
        }

    def _score(self, seen_TD: Tensor, heard_TD: Tensor) -> None:
        second = rows_of_a_second(self.config.window)
        for name, rows in (("window", 1), ("second", second)):
            verdicts = judge(seen_TD, heard_TD, rows=rows)
            self.add_score(f"accuracy_{name}", verdicts.accuracy, int(verdicts.total_S.sum()))
        offset = cosine_offset(seen_TD, heard_TD).offset.abs()
        count = int(offset.isfinite())
        self.add_score("offset", offset, count)
        self.add_score("found", (offset <= 1).double(), count)

    @torch.no_grad()
    def _streams(self, batch: SyncBatch) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the embeddings of each sample, without its padding."""
        for one in _unpadded(batch):
            seen_BTX, heard_BTA = self.pair(one)
            yield self.model.embed_seen(seen_BTX)[0], self.model.embed_heard(heard_BTA)[0]


def _unpadded(batch: SyncBatch) -> Iterator[SyncBatch]:
    """Yield batches of one sample that are as long as it is."""
    for number, mask_T in enumerate(batch.mask_BT):
        one = slice(number, number + 1)
        yield SyncBatch(
            points_BTK3=batch.points_BTK3[one, mask_T],
            audio_BTA=batch.audio_BTA[one, mask_T],
            mask_BT=batch.mask_BT[one, mask_T],
            index_B=batch.index_B[one],
        )


def plot_accuracy(accuracy_S: Tensor) -> Figure:
    """Return a plot of the accuracy at shifts of 1, 2, ... frames, (S,)."""
    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(accuracy_S) + 1), accuracy_S.float().cpu().tolist())
    axes.axhline(0.5, color="0.7", linewidth=1, zorder=0)
    axes.set_ylim(0.4, 1.0)
    axes.set_xlabel("frames that the sound is shifted, either way")
    axes.set_ylabel("share of windows told right")
    return figure
