"""Workers of preparation that die, run out of memory or meet a bug cost one video each."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.data.corpora import content_of, make_corpus
from viseme_data.layouts import ClipFacts
from viseme_data.prepare import workers
from viseme_data.prepare.config import PrepareConfig
from viseme_data.prepare.run import prepare
from viseme_data.prepare.sources import Source
from viseme_data.prepare.workers import Prepared, prepare_all
from viseme_face.parts import BUILTIN_FILE

NAMES = ["plain.mp4", "no_sound.mp4", "short.mp4", "empty.mp4"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("runs") / "videos", NAMES)


@pytest.fixture(scope="module")
def unbroken(videos) -> dict[str, bytes]:
    """What a run leaves that nothing disturbs."""
    prepare(videos, out=videos.parent / "unbroken", workers=0)
    return content_of(videos.parent / "unbroken")


@dataclass(frozen=True)
class _Bomb:
    """Ends the process in which it is unpacked."""

    def __reduce__(self):
        return os._exit, (3,)


def test_a_worker_that_dies_costs_one_video(videos, tmp_path):
    (tmp_path / "clips").mkdir()
    facts = ClipFacts(speaker="a")
    good = [
        Source(path=videos / name, name=name, facts=facts, content_hash=name)
        for name in ("short.mp4", "empty.mp4")
    ]
    deadly = Source(path=_Bomb(), name="deadly.mp4", facts=facts)  # type: ignore[arg-type]
    events = prepare_all([deadly, *good], PrepareConfig(), tmp_path / "clips", workers=1)
    through = [event for event in events if isinstance(event, Prepared)]
    assert [(e.source.name, e.rows[0].reasons, e.is_final) for e in through] == [
        ("deadly.mp4", ("worker_died",), False),
        ("short.mp4", ("too_short",), True),
        ("empty.mp4", ("empty",), True),
    ]
    assert "ended" in through[0].rows[0].detail


@dataclass(frozen=True)
class _Burglar:
    """Removes a file, then ends the process in which it is unpacked."""

    path: Path

    def __reduce__(self):
        return _remove_and_end, (self.path,)


def _remove_and_end(path: Path) -> None:
    path.unlink()
    os._exit(3)


def test_workers_that_cannot_start_again_end_the_run(videos, tmp_path):
    (tmp_path / "clips").mkdir()
    model = tmp_path / "face.safetensors"
    shutil.copy(BUILTIN_FILE, model)
    facts = ClipFacts(speaker="a")
    thief = Source(path=_Burglar(model), name="thief.mp4", facts=facts)  # type: ignore[arg-type]
    short = Source(path=videos / "short.mp4", name="short.mp4", facts=facts, content_hash="1")
    config = PrepareConfig(face_model=str(model))
    events = prepare_all([thief, short], config, tmp_path / "clips", workers=1)
    seen = []
    with pytest.raises(RuntimeError, match="a worker could not start"):
        seen += (event for event in events if isinstance(event, Prepared))
    assert not model.exists()


def test_what_ran_out_of_memory_is_tried_again(videos, tmp_path, monkeypatch):
    def hungry(*_: object, **__: object) -> None:
        raise MemoryError

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("viseme_data.prepare.source.draft_clip", hungry)
        rows = prepare(videos / "plain.mp4", out=out, workers=0).rows
    assert rows[0].reasons == ("out_of_memory",)
    again = prepare(videos / "plain.mp4", out=out, workers=0)
    assert again.num_new == 1
    assert again.rows[0].status == "kept"


def test_a_bug_costs_one_video(videos, unbroken, tmp_path, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("viseme_data.prepare.source.draft_clip", broken)
    rows = prepare(videos, out=tmp_path / "out", workers=0).rows
    by_name = {row.source: row for row in rows}
    assert by_name["plain.mp4"].reasons == ("failed",)
    assert "KeyError" in by_name["plain.mp4"].detail
    assert by_name["short.mp4"].reasons == ("too_short",)
    monkeypatch.undo()
    # Once the bug is mended, the same command makes good what it cost.
    again = prepare(videos, out=tmp_path / "out", workers=0)
    assert again.num_new == 2
    assert content_of(tmp_path / "out") == unbroken


@pytest.mark.parametrize(("spread", "threads"), [(True, 0), (False, 1)])
def test_a_lone_worker_keeps_to_one_core_when_told_to(
    videos, tmp_path, monkeypatch, spread, threads
):
    asked = []
    build = workers.Tools.build

    def spied(config, *, decoder_threads):
        asked.append(decoder_threads)
        return build(config, decoder_threads=decoder_threads)

    monkeypatch.setattr(workers.Tools, "build", spied)
    (tmp_path / "clips").mkdir()
    path = videos / "short.mp4"
    source = Source(path=path, name="short.mp4", facts=ClipFacts(speaker="a"), content_hash="short")
    events = workers.prepare_all(
        [source], PrepareConfig(), tmp_path / "clips", workers=0, spread=spread
    )
    rows = [row for event in events if isinstance(event, Prepared) for row in event.rows]
    assert [row.reasons for row in rows] == [("too_short",)]
    assert asked == [threads]
