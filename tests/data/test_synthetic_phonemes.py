import pytest
import torch

from viseme_data.synthetic.phonemes import (
    PAUSE,
    Phone,
    frame_numbers,
    inventory,
    merged,
    name_of,
    number_of,
    read_ipa,
)


def names_of(symbol: str) -> list[str]:
    return [phone.name for phone in read_ipa(symbol, 0.0, 1.0)]


@pytest.mark.parametrize(
    ("symbol", "names"),
    [
        ("p", ["p"]),
        ("\u02c8i\u02d0", ["i"]),
        ("a\u026a", ["a", "I"]),
        ("t\u0283", ["t", "S"]),
        ("t\u0255h", ["t", "s\\"]),
        ("s.", ["s`"]),
        ("\u0251\u0303", ["A"]),
        ("d\u02b2", ["d"]),
        ("\u02b2", ["j"]),
        ("", [PAUSE]),
    ],
)
def test_letters_of_the_ipa_are_read(symbol: str, names: list[str]) -> None:
    assert names_of(symbol) == names


def test_the_parts_of_a_diphthong_share_its_time() -> None:
    first, second = read_ipa("\u02c8a\u028a", 2.0, 3.0)
    assert (first.start_sec, second.end_sec) == (2.0, 3.0)
    assert 2.3 < first.end_sec == second.start_sec < 2.8
    assert first.stress == second.stress == 2


def test_an_unknown_letter_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="U\\+03C8"):
        read_ipa("\u03c8", 0.0, 1.0)


def test_every_sound_has_a_number_of_its_own_and_tones_too() -> None:
    phones = [
        Phone(name, 0.0, 1.0, 1.0, tone=tone) for name in inventory().names for tone in range(6)
    ]
    numbers = [number_of(phone) for phone in phones]
    assert len(set(numbers)) == len(phones)
    assert max(numbers) < 2**15
    names = [name_of(number) for number in numbers]
    assert names[:2] == ["_", "_.1"]
    assert len(set(names)) == len(names)


def test_a_pause_has_number_zero() -> None:
    assert number_of(Phone(PAUSE, 0.0, 1.0, 1.0)) == 0


def test_neighbouring_pauses_become_one_and_empty_sounds_vanish() -> None:
    a, b = Phone(PAUSE, 0.0, 0.2, 0.2), Phone("m", 0.2, 0.2, 0.2)
    assert merged([a, b, Phone(PAUSE, 0.2, 0.5, 0.5)]) == [Phone(PAUSE, 0.0, 0.5, 0.5)]


def test_frames_show_the_sound_at_their_time() -> None:
    phones = [Phone("m", 0.1, 0.2, 0.2), Phone("a", 0.2, 0.4, 0.4)]
    times = torch.tensor([0.0, 0.1, 0.15, 0.2, 0.39, 0.4, 1.0])
    names = [name_of(int(number)) for number in frame_numbers(phones, times)]
    assert names == ["_", "m", "m", "a", "a", "_", "_"]
