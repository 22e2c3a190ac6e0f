"""Giving back part or all of the lines of an order.

Of each line the card's part goes back first, then the vouchers', in the order in which they had paid. So what is given
back so far tells what comes next, and no voucher ever ends up having paid for a product that it may not pay for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select, update

from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.fee_refunds import FeeRefund, FeeRefundLine
from models.ledger import SIDES, LedgerEntry, LedgerEvent
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from resolvers.database import Outrun
from resolvers.fee_refunds.reversing import reverse
from resolvers.ledger.posting import Posting, post
from resolvers.loaders.fee_orders import (
    LINE,
    FeeLineRow,
    FeeOrderRow,
    PaidRow,
    fee_lines_of,
    fee_order_of,
    paid_by_vouchers,
)
from resolvers.loaders.voucher_programs import InProgram
from resolvers.payments.returning import ask_back, charged_payment
from resolvers.payments.rows import PaysFor, Subject
from resolvers.programs.acting import ProgramAct, Told, once_in_program, tell
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.finding import reason_of

REFUND = FeeRefund.__table__
ENTRY = LedgerEntry.__table__
DEED = "give fees back"


@dataclass(frozen=True, slots=True)
class LineBack:
    """So much of a line; all that is left of it if no amount is named."""

    number: int
    amount: Money | None = None


@dataclass(frozen=True, slots=True)
class Refunding:
    fee_order_id: int
    reason: str
    # All lines if none is named.
    lines: tuple[LineBack, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Of one line: what goes back to the card, and how much of which redemption is reversed."""

    number: int
    before_minor: int
    card_minor: int
    reversed: tuple[tuple[PaidRow, int], ...]

    @property
    def vouchers_minor(self) -> int:
        return sum(minor for _, minor in self.reversed)

    @property
    def minor(self) -> int:
        return self.card_minor + self.vouchers_minor


async def refund_once(act: ProgramAct, keys: CodeKeys | None, key: str, asked: Refunding) -> int:
    act.principal.must_run(act.program_id, DEED)
    return await once_in_program(act, key, "feeOrderRefund", asked, lambda: refund(act, keys, asked))


async def refund(act: ProgramAct, keys: CodeKeys | None, asked: Refunding) -> int:
    """The key of the refund. What the card had paid is asked for at its gateway afterwards, by the worker."""
    order = await fee_order_of(act.session, act.program_id, asked.fee_order_id, "order")
    why = reason_of(asked.reason)
    parts = await _parts(act, order, asked.lines)
    for part in parts:
        await _count(act, order, part)
    card = sum(part.card_minor for part in parts)
    refund_id = await _write(act, order, parts, why)
    for part in parts:
        for paid, minor in part.reversed:
            await reverse(act, keys, order, refund_id, paid, minor)
    if card:
        await _pay_back(act, order, refund_id, Money(card, order.currency))
    total = Money(sum(part.minor for part in parts), order.currency)
    what = ProgramThing.FEE_ORDER
    await tell(act, Told(thing=what, thing_id=order.id, deed=ProgramDeed.REFUNDED, said=why, after=str(total)))
    return refund_id


# ---------------------------------------------------------------------------------------------------- deciding


async def _parts(act: ProgramAct, order: FeeOrderRow, wanted: Sequence[LineBack]) -> list[Part]:
    key = InProgram(act.program_id, order.id)
    lines = {line.number: line for line in await fee_lines_of(act.session, [key])}
    paid = await paid_by_vouchers(act.session, [key])
    asked = wanted or [LineBack(number) for number, line in lines.items() if line.refunded_minor < line.amount_minor]
    if len({one.number for one in asked}) != len(asked):
        raise VoucherError(VoucherErrorCode.BAD_LINES, "Name each line once.", "lines")
    parts = [_part(order, lines, paid, one, place) for place, one in enumerate(asked)]
    if not parts:
        raise VoucherError(VoucherErrorCode.NOT_REFUNDABLE, "All of the order was given back before.", "order")
    return parts


def _part(
    order: FeeOrderRow, lines: dict[int, FeeLineRow], paid: Sequence[PaidRow], wanted: LineBack, place: int
) -> Part:
    line = lines.get(wanted.number)
    if line is None:
        raise NotFound("line", "lines", str(place), "number")
    minor = _amount(order, line, wanted, place)
    on_line = [row for row in paid if row.line_number == line.number]
    by_card = line.amount_minor - sum(row.amount_minor for row in on_line)
    card = min(minor, max(0, by_card - line.refunded_minor))
    return Part(line.number, line.refunded_minor, card, tuple(_reversed(on_line, minor - card)))


def _amount(order: FeeOrderRow, line: FeeLineRow, wanted: LineBack, place: int) -> int:
    left = Money(line.amount_minor - line.refunded_minor, order.currency)
    amount = wanted.amount or left
    if amount.currency != left.currency or not 0 < amount.amount_minor <= left.amount_minor:
        said = f"{left} of line {line.number} can be given back, and {amount} was named. Nothing was given back."
        raise VoucherError(VoucherErrorCode.NOT_REFUNDABLE, said, "lines", str(place), "amount")
    return amount.amount_minor


def _reversed(on_line: Sequence[PaidRow], minor: int) -> list[tuple[PaidRow, int]]:
    taken: list[tuple[PaidRow, int]] = []
    for row in on_line:
        part = min(minor, row.left_minor)
        if part:
            taken.append((row, part))
            minor -= part
    return taken


# ----------------------------------------------------------------------------------------------------- writing


async def _count(act: ProgramAct, order: FeeOrderRow, part: Part) -> None:
    """Of two refunds at once the second finds the line changed: it is decided again from what is left."""
    counted = await act.session.execute(
        update(LINE)
        .where(LINE.c.program_id == act.program_id, LINE.c.fee_order_id == order.id, LINE.c.number == part.number)
        .where(LINE.c.refunded_minor == part.before_minor)
        .values(refunded_minor=part.before_minor + part.minor)
        .returning(LINE.c.number)
    )
    if counted.scalar_one_or_none() is None:
        raise Outrun


async def _write(act: ProgramAct, order: FeeOrderRow, parts: Sequence[Part], why: str) -> int:
    key = act.keys.take()
    row = {
        "program_id": act.program_id,
        "id": key,
        "fee_order_id": order.id,
        "by_card_minor": sum(part.card_minor for part in parts),
        "by_vouchers_minor": sum(part.vouchers_minor for part in parts),
        "reason": why,
        "refunded_by": act.principal.name,
        "refunded_at": act.now,
    }
    await act.session.execute(insert(REFUND), row)
    own = {"program_id": act.program_id, "fee_refund_id": key}
    lines = [{**own, "line_number": part.number, "amount_minor": part.minor} for part in parts]
    await act.session.execute(insert(FeeRefundLine.__table__), lines)
    return key


async def _pay_back(act: ProgramAct, order: FeeOrderRow, refund_id: int, amount: Money) -> None:
    """The opposite of the card's charge, and the gateway is to be asked for it."""
    entry = await act.session.execute(
        select(ENTRY.c.id).where(
            ENTRY.c.program_id == act.program_id,
            ENTRY.c.fee_order_id == order.id,
            ENTRY.c.event == LedgerEvent.CARD_CHARGED,
        )
    )
    await post(
        act,
        Posting(
            event=LedgerEvent.REVERSAL,
            amount=amount,
            fee_order_id=order.id,
            fee_refund_id=refund_id,
            reverses_id=entry.scalar_one(),
            reversed_sides=SIDES[LedgerEvent.CARD_CHARGED],
        ),
    )
    payment = await charged_payment(act, Subject(PaysFor.CHECKOUT, order.checkout_id or 0))
    if payment is None:
        raise NotFound("payment", "order")
    await ask_back(act, payment, amount, fee_refund_id=refund_id)
