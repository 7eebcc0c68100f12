import numpy as np
import pytest
import torch

from tests.data.synthetic_clips import performed, planned, recorded, speaker
from viseme_core.types import FPS, SAMPLES_PER_FRAME
from viseme_data.synthetic.emotion import EMOTIONS, at_level, spoken_with
from viseme_data.synthetic.phonemes import inventory, is_vowel, name_of
from viseme_data.synthetic.plan import plan_speaker, split_of_speaker
from viseme_data.synthetic.speaker import identity_of
from viseme_data.synthetic.speech import Voice
from viseme_face import MorphableModel, pose_vertices, project
from viseme_face.layouts import BROWS, LIP_CORNERS, eye_aspect_ratio, lip_opening

LANGUAGES = ("en", "cmn")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("number", range(3))
def test_lips_are_really_closed_at_every_p_b_and_m(language: str, number: int) -> None:
    plan = planned(number, language)
    opening = lip_opening(performed(plan).landmarks_TK3[..., :2])
    times = (torch.arange(plan.num_frames) + 0.5) / FPS
    closures = [phone for phone in recorded(plan).phones if phone.name in ("p", "b", "m")]
    assert closures
    for phone in closures:
        near = (times > phone.start_sec - 0.03) & (times < phone.release_sec + 0.03)
        assert opening[near].min() < 0.01, phone


@pytest.mark.parametrize("language", LANGUAGES)
def test_lips_are_open_in_vowels_as_wide_as_real_ones(language: str) -> None:
    open_in_vowels = []
    for number in range(3):
        performance = performed(planned(number, language))
        opening = lip_opening(performance.landmarks_TK3[..., :2])
        names = [name_of(int(i)).split(".")[0] for i in performance.truth["phoneme_T"]]
        open_in_vowels += opening[torch.tensor([is_vowel(name) for name in names])].tolist()
    # Of 38 real clips the median over all frames is 0.13 and nine frames in ten are below 0.21.
    assert 0.08 < np.median(open_in_vowels) < 0.26
    assert np.quantile(open_in_vowels, 0.99) < 0.6


def test_the_sound_is_as_long_as_the_frames_and_the_sounds_fill_it() -> None:
    plan = planned()
    recording = recorded(plan)
    assert len(recording.audio_S) == plan.num_frames * SAMPLES_PER_FRAME
    assert recording.audio_S.abs().max() <= 0.95 + 1e-6
    lengths = [phone.end_sec - phone.start_sec for phone in recording.phones]
    assert sum(lengths) == pytest.approx(plan.num_frames / FPS, abs=1e-6)
    assert recording.phones[-1].end_sec == pytest.approx(plan.num_frames / FPS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_vowels_are_loud_and_pauses_quiet_in_their_frames(language: str) -> None:
    plan = planned(1, language)
    truth = performed(plan).truth
    names = [name_of(int(i)).split(".")[0] for i in truth["phoneme_T"]]
    frames = recorded(plan).audio_S.reshape(-1, SAMPLES_PER_FRAME).square().mean(1)
    vowels = frames[torch.tensor([is_vowel(name) for name in names])]
    pauses = frames[torch.tensor([name == "_" for name in names])]
    assert vowels.median() > 30 * pauses.median()


def test_the_words_are_kept() -> None:
    text = bytes(performed(planned()).truth["text_U"].tolist()).decode()
    assert text.split("\n") == list(recorded(planned()).texts)
    assert text.isascii()


def test_mandarin_clips_hold_tones() -> None:
    numbers = performed(planned(0, "cmn")).truth["phoneme_T"].unique().tolist()
    tones = {number // 1000 for number in numbers}
    assert len(tones - {0}) >= 4
    assert all(number % 1000 < len(inventory().names) for number in numbers)


def test_landmarks_are_the_model_posed_and_projected() -> None:
    performance = performed(planned(2))
    model = MorphableModel.builtin()
    vertices = model.landmarks(performance.motion.identity, performance.motion.expression, "mp478")
    expected = project(pose_vertices(vertices, performance.motion.pose))
    torch.testing.assert_close(performance.landmarks_TK3[..., :2], expected, atol=1e-5, rtol=1e-4)
    # Depth grows away from the camera: the nose is nearest, its tip before the ears.
    depth = performance.landmarks_TK3[..., 2].mean(0)
    assert depth[4] < depth[[234, 454]].min() - 0.05


def test_faces_lie_in_the_crop_as_preparation_would_cut_it() -> None:
    for number in range(3):
        points = performed(planned(number)).landmarks_TK3[..., :2].flatten(0, 1)
        low, high = points.amin(0), points.amax(0)
        torch.testing.assert_close((low + high) / 2, torch.tensor([0.5, 0.5]), atol=2e-3, rtol=0)
        assert 1.8 * float((high - low).max()) == pytest.approx(1, abs=5e-3)


def test_eyes_shut_where_the_truth_says_so() -> None:
    shut = []
    for number in range(4):
        performance = performed(planned(number))
        closed = performance.truth["lids_T2"].mean(-1)
        open_share = eye_aspect_ratio(performance.landmarks_TK3[..., :2]).mean(-1)
        shut += (open_share / open_share.median())[closed > 0.95].tolist()
    # Four times eight seconds hold about ten blinks.
    assert len(shut) >= 4
    assert max(shut) < 0.15


def test_emotions_show_in_the_face() -> None:
    def at_rest(emotion: str) -> torch.Tensor:
        performance = performed(planned(0, "en", emotion))
        model = MorphableModel.builtin()
        motion = performance.motion
        return model.landmarks(motion.identity, motion.expression, "mp478").median(0).values

    neutral = at_rest("neutral")
    corners, brows = list(LIP_CORNERS), list(BROWS)
    assert (at_rest("happy") - neutral)[corners, 1].mean() > 0.02
    assert (at_rest("sad") - neutral)[corners, 1].mean() < -0.01
    assert (at_rest("surprised") - neutral)[brows, 1].mean() > 0.03
    assert (at_rest("angry") - neutral)[brows, 1].mean() < -0.015


def test_emotions_change_the_voice() -> None:
    voice = Voice(name="en-us")
    sad, happy = (spoken_with(voice, at_level(name, 3)) for name in ("sad", "happy"))
    assert sad.words_per_minute < 150 < happy.words_per_minute
    assert sad.pitch < voice.pitch < happy.pitch
    assert sad.pitch_range < voice.pitch_range < happy.pitch_range
    assert spoken_with(voice, at_level("neutral", 1)) == voice


def test_a_higher_level_is_a_stronger_emotion() -> None:
    for name in EMOTIONS:
        low, high = at_level(name, 1), at_level(name, 3)
        for control, value in high.face.items():
            assert abs(low.face[control]) < abs(value)


def test_unknown_emotions_and_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="emotion must be one of neutral"):
        at_level("bored", 1)
    with pytest.raises(ValueError, match="level"):
        at_level("happy", 4)


def test_speakers_differ_in_voice_face_and_habits() -> None:
    people = [speaker(number) for number in range(30)]
    assert len({person.voice for person in people}) == 30
    assert 8 <= sum(person.sex == "female" for person in people) <= 22
    assert all(0.28 <= person.eyes.blink_rate_hz <= 0.45 for person in people)
    model = MorphableModel.builtin()
    faces = torch.stack([identity_of(person, model) for person in people])
    deviations = faces / model.identity_std_I
    assert deviations.abs().max() <= 2
    assert float(deviations.std()) == pytest.approx(0.8, abs=0.1)
    assert (torch.cdist(deviations, deviations) + 99 * torch.eye(30)).min() > 5


def test_the_first_clips_of_a_speaker_stay_when_more_are_asked_for() -> None:
    few, many = (plan_speaker(speaker(3), frames) for frames in (500, 5000))
    assert many[: len(few)] == few
    assert sum(plan.num_frames for plan in few) >= 500
    assert all(100 <= plan.num_frames <= 300 for plan in many)
    assert {plan.emotion for plan in plan_speaker(speaker(3), 50_000)} == set(EMOTIONS)


def test_clips_differ_between_speakers_and_between_seeds() -> None:
    people = [speaker(number, "en", seed) for seed in (1, 2) for number in range(20)]
    first = [plan_speaker(person, 1)[0] for person in people]
    assert len({(plan.num_frames, plan.emotion, plan.level) for plan in first}) > 35
    drawn = [float(plan.draws.uniform("test")[0]) for plan in first]
    assert len(set(drawn)) == len(drawn)


def test_few_speakers_fill_all_splits_and_many_fill_the_shares() -> None:
    shares = (0.7, 0.1, 0.2)
    splits = [split_of_speaker(speaker(number), 0, shares) for number in range(400)]
    assert set(splits[:4]) == {"train", "val", "test"}
    for name, share in zip(("train", "val", "test"), shares, strict=True):
        assert splits.count(name) / 400 == pytest.approx(share, abs=0.02)
    assert splits != [split_of_speaker(speaker(number), 1, shares) for number in range(400)]
