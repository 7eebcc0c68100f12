"""A file of jobs: each is made once, and one that fails does not stop the others."""

import hashlib
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from viseme_pipeline.arguments import ChainChoice, Task, as_arguments, parse, to_task
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.default import default_folder
from viseme_pipeline.folder import MESH
from viseme_pipeline.make_films import describe, make_film
from viseme_pipeline.mistakes import is_mendable, sentence
from viseme_pipeline.stages import load_chain

# Options of a chain that name weights.
_WEIGHTS = ("motion", "pose_from", "landmarks", "renderer", "hearing", "autoencoder")
logger = logging.getLogger(__name__)


def read_jobs(path: str) -> list[dict[str, Any]]:
    """Return the options of each job, keys as on the command line.

    Raises:
        ValueError: If the file is not there, or holds something else.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--jobs {path!r} cannot be read ({error}); give a text file") from error
    if file.suffix.lower() in (".yaml", ".yml"):
        try:
            jobs = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"--jobs {path!r} is no YAML ({error})") from error
    else:
        jobs = [_parsed(path, number, line) for number, line in _lines(text)]
    if not isinstance(jobs, list) or not jobs or not all(isinstance(job, dict) for job in jobs):
        raise ValueError(
            f"--jobs {path!r} must hold a list of options for each film, such as "
            f'{{"audio": "a.wav", "image": "b.jpg", "out": "c.mp4"}} per line'
        )
    return jobs


def run_jobs(path: str, common: list[str]) -> tuple[int, str]:
    """Return exit code and summary after making every film of a file that is not made yet.

    Args:
        path: The file of jobs.
        common: Options of the command line, which hold where a job says nothing else.
    """
    jobs = read_jobs(path)
    common = _without_jobs(common)
    ledger = Ledger(Path(path).with_name(Path(path).name + ".done"))
    ledger.open()
    chains: dict[ChainChoice, TalkingFace] = {}
    made = kept = 0
    failed: list[str] = []
    for number, options in enumerate(jobs, 1):
        name = f"job {number} of {len(jobs)}"
        try:
            task = to_task(parse(as_arguments(options), common))
            if ledger.is_done(task):
                kept += 1
                continue
            if task.chain not in chains:
                chains = {task.chain: load_chain(task.chain)}
            film = make_film(task, chains[task.chain], name=name)
            ledger.add(task)
        except Exception as error:
            if not is_mendable(error):
                raise
            logger.error("%s failed: %s", name, sentence(error))
            failed.append(str(number))
            continue
        made += 1
        logger.info("%s: %s", name, describe(film))
    parts = [f"{made} made", f"{kept} were there already"]
    if failed:
        parts.append(f"{len(failed)} failed: {', '.join(failed)}")
    return (2 if failed else 0), "; ".join(parts)


class Ledger:
    """Which jobs were done: a line for each beside the file of jobs.

    Args:
        path: The ledger.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done = set(path.read_text().split()) if path.is_file() else set()

    def is_done(self, task: Task) -> bool:
        """Return whether this very job was done and its film is still there."""
        return Path(task.out).is_file() and _fingerprint(task) in self._done

    def open(self) -> None:
        """Refuse, before any work, a folder in which nothing can be noted.

        Raises:
            OSError: If it may not be written to.
        """
        self._path.touch()

    def add(self, task: Task) -> None:
        """Note that a job was done."""
        with self._path.open("a") as file:
            file.write(_fingerprint(task) + "\n")


def _fingerprint(task: Task) -> str:
    """Return a hash of all that decides a film, its input files' sizes and times included."""
    facts = asdict(task)
    del facts["overwrite"]
    for name in ("audio", "image", "video", "marks"):
        file = Path(facts[name] or "")
        if file.is_file():
            facts[f"{name} stat"] = (file.stat().st_size, file.stat().st_mtime_ns)
    driven = task.chain.motion or task.chain.landmarks
    for name in (*_WEIGHTS, "pretrained"):
        given = getattr(task.chain, name)
        if name == "pretrained" and given is None and driven is None:
            given = default_folder()
        # Weights that were trained anew make another film.
        facts[f"{name} stat"] = [] if given in (None, MESH) else _stats(Path(given))
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _stats(given: Path) -> list[tuple[str, int, int]]:
    """Return name, size and time of a file of weights, or of those in a folder."""
    files = [given] if given.is_file() else sorted(given.rglob("*.safetensors"))
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]


def _parsed(path: str, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"--jobs {path!r}, line {number} is no JSON ({error})") from error


def _lines(text: str) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]


def _without_jobs(arguments: list[str]) -> list[str]:
    found, skip = [], False
    for argument in arguments:
        if skip:
            skip = False
        elif argument == "--jobs":
            skip = True
        elif not argument.startswith("--jobs="):
            found.append(argument)
    return found
