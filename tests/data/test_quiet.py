"""Standard error with some lines left out."""

import os

import pytest

from viseme_data.quiet import without_lines


def test_matching_lines_are_dropped_and_others_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with without_lines("chatter|noise"):
        os.write(2, b"some chatter\nan error\nmore noise\n")
    os.write(2, b"chatter after\n")
    assert capfd.readouterr().err == "an error\nchatter after\n"


def test_an_exception_passes_and_standard_error_comes_back(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        with without_lines("chatter"):
            os.write(2, b"why it failed\n")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "why it failed\nafter\n"


def test_no_file_descriptor_is_left_open() -> None:
    def count() -> int:
        return sum(1 for fd in range(64) if _is_open(fd))

    before = count()
    for _ in range(3):
        with without_lines("x"):
            pass
    assert count() == before


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
