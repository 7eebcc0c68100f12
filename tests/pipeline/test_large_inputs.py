"""Pictures and voices that are larger than usual, and disks that are smaller."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from tests.memory import said_by
from tests.pipeline.faces import portrait, portrait_file, voice, voice_file
from viseme_core.types import SAMPLE_RATE_HZ, AudioClip
from viseme_pipeline.cli import main
from viseme_pipeline.marks import Marks
from viseme_pipeline.wishes import Wishes


@contextmanager
def room_for(num_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes, as on a full disk."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def write_long(path: Path, seconds: int) -> Path:
    """A click each second, written in pieces."""
    piece = np.zeros((1, SAMPLE_RATE_HZ), np.int16)
    piece[0, :40] = 9000
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
        for _ in range(seconds):
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE_HZ
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_picture_of_8k_becomes_a_film_of_the_size_that_was_asked_for(marks, chain, tmp_path):
    large = Image.fromarray(portrait(None)).resize((4320, 4320)).crop((-1680, 0, 6000, 4320))
    large.save(tmp_path / "8k.jpg")
    wishes = Wishes(size=64, max_side=480)
    frames = list(chain.stream(AudioClip(torch.from_numpy(voice(0.1))), tmp_path / "8k.jpg",
                               wishes=wishes))  # fmt: skip
    assert [frame.shape for frame in frames] == [(270, 480, 3)] * 3


def test_a_long_voice_is_planned_in_full_and_a_film_that_is_stopped_leaves_nothing(
    marks, chain, tmp_path
):
    sound = write_long(tmp_path / "long.flac", 600)
    seen = []

    def enough(done: int, total: int) -> None:
        seen.append((done, total))
        if done:
            raise InterruptedError("that will do")

    (tmp_path / "out").mkdir()
    with pytest.raises(InterruptedError):
        chain.generate(
            sound,
            portrait(),
            out=tmp_path / "out" / "f.mp4",
            wishes=Wishes(size=64),
            on_frames=enough,
        )
    assert seen[0] == (0, 15_000)
    assert 0 < seen[-1][0] < 1000
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.slow
def test_an_hour_of_sound_is_heard_through_without_being_held(tmp_path):
    sound = write_long(tmp_path / "hour.flac", 3600)
    code = """
from pathlib import Path
from viseme_pipeline.voice import open_voice
before = held_kb()
print(open_voice(Path(sys.argv[1])).num_frames, held_kb() - before)
"""
    num_frames, more_kb = map(int, said_by(code, sound).split())
    assert num_frames == 90_000
    # An hour at 16 kHz would be 230 MB.
    assert more_kb < 60_000


def generate(folder: Path) -> int:
    options = [f"--audio={folder / 'v.flac'}", f"--image={folder / 'p.jpg'}", "--size=64"]
    return main(["generate", *options, f"--out={folder / 'out' / 'f.mp4'}"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    voice_file(tmp_path / "v.flac", 1.0)
    portrait_file(tmp_path / "p.jpg")
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.mark.parametrize("room", [0, 6000])
def test_a_full_disk_is_one_sentence_and_no_file(folder, room, capsys):
    # The key is made beforehand: it needs room, too.
    assert generate(folder) == 0
    (folder / "out" / "f.mp4").unlink()
    capsys.readouterr()
    with room_for(room):
        assert generate(folder) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("viseme generate: ")
    assert "cannot be written" in said
    assert not list((folder / "out").iterdir())


def test_a_disk_that_is_full_when_the_film_is_signed_is_one_sentence_and_no_file(
    folder, chain, capsys
):
    sizes = []
    for marks in (Marks(), Marks(provenance=False, purpose="how large the note is")):
        chain.generate(
            folder / "v.flac",
            folder / "p.jpg",
            out=folder / "out" / "f.mp4",
            wishes=Wishes(size=64),
            marks=marks,
            overwrite=True,
        )
        sizes.append((folder / "out" / "f.mp4").stat().st_size)
    (folder / "out" / "f.mp4").unlink()
    signed, bare = sizes
    assert signed > bare + 1000
    with room_for((signed + bare) // 2):
        assert generate(folder) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("viseme generate: ")
    assert "cannot be signed" in said
    assert not list((folder / "out").iterdir())
