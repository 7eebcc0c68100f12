"""Speech sounds: their inventory and numbers, and how to read the letters of the IPA.

Names are ASCII, after X-SAMPA: `A` as in father, `@` as in about, `S` as in she, `_` a pause. The
number of a sound is its place in the inventory, with 1000 for each step of a Mandarin tone.
"""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

PAUSE = "_"
INVENTORY_FILE = Path(__file__).parent / "assets" / "phonemes.json"
_TONE_STEP = 1000
_STRESS = {"\u02c8": 2, "\u02cc": 1}
# Time that the first part of a sound written with two letters takes: of a diphthong, an affricate.
_FIRST_SHARE = {"vowel": 0.55, "stop": 0.4, "consonant": 0.5}
_ASPIRATION = "h"
_PALATAL = "\u02b2"


class Phone(NamedTuple):
    """One speech sound in time."""

    name: str
    start_sec: float
    end_sec: float
    release_sec: float
    """When the closure of a stop opens; the end for every other sound."""
    stress: int = 0
    """Of a vowel: 2 with the word's main stress, 1 with a lesser one."""
    tone: int = 0
    """Of a Mandarin vowel, 1 to 5; 0 elsewhere."""

    def shifted(self, seconds: float) -> "Phone":
        """Return the same sound at another time."""
        return self._replace(
            start_sec=self.start_sec + seconds,
            end_sec=self.end_sec + seconds,
            release_sec=self.release_sec + seconds,
        )


class Inventory(NamedTuple):
    """All speech sounds there are."""

    names: tuple[str, ...]
    kinds: dict[str, str]
    """`pause`, `vowel`, `stop` or `consonant` by name."""
    letters: dict[str, str]
    """Name by letter of the IPA."""


@cache
def inventory() -> Inventory:
    """Return the inventory, read once."""
    phones = json.loads(INVENTORY_FILE.read_text(encoding="utf-8"))["phones"]
    return Inventory(
        names=tuple(phone["name"] for phone in phones),
        kinds={phone["name"]: phone["kind"] for phone in phones},
        letters={letter: phone["name"] for phone in phones for letter in phone["ipa"]},
    )


def is_vowel(name: str) -> bool:
    """Return whether a sound is a vowel."""
    return inventory().kinds[name] == "vowel"


def number_of(phone: Phone) -> int:
    """Return a sound's number, which tells tones apart."""
    return phone.tone * _TONE_STEP + inventory().names.index(phone.name)


def name_of(number: int) -> str:
    """Return the name of a number that `number_of` gave, a tone as a digit after a dot."""
    tone, place = divmod(number, _TONE_STEP)
    return f"{inventory().names[place]}.{tone}" if tone else inventory().names[place]


def read_ipa(symbol: str, start_sec: float, end_sec: float) -> list[Phone]:
    """Return the sounds that one symbol of the IPA stands for, in order.

    Diphthongs and affricates are two sounds that share the time; marks of finer shades are left
    out; a symbol without a letter is a pause.

    Raises:
        ValueError: If a letter is unknown.
    """
    stress = max((_STRESS.get(mark, 0) for mark in symbol), default=0)
    names = _letters(symbol)
    if not names:
        return [Phone(PAUSE, start_sec, end_sec, end_sec)]
    kinds = inventory().kinds
    share = _FIRST_SHARE[kinds[names[0]]] if len(names) > 1 else 1.0
    shares = [share] + [(1 - share) / max(1, len(names) - 1)] * (len(names) - 1)
    phones = []
    for name, part in zip(names, shares, strict=True):
        stop_sec = end_sec if name is names[-1] else start_sec + part * (end_sec - start_sec)
        phones.append(
            Phone(name, start_sec, stop_sec, stop_sec, stress if kinds[name] == "vowel" else 0)
        )
        start_sec = stop_sec
    return phones


def _letters(symbol: str) -> list[str]:
    # espeak writes retroflex sounds with a dot after the letter.
    retroflex = symbol.endswith(".")
    names: list[str] = []
    for letter in _base_letters(symbol):
        if names and letter == _ASPIRATION:
            continue
        name = inventory().letters.get(letter)
        if name is None:
            raise ValueError(
                f"speech sound {symbol!r} has a letter {letter!r} (U+{ord(letter):04X}) that "
                f"{INVENTORY_FILE.name} does not know; add it there, at the end of the list"
            )
        names.append(f"{name}`" if retroflex and f"{name}`" in inventory().names else name)
    # A palatal glide of its own, after a consonant.
    return ["j"] if not names and _PALATAL in symbol else names


def _base_letters(symbol: str) -> Iterator[str]:
    """Yield letters without stress, length, and what stands above, below or raised beside them."""
    for letter in unicodedata.normalize("NFD", symbol):
        is_letter = unicodedata.category(letter) in ("Ll", "Lo", "Lu")
        if is_letter or letter == "?":
            yield letter


def merged(phones: Sequence[Phone]) -> list[Phone]:
    """Return sounds without those of no length, neighbouring pauses joined."""
    joined: list[Phone] = []
    for phone in phones:
        if phone.end_sec <= phone.start_sec:
            continue
        if joined and phone.name == joined[-1].name == PAUSE:
            joined[-1] = joined[-1]._replace(end_sec=phone.end_sec, release_sec=phone.end_sec)
        else:
            joined.append(phone)
    return joined


def frame_numbers(phones: Sequence[Phone], times_T: Tensor) -> Tensor:
    """Return the number of the sound at each time, int16 (T,); a pause outside them all."""
    starts = torch.tensor([phone.start_sec for phone in phones], dtype=torch.float64)
    numbers = torch.tensor([0, *(number_of(phone) for phone in phones), 0], dtype=torch.int16)
    place_T = torch.searchsorted(starts, times_T.double(), right=True)
    is_over_T = times_T.double() >= phones[-1].end_sec
    return torch.where(is_over_T, numbers[-1], numbers[place_T])
