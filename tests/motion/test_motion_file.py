"""Motion files come back as they went, and say what is wrong with them."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from tests.motion.voices import make_motion
from viseme_motion import load_motion, save_motion


def test_what_was_saved_comes_back_bit_for_bit(tmp_path):
    motion = replace(make_motion(7), fps=29.97)
    save_motion(motion[::2], tmp_path / "new" / "a.safetensors")
    found = load_motion(tmp_path / "new" / "a.safetensors")
    for name in ("expression", "pose", "identity"):
        assert torch.equal(getattr(found, name), getattr(motion[::2], name))
    assert (found.face_model, found.fps) == (motion.face_model, 29.97)


def test_a_file_that_is_none_says_so(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(ValueError, match="no motion file"):
        load_motion(path)
    with pytest.raises(ValueError, match=r"ends in .safetensors, got .*a.pt"):
        save_motion(make_motion(2), tmp_path / "a.pt")
    save_file({"expression": torch.zeros(2, 64)}, path)
    with pytest.raises(ValueError, match=r"must say format 'viseme-motion', they say None"):
        load_motion(path)
    metadata = {"format": "viseme-motion", "version": "2"}
    save_file({"expression": torch.zeros(2, 64)}, path, metadata)
    with pytest.raises(ValueError, match=r"of version '2'"):
        load_motion(path)
    metadata = {"format": "viseme-motion", "version": "1"}
    save_file({"expression": torch.zeros(2, 64)}, path, metadata)
    with pytest.raises(ValueError, match=r"metadata lack \['face_model', 'fps'\]"):
        load_motion(path)
    metadata |= {"face_model": "builtin@00000000", "fps": "25.0"}
    save_file({"expression": torch.zeros(2, 64)}, path, metadata)
    with pytest.raises(ValueError, match=r"lacks \['identity', 'pose'\]"):
        load_motion(path)


def test_a_file_cut_short_says_so(tmp_path):
    path = tmp_path / "a.safetensors"
    save_motion(make_motion(20), path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match="cut short"):
        load_motion(path)
