"""`viseme-eval study`: a blinded page on which people judge videos.

The page's folder holds nothing that tells methods apart: files have random names, all went through
the same encoder and are equally long, and every visitor sees another order. Who made which video
stands in the key alone, which is written elsewhere.
"""

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from viseme_data.clips import write_whole
from viseme_eval.run.footage import film_trial, sounds_of_trial
from viseme_eval.run.pairing import files_by_stem
from viseme_eval.run.rows import dumps

Form = Literal["best", "opinion", "rating"]

QUESTIONS: dict[Form, tuple[str, ...]] = {
    "best": ("lip synchronization", "head motion diversity", "overall image quality"),
    "opinion": ("lip synchronization", "expression naturalness", "temporal coherence"),
    "rating": ("appearance fidelity", "lip synchronization", "image quality"),
}
"""What the papers asked: FD2Talk Table 4, DisentTalk Table III, TalkFormer Table II."""
SCALES: dict[Form, tuple[int, int]] = {"best": (0, 1), "opinion": (1, 5), "rating": (0, 5)}
"""Least and most of a score."""

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Whose videos to judge, and how."""

    methods: dict[str, str]
    """Name and folder of each method, e.g. '{ours: results/ours, theirs: results/theirs}';
    videos of the same relative name are shown together."""
    out: str
    """Folder for the page, to be put on a web server or sent; it must be new or empty."""
    key: str
    """File for the key that tells who made which video; outside --out."""
    form: Form = "opinion"
    """best: choose one video per question (FD2Talk); opinion: scores from 1 to 5 (DisentTalk);
    rating: from 0 to 5 (TalkFormer)."""
    questions: tuple[str, ...] = ()
    """What to judge by, e.g. lip synchronization, identity; by default what that paper asked."""
    title: str = "Please judge these videos"
    """Heading of the page."""
    audio: str = ""
    """Folder of sound, by the same names, for videos that have none."""
    clips: int = 0
    """Clips to show, drawn by --seed; 0 is all."""
    seed: int = 0
    """Of the names of files and the choice of clips."""

    def __post_init__(self) -> None:
        if len(self.methods) < 2 and self.form == "best":
            raise ValueError("--methods must name two methods or more to choose the best of")
        if not self.methods:
            raise ValueError("--methods must name at least one method and its folder")
        if len(set(self.questions)) < len(self.questions):
            raise ValueError(f"--questions must differ from each other, got {self.questions}")
        if self.clips < 0:
            raise ValueError(f"--clips must be at least 0, got {self.clips}")


@dataclass(frozen=True, kw_only=True)
class StudyKey:
    """Who made which video."""

    study: str
    """Name of the study, a hash of all the rest."""
    form: Form
    questions: tuple[str, ...]
    videos: dict[str, dict[str, str]]
    """Method and clip of each video, by the name on the page."""
    trials: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Videos that are shown together, by the trial's name on the page."""


def study(config: StudyConfig) -> str:
    """Make a blinded, randomised page for people to judge videos, and its key."""
    out, key_path = Path(config.out).expanduser(), Path(config.key).expanduser()
    _check_places(out, key_path)
    common, num_alone = _common(config)
    clips = _chosen(common, config)
    sounds = _sounds(config)
    key = _make_key(config, [*clips])
    trials = []
    for videos in key.trials.values():
        clip = key.videos[videos[0]]["clip"]
        paths = {video: clips[clip][key.videos[video]["method"]] for video in videos}
        trials.append((paths, sounds_of_trial(clip, paths, sounds.get(clip))))
    (out / "media").mkdir(parents=True)
    for paths, heard in trials:
        film_trial(paths, heard, out / "media")
    write_whole(out / "index.html", _page(config, key).encode())
    key_path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(key_path, dumps(_key_to_plain(key)))
    alone = f" ({num_alone} that not all methods have are left out)" if num_alone else ""
    return (
        f"{len(clips)} clips of {len(config.methods)} methods{alone}: open {out / 'index.html'}; "
        f"keep {key_path} to yourself, and give it to `viseme-eval tally` with the answers"
    )


def read_key(path: str | Path) -> StudyKey:
    """Return a study's key.

    Raises:
        ValueError: If it is none.
    """
    path = Path(path).expanduser()
    try:
        plain = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"--key {str(path)!r} cannot be read ({error})") from error
    if not isinstance(plain, dict) or plain.get("kind") != "viseme_eval_key":
        raise ValueError(f"--key {str(path)!r} is no key of `viseme-eval study`")
    try:
        key = StudyKey(
            study=plain["study"],
            form=plain["form"],
            questions=tuple(plain["questions"]),
            videos=plain["videos"],
            trials={name: tuple(videos) for name, videos in plain["trials"].items()},
        )
        whole = key.form in SCALES and all(
            {"method", "clip"} <= {*key.videos[video]}
            for videos in key.trials.values()
            for video in videos
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(path) from error
    if not whole:
        raise _damaged(path)
    return key


def _damaged(path: Path) -> ValueError:
    return ValueError(f"--key {str(path)!r} is damaged; take the file that the study wrote")


def _check_places(out: Path, key: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"--out {str(out)!r} is not empty; give a new folder")
    if out.resolve() in key.resolve().parents:
        raise ValueError(
            f"--key {str(key)!r} lies inside --out {str(out)!r}, where everybody would find it; "
            f"put it elsewhere"
        )
    if key.exists():
        raise ValueError(f"--key {str(key)!r} exists; without it that study cannot be tallied")


def _common(config: StudyConfig) -> tuple[dict[str, dict[str, Path]], int]:
    """Return each method's video by clip, of the clips that all have, and how many others are."""
    found: dict[str, dict[str, list[Path]]] = {}
    for method, folder in config.methods.items():
        path = Path(folder).expanduser()
        if not path.is_dir():
            raise ValueError(f"--methods: there is no folder {str(path)!r} of {method!r}")
        found[method] = files_by_stem(path, sound=False)
    names = set.intersection(*(set(files) for files in found.values()))
    if not names:
        raise ValueError("--methods: no clip has a video of every method (same relative names)")
    for method, files in found.items():
        for name in sorted(names):
            if len(files[name]) > 1:
                raise ValueError(
                    f"--methods: {method!r} has several videos {name!r}: "
                    f"{', '.join(path.name for path in files[name])}; keep one"
                )
    num_alone = len(set.union(*(set(files) for files in found.values())) - names)
    videos = {
        name: {method: files[name][0] for method, files in found.items()} for name in sorted(names)
    }
    return videos, num_alone


def _chosen(
    clips: Mapping[str, dict[str, Path]], config: StudyConfig
) -> dict[str, dict[str, Path]]:
    if config.clips > len(clips):
        raise ValueError(f"--clips asks for {config.clips}, there are {len(clips)}")
    names = [*clips]
    if config.clips:
        names = sorted(random.Random(config.seed).sample(names, config.clips))
    return {name: clips[name] for name in names}


def _sounds(config: StudyConfig) -> dict[str, Path]:
    if not config.audio:
        return {}
    path = Path(config.audio).expanduser()
    if not path.is_dir():
        raise ValueError(f"--audio: there is no folder {str(path)!r}")
    return {name: files[0] for name, files in files_by_stem(path, sound=True).items()}


def _make_key(config: StudyConfig, clips: Sequence[str]) -> StudyKey:
    draw = random.Random(f"{config.seed}/{config.form}/{clips}/{sorted(config.methods)}")
    videos: dict[str, dict[str, str]] = {}
    trials = {}
    for clip in clips:
        names = []
        for method in config.methods:
            name = f"{draw.getrandbits(48):012x}"
            videos[name] = {"method": method, "clip": clip}
            names.append(name)
        # By name: the order in the file says nothing of the order of methods.
        trials[f"{draw.getrandbits(48):012x}"] = tuple(sorted(names))
    questions = config.questions or QUESTIONS[config.form]
    facts = [config.form, questions, videos, trials]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return StudyKey(
        study=digest,
        form=config.form,
        questions=questions,
        videos=dict(sorted(videos.items())),
        trials=dict(sorted(trials.items())),
    )


def _key_to_plain(key: StudyKey) -> dict[str, Any]:
    return {
        "kind": "viseme_eval_key",
        "format": _FORMAT,
        "study": key.study,
        "form": key.form,
        "questions": [*key.questions],
        "videos": key.videos,
        "trials": {name: [*videos] for name, videos in key.trials.items()},
    }


def _page(config: StudyConfig, key: StudyKey) -> str:
    folder = resources.files("viseme_eval").joinpath("run")
    low, high = SCALES[key.form]
    facts = {
        "study": key.study,
        "form": key.form,
        "questions": [*key.questions],
        "low": low,
        "high": high,
        "trials": [{"id": name, "videos": [*videos]} for name, videos in key.trials.items()],
    }
    # `</` would end the script wherever it stands.
    data = json.dumps(facts).replace("</", "<\\/")
    parts = {
        "TITLE": escape(config.title),
        "STYLE": folder.joinpath("study.css").read_text(),
        "DATA": data,
        "SCRIPT": folder.joinpath("study.js").read_text(),
    }
    page = folder.joinpath("study.html").read_text()
    for name, text in parts.items():
        page = page.replace(f"[[{name}]]", text)
    return page
