"""What every table shares: the declarative base, constraint names, and the types of its columns."""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import Annotated, ClassVar, TypeVar

from sqlalchemy import BigInteger, Dialect, MetaData, String, Table, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator

from models.interval import from_microseconds, to_microseconds

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


E = TypeVar("E", bound=Enum)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    __table__: ClassVar[Table]


class Instant(TypeDecorator[dt.datetime]):
    """An aware UTC datetime, kept as integer microseconds since 1970.

    SQLite gives timestamps with a zone back naive, and both databases compare integers faster.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> dt.datetime | None:
        return None if value is None else from_microseconds(value)


class Spelled(TypeDecorator[E]):
    """A member of an enum, kept by its name, so that a row can be read without the code."""

    impl = String
    cache_ok = True

    def __init__(self, of: type[E], width: int | None = None) -> None:
        """The width is that of the longest name; an enum that will grow is given room."""
        self.of = of
        super().__init__(width or max(len(member.name) for member in of))

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        return None if value is None else value.name

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        return None if value is None else self.of[value]


# Text that is compared and sorted by code point on both databases, whatever their locale: keyset pages depend on it.
Collated = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

Key = Annotated[int, mapped_column(BigInteger)]
Moment = Annotated[dt.datetime, mapped_column(Instant)]
SortText = Annotated[str, mapped_column(Collated)]
