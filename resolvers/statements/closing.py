"""Closing a month: what an organization redeemed under its agreement is put on one statement, all at once.

Everything that is on no statement yet and counts before the end of the month goes on it, so nothing is ever left out.
What is redeemed later counts after the month that is closed: the agreement keeps up to where that is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select, update

from models.errors import VoucherError, VoucherErrorCode
from models.interval import BillingCalendar, months_later, to_microseconds
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.statements import Statement, StatementLine, StatementState
from models.voucher_orders import BillingAgreement
from resolvers.loaders.agreements import AgreementRow, agreement_of
from resolvers.loaders.unbilled import BillKey, LineKind, UnbilledRow, unbilled_lines
from resolvers.loaders.voucher_programs import program_of
from resolvers.programs.acting import ProgramAct, Told, add_unique, tell
from resolvers.programs.numbering import free_number

AGREEMENT = BillingAgreement.__table__
STATEMENT = Statement.__table__
LINE = StatementLine.__table__


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the program's zone."""

    first: dt.date
    until: dt.datetime

    @classmethod
    def of(cls, day: dt.date, zone: str) -> Month:
        first = day.replace(day=1)
        return cls(first, BillingCalendar.of(zone).start_of(months_later(first, 1)))


async def close_month(act: ProgramAct, agreement_id: int, day: dt.date) -> int | None:
    """The key of the statement of the month of that day; None if there is nothing to put on one.

    The same again gives the statement that was closed before. A month that is not over is refused.
    """
    act.principal.must_run(act.program_id, "close statements")
    agreement = await agreement_of(act.session, act.program_id, agreement_id, "agreement")
    month = Month.of(day, (await program_of(act.session, act.program_id)).zone)
    if month.until > act.now:
        over_on = months_later(month.first, 1)
        said = f"{month.first:%B %Y} is not over in the program's zone: close it from {over_on} on."
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


async def _lines(act: ProgramAct, agreement: AgreementRow, month: Month) -> Sequence[UnbilledRow]:
    """What is on no statement yet. A credit alone waits for something that it can be set against."""
    key = BillKey(act.program_id, agreement.id, to_microseconds(month.until))
    lines = await unbilled_lines(act.session, [key])
    return lines if any(line.kind != LineKind.BROUGHT_FORWARD for line in lines) else []


async def _write(
    act: ProgramAct, agreement: AgreementRow, month: Month, total: Money, lines: Sequence[UnbilledRow]
) -> int:
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
    await add_unique(act.session, STATEMENT, row)
    own = {"program_id": act.program_id, "statement_id": statement_id}
    rows = [{**own, "number": number, **_subject(line)} for number, line in enumerate(lines, 1)]
    await act.session.execute(insert(LINE), rows)
    return statement_id


SUBJECTS = {
    LineKind.REDEMPTION: "redemption_id",
    LineKind.REVERSAL: "redemption_reversal_id",
    LineKind.BROUGHT_FORWARD: "brought_forward_id",
}


def _subject(line: UnbilledRow) -> dict[str, int | None]:
    """One of the three is what a line is about."""
    return {
        **dict.fromkeys(SUBJECTS.values()),
        SUBJECTS[LineKind(line.kind)]: line.id,
        "amount_minor": line.amount_minor,
    }
