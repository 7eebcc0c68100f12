import json

import pytest
import torch

from viseme_core.checkpoint import load_stage, save_stage
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.default import default_folder
from viseme_pipeline.folder import INDEX, StageFiles, read_folder, save_folder


def test_a_chain_comes_back_from_its_folder_with_the_same_weights(tmp_path, chain):
    chain.save_pretrained(tmp_path / "saved")
    before, after = (load_stage(f) for f in (default_folder(), tmp_path / "saved"))
    assert before.header == after.header
    assert before.tensors.keys() == after.tensors.keys()
    assert all(torch.equal(before.tensors[name], after.tensors[name]) for name in before.tensors)
    again = TalkingFace.from_pretrained(tmp_path / "saved", device="cpu")
    assert again.preset == chain.preset


def test_half_precision_halves_the_file_and_keeps_what_it_says(tmp_path, chain):
    whole = load_stage(default_folder() / "motion.safetensors")
    wide = {name: tensor.float() for name, tensor in whole.tensors.items()}
    save_stage(tmp_path / "wide.safetensors", wide, whole.header)
    files = StageFiles(motion=tmp_path / "wide.safetensors")
    save_folder(tmp_path / "half", files, preset="fast", half=True)
    sizes = [
        file.stat().st_size
        for file in (tmp_path / "wide.safetensors", tmp_path / "half/motion.safetensors")
    ]
    assert 0.45 < sizes[1] / sizes[0] < 0.55
    assert load_stage(tmp_path / "half").header == whole.header


def test_a_chain_made_of_objects_says_why_it_cannot_be_saved(tmp_path, chain):
    bare = TalkingFace(chain.motion, chain.renderer)
    with pytest.raises(ValueError, match="from_stages"):
        bare.save_pretrained(tmp_path / "saved")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (None, f"holds no {INDEX}"),
        ("{", "damaged"),
        ({"format": "other"}, "no index of a chain"),
        ({"version": 9}, "upgrade"),
        ({"stages": {"renderer": "mesh"}}, "must name a motion stage"),
        ({"stages": {"motion": "gone.safetensors"}}, "gone.safetensors"),
    ],
)
def test_a_folder_that_holds_no_chain_is_refused_by_what_is_wrong(tmp_path, index, message):
    if index is not None:
        whole = {"format": "viseme-chain", "version": 1, "preset": "fast", "stages": {}}
        text = index if isinstance(index, str) else json.dumps({**whole, **index})
        (tmp_path / INDEX).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_folder(tmp_path)
