"""What belongs together, and what is said of the rest."""

import pytest

from viseme_eval.run.pairing import find_pairs


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_videos_pair_by_relative_path_whatever_their_suffix(tmp_path):
    ours = touch(tmp_path / "ours", "a.mp4", "deep/er/b.avi", "notes.txt", ".hidden.mp4")
    theirs = touch(tmp_path / "theirs", "a.mov", "deep/er/b.mp4", "deep/b.mp4")
    pairs = {pair.name: pair for pair in find_pairs(ours, theirs)}
    assert [*pairs] == ["a", "deep/b", "deep/er/b"]
    assert pairs["a"].reference == theirs / "a.mov"
    assert pairs["deep/er/b"].generated == ours / "deep/er/b.avi"
    assert not pairs["a"].reason
    assert not pairs["deep/er/b"].reason


def test_what_has_no_partner_is_a_row_with_a_reason(tmp_path):
    ours = touch(tmp_path / "ours", "a.mp4", "alone.mp4", "twice.mp4", "twice.avi")
    theirs = touch(tmp_path / "theirs", "a.mp4", "lost.mp4", "twice.mp4")
    reasons = {pair.name: pair.reason for pair in find_pairs(ours, theirs)}
    assert reasons["a"] == ""
    assert reasons["alone"] == "no reference of this name"
    assert reasons["lost"] == "no generated video of this name"
    assert "twice.avi, twice.mp4" in reasons["twice"]


def test_sound_comes_by_the_same_name_and_is_no_video(tmp_path):
    ours = touch(tmp_path / "ours", "a.mp4", "b.mp4", "b.wav")
    theirs = touch(tmp_path / "theirs", "a.mp4", "b.mp4")
    sounds = touch(tmp_path / "sounds", "a.wav", "c.wav")
    pairs = find_pairs(ours, theirs, sounds)
    assert [(pair.name, pair.audio) for pair in pairs] == [("a", sounds / "a.wav"), ("b", None)]


def test_a_file_pairs_with_a_file_of_any_name(tmp_path):
    folder = touch(tmp_path, "made.mp4", "real.mov", "voice.wav")
    (pair,) = find_pairs(folder / "made.mp4", folder / "real.mov", folder / "voice.wav")
    assert (pair.name, pair.audio) == ("real", folder / "voice.wav")


@pytest.mark.parametrize(
    ("generated", "reference", "audio", "words"),
    [
        ("none", "real", None, "there is no"),
        ("made", "real/a.mp4", None, "two folders or two files"),
        ("made", "real", "real/a.mp4", "--audio must be a folder"),
        ("made/a.mp4", "real/a.mp4", "made", "--audio must be a file"),
        ("made", "other", None, "no video under"),
    ],
)
def test_what_cannot_be_paired_is_refused_in_one_sentence(
    tmp_path, generated, reference, audio, words
):
    touch(tmp_path, "made/a.mp4", "real/a.mp4", "other/z.mp4")
    sound = tmp_path / audio if audio else None
    with pytest.raises(ValueError, match=words):
        find_pairs(tmp_path / generated, tmp_path / reference, sound)
