"""From the library's JSON to frozen dataclasses.

One reader for all of them: it is made once per type, from the annotations. A field that the JSON has and the
class has not comes from a newer library, and is left out; `to_json` of the value that was read still has it.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

T = TypeVar("T")
Reader = Callable[[Any], Any]

_SPAN = re.compile(r"(\d+)\s*(mo|ms|µs|us|ns|y|w|d|h|m|s)")
# In nanoseconds. The library writes no unit above hours; days and weeks are for people.
_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_NANOS = {unit: seconds * 1_000_000_000 for unit, seconds in _UNITS.items()}
_NANOS |= {"ms": 1_000_000, "µs": 1_000, "us": 1_000, "ns": 1}
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


def span(value: str | Mapping[str, int] | timedelta) -> timedelta:
    """Returns a duration: `1h 30m`, or seconds and nanoseconds. What is finer than a microsecond is cut off.

    >>> span("1h 2m 3s 4ms")
    datetime.timedelta(seconds=3723, microseconds=4000)
    """
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        if _SPAN.sub("", value).strip(" ,"):
            raise ValueError(f"`{value}` is not a duration such as `1h 30m`")
        nanos = sum(int(number) * _NANOS[unit] for number, unit in _SPAN.findall(value))
    else:
        nanos = int(value["secs"]) * 1_000_000_000 + int(value["nanos"])
    try:
        return timedelta(microseconds=nanos // 1_000)
    except OverflowError:
        return timedelta.max


def time(value: str | datetime) -> datetime:
    """Returns a time with its zone, UTC. What is finer than a microsecond is cut off.

    >>> time("2026-01-05T09:02:05.123456789Z").isoformat()
    '2026-01-05T09:02:05.123456+00:00'
    """
    if isinstance(value, datetime):
        return value
    found = _TIME.fullmatch(value)
    if found is None:
        raise ValueError(f"`{value}` is not a time such as `2026-01-05T09:02:05Z`")
    seconds, fraction, zone = found.groups()
    micros = (fraction or "").ljust(6, "0")[:6]
    zone = "+00:00" if zone == "Z" else zone
    return datetime.fromisoformat(f"{seconds}.{micros}{zone}").astimezone(timezone.utc)


def read(kind: type[T], value: Any) -> T:
    """Returns the value of this type that the JSON describes."""
    return typing.cast(T, _reader(kind)(value))


def tag_of(name: str) -> str:
    """Returns the tag of a variant: `step_passed` of `StepPassed`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def variants(base: type) -> dict[str, type]:
    """Returns the classes below `base` by their tags."""
    below: list[type] = base.__subclasses__()
    return {tag_of(one.__name__): one for one in below if not one.__name__.startswith("Unknown")}


_READERS: dict[Any, Reader] = {}


def _reader(kind: Any) -> Reader:
    found = _READERS.get(kind)
    if found is None:
        found = _READERS[kind] = _made(kind)
    return found


def _made(kind: Any) -> Reader:
    if kind is Any:
        return _frozen
    if kind in (str, int, float, bool):
        return float if kind is float else _same
    if kind is datetime:
        return time
    if kind is timedelta:
        return span
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(args)
    if origin is tuple:
        item = _reader(args[0])
        return lambda values: tuple(item(value) for value in values)
    if origin is typing.get_origin(Mapping[str, int]):
        item = _reader(args[1])
        return lambda values: types.MappingProxyType({key: item(value) for key, value in values.items()})
    if args and dataclasses.is_dataclass(origin):
        return _class(typing.cast(type, origin), args[0])
    if "_tag" in vars(kind):
        return _tagged(kind)
    if dataclasses.is_dataclass(kind):
        return _class(typing.cast(type, kind))
    raise TypeError(f"no reader for {kind}")


def _same(value: Any) -> Any:
    return value


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return types.MappingProxyType({key: _frozen(one) for key, one in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(one) for one in value)
    return value


def _union(args: tuple[Any, ...]) -> Reader:
    some = [arg for arg in args if arg is not type(None)]
    if len(some) == 1:
        inner = _reader(some[0])
        return lambda value: None if value is None else inner(value)
    # What was read, or why it was not.
    good, bad = _reader(some[0]), _reader(some[1])
    return lambda value: good(value["Ok"]) if "Ok" in value else bad(value["Err"])


def _tagged(base: type) -> Reader:
    tag, known = base._tag, variants(base)  # type: ignore[attr-defined]
    below: list[type] = base.__subclasses__()
    unknown = next(one for one in below if one.__name__.startswith("Unknown"))

    def reader(value: Mapping[str, Any]) -> Any:
        variant = known.get(value[tag])
        if variant is None:
            return unknown(name=value[tag], fields=_frozen(dict(value)))
        return _reader(variant)(value)

    return reader


def _class(kind: type, argument: Any = None) -> Reader:
    hints = {
        name: argument if isinstance(hint, TypeVar) else hint for name, hint in typing.get_type_hints(kind).items()
    }
    fields = [(field.name, field.name.rstrip("_"), hints[field.name]) for field in dataclasses.fields(kind)]
    normal: Reader = getattr(kind, "_normal", _same)

    def reader(value: Any) -> Any:
        value = normal(value)
        # Looked up late, since a verdict has parts that have verdicts.
        return kind(**{name: _reader(hint)(value[key]) for name, key, hint in fields if key in value})

    return reader
