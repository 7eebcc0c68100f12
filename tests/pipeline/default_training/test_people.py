"""Which clips are learned from, and who is left out."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.data.prepared import make_prepared
from viseme_data.clips import read_clip
from viseme_data.manifest import kept, read_manifest, write_manifest
from viseme_data.sources import ClipFolder, clip_path
from viseme_pipeline.default_training.people import (
    choose,
    group_of,
    leave_out,
    person_in,
    read_people,
)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Clips 0 to 6, of which 0 to 3 can be learned from; nothing is known of the others."""
    path = tmp_path / "prepared"
    make_prepared(path)
    facts = {"0.mp4": (0.9, 0.8), "1.mp4": (0.6, 0.3), "2.mp4": (0.7, 0.9), "3.mp4": (1.0, 0.5)}
    facts |= {"4.mp4": (0.59, 0.9), "5.mp4": (0.9, 0.29)}
    rows = [
        replace(row, offset_confidence=facts[row.source][0], voiced=facts[row.source][1])
        if row.source in facts
        else row
        for row in read_manifest(path)
    ]
    write_manifest(path / "manifest.parquet", rows)
    return path


def test_only_clips_with_a_voice_and_a_sure_offset_are_learned_from(prepared, tmp_path):
    rows = choose(prepared, tmp_path / "real", {"1": "ann", "2": "bob"})
    assert {row.source: row.speaker for row in rows} == {
        "0.mp4": "0", "1.mp4": "ann", "2.mp4": "bob", "3.mp4": "3"
    }  # fmt: skip
    assert sorted(read_manifest(tmp_path / "real"), key=lambda row: row.source) == rows
    assert {row.split for row in rows} == {"train"}
    for row in rows:
        clip = read_clip(clip_path(tmp_path / "real", row.clip_id))
        assert clip.speaker == row.speaker
    assert len(ClipFolder(tmp_path / "real", "train").rows) == 4


def test_where_nothing_can_be_learned_from_it_says_why(prepared, tmp_path):
    rows = [replace(row, voiced=0.0) for row in read_manifest(prepared)]
    write_manifest(prepared / "manifest.parquet", rows)
    with pytest.raises(ValueError, match="has a voice and a sure offset"):
        choose(prepared, tmp_path / "real", {})
    assert not (tmp_path / "real" / "manifest.parquet").exists()


def test_a_person_is_known_by_a_part_of_the_file_s_name_in_any_case(tmp_path):
    file = tmp_path / "people.tsv"
    file.write_text("Anna\tanna\n\n speech_ \t bob\n")
    people = read_people(file)
    assert person_in("clips/Speech_ANNA_2.mp4", people) == "anna"
    assert person_in("my_speech_2.mov", people) == "bob"
    assert person_in("anna/Other.mp4", people) == "other"
    assert read_people(None) == {}


def test_a_line_without_a_person_is_named(tmp_path):
    file = tmp_path / "people.tsv"
    for text in ("anna\tanna\nbob bob\n", "a\ta\nbob\t\n"):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"line 2 of '.*people\.tsv' must be part of"):
            read_people(file)


def test_nobody_is_on_both_sides_and_everybody_is_tested_once(prepared, tmp_path):
    everyone = choose(prepared, tmp_path / "real", {"0": "ann", "1": "ann"})
    tested: list[str] = []
    for group in range(3):
        parts = {"group": group, "groups": 3}
        data, varied = tmp_path / f"data{group}", tmp_path / f"varied{group}"
        count = leave_out(tmp_path / "real", data, is_tested=True, **parts)
        assert leave_out(tmp_path / "real", varied, is_tested=False, **parts) == count
        left = [row for row in read_manifest(data) if row.split == "test"]
        assert {group_of(row.speaker, 3) for row in left} <= {group}
        learned = kept(read_manifest(data), "train")
        assert not {row.speaker for row in left} & {row.speaker for row in learned}
        assert len(left) == count == len(everyone) - len(learned)
        assert read_manifest(varied) == learned
        assert all(clip_path(data, row.clip_id).is_file() for row in read_manifest(data))
        tested += [row.clip_id for row in left]
    assert sorted(tested) == sorted(row.clip_id for row in everyone)


def test_folders_can_be_moved_together(prepared, tmp_path):
    choose(prepared, tmp_path / "all" / "real", {})
    leave_out(tmp_path / "all" / "real", tmp_path / "all" / "g", group=0, groups=2, is_tested=True)
    os.rename(tmp_path / "all", tmp_path / "moved")
    rows = read_manifest(tmp_path / "moved" / "g")
    assert read_clip(clip_path(tmp_path / "moved" / "g", rows[0].clip_id)).num_frames
