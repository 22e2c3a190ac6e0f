"""One spelling of every statement, so that its digest and its signature are those of its meaning.

Canonical JSON here: UTF-8, keys in order, no space between things, whole numbers and texts and no fractions.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from models.interval import BEGINNING_US, EPOCH, FOREVER_US

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
Json = None | bool | int | str | tuple["Json", ...] | list["Json"] | Mapping[str, "Json"]


NO_INSTANT = frozenset((BEGINNING_US, FOREVER_US))
DAY_US, SECOND_US = 86_400_000_000, 1_000_000


class Malformed(ValueError):
    """What was given is not what it should be; the message says so in words."""


def canonical(value: Json) -> bytes:
    """The one text of a value. Fractions and keys that are no texts have none."""
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _plain(value: Json) -> Json:
    match value:
        case None | bool() | int() | str():
            return value
        case list() | tuple():
            return [_plain(one) for one in value]
        case Mapping():
            return {_text(key): _plain(one) for key, one in value.items()}
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _text(key: str) -> str:
    if not isinstance(key, str):
        raise TypeError("keys are texts")
    return key


def written(statement: DataclassInstance) -> bytes:
    """A statement as its canonical JSON."""
    return canonical(dataclasses.asdict(statement))


def read(of: type[T], text: bytes) -> T:
    """The statement that was written; Malformed if the text is any other than the one that `written` makes."""
    try:
        statement: T = _reader(of).validate_json(text)
        respelled = written(statement)
    except (ValidationError, RecursionError, ValueError) as problem:
        raise Malformed("it is not a JSON text of the form that Countersign writes") from problem
    if respelled != text:
        raise Malformed("it is not spelled as Countersign spells it: it was changed by hand or by another program")
    return statement


@lru_cache
def _reader(of: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(of)


def digest_of(text: bytes) -> str:
    """SHA-256, in lower-case hexadecimal digits."""
    return hashlib.sha256(text).hexdigest()


def instant_text(microseconds: int) -> str | None:
    """An instant in UTC, as `isoformat` writes it; None for one that nothing bounds, or that has not come.

    By parts, since most of a million instants share their day or their time of day.
    """
    if microseconds in NO_INSTANT:
        return None
    day, rest = divmod(microseconds, DAY_US)
    second, fraction = divmod(rest, SECOND_US)
    return f"{_day_text(day)}T{_second_text(second)}{f'.{fraction:06}' if fraction else ''}Z"


def moment_text(moment: dt.datetime) -> str:
    """The same of a moment that came."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def moment_of(text: str) -> dt.datetime:
    """Reads it; Malformed if it is none."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as problem:
        raise Malformed(f"{text!r} is not a moment such as 2017-09-01T05:00:00Z") from problem
    if moment.tzinfo is None:
        raise Malformed(f"{text!r} has no zone")
    return moment.astimezone(dt.UTC)


@cache
def _day_text(day: int) -> str:
    return (EPOCH + dt.timedelta(days=day)).date().isoformat()


@cache
def _second_text(second: int) -> str:
    return (EPOCH + dt.timedelta(seconds=second)).time().isoformat()
