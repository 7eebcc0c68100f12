"""What stands between a voice and drawn faces; there is one for motion and one for landmarks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from os import PathLike
from typing import Generic, TypeVar

import numpy as np

from viseme_pipeline.scene import Drawn, Scene
from viseme_pipeline.voice import Voice
from viseme_pipeline.wishes import Wishes

Image = str | PathLike[str] | np.ndarray
"""A portrait: a file, or uint8 RGB (H, W, 3)."""
Video = str | PathLike[str]
AHEAD = 3
"""Chunks that a thread may be ahead of the next: enough to even out, too few to fill memory."""

SceneT = TypeVar("SceneT", bound=Scene)


class Drive(ABC, Generic[SceneT]):
    """Stages that make a face of a scene speak with a voice."""

    @abstractmethod
    def check(self, wishes: Wishes) -> None:
        """Refuse, before any work, wishes that mean nothing to these stages.

        Raises:
            ValueError: If there is one.
        """

    @abstractmethod
    def open(
        self, image: Image | None, video: Video | None, wishes: Wishes, num_frames: int
    ) -> AbstractContextManager[SceneT]:
        """Give what is to talk: a portrait, or a clip. One of them is given.

        Raises:
            ValueError: If there is no such face in it.
        """

    @abstractmethod
    def draw(
        self, voice: Voice, scene: SceneT, wishes: Wishes
    ) -> AbstractContextManager[Iterator[Drawn]]:
        """Give the scene's face as it speaks, made by threads that end with the block."""

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """Return what provenance says of the stages."""
