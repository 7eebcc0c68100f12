"""Every kind of video in one run: a right result or a row with a reason each."""

import math
import re

import numpy as np
import pytest
import torch

from tests.data.corpora import KINDS, Kind, make_corpus
from viseme_data.clips import read_clip
from viseme_data.manifest import ClipRow, read_manifest, split_of
from viseme_data.media import read_audio, read_frames
from viseme_data.prepare.run import prepare
from viseme_face import lip_opening


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    videos = make_corpus(folder / "videos")
    (videos / "notes.txt").write_text("no video by its name")
    (videos / ".hidden.mp4").write_bytes(b"hidden")
    prepare(videos, out=folder / "out", workers=0)
    return folder / "out"


@pytest.fixture(scope="module")
def rows(prepared) -> dict[str, list[ClipRow]]:
    found: dict[str, list[ClipRow]] = {}
    for row in read_manifest(prepared):
        found.setdefault(row.source, []).append(row)
    return found


def test_every_video_has_its_rows_and_nothing_else_has(rows):
    assert sorted(rows) == sorted(kind.name for kind in KINDS)
    assert len(KINDS) >= 25


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_gives_its_clips_or_its_reason(rows, kind: Kind):
    found = rows[kind.name]
    if isinstance(kind.expected, str):
        assert [(row.status, row.reasons) for row in found] == [("rejected", (kind.expected,))]
        assert found[0].clip_id == found[0].split == ""
        # A sentence, without the machine's paths.
        assert len(found[0].detail.split()) > 3
    else:
        assert [row.num_frames for row in found] == kind.expected
        assert {row.status for row in found} == {"kept"}
        assert {row.has_audio for row in found} == {kind.has_audio}
    assert kind.detail in found[0].detail
    assert not re.search(r"/tmp|pytest-of", " ".join(row.detail for row in found))


def test_files_are_those_of_the_kept_clips(prepared, rows):
    kept = {row.clip_id for found in rows.values() for row in found if row.status == "kept"}
    names = {path.name for path in (prepared / "clips").iterdir()}
    assert names == {f"{name}{kind}" for name in kept for kind in (".mp4", ".safetensors")}


def test_clips_agree_with_their_rows_and_pictures(prepared, rows):
    for name in ("plain.mp4", "phone.mp4", "rate 29.97.mp4", "leaves.mp4", "no_sound.mp4"):
        for row in rows[name]:
            clip = read_clip(prepared / "clips" / f"{row.clip_id}.safetensors")
            frames = list(read_frames(prepared / "clips" / f"{row.clip_id}.mp4"))
            assert len(frames) == row.num_frames == clip.num_frames
            assert frames[0].shape == (256, 256, 3)
            assert clip.features["logmel"].shape == (row.num_frames, 320)
            assert clip.motion.face_model == row.face_model
            assert (clip.crop.cx, clip.crop.side) == (row.crop_cx, row.crop_side)
            assert row.split == split_of(row.speaker)
            assert row.residual < 0.03
            # The face fills the middle of the crop.
            assert 0.3 < clip.landmarks_TK3[..., :2].mean() < 0.7


def test_the_crop_shows_what_the_source_shows_there(prepared, rows):
    row = rows["plain.mp4"][0]
    source = next(read_frames(prepared.parent / "videos" / row.source)).astype(float)
    crop = next(read_frames(prepared / "clips" / f"{row.clip_id}.mp4")).astype(float)
    # Points on a grid inside the source, looked up in both.
    left, top = row.crop_cx - row.crop_side / 2, row.crop_cy - row.crop_side / 2
    x, y = np.meshgrid(np.arange(70, 230, 8), np.arange(50, 200, 8))
    inside = crop[
        ((y + 0.5 - top) / row.crop_side * 256).astype(int),
        ((x + 0.5 - left) / row.crop_side * 256).astype(int),
    ]
    # Colours too: red and blue swapped, or another matrix, would be off by tens.
    assert np.abs(inside - source[y, x]).mean() < 6


def test_a_turned_phone_video_is_upright(rows):
    assert (rows["phone.mp4"][0].width, rows["phone.mp4"][0].height) == (280, 320)


def test_a_gap_is_interpolated_and_noted(prepared, rows):
    row = rows["blink.mp4"][0]
    clip = read_clip(prepared / "clips" / f"{row.clip_id}.safetensors")
    assert (~clip.seen_T).nonzero()[:, 0].tolist() == [20, 21, 22]
    assert row.interpolated == pytest.approx(3 / 40)


def test_the_larger_of_two_faces_is_kept(rows):
    assert rows["two_faces.mp4"][0].crop_cx < 320
    assert rows["two_faces.mp4"][0].face == 0


def test_sound_is_stored_as_it_is_heard(prepared, rows):
    row = rows["plain.mp4"][0]
    clip = read_clip(prepared / "clips" / f"{row.clip_id}.safetensors")
    heard = read_audio(prepared.parent / "videos" / row.source).samples_S[: 640 * 30]
    shift = round(row.offset_frames * 640)
    aligned = torch.roll(heard, shift)
    inside = slice(abs(shift), len(heard) - abs(shift))
    torch.testing.assert_close(clip.audio_S[inside], aligned[inside], rtol=0, atol=0)
    assert row.voiced > 0.5
    assert rows["silence.mp4"][0].voiced == 0


def test_a_clip_without_sound_is_silent_and_says_so(prepared, rows):
    row = rows["no_sound.mp4"][0]
    clip = read_clip(prepared / "clips" / f"{row.clip_id}.safetensors")
    assert not clip.has_audio
    assert not clip.audio_S.any()
    assert row.offset_frames == 0
    assert len(clip.audio_S) == 640 * NUM_FRAMES


def test_lips_stay_shut_on_a_portrait_with_shut_lips(prepared, rows):
    row = rows["plain.mp4"][0]
    clip = read_clip(prepared / "clips" / f"{row.clip_id}.safetensors")
    assert lip_opening(clip.landmarks_TK3[..., :2]).std() < 0.03


def test_what_was_not_measured_is_not_a_number(rows):
    assert math.isnan(rows["empty.mp4"][0].sharpness)
    assert rows["frozen.mp4"][0].sharpness > 0


NUM_FRAMES = 30
