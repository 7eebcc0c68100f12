"""Commands with a log of their own."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from viseme_core.chores import finished, run_chore


def test_what_a_command_says_is_in_its_log_and_added_to_what_it_said_before(tmp_path: Path):
    for _ in range(2):
        run_chore("zen", "this", logs=tmp_path / "logs")
    text = (tmp_path / "logs" / "zen.log").read_text()
    assert text.count("The Zen of Python") == 2


def test_errors_are_in_the_log_and_the_message_names_it(tmp_path: Path):
    with pytest.raises(ValueError, match=r"never stopped with exit code 1; see '.*never\.log'"):
        run_chore("never", "viseme_core.not_there", logs=tmp_path)
    assert "No module named" in (tmp_path / "never.log").read_text()


def test_it_is_the_same_python(tmp_path: Path):
    run_chore("where", "sysconfig", logs=tmp_path)
    assert sys.prefix in (tmp_path / "where.log").read_text()


def test_one_thread_is_what_torch_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "threads_of_torch.py").write_text("import torch; print(torch.get_num_threads())")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    run_chore("two", "threads_of_torch", logs=tmp_path)
    run_chore("one", "threads_of_torch", logs=tmp_path, one_thread=True)
    assert (tmp_path / "two.log").read_text().strip() == "2"
    assert (tmp_path / "one.log").read_text().strip() == "1"


def test_every_task_that_ends_well_is_told():
    done: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        told = list(finished([pool.submit(done.append, number) for number in range(5)]))
    assert told == [None] * 5
    assert sorted(done) == list(range(5))


def test_after_one_that_fails_none_begins():
    done: list[int] = []
    seen = Event()

    def fail() -> None:
        raise ValueError("the second one")

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(done.append, 0)
        second = pool.submit(fail)
        # Keeps the only worker until the failure has been seen.
        pool.submit(seen.wait)
        later = pool.submit(done.append, 1)
        with pytest.raises(ValueError, match="the second one"):
            list(finished([first, second, later]))
        seen.set()
    assert later.cancelled()
    assert done == [0]
