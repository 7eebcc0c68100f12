"""A study: the page gives nothing away, answers are counted, and other studies' refused."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch

from tests.eval.pairs import blurred, film, frames, voice
from viseme_data.media import probe, read_frames
from viseme_eval.run.study import QUESTIONS, StudyConfig, read_key, study
from viseme_eval.run.tally import TallyConfig, tally

METHODS = ("secret_one", "secret_two")


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed):
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def methods(tmp_path_factory):
    """Two methods' videos of two clips, one longer, one without sound."""
    path = tmp_path_factory.mktemp("methods")
    pictures = [frame[:64, :65].copy() for frame in frames(12)]
    even = [frame[:, :64].copy() for frame in pictures]
    for clip in ("a", "b"):
        film(path / f"secret_one/{clip}.mp4", even, sound=voice(12))
        film(path / f"secret_two/{clip}.mp4", blurred(even)[:9])
        film(path / f"sound/{clip}.mp4", even, sound=voice(12))
    film(path / "secret_two/alone.mp4", even)
    return path


def config_of(methods, folder, **settings):
    settings = {"audio": str(methods / "sound"), **settings}
    return StudyConfig(
        methods={name: str(methods / name) for name in METHODS},
        out=str(folder / "page"),
        key=str(folder / "key.json"),
        **settings,
    )


def data_of(page):
    text = (page / "index.html").read_text()
    (data,) = re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(data)


def answers_for(key, choose, participant="p"):
    """Answers as the page saves them; `choose(method, clip, question)` is a score."""
    answers = []
    for trial, videos in key.trials.items():
        for q in range(len(key.questions)):
            for video in videos:
                who = key.videos[video]
                score = choose(who["method"], who["clip"], q)
                if score is not None:
                    answers.append({"trial": trial, "question": q, "video": video, "score": score})
    return {
        "kind": "viseme_eval_answers",
        "study": key.study,
        "participant": participant,
        "answers": answers,
    }


def save(folder, *answers):
    paths = []
    for i, plain in enumerate(answers):
        path = folder / f"answers{i}.json"
        path.write_text(json.dumps(plain))
        paths.append(str(path))
    return tuple(paths)


@pytest.fixture
def made(methods, tmp_path):
    said = study(config_of(methods, tmp_path))
    return tmp_path / "page", said


def test_nothing_on_the_page_tells_methods_apart(made, methods):
    page, said = made
    assert "2 clips of 2 methods" in said
    key = read_key(page.parent / "key.json")
    files = sorted((page / "media").iterdir())
    assert sorted(path.stem for path in files) == sorted(key.videos)
    everything = (page / "index.html").read_bytes() + b"".join(path.read_bytes() for path in files)
    for word in (*METHODS, str(methods), "key.json"):
        assert word.encode() not in everything
    assert {probe(path).width for path in files} == {64}
    # Equally long, and all with sound: that of --audio where there was none.
    assert {len([*read_frames(path)]) for path in files} == {9}
    assert {probe(path).audio_rate_hz for path in files} == {16_000}
    assert not (page / "key.json").exists()
    # Neither clips nor the order of methods shows.
    for trial in data_of(page)["trials"]:
        assert re.fullmatch("[0-9a-f]{12}", trial["id"])
        assert trial["videos"] == sorted(trial["videos"])


def test_the_page_needs_no_other_place(made):
    page, _ = made
    text = (page / "index.html").read_text()
    assert "[[" not in text
    assert not re.search(r"https?://|src=\"(?!media)", text)
    data = data_of(page)
    assert data["questions"] == list(QUESTIONS["opinion"])
    assert (data["low"], data["high"]) == (1, 5)


def test_names_of_files_follow_the_seed_and_not_the_methods_order(methods, tmp_path):
    keys = []
    for name, seed in (("x", 0), ("y", 0), ("z", 1)):
        study(config_of(methods, tmp_path / name, seed=seed, clips=1))
        keys.append(read_key(tmp_path / name / "key.json"))
    assert keys[0] == keys[1]
    assert keys[0].study != keys[2].study
    assert not {*keys[0].videos} & {*keys[2].videos}
    assert len(keys[0].trials) == 1


def test_opinion_scores_are_means_over_people_with_deviations(made):
    page, _ = made
    key = read_key(page.parent / "key.json")
    kind = answers_for(key, lambda m, c, q: 5 if m == "secret_one" else 2, "kind")
    harsh = answers_for(
        key, lambda m, c, q: (3 if c == "a" else 4) if m == "secret_one" else 1, "h"
    )
    paths = save(page.parent, kind, harsh)
    out = page.parent / "tally.json"
    text = tally(TallyConfig(answers=paths, key=str(page.parent / "key.json"), out=str(out)))
    scores = {(s["method"], s["question"]): s for s in json.loads(out.read_text())["scores"]}
    first = scores["secret_one", "lip synchronization"]
    assert first["mean"] == pytest.approx((5 + 3.5) / 2)
    assert first["deviation"] == pytest.approx(np.std([5, 5, 3, 4], ddof=1))
    assert (first["answers"], first["interval"]) == (4, [3.5, 5.0])
    assert scores["secret_two", "temporal coherence"]["mean"] == 1.5
    assert "2 participants, 2 clips" in text
    assert "4.25 &plusmn; 0.96 [3.50, 5.00]" in text


def test_choices_of_the_best_are_shares_that_add_up_to_one(methods, tmp_path):
    study(config_of(methods, tmp_path, form="best", questions=("lips",)))
    key_path = tmp_path / "key.json"
    key = read_key(key_path)
    one = answers_for(key, lambda m, c, q: 1 if m == "secret_one" else None, "1")
    two = answers_for(key, lambda m, c, q: 1 if (m == "secret_one") == (c == "a") else None, "2")
    text = tally(TallyConfig(answers=save(tmp_path, one, two), key=str(key_path)))
    assert "| secret_one | 75.0% [50.0%, 100.0%] |" in text
    assert "| secret_two | 25.0% [0.0%, 50.0%] |" in text
    alone = tally(TallyConfig(answers=save(tmp_path, one), key=str(key_path)))
    assert "| secret_one | 100.0% |" in alone


def test_ratings_begin_at_zero(methods, tmp_path):
    study(config_of(methods, tmp_path, form="rating"))
    key = read_key(tmp_path / "key.json")
    assert key.questions == QUESTIONS["rating"]
    given = save(tmp_path, answers_for(key, lambda *_: 0))
    assert "0.00 &plusmn; 0.00" in tally(TallyConfig(answers=given, key=str(tmp_path / "key.json")))


def spoilt(plain, how):
    plain = json.loads(json.dumps(plain))
    if how == "another":
        plain["study"] = "0" * 16
    elif how == "kind":
        plain["kind"] = "something"
    elif how == "short":
        plain["answers"].pop()
    elif how == "twice":
        plain["answers"].append(plain["answers"][0])
    elif how == "scale":
        plain["answers"][0]["score"] = 6
    elif how == "video":
        plain["answers"][0]["video"] = "0" * 12
    return plain


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("another", "answers to the study 0000000000000000"),
        ("kind", "no answers of a study"),
        ("short", "is not whole"),
        ("twice", "answers a question twice"),
        ("scale", "a score of 6, not 1 to 5"),
        ("video", "what was not asked"),
    ],
)
def test_answers_that_do_not_belong_are_refused(made, how, words):
    page, _ = made
    key_path = page.parent / "key.json"
    plain = answers_for(read_key(key_path), lambda *_: 3)
    with pytest.raises(ValueError, match=words):
        tally(TallyConfig(answers=save(page.parent, spoilt(plain, how)), key=str(key_path)))


def test_nobody_counts_twice(made):
    page, _ = made
    key_path = page.parent / "key.json"
    plain = answers_for(read_key(key_path), lambda *_: 3)
    with pytest.raises(ValueError, match="same participant"):
        tally(TallyConfig(answers=save(page.parent, plain, plain), key=str(key_path)))


def test_places_that_would_spoil_a_study_are_refused(made, methods):
    folder = made[0].parent
    with pytest.raises(ValueError, match="is not empty"):
        study(config_of(methods, folder))
    new = config_of(methods, folder / "new")
    with pytest.raises(ValueError, match="exists"):
        study(StudyConfig(methods=new.methods, out=new.out, key=str(folder / "key.json")))
    with pytest.raises(ValueError, match="where everybody would find it"):
        study(StudyConfig(methods=new.methods, out=new.out, key=f"{new.out}/key.json"))
    with pytest.raises(ValueError, match="there are 2"):
        study(StudyConfig(methods=new.methods, out=new.out, key=new.key, clips=3))


# A document with as much of a browser as the page asks for, and a visitor who answers everything.
VISIT = """
const fs = require("fs"), vm = require("vm");
const text = fs.readFileSync(process.argv[1], "utf8");
const data = /id="data">([^]*?)<\\/script>/.exec(text)[1];
const script = /<script>([^]*?)<\\/script>/.exec(text)[1];
class Node {
  constructor(tag) { this.tag = tag; this.kids = []; this.on = {}; this.classes = new Set();
    const all = this.classes;
    this.classList = { toggle: (name, on) => on ? all.add(name) : all.delete(name) }; }
  append(...kids) { this.kids.push(...kids); }
  replaceChildren() { this.kids = []; }
  addEventListener(name, act) { this.on[name] = act; }
  click() { if (this.on.click) this.on.click(); else saved.push(this); }
  all(tag) { return this.kids.flatMap((k) => k instanceof Node ?
    [...(k.tag === tag ? [k] : []), ...k.all(tag)] : []); }
  querySelectorAll(tag) { return this.all(tag); }
  querySelector() { return this.all("input").find((i) => i.checked) || null; }
}
const saved = [], places = {};
for (const id of ["data", "say", "trial", "next"]) places[id] = new Node(id);
places.data.textContent = data;
let blob = null;
const world = {
  document: { getElementById: (id) => places[id], createElement: (tag) => new Node(tag) },
  crypto: require("crypto").webcrypto, localStorage: { getItem: () => null, setItem() {} },
  URL: { createObjectURL: () => "blob:" }, Blob: class { constructor(parts) { blob = parts[0]; } },
  JSON, Date, Math, Array, Uint8Array, Uint32Array, String, Number,
};
vm.runInNewContext(script, world);
const next = places.next, orders = [];
next.click();
for (let i = 0; i < 50 && next.textContent === "Next"; i++) {
  next.click();
  const marked = places.trial.all("fieldset").filter((f) => f.classes.has("wanting")).length;
  const sets = places.trial.all("fieldset");
  if (marked !== sets.length) throw new Error("an empty screen was taken");
  orders.push(places.trial.all("video").map((v) => v.src));
  for (const set of sets) set.all("input").pop().checked = true;
  next.click();
}
next.click();
console.log(JSON.stringify({ answers: JSON.parse(blob), orders }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the page's script")
@pytest.mark.parametrize("form", ["best", "opinion"])
def test_a_visit_gives_answers_that_can_be_tallied(methods, tmp_path, form):
    study(config_of(methods, tmp_path, form=form))
    visits = []
    for _ in range(6):
        command = ["node", "-e", VISIT, str(tmp_path / "page/index.html")]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        visits.append(json.loads(run.stdout))
    paths = save(tmp_path, *(visit["answers"] for visit in visits))
    text = tally(TallyConfig(answers=paths, key=str(tmp_path / "key.json")))
    assert "6 participants, 2 clips" in text
    if form == "opinion":
        # The last choice is the best.
        assert "5.00 &plusmn; 0.00" in text
    # Visitors see screens and videos in orders of their own.
    assert len({json.dumps(visit["orders"]) for visit in visits}) > 1
