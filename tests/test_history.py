"""How facts become history: each is said once, late or twice, and what was believed before stays.

Days are those of America/Chicago. An end names the last day, as a person types it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.activity import Predicate
from models.errors import DomainError, HistoryErrorCode, NotAllowed, NotFound
from models.history import Act, Belief, Source
from models.interval import FOREVER, Bounds, Interval, from_microseconds
from resolvers.history import (
    AtInstant,
    Between,
    CorrectedEdge,
    Correction,
    Lost,
    Move,
    On,
    Open,
    Place,
    Transfer,
    Who,
    Written,
    correct_window,
    deactivate,
    end_of,
    grant_access,
    move_team,
    revoke_access,
    start_of,
    transfer,
)
from resolvers.loaders.places import ScopeKey
from resolvers.principal import Principal
from server.database import Database
from tests.builders import STAFF, Tenant, edge, instant, organization

AT = Predicate.ACTIVE_AT
Step = Callable[[AsyncSession], Awaitable[Written]]


def place(tenant: Tenant, scope_id: int) -> Place:
    return Place(key=ScopeKey(tenant.id, scope_id))


async def moved(tenant: Tenant, learner: int, to: int, start: str, *, out_of: int | None = None) -> Written:
    left = None if out_of is None else place(tenant, out_of)
    given = Move(who=tenant.who(learner), to_team=place(tenant, to), start=edge(start), from_team=left)
    now = tenant.tick()
    return await tenant.database.run(lambda session: move_team(session, STAFF, now, given))


async def granted(tenant: Tenant, learner: int, library: int, start: str) -> Written:
    now, who, where = tenant.tick(), tenant.who(learner), place(tenant, library)
    return await tenant.database.run(lambda session: grant_access(session, STAFF, now, who, where, edge(start)))


async def revoked(tenant: Tenant, learner: int, library: int, end: str) -> Written:
    now, who, where = tenant.tick(), tenant.who(learner), place(tenant, library)
    return await tenant.database.run(lambda session: revoke_access(session, STAFF, now, who, where, edge(end)))


def seen(tenant: Tenant, window: str) -> Bounds:
    """A window as a client saw it."""
    first, _, last = window.partition("..")
    end = end_of(tenant.calendar, edge(last)) if last else FOREVER
    return Bounds.exactly(Interval(start_of(tenant.calendar, edge(first)), end))


async def corrected(
    tenant: Tenant,
    learner: int,
    window: str | Bounds,
    *,
    start: CorrectedEdge | None = None,
    end: CorrectedEdge | None = None,
    never_was: bool = False,
    reason: str = "the client's HR list says so",
) -> Written:
    given = Correction(
        who=tenant.who(learner),
        scope_id=tenant.id,
        window=seen(tenant, window) if isinstance(window, str) else window,
        reason=reason,
        start=start,
        end=end,
        never_was=never_was,
    )
    now = tenant.tick()
    return await tenant.database.run(lambda session: correct_window(session, STAFF, now, given))


async def transferred(tenant: Tenant, learner: int, to: Tenant, start: str, team: int | None = None) -> Written:
    """To another organization; what was written there."""
    where = None if team is None else place(to, team)
    given = Transfer(who=tenant.who(learner), to_organization_id=to.id, start=edge(start), team=where)
    tenant.now = to.now = max(tenant.tick(), to.tick())
    return (await tenant.database.run(lambda session: transfer(session, STAFF, tenant.now, given)))[1]


async def beliefs(tenant: Tenant) -> int:
    async with tenant.database.reading() as connection:
        table = Belief.__table__
        return len((await connection.execute(select(table).where(table.c.organization_id == tenant.id))).all())


async def last_act(tenant: Tenant) -> tuple[str, Source, str | None]:
    table = Act.__table__
    newest = select(table.c.actor, table.c.source, table.c.reason).where(table.c.organization_id == tenant.id)
    async with tenant.database.reading() as connection:
        row = (await connection.execute(newest.order_by(table.c.recorded_at.desc()).limit(1))).one()
    return row.actor, row.source, row.reason


def on(day: str) -> On:
    return On(dt.date.fromisoformat(day))


# ------------------------------------------------------------------------------ activate, deactivate


async def test_the_same_activation_again_changes_nothing(database: Database) -> None:
    tenant = await organization(database)
    first = await tenant.activated("1001", "2017-09-01..")
    again = await tenant.activated("1001", "2017-09-01..")
    assert (first.changed, again.changed) == (True, False)
    assert first.learner == again.learner
    assert await beliefs(tenant) == 1


async def test_deactivation_keeps_the_start(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-01..")
    await tenant.deactivated(learner, "2017-09-15")
    assert await tenant.windows(learner) == ["2017-09-01..2017-09-15"]


async def test_the_same_deactivation_again_changes_nothing(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-01..")
    assert (await tenant.deactivated(learner, "2017-09-15")).changed
    assert not (await tenant.deactivated(learner, "2017-09-15")).changed
    assert await beliefs(tenant) == 2


async def test_an_activation_said_again_after_the_deactivation_does_not_bring_the_learner_back(
    database: Database,
) -> None:
    tenant = await organization(database)
    await tenant.activated("1001", "2017-09-01..")
    learner = (await tenant.activated("1001", "2017-09-01..")).learner.learner_id
    await tenant.deactivated(learner, "2017-09-15")
    assert not (await tenant.activated("1001", "2017-09-01..")).changed
    assert await tenant.windows(learner) == ["2017-09-01..2017-09-15"]


async def test_reactivation_is_a_new_window(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-01..2017-08-31, 2017-09-10..")
    assert await tenant.windows(learner) == ["2017-08-01..2017-08-31", "2017-09-10.."]


async def test_a_deactivation_and_a_return_on_the_same_day_leave_a_gap_of_hours(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-01T05:00Z..2017-09-15T14:00Z, 2017-09-15T20:00Z..")
    assert await tenant.windows(learner) == ["2017-08-01..2017-09-15T14:00Z", "2017-09-15T20:00Z.."]
    assert await tenant.count(Predicate.ACTIVE_DURING, "2017-09-15..2017-09-15") == (1, 1)
    assert await tenant.count(Predicate.ACTIVE_THROUGHOUT, "2017-09-15..2017-09-15") == (0, 0)


async def test_a_return_at_the_very_instant_of_leaving_is_one_window(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-01..2017-09-14, 2017-09-15..")
    assert await tenant.windows(learner) == ["2017-08-01.."]


async def test_a_window_learned_late_is_put_in_its_place(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-01.., 2016-01-01..2016-06-30, 2017-01-01..2017-02-28")
    assert await tenant.windows(learner) == ["2016-01-01..2016-06-30", "2017-01-01..2017-02-28", "2017-09-01.."]


async def test_a_deactivation_learned_late_counts_from_when_it_was_and_not_before_we_knew(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-01-01..")
    before = tenant.now
    await tenant.deactivated(learner, "2017-02-28")
    assert await tenant.count(AT, "2017-06-01") == (0, 0)
    assert await tenant.count(AT, "2017-06-01", known_at=before) == (1, 1)


async def test_a_planned_end_may_come_earlier(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-01..2027-12-31")
    await tenant.deactivated(learner, "2026-06-30")
    assert await tenant.windows(learner) == ["2017-09-01..2026-06-30"]


# ---------------------------------------------------------------------------------- teams, libraries


async def test_moving_between_teams_is_one_act_at_one_instant_and_leaves_activity_untouched(
    database: Database,
) -> None:
    tenant = await organization(database)
    east, west = await tenant.team("East"), await tenant.team("West")
    learner = await tenant.learner("2017-08-01..", team=east)
    written = await moved(tenant, learner, west, "2017-09-10")
    rows = [await tenant.window_rows(learner, scope=scope) for scope in (tenant.id, east, west)]
    assert [await tenant.windows(learner, scope=scope) for scope in (tenant.id, east, west)] == [
        ["2017-08-01.."],
        ["2017-08-01..2017-09-09"],
        ["2017-09-10.."],
    ]
    assert rows[1][0].to_latest == rows[2][0].from_earliest
    assert [row[0].known_from == tenant.known_at(written.recorded_at) for row in rows] == [False, True, True]


async def test_the_same_move_again_changes_nothing(database: Database) -> None:
    tenant = await organization(database)
    east, west = await tenant.team("East"), await tenant.team("West")
    learner = await tenant.learner("2017-08-01..", team=east)
    changes = [(await moved(tenant, learner, west, "2017-09-10")).changed for _ in range(2)]
    changes.append((await moved(tenant, learner, west, "2017-09-10", out_of=east)).changed)
    assert changes == [True, False, False]


async def test_who_is_in_two_teams_must_say_which_is_left(database: Database) -> None:
    tenant = await organization(database)
    east, west, north = await tenant.team("East"), await tenant.team("West"), await tenant.team("North")
    both = (await tenant.activated("both", "2017-08-01..", team=east)).learner.learner_id
    await tenant.activated("both", "2017-08-01..", team=west)
    await refused(HistoryErrorCode.WHICH_TEAM, moved(tenant, both, north, "2017-09-10"))
    await moved(tenant, both, north, "2017-09-10", out_of=west)
    assert await tenant.windows(both, scope=east) == ["2017-08-01.."]
    assert await tenant.windows(both, scope=north) == ["2017-09-10.."]


async def test_access_is_counted_while_active(database: Database) -> None:
    tenant = await organization(database)
    library = await tenant.library()
    learner = await tenant.learner("2017-08-01..2017-09-15")
    changes = [(await granted(tenant, learner, library, "2017-09-01")).changed for _ in range(2)]
    assert changes == [True, False]
    assert await tenant.windows(learner, scope=library) == ["2017-09-01..2017-09-15"]


async def test_revoked_access_ends_and_keeps_its_start(database: Database) -> None:
    tenant = await organization(database)
    library = await tenant.library()
    learner = await tenant.learner("2017-08-01..")
    await granted(tenant, learner, library, "2017-09-01")
    changes = [(await revoked(tenant, learner, library, "2017-09-10")).changed for _ in range(2)]
    assert changes == [True, False]
    assert await tenant.windows(learner, scope=library) == ["2017-09-01..2017-09-10"]
    assert await tenant.windows(learner) == ["2017-08-01.."]


# ------------------------------------------------------------------------------------------ transfers


async def test_a_transfer_closes_and_opens_at_one_instant(database: Database) -> None:
    left, joined = await organization(database), await organization(database, zone="Asia/Tokyo")
    east, west = await left.team("East"), await joined.team("West")
    learner = await left.learner("2017-08-01..", team=east, name="Ada")
    written = await transferred(left, learner, joined, "2017-09-10", west)
    there = written.learner.learner_id
    old, new = await left.window_rows(learner), await joined.window_rows(there)
    assert old[0].to_latest == new[0].from_earliest
    assert await left.windows(learner, scope=east) == ["2017-08-01..2017-09-09"]
    assert await joined.names(AT, "2017-09-12", scope=west) == ["Ada"]


async def test_the_same_transfer_again_changes_nothing(database: Database) -> None:
    left, joined = await organization(database), await organization(database)
    learner = await left.learner("2017-08-01..")
    first = await transferred(left, learner, joined, "2017-09-10")
    again = await transferred(left, learner, joined, "2017-09-10")
    assert (first.changed, again.changed) == (True, False)
    assert first.learner == again.learner


async def test_a_refused_transfer_leaves_both_organizations_as_they_were(database: Database) -> None:
    left, joined = await organization(database), await organization(database)
    learner = await left.learner("2017-08-01..")
    await joined.activated("learner-1", "2017-09-20..")
    await refused(HistoryErrorCode.END_REQUIRED, transferred(left, learner, joined, "2017-09-10"))
    assert await left.windows(learner) == ["2017-08-01.."]
    assert (await beliefs(left), await beliefs(joined)) == (1, 1)


# ---------------------------------------------------------------------------------------- corrections


async def test_a_correction_keeps_the_former_belief_and_every_answer_as_known_then(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-01..2017-09-15")
    before = tenant.now
    await corrected(tenant, learner, "2017-09-01..2017-09-15", start=on("2017-08-20"), end=on("2017-09-20"))
    assert await tenant.windows(learner) == ["2017-08-20..2017-09-20"]
    assert await tenant.windows(learner, known_at=before) == ["2017-09-01..2017-09-15"]
    assert await tenant.count(AT, "2017-09-18", known_at=before) == (0, 0)
    assert await beliefs(tenant) == 2


async def test_a_correction_keeps_who_made_it_and_why(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-01..")
    await corrected(tenant, learner, "2017-09-01..", start=on("2017-08-20"), reason=" wrong month ")
    assert await last_act(tenant) == (STAFF.name, Source.CORRECTION, "wrong month")


async def test_memberships_learned_with_a_window_are_corrected_with_it(database: Database) -> None:
    tenant = await organization(database)
    team = await tenant.team()
    learner = await tenant.learner("2017-09-01..", team=team)
    await corrected(tenant, learner, "2017-09-01..", start=on("2017-08-20"))
    assert await tenant.windows(learner, scope=team) == ["2017-08-20.."]


async def test_a_window_that_never_was_counts_no_more_but_did_then(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-01..")
    before = tenant.now
    await corrected(tenant, learner, "2017-09-01..", never_was=True)
    assert await tenant.windows(learner) == []
    assert await tenant.windows(learner, known_at=before) == ["2017-09-01.."]


async def test_a_window_made_of_two_facts_is_corrected_as_one(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-01..2017-08-31, 2017-09-01..2017-09-30")
    await corrected(tenant, learner, "2017-08-01..2017-09-30", end=on("2017-09-15"))
    assert await tenant.windows(learner) == ["2017-08-01..2017-09-15"]


@pytest.mark.parametrize(
    ("start", "end", "window", "counts"),
    [
        (Lost(), None, "..2017-09-15?", (0, 1)),
        (Between(dt.date(2017, 8, 1), dt.date(2017, 8, 31)), None, "2017-08-01..2017-09-15?", (1, 1)),
        (None, Lost(), "2017-09-01..?", (0, 1)),
        (None, Between(dt.date(2017, 9, 5), dt.date(2017, 9, 30)), "2017-09-01..2017-09-30?", (0, 1)),
        (None, Open(), "2017-09-01..", (1, 1)),
        (AtInstant(instant("2017-09-01T12:00Z")), None, "2017-09-01T12:00Z..2017-09-15", (1, 1)),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_date_may_turn_out_to_be_lost_or_bounded(
    database: Database,
    start: CorrectedEdge | None,
    end: CorrectedEdge | None,
    window: str,
    counts: tuple[int, int],
) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-01..2017-09-15")
    await corrected(tenant, learner, "2017-09-01..2017-09-15", start=start, end=end)
    assert await tenant.windows(learner) == [window]
    assert await tenant.count(AT, "2017-09-10") == counts


async def test_a_lost_date_that_is_found_again_is_exact(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-01..2017-09-15")
    await corrected(tenant, learner, "2017-09-01..2017-09-15", start=Lost())
    row = (await tenant.window_rows(learner))[0]
    starts = from_microseconds(row.from_earliest), from_microseconds(row.from_latest)
    lost = Bounds(*starts, from_microseconds(row.to_earliest), from_microseconds(row.to_latest))
    await corrected(tenant, learner, lost, start=on("2017-08-20"))
    assert await tenant.windows(learner) == ["2017-08-20..2017-09-15"]


async def test_an_end_that_is_learned_of_a_lost_start_is_kept_with_it(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-01..")
    await corrected(tenant, learner, "2017-09-01..", start=Lost())
    await tenant.deactivated(learner, "2017-09-15")
    assert await tenant.windows(learner) == ["..2017-09-15?"]


# -------------------------------------------------------------------------------------------- refusals


async def refused(code: object, writing: Awaitable[Written]) -> None:
    with pytest.raises(DomainError) as caught:
        await writing
    assert caught.value.code is code
    assert str(caught.value).endswith((".", "!"))


async def attempts(tenant: Tenant, learner: int) -> list[tuple[HistoryErrorCode, Awaitable[Written]]]:
    """Of a learner who was active 2017-03-01 through 2017-06-30, and again from 2017-09-01 on."""
    team = await tenant.team()
    activate = partial(tenant.activated, "learner-1")
    spring = "2017-03-01..2017-06-30"
    return [
        (HistoryErrorCode.ALREADY_ACTIVE, activate("2017-09-02..")),
        (HistoryErrorCode.ALREADY_ACTIVE, activate("2017-06-30..2017-07-15")),
        (HistoryErrorCode.END_REQUIRED, activate("2017-01-01..")),
        (HistoryErrorCode.END_REQUIRED, activate("2017-08-01..2017-09-01")),
        (HistoryErrorCode.EMPTY_INTERVAL, activate("2017-02-10..2017-02-09")),
        (HistoryErrorCode.EMPTY_INTERVAL, activate("2017-02-10T00:00Z..2017-02-10T00:00Z")),
        (HistoryErrorCode.ALREADY_DEACTIVATED, tenant.deactivated(learner, "2017-05-31")),
        (HistoryErrorCode.NOT_ACTIVE, tenant.deactivated(learner, "2017-08-15")),
        (HistoryErrorCode.NOT_ACTIVE, tenant.deactivated(learner, "2017-01-15")),
        (HistoryErrorCode.NOT_A_MEMBER, moved(tenant, learner, team, "2017-10-01")),
        (HistoryErrorCode.REASON_REQUIRED, corrected(tenant, learner, spring, never_was=True, reason="  ")),
        (HistoryErrorCode.EMPTY_INTERVAL, corrected(tenant, learner, spring, end=on("2017-02-01"))),
        (HistoryErrorCode.END_REQUIRED, corrected(tenant, learner, spring, end=on("2017-10-01"))),
        (HistoryErrorCode.NOT_A_WINDOW, corrected(tenant, learner, "2016-03-01..2016-06-30", never_was=True)),
        (HistoryErrorCode.SAME_ORGANIZATION, transferred(tenant, learner, tenant, "2017-10-01")),
    ]


async def test_what_does_not_fit_is_refused_with_a_code_and_changes_nothing(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-03-01..2017-06-30, 2017-09-01..")
    for code, attempt in await attempts(tenant, learner):
        await refused(code, attempt)
    assert await tenant.windows(learner) == ["2017-03-01..2017-06-30", "2017-09-01.."]
    assert await beliefs(tenant) == 2


async def test_an_unknown_learner_team_or_organization_is_not_found(database: Database) -> None:
    tenant, other = await organization(database), await organization(database)
    learner, foreign_team = await tenant.learner("2017-09-01.."), await other.team()
    for attempt in (
        tenant.deactivated(learner + 1, "2017-09-15"),
        other.deactivated(learner, "2017-09-15"),
        tenant.activated("", "2017-09-01.."),
        moved(tenant, learner, foreign_team, "2017-09-10"),
        granted(tenant, learner, await tenant.team(), "2017-09-10"),
    ):
        with pytest.raises(NotFound, match="There is no"):
            await attempt


async def test_an_organization_changes_its_own_learners_only(database: Database) -> None:
    tenant, other = await organization(database), await organization(database)
    learner = await tenant.learner("2017-09-01..")
    own = Principal(name="Olga", role=Role.ORGANIZATION, organization_id=tenant.id)
    foreign = replace(own, organization_id=other.id)

    def leave(principal: Principal) -> Step:
        who, end, now = Who(organization_id=tenant.id, learner_id=learner), on("2017-09-15"), tenant.tick()
        return lambda session: deactivate(session, principal, now, who, end)

    with pytest.raises(NotFound, match="There is no learner"):
        await database.run(leave(foreign))
    assert (await database.run(leave(own))).changed


async def test_only_staff_transfers_between_organizations(database: Database) -> None:
    tenant, other = await organization(database), await organization(database)
    learner = await tenant.learner("2017-09-01..")
    own = Principal(name="Olga", role=Role.ORGANIZATION, organization_id=tenant.id)
    given = Transfer(who=tenant.who(learner), to_organization_id=other.id, start=on("2017-09-10"))
    with pytest.raises(NotAllowed, match="Only staff"):
        await database.run(lambda session: transfer(session, own, tenant.now, given))


# ---------------------------------------------------------------------------------------- recorded time


async def test_recorded_times_strictly_increase_whatever_the_clock_says(database: Database) -> None:
    tenant = await organization(database)
    recorded: list[dt.datetime] = []
    for step in (0, 5, -60, -60, 0):
        tenant.now += dt.timedelta(minutes=step)
        recorded.append((await tenant.activated(f"learner {len(recorded)}", "2017-09-01..")).recorded_at)
    assert recorded == sorted(set(recorded))
