"""What stands behind the button: a checked order to a film, one at a time."""

import shutil
import tempfile
import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from viseme_motion.presets import PresetName
from viseme_pipeline.arguments import ChainChoice
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.film import Film
from viseme_pipeline.marking import describe_marks
from viseme_pipeline.marks import read_provenance
from viseme_pipeline.page.checks import (
    MAX_BLINK_RATE,
    MAX_GAIN,
    MAX_SEED,
    check_number,
    check_picture,
    check_voice,
)
from viseme_pipeline.page.config import ServeConfig
from viseme_pipeline.page.progress import OnFrames, Progress, Stopped, watched
from viseme_pipeline.stages import load_chain
from viseme_pipeline.voice import open_voice
from viseme_pipeline.wishes import Wishes

FILM_NAME = "talking.mp4"
# A film that is to end does so at its next frames; longer nobody waits when the page ends.
_LAST_FRAMES_SEC = 20


@dataclass(frozen=True, kw_only=True)
class Order:
    """What somebody chose on the page, unchecked."""

    picture: str | None
    voice: str | None
    preset: str
    seed: object = 0
    lip: object = 1.0
    eye: object = 1.0
    rest: object = 1.0
    pose: object = 1.0
    blink_rate: object = None
    """Blinks per second; None leaves them to the model."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A film, and what is to be said of it."""

    film: Film
    marks: tuple[str, ...]
    """What was read back from its file, a sentence for each mark."""
    remark: str


class Studio:
    """Makes the films of the page, one at a time.

    Args:
        config: Limits and stages.
        folder: Where films are made; each is removed when it was handed over.
    """

    def __init__(self, config: ServeConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._one_at_a_time = threading.Lock()
        self._expected: dict[str, threading.Event] = {}
        self._running: dict[str, threading.Event] = {}
        self._is_closed = threading.Event()
        choice = ChainChoice(
            pretrained=None,
            motion=config.motion,
            pose_from=None,
            renderer=config.renderer,
            preset=config.first_preset,
            device=config.device,
        )
        # Loaded now, so that weights that are none are refused before the page stands.
        self._chains: dict[str, TalkingFace] = {config.first_preset: load_chain(choice)}
        self._choice = choice

    def expect(self, session: str) -> None:
        """Note that somebody's order is on its way, so that it can be stopped while it waits.

        Args:
            session: Whose.
        """
        self._expected[session] = threading.Event()

    def make(self, order: Order, session: str) -> Generator[Progress | Made, None, None]:
        """Yield how far a film is, and at last the film; its file goes when the caller goes on.

        A caller that ends first waits for nothing: the work ends, and removes its file, by itself.

        Args:
            order: What was chosen.
            session: Who chose it, for `stop`.

        Raises:
            ValueError: If the order cannot be fulfilled; it says why.
            Stopped: If it was stopped, also before it began.
        """
        stop = self._expected.pop(session, None) or threading.Event()
        self._running[session] = stop
        folder = Path(tempfile.mkdtemp(prefix="film-", dir=self._folder))
        try:
            self._check(stop)
            wishes = to_wishes(order)
            preset = _preset(order.preset)
            picture = check_picture(order.picture, self._config)
            voice = check_voice(order.voice, self._config)
            silent = open_voice(voice).is_silent

            def film(on_frames: OnFrames) -> Film:
                with self._one_at_a_time:
                    try:
                        self._check(stop)
                        chain = self._chain(preset)
                        self._check(stop)
                        out = folder / FILM_NAME
                        return chain.generate(
                            voice, picture, out=out, wishes=wishes, on_frames=on_frames
                        )
                    finally:
                        if stop.is_set():
                            shutil.rmtree(folder, ignore_errors=True)

            with closing(watched(film, stop)) as news:
                for item in news:
                    if isinstance(item, Progress):
                        yield item
                    else:
                        remark = "The voice is silent: nothing is said in it." if silent else ""
                        yield Made(film=item, marks=read_marks(item.path), remark=remark)
        finally:
            # Whoever comes last removes it: here, or where the film was made.
            stop.set()
            if self._running.get(session) is stop:
                del self._running[session]
            shutil.rmtree(folder, ignore_errors=True)

    def stop(self, session: str) -> None:
        """End the film of somebody, if one is being made or waits to be."""
        for orders in (self._expected, self._running):
            stop = orders.get(session)
            if stop is not None:
                stop.set()

    def stop_all(self) -> None:
        """End whatever is being made, begin nothing more, and wait until its files are removed."""
        self._is_closed.set()
        for stop in [*self._expected.values(), *self._running.values()]:
            stop.set()
        if self._one_at_a_time.acquire(timeout=_LAST_FRAMES_SEC):
            self._one_at_a_time.release()

    def _check(self, stop: threading.Event) -> None:
        if stop.is_set() or self._is_closed.is_set():
            stop.set()
            raise Stopped

    def _chain(self, preset: PresetName) -> TalkingFace:
        if preset not in self._chains:
            self._chains[preset] = load_chain(replace(self._choice, preset=preset))
        return self._chains[preset]


def read_marks(path: Path) -> tuple[str, ...]:
    """Return what a finished film's marks say, a sentence for each.

    Args:
        path: The film.
    """
    _, watermark = describe_marks(path)
    provenance = read_provenance(path)
    return (watermark, "no provenance" if provenance is None else provenance.describe())


def to_wishes(order: Order) -> Wishes:
    """Return what an order asks of the film besides its voice and its face.

    Raises:
        ValueError: If a number lies outside of what the page offers.
    """
    seed = check_number(order.seed, "The seed", 0, MAX_SEED)
    rate = order.blink_rate
    return Wishes(
        seed=int(seed),
        lip=check_number(order.lip, "Lips", 0, MAX_GAIN),
        eye=check_number(order.eye, "Eyes", 0, MAX_GAIN),
        rest=check_number(order.rest, "Rest of the face", 0, MAX_GAIN),
        pose=check_number(order.pose, "Head", 0, MAX_GAIN),
        blink_rate=None if rate is None else check_number(rate, "Blinks", 0, MAX_BLINK_RATE),
    )


def _preset(name: str) -> PresetName:
    known: tuple[PresetName, ...] = get_args(PresetName)
    for preset in known:
        if preset == name:
            return preset
    raise ValueError(f"Effort must be one of {', '.join(known)}, got {name!r}.")
