"""What would be done to a cohort now: of how many people, with their fingerprints, and from which stock."""

from __future__ import annotations

import datetime as dt
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.cohorts import Verdict
from models.fingerprints import Fingerprints
from models.voucher_programs import Transferability
from resolvers.cohorts.defining import FoundCohort
from resolvers.cohorts.finding import AT_ONCE, people
from resolvers.vouchers.finding import PROGRAM
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER, is_usable


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Of everybody a fingerprint is kept, of the eligible their keys, in order: a few bytes each."""

    digest: str
    fingerprints: bytes
    eligible: Sequence[int]
    skipped: int
    in_stock: int


@dataclass(frozen=True, slots=True)
class Stock:
    """Vouchers of the stock, those first that expire soonest, and what each is worth: sixteen bytes each."""

    voucher_ids: array[int]
    values_minor: array[int]

    def __len__(self) -> int:
        return len(self.voucher_ids)

    def worth(self, most_minor: int) -> Stock:
        """As many of the first as are worth so much together, and never one more."""
        many = sum(1 for total in accumulate(self.values_minor) if total <= most_minor)
        return Stock(self.voucher_ids[:many], self.values_minor[:many])


async def survey(
    connection: AsyncConnection | AsyncSession, cohort: FoundCohort, as_of: dt.date, now: dt.datetime
) -> Survey:
    prints, eligible, skipped = Fingerprints(), array("q"), 0
    async for part in people(connection, cohort, as_of, now):
        for one in part:
            prints.add(one.learner_id, one.attributes)
            if one.verdict is Verdict.ELIGIBLE:
                eligible.append(one.learner_id)
            else:
                skipped += 1
    return Survey(
        digest=prints.digest,
        fingerprints=prints.packed,
        eligible=eligible,
        skipped=skipped,
        in_stock=await in_stock(connection, cohort, now),
    )


async def in_stock(connection: AsyncConnection | AsyncSession, cohort: FoundCohort, now: dt.datetime) -> int:
    """How many vouchers could be assigned to anybody."""
    counted = select(func.count()).select_from(VOUCHER).where(_is_in_stock(cohort, now))
    return (await connection.execute(counted)).scalar_one()


async def soonest(
    connection: AsyncConnection | AsyncSession, cohort: FoundCohort, now: dt.datetime, most: int
) -> Stock:
    """So many of the stock at most."""
    by = (VOUCHER.c.expires_at, VOUCHER.c.id)
    chosen = select(VOUCHER.c.id, VOUCHER.c.remaining_minor).where(_is_in_stock(cohort, now)).order_by(*by).limit(most)
    stock = Stock(array("q"), array("q"))
    found = await connection.stream(chosen, execution_options={"yield_per": AT_ONCE})
    async for part in found.partitions():
        ids, values = zip(*part, strict=True)
        stock.voucher_ids.extend(ids)
        stock.values_minor.extend(values)
    return stock


def _is_in_stock(cohort: FoundCohort, now: dt.datetime) -> ColumnElement[bool]:
    return and_(
        VOUCHER.c.program_id == cohort.program_id,
        VOUCHER.c.organization_id == cohort.organization_id,
        VOUCHER.c.voucher_program_id == cohort.voucher_program_id,
        is_usable(now),
        VOUCHER.c.assignment_id.is_(None),
        VOUCHER.c.held_minor == 0,
        ~_is_tied(),
    )


def _is_tied() -> ColumnElement[bool]:
    """Whether the terms keep it for whom it was first assigned to."""
    return exists().where(
        PROGRAM.c.program_id == VOUCHER.c.program_id,
        PROGRAM.c.id == VOUCHER.c.voucher_program_id,
        PROGRAM.c.transferability == Transferability.FIRST_ASSIGNEE,
        ASSIGNMENT.c.program_id == VOUCHER.c.program_id,
        ASSIGNMENT.c.voucher_id == VOUCHER.c.id,
    )
