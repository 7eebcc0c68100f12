import random
import re

import pytest

from viseme_data.synthetic.text import Grammar, grammar, languages, read_languages


def test_english_and_mandarin_have_sentences_without_end() -> None:
    assert grammar("en").num_sentences() > 1_000_000
    assert grammar("cmn").num_sentences() > 1_000_000


@pytest.mark.parametrize("language", languages())
def test_sentences_of_every_language_are_many_and_whole(language: str) -> None:
    lines = grammar(language)
    choose = random.Random(0).randrange
    made = [lines.sentence(choose) for _ in range(300)]
    assert len(set(made)) > 150
    assert not any("{" in sentence or "}" in sentence for sentence in made)
    assert lines.num_sentences() > 4000


def test_mandarin_is_written_in_syllables_with_tones() -> None:
    choose = random.Random(1).randrange
    for _ in range(200):
        for syllable in re.findall(r"[^\s,.?]+", grammar("cmn").sentence(choose)):
            assert re.fullmatch(r"[A-Za-z]+[1-5]", syllable), syllable


def test_the_number_of_sentences_is_the_number_of_ways() -> None:
    rules = {"start": ("{a} {b}.", "no"), "a": ("x", "y"), "b": ("1", "2", "{a}")}
    lines = Grammar("xx", "X", ("x",), rules)
    # Two ways of `a`, four of `b`, and "no".
    assert lines.num_sentences() == 9
    assert len({lines.sentence(random.Random(k).randrange) for k in range(300)}) == 9


def test_a_rule_that_contains_itself_is_refused() -> None:
    lines = Grammar("xx", "X", ("x",), {"start": ("{start}",)})
    with pytest.raises(ValueError, match="contains itself"):
        lines.sentence(lambda count: 0)


def test_languages_are_read_in_their_order() -> None:
    assert read_languages("cmn, en") == ("cmn", "en")


@pytest.mark.parametrize(
    ("codes", "message"),
    [("en,tlh", "'tlh'; choose from cmn, de, en"), ("", "each language once"), ("en,en", "once")],
)
def test_languages_that_cannot_be_spoken_are_refused(codes: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_languages(codes)
