import os
import signal
from collections.abc import Iterator

import pytest

from tests.pipeline.faces import portrait_file, voice_file
from viseme_pipeline import make_films
from viseme_pipeline.cli import main
from viseme_pipeline.interrupts import terminable


@pytest.fixture
def interruptible() -> Iterator[None]:
    # A shell that starts the tests in the background has SIGINT ignored, `nohup` SIGHUP.
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)],
    ids=["TERM", "INT", "HUP"],
)
def test_a_run_that_is_stopped_leaves_nothing(number, code, tmp_path, monkeypatch, capsys, marks):
    out = tmp_path / "out"
    out.mkdir()
    real = make_films.progress_bar
    stopped: list[list[str]] = []

    class Stopping:
        """A bar that stops its own process as soon as frames are written."""

        def __init__(self, name: str) -> None:
            self._bar = real(name)

        def __enter__(self):
            show = self._bar.__enter__()

            def stop(done: int, total: int) -> None:
                show(done, total)
                if done and not stopped:
                    stopped.append([path.suffix for path in out.iterdir()])
                    os.kill(os.getpid(), number)

            return stop

        def __exit__(self, *error):
            return self._bar.__exit__(*error)

    monkeypatch.setattr(make_films, "progress_bar", Stopping)
    audio, image = voice_file(tmp_path / "v.flac", 4.0), portrait_file(tmp_path / "p.jpg")
    options = {"audio": audio, "image": image, "out": out / "f.mp4", "size": 64}
    assert main(["generate", *(f"--{name}={value}" for name, value in options.items())]) == code
    # There was something to remove.
    assert stopped == [[".partial"]]
    assert not list(out.iterdir())
    assert "nothing half done is left" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


def test_a_hang_up_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminable():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
