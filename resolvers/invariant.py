"""Something that must always hold, as one query that returns no row: whatever it does return is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, ScalarSelect, Select, Text, cast, func, literal, select


@dataclass(frozen=True, slots=True)
class Invariant:
    """`offending` selects one text a row: the keys of what is wrong, the tenant's first."""

    name: str
    meaning: str
    offending: Select[Any]


def keys_of(*columns: ColumnElement[Any]) -> ColumnElement[str]:
    texts: list[ColumnElement[str]] = [cast(columns[0], Text)]
    for column in columns[1:]:
        texts += [literal(":", Text), cast(column, Text)]
    joined = texts[0]
    for text in texts[1:]:
        joined = joined.concat(text)
    return joined.label("offending")


def sum_of(column: ColumnElement[Any], *conditions: ColumnElement[bool], of: FromClause) -> ScalarSelect[Any]:
    """The sum of a column of the rows that belong to each row of a table; none is nothing."""
    return select(func.coalesce(func.sum(column), 0)).where(*conditions).correlate(of).scalar_subquery()
