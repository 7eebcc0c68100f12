"""Names of corpora: published examples, and who is whom in them."""

import pytest

from viseme_data.layouts import ClipFacts, choose_layout

MEAD = ClipFacts(speaker="M003", language="en", emotion="angry", emotion_level=1)

EXAMPLES = [
    ("hdtf", "WDA_BarackObama_000.mp4", ClipFacts(speaker="BarackObama", language="en")),
    ("hdtf", "x/WRA_MarcoRubio_001.mp4", ClipFacts(speaker="MarcoRubio", language="en")),
    # A further video of the same person, and a piece cut from one.
    ("hdtf", "WDA_ChrisVanHollen1_000.mp4", ClipFacts(speaker="ChrisVanHollen", language="en")),
    ("hdtf", "WDA_XavierBecerra_000_2.mp4", ClipFacts(speaker="XavierBecerra", language="en")),
    ("hdtf", "RD_Radio34_002.mp4", ClipFacts(speaker="RD_Radio34", language="en")),
    ("voxceleb", "id00012/21Uxsk56VDQ/00001.mp4", ClipFacts(speaker="id00012")),
    (
        "voxceleb",
        "dev/mp4/id00012/2-Uxsk_6VDQ/00001.mp4",
        ClipFacts(speaker="id00012", sound="dev/aac/id00012/2-Uxsk_6VDQ/00001.m4a"),
    ),
    ("voxceleb", "id10283#7l0n0RKmYvU#00001.txt#000.mp4", ClipFacts(speaker="id10283")),
    (
        "mead",
        "M003/video/front/angry/level_1/001.mp4",
        ClipFacts(**{**vars(MEAD), "sound": "M003/audio/angry/level_1/001.m4a"}),
    ),
    (
        "mead",
        "MEAD/W011/video/left_60/neutral/level_1/030.mp4",
        ClipFacts(
            speaker="W011",
            language="en",
            emotion="neutral",
            emotion_level=1,
            sound="MEAD/W011/audio/neutral/level_1/030.m4a",
        ),
    ),
    ("mead", "M003_front_angry_level_1_001.mp4", MEAD),
    ("mead", "M003_level_1_angry_001.mp4", MEAD),
    ("vfhq", "Clip+2W4R9ZOOzSs+P1+C0+F1537-1825.mp4", ClipFacts(speaker="2W4R9ZOOzSs+P1")),
    ("vfhq", "test/Clip+_0N3W0+zTXk+P0+C1+F22-25.mp4", ClipFacts(speaker="_0N3W0+zTXk+P0")),
    ("chdtf", "zhang/001.mp4", ClipFacts(speaker="zhang", language="cmn")),
    ("chdtf", "zhang_wei_001.mp4", ClipFacts(speaker="zhang_wei", language="cmn")),
    ("folder", "corpus/anna/1.mp4", ClipFacts(speaker="anna")),
    ("folder", "anna.mp4", ClipFacts(speaker="anna")),
]
STRANGE = ["holiday.mp4", "id12/21Uxsk56VDQ/1.mp4", "M003/video/front/bored/level_1/001.mp4"]


@pytest.mark.parametrize(("layout", "path", "facts"), EXAMPLES, ids=[e[1] for e in EXAMPLES])
def test_a_name_tells_what_its_corpus_knows(layout, path, facts):
    assert choose_layout(layout, []).facts(path) == facts


@pytest.mark.parametrize("path", STRANGE)
@pytest.mark.parametrize("layout", ["hdtf", "voxceleb", "mead", "vfhq"])
def test_a_strange_name_tells_nothing(layout, path):
    assert choose_layout(layout, []).facts(path) is None


@pytest.mark.parametrize("layout", ["hdtf", "voxceleb", "mead", "vfhq"])
def test_auto_finds_a_corpus_and_bears_a_stray(layout):
    paths = [path for name, path, _ in EXAMPLES if name == layout]
    assert choose_layout("auto", paths).name == layout
    assert choose_layout("auto", paths * 5 + ["holiday.mp4"]).name == layout


def test_auto_takes_folders_where_no_corpus_fits():
    assert choose_layout("auto", STRANGE).name == "folder"
    assert choose_layout("auto", [path for _, path, _ in EXAMPLES]).name == "folder"
    assert choose_layout("auto", []).name == "folder"


def test_an_unknown_layout_is_refused_by_name():
    with pytest.raises(ValueError, match="hdtf, voxceleb, mead, vfhq, folder, chdtf, got 'lrs3'"):
        choose_layout("lrs3", [])  # type: ignore[arg-type]
