from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch

from tests.data.test_manifest import KEPT
from viseme_core.types import SAMPLE_RATE_HZ
from viseme_data.synthetic.alignment import Stretch, align, carry, cepstra, warp
from viseme_data.synthetic.phonemes import PAUSE, Phone
from viseme_data.synthetic.sharpening import COLUMN_SEC, Spoken, sharpened
from viseme_data.synthetic.speech import Utterance, Voice, synthesizer
from viseme_data.synthetic.transcripts import read_transcripts, stretches_of

TEXT = "Peter bought a bumpy wagon, but Bob keeps it near my farm"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def say(text: str = TEXT, **settings: object) -> Utterance:
    with synthesizer() as engine:
        return engine.say(text, Voice(name="en-us", **settings))  # type: ignore[arg-type]


def brute_force_cost(cost: np.ndarray, hold: float) -> float:
    total = np.full((len(cost) + 1, cost.shape[1] + 1), np.inf)
    total[0, 0] = 0
    for n in range(len(cost)):
        for m in range(cost.shape[1]):
            before = min(total[n, m], total[n, m + 1] + hold, total[n + 1, m] + hold)
            total[n + 1, m + 1] = before + cost[n, m]
    return total[-1, -1]


def test_a_path_costs_as_little_as_any() -> None:
    rng = np.random.default_rng(0)
    for num, other in [(1, 1), (1, 5), (7, 3), (30, 25), (40, 60)]:
        heard, said = rng.normal(size=(num, 1)), rng.normal(size=(other, 1))
        path = warp(heard, said)
        assert tuple(path[0]) == (0, 0)
        assert tuple(path[-1]) == (num - 1, other - 1)
        steps = np.diff(path, axis=0)
        assert {tuple(step) for step in steps} <= {(0, 1), (1, 0), (1, 1)}
        cost = np.linalg.norm(heard[:, None] - said, axis=-1)
        hold = 0.2 * cost.mean()
        mine = cost[path[:, 0], path[:, 1]].sum() + hold * (steps.sum(1) == 1).sum()
        assert mine == pytest.approx(brute_force_cost(cost, hold))


def stretched(samples_S: torch.Tensor, seconds: np.ndarray, moved: np.ndarray) -> torch.Tensor:
    """Return sound at another tempo and the same pitch: grains of 20 ms laid anew."""
    samples, half = samples_S.double().numpy(), SAMPLE_RATE_HZ // 50
    copy = np.zeros(round(moved[-1] * SAMPLE_RATE_HZ))
    for middle in range(half, len(copy) - half, half):
        source = round(float(np.interp(middle / SAMPLE_RATE_HZ, moved, seconds)) * SAMPLE_RATE_HZ)
        source = min(max(source, half), len(samples) - half)
        grain = samples[source - half : source + half] * np.hanning(2 * half)
        copy[middle - half : middle + half] += grain
    return torch.from_numpy(copy).float()


def test_times_are_carried_over_to_a_copy_that_runs_faster_and_slower() -> None:
    spoken = say()
    seconds = np.arange(len(spoken.samples_S)) / SAMPLE_RATE_HZ
    # When each moment comes in the copy; its tempo swings by a quarter.
    moved = seconds + 0.06 * np.sin(2 * np.pi * seconds / 1.5)
    copy = stretched(spoken.samples_S, seconds, moved)
    carried = carry(spoken.phones, warp(cepstra(copy), cepstra(spoken.samples_S)))
    true = [np.interp(phone.start_sec, seconds, moved) for phone in spoken.phones]
    errors = [abs(phone.start_sec - at) for phone, at in zip(carried, true, strict=True)]
    untouched = [abs(p.start_sec - at) for p, at in zip(spoken.phones, true, strict=True)]
    # Where it is silent there is nothing to tell times by.
    assert max(errors[2:]) < 0.02
    assert max(untouched) > 0.05


def test_the_sounds_of_another_voice_are_found() -> None:
    texts = (TEXT, "We may never see such a fine morning by the sea", "She chose five blue boats")
    said = [say(text, variant="f2", words_per_minute=140) for text in texts]
    silence = torch.zeros(SAMPLE_RATE_HZ // 2)
    stretches, pieces, at = [], [silence], 0.5
    for text, one in zip(texts, said, strict=True):
        stretches.append(Stretch(at, at + one.seconds, text))
        pieces += [one.samples_S, silence]
        at += one.seconds + 0.5
    with synthesizer() as engine:
        (found,) = align([(torch.cat(pieces), stretches)], engine, Voice(name="en-us"))
    errors = []
    for stretch, one, phones in zip(stretches, said, found, strict=True):
        true = [phone for phone in one.phones if phone.name != PAUSE]
        mine = [phone for phone in phones if phone.name != PAUSE]
        assert [phone.name for phone in mine] == [phone.name for phone in true]
        assert phones[0].start_sec == pytest.approx(stretch.start_sec)
        assert phones[-1].end_sec == pytest.approx(stretch.end_sec, abs=0.02)
        errors += [
            abs(a.start_sec - b.start_sec - stretch.start_sec)
            for a, b in zip(mine, true, strict=True)
        ]
    assert median(errors) < 0.02
    assert sorted(errors)[int(0.9 * len(errors))] < 0.06


@pytest.mark.parametrize(("start", "end"), [(-0.1, 1.0), (0.5, 9.0), (0.5, 0.6)])
def test_a_stretch_that_is_not_in_the_recording_is_refused(start: float, end: float) -> None:
    with (
        synthesizer() as engine,
        pytest.raises(ValueError, match=r"'hello' is given from .* the recording ends at 1.00 s"),
    ):
        align(
            [(torch.zeros(SAMPLE_RATE_HZ), [Stretch(start, end, "hello")])],
            engine,
            Voice(name="en-us"),
        )


def made_up_speech(
    rng: np.random.Generator, shape: dict[str, np.ndarray]
) -> tuple[Spoken, list[Phone]]:
    """Return columns that are noise around each sound's own, rough times, and the true ones."""
    names = [PAUSE, *rng.permutation([name for name in shape if name != PAUSE]), PAUSE]
    lengths = rng.integers(5, 14, len(names))
    edges = np.concatenate([[0], lengths.cumsum()])
    columns = np.repeat([shape[name] for name in names], lengths, axis=0)
    columns = columns + rng.normal(size=columns.shape)
    true = [
        Phone(name, a * COLUMN_SEC, b * COLUMN_SEC, b * COLUMN_SEC)
        for name, a, b in zip(names, edges[:-1], edges[1:], strict=True)
    ]
    off = edges + rng.normal(size=len(edges)) * 3
    off[[0, -1]] = edges[[0, -1]]
    off = np.maximum.accumulate(off)
    rough = [
        phone._replace(start_sec=a * COLUMN_SEC, end_sec=b * COLUMN_SEC, release_sec=b * COLUMN_SEC)
        for phone, a, b in zip(true, off[:-1], off[1:], strict=True)
    ]
    return Spoken(columns, rough), true


def test_sharpening_finds_where_sounds_change() -> None:
    rng = np.random.default_rng(1)
    shape = {name: 2 * rng.normal(size=12) for name in (PAUSE, "A", "i", "u", "s", "m", "l", "n")}
    speech, truth = zip(*(made_up_speech(rng, shape) for _ in range(20)), strict=True)

    def error(found: list) -> float:
        pairs = [pair for f, t in zip(found, truth, strict=True) for pair in zip(f, t, strict=True)]
        return float(np.mean([abs(mine.start_sec - true.start_sec) for mine, true in pairs]))

    assert error([one.phones for one in speech]) > 0.02
    assert error(sharpened(speech)) < 0.005


def test_the_burst_of_a_stop_moves_along_with_it() -> None:
    rng = np.random.default_rng(2)
    shape = {name: 3 * rng.normal(size=12) for name in (PAUSE, "A", "p")}
    some = [made_up_speech(rng, shape)[0] for _ in range(10)]
    some = [
        one._replace(
            phones=[
                p._replace(release_sec=p.start_sec + 0.75 * (p.end_sec - p.start_sec))
                if p.name == "p"
                else p
                for p in one.phones
            ]
        )
        for one in some
    ]
    for phones in sharpened(some):
        (stop,) = [phone for phone in phones if phone.name == "p"]
        part = (stop.release_sec - stop.start_sec) / (stop.end_sec - stop.start_sec)
        assert part == pytest.approx(0.75)


def test_speech_too_short_for_its_sounds_keeps_its_times() -> None:
    rng = np.random.default_rng(3)
    shape = {name: rng.normal(size=12) for name in (PAUSE, "A", "i", "u", "s")}
    long = [made_up_speech(rng, shape)[0] for _ in range(3)]
    short = Spoken(long[0].cepstra_NC[:8], long[0].phones)
    assert sharpened([*long, short])[-1] == list(short.phones)


def transcript(folder: Path, *lines: str) -> Path:
    path = folder / "said.tsv"
    path.write_text("\n".join(["source\tstart_sec\tend_sec\ttext", *lines]), encoding="utf-8")
    return path


def test_transcripts_are_read_in_order_of_time(tmp_path: Path) -> None:
    path = transcript(tmp_path, "a.mp4\t2\t3.5\tworld", "b.mp4\t0\t1\thi", "", "a.mp4\t0.5\t2\toh")
    assert read_transcripts(path) == {
        "a.mp4": [Stretch(0.5, 2, "oh"), Stretch(2, 3.5, "world")],
        "b.mp4": [Stretch(0, 1, "hi")],
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a.mp4\t0\t1"], "line 2 of .* must have source start_sec end_sec text"),
        (["a.mp4\tx\t1\thi"], "line 2 of .* got 'a.mp4.*hi'"),
        (["a.mp4\t0\t2\thi", "a.mp4\t1\t3\tyou"], "two stretches of 'a.mp4' at the same time"),
    ],
)
def test_a_transcript_that_cannot_be_is_refused(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_transcripts(transcript(tmp_path, *lines))


def test_a_file_of_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "said.tsv"
    path.write_text("file,text\n")
    with pytest.raises(ValueError, match=r"first line of .* must be source start_sec end_sec text"):
        read_transcripts(path)
    with pytest.raises(ValueError, match="cannot read the transcripts"):
        read_transcripts(tmp_path / "nothing.tsv")


def test_stretches_follow_the_sound_of_a_clip_cut_and_moved_by_its_offset() -> None:
    row = replace(KEPT, source="a.mp4", face=0, start_frame=50, num_frames=100, offset_frames=5.0)
    said = {
        "a.mp4": [Stretch(1.0, 1.9, "before"), Stretch(3, 4, "in"), Stretch(5.5, 6.5, "across")]
    }
    # Cut at 2 s, and the sound laid 0.2 s later.
    (one,) = stretches_of(row, said)
    assert one.text == "in"
    assert (one.start_sec, one.end_sec) == pytest.approx((1.2, 2.2))
    assert stretches_of(replace(row, face=1), said) == []
    assert stretches_of(replace(row, source="b.mp4"), said) == []
