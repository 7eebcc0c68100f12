"""Faces driven by motion: any motion stage with any renderer that takes motion."""

from collections.abc import Iterator
from contextlib import contextmanager

from viseme_data.prepare.ahead import ahead
from viseme_face import MorphableModel
from viseme_motion import MotionGenerator
from viseme_motion.presets import PresetName
from viseme_pipeline.drive import AHEAD, Drive, Image, Video
from viseme_pipeline.footage import open_footage
from viseme_pipeline.scene import Drawn, MovedScene
from viseme_pipeline.still import open_still
from viseme_pipeline.voice import Voice, as_tensors
from viseme_pipeline.wishes import Wishes
from viseme_render import FrameRenderer


class MotionDrive(Drive[MovedScene]):
    """A motion stage and a renderer.

    Args:
        motion: What makes motion of sound.
        renderer: What draws it.
        preset: How motion is sampled.
        blink_rate: Blinks per second of films from a portrait, for motion that makes none itself.

    Raises:
        ValueError: If motion or renderer are of another face model than portraits.
    """

    def __init__(
        self,
        motion: MotionGenerator,
        renderer: FrameRenderer,
        *,
        preset: PresetName = "fast",
        blink_rate: float | None = None,
    ) -> None:
        self.motion = motion
        self.renderer = renderer
        self.preset: PresetName = preset
        self._blink_rate = blink_rate
        known = MorphableModel.builtin().name
        for what, stage in (("motion stage moves", motion), ("renderer draws", renderer)):
            if stage.face_model != known:
                raise ValueError(
                    f"the {what} the face model {stage.face_model!r}, portraits are fitted with "
                    f"{known!r}; give one that was trained on that"
                )

    def check(self, wishes: Wishes) -> None:
        """See `Drive`: motion can be told everything."""

    @contextmanager
    def open(
        self, image: Image | None, video: Video | None, wishes: Wishes, num_frames: int
    ) -> Iterator[MovedScene]:
        """See `Drive`."""
        if video is None:
            assert image is not None
            yield open_still(image, wishes)
            return
        with open_footage(video, wishes, num_frames=num_frames) as scene:
            yield scene

    @contextmanager
    def draw(self, voice: Voice, scene: MovedScene, wishes: Wishes) -> Iterator[Iterator[Drawn]]:
        """See `Drive`; one thread makes motion of the sound, another draws."""
        told = scene.told
        # A clip's eyes blink as they did.
        blinks = None if "clip" in told else self._blink_rate
        motion = self.motion.stream(
            as_tensors(voice.pieces()),
            seed=wishes.seed,
            control=wishes.control_for(blinks),
            **told,
        )
        with ahead(motion, AHEAD) as parts, ahead(scene.draw(self.renderer, parts), AHEAD) as drawn:
            yield drawn

    def facts(self) -> dict[str, str]:
        """See `Drive`."""
        return {
            "motion": self.motion.config.system,
            "renderer": type(self.renderer).__name__,
            "preset": self.preset,
        }
