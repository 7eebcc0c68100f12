import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from viseme_core.audio import LogMelConfig, build_encoder
from viseme_core.types import AudioClip
from viseme_data.cli import main
from viseme_data.clips import read_clip
from viseme_data.manifest import kept, read_manifest
from viseme_data.media import read_audio, read_frames
from viseme_data.synthetic.clip import Studio
from viseme_data.synthetic.config import GENERATOR_VERSION, SynthesizeConfig
from viseme_data.synthetic.run import plan_clips, synthesize
from viseme_face import MorphableModel, lip_opening
from viseme_face.portrait import MASKS

SMALL = SynthesizeConfig(speakers=2, minutes=0.1, languages="en,cmn", seed=1)


def digests(folder: Path, pattern: str = "clips/*") -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob(pattern))
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "data"
    synthesize(SMALL, out=folder, workers=0)
    return folder


def test_a_data_set_is_in_the_prepared_format(small: Path) -> None:
    rows = read_manifest(small)
    assert {row.status for row in rows} == {"kept"}
    assert {row.language for row in rows} == {"en", "cmn"}
    described = json.loads((small / "dataset.json").read_text())
    assert described["format"] == 1
    assert described["face_model"] == MorphableModel.builtin().name
    encoder = build_encoder(LogMelConfig())
    for row in rows:
        clip = read_clip(small / "clips" / f"{row.clip_id}.safetensors")
        assert (clip.clip_id, clip.speaker) == (row.clip_id, row.speaker)
        assert clip.num_frames == row.num_frames
        assert clip.motion.face_model == row.face_model == described["face_model"]
        assert clip.seen_T.all()
        torch.testing.assert_close(
            clip.features["logmel"], encoder.encode(AudioClip(clip.audio_S)), atol=1e-4, rtol=1e-4
        )
        assert {
            "phoneme_T",
            "phoneme_P",
            "phoneme_sec_P2",
            "gaze_T2",
            "lids_T2",
            "tongue_T",
        } <= set(clip.extras)
        # Stored as such, and cut by frames as its name says.
        assert clip.extras["phoneme_T"].dtype == torch.int16
        assert len(clip.extras["phoneme_T"]) == clip.num_frames


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(
    small: Path, tmp_path: Path
) -> None:
    synthesize(SMALL, out=tmp_path, workers=2)
    for pattern in ("clips/*", "manifest.parquet", "dataset.json"):
        assert digests(tmp_path, pattern) == digests(small, pattern)


def test_another_seed_gives_other_clips(small: Path, tmp_path: Path) -> None:
    synthesize(replace(SMALL, seed=2, speakers=1, minutes=0.05), out=tmp_path, workers=0)
    assert not set(digests(tmp_path).values()) & set(digests(small).values())


def test_more_speakers_leave_the_first_as_they_are(small: Path, tmp_path: Path) -> None:
    more = replace(SMALL, speakers=3, minutes=0.15)
    synthesize(more, out=tmp_path, workers=0)
    assert digests(small).items() < digests(tmp_path).items()
    before = {row.clip_id: row for row in read_manifest(small)}
    after = {row.clip_id: row for row in read_manifest(tmp_path)}
    assert all(after[name] == row for name, row in before.items())


def test_a_run_that_was_cut_off_goes_on_and_redoes_nothing_that_is_whole(
    small: Path, tmp_path: Path
) -> None:
    synthesize(SMALL, out=tmp_path, workers=0)
    names = sorted(path.stem for path in (tmp_path / "clips").iterdir())
    # As a kill leaves it: one clip not noted, one half-written, no manifest.
    (tmp_path / "work" / f"{names[0]}.json").unlink()
    (tmp_path / "clips" / f"{names[0]}.safetensors.partial").write_bytes(b"half")
    (tmp_path / "manifest.parquet").unlink()
    other = tmp_path / "clips" / f"{names[1]}.safetensors"
    stamp = other.stat().st_mtime_ns
    summary = synthesize(SMALL, out=tmp_path, workers=0)
    assert summary.num_new == 1
    assert other.stat().st_mtime_ns == stamp
    assert digests(tmp_path) == digests(small)
    assert digests(tmp_path, "manifest.parquet") == digests(small, "manifest.parquet")
    assert synthesize(SMALL, out=tmp_path, workers=0).num_new == 0


def test_other_settings_are_refused_in_the_same_folder_by_name(small: Path) -> None:
    with pytest.raises(ValueError, match="seed was 1 and now is 2"):
        synthesize(replace(SMALL, seed=2), out=small)
    with pytest.raises(ValueError, match="more clips than these settings ask for"):
        synthesize(replace(SMALL, speakers=1, minutes=0.05), out=small)


def test_clips_of_an_older_generator_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replace(SMALL, speakers=1, minutes=0.05)
    synthesize(one, out=tmp_path, workers=0)
    now = GENERATOR_VERSION
    for place in ("config", "folder"):
        monkeypatch.setattr(f"viseme_data.synthetic.{place}.GENERATOR_VERSION", now + 1)
    with pytest.raises(ValueError, match=f"generator was {now} and now is {now + 1}"):
        synthesize(one, out=tmp_path, workers=0)


def test_latents_stay_as_long_as_their_clip(tmp_path: Path) -> None:
    one = replace(SMALL, speakers=1, minutes=0.05)
    (row,) = synthesize(one, out=tmp_path, workers=0).rows
    kept_file = tmp_path / "clips" / f"{row.clip_id}.latents.safetensors"
    other = tmp_path / "clips" / "0123456789abcdef.latents.safetensors"
    for path in (kept_file, other):
        path.touch()
    synthesize(one, out=tmp_path, workers=0)
    assert kept_file.exists()
    assert not other.exists()


def test_the_look_goes_with_the_voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def drawn(*arguments: object, **_: object) -> torch.Tensor:
        seen.append(arguments[3])
        return torch.zeros(1, dtype=torch.uint8)

    monkeypatch.setattr("viseme_data.synthetic.film.film", drawn)
    config = SynthesizeConfig(speakers=12, minutes=0.01, languages="en", frames="256")
    studio = Studio(config=config)
    plans = plan_clips(config)
    for plan in plans:
        studio._film(plan, _Anything(), _Anything(), tmp_path / "a.mp4")  # type: ignore[arg-type]
    sexes = [plan.speaker.sex for plan in plans]
    assert {"female", "male"} == set(sexes)
    assert all(look.stubble == 0 for look, sex in zip(seen, sexes, strict=True) if sex == "female")
    assert all(look.shadow == 0 for look, sex in zip(seen, sexes, strict=True) if sex == "male")
    assert any(look.stubble for look in seen)


class _Anything:
    """Has every attribute and item."""

    def __getattr__(self, name: str) -> "_Anything":
        return self

    def __getitem__(self, name: str) -> "_Anything":
        return self


def test_overwriting_drops_what_other_settings_left(tmp_path: Path) -> None:
    one = replace(SMALL, speakers=1, minutes=0.05)
    synthesize(one, out=tmp_path, workers=0)
    before = digests(tmp_path)
    synthesize(replace(one, seed=9), out=tmp_path, workers=0, overwrite=True)
    assert not before.keys() & digests(tmp_path).keys()
    assert len(list((tmp_path / "work").glob("*.json"))) == len(digests(tmp_path))


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(ValueError, match=r"holds other files, first 'thesis\.txt'"):
        synthesize(SMALL, out=tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_minutes_are_shared_among_speakers_in_whole_clips() -> None:
    plans = plan_clips(SynthesizeConfig(speakers=5, minutes=5, languages="en"))
    for number in range(5):
        seconds = sum(plan.num_frames for plan in plans if plan.speaker.number == number) / 25
        assert 60 <= seconds < 72


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"speakers": 0}, "speakers must be at least 1"),
        ({"minutes": 0.0}, "minutes must be above 0"),
        ({"languages": "en,xx"}, "'xx'; choose from cmn"),
        ({"split_shares": (0.5, 0.1, 0.2)}, "add up to 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SynthesizeConfig(**settings)


def test_the_command_line_makes_a_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = "synthesize --speakers 1 --minutes 0.05 --languages cmn --seed 4 --workers 0"
    assert main([*arguments.split(), "--out", str(tmp_path / "data")]) == 0
    assert "1 speakers" in capsys.readouterr().out
    assert {row.language for row in kept(read_manifest(tmp_path / "data"))} == {"cmn"}


def test_the_command_line_refuses_a_language_it_cannot_speak(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["synthesize", "--languages", "xx", "--out", str(tmp_path / "data")]) != 0
    assert "choose from cmn" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_without_espeak_nothing_is_written_and_the_error_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ImportError, match=r"pip install viseme-data\[synthetic\]"):
        synthesize(SMALL, out=tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_pictures_show_what_the_truth_says(tmp_path: Path) -> None:
    config = SynthesizeConfig(speakers=1, languages="en", frames="256", seed=3)
    torch.set_num_threads(1)
    plan = replace(plan_clips(config)[0], num_frames=50, emotion="neutral", level=1)
    row = Studio(config=config).make(plan, tmp_path)
    clip = read_clip(tmp_path / f"{row.clip_id}.safetensors")
    pictures = np.stack(list(read_frames(tmp_path / f"{row.clip_id}.mp4")))
    assert pictures.shape == (50, 256, 256, 3)
    sound = read_audio(tmp_path / f"{row.clip_id}.mp4").samples_S[: 50 * 640]
    assert np.corrcoef(sound.numpy(), clip.audio_S.numpy())[0, 1] > 0.95
    # The mouth's inside is seen in as many blocks of pixels as lips are apart.
    seen = (clip.extras["mask_Thw"] == MASKS.index("mouth")).sum((1, 2)).numpy()
    opening = lip_opening(clip.landmarks_TK3[..., :2]).numpy()
    assert clip.extras["mask_Thw"].shape == (50, 64, 64)
    assert np.corrcoef(seen, opening)[0, 1] > 0.9
    assert seen[opening < 0.01].max() <= 2
    # And it is darker or whiter than skin: the picture changes with it around the lips.
    x, y = (256 * clip.landmarks_TK3[:, [13, 14], :2].mean((0, 1))).int().tolist()
    changes = np.abs(np.diff(pictures[:, y - 20 : y + 20, x - 20 : x + 20].astype(float), axis=0))
    moves = np.abs(np.diff(opening))
    assert np.corrcoef(changes.mean((1, 2, 3)), moves)[0, 1] > 0.5


def test_making_clips_without_pictures_needs_no_opencv_or_mediapipe() -> None:
    code = (
        "import sys; import viseme_data.synthetic.run; "
        "print({'cv2', 'mediapipe', 'espeakng_loader'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
