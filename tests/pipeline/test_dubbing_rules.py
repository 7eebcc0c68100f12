"""What dubbing cannot do is said in a sentence, before anything is read or loaded."""

import numpy as np
import pytest
import torch

from tests.pipeline.clips import clip, grey_clip
from tests.pipeline.faces import voice_file
from viseme_core.checkpoint import StageHeader, save_stage
from viseme_data.frames import read_frames
from viseme_pipeline import stages
from viseme_pipeline.cli import main
from viseme_pipeline.dubbing_rules import check_wishes
from viseme_pipeline.wishes import Wishes

# Neither is there: what is wrong with the stages is told first.
GONE = ["--audio=gone.wav", "--video=gone.mp4"]
TRAIN = "make train-joint"
KINDS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "no renderer": (["--landmarks={pair}"], ("none is given", "--renderer", TRAIN)),
    "the mesh": (["--landmarks={pair}", "--renderer=mesh"], ("mesh is given", "--renderer", TRAIN)),
    "a renderer of motion": (
        ["--landmarks={pair}", "--renderer={motion}"],
        ("holds pirender, which motion drives", "leave --landmarks out", TRAIN),
    ),
    "no landmarks": (["--renderer={pair}"], ("TalkFormer, which landmarks drive", "--landmarks")),
    "motion and landmarks": (
        ["--motion=m", "--landmarks={pair}", "--renderer={pair}"],
        ("by --motion or by --landmarks",),
    ),
    "a chain and landmarks": (
        ["--pretrained=f", "--landmarks={pair}", "--renderer={pair}"],
        ("--pretrained names all stages",),
    ),
    "landmarks of another stage": (
        ["--landmarks={pair}/render.safetensors", "--renderer={pair}"],
        ("holds stage 'render', expected 'landmarks'",),
    ),
    "no such landmarks": (
        ["--landmarks=gone.safetensors", "--renderer={pair}"],
        ("there is no stage file 'gone.safetensors'",),
    ),
    "one step": (
        ["--landmarks={pair}", "--renderer={pair}", "--preset=direct"],
        ("--preset direct is for motion", "fast, balanced, paper"),
    ),
    "an autoencoder of nothing": (["--autoencoder=a"], ("--landmarks",)),
    "the system without weights": (
        ["--system=talkformer"],
        ("no weights of it come with viseme", TRAIN, "train-render SYSTEM=talkformer"),
    ),
    "another system": (
        ["--system=fd2talk", "--landmarks={pair}", "--renderer={pair}"],
        ("holds talkformer",),
    ),
    "wider lips": (
        ["--landmarks={pair}", "--renderer={pair}", "--lip=1.2"],
        ("leave --lip out", "eyes and head stay the clip's own"),
    ),
}


@pytest.fixture
def motion_renderer(tmp_path):
    """Return a stage file that says it is PIRender's; nobody should come to read its weights."""
    path = tmp_path / "stages" / "pirender.safetensors"
    path.parent.mkdir()
    save_stage(path, {"w": torch.zeros(1)}, StageHeader(stage="render", system="pirender"))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_stages_that_do_not_fit_are_refused_before_anything_is_read(
    kind, tmp_path, pair, motion_renderer, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    arguments, words = KINDS[kind]
    given = [argument.format(pair=pair, motion=motion_renderer) for argument in arguments]
    assert main(["generate", *GONE, "--out=film.mp4", *given]) == 2
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert all(word in said for word in words), said
    assert not (tmp_path / "film.mp4").exists()


@pytest.mark.parametrize(
    ("wish", "option"),
    [
        ({"lip": 1.2}, "--lip"),
        ({"eye": 0.0}, "--eye"),
        ({"rest": 2.0}, "--global"),
        ({"pose": 0.5}, "--pose"),
        ({"blink_rate": 0.3}, "--blink-rate"),
        ({"close_in_silence": False}, "--leave-silence"),
        ({"seal_lips": False}, "--leave-lips"),
    ],
)
def test_wishes_that_only_motion_grants_are_refused_by_their_option(dubber, wish, option):
    with pytest.raises(ValueError, match=f"leave {option} out"):
        check_wishes(Wishes(**wish))
    with pytest.raises(ValueError, match=option):
        # Before the voice and the clip, which are not there.
        next(iter(dubber.stream("gone.wav", video="gone.mp4", wishes=Wishes(**wish))))


def test_wishes_about_the_picture_are_granted():
    check_wishes(Wishes(seed=3, face=1, size=128, max_side=640, label="made", crf=20))


def test_a_clip_is_dubbed_by_one_command(tmp_path, pair, capsys, marks):
    given = [
        f"--audio={voice_file(tmp_path / 'v.flac', 0.3)}",
        f"--video={clip(tmp_path / 'c.mp4', 5)}",
        f"--landmarks={pair}",
        f"--renderer={pair}",
        *("--preset=balanced", "--system=talkformer", "--seed=2", "--size=96"),
    ]
    assert main(["generate", *given, f"--out={tmp_path / 'f.mp4'}"]) == 0
    assert "8 frames, 0.32 s, 192 x 192" in capsys.readouterr().out
    assert len(list(read_frames(tmp_path / "f.mp4"))) == 8
    assert (marks.facts[0]["preset"], marks.facts[0]["seed"]) == ("balanced", "2")
    assert main(["ship", str(tmp_path / "chain"), f"--landmarks={pair}", f"--renderer={pair}"]) == 0
    given[2:4] = [f"--pretrained={tmp_path / 'chain'}"]
    assert main(["generate", *given, f"--out={tmp_path / 'g.mp4'}"]) == 0
    one, other = np.split(np.concatenate(marks.frames), 2)
    assert (one == other).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (grey_clip, "no face is found in"),
        (lambda path: path.write_text("la la la") and path, "no media file"),
        (lambda path: voice_file(path.with_suffix(".flac"), 0.2), "no video"),
        (lambda path: path, "there is no file"),
    ],
)
def test_clips_that_cannot_be_dubbed_leave_nothing(tmp_path, pair, capsys, marks, make, message):
    (tmp_path / "out").mkdir()
    given = [
        f"--audio={voice_file(tmp_path / 'v.flac', 0.2)}",
        f"--video={make(tmp_path / 'c.mp4')}",
        *(f"--landmarks={pair}", f"--renderer={pair}", f"--out={tmp_path / 'out' / 'f.mp4'}"),
    ]
    assert main(["generate", *given]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in said
    assert not list((tmp_path / "out").iterdir())


def test_a_pair_that_was_trained_here_is_offered(tmp_path, pair, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "joint").mkdir(parents=True)
    (tmp_path / "runs" / "joint" / "small").symlink_to(pair)
    assert main(["generate", *GONE, "--out=film.mp4", "--system=talkformer"]) == 2
    run = "runs/joint/small"
    assert f"--landmarks {run} --renderer {run}" in capsys.readouterr().err


def test_a_pair_that_comes_along_is_found_by_its_system(tmp_path, dubber, monkeypatch):
    dubber.save_pretrained(tmp_path / "assets" / "dubbing")
    monkeypatch.setattr("viseme_pipeline.default.FOLDER", tmp_path / "assets" / "default")
    assert stages._embedded("talkformer") == tmp_path / "assets" / "dubbing"
