"""The ledger: double entry, append-only. Each entry names both of its accounts, so no entry can be out of balance."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled


class LedgerAccount(Enum):
    """The accounts of a program, in each currency."""

    CASH = "money received"
    PO_RECEIVABLE = "owed for approved purchase orders"
    ORGANIZATION_RECEIVABLE = "owed for redemptions that are billed later"
    VOUCHER_LIABILITY = "value of prepaid vouchers and promotions that can still be redeemed"
    FEE_REVENUE = "fees earned"
    BREAKAGE = "value that expired or was forfeited"
    REFUNDS_PAYABLE = "owed to who paid: a gateway refused to give it back"


class LedgerEvent(Enum):
    """What moved the money. A reversal is the exact opposite of what it reverses, of all of it or of a part."""

    PURCHASE_PAID = "vouchers were paid for before they were issued"
    ORDER_APPROVED = "a purchase order was approved, and its vouchers issued"
    ORDER_SETTLED = "an approved purchase order was paid"
    ORDER_CANCELLED = "an approved purchase order was cancelled, or part of it given back before it was paid"
    UNUSED_REFUNDED = "money was given back for what was not redeemed"
    VOUCHER_REDEEMED = "a prepaid voucher or promotion paid a fee"
    CARD_CHARGED = "a card paid a fee, or the part that vouchers did not pay"
    REDEEMED_ON_ACCOUNT = "a fee was paid that the organization is billed for later"
    STATEMENT_PAID = "an organization paid a statement"
    VALUE_EXPIRED = "value expired"
    VALUE_FORFEITED = "value was forfeited"
    REFUND_REFUSED = "a gateway refused to give money back: it is here still, and owed"
    REFUND_MADE_GOOD = "what a gateway had refused was given back after all"
    REVERSAL = "an entry was reversed"


class Sides(NamedTuple):
    debit: LedgerAccount
    credit: LedgerAccount

    @property
    def opposite(self) -> Sides:
        return Sides(self.credit, self.debit)


_CASH, _PO, _DUE = LedgerAccount.CASH, LedgerAccount.PO_RECEIVABLE, LedgerAccount.ORGANIZATION_RECEIVABLE
_LIABILITY, _REVENUE, _BREAKAGE = LedgerAccount.VOUCHER_LIABILITY, LedgerAccount.FEE_REVENUE, LedgerAccount.BREAKAGE
_PAYABLE = LedgerAccount.REFUNDS_PAYABLE

SIDES = {
    LedgerEvent.PURCHASE_PAID: Sides(_CASH, _LIABILITY),
    LedgerEvent.ORDER_APPROVED: Sides(_PO, _LIABILITY),
    LedgerEvent.ORDER_SETTLED: Sides(_CASH, _PO),
    LedgerEvent.ORDER_CANCELLED: Sides(_LIABILITY, _PO),
    LedgerEvent.UNUSED_REFUNDED: Sides(_LIABILITY, _CASH),
    LedgerEvent.VOUCHER_REDEEMED: Sides(_LIABILITY, _REVENUE),
    LedgerEvent.CARD_CHARGED: Sides(_CASH, _REVENUE),
    LedgerEvent.REDEEMED_ON_ACCOUNT: Sides(_DUE, _REVENUE),
    LedgerEvent.STATEMENT_PAID: Sides(_CASH, _DUE),
    LedgerEvent.VALUE_EXPIRED: Sides(_LIABILITY, _BREAKAGE),
    LedgerEvent.VALUE_FORFEITED: Sides(_LIABILITY, _BREAKAGE),
    LedgerEvent.REFUND_REFUSED: Sides(_CASH, _PAYABLE),
    LedgerEvent.REFUND_MADE_GOOD: Sides(_PAYABLE, _CASH),
}
"""Which accounts each event moves; a reversal's are the opposite of what it reverses."""


class LedgerEntry(Base):
    """So much from one account to another. What it is about is named, so that every balance can be traced."""

    __tablename__ = "ledger_entry"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    recorded_at: Mapped[Moment]
    event: Mapped[LedgerEvent] = mapped_column(Spelled(LedgerEvent, 40))
    debit: Mapped[LedgerAccount] = mapped_column(Spelled(LedgerAccount))
    credit: Mapped[LedgerAccount] = mapped_column(Spelled(LedgerAccount))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    # Whose vouchers it is about; None for a fee that a card paid.
    organization_id: Mapped[Key | None] = mapped_column(ForeignKey("organization.id"))
    voucher_order_id: Mapped[Key | None]
    voucher_id: Mapped[Key | None]
    promotion_id: Mapped[Key | None]
    redemption_id: Mapped[Key | None]
    fee_order_id: Mapped[Key | None]
    statement_id: Mapped[Key | None]
    redemption_reversal_id: Mapped[Key | None]
    fee_refund_id: Mapped[Key | None]
    payment_refund_id: Mapped[Key | None]
    reverses_id: Mapped[Key | None]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "voucher_order_id"], ["voucher_order.program_id", "voucher_order.id"]),
        ForeignKeyConstraint(["program_id", "voucher_id"], ["voucher.program_id", "voucher.id"]),
        ForeignKeyConstraint(["program_id", "promotion_id"], ["promotion.program_id", "promotion.id"]),
        ForeignKeyConstraint(["program_id", "redemption_id"], ["redemption.program_id", "redemption.id"]),
        ForeignKeyConstraint(["program_id", "fee_order_id"], ["fee_order.program_id", "fee_order.id"]),
        ForeignKeyConstraint(["program_id", "statement_id"], ["statement.program_id", "statement.id"]),
        ForeignKeyConstraint(
            ["program_id", "redemption_reversal_id"], ["redemption_reversal.program_id", "redemption_reversal.id"]
        ),
        ForeignKeyConstraint(["program_id", "fee_refund_id"], ["fee_refund.program_id", "fee_refund.id"]),
        ForeignKeyConstraint(["program_id", "payment_refund_id"], ["payment_refund.program_id", "payment_refund.id"]),
        ForeignKeyConstraint(["program_id", "reverses_id"], ["ledger_entry.program_id", "ledger_entry.id"]),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("debit <> credit", name="two_accounts"),
        CheckConstraint("(event = 'REVERSAL') = (reverses_id IS NOT NULL)", name="reversal"),
        # What an order does once, the database lets it do once.
        Index(
            "uq_ledger_entry_once_an_order",
            "program_id",
            "voucher_order_id",
            "event",
            unique=True,
            sqlite_where=text("event IN ('PURCHASE_PAID', 'ORDER_APPROVED', 'ORDER_SETTLED')"),
            postgresql_where=text("event IN ('PURCHASE_PAID', 'ORDER_APPROVED', 'ORDER_SETTLED')"),
        ),
        # Refused once, and made good once.
        Unique("program_id", "payment_refund_id"),
        Index(None, "program_id", "recorded_at", "id"),
        Index(None, "program_id", "voucher_id", "id"),
        Index(None, "program_id", "promotion_id", "id"),
        Index(None, "program_id", "redemption_id", "id"),
        Index(None, "program_id", "reverses_id"),
    )
