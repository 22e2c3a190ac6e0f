"""Scalars and enums as clients see them: instants with a zone, days, and codes that say what they mean."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, NewType, TypeVar

import strawberry
from graphql import GraphQLError
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.scalar import ScalarDefinition

from models.history import Quality, Source
from models.interval import UTC, from_microseconds
from models.organizations import ScopeKind
from models.remembered import remembered

BigInt = NewType("BigInt", int)
"""GraphQL's own Int ends at 2,147,483,647."""

LONGEST_DECIMAL = 17

E = TypeVar("E", bound=type[Enum])
F = TypeVar("F", bound=Callable[..., Any])


@remembered
def write_instant(value: object) -> str:
    """Microseconds since 1970, as the batches give them, or an aware datetime."""
    instant = from_microseconds(value) if isinstance(value, int) else value
    assert isinstance(instant, dt.datetime)  # noqa: S101  # anything else is our own mistake, and masked as such
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_instant(value: object) -> dt.datetime:
    try:
        instant = dt.datetime.fromisoformat(str(value))
    except ValueError as problem:
        raise GraphQLError(f"{value!r} is not an instant such as 2017-09-01T05:00:00Z.") from problem
    if instant.tzinfo is None:
        raise GraphQLError(f"{value!r} has no zone. Add Z for UTC, or an offset such as -05:00.")
    try:
        return instant.astimezone(UTC)
    except OverflowError as problem:
        raise GraphQLError(f"{value!r} is beyond the years that a calendar can hold.") from problem


@remembered
def write_day(value: object) -> str:
    assert isinstance(value, dt.date)  # noqa: S101
    return value.isoformat()


def read_day(value: object) -> dt.date:
    try:
        return dt.datetime.strptime(str(value), "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as problem:
        raise GraphQLError(f"{value!r} is not a day that exists, such as 2017-09-01.") from problem


def read_big(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 1 << 63:
        raise GraphQLError(f"{value!r} is not a whole number of up to 64 bits.")
    return value


def read_decimal(value: object) -> Decimal:
    """A few letters such as 1e999999 are a number that takes seconds to multiply."""
    try:
        number = Decimal(str(value)[:LONGEST_DECIMAL])
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) >= LONGEST_DECIMAL or len(str(value)) > LONGEST_DECIMAL:
        raise GraphQLError(f"{value!r} is not a decimal number of up to {LONGEST_DECIMAL} digits, such as 12.50.")
    return number


SCALARS: dict[object, ScalarDefinition] = {
    dt.datetime: strawberry.scalar(
        name="DateTime",
        description="An instant, given with its zone or offset and answered in UTC: 2017-09-01T05:00:00Z.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
        serialize=write_instant,
        parse_value=read_instant,
    ),
    dt.date: strawberry.scalar(
        name="Date",
        description="A day of the organization's billing zone, as a person would type it: 2017-09-01.",
        specified_by_url="https://scalars.graphql.org/andimarek/local-date.html",
        serialize=write_day,
        parse_value=read_day,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number of up to 64 bits; JavaScript is exact up to 9,007,199,254,740,991.",
        serialize=int,
        parse_value=read_big,
    ),
    Decimal: strawberry.scalar(
        name="Decimal", description="Decimal (fixed-point)", serialize=str, parse_value=read_decimal
    ),
}


def described(enum: E, description: str, name: str | None = None) -> E:
    """An enum of the domain as a GraphQL enum, each member described by its value."""
    made = strawberry.enum(enum, name=name, description=description)
    definition: StrawberryEnumDefinition = made.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = str(enum[value.name].value)
    return made


described(Quality, "How well the dates of a window are known.", "WindowQuality")
described(Source, "Where a fact came from.", "RecordSource")
described(ScopeKind, "What something is counted in, or held to be so of.")
