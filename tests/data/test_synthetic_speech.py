import sys
from itertools import pairwise

import numpy as np
import pytest

from viseme_core.types import SAMPLE_RATE_HZ
from viseme_data.synthetic.phonemes import PAUSE, inventory, is_vowel
from viseme_data.synthetic.speech import Utterance, Voice, synthesizer

ENGLISH = "Peter bought a bumpy wagon, but Bob keeps it."


def say(text: str, voice: str = "en-us", **settings: object) -> Utterance:
    with synthesizer() as engine:
        return engine.say(text, Voice(name=voice, **settings))  # type: ignore[arg-type]


def energy_of(utterance: Utterance, start_sec: float, end_sec: float) -> float:
    samples = utterance.samples_S[
        round(start_sec * SAMPLE_RATE_HZ) : round(end_sec * SAMPLE_RATE_HZ)
    ]
    return float(samples.square().mean()) if len(samples) else 0.0


@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("en-us", ENGLISH),
        ("cmn-latn-pinyin", "ni3 hao3, wo3 men5 qu4 shang4 hai3."),
        ("de", "Guten Morgen, sch\u00f6ne B\u00e4ume."),
        ("fr", "Bonjour, le vent est froid."),
        ("ja", "\u304d\u3087\u3046\u306f \u3044\u3044 \u3066\u3093\u304d\u3067\u3059\u3002"),
    ],
)
def test_sounds_follow_each_other_without_a_gap_and_fill_the_whole_sound(
    voice: str, text: str
) -> None:
    utterance = say(text, voice)
    assert utterance.phones[0].start_sec == 0
    assert all(one.end_sec == other.start_sec for one, other in pairwise(utterance.phones))
    lengths = [phone.end_sec - phone.start_sec for phone in utterance.phones]
    assert min(lengths) > 0
    assert sum(lengths) == pytest.approx(len(utterance.samples_S) / SAMPLE_RATE_HZ, abs=1e-6)


def test_vowels_are_louder_than_closures_and_pauses() -> None:
    utterance = say(ENGLISH)
    vowels = [
        energy_of(utterance, phone.start_sec, phone.end_sec)
        for phone in utterance.phones
        if is_vowel(phone.name)
    ]
    closed = [
        energy_of(utterance, phone.start_sec, phone.release_sec)
        for phone in utterance.phones
        if phone.name in ("p", "t", "k", PAUSE)
    ]
    assert np.median(vowels) > 100 * np.median(closed)
    assert min(vowels) > np.median(closed)


def test_the_burst_of_a_voiceless_stop_comes_at_its_release() -> None:
    utterance = say("A pan, a tan, a can, a pen, a ten.")
    stops = [phone for phone in utterance.phones if phone.name in ("p", "t", "k")]
    assert len(stops) >= 5
    for stop in stops:
        assert stop.start_sec < stop.release_sec < stop.end_sec
        before = energy_of(utterance, stop.start_sec + 0.01, stop.release_sec - 0.005)
        after = energy_of(utterance, stop.release_sec, stop.end_sec)
        assert after > 20 * before


def test_english_sounds_are_those_of_the_words() -> None:
    names = [phone.name for phone in say("My mother sees five fish.").phones]
    spoken = "".join(name for name in names if name != PAUSE)
    assert spoken.startswith("ma")
    assert spoken.endswith("fIS")
    assert names.count("m") == 2
    assert names.count("f") == 2
    assert names.count("v") == 1
    assert names.count("D") == 1


# `f2` is a breathy voice, whose breath is noise.
@pytest.mark.parametrize("variant", ["", "f2", "m3"])
def test_the_same_words_give_the_same_samples_whatever_was_said_before(variant: str) -> None:
    first = say(ENGLISH, variant=variant)
    say("ni3 hao3", "cmn-latn-pinyin", words_per_minute=250)
    again = say(ENGLISH, variant=variant)
    assert first.samples_S.numpy().tobytes() == again.samples_S.numpy().tobytes()
    assert first.phones == again.phones


def test_tones_are_told_apart_and_mean_the_same_mouth() -> None:
    with synthesizer() as engine:
        voice = Voice(name="cmn-latn-pinyin")
        said = [engine.say(f"ma{tone}", voice).phones for tone in range(1, 6)]
    vowels = [[phone for phone in phones if is_vowel(phone.name)] for phones in said]
    assert [phone[0].tone for phone in vowels] == [1, 2, 3, 4, 5]
    assert len({phone[0].name for phone in vowels}) == 1


def test_a_pitch_set_higher_sounds_higher() -> None:
    def period(pitch: int) -> int:
        utterance = say("mama", pitch=pitch)
        vowel = next(phone for phone in utterance.phones if is_vowel(phone.name))
        start = round(vowel.start_sec * SAMPLE_RATE_HZ)
        piece = utterance.samples_S[start : start + 1200].numpy()
        own = np.correlate(piece, piece, "full")[len(piece) - 1 :]
        return int(own[90:280].argmax()) + 90

    assert period(80) < 0.8 * period(20)


def test_a_rate_set_higher_is_faster() -> None:
    slow, fast = (say(ENGLISH, words_per_minute=rate).seconds for rate in (120, 240))
    assert fast < 0.65 * slow


def test_an_unknown_voice_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no voice 'nobody'"):
        say("hello", "nobody")


def test_text_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to say"):
        say("")


def test_two_engines_at_once_are_refused() -> None:
    with synthesizer(), pytest.raises(RuntimeError, match="already in use"), synthesizer():
        pass
    assert say("hello").seconds > 0.3


def test_without_espeak_the_error_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ImportError, match=r"pip install viseme-data\[synthetic\]"):
        say("hello")


def test_every_sound_of_the_inventory_has_a_kind() -> None:
    known = inventory()
    assert set(known.kinds.values()) == {"pause", "vowel", "stop", "consonant"}
    assert len(set(known.names)) == len(known.names)
    assert set(known.letters.values()) < set(known.names)
