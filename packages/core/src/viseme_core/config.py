"""Between config dataclasses and the plain dictionaries that YAML and checkpoints hold."""

import dataclasses
import math
import types
from typing import (
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

T = TypeVar("T")


def to_plain(config: Any) -> Any:
    """Return a config as nested dictionaries, lists and plain values, ready for JSON.

    Raises:
        ValueError: If it holds what JSON cannot: other objects, infinity or NaN, keys that are
            not strings.
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {f.name: to_plain(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, dict):
        for key in config:
            if not isinstance(key, str):
                raise ValueError(f"configs have string keys only, got {key!r}")
        return {key: to_plain(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [to_plain(value) for value in config]
    if isinstance(config, float) and not math.isfinite(config):
        raise ValueError(f"configs hold finite numbers only, got {config}; None can mean no limit")
    if config is None or isinstance(config, bool | int | float | str):
        return config
    raise ValueError(f"configs hold plain values only, got {type(config).__name__}: {config!r}")


@overload
def from_plain(cls: type[T], plain: Any, *, where: str = "config") -> T: ...


@overload
def from_plain(cls: types.UnionType, plain: Any, *, where: str = "config") -> Any: ...


def from_plain(cls: Any, plain: Any, *, where: str = "config") -> Any:
    """Return a `cls` built from what `to_plain` made.

    Of a union of dataclasses the one is built whose `Literal` fields (a tag such as `kind`) and
    keys fit; a mapping that fits none or several of them is refused.

    Args:
        cls: Config dataclass to build, or a union of them.
        plain: Dictionary of its fields; fields left out keep their defaults.
        where: Key path that errors start with.

    Raises:
        ValueError: If a key is unknown, a required one is missing, or a value has another type.
    """
    return _build(cls, plain, where)


def _build(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _build_dataclass(kind, value, where)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _build_union(args, value, where)
    if origin is Literal:
        if value not in args:
            raise ValueError(f"{where} must be one of {args}, got {value!r}")
        return value
    if origin in (tuple, list):
        return _build_sequence(origin, args, value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{where} must be a mapping, got {value!r}")
        return {key: _build(args[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is Any:
        return value
    return _check_scalar(cast(type, kind), value, where)


def _build_dataclass(cls: type, value: Any, where: str) -> Any:
    if isinstance(value, cls):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be a mapping of {cls.__name__}'s fields, got {value!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(repr(key) for key in set(value) - set(fields))
    if unknown:
        raise ValueError(
            f"{where} has no field {', '.join(unknown)}; "
            f"{cls.__name__} knows {', '.join(sorted(fields))}"
        )
    missing = [name for name in _required(cls) if name not in value]
    if missing:
        raise ValueError(f"{where} lacks {', '.join(map(repr, missing))} ({cls.__name__})")
    hints = get_type_hints(cls)
    return cls(**{key: _build(hints[key], item, f"{where}.{key}") for key, item in value.items()})


def _required(cls: type) -> list[str]:
    return [
        f.name
        for f in dataclasses.fields(cls)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]


def _build_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    configs = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
    if isinstance(value, dict) and configs:
        return _build_dataclass(_choose(configs, value, where), value, where)
    errors = []
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return _build(kind, value, where)
        except ValueError as error:
            errors.append(str(error))
    raise ValueError("; or ".join(errors))


def _choose(configs: list[Any], value: dict[str, Any], where: str) -> Any:
    """Return the one dataclass that a mapping can be meant for: by its tags, then by its keys."""
    tags = {cls: _literal_fields(cls) for cls in configs}
    allowed = [
        cls
        for cls in configs
        if all(value[name] in options for name, options in tags[cls].items() if name in value)
    ]
    fitting = [cls for cls in allowed if set(_required(cls)) <= set(value) <= _keys(cls)]
    if len(fitting) == 1:
        return fitting[0]
    if len(allowed) == 1:
        return allowed[0]  # what is wrong with the rest is said there
    shared = set.intersection(*(set(fields) for fields in tags.values()))
    for name in sorted(shared):
        options = tuple(option for cls in configs for option in tags[cls][name])
        if value.get(name) not in options:
            raise ValueError(f"{where}.{name} must be one of {options}, got {value.get(name)!r}")
    names = " and ".join(cls.__name__ for cls in fitting or configs)
    verdict = f"fits {names} alike" if fitting else f"fits none of {names}"
    raise ValueError(f"{where} {verdict}; its keys are {', '.join(map(repr, value)) or 'none'}")


def _keys(cls: type) -> set[str]:
    return {f.name for f in dataclasses.fields(cls)}


def _literal_fields(cls: type) -> dict[str, tuple[Any, ...]]:
    hints = get_type_hints(cls).items()
    return {name: get_args(kind) for name, kind in hints if get_origin(kind) is Literal}


def _build_sequence(origin: Any, args: tuple[Any, ...], value: Any, where: str) -> Any:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{where} must be a list, got {value!r}")
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        if len(value) != len(args):
            raise ValueError(f"{where} must have {len(args)} entries, got {len(value)}")
        kinds = args
    else:
        kinds = (args[0],) * len(value)
    items = zip(kinds, value, strict=True)
    return origin(_build(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(items))


def _check_scalar(kind: type, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{where} must be {kind.__name__}, got {type(value).__name__} {value!r}")
    return value
