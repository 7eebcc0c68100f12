"""Which errors end a command as a sentence, and who says it."""

import logging
from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from tests.core.train import toy
from tests.core.train.runs import fit
from viseme_core.shapes import check_shape
from viseme_core.train.refusal import is_mendable, refuse

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


def raised(action) -> Exception:
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_what_this_project_raises_and_what_files_lack_is_for_the_user():
    assert is_mendable(raised(lambda: check_shape(torch.zeros(2), "A B", name="x")))
    assert is_mendable(raised(lambda: Path("/nowhere/at/all").read_text()))
    assert is_mendable(MisconfigurationException("devices"))


def test_what_a_library_or_a_bug_raises_keeps_its_traceback():
    assert not is_mendable(raised(lambda: int("three")))
    assert not is_mendable(raised(lambda: {}["key"]))
    assert not is_mendable(raised(lambda: __import__("no_such_module")))
    assert not is_mendable(ValueError("never raised"))


@pytest.mark.parametrize(("rank", "everywhere", "said"), [
    (0, False, "error: broken\n"), (1, False, ""), (1, True, "error (process 1): broken\n"),
])  # fmt: skip
def test_rank_zero_says_it_once_and_every_process_ends(monkeypatch, capsys, rank, everywhere, said):
    monkeypatch.setattr(rank_zero_only, "rank", rank)
    with pytest.raises(SystemExit) as stopped:
        refuse(ValueError("broken"), on_every_process=everywhere)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("verb", ["fit", "validate"])
def test_a_verb_that_meets_missing_data_ends_by_a_sentence(verb, tmp_path, monkeypatch, capsys):
    fit(tmp_path, "--trainer.max_steps", "1")

    def missing(self: toy.ToyDataModule) -> None:
        (tmp_path / "no_data").open()

    monkeypatch.setattr(toy.ToyDataModule, "prepare_data", missing)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        fit(tmp_path, "--trainer.max_steps", "2", "--ckpt_path", "last", verb=verb)
    assert stopped.value.code == 2
    found = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(found) == 1
    assert "no_data" in found[0]


def test_a_bug_amid_a_run_keeps_its_traceback(tmp_path, monkeypatch):
    def wrong(self: toy.ToyDataModule) -> None:
        int("three")

    monkeypatch.setattr(toy.ToyDataModule, "prepare_data", wrong)
    with pytest.raises(ValueError, match="invalid literal"):
        fit(tmp_path, "--trainer.max_steps", "1")


def test_arguments_given_in_python_bring_no_warning(tmp_path, monkeypatch, recwarn):
    logging.captureWarnings(False)
    monkeypatch.setattr("sys.argv", ["viseme", "fit", "--more"])
    fit(tmp_path, "--trainer.max_steps", "1")
    assert not [w for w in recwarn if "args parameter is intended" in str(w.message)]
