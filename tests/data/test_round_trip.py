"""Synthetic speakers, filmed, are prepared from their pixels: both must tell the same story."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from torch import Tensor

from viseme_data.clips import PreparedClip, read_clip
from viseme_data.manifest import ClipRow, read_manifest
from viseme_data.prepare.config import PrepareConfig
from viseme_data.prepare.run import prepare
from viseme_data.sync import estimate_offset
from viseme_data.synthetic.config import SynthesizeConfig
from viseme_data.synthetic.run import synthesize
from viseme_face import MorphableModel, eye_aspect_ratio, lip_opening


class Pair(NamedTuple):
    """A clip as it was made and as it was found."""

    row: ClipRow
    made: PreparedClip
    found: PreparedClip


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    folder = tmp_path_factory.mktemp("round_trip")
    settings = SynthesizeConfig(speakers=2, minutes=0.3, languages="en,cmn", seed=5, frames="256")
    synthesize(settings, out=folder / "made", workers=0)
    prepare(folder / "made" / "clips", out=folder / "found", config=PrepareConfig(), workers=0)
    rows = read_manifest(folder / "found")
    assert {row.status for row in rows} == {"kept"}, [row.detail for row in rows]
    return [
        Pair(
            row,
            read_clip((folder / "made" / "clips" / row.source).with_suffix(".safetensors")),
            read_clip(folder / "found" / "clips" / f"{row.clip_id}.safetensors"),
        )
        for row in rows
    ]


def correlation(found_T: Tensor, made_T: Tensor) -> float:
    return float(np.corrcoef(found_T.numpy(), made_T.numpy())[0, 1])


def test_every_frame_of_every_speaker_is_found(pairs: list[Pair]) -> None:
    assert len({pair.made.speaker for pair in pairs}) == 2
    for row, made, found in pairs:
        assert row.start_frame == 0
        assert found.num_frames == made.num_frames
        assert found.seen_T.all()


def test_the_lips_open_as_they_were_drawn(pairs: list[Pair]) -> None:
    for _, made, found in pairs:
        truth_T = lip_opening(made.landmarks_TK3[..., :2])
        seen_T = lip_opening(found.landmarks_TK3[..., :2])
        # 0.93-0.99 over 23 clips.
        assert correlation(seen_T, truth_T) >= 0.9
        assert 0.75 <= float(seen_T.std() / truth_T.std()) <= 1.35


def test_the_fitted_lips_open_as_they_were_drawn(pairs: list[Pair]) -> None:
    model = MorphableModel.builtin()
    for _, made, found in pairs:
        openings = [
            lip_opening(model.landmarks(clip.motion.identity, clip.motion.expression, "mp478"))
            for clip in (found, made)
        ]
        assert correlation(*openings) >= 0.9


def test_eyes_and_head_move_as_they_were_drawn(pairs: list[Pair]) -> None:
    for _, made, found in pairs:
        lids = [eye_aspect_ratio(clip.landmarks_TK3[..., :2]).mean(-1) for clip in (found, made)]
        assert float(lids[1].min()) < 0.3 * float(lids[1].median()), "nobody blinks in this clip"
        # 0.90-0.98 over 23 clips.
        assert correlation(*lids) >= 0.85
        for axis in range(3):
            turns = [clip.motion.pose[:, axis] for clip in (found, made)]
            # Radians; a head that hardly turns has no correlation worth the name.
            difference = (turns[0] - turns[0].mean()) - (turns[1] - turns[1].mean())
            assert float(difference.abs().max()) <= 0.08


def test_synthetic_speech_is_in_sync_by_the_measure_for_real_speech(tmp_path: Path) -> None:
    settings = SynthesizeConfig(speakers=6, minutes=0.8, languages="en,cmn", seed=3)
    synthesize(settings, out=tmp_path, workers=0)
    clips = [read_clip(path) for path in sorted(tmp_path.glob("clips/*.safetensors"))]
    found = [estimate_offset(clip.audio_S, clip.landmarks_TK3) for clip in clips]
    assert np.median([one.confidence for one in found]) >= 0.9
    # Without the lead that `actor` gives the mouth it is 1.
    assert abs(np.median([one.offset_frames for one in found])) <= 0.5
