"""The page in a browser, as people use it; `make test-page` runs it."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.pipeline.faces import voice_file
from tests.pipeline.page.browser import Page, browsing, find_browser, serving

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MAX_SECONDS = 4
FILM_SEC = 1.6
WAIT_SEC = 180


@pytest.fixture(scope="module")
def page():
    find_browser()
    with serving(f"--max-seconds={MAX_SECONDS}", "--max-upload-mb=2") as page:
        yield page


@pytest.fixture(scope="module")
def session(page, tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(session, page: Page):
    """The page, newly opened."""
    session.get(page.url)
    until(lambda: session.execute_script("return !!document.querySelector('#go')"))
    return session


def until(condition, what: str = "the page to answer"):
    """Return what a condition returns as soon as that is something."""
    end = time.monotonic() + WAIT_SEC
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.2)
    return pytest.fail(f"waited in vain for {what}")


def press(browser, name: str) -> None:
    browser.execute_script("document.getElementById(arguments[0]).click()", name)


def upload(browser, name: str, file: Path) -> None:
    """Give a file to an upload, and wait until the server has it."""
    before = len(uploads(browser))
    field = until(
        lambda: browser.find_elements("css selector", f"#{name} input[type=file]"), "an upload"
    )
    field[0].send_keys(str(file))
    until(lambda: len(uploads(browser)) > before, "the upload")
    # The page learns of the uploaded file's name a moment after the answer.
    time.sleep(1)


def uploads(browser) -> list[str]:
    script = (
        "return performance.getEntriesByType('resource').filter(e => e.responseEnd > 0)"
        ".map(e => e.name).filter(n => n.includes('/upload?'))"
    )
    return browser.execute_script(script)


def take_demo_face(browser) -> None:
    press(browser, "demo-face")
    until(lambda: browser.find_elements("css selector", "#face img"), "the demo's portrait")


def refusal(browser) -> str:
    shown = until(lambda: browser.find_elements("css selector", "#said .error"), "a refusal")
    return shown[0].text


def test_a_voice_and_the_demo_portrait_become_a_film_that_plays(browser, page, tmp_path):
    upload(browser, "voice", voice_file(tmp_path / "voice.flac", FILM_SEC))
    take_demo_face(browser)
    press(browser, "go")
    marks = until(lambda: browser.find_elements("css selector", "#marks li"), "the film")
    assert not browser.find_elements("css selector", "#said .error")
    assert "watermark found" in marks[0].text
    assert "file unchanged" in marks[1].text
    playable = "const v = document.querySelector('#film video'); return v && v.readyState >= 2"
    until(lambda: browser.execute_script(playable), "a video that plays")
    facts = browser.execute_script(
        "const v = document.querySelector('#film video');"
        "return [v.duration, v.videoWidth, v.videoHeight, v.currentSrc]"
    )
    assert facts[0] == pytest.approx(FILM_SEC, abs=0.04)
    assert min(facts[1:3]) > 100
    assert facts[3].startswith(page.url)
    # What the studio made was handed over, and lies nowhere else.
    until(lambda: not list(page.scratch.glob("viseme-page-*/film-*")), "files to be removed")


def test_a_voice_that_is_too_long_is_refused_in_a_sentence(browser, tmp_path):
    upload(browser, "voice", voice_file(tmp_path / "long.flac", MAX_SECONDS + 0.5))
    take_demo_face(browser)
    press(browser, "go")
    assert refusal(browser).startswith(f"The voice is longer than the {MAX_SECONDS} seconds")


def test_a_text_that_is_called_a_voice_is_refused_in_a_sentence(browser, tmp_path):
    pretender = tmp_path / "voice.wav"
    pretender.write_text("la la la")
    upload(browser, "voice", pretender)
    take_demo_face(browser)
    press(browser, "go")
    said = refusal(browser)
    assert said.startswith("'voice.wav' is no media file")
    assert "/" not in said.split("'")[1]


def test_a_picture_without_a_face_and_one_that_is_none_are_refused(browser, tmp_path):

    Image.fromarray(np.full((99, 99, 3), 120, np.uint8)).save(tmp_path / "grey.png")
    upload(browser, "voice", voice_file(tmp_path / "voice.flac", 0.5))
    upload(browser, "face", tmp_path / "grey.png")
    press(browser, "go")
    assert refusal(browser).startswith("No face is found in 'grey.png' (99 x 99)")


def test_without_a_face_the_button_asks_for_one(browser):
    press(browser, "go")
    assert refusal(browser).startswith("There is no face yet")


def test_nothing_is_asked_of_another_host(browser, page):
    # Newly opened by its fixture; the log since the last reading holds that and all before.
    asked = set()
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.add(message["params"]["request"]["url"])
    on_network = {url for url in asked if url.startswith(("http:", "https:", "ws:", "wss:"))}
    assert on_network
    assert all(url.startswith(page.url) for url in on_network), on_network


def test_asked_to_end_the_page_leaves_no_file(tmp_path):
    with serving() as page:
        assert list(page.scratch.glob("viseme-page-*"))
        page.process.send_signal(signal.SIGTERM)
        assert page.process.wait(60) == 143
        assert not list(page.scratch.iterdir())
