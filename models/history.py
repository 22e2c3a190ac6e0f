"""What was believed of a learner, and how a new fact changes it.

A fact is something held to be so from one instant to another: activity in the organization, membership of a team,
access to a library. Each time we learn something else about it a new belief is recorded; the former one stays, and
holds until its successor's recorded time. The functions below decide, without a database or a clock, which beliefs
an act adds; `resolvers.history` records them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled
from models.errors import BillingError, BillingErrorCode, HistoryError, HistoryErrorCode
from models.interval import BEGINNING, FOREVER, Bounds, Interval, coalesce


class Quality(Enum):
    EXACT = "both ends are known (an open end counts as known)"
    BOUNDED = "an end lies between two known instants"
    LOST = "an end was lost and is bounded by nothing of its own"


class Source(Enum):
    """Where a fact came from."""

    API = "a mutation"
    ROSTER = "a roster import"
    CORRECTION = "a correction by hand, with a reason"
    TRANSFER = "a transfer between organizations"


class Act(Base):
    """One thing learned by an organization: when we learned it, from whom, and why. Insert-only."""

    __tablename__ = "act"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    recorded_at: Mapped[Moment] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(String(200))
    source: Mapped[Source] = mapped_column(Spelled(Source))
    reason: Mapped[str | None] = mapped_column(Text)


class Belief(Base):
    """What an act held to be so of one fact. The last recorded belief of a fact is the one held now. Insert-only."""

    __tablename__ = "belief"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    fact_id: Mapped[Key] = mapped_column(primary_key=True)
    recorded_at: Mapped[Moment] = mapped_column(primary_key=True)
    learner_id: Mapped[Key]
    scope_id: Mapped[Key]
    from_earliest: Mapped[Moment]
    from_latest: Mapped[Moment]
    to_earliest: Mapped[Moment]
    to_latest: Mapped[Moment]
    quality: Mapped[Quality] = mapped_column(Spelled(Quality))
    holds: Mapped[bool] = mapped_column(Boolean)
    """False once it is believed that this never was."""

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "recorded_at"], ["act.organization_id", "act.recorded_at"]),
        ForeignKeyConstraint(["organization_id", "learner_id"], ["learner.organization_id", "learner.id"]),
        ForeignKeyConstraint(["organization_id", "scope_id"], ["scope.organization_id", "scope.id"]),
        CheckConstraint("from_earliest <= from_latest AND to_earliest <= to_latest", name="bounds"),
        CheckConstraint("from_earliest < to_earliest AND from_latest < to_latest", name="forward"),
        Index(None, "organization_id", "learner_id", "scope_id"),
        Index(None, "organization_id", "scope_id", "learner_id"),
        {"sqlite_with_rowid": False},
    )


def quality_of(bounds: Bounds) -> Quality:
    if bounds.is_exact:
        return Quality.EXACT
    lost_start = bounds.from_earliest == BEGINNING
    lost_end = bounds.to_latest == FOREVER and bounds.to_earliest != FOREVER
    return Quality.LOST if lost_start or lost_end else Quality.BOUNDED


# ------------------------------------------------------------------------------------------- decisions


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact as it is held now."""

    fact_id: int
    scope_id: int
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class Change:
    """A belief to record: of a known fact, or of a new one where `fact_id` is None."""

    scope_id: int
    bounds: Bounds
    fact_id: int | None = None
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """All that is held of one learner now. The organization's own scope has the organization's id."""

    organization_id: int
    facts: tuple[Fact, ...] = ()

    def of(self, scope_id: int) -> list[Fact]:
        return [fact for fact in self.facts if fact.scope_id == scope_id]

    @property
    def activity(self) -> list[Fact]:
        return self.of(self.organization_id)

    def without(self, scope_id: int) -> Held:
        """What is held but for one scope."""
        return replace(self, facts=tuple(fact for fact in self.facts if fact.scope_id != scope_id))

    def windows(self, scope_id: int) -> list[Interval]:
        """What is exactly known in a scope, coalesced. For a team it is membership, for a library access."""
        return coalesce(exact for fact in self.of(scope_id) if (exact := fact.bounds.exact))

    def scopes_at(self, instant: dt.datetime, among: Iterable[int]) -> list[int]:
        return [scope_id for scope_id in among if any(w.covers(instant) for w in self.windows(scope_id))]


def opened(held: Held, scope_id: int, span: Interval) -> list[Change]:
    """Something began to be so. The same again changes nothing; a later one makes an open end ambiguous."""
    for window in held.windows(scope_id):
        if window == span or (window.start == span.start and span.is_open):
            return []
        if window.covers(span.start):
            raise HistoryError(
                HistoryErrorCode.ALREADY_ACTIVE,
                f"This has been so since {_words(window.start)}; to change since when, correct that window.",
                "at",
            )
        if span.overlaps(window):
            raise HistoryError(
                HistoryErrorCode.END_REQUIRED,
                f"A later window starts at {_words(window.start)}: say until when this one lasted, at the latest then.",
                "until",
            )
    return [Change(scope_id, Bounds.exactly(span))]


def closed(held: Held, scope_id: int, at: dt.datetime, now: dt.datetime) -> list[Change]:
    """Something ended. Every fact that reaches beyond is cut there, and its start is kept."""
    windows = held.windows(scope_id)
    if any(window.end == at for window in windows):
        return []
    covering = next((window for window in windows if window.start < at < window.end), None)
    if covering is None:
        return _close_uncertain(held, scope_id, at)
    if not covering.is_open and covering.end <= now:
        raise HistoryError(
            HistoryErrorCode.ALREADY_DEACTIVATED,
            f"This already ended, at {_words(covering.end)}; to change when, correct the window.",
            "at",
        )
    inside = [f for f in held.of(scope_id) if (exact := f.bounds.exact) and covering.overlaps(exact)]
    return [change for fact in inside if (change := _cut(fact, at))]


def _cut(fact: Fact, at: dt.datetime) -> Change | None:
    """The fact ended at an instant at the latest; if it would have begun only then, it never was."""
    bounds = fact.bounds
    if bounds.to_latest <= at:
        return None
    if bounds.from_earliest >= at:
        return Change(fact.scope_id, bounds, fact.fact_id, holds=False)
    cut = Bounds.possible(bounds.from_earliest, min(bounds.from_latest, at), min(bounds.to_earliest, at), at)
    return Change(fact.scope_id, cut, fact.fact_id) if cut else None


def excluded(held: Held, scope_id: int, span: Interval) -> list[Change]:
    """Somebody is not billed from when until when. The same again changes nothing; touching ones become one."""
    windows = held.windows(scope_id)
    if span in windows or any(fact.bounds.exact == span for fact in held.of(scope_id)):
        return []
    for window in windows:
        if span.overlaps(window):
            raise BillingError(
                BillingErrorCode.ALREADY_EXCLUDED,
                f"The learner is excluded from {_words(window.start)} to {_words(window.end)} already: "
                "end that at another time, or add only what is before or after it.",
                "start",
            )
    return [Change(scope_id, Bounds.exactly(span))]


def no_longer_excluded(held: Held, scope_id: int, at: dt.datetime) -> list[Change]:
    """An exclusion ends, or turns out to have ended; one that would begin only then never was."""
    windows = held.windows(scope_id)
    if any(window.end == at for window in windows):
        return []
    covering = next((window for window in windows if window.covers(at)), None)
    if covering is None:
        raise BillingError(
            BillingErrorCode.NOT_EXCLUDED, f"The learner is not excluded shortly before {_words(at)}.", "end"
        )
    inside = [fact for fact in held.of(scope_id) if (exact := fact.bounds.exact) and covering.overlaps(exact)]
    return [change for fact in inside if (change := _cut(fact, at))]


def _close_uncertain(held: Held, scope_id: int, at: dt.datetime) -> list[Change]:
    """Nobody knows since when, but now it is known until when."""
    for fact in held.of(scope_id):
        bounds = fact.bounds
        if bounds.is_exact or not bounds.from_earliest < at <= bounds.to_latest:
            continue
        if bounds.to_earliest == bounds.to_latest == at:
            return []
        ended = Bounds.possible(bounds.from_earliest, min(bounds.from_latest, at), at, at)
        if ended:
            return [Change(scope_id, ended, fact.fact_id)]
    raise HistoryError(
        HistoryErrorCode.NOT_ACTIVE, f"This is not so shortly before {_words(at)}: it cannot end then.", "at"
    )


def moved(held: Held, from_team: int, to_team: int, at: dt.datetime, now: dt.datetime) -> list[Change]:
    """Membership of one team ends and of another begins, at one instant. Activity is untouched."""
    leaving = next((w for w in held.windows(from_team) if w.start <= at < w.end), None)
    if leaving is None:
        return _already_moved(held, from_team, to_team, at)
    if any(window.covers(at) for window in held.windows(to_team)):
        joined: list[Change] = []
    else:
        joined = opened(held, to_team, Interval(at, leaving.end))
    left = [
        Fact(f.fact_id, from_team, f.bounds)
        for f in held.of(from_team)
        if (e := f.bounds.exact) and leaving.overlaps(e)
    ]
    return [change for fact in left if (change := _cut(fact, at))] + joined


def _already_moved(held: Held, from_team: int, to_team: int, at: dt.datetime) -> list[Change]:
    left = any(window.end == at for window in held.windows(from_team))
    if left and any(window.covers(at) for window in held.windows(to_team)):
        return []
    raise HistoryError(
        HistoryErrorCode.NOT_A_MEMBER,
        f"The learner is not a member of the team to be left at {_words(at)}.",
        "fromTeam",
    )


def corrected(held: Held, scope_id: int, window: Interval | Bounds, to: Bounds | None) -> list[Change]:
    """A window was not as believed: it was `to`, or never was. Facts that made it up are superseded, not lost.

    Memberships and accesses that began or ended with the window move with it, since they were learned together.
    """
    widest = window.widest if isinstance(window, Bounds) else window
    inside = [f for f in held.of(scope_id) if _is_part(f.bounds, window)]
    if not inside:
        raise HistoryError(HistoryErrorCode.NOT_A_WINDOW, "There is no such window now. Look again.", "window")
    first, *others = inside
    changes = [Change(scope_id, fact.bounds, fact.fact_id, holds=False) for fact in others]
    if to is None:
        return [Change(scope_id, first.bounds, first.fact_id, holds=False), *changes]
    _refuse_overlap(held, scope_id, widest, to)
    if to == first.bounds and not others:
        return []
    return [Change(scope_id, to, first.fact_id), *changes, *_moved_along(held, scope_id, window, to)]


def _is_part(bounds: Bounds, window: Interval | Bounds) -> bool:
    if isinstance(window, Bounds):
        return bounds == window
    return bounds.exact is not None and window.start <= bounds.exact.start and bounds.exact.end <= window.end


def _refuse_overlap(held: Held, scope_id: int, former: Interval, to: Bounds) -> None:
    """A corrected window may not swallow another one: that would be a second correction, unseen."""
    for other in held.windows(scope_id):
        is_other = not former.overlaps(other)
        if is_other and to.exact and to.exact.start <= other.end and other.start <= to.exact.end:
            raise HistoryError(
                HistoryErrorCode.END_REQUIRED,
                f"This would run into another window, {_words(other.start)} to {_words(other.end)}: mend that first.",
                "to",
            )


def _moved_along(held: Held, scope_id: int, window: Interval | Bounds, to: Bounds) -> list[Change]:
    if scope_id != held.organization_id:
        return []
    was = window if isinstance(window, Bounds) else Bounds.exactly(window)
    beside = [fact for fact in held.facts if fact.scope_id != scope_id]
    return [change for fact in beside if (change := _follow(fact, was, to))]


def _follow(fact: Fact, was: Bounds, to: Bounds) -> Change | None:
    bounds, moved_bounds = fact.bounds, fact.bounds
    if (bounds.from_earliest, bounds.from_latest) == (was.from_earliest, was.from_latest):
        moved_bounds = replace(moved_bounds, from_earliest=to.from_earliest, from_latest=to.from_latest)
    if (bounds.to_earliest, bounds.to_latest) == (was.to_earliest, was.to_latest) and was.to_latest != FOREVER:
        moved_bounds = replace(moved_bounds, to_earliest=to.to_earliest, to_latest=to.to_latest)
    possible = Bounds.possible(
        moved_bounds.from_earliest, moved_bounds.from_latest, moved_bounds.to_earliest, moved_bounds.to_latest
    )
    if possible is None or possible == bounds:
        return None
    return Change(fact.scope_id, possible, fact.fact_id)


def _words(instant: dt.datetime) -> str:
    return "no end" if instant == FOREVER else instant.strftime("%Y-%m-%d %H:%M:%S UTC")
