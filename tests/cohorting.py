"""What tests of cohorts share: people with certifications and departments, and what is done to a cohort of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import count
from typing import Any

from sqlalchemy import insert, select, update

from models.certifications import Certification
from models.cohorts import BulkAssignment, Cohort
from models.learners import Profile, sort_key
from models.vouchers import VoucherAssignment
from resolvers.cohorts.committing import commit
from resolvers.cohorts.defining import CertificationFilter, CohortFilter, NewCohort, find_cohort
from resolvers.cohorts.finding import Belonging, people
from resolvers.cohorts.previewing import preview
from resolvers.cohorts.undoing import undo
from tests.builders import NOON, Tenant
from tests.vouchering import Shop

EVERYBODY = CohortFilter()
HALF_A_YEAR = CohortFilter(certification=CertificationFilter(within_months=6))
_numbers = count(1)


async def certified(tenant: Tenant, learner_id: int, expires_on: str | None, name: str = "Forklift") -> None:
    """What is held from now on of a certification; what was held of it before is superseded."""
    table = Certification.__table__
    own = table.c.organization_id == tenant.id, table.c.learner_id == learner_id, table.c.name_key == sort_key(name)
    row = {"organization_id": tenant.id, "id": next(_numbers), "learner_id": learner_id, "name": name}
    day = dt.date.fromisoformat(expires_on) if expires_on else None
    more = {"name_key": sort_key(name), "expires_on": day, "recorded_at": tenant.tick()}

    async def step(session: Any) -> None:
        await session.execute(update(table).where(*own, table.c.superseded_at.is_(None)).values(superseded_at=NOON))
        await session.execute(insert(table).values({**row, **more}))

    await tenant.database.run(step)


async def moved_to(tenant: Tenant, learner_id: int, department: str) -> None:
    """The department of a learner is another one."""
    table = Profile.__table__
    own = table.c.organization_id == tenant.id, table.c.learner_id == learner_id
    values = {"department": department, "department_key": sort_key(department)}
    await tenant.database.run(lambda session: session.execute(update(table).where(*own).values(values)))


def cohort_of(market: Shop, chosen: CohortFilter = EVERYBODY, **more: Any) -> NewCohort:
    own = {"organization_id": market.tenant.id, "voucher_program_id": market.voucher_program_id}
    return NewCohort(**{**own, "chosen": chosen, **more})


async def previewed(market: Shop, chosen: CohortFilter = EVERYBODY, **how: Any) -> Any:
    """The row of a preview."""
    more = {name: how.pop(name) for name in ("purpose",) if name in how}
    made = await market.act(lambda act: preview(act, cohort_of(market, chosen, **more)), **how)
    return await bulk(market, made)


async def committed(market: Shop, shown: Any, digest: str = "", **how: Any) -> Any:
    await market.act(lambda act: commit(act, shown.id, digest or shown.digest), **how)
    return await bulk(market, shown.id)


async def undone(market: Shop, shown: Any, **how: Any) -> Any:
    await market.act(lambda act: undo(act, shown.id), **how)
    return await bulk(market, shown.id)


async def bulk(market: Shop, bulk_id: int) -> Any:
    table = BulkAssignment.__table__
    async with market.database.reading() as connection:
        own = table.c.program_id == market.program_id, table.c.id == bulk_id
        return (await connection.execute(select(table).where(*own))).one()


async def cohort(market: Shop, cohort_id: int) -> Any:
    table = Cohort.__table__
    async with market.database.reading() as connection:
        own = table.c.program_id == market.program_id, table.c.id == cohort_id
        return (await connection.execute(select(table).where(*own))).one()


async def found(market: Shop, shown: Any, at: dt.datetime | None = None) -> list[Belonging]:
    """Everybody of the cohort of a preview, with the verdict on each, as it is now."""
    async with market.database.reading() as connection:
        asked = await find_cohort(connection, market.program_id, shown.cohort_id)
        assert asked is not None
        parts = [part async for part in people(connection, asked, shown.as_of, at or market.now)]
    return [one for part in parts for one in part]


async def verdicts(market: Shop, chosen: CohortFilter = EVERYBODY) -> dict[int, str]:
    shown = await previewed(market, chosen)
    return {one.learner_id: one.verdict.name for one in await found(market, shown)}


async def assignments(market: Shop) -> Sequence[Any]:
    table = VoucherAssignment.__table__
    async with market.database.reading() as connection:
        own = table.c.program_id == market.program_id
        return (await connection.execute(select(table).where(own).order_by(table.c.id))).all()
