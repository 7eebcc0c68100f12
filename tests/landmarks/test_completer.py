"""Voice to landmarks: file and stream, whole and in pieces, alike; memory that does not grow."""

from pathlib import Path

import pytest
import torch

from tests.landmarks.small import SMALL, make_batch, make_model
from viseme_core.audio import MEL_WINDOW, Wav2LipMelConfig, build_encoder
from viseme_core.batches import LandmarkBatch
from viseme_core.checkpoint import StageHeader, save_stage
from viseme_core.loop import mirror_loop
from viseme_core.types import AudioClip, Landmarks
from viseme_face.layouts import TALK131
from viseme_landmarks import LandmarkCompleter, choose_references
from viseme_landmarks.build import header_of
from viseme_landmarks.completion import CompletionStream

SOUND = AudioClip(0.1 * torch.randn(27_000, generator=torch.Generator().manual_seed(5)))


def template(frames: int = 60) -> Landmarks:
    """Return a head that drifts, in the whole mesh."""
    generator = torch.Generator().manual_seed(6)
    face = 0.2 + 0.6 * torch.rand(1, 478, 3, generator=generator)
    drift = 0.001 * torch.arange(frames)[:, None, None]
    return Landmarks(
        face + drift + 0.005 * torch.randn(frames, 478, 3, generator=generator), "mp478"
    )


def join(parts: list[Landmarks]) -> torch.Tensor:
    return torch.cat([part.points_TKD for part in parts])


@pytest.mark.parametrize("settings", [{}, {"hop": 5}, {"num_frames": 1}, {"base": "references"}])
def test_a_call_is_what_the_model_predicts_of_all_frames_at_once(settings):
    model = make_model(**settings)
    faces = template()
    found = LandmarkCompleter(model)(SOUND, faces)
    frames = SOUND.num_frames
    points = faces.points_TKD[:frames, list(TALK131), :2]
    batch = LandmarkBatch(
        build_encoder(Wav2LipMelConfig()).encode(SOUND).unflatten(-1, MEL_WINDOW)[None],
        points[None, :, 57:],
        choose_references(faces, 5).points_TKD[None],
        points[None, :, :57],
        torch.ones(1, frames, dtype=torch.bool),
        torch.zeros(1, dtype=torch.int64),
    )
    with torch.no_grad():
        expected = model.predict(batch)[0]
    assert found.layout == "talk131"
    assert found.points_TKD.shape == (frames, 131, 2)
    torch.testing.assert_close(found.points_TKD[:, :57], expected, rtol=0, atol=1e-5)
    # What is given is given back.
    assert torch.equal(found.points_TKD[:, 57:], points[:, 57:])


@pytest.mark.parametrize("settings", [{}, {"hop": 3}, {"num_frames": 7, "hop": 2}])
@pytest.mark.parametrize("piece", [160, 3_333, 40_000])
def test_a_stream_is_the_whole_however_the_sound_arrives(settings, piece):
    completer = LandmarkCompleter(make_model(base="references", **settings))
    faces = template()
    whole = completer(SOUND, faces).points_TKD
    parts = list(completer.stream(SOUND.samples_S.split(piece), faces))
    torch.testing.assert_close(join(parts), whole, rtol=0, atol=1e-5)
    assert len(parts) > 1 or piece == 40_000


def test_a_stream_answers_before_the_sound_is_over():
    completer = LandmarkCompleter(make_model())
    given = []

    def pieces():
        for piece in SOUND.samples_S.split(1_000):
            given.append(len(piece))
            yield piece

    first = next(completer.stream(pieces(), template()))
    # A window of 25 frames of sound and what it reaches beyond, less what waits for its middle.
    assert first.num_frames == 23
    assert sum(given) <= 30 * 640 + 1_000


def test_a_template_may_come_in_pieces_and_is_asked_for_as_it_is_needed():
    completer = LandmarkCompleter(make_model())
    faces = template()
    references = choose_references(faces, 5)
    pieces = [Landmarks(part, "mp478") for part in faces.points_TKD.split(7)]
    asked = []

    def lazily():
        for piece in pieces:
            asked.append(piece)
            yield piece

    found = list(completer.stream([SOUND], lazily(), references))
    assert torch.equal(join(found), completer(SOUND, faces, references).points_TKD)
    assert len(asked) < len(pieces)


def test_a_short_template_runs_back_and_forth():
    completer = LandmarkCompleter(make_model())
    short = template(9)
    references = choose_references(short, 5)
    frames = mirror_loop(9, 0, SOUND.num_frames)
    looped = Landmarks(short.points_TKD[frames], "mp478")
    expected = completer(SOUND, looped, references).points_TKD
    assert torch.equal(completer(SOUND, short, references).points_TKD, expected)


def test_the_templates_own_lips_do_not_count():
    completer = LandmarkCompleter(make_model())
    faces = template()
    references = choose_references(faces, 5)
    other = faces.points_TKD.clone()
    other[:, list(TALK131[:57])] += 0.1
    expected = completer(SOUND, faces, references).points_TKD
    found = completer(SOUND, Landmarks(other, "mp478"), references).points_TKD
    assert torch.equal(found, expected)


def test_sound_of_another_rate_has_as_many_frames_as_it_lasts():
    completer = LandmarkCompleter(make_model())
    found = completer(AudioClip(0.1 * torch.randn(44_100), 44_100), template())
    assert found.num_frames == 25


def test_what_a_stream_keeps_does_not_grow():
    model = make_model(hop=2, num_frames=7)
    stream = CompletionStream(model, torch.rand(5, 131, 2))
    kept, given = [], 0
    for _ in range(12):
        stream.push(torch.randn(30, 80, 16), torch.rand(30, 74, 2))
        given += 30
        kept.append(stream._given.sound_BTD.shape[1])  # type: ignore[union-attr]
    assert max(kept) <= 3 * 7
    assert len(set(kept[2:])) == 1


def test_a_stream_may_be_pushed_frame_by_frame_or_at_once():
    model = make_model(base="references")
    batch = make_batch(1, 90)
    mel, pose, reference = batch.mel_BTMW[0], batch.pose_BTK2[0], batch.reference_BNK2[0]
    whole = CompletionStream(model, reference)
    at_once = torch.cat([whole.push(mel, pose), whole.finish()])
    single = CompletionStream(model, reference)
    parts = [single.push(mel[t : t + 1], pose[t : t + 1]) for t in range(90)]
    torch.testing.assert_close(torch.cat([*parts, single.finish()]), at_once, rtol=0, atol=1e-5)
    assert len(at_once) == 90


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], template()), "no chunk: there is no sound"),
        ((SOUND, template()), r"give a whole one as a list, \[sound\]"),
        (([SOUND], [template()]), "needs references"),
        (([SOUND], [template(9)], choose_references(template(), 5)), "end after 9 frames, before"),
        (([SOUND, AudioClip(torch.zeros(9), 8_000)], template()), "one rate, got 16000, then 8000"),
        (([SOUND], Landmarks(torch.rand(0, 131, 2), "talk131")), "template has no frames"),
        (([SOUND], Landmarks(torch.rand(9, 68, 2), "dlib68")), "needs 68 points that 'dlib68'"),
    ],
)
def test_what_cannot_be_completed_is_refused_by_what_is_wrong(arguments, message):
    completer = LandmarkCompleter(make_model())
    with pytest.raises(ValueError, match=message):
        list(completer.stream(*arguments))


def test_a_model_of_other_faces_is_refused():
    with pytest.raises(ValueError, match=r"faces have 7 \+ 9 points"):
        LandmarkCompleter(make_model(num_lip=4, num_jaw=3, num_pose=9))


def saved(folder: Path, **changes: object) -> Path:
    model = make_model()
    header = header_of(model.config)
    fields = {"stage": header.stage, "config": header.config, "audio": header.audio}
    fields = {**fields, "layout": header.layout, **changes}
    path = folder / "landmarks.safetensors"
    save_stage(path, model.state_dict(), StageHeader(**fields))  # type: ignore[arg-type]
    return path


def test_a_checkpoint_completes_as_the_model_that_was_saved(tmp_path):
    expected = LandmarkCompleter(make_model())(SOUND, template()).points_TKD
    for path in (saved(tmp_path), tmp_path):
        found = LandmarkCompleter.from_checkpoint(path)(SOUND, template()).points_TKD
        assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage": "motion"}, "holds stage 'motion', expected 'landmarks'"),
        ({"audio": {"kind": "logmel", "window": 25}}, "hears {'kind': 'logmel'"),
        ({"audio": {"kind": "wav2lip_mel", "lead": 1, "window": 25}}, "'lead': 1"),
        ({"layout": None}, "says its landmarks are None"),
        ({"config": {**SMALL, "widht": 3}}, "has no field 'widht'"),
        ({"config": {**SMALL, "dim": 64}}, "the weights do not fit"),
    ],
)
def test_checkpoints_of_something_else_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        LandmarkCompleter.from_checkpoint(saved(tmp_path, **changes))


def test_damaged_checkpoints_are_refused(tmp_path):
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="cut short, damaged"):
        LandmarkCompleter.from_checkpoint(path)
