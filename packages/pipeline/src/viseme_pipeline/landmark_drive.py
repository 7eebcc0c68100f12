"""Faces driven by landmarks: a clip is dubbed, its lips and jaw completed and drawn anew."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from viseme_data.prepare.ahead import ahead
from viseme_landmarks import LandmarkCompleter
from viseme_pipeline.drive import AHEAD, Drive, Image, Video
from viseme_pipeline.dubbed import DubbedScene, dubbed_still, open_dubbed
from viseme_pipeline.dubbing_rules import DubbingPreset, check_wishes
from viseme_pipeline.scene import Drawn
from viseme_pipeline.voice import Voice, as_tensors
from viseme_pipeline.wishes import Wishes
from viseme_render import TalkFormerRenderer
from viseme_render.talkformer.references import MOST

logger = logging.getLogger(__name__)


class LandmarkDrive(Drive[DubbedScene]):
    """Landmark completion and TalkFormer.

    Args:
        completer: What completes lips and jaws from sound.
        renderer: What draws by landmarks.
        preset: How it draws, for provenance.
    """

    def __init__(
        self,
        completer: LandmarkCompleter,
        renderer: TalkFormerRenderer,
        *,
        preset: DubbingPreset = "fast",
    ) -> None:
        self.completer = completer
        self.renderer = renderer
        self.preset: DubbingPreset = preset

    @classmethod
    def from_files(
        cls,
        landmarks: str | PathLike[str],
        renderer: str | PathLike[str],
        *,
        autoencoder: str | PathLike[str] | None = None,
        preset: DubbingPreset = "fast",
        device: str | None = None,
    ) -> "LandmarkDrive":
        """Return the drive of two stages.

        Args:
            landmarks: Landmark completion: file, checkpoint or folder of a run.
            renderer: TalkFormer, likewise.
            autoencoder: Where the renderer's autoencoder is, if not where it was in training.
            preset: How it draws.
            device: Where networks run; by default on a GPU if there is one.

        Raises:
            ValueError: If a file is damaged, or holds another stage.
        """
        drawn = TalkFormerRenderer.from_checkpoint(
            renderer, preset=preset, autoencoder=autoencoder, device=device
        )
        completer = LandmarkCompleter.from_checkpoint(Path(landmarks), device=drawn.device)
        return cls(completer, drawn, preset=preset)

    def check(self, wishes: Wishes) -> None:
        """See `Drive`: gains, blinks and pauses are motion's."""
        check_wishes(wishes)

    @contextmanager
    def open(
        self, image: Image | None, video: Video | None, wishes: Wishes, num_frames: int
    ) -> Iterator[DubbedScene]:
        """See `Drive`; a portrait is a clip of one picture."""
        if video is None:
            assert image is not None
            logger.info(
                "A portrait is dubbed as a clip that stands still: lips and jaw move, head and "
                "eyes do not"
            )
            yield dubbed_still(image, wishes)
            return
        # The paper looks at one picture of the person.
        references = 1 if self.preset == "paper" else MOST
        with open_dubbed(video, wishes, num_frames=num_frames, references=references) as scene:
            yield scene

    @contextmanager
    def draw(self, voice: Voice, scene: DubbedScene, wishes: Wishes) -> Iterator[Iterator[Drawn]]:
        """See `Drive`; one thread completes landmarks, another draws by them."""
        faces = self.completer.stream(as_tensors(voice.pieces()), scene.landmarks)
        with (
            ahead(faces, AHEAD) as parts,
            ahead(scene.draw(self.renderer, parts, wishes.seed), AHEAD) as drawn,
        ):
            yield drawn

    def facts(self) -> dict[str, str]:
        """See `Drive`."""
        return {
            "landmarks": type(self.completer).__name__,
            "renderer": type(self.renderer).__name__,
            "preset": self.preset,
        }
