"""Assigning vouchers to a cohort: who belongs, what is previewed, that exactly this is committed, and taken back."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from models.activity import Predicate
from models.cohorts import BulkState
from models.erasure import Erasure
from models.fingerprints import Fingerprints, difference
from models.interval import months_later
from models.program_events import ProgramDeed
from models.voucher_programs import Transferability
from resolvers.activity import ActivityQuestion, Days
from resolvers.cohorts.defining import CertificationFilter, CohortFilter
from resolvers.loaders.learners import LearnerKey
from server.database import Database
from tests.builders import NOON, lost_start, organization
from tests.code_keys import CODE_KEYS
from tests.cohorting import (
    EVERYBODY,
    HALF_A_YEAR,
    assignments,
    certified,
    committed,
    found,
    moved_to,
    previewed,
    undone,
    verdicts,
)
from tests.test_vouchers import Refused, assigned, deeds, must_add_up, redeemed, reissued
from tests.vouchering import FEE_MINOR, shop

DAY = dt.timedelta(days=1)
# First day, last day, team, department, last day of a certification.
Known = tuple[dt.date, dt.date | None, int | None, str, dt.date | None]
ACTIVE, LEFT = "2017-08-01..", "2017-08-01..2017-09-15"


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-01-01", 0, "2026-01-01"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2027-03-31", -1, "2027-02-28"),
    ],
)
def test_so_many_months_later_is_the_same_day_or_the_last_of_its_month(day: str, months: int, later: str) -> None:
    assert months_later(dt.date.fromisoformat(day), months) == dt.date.fromisoformat(later)


@given(*(st.dictionaries(st.integers(-5, 15), st.sampled_from("ab")) for _ in range(2)))
def test_fingerprints_tell_who_came_who_went_and_who_changed(before: dict[int, str], after: dict[int, str]) -> None:
    prints = []
    for people in (before, after):
        one = Fingerprints()
        for key in sorted(people):
            one.add(key, [people[key]])
        prints.append(one)
    changes = difference(prints[0].packed, prints[1].packed)
    assert set(changes.came) == after.keys() - before.keys()
    assert set(changes.went) == before.keys() - after.keys()
    assert set(changes.changed) == {key for key in before.keys() & after.keys() if before[key] != after[key]}
    assert (prints[0].digest == prints[1].digest) == (before == after)


# -------------------------------------------------------------------------------------------------- who belongs


async def test_every_attribute_must_hold_and_of_several_values_any(database: Database) -> None:
    market = await shop(database)
    tenant = market.tenant
    north, south = await tenant.team("North"), await tenant.team("South")
    ana, ben = await tenant.learner(ACTIVE, team=north), await tenant.learner(ACTIVE, team=south)
    cleo, dan = await tenant.learner("2025-12-24..", team=north), await tenant.learner(ACTIVE)
    for one, department in ((ana, "Welding"), (ben, "WELDING"), (cleo, "Sales"), (dan, "Straße")):
        await moved_to(tenant, one, department)
    await certified(tenant, ana, "2026-06-30")
    await certified(tenant, ben, "2026-07-01", "FORKLIFT")
    await certified(tenant, cleo, "2026-07-02")
    await certified(tenant, dan, None)

    async def chosen(**attributes: object) -> set[int]:
        return set(await verdicts(market, CohortFilter(**attributes)))  # type: ignore[arg-type]

    assert await chosen() == {ana, ben, cleo, dan}
    assert await chosen(teams=(north,)) == {ana, cleo}
    assert await chosen(teams=(north, south)) == {ana, ben, cleo}
    assert await chosen(departments=("welding",)) == {ana, ben}
    assert await chosen(departments=("sales", "STRASSE")) == {cleo, dan}
    assert await chosen(teams=(north,), departments=("welding",)) == {ana}
    joined = ActivityQuestion(Predicate.ACTIVATED_WITHIN, Days(dt.date(2025, 12, 24), dt.date(2025, 12, 24)))
    assert await chosen(activity=joined) == {cleo}
    assert await chosen(activity=joined, teams=(south,)) == set()
    # Half a year from 2026-01-01 is 2026-07-01, and that day belongs to it.
    assert await chosen(certification=CertificationFilter(within_months=6)) == {ana, ben}
    assert await chosen(certification=CertificationFilter(name=" forklift ")) == {ana, ben, cleo, dan}
    assert await chosen(certification=CertificationFilter(name="crane", within_months=6)) == set()
    july = {"earliest": dt.date(2026, 7, 1), "latest": dt.date(2026, 7, 2)}
    assert await chosen(certification=CertificationFilter(**july)) == {ben, cleo}  # type: ignore[arg-type]
    await certified(tenant, ana, "2030-01-01")
    assert await chosen(certification=CertificationFilter(within_months=6)) == {ben}


async def test_the_months_are_counted_from_the_day_in_the_organizations_zone(database: Database) -> None:
    market = await shop(database, tenant=await organization(database, zone="Asia/Tokyo"))
    ana = await market.tenant.learner(ACTIVE)
    await certified(market.tenant, ana, "2026-07-02")
    # It is 2026-01-02 in Tokyo for the last nine hours of the UTC day before.
    evening = dt.datetime(2026, 1, 1, 15, tzinfo=dt.UTC)
    assert (await previewed(market, HALF_A_YEAR, at=evening)).eligible == 1
    assert (await previewed(market, HALF_A_YEAR, at=evening - dt.timedelta(seconds=1))).eligible == 0


async def test_whoever_cannot_be_given_one_is_told_with_the_reason(database: Database) -> None:
    market = await shop(database)
    tenant = market.tenant
    ana, gone, test = await tenant.learner(ACTIVE), await tenant.learner(LEFT), await tenant.learner(ACTIVE)
    later, has, lost = await tenant.learner("2030-01-01.."), await tenant.learner(ACTIVE), await tenant.stranger("Lou")
    await tenant.excluded(test, "2017-08-01..")
    await market.stock(CODE_KEYS, 2)
    given_one = await assigned(market, None, LearnerKey(tenant.id, has))
    assert await verdicts(market) == {
        ana: "ELIGIBLE",
        gone: "NOT_IN_ORGANIZATION",
        test: "EXCLUDED",
        later: "ELIGIBLE",
        has: "HAS_VOUCHER",
        lost: "NOT_IN_ORGANIZATION",
    }
    await reissued(market, given_one)
    assert (await verdicts(market))[has] == "ELIGIBLE"
    await tenant.believed(lost, lost_start(tenant, tenant.id, "2017-09-15"))
    in_august = ActivityQuestion(Predicate.ACTIVE_DURING, Days(dt.date(2017, 8, 1), dt.date(2017, 8, 31)))
    await tenant.activated(str(lost), "2025-01-01..")
    assert await verdicts(market, CohortFilter(activity=in_august)) == {
        ana: "ELIGIBLE",
        gone: "NOT_IN_ORGANIZATION",
        test: "EXCLUDED",
        has: "ELIGIBLE",
        lost: "UNCERTAIN",
    }


async def test_whoever_was_erased_is_given_none(database: Database) -> None:
    market = await shop(database)
    ana = await market.tenant.learner(ACTIVE)
    digests = {f"{of}_digest": "0" * 64 for of in ("external_id", "profile", "texts", "preview")}
    own = {"organization_id": market.tenant.id, "learner_id": ana, "recorded_at": NOON, "actor": "Sam", "salt": "00"}
    await database.run(lambda session: session.execute(insert(Erasure).values({**own, **digests})))
    assert await verdicts(market) == {ana: "ERASED"}


async def test_a_filter_that_cannot_be_is_refused(database: Database) -> None:
    market, other = await shop(database), await shop(database)
    foreign = await other.tenant.team("Theirs")
    for certification in (
        CertificationFilter(),
        CertificationFilter(within_months=121),
        CertificationFilter(within_months=1, latest=dt.date(2026, 1, 1)),
        CertificationFilter(earliest=dt.date(2026, 1, 2), latest=dt.date(2026, 1, 1)),
    ):
        async with Refused("BAD_COHORT"):
            await previewed(market, CohortFilter(certification=certification))
    async with Refused("NOT_FOUND"):
        await previewed(market, CohortFilter(teams=(foreign,)))
    async with Refused("NOT_FOUND"):
        await previewed(market, by=other.client)
    async with Refused("NOT_ALLOWED"):
        await previewed(market, by=market.program_admin)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=6)
@given(data=st.data())
async def test_those_found_are_those_that_a_plain_filter_finds(database: Database, data: st.DataObject) -> None:
    market = await shop(database)
    tenant = market.tenant
    teams = [await tenant.team(), await tenant.team()]
    days = st.dates(dt.date(2025, 11, 1), dt.date(2026, 3, 1))
    people: dict[int, Known] = {}
    for _ in range(data.draw(st.integers(1, 6))):
        first, last = data.draw(days), data.draw(st.none() | days)
        last = max(first, last) if last else None
        team, department = data.draw(st.none() | st.sampled_from(teams)), data.draw(st.sampled_from(["", "A", "b"]))
        expires = data.draw(st.none() | days)
        key = await tenant.learner(f"{first}..{last or ''}", team=team)
        await moved_to(tenant, key, department)
        if expires:
            await certified(tenant, key, expires.isoformat())
        people[key] = (first, last, team, department, expires)
    asked_teams = tuple(data.draw(st.sets(st.sampled_from(teams), max_size=2)))
    asked_departments = tuple(data.draw(st.sets(st.sampled_from(["a", "B"]), max_size=2)))
    predicate = data.draw(st.none() | st.sampled_from([p for p in Predicate if p is not Predicate.ACTIVE_AT]))
    start, end = sorted((data.draw(days), data.draw(days)))
    months = data.draw(st.none() | st.integers(0, 2))
    chosen = CohortFilter(
        teams=asked_teams,
        departments=asked_departments,
        activity=ActivityQuestion(predicate, Days(start, end)) if predicate else None,
        certification=None if months is None else CertificationFilter(within_months=months),
    )
    today = dt.date(2026, 1, 1)

    def belongs(one: Known) -> bool:
        first, last, team, department, expires = one
        to = last or dt.date.max
        now = first <= today <= to
        answers = {
            None: True,
            Predicate.ACTIVE_DURING: first <= end and to >= start,
            Predicate.ACTIVE_THROUGHOUT: first <= start and to >= end,
            Predicate.ACTIVATED_WITHIN: start <= first <= end,
            Predicate.DEACTIVATED_WITHIN: last is not None and start <= last <= end,
        }[predicate]
        return (
            answers
            and (not asked_teams or (team in asked_teams and now))
            and (not asked_departments or department.casefold() in {one.casefold() for one in asked_departments})
            and (months is None or (expires is not None and today <= expires <= months_later(today, months)))
        )

    expected = {
        key: "ELIGIBLE" if one[1] is None or one[1] >= today else "NOT_IN_ORGANIZATION"
        for key, one in people.items()
        if belongs(one)
    }
    assert await verdicts(market, chosen) == expected


# ------------------------------------------------------------------------------------------- preview and commit


async def test_exactly_what_was_previewed_is_committed_once(database: Database) -> None:
    market = await shop(database)
    people = [await market.tenant.learner(ACTIVE) for _ in range(3)]
    await market.tenant.learner(LEFT)
    late, never = await market.stock(CODE_KEYS, expires_at=NOON + 9 * DAY), await market.stock(CODE_KEYS, 2)
    soon = await market.stock(CODE_KEYS, expires_at=NOON + 2 * DAY)
    await market.stock(CODE_KEYS, expires_at=NOON)
    shown = await previewed(market, EVERYBODY, purpose="renewal")
    assert (shown.state, shown.eligible, shown.skipped, shown.in_stock) == (BulkState.PREVIEWED, 3, 1, 4)
    assert shown.valid_until == NOON + DAY
    assert await assignments(market) == []
    async with Refused("COHORT_CHANGED"):
        await committed(market, shown, digest="0" * 64)
    async with Refused("PREVIEW_EXPIRED"):
        await committed(market, shown, at=NOON + DAY)
    done = await committed(market, shown, at=NOON + DAY - dt.timedelta(microseconds=1))
    assert (done.state, done.assigned, done.taken_back) == (BulkState.COMMITTED, 3, 0)
    assert await committed(market, shown) == done
    given_to = {row.learner_id: row.voucher_id for row in await assignments(market)}
    assert given_to == dict(zip(people, [soon[0].id, late[0].id, never[0].id], strict=True))
    first = await market.voucher(soon[0].id)
    assert first.purpose == "renewal"
    assert first.assignment_id is not None
    assert await deeds(market, soon[0].id) == {ProgramDeed.ASSIGNED}
    assert await deeds(market, shown.cohort_id) == {ProgramDeed.COHORT_PREVIEWED, ProgramDeed.COHORT_ASSIGNED}
    assert {one.verdict.name for one in await found(market, shown)} == {"HAS_VOUCHER", "NOT_IN_ORGANIZATION"}
    await must_add_up(market)


async def test_whoever_came_went_or_changed_since_is_named_and_nothing_is_assigned(database: Database) -> None:
    market = await shop(database)
    tenant = market.tenant
    ana, ben, cleo = [await tenant.learner(ACTIVE, name=name) for name in ("Ana", "Ben", "Cleo")]
    for one, day in ((ana, "2026-05-01"), (ben, "2026-05-01"), (cleo, "2027-05-01")):
        await certified(tenant, one, day)
    await market.stock(CODE_KEYS, 2)
    shown = await previewed(market, HALF_A_YEAR)
    await certified(tenant, cleo, "2026-06-01")
    await certified(tenant, ana, "2028-06-01")
    await certified(tenant, ben, "2026-05-02")
    async with Refused("COHORT_CHANGED") as refused:
        await committed(market, shown)
    assert "1 came to belong (Cleo); 1 belong no more (Ana); 1 are not as they were (Ben)" in refused.said
    assert await assignments(market) == []
    again = await previewed(market, HALF_A_YEAR)
    await assigned(market, None, LearnerKey(tenant.id, ben))
    async with Refused("COHORT_CHANGED") as refused:
        await committed(market, again)
    assert "1 are not as they were (Ben)" in refused.said


async def test_all_or_nobody_is_given_one(database: Database) -> None:
    market = await shop(database)
    for _ in range(3):
        await market.tenant.learner(ACTIVE)
    vouchers = await market.stock(CODE_KEYS, 3)
    shown = await previewed(market)
    await redeemed(market, vouchers[0].code)
    async with Refused("OUT_OF_STOCK") as refused:
        await committed(market, shown)
    assert "There are 2 vouchers in stock for 3 people." in refused.said
    assert await assignments(market) == []
    await market.stock(CODE_KEYS, 1)
    assert (await committed(market, shown)).assigned == 3
    async with Refused("NOBODY_ELIGIBLE"):
        await committed(market, await previewed(market))
    await must_add_up(market)


async def test_vouchers_that_stay_with_their_first_assignee_are_in_stock_until_they_had_one(database: Database) -> None:
    market = await shop(database, transferability=Transferability.FIRST_ASSIGNEE)
    ana = await market.tenant.learner(ACTIVE)
    await market.stock(CODE_KEYS, 2)
    await reissued(market, await assigned(market, None, LearnerKey(market.tenant.id, ana)))
    assert (await previewed(market)).in_stock == 1


# -------------------------------------------------------------------------------------------------------- undo


async def test_what_is_not_redeemed_is_taken_back_and_in_stock_again(database: Database) -> None:
    market = await shop(database)
    people = [await market.tenant.learner(ACTIVE) for _ in range(4)]
    await market.stock(CODE_KEYS, 4, face_minor=2 * FEE_MINOR)
    shown = await previewed(market)
    async with Refused("WRONG_STATE"):
        await undone(market, shown)
    await committed(market, shown)
    given_to = {row.learner_id: row.voucher_id for row in await assignments(market)}
    used, again, kept = (given_to[one] for one in people[:3])
    await redeemed(market, used, learner=LearnerKey(market.tenant.id, people[0]))
    await reissued(market, again)
    done = await undone(market, shown)
    assert (done.state, done.assigned, done.taken_back) == (BulkState.UNDONE, 4, 2)
    assert await undone(market, shown) == done
    ends = {row.learner_id: row.end and row.end.name for row in await assignments(market)}
    assert ends == dict(zip(people, [None, "REISSUED", "UNDONE", "UNDONE"], strict=True))
    assert (await market.voucher(kept)).assignment_id is None
    assert await deeds(market, kept) == {ProgramDeed.ASSIGNED, ProgramDeed.ASSIGNMENT_CANCELLED}
    async with Refused("WRONG_STATE"):
        await committed(market, shown)
    assert (await previewed(market)).in_stock == 3
    await must_add_up(market)
