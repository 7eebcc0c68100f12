import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from viseme_data.synthetic.coarticulation import move_mouth, pull
from viseme_data.synthetic.phonemes import PAUSE, Phone, is_vowel
from viseme_data.synthetic.visemes import CHANNELS, VisemeTable, builtin_table

OPENING, WIDTH = CHANNELS.index("opening"), CHANNELS.index("width")
PROTRUSION, TUCK = CHANNELS.index("protrusion"), CHANNELS.index("tuck")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # Many small steps, which threads only hinder.
    torch.set_num_threads(1)


def spell(*names: str, length_sec: float = 0.1) -> list[Phone]:
    """Return sounds of one length after half a second of silence, and another half after."""
    phones = [Phone(PAUSE, 0.0, 0.5, 0.5)]
    for name in names:
        start_sec = phones[-1].end_sec
        end_sec = start_sec + length_sec
        phones.append(Phone(name, start_sec, end_sec, end_sec, 1 if is_vowel(name) else 0))
    end_sec = phones[-1].end_sec
    return [*phones, Phone(PAUSE, end_sec, end_sec + 0.5, end_sec + 0.5)]


def move(phones: list[Phone], times: torch.Tensor, size: float = 1.0) -> torch.Tensor:
    return move_mouth(phones, builtin_table(), times, torch.full_like(times, size)).channels_TC


def times_of(phones: list[Phone], rate_hz: float = 200) -> torch.Tensor:
    return torch.arange(round(phones[-1].end_sec * rate_hz)).double() / rate_hz


def test_shares_of_all_sounds_add_up_to_one() -> None:
    phones = spell("p", "A", "s", "u")
    shares = pull(phones, builtin_table(), times_of(phones))
    torch.testing.assert_close(shares.sum(-1), torch.ones_like(shares[..., 0]))


@pytest.mark.parametrize("name", ["p", "b", "m"])
@pytest.mark.parametrize("length_sec", [0.02, 0.06, 0.15])
@pytest.mark.parametrize("phase", [0.0, 0.013, 0.027])
def test_lips_close_for_p_b_and_m_on_a_frame_however_short_they_are(
    name: str, length_sec: float, phase: float
) -> None:
    phones = spell("A", name, "A", length_sec=length_sec)
    frames = phase + times_of(phones, 25)
    near = (frames > phones[2].start_sec - 0.03) & (frames < phones[2].end_sec + 0.03)
    opening = move(phones, frames, size=1.3)[:, OPENING]
    assert opening[near].min() == 0


def test_lips_are_open_in_vowels_and_more_so_for_lower_ones() -> None:
    def open_at_middle(name: str) -> float:
        phones = spell("t", name, "t", length_sec=0.2)
        middle = torch.tensor([phones[2].start_sec + 0.1]).double()
        return float(move(phones, middle)[0, OPENING])

    assert open_at_middle("A") > open_at_middle("E") > open_at_middle("i") > 3


def test_the_lower_lip_is_tucked_for_f_and_v_only() -> None:
    phones = spell("A", "f", "A", "s", "A")
    tuck = move(phones, torch.tensor([0.65, 0.85]).double())[:, TUCK]
    assert tuck[0] > 0.8
    assert tuck[1] < 0.05


def test_lips_round_before_a_rounded_vowel_begins() -> None:
    at = torch.tensor([0.68]).double()
    rounded, spread = (move(spell("A", "s", vowel), at)[0] for vowel in ("u", "i"))
    assert rounded[PROTRUSION] > spread[PROTRUSION] + 0.5
    assert rounded[WIDTH] < spread[WIDTH] - 1


def test_a_neighbour_pulls_more_the_nearer_it_is() -> None:
    phones = spell("A", "k", "i", length_sec=0.1)
    shares = pull(phones, builtin_table(), torch.linspace(0.55, 0.74, 30).double())
    assert (shares[OPENING, :, 1].diff() < 0).all()
    assert (shares[OPENING, :, 3].diff() > 0).all()


def test_shorter_vowels_open_less() -> None:
    def widest(length_sec: float) -> float:
        phones = spell("s", "A", "s", length_sec=length_sec)
        return float(move(phones, times_of(phones))[:, OPENING].max())

    assert widest(0.05) < 0.85 * widest(0.25)


def test_lips_bridge_a_short_pause_and_close_in_a_long_one() -> None:
    def least(pause_sec: float) -> float:
        first = spell("A")[:2]
        end_sec = first[-1].end_sec
        pause = Phone(PAUSE, end_sec, end_sec + pause_sec, end_sec + pause_sec)
        after = Phone("A", pause.end_sec, pause.end_sec + 0.1, pause.end_sec + 0.1, 1)
        times = torch.linspace(end_sec, pause.end_sec, 50).double()
        return float(move([*first, pause, after], times)[:, OPENING].min())

    assert least(0.06) > 8
    assert least(0.8) < 1


def test_the_mouth_moves_without_jumps() -> None:
    phones = spell("h", "E", "l", "o", "w", "b", "i", "p")
    channels = move(phones, times_of(phones, 1000))
    # A lip that opens 20 mm in a twentieth of a second is fast, one in a hundredth is a jump.
    assert channels[:, OPENING].diff().abs().max() < 0.6


def test_louder_speech_opens_the_mouth_wider() -> None:
    phones = spell("s", "A", "s", length_sec=0.2)
    soft, loud = (
        float(move(phones, times_of(phones), size)[:, OPENING].max()) for size in (0.7, 1.3)
    )
    assert loud == pytest.approx(soft * 1.3 / 0.7, rel=1e-6)


def test_a_table_comes_back_from_its_file_and_gives_the_same_bytes(tmp_path: Path) -> None:
    builtin_table().save(tmp_path / "a.json", "a test")
    again = VisemeTable.load(tmp_path / "a.json")
    again.save(tmp_path / "b.json", "a test")
    assert again.shapes == builtin_table().shapes
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert again.digest == builtin_table().digest


def test_a_table_with_another_number_has_another_digest() -> None:
    shape = builtin_table().shapes["A"]
    target = (shape.target[0] + 0.5, *shape.target[1:])
    assert builtin_table().with_targets({"A": target}).digest != builtin_table().digest


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="cannot read the table"):
        VisemeTable.load(path)
    path.write_text(json.dumps({"channels": ["jaw"], "shapes": {}}))
    with pytest.raises(ValueError, match="channels"):
        VisemeTable.load(path)


def test_a_table_without_a_sound_is_refused() -> None:
    shapes = dict(builtin_table().shapes)
    del shapes["m"]
    with pytest.raises(ValueError, match=r"lacks \['m'\]"):
        replace(builtin_table(), shapes=shapes)
