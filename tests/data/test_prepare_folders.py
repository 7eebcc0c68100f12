"""What preparation does with folders: what is in them already, and how corpora lay them out."""

from pathlib import Path

import pytest

from tests.data.corpora import content_of, film, make_corpus, silent, speech, swaying
from tests.data.make_media import Sound, write_media
from viseme_data.manifest import kept, read_manifest
from viseme_data.prepare.config import PrepareConfig
from viseme_data.prepare.run import prepare
from viseme_data.run_guard import alone_in

NAMES = ["plain.mp4", "no_sound.mp4", "short.mp4", "empty.mp4"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("runs") / "videos", NAMES)


@pytest.fixture(scope="module")
def unbroken(videos) -> dict[str, bytes]:
    """What a run leaves that nothing disturbs."""
    prepare(videos, out=videos.parent / "unbroken", workers=0)
    return content_of(videos.parent / "unbroken")


def test_other_settings_are_refused_until_they_may_replace(videos, tmp_path):
    out = tmp_path / "out"
    one = videos / "plain.mp4"
    prepare(one, out=out, workers=0)
    before = content_of(out)
    with pytest.raises(ValueError, match=r"settings\.size was 256 and now is 512.*--overwrite"):
        prepare(one, PrepareConfig(size=512), out=out, workers=0)
    assert content_of(out) == before
    prepare(one, PrepareConfig(size=512), out=out, workers=0, overwrite=True)
    rows = read_manifest(out)
    assert [row.size for row in rows] == [512]
    # Nothing of the other settings is left.
    assert len(list((out / "clips").iterdir())) == 2
    assert len(list((out / "work").glob("*.json"))) == 1


def test_a_folder_of_other_things_or_videos_is_refused(videos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.doc").write_text("years of work")
    with pytest.raises(ValueError, match=r"holds other files, first 'thesis\.doc'"):
        prepare(videos, out=out, workers=0)
    (out / "thesis.doc").unlink()
    prepare(videos / "short.mp4", out=out, workers=0)
    with pytest.raises(ValueError, match=r"clips of 1 videos that are not.*'short\.mp4'"):
        prepare(videos / "empty.mp4", out=out, workers=0)
    prepare(videos / "empty.mp4", out=out, workers=0, overwrite=True)
    assert [row.source for row in read_manifest(out)] == ["empty.mp4"]


def test_new_videos_join_and_changed_ones_are_done_again(tmp_path):
    videos, out = tmp_path / "videos", tmp_path / "videos" / "out"
    videos.mkdir()
    film(videos / "a.mp4", number=26)
    assert prepare(videos, out=out, workers=0).num_new == 1
    film(videos / "b.mp4", number=27)
    # What was written lies among what is read, and does not count.
    assert prepare(videos, out=out, workers=0).num_new == 1
    film(videos / "a.mp4", number=28, draw=swaying(2))
    assert prepare(videos, out=out, workers=0).num_new == 1
    assert [(row.source, row.num_frames) for row in read_manifest(out)] == [
        ("a.mp4", 28),
        ("b.mp4", 27),
    ]
    assert len(list((out / "clips").iterdir())) == 4


def test_two_runs_do_not_share_a_folder(videos, tmp_path):
    out = tmp_path / "out"
    prepare(videos / "short.mp4", out=out, workers=0)
    with (
        alone_in(out, out / "work" / ".lock"),
        pytest.raises(ValueError, match=r"another run is at work in '.*out'"),
    ):
        prepare(videos / "short.mp4", out=out, workers=0)
    assert prepare(videos / "short.mp4", out=out, workers=0).num_new == 0


def test_everybody_is_kept_when_all_are_wanted(tmp_path):
    videos = make_corpus(tmp_path / "videos", ["two_faces.mp4"])
    rows = kept(prepare(videos, PrepareConfig(face="all"), out=tmp_path / "all", workers=0).rows)
    assert [row.face for row in rows] == [0, 1]
    assert rows[0].face_px > rows[1].face_px
    assert rows[0].clip_id != rows[1].clip_id
    second = prepare(videos, PrepareConfig(face=1), out=tmp_path / "second", workers=0).rows
    assert [(row.face, row.crop_cx) for row in second] == [(1, rows[1].crop_cx)]


def test_a_corpus_tells_speakers_and_strays_are_rows(tmp_path):
    videos = tmp_path / "videos"
    folder = videos / "W011/video/front/happy/level_2"
    folder.mkdir(parents=True)
    film(folder / "001.mp4", number=26)
    film(videos / "holiday.mp4", number=27)
    rows = prepare(videos, PrepareConfig(layout="mead"), out=tmp_path / "out", workers=0).rows
    by_name = {row.source.rpartition("/")[2]: row for row in rows}
    clip = by_name["001.mp4"]
    assert (clip.speaker, clip.language, clip.emotion, clip.emotion_level) == (
        "W011",
        "en",
        "happy",
        2,
    )
    assert by_name["holiday.mp4"].reasons == ("unknown_name",)


def test_sound_that_the_corpus_keeps_apart_is_taken_or_missed_in_words(tmp_path):
    videos = tmp_path / "videos"
    for take in ("001", "002"):
        folder = videos / "W011/video/front/happy/level_2"
        folder.mkdir(parents=True, exist_ok=True)
        silent(folder / f"{take}.mp4", number=26, draw=swaying(int(take)))
    sound = videos / "W011/audio/happy/level_2/001.m4a"
    sound.parent.mkdir(parents=True)
    write_media(sound, Sound(samples=speech(1.1), codec="aac", kind="fltp"))
    prepare(videos, PrepareConfig(layout="mead"), out=tmp_path / "out", workers=0)
    one, two = read_manifest(tmp_path / "out")
    assert (one.has_audio, two.has_audio) == (True, False)
    assert one.voiced > 0.5
    assert one.detail == ""
    assert "'W011/audio/happy/level_2/002.m4a', where this corpus keeps it, is not" in two.detail


def test_clips_without_sound_are_rejected_where_it_is_needed(videos, tmp_path):
    config = PrepareConfig(need_audio=True)
    rows = prepare(videos / "no_sound.mp4", config, out=tmp_path / "out", workers=0).rows
    assert rows[0].reasons == ("no_audio",)
    assert not list((tmp_path / "out" / "clips").iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"face": -1}, "face must be"),
        ({"smoothing": -1.0}, "smoothing must be"),
        ({"split_shares": (0.5, 0.5, 0.5)}, "add up to 1"),
        ({"audio": {"a/b": None}}, "names have letters"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PrepareConfig(**settings)


def test_a_folder_without_videos_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        prepare(tmp_path / "none", out=tmp_path / "out")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "notes.txt").touch()
    with pytest.raises(ValueError, match="there is no video"):
        prepare(tmp_path / "videos", out=tmp_path / "out")
    with pytest.raises(ValueError, match="workers must be at least 0"):
        prepare(tmp_path / "videos", out=tmp_path / "out", workers=-1)
