"""Activity windows, and the only five questions that can be asked of them.

Windows are derived from beliefs (`models.derivation`) for each scope: the whole organization, a team, a library. A
window of a team is activity while a member; of a library, activity while having access. Windows that overlap or touch
are one. Each is known from one recorded time to the next, so that any question can be asked as it was known then.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from sqlalchemy import Boolean, CheckConstraint, ColumnElement, ForeignKeyConstraint, Index, SmallInteger, and_, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.expression import FromClause

from models.base import Base, Key, Moment, Spelled
from models.history import Quality

LEARNER = ["learner.organization_id", "learner.id"]
SCOPE = ["scope.organization_id", "scope.id"]


def in_a_scope() -> tuple[ForeignKeyConstraint, ForeignKeyConstraint]:
    return (
        ForeignKeyConstraint(["organization_id", "learner_id"], LEARNER),
        ForeignKeyConstraint(["organization_id", "scope_id"], SCOPE),
    )


class Window(Base):
    """What is known now. A chain of ends makes the database itself refuse overlaps: each window but a learner's
    first names the end of the one before it, no two name the same one, and each starts after the end it names.
    """

    __tablename__ = "activity_window"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    scope_id: Mapped[Key] = mapped_column(primary_key=True)
    learner_id: Mapped[Key] = mapped_column(primary_key=True)
    to_at: Mapped[Moment] = mapped_column(primary_key=True)
    from_at: Mapped[Moment]
    previous_to: Mapped[Moment | None]
    known_from: Mapped[Moment]

    __table_args__ = (
        *in_a_scope(),
        ForeignKeyConstraint(
            ["organization_id", "scope_id", "learner_id", "previous_to"],
            [f"activity_window.{key}" for key in ("organization_id", "scope_id", "learner_id", "to_at")],
            name="fk_activity_window_previous",
            deferrable=True,
            initially="DEFERRED",
        ),
        CheckConstraint("from_at < to_at", name="forward"),
        CheckConstraint("previous_to < from_at", name="apart"),
        Index(
            "uq_activity_window_first",
            *("organization_id", "scope_id", "learner_id"),
            unique=True,
            sqlite_where=text("previous_to IS NULL"),
            postgresql_where=text("previous_to IS NULL"),
        ),
        Index(
            "uq_activity_window_follower",
            *("organization_id", "scope_id", "learner_id", "previous_to"),
            unique=True,
            sqlite_where=text("previous_to IS NOT NULL"),
            postgresql_where=text("previous_to IS NOT NULL"),
        ),
        Index(
            "ix_activity_window_by_end",
            *("organization_id", "scope_id", "to_at", "from_at", "learner_id", "previous_to", "known_from"),
        ),
        Index(
            "ix_activity_window_by_start",
            *("organization_id", "scope_id", "from_at", "to_at", "learner_id", "previous_to", "known_from"),
        ),
        {"sqlite_with_rowid": False},
    )


class FormerWindow(Base):
    """A window as it was known from `known_from` until, not including, `known_until`."""

    __tablename__ = "former_activity_window"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    scope_id: Mapped[Key] = mapped_column(primary_key=True)
    learner_id: Mapped[Key] = mapped_column(primary_key=True)
    to_at: Mapped[Moment] = mapped_column(primary_key=True)
    known_from: Mapped[Moment] = mapped_column(primary_key=True)
    from_at: Mapped[Moment]
    previous_to: Mapped[Moment | None]
    known_until: Mapped[Moment]

    __table_args__ = (
        *in_a_scope(),
        CheckConstraint("from_at < to_at", name="forward"),
        CheckConstraint("known_from < known_until", name="known_forward"),
        Index(
            "ix_former_activity_window_by_known",
            *("organization_id", "scope_id", "known_until", "known_from", "learner_id"),
        ),
        {"sqlite_with_rowid": False},
    )


class UncertainWindow(Base):
    """A window of which a date is lost: it starts and ends within bounds. Kept out of coalescing and of the chain;
    a current one is known until FOREVER. See `models.interval.Bounds`.
    """

    __tablename__ = "uncertain_activity_window"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    scope_id: Mapped[Key] = mapped_column(primary_key=True)
    learner_id: Mapped[Key] = mapped_column(primary_key=True)
    known_from: Mapped[Moment] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    known_until: Mapped[Moment]
    quality: Mapped[Quality] = mapped_column(Spelled(Quality))
    from_earliest: Mapped[Moment]
    from_latest: Mapped[Moment]
    to_earliest: Mapped[Moment]
    to_latest: Mapped[Moment]
    may_be_empty: Mapped[bool] = mapped_column(Boolean)

    __table_args__ = (
        *in_a_scope(),
        CheckConstraint("from_earliest <= from_latest AND to_earliest <= to_latest", name="bounds"),
        CheckConstraint("from_earliest < to_earliest AND from_latest < to_latest", name="forward"),
        CheckConstraint("known_from < known_until", name="known_forward"),
        Index(
            "ix_uncertain_activity_window_by_end",
            *("organization_id", "scope_id", "to_latest", "from_earliest", "learner_id"),
        ),
    )


class Predicate(Enum):
    """What is asked of a window `[from, to)`. The first needs one instant, `a`; the others a range, `[a, b)`."""

    ACTIVE_AT = "from <= a < to: active at this instant, as counted at a billing cutoff"
    ACTIVE_DURING = "from < b and to > a: active at any time in the range"
    ACTIVE_THROUGHOUT = "from <= a and to >= b: active during the whole range"
    ACTIVATED_WITHIN = "a <= from < b: became active in the range"
    DEACTIVATED_WITHIN = "a < to <= b: was last active in the range"

    @property
    def once_a_learner(self) -> bool:
        """Whether at most one of a learner's windows can satisfy it, so that windows need not be told apart."""
        return self in (Predicate.ACTIVE_AT, Predicate.ACTIVE_THROUGHOUT)


Instants: TypeAlias = ColumnElement[dt.datetime]


@dataclass(frozen=True, slots=True)
class Edges:
    """The columns between which a window starts and ends; those of an exact window coincide."""

    from_earliest: Instants
    from_latest: Instants
    to_earliest: Instants
    to_latest: Instants


def exact_edges(window: FromClause) -> Edges:
    return Edges(window.c.from_at, window.c.from_at, window.c.to_at, window.c.to_at)


def uncertain_edges(window: FromClause) -> Edges:
    return Edges(window.c.from_earliest, window.c.from_latest, window.c.to_earliest, window.c.to_latest)


def certainly(predicate: Predicate, window: Edges, a: Instants, b: Instants) -> ColumnElement[bool]:
    """True if every completion of the window satisfies the predicate."""
    match predicate:
        case Predicate.ACTIVE_AT:
            return and_(window.from_latest <= a, window.to_earliest > a)
        case Predicate.ACTIVE_DURING:
            return and_(window.from_latest < b, window.to_earliest > a)
        case Predicate.ACTIVE_THROUGHOUT:
            return and_(window.from_latest <= a, window.to_earliest >= b)
        case Predicate.ACTIVATED_WITHIN:
            return and_(window.from_earliest >= a, window.from_latest < b)
        case Predicate.DEACTIVATED_WITHIN:
            return and_(window.to_earliest > a, window.to_latest <= b)


def possibly(predicate: Predicate, window: Edges, a: Instants, b: Instants) -> ColumnElement[bool]:
    """True if some completion of the window satisfies the predicate."""
    match predicate:
        case Predicate.ACTIVE_AT:
            return and_(window.from_earliest <= a, window.to_latest > a)
        case Predicate.ACTIVE_DURING:
            return and_(window.from_earliest < b, window.to_latest > a)
        case Predicate.ACTIVE_THROUGHOUT:
            return and_(window.from_earliest <= a, window.to_latest >= b)
        case Predicate.ACTIVATED_WITHIN:
            return and_(window.from_latest >= a, window.from_earliest < b)
        case Predicate.DEACTIVATED_WITHIN:
            return and_(window.to_latest > a, window.to_earliest <= b)
