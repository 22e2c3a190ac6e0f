"""Posting: each movement of money is one entry of the ledger, from one account to another."""

from __future__ import annotations

from dataclasses import dataclass

from models.ledger import SIDES, LedgerEntry, LedgerEvent, Sides
from models.money import Money
from resolvers.prepared import add
from resolvers.programs.acting import ProgramAct


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What moved, how much of it, and what it is about."""

    event: LedgerEvent
    amount: Money
    organization_id: int | None = None
    voucher_order_id: int | None = None
    voucher_id: int | None = None
    promotion_id: int | None = None
    redemption_id: int | None = None
    fee_order_id: int | None = None
    statement_id: int | None = None
    redemption_reversal_id: int | None = None
    fee_refund_id: int | None = None
    payment_refund_id: int | None = None
    # Of a reversal: the entry that it reverses, and on which sides that one stands.
    reverses_id: int | None = None
    reversed_sides: Sides | None = None

    @property
    def sides(self) -> Sides:
        return self.reversed_sides.opposite if self.reversed_sides else SIDES[self.event]


async def post(act: ProgramAct, *postings: Posting) -> None:
    """Nothing of nothing: an entry of no amount is left out."""
    rows = [_row(act, posting) for posting in postings if posting.amount.amount_minor]
    if rows:
        await add(act.session, LedgerEntry.__table__, rows)


def _row(act: ProgramAct, posting: Posting) -> dict[str, object]:
    sides = posting.sides
    return {
        "program_id": act.program_id,
        "id": act.keys.take(),
        "recorded_at": act.now,
        "event": posting.event,
        "debit": sides.debit,
        "credit": sides.credit,
        "amount_minor": posting.amount.amount_minor,
        "currency": posting.amount.currency,
        "organization_id": posting.organization_id,
        "voucher_order_id": posting.voucher_order_id,
        "voucher_id": posting.voucher_id,
        "promotion_id": posting.promotion_id,
        "redemption_id": posting.redemption_id,
        "fee_order_id": posting.fee_order_id,
        "statement_id": posting.statement_id,
        "redemption_reversal_id": posting.redemption_reversal_id,
        "fee_refund_id": posting.fee_refund_id,
        "payment_refund_id": posting.payment_refund_id,
        "reverses_id": posting.reverses_id,
    }
