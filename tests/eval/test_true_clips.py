from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.data.test_manifest import KEPT
from viseme_core.types import FPS, SAMPLES_PER_FRAME, CropBox, Motion
from viseme_data.clips import PreparedClip, write_clip
from viseme_data.manifest import ClipRow, write_manifest
from viseme_data.synthetic.phonemes import PAUSE, Phone, inventory
from viseme_data.synthetic.speech import Utterance, Voice, synthesizer
from viseme_eval.functional.closures import closes, closes_anywhere
from viseme_eval.run.true_clips import (
    BILABIALS,
    TrueClip,
    read_true_clips,
    true_clip,
    with_closures,
)
from viseme_face import MorphableModel
from viseme_face.layouts import LIP_PAIRS

TEXT = "Peter bought a bumpy wagon, but Bob keeps it near my farm"
FACE = MorphableModel.builtin()


def row_of(number: int, num_frames: int, **facts: object) -> ClipRow:
    known = {"speaker": f"p{number}", "split": "test", "face": 0, "start_frame": 0}
    place = {"source": f"{number}.mp4", "clip_id": f"{number:016x}", "offset_frames": 0.0}
    return replace(KEPT, **{**known, **place, "num_frames": num_frames, **facts})  # type: ignore[arg-type]


def clip_of(row: ClipRow, gap_T: torch.Tensor, samples_S: torch.Tensor) -> PreparedClip:
    """A neutral face whose lips are so far apart, and a sound."""
    num_frames = len(gap_T)
    still = Motion(
        expression=torch.zeros(num_frames, 64),
        pose=torch.zeros(num_frames, 6),
        identity=torch.zeros(80),
        face_model=FACE.name,
    )
    points_TK3 = FACE.landmarks(still.identity, still.expression, "mp478") * 0.3 + 0.5
    for upper, lower in LIP_PAIRS:
        points_TK3[:, upper, 1] = points_TK3[:, lower, 1] + gap_T
    sound_S = torch.zeros(num_frames * SAMPLES_PER_FRAME)
    sound_S[: len(samples_S)] = samples_S[: len(sound_S)]
    return PreparedClip(
        motion=still,
        landmarks_TK3=points_TK3,
        seen_T=torch.ones(num_frames, dtype=torch.bool),
        audio_S=sound_S,
        features={},
        crop=CropBox(1.0, 1.0, 2.0),
        size=32,
        clip_id=row.clip_id,
        speaker=row.speaker,
        has_audio=True,
    )


def say(**settings: object) -> Utterance:
    with synthesizer() as engine:
        return engine.say(TEXT, Voice(name="en-us", **settings))  # type: ignore[arg-type]


def gaps_of(phones: tuple[Phone, ...], num_frames: int) -> torch.Tensor:
    """Lips that are shut in p, b and m, and nowhere else."""
    gap_T = torch.full((num_frames,), 0.05)
    for phone in phones:
        if phone.name in BILABIALS:
            middle = (phone.start_sec + phone.release_sec) / 2
            gap_T[int(middle * FPS)] = 0.0
    return gap_T


def spoken(number: int = 0, **settings: object) -> tuple[TrueClip, Utterance]:
    said = say(**settings)
    num_frames = int(said.seconds * FPS)
    row = row_of(number, num_frames)
    return true_clip(row, clip_of(row, gaps_of(said.phones, num_frames), said.samples_S)), said


def transcript(folder: Path, *lines: str) -> Path:
    path = folder / "said.tsv"
    path.write_text("\n".join(["source\tstart_sec\tend_sec\ttext", *lines]), encoding="utf-8")
    return path


def test_closures_are_found_in_the_speech_of_another_voice(tmp_path):
    one, said = spoken(variant="f2", words_per_minute=140)
    end = one.row.num_frames / FPS
    path = transcript(tmp_path, f"0.mp4\t0\t{end}\t{TEXT}")
    (found,) = with_closures([one], path, Voice(name="en-us"))
    assert found.windows_N2 is not None
    assert found.is_speech_T is not None
    bilabials = [phone for phone in said.phones if phone.name in BILABIALS]
    assert len(found.windows_N2) == len(bilabials) > 8
    closed = closes(found.opening_T, found.windows_N2, found.level).double().mean()
    anywhere = closes_anywhere(
        found.opening_T, found.windows_N2, found.level, found.is_speech_T
    ).mean()
    assert closed > 0.9
    assert anywhere < 0.7
    # espeak-ng begins and ends with silence.
    spoken_T = torch.zeros(one.row.num_frames, dtype=torch.bool)
    for phone in said.phones:
        if phone.name != PAUSE:
            spoken_T[int(phone.start_sec * FPS) : int(phone.end_sec * FPS) + 1] = True
    assert not spoken_T.all()
    assert (found.is_speech_T != spoken_T).sum() <= 3


def test_a_clip_without_a_transcript_has_no_closures(tmp_path):
    (one, _), (other, _) = spoken(0), spoken(1)
    path = transcript(tmp_path, f"1.mp4\t0\t{other.row.num_frames / FPS}\t{TEXT}")
    found = with_closures([one, other], path, Voice(name="en-us"))
    assert found[0].windows_N2 is None
    assert found[1].windows_N2 is not None
    with pytest.raises(ValueError, match=r"no stretch .* such as '0.mp4'"):
        with_closures([one], path, Voice(name="en-us"))


def test_synthetic_speakers_know_when_their_lips_are_closed():
    names = ["_", "p", "p", "A", "A", "m", "b", "_", "_", "m"]
    numbers = torch.tensor([inventory().names.index(name) for name in names]).short()
    row = row_of(0, 10)
    clip = clip_of(row, torch.linspace(0, 0.1, 10), torch.zeros(0))
    one = true_clip(row, replace(clip, extras={"phoneme_T": numbers}))
    assert one.windows_N2 is not None
    assert one.is_speech_T is not None
    assert one.windows_N2.tolist() == [[0, 4], [4, 7], [5, 8], [8, 10]]
    assert one.is_speech_T.tolist() == [name != "_" for name in names]


def test_frames_in_which_no_face_is_seen_are_not_known(tmp_path):
    gap_T = torch.linspace(0.01, 0.1, 40)
    row = row_of(0, 40)
    clip = clip_of(row, gap_T, torch.zeros(0))
    clip.seen_T[3:6] = False
    opening_T = true_clip(row, clip).opening_T
    assert opening_T.isnan().nonzero()[:, 0].tolist() == [3, 4, 5]
    assert (opening_T[6:].diff() > 0).all()


def test_clips_of_the_split_that_have_sound_are_read(tmp_path):
    rows = [row_of(0, 30), row_of(1, 30, split="train"), row_of(2, 30, has_audio=False)]
    (tmp_path / "clips").mkdir()
    for row in rows:
        clip = clip_of(row, torch.linspace(0, 0.1, 30), torch.zeros(0))
        write_clip(tmp_path / "clips" / f"{row.clip_id}.safetensors", clip)
    write_manifest(tmp_path / "manifest.parquet", rows)
    assert [one.row.source for one in read_true_clips(tmp_path)] == ["0.mp4"]
    assert [one.row.source for one in read_true_clips(tmp_path, "train")] == ["1.mp4"]
