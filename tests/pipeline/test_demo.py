import pytest

from viseme_data.media import probe, read_audio
from viseme_data.stills import read_image
from viseme_pipeline.build_demo import build
from viseme_pipeline.cli import main
from viseme_pipeline.demo import PORTRAIT, VOICE
from viseme_pipeline.sync_figures import measure_sync


def test_what_is_shipped_is_small():
    assert PORTRAIT.stat().st_size < 100_000
    assert VOICE.stat().st_size < 400_000
    assert 6 < read_audio(VOICE).seconds < 20


def test_what_is_shipped_can_be_made_anew(tmp_path):
    build(tmp_path / "p.jpg", tmp_path / "v.flac")
    assert (read_image(tmp_path / "p.jpg") == read_image(PORTRAIT)).all()
    assert (read_audio(tmp_path / "v.flac").samples_S == read_audio(VOICE).samples_S).all()


@pytest.mark.slow
def test_the_demo_writes_a_film_whose_mouth_is_in_sync(tmp_path, marks, capsys):
    out = tmp_path / "out" / "demo.mp4"
    assert main(["demo", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "frames/s" in shown
    assert "sync: mouth" in shown
    figures = measure_sync(out)
    assert figures is not None
    assert abs(figures.lag) <= 2
    assert figures.confidence > 0.2
    assert abs(probe(out).seconds - read_audio(VOICE).seconds) <= 0.04
