import threading
import time
from pathlib import Path

import pytest

from viseme_pipeline.film import Film
from viseme_pipeline.page.progress import Progress, Stopped, watched

FILM = Film(path=Path("f.mp4"), num_frames=100, size=(64, 64), took_sec=1.0)


def test_rate_and_time_left_follow_from_what_is_done():
    progress = Progress(done=50, total=150, took_sec=2.0)
    assert progress.frames_per_sec == 25
    assert progress.left_sec == 4
    assert Progress(done=0, total=150, took_sec=1.0).left_sec is None


def test_the_last_word_is_the_film_and_the_one_before_it_how_far_it_is():
    def make(on_frames):
        for done in (0, 40, 100):
            on_frames(done, 100)
            time.sleep(0.4)
        return FILM

    news = list(watched(make, threading.Event()))
    assert news[-1] is FILM
    counts = [item.done for item in news if isinstance(item, Progress)]
    assert counts == sorted(counts)
    assert counts[-1] == 100


def test_what_the_work_raises_reaches_the_page():
    def make(on_frames):
        raise ValueError("no face is found")

    with pytest.raises(ValueError, match="no face is found"):
        list(watched(make, threading.Event()))


def endless(on_frames):
    while True:
        on_frames(1, 100)
        time.sleep(0.01)


def test_a_film_that_is_stopped_ends_at_its_next_frames():
    stop = threading.Event()
    news = watched(endless, stop)
    next(news)
    stop.set()
    with pytest.raises(Stopped):
        list(news)


def test_work_ends_with_whoever_waits_for_it():
    before = threading.active_count()
    news = watched(endless, threading.Event())
    next(news)
    assert threading.active_count() == before + 1
    news.close()
    # Not waited for: it ends at its next frames.
    end = time.monotonic() + 10
    while threading.active_count() > before:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_whoever_ends_first_waits_for_nothing():
    goes_on = threading.Event()

    def deaf(on_frames):
        goes_on.wait(30)
        return FILM

    news = watched(deaf, threading.Event())
    next(news)
    started = time.monotonic()
    news.close()
    assert time.monotonic() - started < 10
    goes_on.set()
