import logging
from pathlib import Path

import pytest

from viseme_pipeline.marks import Marks

WHY = "measuring what the watermark costs"


def test_films_are_marked_unless_said_otherwise() -> None:
    assert Marks() == Marks(watermark=True, provenance=True, label=False)


def test_marks_that_are_there_are_not_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Marks(label=True).warn()
    assert not caplog.records
    assert Marks(label=True).facts == {}


def test_a_missing_mark_is_warned_about_once_by_name(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Marks(watermark=False, purpose=WHY).warn()
    assert len(caplog.records) == 1
    assert "WITHOUT watermark" in caplog.text
    assert "lawful research" in caplog.text
    assert WHY in caplog.text
    assert "provenance" not in caplog.text


@pytest.mark.parametrize("name", ["watermark", "provenance"])
@pytest.mark.parametrize("purpose", ["", "  "])
def test_a_mark_is_left_out_for_a_purpose_only(name: str, purpose: str) -> None:
    with pytest.raises(ValueError, match=f"without {name} are made for"):
        Marks(**{name: False}, purpose=purpose)


def test_a_file_says_which_marks_there_are(tmp_path: Path) -> None:
    path = tmp_path / "research.yaml"
    path.write_text(f"watermark: false\nlabel: true\npurpose: {WHY}\n")
    assert Marks.read(path) == Marks(watermark=False, label=True, purpose=WHY)
    assert Marks.read(path).facts == {"marks_left_out": "watermark", "purpose": WHY}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("- watermark", r"may hold watermark, .*; got \['watermark'\]"),
        ("watermarks: false", "may hold watermark, .*; got watermarks"),
        ("", "got None"),
        ("watermark: [", "is no YAML"),
        ("watermark: 0", "watermark must be true or false, got 0"),
        ("watermark: false", "must say in a sentence"),
        ("purpose: 7", "purpose must be a sentence"),
    ],
)
def test_a_file_that_says_something_else_is_refused_in_one_line(
    tmp_path: Path, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        Marks.read(tmp_path / "m.yaml")
    assert "\n" not in str(caught.value)
