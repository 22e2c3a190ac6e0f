"""A payment and a refund as the steps that ask for them see them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_

from models.money import Money
from models.payments import Payment, PaymentRefund, PaymentState, RefundState
from resolvers.gateways.gateway import Asked

PAYMENT = Payment.__table__
REFUND = PaymentRefund.__table__
COLUMNS = (
    PAYMENT.c.program_id,
    PAYMENT.c.id,
    PAYMENT.c.voucher_order_id,
    PAYMENT.c.checkout_id,
    PAYMENT.c.statement_id,
    PAYMENT.c.gateway,
    PAYMENT.c.reference,
    PAYMENT.c.gateway_reference,
    PAYMENT.c.amount_minor,
    PAYMENT.c.currency,
    PAYMENT.c.state,
    PAYMENT.c.asked_at,
)
OF_PAYMENT = and_(PAYMENT.c.program_id == REFUND.c.program_id, PAYMENT.c.id == REFUND.c.payment_id)
REFUND_COLUMNS = (
    REFUND.c.program_id,
    REFUND.c.id,
    REFUND.c.payment_id,
    REFUND.c.retries_id,
    REFUND.c.reference,
    REFUND.c.amount_minor,
    REFUND.c.state,
    REFUND.c.asked_at,
    PAYMENT.c.currency,
    PAYMENT.c.gateway,
    PAYMENT.c.gateway_reference.label("charged"),
)


class PaysFor(Enum):
    """What a payment is for: its value is the column that names it."""

    VOUCHER_ORDER = "voucher_order_id"
    CHECKOUT = "checkout_id"
    STATEMENT = "statement_id"


class Subject(NamedTuple):
    """What is paid for, in the program of whoever asks."""

    kind: PaysFor
    id: int

    def among(self, program_id: int) -> ColumnElement[bool]:
        """Its payments."""
        return and_(PAYMENT.c.program_id == program_id, PAYMENT.c[self.kind.value] == self.id)


@dataclass(frozen=True, slots=True)
class PaymentRow:
    program_id: int
    id: int
    voucher_order_id: int | None
    checkout_id: int | None
    statement_id: int | None
    gateway: str
    reference: str
    gateway_reference: str | None
    amount_minor: int
    currency: str
    state: PaymentState
    asked_at: dt.datetime

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    def asked(self, gateway_reference: str | None = None) -> Asked:
        """To be looked up by our reference, or by the gateway's own where that is known from itself."""
        return Asked(
            reference=self.reference,
            asked_at=self.asked_at,
            gateway_reference=gateway_reference,
            currency=self.currency,
        )

    @property
    def subject(self) -> Subject:
        if self.voucher_order_id is not None:
            return Subject(PaysFor.VOUCHER_ORDER, self.voucher_order_id)
        if self.checkout_id is not None:
            return Subject(PaysFor.CHECKOUT, self.checkout_id)
        # The table's check sees to it that it is one of the three.
        return Subject(PaysFor.STATEMENT, self.statement_id or 0)


@dataclass(frozen=True, slots=True)
class RefundRow:
    program_id: int
    id: int
    payment_id: int
    # The refund that a gateway refused, and that is asked for again by this one.
    retries_id: int | None
    reference: str
    amount_minor: int
    state: RefundState
    asked_at: dt.datetime
    currency: str
    gateway: str
    # The gateway's own reference of the charge.
    charged: str

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
