"""Films of tests carry marks that change nothing, unless a test asks for the real ones."""

from pathlib import Path

import pytest

from tests.pipeline.dubbing_small import save_pair
from tests.pipeline.plain_marks import PlainMarks
from viseme_pipeline import marking
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.folder import StageFiles


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> PlainMarks:
    plain = PlainMarks()
    monkeypatch.setattr(marking, "_marks", lambda: plain)
    return plain


@pytest.fixture(scope="session")
def chain() -> TalkingFace:
    return TalkingFace.from_pretrained(device="cpu")


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an untrained landmark stage and an untrained TalkFormer."""
    return save_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="session")
def dubber(pair: Path) -> TalkingFace:
    return TalkingFace.from_stages(StageFiles(landmarks=pair, renderer=pair), device="cpu")
