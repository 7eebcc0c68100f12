"""Answers and keys that were damaged on their way are refused in a sentence."""

import json

import pytest

from viseme_eval.run.study import read_key
from viseme_eval.run.tally import TallyConfig, tally

KEY = {
    "kind": "viseme_eval_key",
    "format": 1,
    "study": "s",
    "form": "opinion",
    "questions": ["lip synchronization"],
    "videos": {"v1": {"method": "ours", "clip": "a"}, "v2": {"method": "theirs", "clip": "a"}},
    "trials": {"t": ["v1", "v2"]},
}


def answers(**changes):
    given = [{"trial": "t", "question": 0, "video": video, "score": 4} for video in ("v1", "v2")]
    plain = {
        "kind": "viseme_eval_answers",
        "study": "s",
        "participant": "p",
        "answers": given,
        **changes,
    }
    return {name: value for name, value in plain.items() if value is not None}


def tallied(folder, plain, key=KEY):
    (folder / "key.json").write_text(json.dumps(key))
    (folder / "answers.json").write_text(json.dumps(plain))
    config = TallyConfig(answers=(str(folder / "answers.json"),), key=str(folder / "key.json"))
    return tally(config)


def test_whole_answers_are_counted(tmp_path):
    assert "4.00 &plusmn; 0.00" in tallied(tmp_path, answers())


@pytest.mark.parametrize(
    "changes",
    [
        {"participant": None},
        {"study": None},
        {"answers": None},
        {"answers": [{"trial": "t"}]},
        {"answers": "none"},
        {"answers": [{"trial": "t", "question": "0", "video": "v1", "score": 4}]},
        {"answers": [{"trial": "t", "question": 0, "video": "v1", "score": "4"}]},
        {"answers": [{"trial": ["t"], "question": 0, "video": "v1", "score": 4}]},
    ],
)
def test_answers_that_lack_something_are_refused_by_name(tmp_path, changes):
    with pytest.raises(ValueError, match=r"answers\.json' is damaged .*ask for the file again"):
        tallied(tmp_path, answers(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"form": "guess"},
        {"questions": None},
        {"trials": {"t": ["v1", "v3"]}},
        {"videos": {"v1": {"method": "ours"}, "v2": {"method": "theirs"}}},
        {"videos": ["v1", "v2"]},
    ],
)
def test_a_key_that_lacks_something_is_refused_by_name(tmp_path, changes):
    (tmp_path / "key.json").write_text(json.dumps({**KEY, **changes}))
    with pytest.raises(ValueError, match=r"--key '.*key\.json' is damaged"):
        read_key(tmp_path / "key.json")
