"""A headless Chromium, and the page served by a process of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
# Loading everything takes seconds; on a machine with other work to do, minutes.
START_SEC = 400


class Page(NamedTuple):
    """A page that is served."""

    url: str
    process: subprocess.Popen[str]
    scratch: Path
    """Where it may put temporary files."""


def find_browser() -> tuple[str, str]:
    """Return Chromium and its driver; without them a test fails where they must be, else skips."""
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = shutil.which("chromedriver")
    if browser is not None and driver is not None:
        return browser, driver
    missing = "Chromium and chromedriver are not installed; `make test-page` brings them on Debian"
    if os.environ.get("CI") or os.environ.get("VISEME_NEED_BROWSER") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def browsing(profile: Path) -> Iterator:
    """Give a browser with a profile of its own."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    binary, driver = find_browser()
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for switch in (*_SWITCHES, f"--user-data-dir={profile}", "--window-size=1280,1000"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    # Selenium Manager, which would look for browsers on the network, is not asked.
    browser = webdriver.Chrome(options=options, service=Service(executable_path=driver))
    try:
        browser.set_script_timeout(120)
        yield browser
    finally:
        browser.quit()


@contextmanager
def serving(*options: str) -> Iterator[Page]:
    """Give a page on a free port, and see it end when it is asked to."""
    with tempfile.TemporaryDirectory(prefix="viseme-test-") as name:
        scratch = Path(name)
        (scratch / "tmp").mkdir()
        port = free_port()
        surroundings = {
            **os.environ,
            "TMPDIR": str(scratch / "tmp"),
            # The key that signs films is made anew, not looked for in a home.
            "XDG_CONFIG_HOME": str(scratch / "config"),
            "OMP_NUM_THREADS": "1",
        }
        with (scratch / "log").open("w+") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "viseme_pipeline",
                    "serve",
                    f"--port={port}",
                    *options,
                ],
                env=surroundings,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
            try:
                url = f"http://127.0.0.1:{port}/"
                wait_for(url, process, scratch / "log")
                yield Page(url, process, scratch / "tmp")
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def wait_for(url: str, process: subprocess.Popen[str], log: Path) -> None:
    """Wait until a page answers."""
    # A proxy of the surroundings does not know this machine's own addresses.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + START_SEC
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with opener.open(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    pytest.fail(f"the page does not stand: {log.read_text()[-2000:]}")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
