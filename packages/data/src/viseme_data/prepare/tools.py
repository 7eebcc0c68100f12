"""What a worker builds once and uses for every video."""

from dataclasses import dataclass
from types import TracebackType

import cv2
import torch

from viseme_core.audio import AudioEncoder, build_encoder
from viseme_data.prepare.config import PrepareConfig
from viseme_data.track import FaceTracker
from viseme_face import MorphableModel

_AHEAD = 8


def load_face_model(name: str) -> MorphableModel:
    """Return the built-in face model, or that of a file.

    Raises:
        ValueError: If the file is none, or its model lacks MediaPipe's landmarks.
    """
    if name == "builtin":
        return MorphableModel.builtin()
    model = MorphableModel.from_file(name)
    model.landmark_ids("mp478")
    return model


@dataclass
class Tools:
    """Tracker, face model and encoders; a context that closes the tracker.

    Inside, torch and OpenCV compute with one thread: sums then come out the same wherever they are
    made, and pictures are too small to share.
    """

    config: PrepareConfig
    model: MorphableModel
    settings_hash: str
    tracker: FaceTracker
    encoders: dict[str, AudioEncoder]
    decoder_threads: int = 1
    """Threads of the video decoder, 0 for one per core; results do not depend on it."""

    @classmethod
    def build(cls, config: PrepareConfig, *, decoder_threads: int = 1) -> "Tools":
        """Return the tools that the settings ask for."""
        model = load_face_model(config.face_model)
        return cls(
            config=config,
            model=model,
            settings_hash=config.settings_hash(model.name),
            tracker=FaceTracker(config.tracker),
            encoders={name: build_encoder(audio) for name, audio in config.encoders.items()},
            decoder_threads=decoder_threads,
        )

    @property
    def ahead(self) -> int:
        """Pictures that a second thread may be ahead: none where each core has its own worker."""
        return 0 if self.decoder_threads == 1 else _AHEAD

    def __enter__(self) -> "Tools":
        self._threads = torch.get_num_threads(), cv2.getNumThreads()
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        torch.set_num_threads(self._threads[0])
        cv2.setNumThreads(self._threads[1])
        self.tracker.close()
