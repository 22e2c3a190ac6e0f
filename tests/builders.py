"""Builders that show only what matters to a test. All is written through the resolvers, as the product writes it.

Spans are text. Days are those of the organization, both included, as a person types them: `2017-08-01..2017-09-15`;
`2017-08-01..` has not ended. With a time in it an end is an exact instant: `2017-08-01T05:00Z..2017-09-16T05:00Z`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.activity import Predicate
from models.contracts import Measure
from models.history import Belief, Change, Source, quality_of
from models.interval import (
    BEGINNING,
    FOREVER,
    UTC,
    BillingCalendar,
    Bounds,
    Interval,
    from_microseconds,
    to_microseconds,
)
from models.learners import Learner, Profile, sort_key
from models.money import money_of
from models.organizations import ScopeKind
from resolvers.activity import ActivityQuestion, Answerable, At, CutoffOf, Days, Instants, Span, answerable
from resolvers.contracts import NewTerm, TermAmendment, amend_term, set_term, withdraw_term
from resolvers.exclusions import Exclusion, exclude
from resolvers.history import (
    Activation,
    AtInstant,
    Edge,
    On,
    PersonalData,
    Place,
    Who,
    Written,
    activate,
    deactivate,
    end_of,
    start_of,
)
from resolvers.loaders.beliefs import BeliefsKey, beliefs_of_learners
from resolvers.loaders.counts import Count, Question, counts
from resolvers.loaders.learner_lists import LearnersKey, LearnersPage, ListPart, learners_of
from resolvers.loaders.learner_lists import Who as Whom
from resolvers.loaders.places import ScopeKey
from resolvers.loaders.snapshots import SnapshotKey, SnapshotRow, billing_snapshots_of, snapshots_by_id
from resolvers.loaders.windows import WindowRow, WindowsKey, WindowsPage, windows_of_learners
from resolvers.organizations import NewOrganization, create_organization, create_scope
from resolvers.principal import Principal
from resolvers.recording import Recording, add_act, begin_recording, derive_windows, end_recording, record
from resolvers.snapshots.taking import Inquiry, inquire, take_date
from server.database import Database

STAFF = Principal(name="Sam of support", role=Role.STAFF)
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = dt.timedelta(minutes=1)
_numbers = count(1)


async def organization(
    database: Database, *, zone: str = "America/Chicago", cutoff: dt.time = dt.time(), name: str = ""
) -> Tenant:
    """A new organization; its name is of no interest unless given."""
    number = next(_numbers)
    new = NewOrganization(name=name or f"Organization {number}", zone=zone, cutoff=cutoff)
    made_at = NOON - dt.timedelta(days=1) + number * MINUTE
    made = await database.run(lambda session: create_organization(session, STAFF, made_at, new))
    return Tenant(database, made, BillingCalendar.of(zone, cutoff))


@dataclass
class Tenant:
    """One organization and its clock: each act is a minute later than the one before."""

    database: Database
    id: int
    calendar: BillingCalendar
    now: dt.datetime = NOON
    _made: count[int] = field(default_factory=lambda: count(1))

    def tick(self) -> dt.datetime:
        self.now += MINUTE
        return self.now

    # ---------------------------------------------------------------------------------------- writing

    async def team(self, name: str = "") -> int:
        return await self._scope(ScopeKind.TEAM, name)

    async def library(self, name: str = "") -> int:
        return await self._scope(ScopeKind.LIBRARY, name)

    async def exclusion_scope(self) -> int:
        """The scope of what is excluded from billing."""
        return await self._scope(ScopeKind.EXCLUSION, "Excluded from billing")

    async def _scope(self, kind: ScopeKind, name: str) -> int:
        now, named = self.tick(), name or f"{kind.name.lower()} {next(self._made)}"
        return await self.database.run(lambda session: create_scope(session, STAFF, now, self.id, kind, named))

    async def learner(self, active: str, *, team: int | None = None, name: str = "") -> int:
        """A learner with these windows, several separated by commas; in the team from the same starts on."""
        external_id = f"learner-{next(self._made)}"
        written = [await self.activated(external_id, window, team=team, name=name) for window in active.split(",")]
        return written[0].learner.learner_id

    async def activated(
        self, external_id: str, active: str, *, team: int | None = None, name: str | None = None
    ) -> Written:
        start, _, end = active.strip().partition("..")
        given = Activation(
            who=Who(organization_id=self.id, external_id=external_id),
            start=edge(start),
            end=edge(end) if end else None,
            team=None if team is None else Place(key=ScopeKey(self.id, team)),
            personal=PersonalData(name=name),
        )
        now = self.tick()
        return await self.database.run(lambda session: activate(session, STAFF, now, given))

    async def stranger(self, name: str) -> int:
        """A learner of whom nothing is believed yet."""
        now = self.tick()

        async def write(session: AsyncSession) -> int:
            recording = await begin_recording(session, self.id, now)
            learner_id = recording.keys.take()
            await session.execute(insert(Learner).values(organization_id=self.id, id=learner_id))
            await session.execute(insert(Profile).values(self._profile(learner_id, name)))
            await end_recording(recording)
            return learner_id

        return await self.database.run(write)

    async def crowd(self, size: int, *scopes: int, active: Sequence[str] = ("2017-08-01..2017-09-15",)) -> None:
        """So many learners at once, in one act; the spans of activity and the teams or libraries take turns."""
        now = self.tick()

        async def write(session: AsyncSession) -> None:
            recording = await begin_recording(session, self.id, now)
            learners = [recording.keys.take() for _ in range(size)]
            await add_act(recording, STAFF.name, Source.API)
            await session.execute(insert(Learner), [{"organization_id": self.id, "id": one} for one in learners])
            await session.execute(insert(Profile), [self._profile(one, f"Learner {one}") for one in learners])
            await session.execute(insert(Belief), list(self._believing(recording, learners, scopes, active)))
            await derive_windows(recording, learners, all_new=True)
            await end_recording(recording)

        await self.database.run(write)

    def _believing(
        self, recording: Recording, learners: Sequence[int], scopes: Sequence[int], active: Sequence[str]
    ) -> Iterator[dict[str, object]]:
        spans = [known(self, self.id, span).bounds for span in active]
        for number, learner_id in enumerate(learners):
            own = [scopes[number % len(scopes)]] if scopes else []
            for scope_id in (self.id, *own):
                yield _belief(recording, learner_id, Change(scope_id, spans[number % len(spans)]))

    def _profile(self, learner_id: int, name: str) -> dict[str, object]:
        texts = {"name": name, "email": "", "department": ""}
        keys = {f"{column}_key": sort_key(text) for column, text in texts.items()}
        own = {"organization_id": self.id, "learner_id": learner_id, "external_id": str(learner_id)}
        return {**own, **texts, **keys}

    async def deactivated(self, learner_id: int, end: str) -> Written:
        now, last = self.tick(), edge(end)
        return await self.database.run(lambda session: deactivate(session, STAFF, now, self.who(learner_id), last))

    async def believed(self, learner_id: int, *changes: Change, reason: str | None = None) -> dt.datetime:
        """Beliefs written as they are, with lost dates and contradictions that no mutation would let in."""
        now = self.tick()

        async def write(session: AsyncSession) -> dt.datetime:
            recording = await begin_recording(session, self.id, now)
            await record(recording, learner_id, changes, STAFF.name, Source.CORRECTION, reason)
            return recording.recorded_at

        return await self.database.run(write)

    async def term(
        self,
        dates: str,
        licensed: int,
        *,
        price: str = "12.50",
        currency: str = "USD",
        measure: Measure = Measure.AT_CUTOFF,
        product: int | None = None,
    ) -> int:
        """A contract term of the seats, or of another product; `2017-01-01..` has no last day."""
        first, _, last = dates.partition("..")
        new = NewTerm(
            product_id=product or self.id,
            first=dt.date.fromisoformat(first),
            through=dt.date.fromisoformat(last) if last else None,
            licensed=licensed,
            unit_price=money_of(price, currency),
            measure=measure,
        )
        now = self.tick()
        return await self.database.run(lambda session: set_term(session, STAFF, now, self.id, new))

    async def amended(self, term_id: int, first: str, **instead: Any) -> int:
        amendment, now = TermAmendment(first=dt.date.fromisoformat(first), **instead), self.tick()
        return await self.database.run(lambda session: amend_term(session, STAFF, now, self.id, term_id, amendment))

    async def withdrawn(self, term_id: int, reason: str = "a typing error") -> int:
        now = self.tick()
        return await self.database.run(lambda session: withdraw_term(session, STAFF, now, self.id, term_id, reason))

    async def snapshot(self, date: str, *, product: int | None = None) -> SnapshotRow:
        """The snapshot that is billed for a date; of the seats unless a library is named."""
        now, wanted = self.tick(), product or self.id
        day = dt.date.fromisoformat(date)
        await self.database.run(lambda session: take_date(session, STAFF, now, self.id, day, [wanted]))
        async with self.database.reading() as connection:
            billed = await billing_snapshots_of(connection, self.id)
        return next(row for row in billed if (row.date, row.product_id) == (day, wanted))

    async def inquiry(
        self,
        date: str,
        measure: Measure | None = None,
        *,
        product: int | None = None,
        known_at: dt.datetime | None = None,
    ) -> SnapshotRow:
        """The same count of any date and measure, as known at any time."""
        now, day = self.tick(), dt.date.fromisoformat(date)
        inquiry = Inquiry(product or self.id, day, known_at, measure)
        made = await self.database.run(lambda session: inquire(session, STAFF, now, self.id, inquiry))
        async with self.database.reading() as connection:
            return (await snapshots_by_id(connection, [SnapshotKey(self.id, made)]))[0]

    async def excluded(self, learner_id: int, span: str, *, reason: str = "a test account") -> Written:
        """Not billed for these days; without a last day for good."""
        first, _, last = span.partition("..")
        given = Exclusion(
            who=self.who(learner_id), start=edge(first), until=edge(last) if last else None, reason=reason
        )
        now = self.tick()
        return await self.database.run(lambda session: exclude(session, STAFF, now, given))

    async def fact_ids(self, learner_id: int, scope: int | None = None) -> list[int]:
        """What was ever believed of a learner in a scope, to say something else of it."""
        key = BeliefsKey(self.id, learner_id, self.known_at())
        async with self.database.reading() as connection:
            rows = await beliefs_of_learners(connection, [key])
        return sorted({row.fact_id for row in rows if row.scope_id == (scope or self.id)})

    def who(self, learner_id: int) -> Who:
        return Who(organization_id=self.id, learner_id=learner_id)

    # ----------------------------------------------------------------------------------------- asking

    def asked(self, predicate: Predicate, span: str) -> Answerable:
        return answerable(ActivityQuestion(predicate, span_of(predicate, span)), self.calendar)

    async def count(
        self, predicate: Predicate, span: str, *, scope: int | None = None, known_at: dt.datetime | None = None
    ) -> Count:
        asked = self.asked(predicate, span)
        question = Question(self.id, scope or self.id, asked.a, asked.b, self.known_at(known_at))
        async with self.database.reading() as connection:
            return (await counts(connection, [question], predicate))[0]

    async def names(
        self, predicate: Predicate, span: str, *, scope: int | None = None, known_at: dt.datetime | None = None
    ) -> list[str]:
        """Who answers the question with yes, in the order of their names."""
        asked = self.asked(predicate, span)
        key = LearnersKey(self.id, scope or self.id, 0, asked.a, asked.b, self.known_at(known_at))
        whom = Whom(predicate=predicate, whole_organization=scope is None)
        async with self.database.reading() as connection:
            (rows,) = await learners_of(connection, [ListPart(key)], whom, LearnersPage(100))
        return [row.name for row in rows]

    async def windows(
        self, learner_id: int, *, scope: int | None = None, known_at: dt.datetime | None = None
    ) -> list[str]:
        """Windows in the form in which they are given, days where they are whole days; `?` marks an uncertain one."""
        rows = await self.window_rows(learner_id, scope=scope, known_at=known_at)
        return [written(row, self.calendar) for row in rows]

    async def window_rows(
        self, learner_id: int, *, scope: int | None = None, known_at: dt.datetime | None = None
    ) -> Sequence[WindowRow]:
        key = WindowsKey(self.id, scope or self.id, learner_id, 0, 0, self.known_at(known_at))
        async with self.database.reading() as connection:
            return await windows_of_learners(connection, [key], WindowsPage(None, 100))

    def known_at(self, moment: dt.datetime | None = None) -> int:
        """A moment as the batches take it; one by which all was known if none is given."""
        return to_microseconds(moment or self.now + dt.timedelta(days=1))


def edge(text: str) -> Edge:
    return AtInstant(instant(text)) if "T" in text else On(dt.date.fromisoformat(text))


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(UTC)


def span_of(predicate: Predicate, text: str) -> Span:
    first, _, last = text.partition("..")
    if predicate is Predicate.ACTIVE_AT:
        return At(instant(text)) if "T" in text else CutoffOf(dt.date.fromisoformat(text))
    if "T" in first:
        return Instants(instant(first), instant(last))
    return Days(dt.date.fromisoformat(first), dt.date.fromisoformat(last or first))


def known(tenant: Tenant, scope: int, span: str, fact_id: int | None = None) -> Change:
    """A belief of which both ends are known; an empty end has not come."""
    first, _, last = span.partition("..")
    start, end = start_of(tenant.calendar, edge(first)), end_of(tenant.calendar, edge(last)) if last else FOREVER
    return Change(scope, Bounds.exactly(Interval(start, end)), fact_id)


def lost_start(tenant: Tenant, scope: int, last: str) -> Change:
    """A belief that lost its start; it ended with this last day."""
    end = end_of(tenant.calendar, edge(last))
    bounds = Bounds.possible(BEGINNING, end, end, end)
    assert bounds is not None
    return Change(scope, bounds)


def _belief(recording: Recording, learner_id: int, change: Change) -> dict[str, object]:
    """What `resolvers.recording` writes of a change, for many learners in one statement."""
    edges = ("from_earliest", "from_latest", "to_earliest", "to_latest")
    return {
        "organization_id": recording.organization_id,
        "fact_id": recording.keys.take(),
        "recorded_at": recording.recorded_at,
        "learner_id": learner_id,
        "scope_id": change.scope_id,
        "quality": quality_of(change.bounds),
        "holds": change.holds,
        **{name: getattr(change.bounds, name) for name in edges},
    }


def written(row: WindowRow, calendar: BillingCalendar) -> str:
    is_exact = (row.from_earliest, row.to_earliest) == (row.from_latest, row.to_latest) and not row.may_be_empty
    start, end = from_microseconds(row.from_earliest), from_microseconds(row.to_latest)
    return f"{_first(start, calendar)}..{_last(end, calendar)}{'' if is_exact else '?'}"


def _first(start: dt.datetime, calendar: BillingCalendar) -> str:
    if start == BEGINNING:
        return ""
    day = calendar.day_of(start)
    return day.isoformat() if calendar.start_of(day) == start else _exact(start)


def _last(end: dt.datetime, calendar: BillingCalendar) -> str:
    if end == FOREVER:
        return ""
    whole_days = calendar.start_of(calendar.day_of(end)) == end
    return calendar.last_day_before(end).isoformat() if whole_days else _exact(end)


def _exact(moment: dt.datetime) -> str:
    return moment.isoformat().removesuffix(":00+00:00") + "Z"
