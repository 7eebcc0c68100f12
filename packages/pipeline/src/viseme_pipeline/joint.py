"""Stages that are trained together: the error of the picture reaches what drives it.

TalkFormer's Eq. 6, and the link by which other pairs can be joined: a stage whose output is
differentiable, and a renderer that takes it. Letters: B batch, T frames, K landmarks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from viseme_core.batches import JointBatch
from viseme_core.draws import Draws
from viseme_landmarks.config import LandmarksConfig
from viseme_landmarks.model import LandmarkModel
from viseme_render.talkformer.config import TalkFormerConfig
from viseme_render.talkformer.model import TalkFormerModel

STAGE = "joint"
"""Stage of the checkpoints of joint training; each of its stages has its own files."""


@dataclass(frozen=True, kw_only=True)
class JointConfig:
    """Landmark completion and TalkFormer, trained together."""

    landmarks: LandmarksConfig = field(default_factory=LandmarksConfig)
    """Landmark completion; the windows that both are trained on are of its `num_frames`."""
    talkformer: TalkFormerConfig = field(default_factory=TalkFormerConfig)
    """The renderer."""
    landmark_weight: float = 10.0
    """Weight of the landmarks' error beside the picture's (lambda of Eq. 6). Both are means, over
    coordinates and over places."""
    end_to_end: bool = True
    """Draw by completed landmarks, so that the picture's error reaches the landmark network. Off
    (w/o End2End): by the true ones, and each learns from its own error alone."""

    def __post_init__(self) -> None:
        if not self.landmark_weight > 0:
            raise ValueError(f"landmark_weight must be positive, got {self.landmark_weight}")
        if not self.landmarks.is_talk131:
            raise ValueError(
                f"TalkFormer draws by the 131 points of talk131, and landmarks has "
                f"{self.landmarks.num_content} + {self.landmarks.num_pose}; leave num_lip, num_jaw "
                f"and num_pose as they are"
            )


class DrivingStage(Protocol):
    """A stage whose output is differentiable: `LandmarkModel` is one."""

    def predict(self, batch: Any, /) -> Tensor:
        """Return what the stage makes of a batch, with its graph."""
        ...

    def losses_of(self, found: Tensor, batch: Any, /) -> dict[str, Tensor]:
        """Return the named errors of what `predict` returned; `loss` is minimised."""
        ...


class DrivenRenderer(Protocol):
    """A renderer that can be driven by another stage's output: `TalkFormerModel` is one."""

    @property
    def loss(self) -> Callable[..., dict[str, Tensor]]:
        """Return the named errors of its pictures, `loss` the total, of (batch, draws, **told).

        What is told drives it in place of the truth that the batch holds, and is of the names that
        a `Link` gives.
        """
        ...


Link = Callable[[Tensor, Any], Mapping[str, Tensor]]
"""From a stage's output and a batch of the pair to what the renderer is told, by name."""


def whole_faces(found_BTK2: Tensor, batch: JointBatch) -> dict[str, Tensor]:
    """Return completed lips and jaws with the upper faces that they belong to.

    Args:
        found_BTK2: Lips and jaws, shape (B, T, 57, 2).
        batch: Where they are from; its pose landmarks follow the content in `talk131`.
    """
    return {"landmarks_BTK2": torch.cat([found_BTK2, batch.landmark.pose_BTK2], 2)}


class JointModel(nn.Module):
    """A stage and the renderer that it drives, with the sum of their errors (Eq. 6).

    Args:
        driving: The stage; its batches are `batch.landmark`.
        renderer: The renderer; its batches are `batch.render`.
        link: What the renderer is told.
        driving_weight: Weight of the stage's own error.
        end_to_end: False draws by the truth: no gradient goes from one to the other.
    """

    def __init__(
        self,
        driving: DrivingStage,
        renderer: DrivenRenderer,
        *,
        link: Link = whole_faces,
        driving_weight: float = 10.0,
        end_to_end: bool = True,
    ) -> None:
        super().__init__()
        self.driving = driving
        self.renderer = renderer
        self._link = link
        self._driving_weight = driving_weight
        self._end_to_end = end_to_end

    def loss(self, batch: JointBatch, draws: Draws) -> dict[str, Tensor]:
        """Return the named errors of a batch.

        Returns:
            `loss`, the total; `picture` and `landmark`, the totals of the two; and what either
            consists of, as `picture_...` and `landmark_...`.
        """
        return self.losses_of(self.driving.predict(batch.landmark), batch, draws)

    def losses_of(self, found: Tensor, batch: JointBatch, draws: Draws) -> dict[str, Tensor]:
        """Return the named errors of a batch whose driving output is already made."""
        own = self.driving.losses_of(found, batch.landmark)
        told = self._link(found, batch) if self._end_to_end else {}
        picture = self.renderer.loss(batch.render, draws, **told)
        total = picture["loss"] + self._driving_weight * own["loss"]
        return {"loss": total, **_named("picture", picture), **_named("landmark", own)}

    def told(self, found: Tensor, batch: JointBatch) -> Mapping[str, Tensor]:
        """Return what the renderer is told at inference, whatever it is trained by."""
        return self._link(found, batch)


def build_joint(config: JointConfig) -> JointModel:
    """Return landmark completion and TalkFormer, untrained.

    Raises:
        ValueError: If the autoencoder that the config names is absent or not what it should be.
    """
    return JointModel(
        LandmarkModel(config.landmarks),
        TalkFormerModel(config.talkformer),
        driving_weight=config.landmark_weight,
        end_to_end=config.end_to_end,
    )


def _named(name: str, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name if part == "loss" else f"{name}_{part}": value for part, value in losses.items()}
