"""The people of an assignment to a cohort, in pages: of a preview as they still are, afterwards who was given one."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.cohorts import BulkState, Verdict
from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.fingerprints import Fingerprints
from resolvers.cohorts.defining import find_cohort
from resolvers.cohorts.finding import Belonging, people
from resolvers.loaders.cohorts import BulkRow
from resolvers.vouchers.moving import ASSIGNMENT


class Given(NamedTuple):
    """Somebody of a cohort; the voucher that they were given, once it was committed."""

    learner_id: int
    verdict: Verdict
    expires_on: dt.date | None = None
    voucher_id: int | None = None


class PeoplePage(NamedTuple):
    """In the order of their keys; only of one verdict, if one is given."""

    limit: int
    backward: bool
    beyond: int | None
    only: Verdict | None


async def people_page(
    connection: AsyncConnection, bulk: BulkRow, page: PeoplePage, now: dt.datetime
) -> tuple[list[Given], int]:
    """The page, and how many there are of that verdict."""
    if bulk.state is BulkState.PREVIEWED:
        return await _previewed(connection, bulk, page, now)
    return await _assigned(connection, bulk, page)


async def _previewed(
    connection: AsyncConnection, bulk: BulkRow, page: PeoplePage, now: dt.datetime
) -> tuple[list[Given], int]:
    """Everybody is found again: if they are not those that were previewed, no page of it would be true."""
    cohort = await find_cohort(connection, bulk.program_id, bulk.cohort_id)
    if cohort is None:
        raise NotFound("cohort")
    prints, kept, total = Fingerprints(), list[Given](), 0
    async for part in people(connection, cohort, bulk.as_of, now):
        for one in part:
            prints.add(one.learner_id, one.attributes)
            if page.only in (None, one.verdict):
                total += 1
                _keep(kept, one, page)
    if prints.digest != bulk.digest:
        raise VoucherError(VoucherErrorCode.COHORT_CHANGED, "Its people have changed since. Preview it again.")
    return kept[::-1] if page.backward else kept, total


def _keep(kept: list[Given], one: Belonging, page: PeoplePage) -> None:
    """Forward the first after a place, backward the last before it."""
    if page.beyond is not None and (one.learner_id >= page.beyond if page.backward else one.learner_id <= page.beyond):
        return
    if len(kept) < page.limit:
        kept.append(Given(one.learner_id, one.verdict, one.expires_on))
    elif page.backward:
        del kept[0]
        kept.append(Given(one.learner_id, one.verdict, one.expires_on))


async def _assigned(connection: AsyncConnection, bulk: BulkRow, page: PeoplePage) -> tuple[list[Given], int]:
    if page.only not in (None, Verdict.ELIGIBLE):
        return [], 0
    learner, own = ASSIGNMENT.c.learner_id, ASSIGNMENT.c.program_id == bulk.program_id
    found = select(learner, ASSIGNMENT.c.voucher_id).where(own, ASSIGNMENT.c.bulk_assignment_id == bulk.id)
    total = (await connection.execute(found.with_only_columns(func.count()))).scalar_one()
    if page.beyond is not None:
        found = found.where(learner < page.beyond if page.backward else learner > page.beyond)
    rows = await connection.execute(found.order_by(learner.desc() if page.backward else learner).limit(page.limit))
    return [Given(row[0], Verdict.ELIGIBLE, voucher_id=row[1]) for row in rows], total
