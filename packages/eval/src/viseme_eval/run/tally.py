"""`viseme-eval tally`: what people said, by method and question."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from viseme_data.clips import write_whole
from viseme_eval.run.bootstrap import Interval, intervals
from viseme_eval.run.rows import dumps
from viseme_eval.run.study import SCALES, StudyKey, read_key
from viseme_eval.run.tables import markdown_table


@dataclass(frozen=True, kw_only=True)
class TallyConfig:
    """Whose answers to count."""

    answers: tuple[str, ...]
    """Files that people saved at the end of the page."""
    key: str
    """Key of the study."""
    out: str = ""
    """JSON file for the counts; by default they are only printed."""
    resamples: int = 10_000
    """How often participants are drawn for the intervals."""
    level: float = 0.95
    """Confidence of the intervals."""
    seed: int = 0
    """Of the draws."""

    def __post_init__(self) -> None:
        if self.resamples < 100:
            raise ValueError(f"--resamples must be at least 100, got {self.resamples}")
        if not 0 < self.level < 1:
            raise ValueError(f"--level must lie between 0 and 1, got {self.level}")


@dataclass(frozen=True, kw_only=True)
class Score:
    """One method by one question."""

    method: str
    question: str
    interval: Interval
    """Mean over participants of their own means, and its interval."""
    deviation: float
    """Standard deviation of single answers, as opinion scores are printed with."""
    num_answers: int


Answers = Mapping[tuple[str, str], Sequence[float]]
"""Scores of one participant by method and question."""


def tally(config: TallyConfig) -> str:
    """Count the answers to a study: shares or mean scores, with confidence intervals."""
    key = read_key(config.key)
    people = read_answers(config.answers, key)
    scores = tally_scores(people, key, config)
    if config.out:
        path = Path(config.out).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, dumps(_plain(scores, key, len(people))))
    return _markdown(scores, key, config, len(people))


def read_answers(paths: Sequence[str], key: StudyKey) -> list[Answers]:
    """Return what each participant said.

    Raises:
        ValueError: If a file holds no answers to this study, or someone answered twice.
    """
    people: dict[str, str] = {}
    answers = []
    for path in paths:
        try:
            plain = _read(path)
            study, participant = str(plain["study"]), str(plain["participant"])
            decoded = _decoded(plain["answers"], key, path) if study == key.study else {}
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{path!r} is damaged ({type(error).__name__}: {error}); ask for the file again"
            ) from error
        if study != key.study:
            raise ValueError(
                f"{path!r} holds answers to the study {study}, the key is that of "
                f"{key.study}; leave it out"
            )
        if participant in people:
            raise ValueError(
                f"{path!r} and {people[participant]!r} are of the same participant; leave one out"
            )
        people[participant] = path
        answers.append(decoded)
    return answers


def tally_scores(people: Sequence[Answers], key: StudyKey, config: TallyConfig) -> list[Score]:
    """Return the score of every method by every question, methods in the key's order.

    People are drawn for the intervals, not answers: those of one person are not independent.
    """
    columns = [(method, question) for method in methods_of(key) for question in key.questions]
    means_NM = np.array([[np.mean(person[column]) for column in columns] for person in people])
    found = intervals(means_NM, resamples=config.resamples, seed=config.seed, level=config.level)
    scores = []
    for (method, question), interval in zip(columns, found, strict=True):
        single = np.concatenate([np.asarray(person[method, question]) for person in people])
        scores.append(
            Score(
                method=method,
                question=question,
                interval=interval,
                deviation=float(single.std(ddof=1)) if len(single) > 1 else 0.0,
                num_answers=len(single),
            )
        )
    return scores


def methods_of(key: StudyKey) -> list[str]:
    """Return the methods of a study, by name."""
    return sorted({video["method"] for video in key.videos.values()})


def _read(path: str) -> dict[str, Any]:
    try:
        plain = json.loads(Path(path).expanduser().read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path!r} cannot be read ({error})") from error
    if not isinstance(plain, dict) or plain.get("kind") != "viseme_eval_answers":
        raise ValueError(f"{path!r} holds no answers of a study's page")
    return plain


def _decoded(entries: Sequence[Mapping[str, Any]], key: StudyKey, path: str) -> Answers:
    """Return a participant's scores, checked to be whole and in the scale."""
    given: dict[tuple[str, int, str], float] = {}
    low, high = SCALES[key.form]
    for entry in entries:
        trial, question, video = entry["trial"], entry["question"], entry["video"]
        if video not in key.trials.get(trial, ()) or not 0 <= question < len(key.questions):
            raise ValueError(f"{path!r} answers what was not asked: {dict(entry)}")
        if not low <= entry["score"] <= high:
            raise ValueError(f"{path!r} holds a score of {entry['score']}, not {low} to {high}")
        # Of `best` only the chosen video is named; a question counts once either way.
        place = (trial, question, "" if key.form == "best" else video)
        if place in given:
            raise ValueError(f"{path!r} answers a question twice: {dict(entry)}")
        given[place] = entry["score"] if key.form != "best" else 1.0
    chosen = {(entry["trial"], entry["question"], entry["video"]) for entry in entries}
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for trial, videos in key.trials.items():
        for index, question in enumerate(key.questions):
            for video in videos:
                if (trial, index, "" if key.form == "best" else video) not in given:
                    raise ValueError(f"{path!r} is not whole: ask for the file of the last screen")
                column = key.videos[video]["method"], question
                if key.form == "best":
                    scores[column].append(float((trial, index, video) in chosen))
                else:
                    scores[column].append(float(given[trial, index, video]))
    return scores


def _markdown(scores: Sequence[Score], key: StudyKey, config: TallyConfig, num_people: int) -> str:
    cells: dict[str, list[str]] = defaultdict(list)
    for score in scores:
        cells[score.method].append(_cell(score, key, num_people))
    what = {
        "best": "share of choices",
        "opinion": "mean opinion score, 1 to 5, and standard deviation of answers",
        "rating": "mean rating, 0 to 5, and standard deviation of answers",
    }[key.form]
    interval = f"; in brackets its {config.level:.0%} interval over participants"
    heads = ["method", *key.questions]
    lines = [[method, *line] for method, line in cells.items()]
    return (
        f"{num_people} participants, {len(key.trials)} clips: {what}"
        f"{interval if num_people > 1 else ''}.\n\n{markdown_table(heads, lines)}\n"
    )


def _cell(score: Score, key: StudyKey, num_people: int) -> str:
    mean, low, high = score.interval
    if key.form == "best":
        text, ends = f"{mean:.1%}", f" [{low:.1%}, {high:.1%}]"
    else:
        text, ends = f"{mean:.2f} &plusmn; {score.deviation:.2f}", f" [{low:.2f}, {high:.2f}]"
    # One participant alone has no interval.
    return text + (ends if num_people > 1 else "")


def _plain(scores: Sequence[Score], key: StudyKey, num_people: int) -> dict[str, Any]:
    return {
        "kind": "viseme_eval_tally",
        "study": key.study,
        "form": key.form,
        "participants": num_people,
        "clips": len(key.trials),
        "scores": [
            {
                "method": score.method,
                "question": score.question,
                "mean": score.interval.mean,
                "interval": [score.interval.low, score.interval.high],
                "deviation": score.deviation,
                "answers": score.num_answers,
            }
            for score in scores
        ],
    }
