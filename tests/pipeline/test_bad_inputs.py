"""What people give by mistake: one clear sentence, exit code 2, and nothing left behind."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.pipeline.faces import portrait, portrait_file, voice_file
from viseme_core.checkpoint import StageHeader, save_stage
from viseme_data.write import VideoWriter
from viseme_pipeline.build_demo import write_flac
from viseme_pipeline.cli import main


class Given(NamedTuple):
    folder: Path
    options: dict[str, str]

    def file(self, option: str, name: str) -> Path:
        """A file of that name, which the option names."""
        self.options[option] = str(self.folder / name)
        return self.folder / name


def picture(given: Given, name: str, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(given.file("image", name))


def two_faces(given: Given) -> None:
    picture(given, "two.png", np.concatenate([portrait(), portrait()], 1))
    given.options["face"] = "3"


def cut_off(given: Given) -> None:
    path = portrait_file(given.file("image", "cut.jpg"))
    path.write_bytes(path.read_bytes()[:900])


def silent_film(given: Given) -> None:
    with VideoWriter(given.file("audio", "mute.mp4"), (64, 64)) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))


def empty_sound(given: Given) -> None:
    write_flac(given.file("audio", "none.flac"), np.zeros(0))


def no_stage(given: Given) -> None:
    given.file("motion", "weights.safetensors").write_bytes(b"not weights at all")


def other_stage(given: Given) -> None:
    header = StageHeader(stage="render", system="pirender")
    save_stage(given.file("motion", "r.safetensors"), {"w": torch.zeros(2)}, header)


def pickle_stage(given: Given) -> None:
    given.file("motion", "old.ckpt").write_bytes(b"\x80\x04K\x01.")


def noise(given: Given) -> None:
    picture(given, "noise.png", np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8))


def drawing(given: Given) -> None:
    """A child's drawing of somebody from the side: a ring, a dot, a nose, a mouth."""
    paper = np.full((240, 240, 3), 250, np.uint8)
    ink = (30, 30, 30)
    cv2.circle(paper, (120, 120), 80, ink, 4)
    cv2.circle(paper, (170, 95), 6, ink, -1)
    for one, other in (
        ((198, 120), (220, 135)),
        ((220, 135), (192, 150)),
        ((160, 165), (185, 165)),
    ):
        cv2.line(paper, one, other, ink, 4)
    picture(given, "drawing.png", paper)


def wide_wall(given: Given) -> None:
    path = given.file("image", "8k.jpg")
    Image.new("RGB", (7680, 4320), (90, 110, 130)).save(path)


def sound_as_video(given: Given) -> None:
    del given.options["image"]
    given.options["video"] = given.options["audio"]


def drop(*names: str) -> Callable[[Given], None]:
    def spoil(given: Given) -> None:
        for name in names:
            del given.options[name]

    return spoil


def say(**options: str) -> Callable[[Given], None]:
    return lambda given: given.options.update(options)


def wrote(option: str, name: str, text: str) -> Callable[[Given], None]:
    def spoil(given: Given) -> None:
        given.file(option, name).write_text(text)

    return spoil


KINDS: dict[str, tuple[Callable[[Given], None], str]] = {
    "no face": (lambda g: picture(g, "grey.png", np.full((99, 99, 3), 120, np.uint8)), "no face"),
    "noise": (noise, "no face is found"),
    "a drawing": (drawing, "no face is found in '"),
    "8K without a face": (wide_wall, "(7680 x 4320); use a picture that shows one"),
    "one pixel": (lambda g: picture(g, "dot.png", np.zeros((1, 1, 3), np.uint8)), "too small"),
    "third of two faces": (two_faces, "shows 2; give 1 to 2"),
    "face 0": (say(face="0"), "from the left"),
    "text as picture": (wrote("image", "p.png", "I am a picture"), "no picture"),
    "empty picture": (lambda g: g.file("image", "e.png").touch(), "empty"),
    "picture cut off": (cut_off, "breaks off"),
    "no such picture": (lambda g: g.file("image", "gone.png") and None, "there is no file"),
    "folder as picture": (lambda g: g.file("image", "dir").mkdir(), "folder"),
    "32-bit picture": (
        lambda g: Image.fromarray(np.zeros((64, 64), np.float32)).save(g.file("image", "f.tiff")),
        "32 bits",
    ),
    "text as sound": (wrote("audio", "a.wav", "la la la"), "no media file"),
    "empty file as sound": (lambda g: g.file("audio", "e.wav").touch(), "empty"),
    "sound without samples": (empty_sound, "none.flac"),
    "picture as sound": (lambda g: portrait_file(g.file("audio", "p.png")) and None, "no audio"),
    "film without sound": (silent_film, "no audio"),
    "no such sound": (lambda g: g.file("audio", "gone.wav") and None, "there is no file"),
    "sound as video": (sound_as_video, "no video"),
    "picture and video": (say(video="clip.mp4"), "one of them"),
    "neither picture nor video": (drop("image"), "one of them"),
    "no audio": (drop("audio"), "--audio is missing"),
    "no target": (drop("out"), "--out is missing"),
    "target of another kind": (say(out="film.gif"), "must end in .mp4"),
    "target in no folder": (say(out="/nowhere/film.mp4"), "no folder"),
    "weights that are none": (no_stage, "damaged or no safetensors"),
    "weights of another stage": (other_stage, "holds stage 'render', expected 'motion'"),
    "a pickle": (pickle_stage, "not opened"),
    "no such weights": (say(motion="/nowhere/m.safetensors"), "there is no stage file"),
    "no such renderer": (say(renderer="pirnder"), "there is no stage file 'pirnder'"),
    "no such chain": (say(pretrained="/nowhere"), "no folder '/nowhere'"),
    "unknown preset": (say(preset="best"), "invalid choice: 'best'"),
    "unknown option": (say(watermark="no"), "unrecognized arguments: --watermark"),
    "lips below nothing": (say(lip="-1"), "lip_gain"),
    "lips that are no number": (say(lip="wide"), "invalid float value: 'wide'"),
    "too many blinks": (say(**{"blink-rate": "90"}), "blinks_per_sec"),
    "size beyond reason": (say(size="9000"), "64 to 1024"),
    "no such device": (say(device="cuda:77"), "cannot be used here"),
    "label in two lines": (say(label="a\nb"), "one line of plain ASCII"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_mistake_is_named_in_a_sentence_and_leaves_nothing(kind, tmp_path, capsys, marks):
    spoil, message = KINDS[kind]
    inputs, out = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    out.mkdir()
    given = Given(
        inputs,
        {
            "audio": str(voice_file(inputs / "v.flac", 0.2)),
            "image": str(portrait_file(inputs / "p.jpg")),
            "out": str(out / "film.mp4"),
            "size": "64",
        },
    )
    spoil(given)
    assert main(["generate", *(f"--{name}={value}" for name, value in given.options.items())]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("viseme generate: ")
    assert message in said
    assert "Traceback" not in said
    assert not list(out.iterdir())


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path, monkeypatch, capsys, marks):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    audio, image = voice_file(tmp_path / "v.flac", 0.1), portrait_file(tmp_path / "p.jpg")
    arguments = ["--audio", str(audio), "--image", str(image), "--out", str(tmp_path / "f.mp4")]
    assert main(["generate", *arguments]) == 2
    assert "may not be written to" in capsys.readouterr().err
