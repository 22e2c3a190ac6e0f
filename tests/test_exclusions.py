"""Who is excluded from billing stays active, and is counted in every answer but a bill's.

Days are those of America/Chicago. An end names the last day, as a person types it.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.activity import Predicate
from models.billing import BillingSnapshot, SnapshotEntry
from models.contracts import Measure
from models.errors import BillingError, BillingErrorCode, HistoryError, HistoryErrorCode, NotAllowed, NotFound
from models.history import Act, Change, Fact, Held, Source, excluded, no_longer_excluded
from models.interval import FOREVER, UTC, Bounds, Interval
from models.organizations import Scope, ScopeKind
from resolvers.exclusions import Exclusion, ExclusionEnd, end_exclusion, exclude
from resolvers.history import Correction, On, Transfer, Written, correct_window, transfer
from resolvers.loaders.snapshots import billing_snapshots_of
from resolvers.principal import Principal
from resolvers.rebuilding import rebuild_windows, windows_that_differ
from resolvers.snapshots.drift import counts_known
from resolvers.snapshots.taking import take_date
from server.database import Database
from tests.asking import ask
from tests.builders import STAFF, Tenant, edge, known, lost_start, organization

AT = Predicate.ACTIVE_AT
SEPTEMBER = "2017-09-01"
ACTIVE = "2017-08-01.."


async def billed(tenant: Tenant, date: str = SEPTEMBER, product: int | None = None) -> tuple[int, int, int]:
    """What the snapshot of a date counts at least and at most, and how many it left out. Taken once."""
    now, day = tenant.tick(), dt.date.fromisoformat(date)
    await tenant.database.run(lambda session: take_date(session, STAFF, now, tenant.id, day))
    wanted = (BillingSnapshot.organization_id == tenant.id) & (BillingSnapshot.date == day)
    columns = (BillingSnapshot.count_least, BillingSnapshot.count_most, BillingSnapshot.excluded)
    own = BillingSnapshot.product_id == (product or tenant.id)
    async with tenant.database.reading() as connection:
        row = (await connection.execute(select(*columns).where(wanted, own))).one()
    return row[0], row[1], row[2]


async def ended(tenant: Tenant, learner: int, last: str) -> Written:
    given = ExclusionEnd(who=tenant.who(learner), end=edge(last), reason="works for the client")
    now = tenant.tick()
    return await tenant.database.run(lambda session: end_exclusion(session, STAFF, now, given))


# ------------------------------------------------------------------------------------------- deciding


def span(first: int, last: int | None = None) -> Interval:
    end = FOREVER if last is None else dt.datetime(2017, 9, last, tzinfo=UTC)
    return Interval(dt.datetime(2017, 9, first, tzinfo=UTC), end)


def holding(*spans: Interval) -> Held:
    return Held(1, tuple(Fact(number, 2, Bounds.exactly(one)) for number, one in enumerate(spans)))


def test_the_same_exclusion_again_changes_nothing_even_as_part_of_a_longer_one() -> None:
    assert excluded(holding(span(1, 5)), 2, span(1, 5)) == []
    assert excluded(holding(span(1, 5), span(5, 9)), 2, span(5, 9)) == []
    assert excluded(holding(span(1, 5), span(5, 9)), 2, span(1, 9)) == []


def test_an_exclusion_may_touch_another_but_not_meet_it() -> None:
    assert excluded(holding(span(1, 5)), 2, span(5)) == [Change(2, Bounds.exactly(span(5)))]
    for meeting in (span(4, 6), span(2, 3), span(1), span(1, 6)):
        with pytest.raises(BillingError) as refused:
            excluded(holding(span(1, 5)), 2, meeting)
        assert refused.value.code is BillingErrorCode.ALREADY_EXCLUDED


def test_an_exclusion_ends_earlier_or_never_was() -> None:
    assert no_longer_excluded(holding(span(1)), 2, span(5).start) == [Change(2, Bounds.exactly(span(1, 5)), 0)]
    assert no_longer_excluded(holding(span(1, 9)), 2, span(5).start) == [Change(2, Bounds.exactly(span(1, 5)), 0)]
    assert no_longer_excluded(holding(span(1, 9)), 2, span(1).start) == [
        Change(2, Bounds.exactly(span(1, 9)), 0, holds=False)
    ]
    assert no_longer_excluded(holding(span(1, 5), span(5, 9)), 2, span(3).start) == [
        Change(2, Bounds.exactly(span(1, 3)), 0),
        Change(2, Bounds.exactly(span(5, 9)), 1, holds=False),
    ]
    assert no_longer_excluded(holding(span(1, 5)), 2, span(5).start) == []
    with pytest.raises(BillingError) as refused:
        no_longer_excluded(holding(span(2, 5)), 2, span(1).start)
    assert refused.value.code is BillingErrorCode.NOT_EXCLUDED


# ------------------------------------------------------------------------------------------- who is billed


async def test_somebody_excluded_at_the_cutoff_is_active_but_not_billed(database: Database) -> None:
    tenant = await organization(database)
    tester = await tenant.learner(ACTIVE)
    await tenant.learner(ACTIVE)
    await tenant.excluded(tester, "2017-08-15..2017-09-01")
    assert await tenant.count(AT, SEPTEMBER) == (2, 2)
    assert await billed(tenant) == (1, 1, 1)
    assert await billed(tenant, "2017-09-02") == (2, 2, 0)
    async with database.reading() as connection:
        counted = (await connection.scalars(select(SnapshotEntry.learner_id).order_by(SnapshotEntry.snapshot_id))).all()
    assert (len(counted), counted.count(tester)) == (3, 1)


@pytest.mark.parametrize(
    ("span", "count"),
    [("2017-08-01..2017-08-31", 0), ("2017-08-01..2017-08-30", 1), ("2017-08-02..", 1), ("2017-07-01..", 0)],
)
async def test_somebody_excluded_for_a_part_of_a_period_is_billed_for_the_rest(
    database: Database, span: str, count: int
) -> None:
    tenant = await organization(database)
    await tenant.term("2017-01-01..", 0, measure=Measure.DISTINCT_IN_PERIOD)
    await tenant.excluded(await tenant.learner(ACTIVE), span)
    assert await billed(tenant) == (count, count, 1 - count)


async def test_an_exclusion_covers_a_library_too(database: Database) -> None:
    tenant = await organization(database)
    library = await tenant.library()
    tester = await tenant.learner(ACTIVE)
    await tenant.believed(tester, known(tenant, library, "2017-08-15.."))
    await tenant.excluded(tester, "2017-08-20..2017-09-10")
    assert await billed(tenant, product=library) == (0, 0, 1)
    assert await billed(tenant, "2017-09-11", product=library) == (1, 1, 0)


@pytest.mark.parametrize(
    ("span", "counts"),
    [("2017-08-01..", (0, 0, 1)), ("2017-09-01..2017-09-01", (0, 0, 1)), ("2017-09-02..", (0, 1, 0))],
)
async def test_somebody_whose_start_was_lost_is_excluded_like_anybody(
    database: Database, span: str, counts: tuple[int, int, int]
) -> None:
    tenant = await organization(database)
    learner = await tenant.stranger("Nobody knows since when")
    await tenant.believed(learner, lost_start(tenant, tenant.id, "2017-09-20"))
    await tenant.excluded(learner, span)
    assert await billed(tenant) == counts


@pytest.mark.parametrize(
    ("span", "counts"),
    [
        ("2017-08-01..2017-08-19", (1, 1, 0)),
        ("2017-08-01..2017-08-20", (0, 0, 1)),
        ("2017-08-10..2017-08-20", (0, 1, 0)),
        ("2017-08-10..2017-08-19", (1, 1, 0)),
    ],
)
async def test_of_a_period_whoever_must_have_been_active_outside_the_exclusion_is_provably_billed(
    database: Database, span: str, counts: tuple[int, int, int]
) -> None:
    """Nobody knows since when, but until 2017-08-20: on that day the learner was certainly active."""
    tenant = await organization(database)
    await tenant.term("2017-01-01..", 0, measure=Measure.DISTINCT_IN_PERIOD)
    learner = await tenant.stranger("Nobody knows since when")
    await tenant.believed(learner, lost_start(tenant, tenant.id, "2017-08-20"))
    await tenant.excluded(learner, span)
    assert await billed(tenant) == counts


async def test_flagging_somebody_changes_nothing_known_earlier_and_no_snapshot_taken(database: Database) -> None:
    tenant = await organization(database)
    tester = await tenant.learner(ACTIVE)
    assert await billed(tenant) == (1, 1, 0)
    before = tenant.now
    await tenant.excluded(tester, "2017-01-01..")
    assert await billed(tenant) == (1, 1, 0), "a snapshot is taken once"
    assert await tenant.count(AT, SEPTEMBER, known_at=before) == await tenant.count(AT, SEPTEMBER) == (1, 1)
    assert await recounted(tenant, tester, before) == 1
    assert await recounted(tenant, tester, tenant.now) == 0


async def recounted(tenant: Tenant, learner: int, known_at: dt.datetime) -> int:
    """What the only snapshot would count as known at a time."""
    async with tenant.database.reading() as connection:
        (snapshot,) = await billing_snapshots_of(connection, tenant.id)
        return (await counts_known(connection, [(snapshot, known_at)]))[0].most


async def test_an_exclusion_that_ended_may_be_said_to_have_ended_earlier_or_never_to_have_been(
    database: Database,
) -> None:
    tenant = await organization(database)
    tester = await tenant.learner(ACTIVE)
    await tenant.excluded(tester, "2017-08-01..2017-12-31")
    assert await billed(tenant, "2017-10-01") == (0, 0, 1)
    assert (await ended(tenant, tester, "2017-10-31")).changed
    assert not (await ended(tenant, tester, "2017-10-31")).changed
    assert await billed(tenant, "2017-10-31") == (0, 0, 1)
    assert await billed(tenant, "2017-11-01") == (1, 1, 0)
    await ended(tenant, tester, "2017-07-31")
    assert await billed(tenant, "2017-09-01") == (1, 1, 0)
    async with database.reading() as connection:
        acts = (
            await connection.execute(select(Act).where(Act.source == Source.CORRECTION).order_by(Act.recorded_at))
        ).all()
    assert [act.reason for act in acts] == ["a test account", "works for the client", "works for the client"]
    assert {act.actor for act in acts} == {"Sam of support"}


async def test_an_organization_has_one_scope_of_exclusions(database: Database) -> None:
    tenant = await organization(database)
    first, second = await tenant.learner(ACTIVE), await tenant.learner(ACTIVE)
    assert (await tenant.excluded(first, "2017-08-01..")).changed
    assert not (await tenant.excluded(first, "2017-08-01..")).changed
    assert (await tenant.excluded(second, "2017-08-01..")).changed
    async with database.reading() as connection:
        made = (await connection.scalars(select(Scope.name).where(Scope.kind == ScopeKind.EXCLUSION))).all()
    assert made == ["Excluded from billing"]


async def test_only_staff_exclude_and_only_with_a_reason(database: Database) -> None:
    tenant, other = await organization(database), await organization(database)
    learner = await tenant.learner(ACTIVE)
    given = Exclusion(who=tenant.who(learner), start=edge("2017-08-01"), reason=" ")
    own, foreign = (Principal(name="Ann", role=Role.ORGANIZATION, organization_id=i) for i in (tenant.id, other.id))
    for principal, refusal in ((own, NotAllowed), (foreign, NotFound), (STAFF, BillingError)):
        with pytest.raises(refusal):
            async with database.writing() as session:
                await exclude(session, principal, tenant.tick(), given)
    with pytest.raises(BillingError) as refused:
        await tenant.excluded(learner, "2017-08-02..2017-08-01")
    assert refused.value.code is BillingErrorCode.EMPTY_INTERVAL


# --------------------------------------------------------------------------------- beside everything else


async def test_a_corrected_window_leaves_the_exclusion_where_it_was(database: Database) -> None:
    tenant = await organization(database)
    library = await tenant.library()
    tester = await tenant.learner("2017-08-01..2017-12-31")
    await tenant.believed(tester, known(tenant, library, "2017-08-01..2017-12-31"))
    await tenant.excluded(tester, "2017-08-01..2017-12-31")
    correction = Correction(
        who=tenant.who(tester),
        scope_id=tenant.id,
        window=known(tenant, tenant.id, "2017-08-01..2017-12-31").bounds,
        reason="started late",
        start=On(dt.date(2017, 7, 1)),
    )
    await corrected(tenant, correction)
    assert await tenant.windows(tester) == ["2017-07-01..2017-12-31"]
    assert await tenant.windows(tester, scope=library) == ["2017-07-01..2017-12-31"]
    assert await tenant.windows(tester, scope=await exclusions(tenant)) == ["2017-08-01..2017-12-31"]


async def corrected(tenant: Tenant, correction: Correction) -> None:
    now = tenant.tick()
    await tenant.database.run(lambda session: correct_window(session, STAFF, now, correction))


async def exclusions(tenant: Tenant) -> int:
    async with tenant.database.reading() as connection:
        found = await connection.scalar(select(Scope.id).where(Scope.kind == ScopeKind.EXCLUSION))
    assert found
    return int(found)


async def test_an_exclusion_is_not_corrected_as_a_window_by_whoever_knows_its_scope(database: Database) -> None:
    tenant = await organization(database)
    tester = await tenant.learner("2017-08-01..2017-12-31")
    await tenant.excluded(tester, "2017-08-01..2017-12-31")
    window, scope = known(tenant, tenant.id, "2017-08-01..2017-12-31").bounds, await exclusions(tenant)
    never = Correction(who=tenant.who(tester), scope_id=scope, window=window, reason="no", never_was=True)
    with pytest.raises(HistoryError) as refused:
        await corrected(tenant, never)
    assert refused.value.code is HistoryErrorCode.NOT_A_WINDOW


async def test_who_is_transferred_or_deactivated_stays_excluded_should_they_come_back(database: Database) -> None:
    tenant, other = await organization(database), await organization(database)
    tester = await tenant.learner(ACTIVE)
    await tenant.excluded(tester, "2017-08-01..2017-12-31")
    given = Transfer(who=tenant.who(tester), to_organization_id=other.id, start=edge("2017-09-10"))
    other.now = tenant.now
    now = tenant.tick()

    async def move(session: AsyncSession) -> None:
        await transfer(session, STAFF, now, given)

    await database.run(move)
    assert await tenant.windows(tester, scope=await exclusions(tenant)) == ["2017-08-01..2017-09-09"]
    await tenant.activated("learner-1", "2017-10-01..")
    assert await billed(tenant, "2017-11-01") == (0, 0, 1)
    other.now = tenant.now
    assert await billed(other, "2017-11-01") == (1, 1, 0), "there nobody has excluded them"


async def test_windows_with_exclusions_are_what_their_beliefs_make(database: Database) -> None:
    tenant = await organization(database)
    for window in (ACTIVE, "2017-08-01..2017-09-15,2017-10-01..", "2017-01-01..2017-07-01"):
        await tenant.excluded(await tenant.learner(window), "2017-08-20..2017-11-01")
    stranger = await tenant.stranger("Nobody knows since when")
    await tenant.believed(stranger, lost_start(tenant, tenant.id, "2017-09-20"))
    await tenant.excluded(stranger, "2017-08-01..")
    await ended(tenant, stranger, "2017-09-10")
    assert await database.run(lambda session: windows_that_differ(session, tenant.id)) == 0
    before = await billed(tenant)
    await database.run(lambda session: rebuild_windows(session, tenant.id))
    assert await database.run(lambda session: windows_that_differ(session, tenant.id)) == 0
    assert await recounted(tenant, stranger, tenant.now) == before[1]


# ------------------------------------------------------------------------------------------- through GraphQL

SET = """
mutation($input: BillingExclusionSetInput!) { billingExclusionSet(input: $input) {
  changed recordedAt userErrors { code field }
  effect { cutoffOf before { exact } after { exact } snapshotCount
    snapshots { date product { kind } before { min max } after { min max } } }
  learner { billingExclusions { from to firstDay lastDay recordedBy reason }
    teams { name } libraryAccess { to } } } }"""
END = """
mutation($input: BillingExclusionEndInput!) { billingExclusionEnd(input: $input) {
  changed userErrors { code field } effect { snapshotCount } learner { billingExclusions { lastDay reason } } } }"""


def set_input(**more: Any) -> dict[str, Any]:
    learner = {"external": {"organization": {"slug": "xtra-lease"}, "externalId": "learner-1"}}
    return {"learner": learner, "start": {"on": "2017-08-15"}, "reason": "A test account", **more}


async def test_a_dry_run_shows_what_would_have_been_billed_and_records_nothing(database: Database) -> None:
    tenant = await organization(database, name="Xtra Lease")
    await tenant.learner(ACTIVE)
    await tenant.learner(ACTIVE)
    for date in ("2017-08-10", SEPTEMBER, "2017-10-01"):
        await billed(tenant, date)
    tried = (await ask(database, SET, input=set_input(dryRun=True))).data["billingExclusionSet"]
    assert (tried["changed"], tried["recordedAt"], tried["userErrors"]) == (True, None, [])
    one, two = {"min": 1, "max": 1}, {"min": 2, "max": 2}
    assert tried["effect"] == {
        "cutoffOf": "2026-11-23",
        "before": {"exact": 2},
        "after": {"exact": 1},
        "snapshotCount": 2,
        "snapshots": [
            {"date": date, "product": {"kind": "SEATS"}, "before": two, "after": one}
            for date in ("2017-10-01", SEPTEMBER)
        ],
    }
    assert tried["learner"] == {"billingExclusions": [], "teams": [], "libraryAccess": []}
    assert await billed(tenant, "2017-10-02") == (2, 2, 0)
    async with database.reading() as connection:
        assert (await connection.scalars(select(Scope.id).where(Scope.kind == ScopeKind.EXCLUSION))).all() == []


async def test_staff_exclude_somebody_and_bill_them_again(database: Database) -> None:
    tenant = await organization(database, name="Xtra Lease")
    await tenant.learner(ACTIVE, team=await tenant.team("Fleet"))
    made = (await ask(database, SET, input=set_input(until={"lastDay": "2017-12-31"}))).data["billingExclusionSet"]
    assert made["learner"] == {
        "billingExclusions": [
            {
                "from": "2017-08-15T05:00:00Z",
                "to": "2018-01-01T06:00:00Z",
                "firstDay": "2017-08-15",
                "lastDay": "2017-12-31",
                "recordedBy": "Support",
                "reason": "A test account",
            }
        ],
        "teams": [{"name": "Fleet"}],
        "libraryAccess": [],
    }
    assert (made["changed"], made["effect"]) == (True, None)
    again = (await ask(database, SET, input=set_input(until={"lastDay": "2017-12-31"}))).data["billingExclusionSet"]
    assert (again["changed"], again["recordedAt"]) == (False, None)
    end = {"learner": set_input()["learner"], "end": {"lastDay": "2017-09-30"}, "reason": "Works there"}
    assert (await ask(database, END, input=end)).data["billingExclusionEnd"] == {
        "changed": True,
        "userErrors": [],
        "effect": None,
        "learner": {"billingExclusions": [{"lastDay": "2017-09-30", "reason": "Works there"}]},
    }
    places = """{ organization(by: {slug: "xtra-lease"}) {
      teams { nodes { name } } libraries { nodes { name } }
      learners { nodes { history { about name holds } } } } }"""
    found = (await ask(database, places)).data["organization"]
    assert (found["teams"]["nodes"], found["libraries"]["nodes"]) == ([{"name": "Fleet"}], [])
    told = [belief["about"] for belief in found["learners"]["nodes"][0]["history"]]
    assert told == ["ORGANIZATION", "TEAM", "EXCLUSION", "EXCLUSION"]


async def test_refusals_are_told_with_their_field(database: Database) -> None:
    tenant, other = await organization(database, name="Xtra Lease"), await organization(database)
    await tenant.learner(ACTIVE)
    own, foreign = (Principal(name="Ann", role=Role.ORGANIZATION, organization_id=i) for i in (tenant.id, other.id))
    end = {"learner": set_input()["learner"], "end": {"lastDay": "2017-09-30"}, "reason": "Works there"}
    for query, given, principal, code in (
        (SET, set_input(), own, "NOT_ALLOWED"),
        (SET, set_input(dryRun=True), own, "NOT_ALLOWED"),
        (SET, set_input(), foreign, "NOT_FOUND"),
        (SET, set_input(reason="  "), STAFF, "REASON_REQUIRED"),
        (SET, set_input(start={"on": "1817-01-01"}), STAFF, "DATE_OUT_OF_RANGE"),
        (SET, set_input(until={"lastDay": "2017-08-14"}), STAFF, "EMPTY_INTERVAL"),
        (END, end, STAFF, "NOT_EXCLUDED"),
        (END, end | {"dryRun": True}, foreign, "NOT_FOUND"),
    ):
        answer = await ask(database, query, principal, input=given)
        (payload,) = answer.data.values()
        assert (payload["changed"], payload["learner"], payload["userErrors"][0]["code"]) == (False, None, code)
