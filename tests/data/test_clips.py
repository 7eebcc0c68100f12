"""One clip's file: what is written comes back, in part too, and what is broken is refused."""

import json
import pickle
import struct

import pytest
import torch
from safetensors.torch import load_file

from viseme_core.types import CropBox, Motion
from viseme_data.clips import ClipFile, PreparedClip, clip_id, read_clip, write_clip

NUM = 30


def some_clip(num: int = NUM, **changes) -> PreparedClip:
    draw = torch.Generator().manual_seed(1)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw)

    fields = {
        "motion": Motion(
            expression=noise(num, 64),
            pose=noise(num, 6),
            identity=noise(80),
            face_model="builtin@01234567",
        ),
        "landmarks_TK3": noise(num, 478, 3),
        "seen_T": torch.arange(num) % 3 > 0,
        "audio_S": noise(num * 640),
        "features": {"logmel": noise(num, 320), "hubert": noise(num, 8)},
        "extras": {
            "phoneme_T": torch.arange(num, dtype=torch.int16),
            "mask_THW": noise(num, 4, 4),
            "voice_S": noise(num * 640),
            "times_P2": noise(5, 2),
        },
        "crop": CropBox(1.5, 2.25, 300.0, 0.1),
        "size": 256,
        "clip_id": "0123456789abcdef",
        "speaker": "\u00fcber \u5634",
        "has_audio": True,
    }
    return PreparedClip(**{**fields, **changes})


def same(one: PreparedClip, other: PreparedClip) -> None:
    for name in ("expression", "pose", "identity"):
        assert torch.equal(getattr(one.motion, name), getattr(other.motion, name))
    for name in ("landmarks_TK3", "seen_T", "audio_S"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    for name in ("features", "extras"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.keys() == theirs.keys()
        for key, values in mine.items():
            assert values.dtype == theirs[key].dtype
            assert torch.equal(values, theirs[key])
    for name in ("crop", "size", "clip_id", "speaker", "has_audio"):
        assert getattr(one, name) == getattr(other, name)
    assert one.motion.face_model == other.motion.face_model


@pytest.mark.parametrize("num", [1, NUM])
def test_a_clip_comes_back_as_it_was_written(tmp_path, num):
    clip = some_clip(num)
    write_clip(tmp_path / "a.safetensors", clip)
    same(read_clip(tmp_path / "a.safetensors"), clip)


def test_the_same_clip_gives_the_same_bytes(tmp_path):
    # The library writes its metadata in another order each time.
    for k in range(6):
        write_clip(tmp_path / f"{k}.safetensors", some_clip())
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_other_libraries_can_read_a_clip(tmp_path):
    write_clip(tmp_path / "a.safetensors", some_clip())
    tensors = load_file(tmp_path / "a.safetensors")
    assert torch.equal(tensors["landmarks"], some_clip().landmarks_TK3)
    assert tensors["seen"].dtype == torch.bool


def test_a_window_is_read_without_the_rest(tmp_path):
    write_clip(tmp_path / "a.safetensors", some_clip())
    clip = some_clip()
    with ClipFile(tmp_path / "a.safetensors") as file:
        assert file.num_frames == NUM
        window = file.read(file.names, 10, 14)
    assert torch.equal(window["expression"], clip.motion.expression[10:14])
    assert torch.equal(window["seen"], clip.seen_T[10:14])
    assert torch.equal(window["audio"], clip.audio_S[6400 : 14 * 640])
    assert torch.equal(window["features.hubert"], clip.features["hubert"][10:14])
    assert torch.equal(window["extras.phoneme_T"], clip.extras["phoneme_T"][10:14])
    assert torch.equal(window["extras.mask_THW"], clip.extras["mask_THW"][10:14])
    assert torch.equal(window["extras.voice_S"], clip.extras["voice_S"][6400 : 14 * 640])
    assert torch.equal(window["identity"], clip.motion.identity)
    assert torch.equal(window["extras.times_P2"], clip.extras["times_P2"])


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (5, 5), (0, NUM + 1)])
def test_frames_that_are_not_there_are_refused(tmp_path, start, stop):
    write_clip(tmp_path / "a.safetensors", some_clip())
    with ClipFile(tmp_path / "a.safetensors") as file:
        with pytest.raises(ValueError, match="has frames 0 to 30"):
            file.read(["pose"], start, stop)
        with pytest.raises(ValueError, match=r"there is no 'extras\.nothing'"):
            file.read(["extras.nothing"])


def test_an_open_clip_can_be_sent_to_another_process(tmp_path):
    write_clip(tmp_path / "a.safetensors", some_clip())
    with ClipFile(tmp_path / "a.safetensors") as file:
        copy = pickle.loads(pickle.dumps(file))
        assert torch.equal(copy.read(["pose"])["pose"], file.read(["pose"])["pose"])
        copy.close()


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.999])
def test_a_clip_that_is_cut_off_is_refused(tmp_path, share):
    path = tmp_path / "a.safetensors"
    write_clip(path, some_clip())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"a\.safetensors' is cut off"):
        read_clip(path)


def test_what_is_no_clip_of_this_format_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(ValueError, match="there is no clip"):
        read_clip(path)
    write_clip(path, some_clip())
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    for key, value, message in (
        ("format", "2", "of format 2, this viseme-data reads 1"),
        ("kind", "x", "no prepared clip"),
    ):
        header = json.loads(content[8 : 8 + length])
        header["__metadata__"][key] = value
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
        with pytest.raises(ValueError, match=message):
            read_clip(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio_S": torch.zeros(NUM * 640 - 1)}, "audio_S"),
        ({"seen_T": torch.ones(NUM + 1, dtype=torch.bool)}, "seen_T"),
        ({"features": {"logmel": torch.zeros(NUM - 1, 3)}}, "features"),
        ({"extras": {"phoneme_T": torch.zeros(NUM - 1)}}, "must have 30 rows"),
        ({"landmarks_TK3": torch.zeros(NUM, 478, 2)}, "landmarks_TK3"),
    ],
)
def test_parts_of_other_lengths_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        some_clip(**changes)


def test_a_failed_write_leaves_the_older_clip(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    write_clip(path, some_clip())
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("viseme_data.clips.os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_clip(path, some_clip(20))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_clip_is_named_by_all_that_it_is_made_of():
    names = {
        clip_id(source, settings, start, face)
        for source in ("a", "b")
        for settings in ("c", "d")
        for start in (0, 1)
        for face in (0, 1)
    }
    assert len(names) == 16
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in names)
    assert clip_id("a", "c", 0, 0) in names
