"""Vouchers, and what they paid, as CSV: read a page at a time, so that memory stays flat. Codes are in neither.

What can be refused is refused before the first byte; the last line says whether the file is whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from models.interval import BillingCalendar
from models.money import Money
from models.voucher_states import state_of
from resolvers.database import Reading
from resolvers.exports import INCOMPLETE, ExportNotWhole
from resolvers.loaders.learners import LearnerKey, learners_by_id
from resolvers.loaders.places import organizations_by_id
from resolvers.loaders.voucher_lists import (
    Between,
    Chosen,
    ListKey,
    ListPage,
    Of,
    redemption_totals,
    redemptions_of,
    voucher_totals,
    vouchers_of,
)
from resolvers.loaders.voucher_orders import OrderKey, orders_by_key
from resolvers.loaders.voucher_programs import (
    InProgram,
    ProgramRow,
    products_by_key,
    programs_by_id,
    voucher_programs_by_key,
)
from resolvers.loaders.vouchers import (
    AssignmentKey,
    AssignmentRow,
    RedemptionRow,
    VoucherRow,
    assignments_by_id,
    vouchers_by_id,
)
from resolvers.papers import words
from resolvers.principal import Principal
from resolvers.spreadsheets import BYTE_ORDER_MARK, as_csv

PAGE_ROWS = 1_000
VOUCHER_HEADER = (
    *("organization", "program", "terms", "order", "code_ends_in", "state", "purpose"),
    *("assigned_to", "external_id", "email", "learner_has_left"),
    *("face_value", "remaining_value", "held_value", "currency", "issued_at", "usable_through"),
)
REDEMPTION_HEADER = (
    *("redeemed_at", "organization", "program", "product", "reference", "code_ends_in", "purpose"),
    *("assigned_to", "external_id", "email"),
    *("amount", "reversed_amount", "currency"),
)
NOBODY = ("", "", "")

Row = TypeVar("Row")
Cells = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A list that whoever asks may see."""

    principal: Principal
    of: Of
    key: ListKey
    # Whose it is, and what of it was asked for, in words.
    whose: str
    words: str
    now: dt.datetime


async def vouchers_csv(reading: Reading, asked: Asked, chosen: Chosen) -> AsyncIterator[str]:
    """The text of the file; begin by taking its first part, since nothing is refused after it."""

    async def total(connection: AsyncConnection) -> int:
        return (await voucher_totals(connection, [asked.key], asked.of, chosen))[0]

    async def page(connection: AsyncConnection, after: VoucherRow | None) -> list[VoucherRow]:
        beyond = (after.issued_at, after.id, after.program_id) if after else None
        return await vouchers_of(connection, [asked.key], asked.of, chosen, ListPage(PAGE_ROWS, beyond=beyond))

    async def cells(connection: AsyncConnection, rows: Sequence[VoucherRow]) -> Cells:
        return await _voucher_cells(connection, rows, asked)

    async for text in file_of(reading, _about(asked, "vouchers"), VOUCHER_HEADER, total, page, cells):
        yield text


async def redemptions_csv(reading: Reading, asked: Asked, between: Between) -> AsyncIterator[str]:
    async def total(connection: AsyncConnection) -> int:
        return (await redemption_totals(connection, [asked.key], asked.of, between))[0]

    async def page(connection: AsyncConnection, after: RedemptionRow | None) -> list[RedemptionRow]:
        beyond = (after.redeemed_at, after.id, after.program_id) if after else None
        return await redemptions_of(connection, [asked.key], asked.of, between, ListPage(PAGE_ROWS, beyond=beyond))

    async def cells(connection: AsyncConnection, rows: Sequence[RedemptionRow]) -> Cells:
        return await _redemption_cells(connection, rows, asked)

    async for text in file_of(reading, _about(asked, "redemptions"), REDEMPTION_HEADER, total, page, cells):
        yield text


def _about(asked: Asked, what: str) -> Cells:
    return [("What", what), ("Of", asked.whose), ("Which", asked.words), ("As of", words.instant(asked.now))]


async def file_of(
    reading: Reading,
    about: Cells,
    header: Sequence[str],
    total: Callable[[AsyncConnection], Awaitable[int]],
    page: Callable[[AsyncConnection, Row | None], Awaitable[list[Row]]],
    cells: Callable[[AsyncConnection, Sequence[Row]], Awaitable[Cells]],
) -> AsyncIterator[str]:
    async with reading() as connection:
        expected = await total(connection)
    yield BYTE_ORDER_MARK + as_csv([*about, ("Rows", str(expected)), header])
    written, last = 0, None
    try:
        while True:
            # Each page is a read of its own, so that a slow reader holds no snapshot open.
            async with reading() as connection:
                rows = await page(connection, last)
                of_page = await cells(connection, rows)
            if rows:
                yield as_csv(of_page)
                written, last = written + len(rows), rows[-1]
            if len(rows) < PAGE_ROWS:
                break
        if written != expected:
            raise ExportNotWhole(expected, written)
    except Exception:
        yield as_csv([(INCOMPLETE, f"{written} of {expected} rows were written.")])
        raise
    yield as_csv([words.end(written)])


# --------------------------------------------------------------------------------------------------- rows


async def _voucher_cells(connection: AsyncConnection, rows: Sequence[VoucherRow], asked: Asked) -> Cells:
    organizations = await _organizations(connection, {row.organization_id for row in rows})
    programs = await _programs(connection, {row.program_id for row in rows})
    sold_as = list({InProgram(row.program_id, row.voucher_program_id) for row in rows})
    terms = {(one.program_id, one.id): one.name for one in await voucher_programs_by_key(connection, sold_as)}
    came_with = list({OrderKey(row.program_id, row.voucher_order_id) for row in rows})
    orders = {one.key: one.number for one in await orders_by_key(connection, came_with)}
    whom = await assignees(connection, asked.principal, [(row.program_id, row.assignment_id) for row in rows])
    return [
        (
            organizations[row.organization_id],
            programs[row.program_id].name,
            terms[row.program_id, row.voucher_program_id],
            orders[OrderKey(row.program_id, row.voucher_order_id)],
            row.last_four,
            state_of(row, asked.now).name,
            row.purpose or "",
            *whom.get((row.program_id, row.assignment_id), NOBODY),
            "yes" if row.flagged_at else "",
            *map(
                decimal_of, (row.money(row.face_value_minor), row.money(row.remaining_minor), row.money(row.held_minor))
            ),
            row.currency,
            words.instant(row.issued_at),
            _last_day(programs[row.program_id], row.ends_at),
        )
        for row in rows
    ]


async def _redemption_cells(connection: AsyncConnection, rows: Sequence[RedemptionRow], asked: Asked) -> Cells:
    organizations = await _organizations(connection, {row.organization_id for row in rows})
    programs = await _programs(connection, {row.program_id for row in rows})
    paid_for = list({InProgram(row.program_id, row.product_id) for row in rows})
    products = {(one.program_id, one.id): one.name for one in await products_by_key(connection, paid_for)}
    paid_by = list({row.voucher for row in rows if row.voucher})
    purposes = {one.key: one.purpose for one in await vouchers_by_id(connection, paid_by)}
    whom = await assignees(connection, asked.principal, [(row.program_id, row.assignment_id) for row in rows])
    return [
        (
            words.instant(row.redeemed_at),
            organizations[row.organization_id],
            programs[row.program_id].name,
            products[row.program_id, row.product_id],
            row.reference,
            row.last_four or row.promotion_code or "",
            (row.voucher and purposes[row.voucher]) or "",
            *whom.get((row.program_id, row.assignment_id), NOBODY),
            decimal_of(Money(row.amount_minor, row.currency)),
            decimal_of(Money(row.reversed_minor, row.currency)),
            row.currency,
        )
        for row in rows
    ]


async def _organizations(connection: AsyncConnection, ids: set[int]) -> dict[int, str]:
    return {row.organization_id: row.name for row in await organizations_by_id(connection, list(ids))}


async def _programs(connection: AsyncConnection, ids: set[int]) -> dict[int, ProgramRow]:
    return {row.id: row for row in await programs_by_id(connection, list(ids))}


async def assignees(
    connection: AsyncConnection, principal: Principal, keys: Sequence[tuple[int, int | None]]
) -> dict[tuple[int, int | None], tuple[str, str, str]]:
    """Of each assignment the name, external id and address of whom it is to, for who may see these people."""
    asked = [AssignmentKey(program_id, key) for program_id, key in set(keys) if key is not None]
    assignments = [one for one in await assignments_by_id(connection, asked) if principal.may_see(one.organization_id)]
    keyed = list({LearnerKey(one.organization_id, one.learner_id) for one in assignments if one.learner_id})
    learners = {
        LearnerKey(one.organization_id, one.learner_id): (one.name, one.external_id, one.email)
        for one in await learners_by_id(connection, keyed)
        if one
    }
    return {(one.program_id, one.id): _assignee(one, learners) for one in assignments}


def _assignee(one: AssignmentRow, learners: dict[LearnerKey, tuple[str, str, str]]) -> tuple[str, str, str]:
    if one.learner_id is None:
        return ("", "", one.email or "")
    return learners.get(LearnerKey(one.organization_id, one.learner_id), NOBODY)


def decimal_of(money: Money) -> str:
    return f"{money.amount}"


def _last_day(program: ProgramRow, ends_at: dt.datetime | None) -> str:
    """The last day of the program on which it can be used; empty if it never expires."""
    return words.day(BillingCalendar.of(program.zone, dt.time()).last_day_before(ends_at) if ends_at else None)
