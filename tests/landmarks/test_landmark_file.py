"""Landmarks on disk."""

import pytest
import torch
from safetensors.torch import save_file

from viseme_core.types import Landmarks
from viseme_landmarks.landmark_file import load_landmarks, save_landmarks


def test_landmarks_come_back_as_they_were(tmp_path):
    landmarks = Landmarks(torch.rand(3, 131, 2), "talk131")
    save_landmarks(landmarks, tmp_path / "deep" / "faces.safetensors")
    found = load_landmarks(tmp_path / "deep" / "faces.safetensors")
    assert found.layout == "talk131"
    assert torch.equal(found.points_TKD, landmarks.points_TKD)


def test_what_is_no_landmark_file_is_refused_by_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match="a landmark file ends in"):
        save_landmarks(Landmarks(torch.rand(3, 131, 2), "talk131"), tmp_path / "faces.pt")
    with pytest.raises(ValueError, match="there is no landmark file"):
        load_landmarks(tmp_path / "nowhere.safetensors")
    path = tmp_path / "other.safetensors"
    save_file({"points": torch.rand(3, 131, 2)}, path)
    with pytest.raises(ValueError, match="its metadata must say 'viseme-landmarks'"):
        load_landmarks(path)
    path.write_bytes(b"0123456789")
    with pytest.raises(ValueError, match="cut short, damaged"):
        load_landmarks(path)
    facts = {"format": "viseme-landmarks", "version": "1"}
    save_file({"points": torch.rand(3, 131, 2)}, path, {**facts, "layout": "other"})
    with pytest.raises(ValueError, match="layout 'other', unknown"):
        load_landmarks(path)
    save_file({"motion": torch.rand(3, 131, 2)}, path, {**facts, "layout": "talk131"})
    with pytest.raises(ValueError, match="it lacks 'points'"):
        load_landmarks(path)
