import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch.testing import assert_close

from tests.data.crowd import crowd
from tests.data.faces import portrait
from tests.data.prepared import make_prepared
from viseme_core.types import Landmarks
from viseme_data.build_face_model import BuildFaceModelConfig, build, build_from, to_parts
from viseme_data.canonical import complete, read_canonical
from viseme_data.face_model.card import Report
from viseme_data.face_model.learn import one_thread
from viseme_data.face_model.measure import measure
from viseme_data.face_model.people import Person, read_people
from viseme_data.face_model.prior import Knowledge, prior_knowledge
from viseme_data.face_model.shapes import mirrored, twins
from viseme_data.gestures import Gestures
from viseme_face import MorphableModel
from viseme_face.layouts import lip_opening
from viseme_face.parts import FaceParts, read_builtin, read_face_file


@pytest.fixture(scope="module")
def prior() -> Knowledge:
    with one_thread():
        return prior_knowledge(complete(read_canonical()))


def some_people(prior: Knowledge, num: int = 9) -> list[Person]:
    """Somebody who moves, several portraits, and the last two to measure on."""
    moving, _, _ = crowd(prior, 2, 5, flat_noise=1e-3, depth_noise=8e-3)
    still, _, _ = crowd(prior, num, 1, seed=1, flat_noise=1e-3, depth_noise=8e-3)
    clips = [moving[0], *still[1:], moving[1]]
    uses = ["learn"] * (num - 1) + ["measure"] * 2
    return [
        Person(f"p{k}", use, [Landmarks(clip.float(), "mp478")])  # type: ignore[arg-type]
        for k, (clip, use) in enumerate(zip(clips, uses, strict=True))
    ]


@pytest.fixture(scope="module")
def built(prior: Knowledge, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    out = tmp_path_factory.mktemp("built") / "face.safetensors"
    config = BuildFaceModelConfig(faces="FACES", out=str(out), rounds=1, frames=5)
    with one_thread():
        return out, build_from(config, prior, some_people(prior))


def test_a_model_is_written_with_its_card_and_measured_on_the_others(
    built: tuple[Path, Report],
) -> None:
    out, report = built
    parts = read_face_file(out)
    assert parts.identity_basis_IV3.shape == (80, 478, 3)
    assert parts.expression_basis_EV3.shape == (64, 478, 3)
    assert (report.people, report.frames, report.learned.num_moving) == (8, 12, 1)
    assert report.model is not None
    assert (report.model.clips, report.model.portraits) == (1, 1)
    assert 0 < report.model.clip_error < 0.02
    assert 0.8 < report.identity_share <= 1
    card = out.with_suffix(".md").read_text()
    assert report.name in card
    assert "viseme-data build-face-model FACES --out face.safetensors" in card
    assert f"{report.model.clip_error:.2%}" in card
    assert str(out.parent) not in card


def test_the_file_says_from_what_it_was_made(built: tuple[Path, Report]) -> None:
    with safe_open(built[0], "pt") as file:
        about = json.loads(file.metadata()["face"])
    assert about["license"] == "Apache-2.0"
    assert "8 people" in about["made_from"]


def test_the_built_mean_is_symmetric_with_lips_closed(built: tuple[Path, Report]) -> None:
    parts = read_face_file(built[0])
    assert parts.uv_V2 is not None
    mirror_V = twins(parts.uv_V2)
    assert_close(mirrored(parts.mean_V3, mirror_V), parts.mean_V3, atol=1e-6, rtol=0)
    assert lip_opening(parts.mean_V3) < 1e-6


@pytest.mark.slow
def test_the_same_people_give_the_same_bytes(
    prior: Knowledge, built: tuple[Path, Report], tmp_path: Path
) -> None:
    again = tmp_path / "face.safetensors"
    config = BuildFaceModelConfig(faces="FACES", out=str(again), rounds=1, frames=5)
    with one_thread():
        build_from(config, prior, some_people(prior))
    assert again.read_bytes() == built[0].read_bytes()
    assert again.with_suffix(".md").read_bytes() == built[0].with_suffix(".md").read_bytes()


def left_over(parts: FaceParts) -> dict[str, float]:
    """Part of every gesture that the expression directions cannot show."""
    flat = parts.expression_basis_EV3.flatten(1).double()
    gestures = Gestures(parts.mean_V3.double(), parts.triangles_P3).all()
    found = {}
    for name, wanted_V3 in gestures.items():
        wanted = wanted_V3.flatten()
        rest = wanted - flat.T @ torch.linalg.lstsq(flat.T, wanted).solution
        found[name] = float(rest.norm() / wanted.norm())
    return found


def test_every_gesture_is_within_reach_of_the_shipped_model() -> None:
    worst = max(left_over(read_builtin()).values())
    # Bases are kept with eleven bits.
    assert worst < 0.01


def test_every_gesture_is_within_reach_of_the_prior(prior: Knowledge) -> None:
    assert max(left_over(to_parts(prior)[0]).values()) < 1e-4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"out": "model.bin"}, r"out must end in \.safetensors"),
        ({"holdout": 1.0}, "holdout must be from 0 to below 1"),
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"expression_prior": 0.0}, "expression_prior must be above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BuildFaceModelConfig(**{"faces": "x", "out": "x.safetensors", **settings})  # type: ignore[arg-type]


def test_people_are_read_from_pictures_by_file_and_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture = Image.fromarray(portrait())
    (tmp_path / "ann").mkdir()
    for name in ("ann/1.png", "ann/2.png", "bob.png"):
        picture.save(tmp_path / name)
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(tmp_path / "wall.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("nothing")
    people = read_people(tmp_path, None, 0.0)
    assert [(p.name, len(p.clips), p.use) for p in people] == [
        ("ann", 2, "learn"),
        ("bob.png", 1, "learn"),
    ]
    assert people[0].frames(16).shape == (2, 478, 3)
    assert "wall.png shows no face" in caplog.text
    assert "broken.jpg" in caplog.text


def test_prepared_clips_are_read_by_their_speakers(tmp_path: Path) -> None:
    clips = make_prepared(tmp_path / "prepared")
    people = read_people(tmp_path / "prepared", None, 0.0)
    speakers = {clip.speaker for clip in clips.values()}
    assert [person.name for person in people] == sorted(speakers)
    found = {clip.points_TKD.double().sum().item() for p in people for clip in p.clips}
    assert found == {clip.landmarks_TK3.float().double().sum().item() for clip in clips.values()}


def test_a_table_says_who_is_who_and_what_for(tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "3.png"):
        Image.fromarray(portrait()).save(tmp_path / name)
    table = tmp_path / "table.tsv"
    table.write_text(
        "file\tperson\tuse\tsource\tlicence\n1.png\tann\tlearn\ta/b\tMIT\n2.png\tbob\tmeasure\t\t\n"
    )
    ann, bob = read_people(tmp_path, table, 0.5)
    assert (ann.use, bob.use) == ("learn", "measure")
    assert ann.origins == {("a/b", "MIT"): 1}
    assert bob.origins == {("not stated", "not stated"): 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name\tperson\n1.png\tann\n", r"names the columns file and person.*got \('name'"),
        ("file\tperson\tuse\n1.png\tann\ttrain\n", "use must be learn or measure, got 'train'"),
        (
            "file\tperson\tuse\n1.png\tann\tlearn\n2.png\tann\tmeasure\n",
            "'ann' is both to learn and to measure",
        ),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, content: str, message: str) -> None:
    table = tmp_path / "table.tsv"
    table.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_people(tmp_path, table, 0.2)


def test_a_folder_without_faces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no videos and no pictures"):
        build(BuildFaceModelConfig(faces=str(tmp_path), out=str(tmp_path / "x.safetensors")))
    with pytest.raises(ValueError, match="must be a folder"):
        read_people(tmp_path / "absent", None, 0.2)


def test_one_person_alone_can_be_measured_on(prior: Knowledge) -> None:
    with one_thread():
        clips, _, _ = crowd(prior, 1, 30, flat_noise=1e-3, depth_noise=8e-3)
        found = measure(MorphableModel.builtin(), [Landmarks(clips[0].float(), "mp478")])
    assert found.clips == 1
    assert 0 < found.clip_error < 0.1
    # Nobody is there to be different from.
    assert math.isnan(found.identity_drift)
