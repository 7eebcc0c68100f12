"""The sound of a clip: sentences with pauses between them, exactly as long as its frames."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.draws import Draws
from viseme_core.types import FPS, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from viseme_data.synthetic.emotion import at_level, spoken_with
from viseme_data.synthetic.phonemes import PAUSE, Phone, merged
from viseme_data.synthetic.plan import ClipPlan
from viseme_data.synthetic.speech import Synthesizer, Utterance, Voice
from viseme_data.synthetic.text import Grammar, grammar

# Of silence at least this much before, after and between sentences.
_MIN_PAUSE_SEC = 0.12
# How often another sentence is sought that still fits.
_TRIES = 12
_FIRST_TRIES = 200
# Part of its expected length that a sentence has at least.
_SURELY = 0.8
_LEVEL_DB, _LEVEL_SPREAD_DB = -23.0, 3.0
_PEAK = 0.95
# Sound weaker than this does not count as speech when its level is measured.
_SPEECH = 0.01


class Recording(NamedTuple):
    """What is heard in a clip."""

    audio_S: Tensor
    """float32 mono at 16 kHz."""
    phones: tuple[Phone, ...]
    """Sounds and pauses from the first sample to the last."""
    texts: tuple[str, ...]
    """Sentences in order."""
    voice: Voice
    """As it speaks in this clip."""


def record(engine: Synthesizer, plan: ClipPlan) -> Recording:
    """Return what a clip sounds like.

    Args:
        engine: Fresh, so that the clip does not depend on what was said before.
        plan: The clip.
    """
    draws = plan.draws
    voice = spoken_with(plan.speaker.voice, at_level(plan.emotion, plan.level))
    seconds = plan.num_frames / FPS
    texts, utterances = _fill(engine, plan, voice, seconds)
    spoken_sec = sum(utterance.seconds for utterance in utterances)
    count = len(utterances) + 1
    shares = 0.3 + draws.uniform("recording/pauses", count)[0].double()
    pauses_sec = _MIN_PAUSE_SEC + shares / shares.sum() * (
        seconds - spoken_sec - count * _MIN_PAUSE_SEC
    )
    speech_S = torch.zeros(plan.num_frames * SAMPLES_PER_FRAME)
    phones: list[Phone] = []
    at_sec = 0.0
    for pause_sec, utterance in zip(pauses_sec.tolist(), utterances, strict=False):
        start = round((at_sec + pause_sec) * SAMPLE_RATE_HZ)
        start_sec = start / SAMPLE_RATE_HZ
        speech_S[start : start + len(utterance.samples_S)] = utterance.samples_S
        phones.append(Phone(PAUSE, at_sec, start_sec, start_sec))
        phones += [phone.shifted(start_sec) for phone in utterance.phones]
        at_sec = start_sec + utterance.seconds
    phones.append(Phone(PAUSE, at_sec, seconds, seconds))
    return Recording(_in_a_room(draws, speech_S, plan), tuple(merged(phones)), texts, voice)


def _fill(
    engine: Synthesizer, plan: ClipPlan, voice: Voice, seconds: float
) -> tuple[tuple[str, ...], list[Utterance]]:
    """Return sentences that fit into the time, and how they sound."""
    texts: list[str] = []
    utterances: list[Utterance] = []
    # Every pause but the last comes before a sentence.
    left_sec = seconds - _MIN_PAUSE_SEC
    tries = attempt = 0
    # Of a letter, as fast as any sentence yet.
    shortest_sec = 0.0
    lines = grammar(plan.speaker.language)
    while tries < (_TRIES if utterances else _FIRST_TRIES):
        text = _sentence(lines, plan.draws, attempt)
        attempt += 1
        tries += 1
        # Far too long by what was said so far: no need to say it.
        if text in texts or len(text) * _SURELY * shortest_sec > left_sec:
            continue
        utterance = engine.say(text, voice)
        shortest_sec = min(shortest_sec or math.inf, utterance.seconds / len(text))
        if utterance.seconds + _MIN_PAUSE_SEC > left_sec:
            continue
        texts.append(text)
        utterances.append(utterance)
        left_sec -= utterance.seconds + _MIN_PAUSE_SEC
        tries = 0
    if not utterances:
        raise ValueError(
            f"no {lines.name} sentence fits into {seconds:.1f} s in voice {voice.full_name!r}; "
            f"add shorter ones to its grammar"
        )
    return tuple(texts), utterances


def _sentence(lines: Grammar, draws: Draws, attempt: int) -> str:
    luck = iter(draws.uniform(f"recording/sentence/{attempt}", 64)[0].tolist())
    return lines.sentence(lambda count: int(next(luck) * count))


def _in_a_room(draws: Draws, speech_S: Tensor, plan: ClipPlan) -> Tensor:
    """Return speech at a usual level, with a little noise."""
    loud_S = speech_S[speech_S.abs() > _SPEECH * float(speech_S.abs().max())]
    level_db = _LEVEL_DB + _LEVEL_SPREAD_DB * float(draws.normal("recording/level")[0].clamp(-2, 2))
    level = 10 ** (level_db / 20)
    speech_S = speech_S * (level / float(loud_S.square().mean().sqrt()))
    noise_S = draws.normal("recording/noise", len(speech_S))[0]
    # Rooms hum rather than hiss.
    noise_S = torch.nn.functional.avg_pool1d(noise_S[None], 5, 1, 2)[0] * 5**0.5
    mixed_S = speech_S + level * 10 ** (-plan.speaker.room_db / 20) * noise_S
    return mixed_S * min(1.0, _PEAK / float(mixed_S.abs().max()))
