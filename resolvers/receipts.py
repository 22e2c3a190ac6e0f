"""Receipts: what somebody paid, with which vouchers and how much by card, and what was given back since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from models.errors import NotFound
from models.money import Money
from models.redemptions import FeeChannel
from resolvers.accounts import FoundAccount, account_of_person
from resolvers.loaders.fee_orders import (
    FeeLineRow,
    FeeOrderRow,
    FeeRefundRow,
    PaidRow,
    fee_lines_of,
    fee_order_of,
    fee_refunds_of,
    paid_by_vouchers,
)
from resolvers.loaders.left_after import PaidOrder, left_after
from resolvers.loaders.voucher_programs import InProgram, program_of
from resolvers.principal import Principal

WHAT = "receipt"


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    number: int
    name: str
    quantity: int
    unit_price: Money
    total: Money
    refunded: Money


@dataclass(frozen=True, slots=True)
class ReceiptVoucher:
    """One voucher or promotion, over all lines."""

    # The last four characters of a voucher's code, or the code of a promotion.
    name: str
    is_promotion: bool
    used: Money
    reversed: Money
    # None of a promotion: it has none.
    face_value: Money | None = None
    # Once this order was paid. Whoever has the voucher now, and what is left on it now, is no business of a receipt.
    left: Money | None = None


@dataclass(frozen=True, slots=True)
class ReceiptRefund:
    refunded_at: dt.datetime
    by_card: Money
    by_vouchers: Money
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    program: str
    zone: str
    reference: str
    channel: FeeChannel
    completed_at: dt.datetime
    # None of somebody who has no account, or was erased.
    paid_by: str | None
    lines: Sequence[ReceiptLine]
    vouchers: Sequence[ReceiptVoucher]
    refunds: Sequence[ReceiptRefund]
    total: Money
    by_vouchers: Money
    by_card: Money

    @property
    def refunded(self) -> Money:
        back = sum(one.by_card.amount_minor + one.by_vouchers.amount_minor for one in self.refunds)
        return Money(back, self.total.currency)


async def load_receipt(connection: AsyncConnection, principal: Principal, program_id: int, order_id: int) -> Receipt:
    """For the person who paid, and for who runs the program; not found for anybody else."""
    order, key = await fee_order_of(connection, program_id, order_id), InProgram(program_id, order_id)
    if not order.is_seen_by(principal):
        raise NotFound(WHAT)
    program = await program_of(connection, program_id)
    account = await account_of_person(connection, order.person_id) if order.person_id else None
    return Receipt(
        program=program.name,
        zone=program.zone,
        reference=order.reference,
        channel=order.channel,
        completed_at=order.completed_at,
        paid_by=_named(account),
        lines=[_line(order, row) for row in await fee_lines_of(connection, [key])],
        vouchers=await _vouchers(connection, order, await paid_by_vouchers(connection, [key])),
        refunds=[_refund(row) for row in await fee_refunds_of(connection, [key])],
        total=order.total,
        by_vouchers=order.money(order.by_vouchers_minor),
        by_card=order.money(order.by_card_minor),
    )


def _named(account: FoundAccount | None) -> str | None:
    return f"{account.name}, {account.email}" if account else None


def _line(order: FeeOrderRow, row: FeeLineRow) -> ReceiptLine:
    money = order.money
    amounts = (money(row.unit_price_minor), money(row.amount_minor), money(row.refunded_minor))
    return ReceiptLine(row.number, row.name, row.quantity, *amounts)


def _refund(row: FeeRefundRow) -> ReceiptRefund:
    return ReceiptRefund(row.refunded_at, row.money(row.by_card_minor), row.money(row.by_vouchers_minor), row.reason)


async def _vouchers(
    connection: AsyncConnection, order: FeeOrderRow, paid: Sequence[PaidRow]
) -> Sequence[ReceiptVoucher]:
    """In the order of the lines that they paid."""
    by_payer: dict[tuple[int, int], list[PaidRow]] = {}
    for row in paid:
        by_payer.setdefault((row.voucher_id or 0, row.promotion_id or 0), []).append(row)
    keys = [PaidOrder(order.program_id, voucher_id, order.id) for voucher_id, _ in by_payer if voucher_id]
    left = {keys[row.place].voucher_id: row.left_minor for row in await left_after(connection, keys)}
    return [_voucher(order, rows, left.get(voucher_id)) for (voucher_id, _), rows in by_payer.items()]


def _voucher(order: FeeOrderRow, rows: Sequence[PaidRow], left_minor: int | None) -> ReceiptVoucher:
    face_minor = rows[0].face_value_minor
    return ReceiptVoucher(
        name=rows[0].last_four or rows[0].promotion_code or "",
        is_promotion=rows[0].promotion_id is not None,
        used=order.money(sum(row.amount_minor for row in rows)),
        reversed=order.money(sum(row.reversed_minor for row in rows)),
        face_value=None if face_minor is None else order.money(face_minor),
        left=None if left_minor is None else order.money(left_minor),
    )
