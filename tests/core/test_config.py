import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viseme_core.audio.config import (
    AudioConfig,
    LogMelConfig,
    PretrainedConfig,
    Wav2LipMelConfig,
)
from viseme_core.config import from_plain, to_plain


@dataclass(frozen=True, kw_only=True)
class Inner:
    width: int = 8
    kind: Literal["plain", "gated"] = "plain"
    rates: tuple[int, ...] = (1, 2, 4)


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    scale: float = 1.0
    use_bias: bool = True
    limit: int | None = None
    size: tuple[int, int] = (4, 4)
    inner: Inner = dataclasses.field(default_factory=Inner)
    others: tuple[Inner, ...] = ()
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    either: Inner | str = "none"
    free: Any = None


integers = st.integers(-(2**31), 2**31)
floats = st.floats(allow_nan=False, allow_infinity=False)
inners = st.builds(
    Inner,
    width=integers,
    kind=st.sampled_from(["plain", "gated"]),
    rates=st.lists(integers, max_size=3).map(tuple),
)
outers = st.builds(
    Outer,
    name=st.text(max_size=5),
    scale=floats,
    use_bias=st.booleans(),
    limit=st.none() | integers,
    size=st.tuples(integers, integers),
    inner=inners,
    others=st.lists(inners, max_size=2).map(tuple),
    weights=st.dictionaries(st.text(max_size=4), floats, max_size=3),
    either=st.text(max_size=4) | inners,
    free=st.none() | st.integers() | st.lists(st.booleans(), max_size=2),
)


@given(outers)
@settings(max_examples=100, deadline=None)
def test_any_config_comes_back_equal_through_json(config: Outer) -> None:
    text = json.dumps(to_plain(config), allow_nan=False)
    back = from_plain(Outer, json.loads(text))
    assert back == config
    # Equality alone would let 1.0 pass for 1 and a list for a tuple inside another list.
    assert repr(back) == repr(config)


def test_plain_form_is_what_a_reader_of_yaml_expects() -> None:
    config = Outer(name="a", size=(2, 3), others=(Inner(width=1, rates=()),))
    assert to_plain(config) == {
        "name": "a",
        "scale": 1.0,
        "use_bias": True,
        "limit": None,
        "size": [2, 3],
        "inner": {"width": 8, "kind": "plain", "rates": [1, 2, 4]},
        "others": [{"width": 1, "kind": "plain", "rates": []}],
        "weights": {},
        "either": "none",
        "free": None,
    }


def test_fields_left_out_keep_their_defaults() -> None:
    assert from_plain(Outer, {"name": "a", "inner": {"width": 3}}) == Outer(
        name="a", inner=Inner(width=3)
    )


def test_whole_numbers_serve_as_floats() -> None:
    scale = from_plain(Outer, {"name": "a", "scale": 2}).scale
    assert (scale, type(scale)) == (2.0, float)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"name": "a", "widht": 3}, r"^config has no field 'widht'; Outer knows either, free"),
        ({"name": "a", 3: 4, "x": 5}, r"^config has no field 'x', 3; Outer knows"),
        ({"name": "a", "inner": {"kin": 3}}, r"^config\.inner has no field 'kin'; Inner knows"),
        ({"scale": 1.0}, r"^config lacks 'name' \(Outer\)"),
        ({"name": 3}, r"^config\.name must be str, got int 3"),
        ({"name": "a", "inner": {"width": 1.5}}, r"^config\.inner\.width must be int, got float"),
        ({"name": "a", "inner": {"width": True}}, r"^config\.inner\.width must be int, got bool"),
        ({"name": "a", "use_bias": 1}, r"^config\.use_bias must be bool, got int 1"),
        ({"name": "a", "scale": True}, r"^config\.scale must be float, got bool"),
        ({"name": "a", "inner": {"kind": "odd"}}, r"^config\.inner\.kind must be one of .*gated"),
        ({"name": "a", "limit": "x"}, r"^config\.limit must be int, got str 'x'"),
        ({"name": "a", "size": [1, 2, 3]}, r"^config\.size must have 2 entries, got 3"),
        ({"name": "a", "size": 4}, r"^config\.size must be a list, got 4"),
        ({"name": "a", "others": [{}, {"width": "w"}]}, r"^config\.others\[1\]\.width must be int"),
        ({"name": "a", "weights": {"lip": "w"}}, r"^config\.weights\.lip must be float, got str"),
        ({"name": "a", "weights": [1]}, r"^config\.weights must be a mapping, got \[1\]"),
        ({"name": "a", "inner": 3}, r"^config\.inner must be a mapping of Inner's fields, got 3"),
        (
            {"name": "a", "either": 3},
            r"config\.either must be a mapping .*; or config\.either",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_path(plain: dict[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_plain(Outer, plain)


@dataclass(frozen=True, kw_only=True)
class Circle:
    kind: Literal["circle", "disc"] = "circle"
    radius: float = 1.0
    colour: Literal["red", "blue"] = "red"


@dataclass(frozen=True, kw_only=True)
class Square:
    kind: Literal["square"] = "square"
    side: float = 1.0
    colour: Literal["red", "blue"] = "red"


@dataclass(frozen=True, kw_only=True)
class Path:
    points: tuple[int, ...]
    colour: str = "red"


@dataclass(frozen=True, kw_only=True)
class Drawing:
    shape: Circle | Square | None = None
    shapes: tuple[Circle | Square | Path, ...] = ()


@pytest.mark.parametrize(
    "config",
    [
        Drawing(),
        Drawing(shape=Circle(colour="blue")),
        Drawing(shape=Square(), shapes=(Square(side=2.0), Circle(kind="disc"), Path(points=(1,)))),
    ],
)
def test_members_of_unions_come_back_as_what_they_were(config: Drawing) -> None:
    back = from_plain(Drawing, json.loads(json.dumps(to_plain(config))))
    assert repr(back) == repr(config)


@pytest.mark.parametrize(
    ("plain", "member"),
    [
        ({"kind": "disc"}, Circle(kind="disc")),
        ({"kind": "square"}, Square()),
        ({"side": 3.0}, Square(side=3.0)),
        ({"side": 3.0, "colour": "red"}, Square(side=3.0)),
        ({"points": [1], "colour": "red"}, Path(points=(1,))),
        ({"points": [1], "colour": "green"}, Path(points=(1,), colour="green")),
    ],
)
def test_a_tag_or_the_keys_choose_among_dataclasses(plain: dict[str, Any], member: Any) -> None:
    assert from_plain(Circle | Square | Path, plain) == member


@pytest.mark.parametrize("config", [
    LogMelConfig(window=30),
    Wav2LipMelConfig(window=30),
    PretrainedConfig(kind="whisper", path="a", window=30),
], ids=lambda config: config.kind)  # fmt: skip
def test_an_audio_config_comes_back_through_its_union(config: AudioConfig) -> None:
    assert from_plain(AudioConfig, to_plain(config)) == config


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({}, r"^audio\.kind must be one of \('logmel', .*'whisper'\), got None$"),
        ({"kind": "mp3"}, r"^audio\.kind must be one of \('logmel', .*'whisper'\), got 'mp3'$"),
        ({"kind": "logmel", "path": "a"}, r"^audio has no field 'path'; LogMelConfig knows"),
        ({"kind": "hubert"}, r"^audio lacks 'path' \(PretrainedConfig\)"),
        ("logmel", r"^audio must be a mapping of LogMelConfig's fields, got 'logmel'; or audio"),
    ],
)
def test_a_mapping_that_fits_none_or_several_is_refused(plain: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_plain(AudioConfig, plain, where="audio")


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({}, r"^config fits Circle and Square alike; its keys are none$"),
        ({"colour": "red"}, r"^config fits Circle and Square alike; its keys are 'colour'$"),
        ({"side": 1, "points": [2]}, r"^config fits none of Circle and Square and Path; its keys"),
    ],
)
def test_without_a_tag_in_common_the_keys_must_tell(plain: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_plain(Circle | Square | Path, plain)


def test_errors_start_with_the_path_that_the_caller_gives() -> None:
    with pytest.raises(ValueError, match=r"^motion\.config\.name must be str"):
        from_plain(Outer, {"name": 1}, where="motion.config")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "plain values only, got object"),
        ({"a": [float("inf")]}, "finite numbers only, got inf"),
        (float("nan"), "finite numbers only, got nan"),
        ({3: "a"}, "string keys only, got 3"),
    ],
)
def test_what_json_cannot_hold_is_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_plain(value)
