"""Sentences to say, from small grammars of our own, one file per language.

A grammar's rules are lists of lines; `{rule}` in a line stands for any line of that rule.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

TEXT_FOLDER = Path(__file__).parent / "assets" / "text"
_PLACE = re.compile(r"\{([^{}]+)\}")
_START = "start"
# Deeper than any grammar goes; one that names itself would never end.
_MAX_DEPTH = 8

Choose = Callable[[int], int]
"""Gives a number from 0 to before its argument."""


class Grammar(NamedTuple):
    """Sentences of one language."""

    language: str
    name: str
    voices: tuple[str, ...]
    """Voices of espeak-ng that speak it."""
    rules: dict[str, tuple[str, ...]]

    def sentence(self, choose: Choose) -> str:
        """Return a sentence, each choice in it made by `choose`."""
        return _capital(self._expand(_START, choose, 0))

    def num_sentences(self) -> int:
        """Return in how many ways a sentence can be made."""
        return _count(self.rules, _START)

    def _expand(self, rule: str, choose: Choose, depth: int) -> str:
        if depth > _MAX_DEPTH:
            raise ValueError(f"rule {rule!r} of the {self.name} sentences contains itself")
        lines = self.rules[rule]
        return _PLACE.sub(
            lambda place: self._expand(place[1], choose, depth + 1), lines[choose(len(lines))]
        )


@cache
def languages() -> tuple[str, ...]:
    """Return the codes of all languages there are sentences for."""
    return tuple(sorted(path.stem for path in TEXT_FOLDER.glob("*.json")))


@cache
def grammar(language: str) -> Grammar:
    """Return the sentences of a language.

    Raises:
        ValueError: If there are none.
    """
    if language not in languages():
        raise ValueError(
            f"there are no sentences in language {language!r}; choose from {', '.join(languages())}"
        )
    content = json.loads((TEXT_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    rules = {rule: tuple(lines) for rule, lines in content["rules"].items()}
    return Grammar(language, content["name"], tuple(content["voices"]), rules)


def read_languages(codes: str | Sequence[str]) -> tuple[str, ...]:
    """Return language codes from `en,cmn`, each checked.

    Raises:
        ValueError: If there is none, one twice, or one without sentences.
    """
    parts = codes.split(",") if isinstance(codes, str) else codes
    chosen = tuple(code.strip() for code in parts if code.strip())
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"languages must name each language once, such as 'en,cmn', got {codes!r}; choose "
            f"from {', '.join(languages())}"
        )
    for code in chosen:
        grammar(code)
    return chosen


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _count(rules: dict[str, tuple[str, ...]], rule: str) -> int:
    total = 0
    for line in rules[rule]:
        ways = 1
        for place in _PLACE.findall(line):
            ways *= _count(rules, place)
        total += ways
    return total
