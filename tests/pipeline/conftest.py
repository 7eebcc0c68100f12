"""Films of tests carry marks that change nothing, unless a test asks for the real ones."""

import pytest

from tests.pipeline.plain_marks import PlainMarks
from viseme_pipeline import marking
from viseme_pipeline.chain import TalkingFace


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> PlainMarks:
    plain = PlainMarks()
    monkeypatch.setattr(marking, "_marks", lambda: plain)
    return plain


@pytest.fixture(scope="session")
def chain() -> TalkingFace:
    return TalkingFace.from_pretrained(device="cpu")
