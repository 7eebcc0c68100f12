import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viseme_core.checkpoint import StageHeader, header_from_plain, header_to_plain
from viseme_core.checkpoint.header import header_from_metadata, header_to_metadata

leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=4)
leaves |= st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
configs = st.dictionaries(st.text(max_size=4), plain, max_size=4)
names = st.none() | st.text(min_size=1, max_size=8)
headers = st.builds(
    StageHeader,
    stage=st.text(min_size=1, max_size=8),
    system=st.text(max_size=8),
    config=configs,
    audio=st.none() | configs,
    face_model=names,
    layout=names,
)


@given(headers)
@settings(max_examples=100, deadline=None)
def test_any_header_comes_back_equal_from_both_forms(header: StageHeader) -> None:
    assert header_from_plain(header_to_plain(header)) == header
    metadata = header_to_metadata(header)
    assert all(isinstance(text, str) for text in metadata.values())
    assert header_from_metadata(metadata, where="file") == header


def test_metadata_are_the_eight_of_the_contract(header: StageHeader) -> None:
    metadata = header_to_metadata(header)
    assert json.loads(metadata.pop("config")) == {
        "width": 8,
        "rates": [1, 2.5],
        "net": {"kind": "plain", "limit": None},
    }
    assert json.loads(metadata.pop("audio")) == {"encoder": "mel", "bands": 80}
    assert metadata == {
        "format": "viseme-stage",
        "version": "1",
        "stage": "motion",
        "system": "fd2talk",
        "face_model": "builtin@0123abcd",
        "layout": "",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format": "gguf"},
            r"^here is no viseme stage: its format must be 'viseme-stage', got",
        ),
        ({"version": 2}, r"^here has format version 2, this viseme reads up to 1; upgrade viseme"),
        ({"version": "new"}, r"^here is damaged: its version must be a number, got 'new'"),
        ({"version": 0}, r"^here is damaged: its version must be a number, got 0"),
        ({"extra": 1}, r"^here: header has no field 'extra'"),
        ({"config": "x"}, r"^here: header\.config must be a mapping, got 'x'"),
        ({"stage": ""}, r"StageHeader\.stage must name the stage"),
    ],
)
def test_a_header_that_does_not_fit_says_why(
    header: StageHeader, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        header_from_plain({**header_to_plain(header), **changes}, where="here")


def test_a_header_without_its_stage_says_so(header: StageHeader) -> None:
    fields = header_to_plain(header)
    del fields["stage"]
    with pytest.raises(ValueError, match=r"^checkpoint: header lacks 'stage'"):
        header_from_plain(fields)


@pytest.mark.parametrize("key", ["config", "audio"])
def test_metadata_with_broken_json_name_the_key(header: StageHeader, key: str) -> None:
    metadata = header_to_metadata(header)
    metadata[key] = metadata[key][:-1]
    with pytest.raises(ValueError, match=rf"^a\.safetensors is damaged: its {key} is not JSON"):
        header_from_metadata(metadata, where="a.safetensors")


@pytest.mark.parametrize("name", ["face_model", "layout"])
def test_an_empty_name_is_refused_because_none_says_it(header: StageHeader, name: str) -> None:
    with pytest.raises(ValueError, match=rf"StageHeader\.{name} must be a name or None"):
        replace(header, **{name: ""})


def test_a_config_that_json_cannot_hold_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="plain values only, got object"):
        StageHeader(stage="motion", config={"a": object()})
