"""Closing a month: what an organization redeemed under its agreement is put on one statement, all at once.

Everything that is on no statement yet and counts before the end of the month goes on it, so nothing is ever left out.
What is redeemed later counts after the month that is closed: the agreement keeps up to where that is.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, exists, insert, select, update

from models.errors import VoucherError, VoucherErrorCode
from models.fee_refunds import RedemptionReversal
from models.interval import BillingCalendar
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.programs import Program
from models.redemptions import Redemption
from models.statements import Statement, StatementLine, StatementState
from models.voucher_orders import BillingAgreement
from resolvers.loaders.agreements import AgreementRow, agreement_of
from resolvers.programs.acting import ProgramAct, Told, add_unique, tell
from resolvers.programs.numbering import free_number

AGREEMENT = BillingAgreement.__table__
STATEMENT = Statement.__table__
LINE = StatementLine.__table__
REDEMPTION = Redemption.__table__
REVERSAL = RedemptionReversal.__table__


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the program's zone."""

    first: dt.date
    until: dt.datetime

    @classmethod
    def of(cls, day: dt.date, zone: str) -> Month:
        first = day.replace(day=1)
        return cls(first, BillingCalendar.of(zone).start_of(month_after(first)))


class NewLine(NamedTuple):
    """One of the three is what it is about."""

    amount_minor: int
    redemption_id: int | None = None
    redemption_reversal_id: int | None = None
    brought_forward_id: int | None = None


def month_after(first: dt.date) -> dt.date:
    return (first + dt.timedelta(days=31)).replace(day=1)


async def zone_of(act: ProgramAct) -> str:
    zone: str = (await act.session.execute(select(Program.zone).where(Program.id == act.program_id))).scalar_one()
    return zone


async def close_month(act: ProgramAct, agreement_id: int, day: dt.date) -> int | None:
    """The key of the statement of the month of that day; None if there is nothing to put on one.

    The same again gives the statement that was closed before. A month that is not over is refused.
    """
    act.principal.must_run(act.program_id, "close statements")
    agreement = await agreement_of(act.session, act.program_id, agreement_id, "agreement")
    month = Month.of(day, await zone_of(act))
    if month.until > act.now:
        said = f"{month.first:%B %Y} is not over in the program's zone: close it from {month_after(month.first)} on."
        raise VoucherError(VoucherErrorCode.WRONG_STATE, said, "month")
    before = await _closed_before(act, agreement, month)
    return before if before is not None else await _close(act, agreement, month)


async def _closed_before(act: ProgramAct, agreement: AgreementRow, month: Month) -> int | None:
    found: int | None = (
        await act.session.execute(
            select(STATEMENT.c.id).where(
                STATEMENT.c.program_id == act.program_id,
                STATEMENT.c.billing_agreement_id == agreement.id,
                STATEMENT.c.month == month.first,
            )
        )
    ).scalar_one_or_none()
    return found


async def _close(act: ProgramAct, agreement: AgreementRow, month: Month) -> int | None:
    """The month ends first: whoever redeems at the same time comes before that, or counts in the next."""
    if not await _end_month(act, agreement, month):
        return None
    lines = await _lines(act, agreement, month)
    if not lines:
        return None
    total = Money(sum(line.amount_minor for line in lines), agreement.currency)
    statement_id = await _write(act, agreement, month, total, lines)
    if total.amount_minor > 0:
        await _bill(act, agreement, total.amount_minor)
    deed, what = ProgramDeed.STATEMENT_CLOSED, f"{month.first:%B %Y}, {total}"
    await tell(act, Told(thing=ProgramThing.STATEMENT, thing_id=statement_id, deed=deed, after=what))
    return statement_id


async def _end_month(act: ProgramAct, agreement: AgreementRow, month: Month) -> bool:
    ended = await act.session.execute(
        update(AGREEMENT)
        .where(AGREEMENT.c.program_id == act.program_id, AGREEMENT.c.id == agreement.id)
        .where(AGREEMENT.c.closed_until < month.until)
        .values(closed_until=month.until)
        .returning(AGREEMENT.c.id)
    )
    return ended.scalar_one_or_none() is not None


async def _bill(act: ProgramAct, agreement: AgreementRow, minor: int) -> None:
    """What was unbilled is unpaid now. A credit stays unbilled, until it is brought forward."""
    await act.session.execute(
        update(AGREEMENT)
        .where(AGREEMENT.c.program_id == act.program_id, AGREEMENT.c.id == agreement.id)
        .values(unbilled_minor=AGREEMENT.c.unbilled_minor - minor, unpaid_minor=AGREEMENT.c.unpaid_minor + minor)
    )


# --------------------------------------------------------------------------------------------- what is on it


async def _lines(act: ProgramAct, agreement: AgreementRow, month: Month) -> list[NewLine]:
    return [
        *await _redeemed(act, agreement, month),
        *await _reversed(act, agreement, month),
        *await _brought_forward(act, agreement),
    ]


async def _redeemed(act: ProgramAct, agreement: AgreementRow, month: Month) -> list[NewLine]:
    rows = await act.session.execute(
        select(REDEMPTION.c.amount_minor, REDEMPTION.c.id)
        .where(_on_account(act, agreement), REDEMPTION.c.redeemed_at < month.until)
        .where(~_is_on_a_statement(act, "redemption_id", REDEMPTION.c.id))
        .order_by(REDEMPTION.c.redeemed_at, REDEMPTION.c.id)
    )
    return [NewLine(row.amount_minor, redemption_id=row.id) for row in rows]


async def _reversed(act: ProgramAct, agreement: AgreementRow, month: Month) -> list[NewLine]:
    of_it = and_(REVERSAL.c.program_id == REDEMPTION.c.program_id, REVERSAL.c.redemption_id == REDEMPTION.c.id)
    rows = await act.session.execute(
        select(REVERSAL.c.amount_minor, REVERSAL.c.id)
        .select_from(REDEMPTION.join(REVERSAL, of_it))
        .where(_on_account(act, agreement), REVERSAL.c.reversed_at < month.until)
        .where(~_is_on_a_statement(act, "redemption_reversal_id", REVERSAL.c.id))
        .order_by(REVERSAL.c.reversed_at, REVERSAL.c.id)
    )
    return [NewLine(-row.amount_minor, redemption_reversal_id=row.id) for row in rows]


async def _brought_forward(act: ProgramAct, agreement: AgreementRow) -> list[NewLine]:
    """The credit of a statement on which more was reversed than redeemed."""
    rows = await act.session.execute(
        select(STATEMENT.c.total_minor, STATEMENT.c.id)
        .where(STATEMENT.c.program_id == act.program_id, STATEMENT.c.billing_agreement_id == agreement.id)
        .where(STATEMENT.c.total_minor < 0, ~_is_on_a_statement(act, "brought_forward_id", STATEMENT.c.id))
    )
    return [NewLine(row.total_minor, brought_forward_id=row.id) for row in rows]


def _on_account(act: ProgramAct, agreement: AgreementRow) -> ColumnElement[bool]:
    return and_(REDEMPTION.c.program_id == act.program_id, REDEMPTION.c.billing_agreement_id == agreement.id)


def _is_on_a_statement(act: ProgramAct, column: str, key: ColumnElement[int]) -> ColumnElement[bool]:
    return exists().where(LINE.c.program_id == act.program_id, LINE.c[column] == key)


async def _write(act: ProgramAct, agreement: AgreementRow, month: Month, total: Money, lines: list[NewLine]) -> int:
    """Nothing to pay is paid."""
    statement_id, is_due = act.keys.take(), total.amount_minor > 0
    row = {
        "program_id": act.program_id,
        "id": statement_id,
        "organization_id": agreement.organization_id,
        "billing_agreement_id": agreement.id,
        "currency": agreement.currency,
        "number": await free_number(act, "ST", STATEMENT.c.number),
        "month": month.first,
        "state": StatementState.DUE if is_due else StatementState.PAID,
        "total_minor": total.amount_minor,
        "closed_at": act.now,
        "paid_at": None if is_due else act.now,
    }
    await add_unique(act.session, insert(STATEMENT).values(row))
    own = {"program_id": act.program_id, "statement_id": statement_id}
    rows = [{**own, "number": number, **line._asdict()} for number, line in enumerate(lines, 1)]
    await act.session.execute(insert(LINE), rows)
    return statement_id
