"""Windows are derived: they can be made again from the beliefs, and whoever changes them by hand is found out."""

from __future__ import annotations

from functools import partial

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.activity import FormerWindow, UncertainWindow, Window
from models.history import Belief, Change
from models.interval import FOREVER, Bounds, Interval
from resolvers.rebuilding import rebuild_windows, windows_that_differ
from server.database import Database
from tests.builders import Tenant, instant, known, lost_start, organization

TABLES = (Window.__table__, FormerWindow.__table__, UncertainWindow.__table__)


async def with_history(database: Database) -> Tenant:
    """Windows that were current, former, uncertain, of an organization, a team and a library."""
    tenant = await organization(database)
    team, library = await tenant.team("Sales"), await tenant.library("Basics")
    ann = await tenant.learner(active="2017-01-01..", team=team)
    await tenant.deactivated(ann, "2017-03-31")
    await tenant.learner(active="2017-02-01..2017-02-28", team=team)
    bob = await tenant.stranger("Bob")
    await tenant.believed(bob, lost_start(tenant, tenant.id, "2017-05-31"), lost_start(tenant, team, "2017-05-31"))
    await tenant.believed(
        bob, known(tenant, library, "2017-05-01.."), known(tenant, tenant.id, "2017-02-01..2017-02-28")
    )
    return tenant


async def contents(database: Database) -> list[list[tuple[object, ...]]]:
    async with database.reading() as connection:
        return [sorted(tuple(row) for row in await connection.execute(select(table))) for table in TABLES]


async def test_windows_made_again_are_the_same_to_the_last_recorded_time(database: Database) -> None:
    tenant = await with_history(database)
    before = await contents(database)
    assert all(before)
    await database.run(partial(rebuild_windows, organization_id=tenant.id))
    assert await contents(database) == before


async def test_windows_that_are_gone_are_made_again(database: Database) -> None:
    tenant = await with_history(database)
    before = await contents(database)

    async def lose_everything(session: AsyncSession) -> None:
        for table in TABLES:
            await session.execute(delete(table))

    await database.run(lose_everything)
    assert await database.run(partial(windows_that_differ, organization_id=tenant.id)) > 0
    await database.run(partial(rebuild_windows, organization_id=tenant.id))
    assert await contents(database) == before


async def test_a_window_that_was_changed_by_hand_is_found(database: Database) -> None:
    tenant = await with_history(database)
    assert await database.run(partial(windows_that_differ, organization_id=tenant.id)) == 0
    longer = update(Window).where(Window.from_at == instant("2017-02-01T06:00Z"))
    await database.run(lambda session: session.execute(longer.values(from_at=instant("2017-01-31T06:00Z"))))
    assert await database.run(partial(windows_that_differ, organization_id=tenant.id)) > 0


async def test_a_fact_that_never_was_leaves_no_window(database: Database) -> None:
    tenant = await organization(database)
    ann = await tenant.learner(active="2017-01-01..")
    start = instant("2017-01-01T06:00Z")
    fact = await _only_fact(database, tenant)
    never = Change(tenant.id, Bounds.exactly(Interval(start, FOREVER)), fact, holds=False)
    await tenant.believed(ann, never)
    assert (await contents(database))[0] == []
    await database.run(partial(rebuild_windows, organization_id=tenant.id))
    assert (await contents(database))[0] == []


async def _only_fact(database: Database, tenant: Tenant) -> int:
    async with database.reading() as connection:
        of_tenant = select(Belief.fact_id).where(Belief.organization_id == tenant.id)
        found: int = (await connection.execute(of_tenant)).scalar_one()
        return found
