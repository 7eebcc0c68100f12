"""One disturbed copy: its face in time with its sound, and features of that sound."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.data.prepared import make_clip
from viseme_core.audio import LogMelConfig, Wav2LipMelConfig, build_encoder
from viseme_data.clips import PreparedClip, write_clip
from viseme_data.vary.clip import check_numbers, copy_id, vary_clip
from viseme_data.vary.config import VaryConfig

pytestmark = pytest.mark.usefixtures("_one_thread")

ENCODERS = {"logmel": build_encoder(LogMelConfig()), "mel": build_encoder(Wav2LipMelConfig())}
FAST = VaryConfig(
    speed=(1.1, 1.1), equaliser_chance=0, room_chance=0, noise_chance=0, level_db=(0.0, 0.0)
)


def clicking(num_frames: int = 100, at: tuple[int, ...] = (12, 45, 83)) -> PreparedClip:
    """A clip that clicks in some frames, in which face, landmarks and extras jump."""
    clip = make_clip(1, num_frames, "ann")
    hit_T = torch.zeros(num_frames)
    hit_T[list(at)] = 1
    audio_S = torch.zeros_like(clip.audio_S)
    audio_S[[640 * frame + 320 for frame in at]] = 0.5
    return replace(
        clip,
        motion=replace(
            clip.motion,
            expression=hit_T[:, None].expand(-1, 64).contiguous(),
            pose=hit_T[:, None].expand(-1, 6).contiguous(),
        ),
        landmarks_TK3=hit_T[:, None, None].expand(-1, 478, 3).contiguous(),
        audio_S=audio_S,
        extras={
            "lids_T2": hit_T[:, None].expand(-1, 2).contiguous(),
            "phoneme_T": hit_T.to(torch.int16) * 1007,
            "phoneme_sec_P2": torch.tensor([(frame / 25, (frame + 1) / 25) for frame in at]),
            "phoneme_P": torch.tensor([1, 2, 3], dtype=torch.int16),
            "text_U": torch.tensor(list(b"ann"), dtype=torch.uint8),
            "pitch_T": hit_T,
            "loudness_T": hit_T,
            "voice_V4": torch.arange(4),
            "mask_Thw": torch.zeros(num_frames, 2, 2, dtype=torch.uint8),
            "clean_S": audio_S,
        },
    )


def varied(clip: PreparedClip, config: VaryConfig = FAST, copy: int = 0) -> PreparedClip:
    return vary_clip(clip, copy, config, ENCODERS, name="f" * 16)[0]


def peaks(values_TX: torch.Tensor, num: int = 3) -> list[int]:
    """The frames of the highest values that are not neighbours."""
    rest_T = values_TX.flatten(1).double().mean(1)
    found = []
    for _ in range(num):
        found.append(int(rest_T.argmax()))
        rest_T[max(0, found[-1] - 2) : found[-1] + 3] = -1
    return sorted(found)


def test_sound_face_landmarks_and_extras_stay_together_at_another_speed():
    copy = varied(clicking())
    assert copy.num_frames == round(100 / 1.1)
    expected = [round(frame / 1.1) for frame in (12, 45, 83)]
    loud_T = copy.audio_S.abs().reshape(-1, 640).amax(1)
    assert peaks(loud_T[:, None]) == expected
    for values in (copy.motion.expression, copy.motion.pose, copy.landmarks_TK3):
        assert peaks(values) == expected
    assert peaks(copy.extras["lids_T2"]) == expected
    # Of the phoneme, a frame or none may be left where two fall together; here each is there.
    assert [t for t in range(91) if copy.extras["phoneme_T"][t] == 1007] == expected


def test_extras_are_carried_as_the_docstring_says():
    clip = clicking()
    extras = varied(clip).extras
    assert set(extras) == {"lids_T2", "phoneme_T", "phoneme_sec_P2", "phoneme_P", "text_U"}
    torch.testing.assert_close(extras["phoneme_sec_P2"] * 1.1, clip.extras["phoneme_sec_P2"])
    assert torch.equal(extras["phoneme_P"], clip.extras["phoneme_P"])
    assert torch.equal(extras["text_U"], clip.extras["text_U"])
    assert extras["lids_T2"].amin() >= 0
    assert extras["lids_T2"].amax() <= 1


def test_features_are_those_of_the_disturbed_sound_under_all_names():
    clip = make_clip(2, 60, "bob")
    copy = varied(clip, VaryConfig(seed=4), copy=3)
    assert set(copy.features) == {"logmel", "mel"}
    for name, encoder in ENCODERS.items():
        assert copy.features[name].shape == (copy.num_frames, encoder.audio_dim)
        assert torch.equal(copy.features[name], encoder.encode(copy.audio_S))
    assert copy.audio_S.abs().max() <= 1


def test_who_speaks_and_where_the_crop_lies_stay():
    clip = make_clip(3, 40, "cid")
    copy = varied(clip)
    assert torch.equal(copy.motion.identity, clip.motion.identity)
    assert (copy.speaker, copy.crop, copy.size) == (clip.speaker, clip.crop, clip.size)
    assert copy.motion.face_model == clip.motion.face_model
    assert (copy.clip_id, copy.has_audio) == ("f" * 16, True)


def test_without_disturbance_a_copy_is_the_clip():
    still = replace(FAST, speed=(1.0, 1.0))
    clip = replace(make_clip(4, 50, "cid"), extras={})
    copy = varied(clip, still)
    torch.testing.assert_close(copy.audio_S, clip.audio_S)
    assert torch.equal(copy.motion.expression, clip.motion.expression)
    assert torch.equal(copy.landmarks_TK3, clip.landmarks_TK3)


def test_frames_that_were_not_seen_are_not_seen_in_the_copy():
    clip = clicking()
    seen_T = torch.ones(100, dtype=torch.bool)
    seen_T[40:60] = False
    copy = varied(replace(clip, seen_T=seen_T))
    unseen = np.flatnonzero(~copy.seen_T.numpy())
    assert unseen[0] == pytest.approx(40 / 1.1, abs=1.5)
    assert unseen[-1] == pytest.approx(59 / 1.1, abs=1.5)
    assert len(unseen) == unseen[-1] - unseen[0] + 1


def test_the_same_seed_gives_the_same_bytes_and_another_copy_or_seed_others(tmp_path):
    clip, config = make_clip(5, 40, "ann"), VaryConfig(seed=1)

    def content(copy: int, config: VaryConfig) -> bytes:
        path = tmp_path / "a.safetensors"
        write_clip(path, varied(clip, config, copy))
        return path.read_bytes()

    first = content(0, config)
    assert content(0, config) == first
    assert content(0, replace(config, copies=99)) == first
    assert len({first, content(1, config), content(0, replace(config, seed=2))}) == 3


def test_names_tell_clip_settings_and_copy_apart():
    names = {
        copy_id(clip, config.settings_hash(audio), copy)
        for clip in ("a" * 16, "b" * 16)
        for config in (VaryConfig(), VaryConfig(seed=1), VaryConfig(noise_chance=0.5))
        for audio in ({"logmel": {"kind": "logmel"}}, {})
        for copy in (0, 1)
    }
    assert len(names) == 2 * 3 * 2 * 2
    assert all(len(name) == 16 for name in names)
    # More copies leave the names of the first.
    assert VaryConfig(copies=2).settings_hash({}) == VaryConfig().settings_hash({})


@pytest.mark.parametrize("what", ["sound", "expression", "landmarks"])
def test_a_clip_with_no_numbers_in_it_is_refused(what):
    clip = make_clip(6, 30, "ann")
    spoilt = {
        "sound": clip.audio_S,
        "expression": clip.motion.expression,
        "landmarks": clip.landmarks_TK3,
    }[what]
    check_numbers(clip)
    spoilt.view(-1)[5] = torch.nan
    with pytest.raises(ValueError, match=f"the {what} of clip 0000000000000006 holds NaN"):
        check_numbers(clip)
