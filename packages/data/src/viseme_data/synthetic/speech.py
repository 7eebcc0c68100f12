"""Speech from espeak-ng, with the times of its sounds.

espeak-ng is under the GPL and therefore an extra: `pip install viseme-data[synthetic]`. It is
called through its C interface, one engine per process.
"""

import _ctypes
import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from viseme_core.audio import resample
from viseme_core.types import SAMPLE_RATE_HZ, AudioClip
from viseme_data.synthetic.phonemes import PAUSE, Phone, inventory, is_vowel, merged, read_ipa

# Numbers of espeak-ng's speak_lib.h.
_RETRIEVAL = 1
_PHONEME_EVENTS, _IPA, _DONT_EXIT = 0x0001, 0x0002, 0x8000
_LIST_END, _WORD, _PHONEME = 0, 1, 7
_UTF8, _CHARACTER = 1, 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_BREATH_SEED = 1

# Sound weaker than this between two sounds is the closure of the stop that follows.
_SILENT = 0.004
_MAX_CLOSURE_SEC = 0.1
_MIN_CLOSURE_SEC = 0.045
_HOP_SEC = 0.004
# Silence put before every utterance, in which a first stop can close.
_LEAD_SEC = 0.1
# A voiced stop murmurs while it is closed, then bursts.
_VOICED_CLOSURE_SHARE = 0.75


@dataclass(frozen=True, kw_only=True)
class Voice:
    """How a voice sounds, in espeak-ng's terms."""

    name: str
    """Language or dialect, such as `en-us`."""
    variant: str = ""
    """Variant of the voice, such as `f2`; empty for the plain one."""
    words_per_minute: int = 170
    """80 to 400."""
    pitch: int = 50
    """0 to 99, 50 is usual."""
    pitch_range: int = 50
    """0 is monotonous, 50 usual, 99 lively."""
    volume: int = 100
    """0 to 200, 100 is usual."""

    @property
    def full_name(self) -> str:
        """Name that espeak-ng knows it by."""
        return f"{self.name}+{self.variant}" if self.variant else self.name


class Utterance(NamedTuple):
    """One piece of speech."""

    samples_S: Tensor
    """float32 mono at 16 kHz."""
    phones: tuple[Phone, ...]
    """Sounds one after the other, from the first sample to the last."""

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples_S) / SAMPLE_RATE_HZ


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Synthesizer:
    """A fresh engine: what it says depends on what it has said since it was made, nothing else.

    Use it through `synthesizer()`, which also lets go of it.
    """

    def __init__(self, library: Any, data_path: str) -> None:
        self._library = library
        self._pieces: list[np.ndarray] = []
        self._events: list[tuple[int, int, int, str]] = []
        # ctypes keeps no reference to it.
        self._callback = _CALLBACK(self._hear)
        options = _PHONEME_EVENTS | _IPA | _DONT_EXIT
        self._rate_hz = library.espeak_Initialize(_RETRIEVAL, 0, data_path.encode(), options)
        if self._rate_hz <= 0:
            raise RuntimeError(
                f"espeak-ng cannot be started from {data_path!r}; reinstall it with "
                f"`pip install --force-reinstall espeakng-loader`"
            )
        library.espeak_SetSynthCallback(self._callback)
        # Breath is noise, which starting the engine seeds by the clock.
        library.espeak_ng_SetRandSeed(ctypes.c_long(_BREATH_SEED))

    def say(self, text: str, voice: Voice) -> Utterance:
        """Return a text spoken by a voice.

        Args:
            text: Words; in `cmn-latn-pinyin` syllables with a digit for the tone, each by itself.
            voice: Who says it.

        Raises:
            ValueError: If there is no such voice, or nothing in the text can be spoken.
        """
        if self._library.espeak_SetVoiceByName(voice.full_name.encode()) != 0:
            raise ValueError(
                f"espeak-ng has no voice {voice.full_name!r}; `espeak-ng --voices` lists them"
            )
        self._set(_RATE, voice.words_per_minute)
        self._set(_PITCH, voice.pitch)
        self._set(_RANGE, voice.pitch_range)
        self._set(_VOLUME, voice.volume)
        self._pieces.clear()
        self._events.clear()
        content = text.encode()
        self._library.espeak_Synth(content, len(content) + 1, 0, _CHARACTER, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        # A text without words is spoken as a pause.
        if not any(symbol for *_, symbol in self._events):
            raise ValueError(f"espeak-ng has nothing to say for {text!r} in {voice.full_name!r}")
        raw_S = torch.from_numpy(np.concatenate(self._pieces).astype(np.float32) / 2**15)
        lead_S = raw_S.new_zeros(round(_LEAD_SEC * self._rate_hz))
        samples_S = resample(AudioClip(torch.cat([lead_S, raw_S]), self._rate_hz)).samples_S
        lead_sec = len(lead_S) / self._rate_hz
        spoken = self._phones(text, len(samples_S) / SAMPLE_RATE_HZ - lead_sec)
        lead = Phone(PAUSE, 0.0, lead_sec, lead_sec)
        phones = merged([lead, *(phone.shifted(lead_sec) for phone in spoken)])
        return Utterance(samples_S, tuple(with_closures(phones, samples_S)))

    def close(self) -> None:
        """End the engine."""
        self._library.espeak_Terminate()

    def _set(self, parameter: int, value: int) -> None:
        self._library.espeak_SetParameter(parameter, value, 0)

    def _hear(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        place = 0
        while events[place].type != _LIST_END:
            event = events[place]
            if event.type in (_WORD, _PHONEME):
                # Eight bytes may end inside a letter.
                symbol = event.id.decode(errors="ignore") if event.type == _PHONEME else ""
                self._events.append((event.type, event.sample, event.text_position, symbol))
            place += 1
        return 0

    def _phones(self, text: str, seconds: float) -> list[Phone]:
        """Return what was said from beginning to end, tones read off the text."""
        marks = [(0, 0, "")]
        for kind, sample, position, symbol in self._events:
            if kind == _WORD:
                word = text[position - 1 :].split(maxsplit=1)
                marks.append((-1, 0, word[0] if word else ""))
            elif not symbol.startswith("("):
                # (en) says that the language changes.
                marks.append((1, sample, symbol))
        spoken: list[Phone] = []
        tone = 0
        events = [mark for mark in marks if mark[0] >= 0]
        ends = iter([mark[1] / self._rate_hz for mark in events[1:]] + [seconds])
        for kind, sample, symbol in marks:
            if kind < 0:
                tone = _tone_of(symbol)
                continue
            for phone in read_ipa(symbol, sample / self._rate_hz, next(ends)):
                spoken.append(phone._replace(tone=tone) if is_vowel(phone.name) else phone)
        return merged(spoken)


@contextmanager
def synthesizer() -> Iterator[Synthesizer]:
    """Give a fresh engine.

    Its state carries over from one sentence to the next and survives its own ending, so the
    library is unloaded after use: the same calls give the same samples whatever was said before.

    Raises:
        ImportError: If espeak-ng is not installed.
        RuntimeError: If other code in this process holds espeak-ng.
    """
    loader = find_espeak()
    path = loader.get_library_path()
    if _is_loaded(path):
        raise RuntimeError(
            "espeak-ng is already in use in this process, so its speech could not be repeated; "
            "use one synthesizer() at a time, and other espeak-ng packages in another process"
        )
    library = ctypes.CDLL(path)
    engine: Synthesizer | None = None
    try:
        engine = Synthesizer(library, loader.get_data_path())
        yield engine
    finally:
        if engine is not None:
            engine.close()
        _ctypes.dlclose(library._handle)


def find_espeak() -> Any:
    """Return the module that knows where espeak-ng is.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        return import_module("espeakng_loader")
    except ImportError as error:
        raise ImportError(
            "synthetic speech needs espeak-ng; install it with `pip install viseme-data[synthetic]`"
        ) from error


def with_closures(phones: Sequence[Phone], samples_S: Tensor) -> list[Phone]:
    """Return the sounds with every stop beginning where its closure does.

    espeak-ng marks a voiceless stop at its burst; the silence before it, in which lips or tongue
    are closed, is counted to the sound before. Here it belongs to the stop, and `release_sec` is
    the burst.
    """
    loud = _loudness(samples_S)
    kinds = inventory().kinds
    moved: list[Phone] = []
    for phone in phones:
        if kinds[phone.name] != "stop":
            moved.append(phone)
            continue
        silent_sec = _silence_before(loud, phone.start_sec)
        if moved and silent_sec >= _HOP_SEC:
            before = moved[-1]
            closed_sec = min(max(silent_sec, _MIN_CLOSURE_SEC), _MAX_CLOSURE_SEC)
            start_sec = max(phone.start_sec - closed_sec, before.start_sec)
            # An earlier stop keeps its burst, however short it becomes.
            moved[-1] = before._replace(
                end_sec=start_sec, release_sec=min(before.release_sec, start_sec)
            )
            moved.append(phone._replace(start_sec=start_sec, release_sec=phone.start_sec))
        else:
            murmur_sec = _VOICED_CLOSURE_SHARE * (phone.end_sec - phone.start_sec)
            moved.append(phone._replace(release_sec=phone.start_sec + murmur_sec))
    return merged(moved)


def _loudness(samples_S: Tensor) -> np.ndarray:
    hop = int(_HOP_SEC * SAMPLE_RATE_HZ)
    whole = samples_S[: len(samples_S) // hop * hop].reshape(-1, hop)
    return whole.abs().amax(1).numpy()


def _silence_before(loud: np.ndarray, at_sec: float) -> float:
    """Return for how long it was silent before a time."""
    stop = min(int(at_sec / _HOP_SEC), len(loud))
    heard = np.flatnonzero(loud[:stop] > _SILENT)
    return (stop - (heard[-1] + 1 if len(heard) else 0)) * _HOP_SEC


def _tone_of(word: str) -> int:
    digits = [letter for letter in word if letter in "12345"]
    return int(digits[-1]) if digits and word[0].isalpha() and word.isascii() else 0


def _is_loaded(path: str) -> bool:
    with suppress(OSError):
        library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
        _ctypes.dlclose(library._handle)
        return True
    return False
