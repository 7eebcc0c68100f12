"""Marks that a configuration leaves out: never quietly, and said in what marks are left."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.pipeline.faces import portrait, portrait_file, voice, voice_file
from viseme_core.types import AudioClip
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.cli import main
from viseme_pipeline.marking import Marking
from viseme_pipeline.marks import Marks, detect, read_provenance
from viseme_pipeline.wishes import Wishes

WHY = "a study of watermarks"


@pytest.fixture
def research(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "research.yaml").write_text(f"watermark: false\npurpose: {WHY}\n")
    return tmp_path / "research.yaml"


def test_a_film_without_watermark_warns_and_its_provenance_says_so(research, tmp_path, caplog):
    sound, image = voice_file(tmp_path / "v.flac", 1.2), portrait_file(tmp_path / "p.jpg")
    arguments = [f"--audio={sound}", f"--image={image}", f"--out={tmp_path / 'f.mp4'}", "--size=64"]
    assert main(["generate", *arguments, "--marks", str(research)]) == 0
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "WITHOUT watermark" in warnings[0]
    assert not detect(tmp_path / "f.mp4").found
    found = read_provenance(tmp_path / "f.mp4")
    assert found is not None
    assert found.intact
    assert (found.facts["marks_left_out"], found.facts["purpose"]) == ("watermark", WHY)


def test_every_use_warns_anew(research, caplog):
    for _ in range(3):
        Marking(research)
    assert caplog.text.count("WITHOUT watermark") == 3


def test_a_film_without_provenance_asks_for_no_key(chain: TalkingFace, tmp_path, monkeypatch):
    monkeypatch.setenv("VISEME_SIGNING_KEY", str(tmp_path / "nowhere.pem"))
    sound = AudioClip(torch.from_numpy(voice(1.2)))
    marks = Marks(provenance=False, purpose=WHY)
    film = chain.generate(
        sound, portrait(), out=tmp_path / "f.mp4", wishes=Wishes(size=64), marks=marks
    )
    assert read_provenance(film.path) is None
    assert detect(film.path).found


def test_a_configuration_may_ask_for_the_label_and_words_of_ones_own_go_before_it():
    frames = np.zeros((1, 256, 256, 3), np.uint8)
    plain, asked, own = (
        Marking(Marks(label=is_asked), text).embed(frames, 0)[0, 200:].max()
        for is_asked, text in ((False, ""), (True, ""), (False, "made up"))
    )
    assert plain < 20
    assert asked > 200
    assert own > 200


def test_a_label_that_does_not_fit_is_refused_before_any_frame(chain, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    seen = []
    wishes = Wishes(size=64, label="made by nobody in particular, or by everybody at once")
    with pytest.raises(ValueError, match="give a shorter label or a larger picture"):
        chain.generate(
            AudioClip(torch.zeros(4000)),
            portrait(),
            out=tmp_path / "f.mp4",
            wishes=wishes,
            on_frames=lambda *done: seen.append(done),
        )
    assert not seen
    assert not list(tmp_path.glob("*.mp4*"))
