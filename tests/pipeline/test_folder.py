import json
from typing import Any

import numpy as np
import pytest
import torch
from transformers import WhisperConfig, WhisperModel

from tests.pipeline.clips import clip
from tests.pipeline.faces import voice
from viseme_core.audio import PretrainedConfig, build_encoder
from viseme_core.checkpoint import StageHeader, load_stage, save_stage
from viseme_core.config import to_plain
from viseme_core.train.systems import stored_config
from viseme_core.types import AudioClip
from viseme_face import MorphableModel
from viseme_motion.build import build_model
from viseme_motion.config import MotionConfig, pinned
from viseme_motion.disenttalk.config import DisentTalkConfig
from viseme_motion.listener.config import ListenerConfig
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.default import default_folder
from viseme_pipeline.folder import INDEX, StageFiles, read_folder, save_folder
from viseme_pipeline.wishes import Wishes

FD2TALK = default_folder().parent / "fd2talk"
FACE = MorphableModel.builtin()


def test_a_chain_comes_back_from_its_folder_with_the_same_weights(tmp_path):
    chain = TalkingFace.from_pretrained(default_folder(), device="cpu")
    chain.save_pretrained(tmp_path / "saved")
    saved = tmp_path / "saved"
    before, after = (load_stage(f / "motion.safetensors") for f in (default_folder(), saved))
    for name in ("pose.safetensors", "hearing/model.safetensors", "hearing/config.json", INDEX):
        assert (saved / name).read_bytes() == (default_folder() / name).read_bytes(), name
    assert before.header == after.header
    assert before.tensors.keys() == after.tensors.keys()
    assert all(torch.equal(before.tensors[name], after.tensors[name]) for name in before.tensors)
    again = TalkingFace.from_pretrained(tmp_path / "saved", device="cpu")
    assert again.preset == chain.preset


def test_half_precision_halves_the_file_and_keeps_what_it_says(tmp_path, chain):
    whole = load_stage(FD2TALK / "motion.safetensors")
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
        ({"stages": {"motion": "m", "landmarks": "l"}}, "must name a motion stage, or one of"),
        ({"stages": {"landmarks": "l"}}, "'l', which is not there"),
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


@pytest.fixture
def hears_by_whisper(tmp_path):
    """Return a motion stage that hears through a tiny speech model in a folder."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        **{"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 24},
        **{"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 8},
        **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1},
        **{"vocab_size": 8, "max_source_positions": 120},
    }
    whisper = WhisperModel(WhisperConfig(**settings))
    whisper.save_pretrained(tmp_path / "speech")
    audio = PretrainedConfig(kind="whisper", path=str(tmp_path / "speech"), window=40, context=10)
    audio = build_encoder(audio).pinned_config
    listens = ListenerConfig(members=1, dim=8, audio=audio, audio_dim=16)
    config = pinned(
        MotionConfig(
            system="disenttalk",
            audio=audio,
            audio_dim=16,
            listens=listens,
            disenttalk=DisentTalkConfig(num_blocks=1, dim=8, num_heads=2, sync=False),
        ),
        FACE.name,
    )
    header = StageHeader(
        stage="motion",
        system="disenttalk",
        config=stored_config(config),
        audio=to_plain(audio),
        face_model=FACE.name,
    )
    save_stage(tmp_path / "motion.safetensors", build_model(config, FACE).state_dict(), header)
    return tmp_path / "motion.safetensors"


def test_a_chain_takes_its_speech_model_along_and_forgets_where_it_lay(tmp_path, hears_by_whisper):
    files = StageFiles(motion=hears_by_whisper)
    first = TalkingFace.from_stages(files, preset="direct", device="cpu")
    first.save_pretrained(tmp_path / "saved", half=False)
    sound = AudioClip(0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(1)))
    one = first.motion(sound, seed=3).expression
    (tmp_path / "speech").rename(tmp_path / "elsewhere")
    again = TalkingFace.from_pretrained(tmp_path / "saved", device="cpu")
    other = again.motion(sound, seed=3).expression
    assert torch.equal(one, other)
    for file in (tmp_path / "saved").rglob("*"):
        assert str(tmp_path).encode() not in (file.read_bytes() if file.is_file() else b"")


def test_a_chain_that_lost_its_speech_model_says_so(tmp_path, hears_by_whisper):
    save_folder(tmp_path / "saved", StageFiles(motion=hears_by_whisper), preset="direct")
    (tmp_path / "saved/hearing/model.safetensors").unlink()
    with pytest.raises(ValueError, match="speech model 'hearing', which is not there"):
        read_folder(tmp_path / "saved")


def test_a_speech_model_that_was_moved_can_be_named(tmp_path, hears_by_whisper):
    (tmp_path / "speech").rename(tmp_path / "moved")
    files = StageFiles(motion=hears_by_whisper, hearing=tmp_path / "moved")
    chain = TalkingFace.from_stages(files, preset="direct", device="cpu")
    assert chain.motion.encoder.encode(torch.zeros(16000)).shape == (25, 16)


def test_a_chain_whose_motion_does_not_blink_brings_a_rate_of_its_own(tmp_path):
    files = StageFiles(motion=FD2TALK / "motion.safetensors", blink_rate=0.35)
    save_folder(tmp_path / "saved", files, preset="fast")
    assert read_folder(tmp_path / "saved")[0].blink_rate == 0.35
    assert read_folder(FD2TALK)[0].blink_rate is None
    assert Wishes().control_for(0.35).blinks_per_sec == 0.35
    assert Wishes().control_for(None).blinks_per_sec is None
    # What somebody asks for counts.
    assert Wishes(blink_rate=0.0).control_for(0.35).blinks_per_sec == 0.0


def test_a_stage_out_of_a_chains_folder_finds_the_speech_model_beside_it(
    tmp_path, hears_by_whisper
):
    save_folder(tmp_path / "saved", StageFiles(motion=hears_by_whisper), preset="direct")
    alone = TalkingFace.from_stages(StageFiles(motion=tmp_path / "saved/motion.safetensors"))
    assert alone.motion.encoder.encode(torch.zeros(16000)).shape == (25, 16)
    (tmp_path / "saved/hearing").rename(tmp_path / "gone")
    with pytest.raises(
        ValueError, match=r"speech model 'hearing', which is not there; .*--hearing"
    ):
        TalkingFace.from_stages(StageFiles(motion=tmp_path / "saved/motion.safetensors"))


def test_a_speech_model_that_cannot_be_taken_along_is_refused(tmp_path, hears_by_whisper):
    (tmp_path / "speech/model.safetensors").rename(tmp_path / "speech/pytorch_model.bin")
    with pytest.raises(ValueError, match=r"has no model\.safetensors"):
        save_folder(tmp_path / "saved", StageFiles(motion=hears_by_whisper), preset="direct")


def test_a_pair_that_dubs_comes_back_from_its_folder_as_it_was(tmp_path, marks, pair, dubber):
    dubber.save_pretrained(tmp_path / "saved")
    files, preset = read_folder(tmp_path / "saved")
    assert (files.system, preset) == ("talkformer", "fast")
    for role, name in (("landmarks", "landmarks"), ("renderer", "render")):
        before = load_stage(pair / f"{name}.safetensors")
        after = load_stage(tmp_path / "saved" / f"{role}.safetensors")
        assert before.header == after.header
        assert all(torch.equal(before.tensors[key], after.tensors[key]) for key in before.tensors)
    again = TalkingFace.from_pretrained(tmp_path / "saved", device="cpu")
    path, sound = clip(tmp_path / "c.mp4", 6), AudioClip(torch.from_numpy(voice(0.2)))
    one, other = (
        np.stack(list(each.stream(sound, video=path, wishes=Wishes(size=96))))
        for each in (dubber, again)
    )
    assert (one == other).all()


def test_a_chain_has_motion_or_landmarks_with_what_they_drive(pair):
    for wrong in ({}, {"motion": pair, "landmarks": pair}):
        with pytest.raises(ValueError, match="one of them"):
            StageFiles(**wrong)
    with pytest.raises(ValueError, match="name one by --renderer"):
        StageFiles(landmarks=pair)
