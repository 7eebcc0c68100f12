import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pipeline.faces import portrait_file, voice, voice_file
from viseme_pipeline.build_demo import write_flac
from viseme_pipeline.film import Film
from viseme_pipeline.page import studio as studio_module
from viseme_pipeline.page.config import ServeConfig
from viseme_pipeline.page.progress import Progress, Stopped
from viseme_pipeline.page.studio import Made, Order, Studio, to_wishes


class FakeChain:
    """Writes a file and remembers what it was asked."""

    def __init__(self, choice) -> None:
        self.choice = choice
        self.asked = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.hears = threading.Event()
        self.hears.set()
        self.at_once = self.most_at_once = self.begun = 0

    def generate(self, audio, image, *, out, wishes, on_frames):
        self.asked.append(wishes)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            Path(out).with_suffix(".partial").write_bytes(b"half")
            on_frames(0, 10)
            self.begun += 1
            self.hears.wait(10)
            while not self.go_on.wait(0.01):
                on_frames(1, 10)
        finally:
            self.at_once -= 1
        Path(out).write_bytes(b"film")
        return Film(path=Path(out), num_frames=10, size=(64, 64), took_sec=0.1)


@pytest.fixture
def chains(monkeypatch):
    loaded = []

    def load(choice):
        loaded.append(FakeChain(choice))
        return loaded[-1]

    monkeypatch.setattr(studio_module, "load_chain", load)
    monkeypatch.setattr(studio_module, "read_marks", lambda path: (f"read {path.name}",))
    return loaded


@pytest.fixture
def rooms(tmp_path):
    (tmp_path / "films").mkdir()
    return tmp_path / "films"


@pytest.fixture
def order(tmp_path):
    face, sound = portrait_file(tmp_path / "p.png"), voice_file(tmp_path / "v.flac", 0.4)
    return Order(picture=str(face), voice=str(sound), preset="direct")


def test_a_film_lies_there_until_it_was_handed_over_and_no_longer(chains, rooms, order):
    news = Studio(ServeConfig(), rooms).make(order, "me")
    made = next(item for item in news if isinstance(item, Made))
    assert made.film.path.read_bytes() == b"film"
    assert made.marks == ("read talking.mp4",)
    assert list(news) == []
    assert not list(rooms.iterdir())


def test_what_was_chosen_is_what_the_chain_is_asked(chains, rooms, order):
    chosen = replace(order, lip=1.5, eye=0.5, rest=0.2, pose=0, seed=7, blink_rate=0.4)
    list(Studio(ServeConfig(), rooms).make(chosen, "me"))
    asked = chains[0].asked[0]
    assert (asked.lip, asked.eye, asked.rest, asked.pose) == (1.5, 0.5, 0.2, 0)
    assert (asked.seed, asked.blink_rate) == (7, 0.4)
    assert to_wishes(order).blink_rate is None


def test_each_preset_is_loaded_once_when_it_is_first_wanted(chains, rooms, order):
    studio = Studio(ServeConfig(preset="fast"), rooms)
    for preset in ("fast", "paper", "paper", "fast"):
        list(studio.make(replace(order, preset=preset), "me"))
    assert [chain.choice.preset for chain in chains] == ["fast", "paper"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"preset": "best"}, "Effort must be one of direct, fast, balanced, paper"),
        ({"lip": 9}, "Lips must be a number from 0 to 2"),
        ({"seed": -1}, "The seed must be a number from 0"),
        ({"blink_rate": 7}, "Blinks must be a number from 0 to 1"),
        ({"picture": None}, "no face yet"),
        ({"voice": None}, "no voice yet"),
    ],
)
def test_an_order_that_the_page_would_not_send_is_refused(chains, rooms, order, wrong, message):
    with pytest.raises(ValueError, match=message):
        list(Studio(ServeConfig(), rooms).make(replace(order, **wrong), "me"))
    assert not chains[0].asked
    assert not list(rooms.iterdir())


def test_who_stops_ends_their_own_film_only(chains, rooms, order):
    studio = Studio(ServeConfig(), rooms)
    chains[0].go_on.clear()
    news = studio.make(order, "me")
    next(news)
    studio.stop("somebody else")
    assert isinstance(next(news), Progress)
    studio.stop("me")
    with pytest.raises(Stopped):
        list(news)
    assert not list(rooms.iterdir())


def test_a_stop_that_is_pressed_before_the_film_begins_is_not_lost(chains, rooms, order):
    studio = Studio(ServeConfig(), rooms)
    studio.expect("me")
    studio.stop("me")
    with pytest.raises(Stopped):
        list(studio.make(order, "me"))
    assert not chains[0].asked
    assert not list(rooms.iterdir())
    # It was meant for that film only.
    studio.expect("me")
    assert isinstance(list(studio.make(order, "me"))[-1], Made)


def wait_until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_closes_the_page_waits_for_nothing_and_leaves_nothing(chains, rooms, order):
    studio = Studio(ServeConfig(), rooms)
    chains[0].hears.clear()
    chains[0].go_on.clear()
    news = studio.make(order, "me")
    next(news)
    wait_until(lambda: chains[0].begun == 1)
    started = time.monotonic()
    news.close()
    # The film is not at its next frames yet; whoever closed the page is answered all the same.
    assert time.monotonic() - started < 5
    assert chains[0].at_once == 1
    chains[0].hears.set()
    wait_until(lambda: chains[0].at_once == 0)
    wait_until(lambda: not list(rooms.iterdir()))


def test_a_film_that_was_left_is_ended_before_the_next_begins(chains, rooms, order):
    studio = Studio(ServeConfig(), rooms)
    chains[0].hears.clear()
    chains[0].go_on.clear()
    left = studio.make(order, "me")
    next(left)
    wait_until(lambda: chains[0].begun == 1)
    left.close()
    threading.Timer(0.3, lambda: (chains[0].go_on.set(), chains[0].hears.set())).start()
    assert isinstance(list(studio.make(order, "you"))[-1], Made)
    assert len(chains[0].asked) == 2
    assert chains[0].most_at_once == 1


def test_when_the_page_ends_so_do_its_films_and_nothing_more_begins(chains, rooms, order):
    studio = Studio(ServeConfig(), rooms)
    chains[0].go_on.clear()
    chains[0].hears.clear()
    news = studio.make(order, "me")
    next(news)
    wait_until(lambda: chains[0].begun == 1)
    threading.Timer(0.3, chains[0].hears.set).start()
    studio.stop_all()
    # It waited: no thread writes into a folder that is removed next.
    assert chains[0].at_once == 0
    assert not list(rooms.iterdir())
    with pytest.raises(Stopped):
        list(news)
    with pytest.raises(Stopped):
        list(studio.make(order, "me"))
    assert len(chains[0].asked) == 1


def test_a_silent_voice_is_remarked_on(chains, rooms, order, tmp_path):
    write_flac(tmp_path / "still.flac", 0 * voice(0.4))
    silent = replace(order, voice=str(tmp_path / "still.flac"))
    studio = Studio(ServeConfig(), rooms)
    made = [item for one in (order, silent) for item in studio.make(one, "me")]
    remarks = [item.remark for item in made if isinstance(item, Made)]
    assert remarks == ["", "The voice is silent: nothing is said in it."]
