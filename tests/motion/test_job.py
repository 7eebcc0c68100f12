"""What a job refuses, and what counts as sound."""

from typing import Any

import pytest
import torch

from tests.motion.voices import make_motion, make_voice
from viseme_core.types import AudioClip, VideoClip
from viseme_motion.control import Control
from viseme_motion.job import Job, as_clips, pieces_of, spread_jobs

VOICE = make_voice(0.1)
REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"reference": torch.zeros(3, 8, 8)},
        "reference must be a ReferenceFace or Motion, got Tensor",
    ),
    ({"reference": "face.png"}, "reference must be a ReferenceFace or Motion, got str"),
    ({"clip": VideoClip(torch.zeros(2, 3, 8, 8))}, "clip must be a Motion, got VideoClip"),
    ({"identity": [0.0] * 80}, "identity must be a Tensor, got list"),
    ({"control": {"lip_gain": 2.0}}, "control must be a Control, got dict"),
    ({"clip": make_motion(2), "reference": make_motion(2)}, "not both"),
    ({"control": Control(pose="clip")}, r"give clip=, or control.driven\['pose'\]"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED)
def test_a_job_says_by_name_what_it_cannot_do(settings, message):
    with pytest.raises(ValueError, match=message):
        Job(**settings)


@pytest.mark.parametrize(
    "audio", [torch.zeros(16_000), "voice.wav", None, [torch.zeros(9)], (torch.zeros(9), 16_000)]
)
def test_what_is_no_sound_is_refused_with_the_way_to_make_it_one(audio):
    with pytest.raises(ValueError, match=r"must be an AudioClip .*AudioClip\(samples, rate_hz\)"):
        as_clips(audio)


def test_one_sound_is_a_list_of_one_and_a_list_is_itself():
    assert as_clips(VOICE) == [VOICE]
    assert as_clips((VOICE, VOICE)) == [VOICE, VOICE]
    with pytest.raises(ValueError, match="list of sounds is empty"):
        as_clips([])


def test_pieces_keep_their_rate_and_bare_samples_have_the_one_that_is_given():
    found = list(pieces_of([VOICE.samples_S, AudioClip(VOICE.samples_S, 8000)], 22_050))
    assert [rate_hz for _, rate_hz in found] == [22_050, 8000]
    assert all(torch.equal(samples_S, VOICE.samples_S) for samples_S, _ in found)


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        (VOICE, r"a whole one as a list, \[sound\]"),
        (VOICE.samples_S, r"a whole one as a list, \[sound\]"),
        ([VOICE.samples_S.numpy()], "must be a Tensor of samples or an AudioClip, got ndarray"),
    ],
)
def test_a_stream_of_something_else_is_refused(chunks, message):
    with pytest.raises(ValueError, match=message):
        list(pieces_of(chunks, 16_000))


def test_an_option_that_is_no_list_is_everyones():
    clip = make_motion(3)
    jobs = spread_jobs(2, {"seed": [4, 5], "clip": clip, "control": None})
    assert [job.seed for job in jobs] == [4, 5]
    assert all(job.clip is clip for job in jobs)
    assert all(job.control.lip_gain == 1 for job in jobs)
    with pytest.raises(ValueError, match="seed is a list of 3, but there are 2 sounds"):
        spread_jobs(2, {"seed": [1, 2, 3], "control": None})
