"""The LightningModule of the render stage."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viseme_core.checkpoint import StageHeader
from viseme_core.draws import Draws
from viseme_core.train.loader import EVALUATION
from viseme_core.train.module import StageModule
from viseme_core.train.optim import OptimConfig
from viseme_core.train.systems import stored_config
from viseme_render.config import STAGE, RenderConfig, open_face_model
from viseme_render.datamodule import RenderDataModule, Samples
from viseme_render.features import build_perceptual
from viseme_render.judging import Judge
from viseme_render.pirender.judge import PIRenderJudge
from viseme_render.pirender.model import PIRenderModel
from viseme_render.talkformer.judge import TalkFormerJudge
from viseme_render.talkformer.model import TalkFormerModel


@dataclass(frozen=True)
class _System:
    """What a system asks of its training."""

    judge: Judge
    samples: Samples
    """Samples that it is trained on."""
    optim: OptimConfig
    """The paper's optimizer."""


_SYSTEMS = {
    "pirender": _System(PIRenderJudge(), "scattered", OptimConfig(name="adam", betas=(0.5, 0.999))),
    "talkformer": _System(TalkFormerJudge(), "successive", OptimConfig(name="adam", lr=4e-5)),
}


class RenderModule(StageModule):
    """Trains a renderer. The system's judge says what validation and test look at.

    Args:
        config: The renderer.
        optim: Optimizer and schedule; by default the paper's.
    """

    stage = STAGE

    def __init__(self, config: RenderConfig, optim: OptimConfig | None = None) -> None:
        self._system = _SYSTEMS[config.system]
        optim = optim or self._system.optim
        if config.system == "pirender" and optim.weight_decay and config.pirender.warp_steps:
            raise ValueError(
                f"optim.weight_decay {optim.weight_decay} would shrink the editing network while "
                f"it waits for the second phase; set it to 0, or pirender.warp_steps to 0"
            )
        super().__init__(build_model(config), config, optim)
        is_driven = config.system == "pirender"
        self.face_model_name = open_face_model(config.face_model).name if is_driven else None

    @property
    def picture_size(self) -> int | None:
        """Side of the pictures that the model takes, in pixels; None if it takes any."""
        return self.config.pirender.net.size if self.config.system == "pirender" else None

    def header(self) -> StageHeader:
        """Return what stage files say: enough to draw, without what trained it."""
        plain = stored_config(self.config)
        if self.face_model_name is not None:
            plain["face_model"] = self.face_model_name
            layout = None
        else:
            plain["talkformer"]["autoencoder_name"] = self.model.autoencoder_name
            layout = "talk131"
        return StageHeader(
            stage=self.stage,
            system=self.config.system,
            config=plain,
            face_model=self.face_model_name,
            layout=layout,
        )

    def on_fit_start(self) -> None:
        """Refuse data that the system cannot learn from; measure what it must know of them."""
        data = self._data
        self._check_samples()
        if self.face_model_name is None:
            return
        source = data.source("train")
        if source.face_model != self.face_model_name:
            raise ValueError(
                f"{source.where} was prepared with face model {source.face_model!r}, the model's "
                f"config says {self.face_model_name!r}; prepare the data again or set "
                f"model.config.face_model"
            )
        if not self.model.scale.is_set:
            self.model.scale.set(*data.moments())

    def on_validation_start(self) -> None:
        """Refuse samples of another system."""
        self._check_samples()

    def on_test_start(self) -> None:
        """Refuse samples of another system."""
        self._check_samples()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Add up losses and scores of a batch."""
        for score in self._system.judge.scores(self.model, batch, self._draws(batch)):
            self.add_score(*score)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Add up scores, and how what FaceMesh finds in the pictures follows what was asked for."""
        draws = self._draws(batch)
        for score in self._system.judge.test_scores(self.model, batch, draws, self._data):
            self.add_score(*score)

    def predict_step(self, batch: Any, batch_idx: int) -> None:
        """Write films of the test clips: what was given, made and true, beside each other."""
        folder = Path(self.trainer.default_root_dir) / "films"
        films_BT3HW = self._system.judge.films(self.model, batch)
        for index, film_T3HW in zip(batch.index_B.tolist(), films_BT3HW, strict=True):
            self._data.write_film(folder / f"{index:06d}.mp4", film_T3HW)

    def samples(self, batch: Any) -> dict[str, Any]:
        """Return a picture for TensorBoard: what was given, made and true, a row each."""
        return {"val/pictures": self._system.judge.sheet(self.model, batch)}

    def _draws(self, batch: Any) -> Draws:
        return Draws(self.seed, EVALUATION, self.batch_index(batch))

    def _check_samples(self) -> None:
        given = self._data.render_config.samples
        if given != self._system.samples:
            raise ValueError(
                f"{self.config.system} is trained on samples that are {self._system.samples}, "
                f"data.config.samples is {given!r}; set it to {self._system.samples!r}"
            )

    @property
    def _data(self) -> RenderDataModule:
        trainer: Any = self.trainer
        return trainer.datamodule


def build_model(config: RenderConfig) -> PIRenderModel | TalkFormerModel:
    """Return the untrained model of a config, with what it is trained by.

    Raises:
        ValueError: If a file that the config names is absent or not what it should be.
    """
    if config.system == "talkformer":
        return TalkFormerModel(config.talkformer)
    return PIRenderModel(config.pirender, build_perceptual(config.pirender.loss))
