import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from viseme_data.clips import read_clip
from viseme_data.manifest import kept, read_manifest
from viseme_data.synthetic.coarticulation import move_mouth
from viseme_data.synthetic.config import SynthesizeConfig
from viseme_data.synthetic.phonemes import PAUSE, Phone, inventory, is_vowel
from viseme_data.synthetic.run import synthesize
from viseme_data.synthetic.spoken_clips import MEASURED, SpokenClip
from viseme_data.synthetic.viseme_learning import (
    PHONETIC_FILE,
    hold_out,
    learn_table,
    main,
    save_better,
)
from viseme_data.synthetic.visemes import CHANNELS, VisemeTable, builtin_table

HEARD = ("A", "i", "u", "E", "@", "s", "t", "n", "l", "k", "w", "f", "p", "m", "r\\", "S")
JAW, OPENING, WIDTH = (CHANNELS.index(name) for name in MEASURED)
LEAD_SEC = 0.02


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def phonetic() -> VisemeTable:
    return VisemeTable.load(PHONETIC_FILE)


def strange_table(spread: float = 0.35, seed: int = 0) -> VisemeTable:
    """Return the phonetic table with targets of heard sounds made larger or smaller."""
    rng = np.random.default_rng(seed)
    changed = {}
    for name in HEARD:
        factors = np.exp(rng.normal(size=len(CHANNELS)) * spread)
        changed[name] = tuple(np.array(phonetic().shapes[name].target) * factors)
    return phonetic().with_targets(changed)


def babble(
    table: VisemeTable, speaker: int, *, seconds: float = 8.0, noise: float = 0.5
) -> SpokenClip:
    """Return a clip of someone who says anything, larger and wider than others."""
    rng = np.random.default_rng(100 + speaker)
    phones = [Phone(PAUSE, 0.0, 0.2, 0.2)]
    while phones[-1].end_sec < seconds:
        name = str(rng.choice(HEARD))
        start_sec = phones[-1].end_sec
        end_sec = start_sec + rng.uniform(0.07, 0.16)
        stress = int(rng.integers(3)) if is_vowel(name) else 0
        phones.append(Phone(name, start_sec, end_sec, end_sec, stress))
    times = (torch.arange(int(phones[-1].end_sec * 25)).double() + 0.5) / 25 + LEAD_SEC
    moved = move_mouth(phones, table, times, torch.ones_like(times)).channels_TC
    moved = moved * rng.uniform(0.6, 1.5) + torch.from_numpy(rng.normal(size=moved.shape)) * noise
    moved[:, WIDTH] += rng.uniform(-5, 5)
    moved[:, JAW] += rng.uniform(-5, 5)
    moved[:, [k for k in range(len(CHANNELS)) if CHANNELS[k] not in MEASURED]] = torch.nan
    return SpokenClip(phones, moved, f"speaker {speaker}")


def babbles(table: VisemeTable, count: int = 10, noise: float = 0.5) -> list[SpokenClip]:
    return [babble(table, number, noise=noise) for number in range(count)]


def column(table: VisemeTable, channel: int, names: tuple[str, ...] = HEARD) -> np.ndarray:
    return table.targets(names)[:, channel].numpy()


@pytest.fixture(scope="module")
def truth() -> VisemeTable:
    return strange_table()


@pytest.fixture(scope="module")
def learned(truth: VisemeTable) -> VisemeTable:
    return learn_table(babbles(truth), phonetic(), trust=1.0)


@pytest.mark.parametrize("channel", [JAW, OPENING, WIDTH])
def test_a_table_is_learned_back_from_people_who_use_it(
    truth: VisemeTable, learned: VisemeTable, channel: int
) -> None:
    free = tuple(name for name in HEARD if name not in "fpm")
    true, found, given = (column(table, channel, free) for table in (truth, learned, phonetic()))
    # How large movements are in all cannot be told from people who differ in it.
    true = true * np.linalg.norm(given) / np.linalg.norm(true)
    found = found * np.linalg.norm(given) / np.linalg.norm(found)
    assert np.abs(found - true).mean() < 0.35 * np.abs(given - true).mean()


def test_movements_stay_as_large_as_the_given_table_makes_them(learned: VisemeTable) -> None:
    clip = babble(phonetic(), 77, noise=0)
    times = torch.arange(0.2, 8, 0.02).double()
    sizes = [
        move_mouth(clip.phones, table, times, torch.ones_like(times)).channels_TC.std(0)
        for table in (learned, phonetic())
    ]
    torch.testing.assert_close(
        sizes[0][[JAW, OPENING, WIDTH]], sizes[1][[JAW, OPENING, WIDTH]], rtol=0.12, atol=0
    )


def test_a_family_learns_for_its_sounds_that_nobody_said() -> None:
    # These people open half as far in every vowel whose lips are not round.
    unrounded = tuple(
        name
        for name in inventory().names
        if phonetic().shapes[name].dominance == phonetic().shapes["A"].dominance
    )
    assert not {"e", "a"} & set(HEARD)
    other = phonetic().with_targets(
        {
            name: (lambda t: (*t[:OPENING], t[OPENING] / 2, *t[OPENING + 1 :]))(
                phonetic().shapes[name].target
            )
            for name in unrounded
        }
    )
    found = learn_table(babbles(other), phonetic(), trust=1.0)
    share = column(found, OPENING, ("e", "a")) / column(phonetic(), OPENING, ("e", "a"))
    rest = column(found, OPENING, ("R",)) / column(phonetic(), OPENING, ("R",))
    assert (share < 0.95 * rest).all()


def test_lips_touch_bite_and_rest_as_before_whatever_was_measured() -> None:
    # Mouths that hang open.
    clips = [
        clip._replace(channels_TC=clip.channels_TC + 6 * torch.rand_like(clip.channels_TC))
        for clip in babbles(phonetic(), noise=3.0)
    ]
    found = learn_table(clips, phonetic(), trust=1.0)
    for name in inventory().names:
        before, after = phonetic().shapes[name], found.shapes[name]
        assert after.dominance == before.dominance
        assert after.contact == before.contact
        assert after.target[WIDTH + 1 :] == before.target[WIDTH + 1 :]
        if name in ("p", "b", "m", "f", "v", PAUSE):
            assert after.target[OPENING] == before.target[OPENING]
    assert found.shapes[PAUSE].target == phonetic().shapes[PAUSE].target


def test_lips_that_need_not_touch_keep_half_their_opening() -> None:
    # Nobody's lips are, but the fit would have /w/ go below 0 to explain it.
    shut = strange_table().with_targets(
        {"w": (3.0, -12.0, -7.0, 4.2, 0.0, 0.0, 0.05), "u": (3.0, -8.0, -6.0, 4, 0.0, 0.0, 0.1)}
    )
    found = learn_table(babbles(shut), phonetic(), trust=1.0)
    parts = column(found, OPENING, ("w", "u")) / column(phonetic(), OPENING, ("w", "u"))
    assert parts == pytest.approx([0.5, 0.5])
    assert column(found, JAW).min() >= 0


def test_people_left_out_are_foretold_better_by_what_the_others_taught(truth: VisemeTable) -> None:
    held = hold_out(babbles(truth), phonetic())
    assert held.given_KM.shape == held.learned_KM.shape == (10, len(MEASURED))
    assert (held.learned_KM.mean(0) > held.given_KM.mean(0) + 0.02).all()
    assert str(held).startswith("jaw 0.")


def test_who_is_left_out_teaches_nothing(truth: VisemeTable) -> None:
    clips = babbles(phonetic(), 5)
    odd = babble(truth, 9)
    # Were the odd one's own clips among those it is judged by, more of them would help it.
    alone = hold_out([*clips, odd], phonetic()).learned_KM[-1]
    twice = hold_out([*clips, odd, odd], phonetic()).learned_KM[-1]
    torch.testing.assert_close(alone, twice)


def test_a_better_table_is_written_with_what_it_was_learned_from(
    truth: VisemeTable, tmp_path: Path
) -> None:
    path = tmp_path / "table.json"
    held = save_better(babbles(truth), phonetic(), path)
    text = path.read_text()
    assert "1.3 minutes of speech in 10 clips of 10 people" in text
    assert str(held) in text
    assert VisemeTable.load(path).digest != phonetic().digest


def test_a_table_that_is_no_better_is_not_written(tmp_path: Path) -> None:
    # Measures that have nothing to do with what is said.
    generator = torch.Generator().manual_seed(0)
    clips = [
        clip._replace(channels_TC=torch.randn(clip.channels_TC.shape, generator=generator).double())
        for clip in babbles(phonetic(), 6)
    ]
    with pytest.raises(ValueError, match=r"no better than the one there is .* nothing is written"):
        save_better(clips, phonetic(), tmp_path / "table.json")
    assert not (tmp_path / "table.json").exists()


def test_too_little_to_learn_from_is_said_so() -> None:
    message = r"30 s of speech of 2 people at least.*got {} s of {}; add clips"
    with pytest.raises(ValueError, match=message.format(r"\d+\.\d", 1)):
        learn_table([babble(phonetic(), 1, seconds=40)], phonetic())
    with pytest.raises(ValueError, match=message.format(r"\d+\.\d", 2)):
        learn_table(babbles(phonetic(), 2), phonetic())
    with pytest.raises(ValueError, match=message.format(r"0\.0", 0)):
        hold_out([], phonetic())


def test_frames_of_which_nothing_is_known_teach_nothing(truth: VisemeTable) -> None:
    clips = babbles(truth, 6)
    spoiled = []
    for clip in clips:
        channels = torch.cat([clip.channels_TC, torch.full((50, len(CHANNELS)), torch.nan)])
        channels[40:60] = torch.nan
        spoiled.append(clip._replace(channels_TC=channels))
    cut = [
        clip._replace(
            channels_TC=torch.where(
                ((torch.arange(len(clip.channels_TC)) // 20) == 2)[:, None],
                torch.nan,
                clip.channels_TC,
            )
        )
        for clip in clips
    ]
    assert learn_table(spoiled, phonetic()).digest == learn_table(cut, phonetic()).digest


def test_a_clip_of_less_than_a_second_teaches_nothing(truth: VisemeTable) -> None:
    clips = babbles(phonetic(), 6)
    short = babble(truth, 9, seconds=0.6)
    assert learn_table([*clips, short], phonetic()).digest == learn_table(clips, phonetic()).digest


def test_the_command_learns_from_a_folder_and_its_transcripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # People whose mouths are not as phonetics has it.
    strange_table(0.8).save(tmp_path / "strange.json", "a test")
    config = SynthesizeConfig(
        speakers=3, minutes=0.9, languages="en", seed=3, visemes=str(tmp_path / "strange.json")
    )
    synthesize(config, out=tmp_path / "data", workers=0)
    lines = ["source\tstart_sec\tend_sec\ttext"]
    for row in kept(read_manifest(tmp_path / "data")):
        clip = read_clip(tmp_path / "data" / "clips" / f"{row.clip_id}.safetensors")
        said = bytes(clip.extras["text_U"].tolist()).decode().replace("\n", ". ")
        lines.append(f"{row.source}\t0\t{row.num_frames / 25}\t{said}")
    transcripts = tmp_path / "said.tsv"
    transcripts.write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "table.json"
    caplog.set_level("INFO")
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path / "data"), str(transcripts), str(out)])
    main()
    assert "of 3 people" in out.read_text()
    assert "opening 0." in caplog.text


def test_the_command_tells_what_is_wrong_with_transcripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = SynthesizeConfig(speakers=1, minutes=0.05, languages="en", seed=3)
    synthesize(config, out=tmp_path / "data", workers=0)
    transcripts = tmp_path / "said.tsv"
    transcripts.write_text("source\tstart_sec\tend_sec\ttext\nx.mp4\t0\t1\thi")
    arguments = ["x", str(tmp_path / "data"), str(transcripts), str(tmp_path / "out.json")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit):
        main()
    assert "no stretch of" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


def test_the_shipped_table_was_learned_from_the_phonetic_one() -> None:
    assert phonetic().digest in builtin_table_text()
    for name in inventory().names:
        assert builtin_table().shapes[name].dominance == phonetic().shapes[name].dominance
        assert builtin_table().shapes[name].contact == phonetic().shapes[name].contact


def builtin_table_text() -> str:
    return PHONETIC_FILE.with_name("visemes.json").read_text()
