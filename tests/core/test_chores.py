"""Commands with a log of their own."""

import sys
import time
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from viseme_core.chores import run_all, run_chore


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


def test_chores_begin_in_their_order_and_no_more_at_once_than_asked_for():
    begun: list[int] = []
    at_once: list[int] = []
    busy: set[int] = set()

    def work(number: int) -> None:
        begun.append(number)
        busy.add(number)
        time.sleep(0.02)
        at_once.append(len(busy))
        busy.remove(number)

    told = list(run_all([partial(work, number) for number in range(6)], jobs=2))
    assert told == [None] * 6
    # Two that run at once may swap.
    assert all(abs(place - number) <= 1 for place, number in enumerate(begun))
    assert max(at_once) == 2


def test_after_one_that_fails_none_begins_and_the_one_beside_it_ends():
    failed, done = Event(), list[int]()

    def fail() -> None:
        failed.set()
        raise ValueError("the first one")

    def outlast() -> None:
        failed.wait()
        time.sleep(0.1)
        done.append(1)

    chores = [fail, outlast, partial(done.append, 2), partial(done.append, 3)]
    with pytest.raises(ValueError, match="the first one"):
        list(run_all(chores, jobs=2))
    assert done == [1]
    with pytest.raises(ValueError, match="the first one"):
        list(run_all([partial(done.append, 4), fail, partial(done.append, 5)], jobs=1))
    assert done == [1, 4]
