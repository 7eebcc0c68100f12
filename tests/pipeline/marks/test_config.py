import logging

import pytest

from viseme_pipeline.marks import Marks


def test_films_are_marked_unless_said_otherwise() -> None:
    assert Marks() == Marks(watermark=True, provenance=True, label=False)


def test_marks_that_are_there_are_not_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Marks(label=True).warn()
    assert not caplog.records


def test_a_missing_mark_is_warned_about_once_by_name(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Marks(watermark=False).warn()
    assert len(caplog.records) == 1
    assert "WITHOUT watermark" in caplog.text
    assert "lawful research" in caplog.text
    assert "provenance" not in caplog.text
