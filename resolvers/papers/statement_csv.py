"""The lines of a statement as CSV: what each was about, for whom, and how much. Codes are not in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from models.money import Money
from resolvers.database import Reading
from resolvers.loaders.places import organizations_by_id
from resolvers.loaders.statements import LineRow, LinesPage, StatementRow, line_totals, lines_of, statements_by_key
from resolvers.loaders.voucher_programs import InProgram, products_by_key, program_of
from resolvers.loaders.vouchers import RedemptionKey, RedemptionRow, redemptions_by_id, vouchers_by_id
from resolvers.papers import words
from resolvers.papers.vouchers_csv import NOBODY, PAGE_ROWS, Cells, assignees, decimal_of, file_of
from resolvers.principal import Principal

HEADER = (
    *("number", "kind", "counted_at", "product", "reference", "code_ends_in", "purpose"),
    *("assigned_to", "external_id", "email"),
    # Neither is below zero: a cell that begins with a minus would be neutralised, and be no number any more.
    *("brought_forward", "billed", "credited", "currency"),
)
REDEEMED, TAKEN_BACK, FORWARD = "redemption", "reversal", "credit"
NO_REDEMPTION = ("", "", "", "", *NOBODY)


async def statement_csv(reading: Reading, principal: Principal, statement: StatementRow) -> AsyncIterator[str]:
    """The text of the file, for who may see the statement: that is asked before."""
    key = InProgram(statement.program_id, statement.id)
    async with reading() as connection:
        about = await _about(connection, statement)

    async def total(connection: AsyncConnection) -> int:
        return (await line_totals(connection, [key]))[0]

    async def page(connection: AsyncConnection, after: LineRow | None) -> list[LineRow]:
        return await lines_of(connection, [key], LinesPage(PAGE_ROWS, backward=False, beyond=after and after.number))

    async def cells(connection: AsyncConnection, rows: Sequence[LineRow]) -> Cells:
        return await _cells(connection, principal, statement, rows)

    async for text in file_of(reading, about, HEADER, total, page, cells):
        yield text


async def _about(connection: AsyncConnection, statement: StatementRow) -> Cells:
    (whose,) = await organizations_by_id(connection, [statement.organization_id])
    program = await program_of(connection, statement.program_id)
    return [
        ("Statement", statement.number),
        ("Of", whose.name),
        ("Billed by", program.name),
        ("Month", f"{statement.month:%Y-%m} ({program.zone})"),
        ("Total", str(statement.total)),
        ("State", statement.state.name.lower().replace("_", " ")),
        ("Closed at", words.instant(statement.closed_at)),
        ("Paid at", words.instant(statement.paid_at)),
    ]


async def _cells(
    connection: AsyncConnection, principal: Principal, statement: StatementRow, rows: Sequence[LineRow]
) -> Cells:
    keys = {RedemptionKey(row.program_id, key) for row in rows if (key := _redemption_of(row)) is not None}
    redemptions = {row.id: row for row in await redemptions_by_id(connection, list(keys))}
    about = await _about_redemptions(connection, principal, list(redemptions.values()))
    earlier = [InProgram(row.program_id, row.brought_forward_id) for row in rows if row.brought_forward_id is not None]
    numbers = {one.id: one.number for one in await statements_by_key(connection, earlier)}
    return [
        (
            str(row.number),
            *_kind(row, redemptions),
            *about.get(_redemption_of(row), NO_REDEMPTION),
            numbers.get(row.brought_forward_id or 0, ""),
            *_sides(Money(row.amount_minor, statement.currency)),
            statement.currency,
        )
        for row in rows
    ]


def _sides(amount: Money) -> tuple[str, str]:
    """What it adds to the total, and what it takes from it."""
    if amount.amount_minor >= 0:
        return decimal_of(amount), ""
    return "", decimal_of(Money(-amount.amount_minor, amount.currency))


def _redemption_of(row: LineRow) -> int | None:
    """What was redeemed, or what was taken back."""
    return row.redemption_id if row.redemption_id is not None else row.reversed_redemption_id


def _kind(row: LineRow, redemptions: dict[int, RedemptionRow]) -> tuple[str, str]:
    """What it is, and when that counts."""
    if row.redemption_id is not None:
        return REDEEMED, words.instant(redemptions[row.redemption_id].redeemed_at)
    return (TAKEN_BACK, words.instant(row.reversed_at)) if row.reversed_at else (FORWARD, "")


async def _about_redemptions(
    connection: AsyncConnection, principal: Principal, rows: Sequence[RedemptionRow]
) -> dict[int | None, tuple[str, ...]]:
    """Of each the product, the reference, what paid, what that was for, and whom it was assigned to."""
    paid_for = list({InProgram(row.program_id, row.product_id) for row in rows})
    products = {one.id: one.name for one in await products_by_key(connection, paid_for)}
    paid_by = list({row.voucher for row in rows if row.voucher})
    purposes = {one.id: one.purpose for one in await vouchers_by_id(connection, paid_by)}
    whom = await assignees(connection, principal, [(row.program_id, row.assignment_id) for row in rows])
    return {
        row.id: (
            products[row.product_id],
            row.reference,
            row.last_four or row.promotion_code or "",
            purposes.get(row.voucher_id or 0) or "",
            *whom.get((row.program_id, row.assignment_id), NOBODY),
        )
        for row in rows
    }
