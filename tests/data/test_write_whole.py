"""A film is whole or not there: interrupts, kills and full disks."""

import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.data.make_media import coded
from tests.data.test_write import write_all, write_film
from viseme_data.media import read_frames
from viseme_data.write import VideoWriter

RATE = 16_000


@pytest.mark.parametrize("name", ["with space, \u5634 %d.mp4", "file:colon.mp4", "LOUD.MP4"])
def test_any_name_will_do(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_film(Path(name), 3)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_the_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"older")
    with VideoWriter(path, (64, 48)) as writer:
        writer.write(coded(0))
        assert path.read_bytes() == b"older"
    assert len(list(read_frames(path))) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("interrupt", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("number", [0, 1, 60])
def test_an_interrupted_file_leaves_nothing_but_the_older_one(tmp_path, interrupt, number):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"older")

    def frames():
        yield from map(coded, range(number))
        raise interrupt

    with pytest.raises(interrupt):
        write_all(path, frames())
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"older"


def test_what_a_killed_writer_left_is_replaced(tmp_path):
    path = tmp_path / "film.mp4"
    script = (
        "import os, sys, signal, numpy as np; from viseme_data.write import VideoWriter\n"
        "with VideoWriter(sys.argv[1], (64, 48)) as writer:\n"
        "    for _ in range(60): writer.write(np.zeros((48, 64, 3), np.uint8))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert not path.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["film.mp4.partial"]
    write_film(path, 5)
    assert list(tmp_path.iterdir()) == [path]


@contextmanager
def room_for(num_bytes: int):
    """Let no file of this process grow beyond so many bytes, as on a full disk."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9, 0.99, "all but one byte"])
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path, share):
    path = tmp_path / "film.mp4"
    needed = write_film(path, 200, preset="ultrafast").stat().st_size
    path.unlink()
    room = needed - 1 if isinstance(share, str) else int(share * needed)
    with room_for(room), pytest.raises(OSError, match=r"film.mp4' cannot be written") as caught:
        write_film(path, 200, preset="ultrafast")
    # The limit on a file's size stands in for the disk; a full one says "No space left on device".
    assert "too large" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_with_just_enough_room_the_file_is_whole(tmp_path):
    path = tmp_path / "film.mp4"
    content = write_film(path).read_bytes()
    with room_for(len(content)):
        write_film(path)
    assert path.read_bytes() == content
