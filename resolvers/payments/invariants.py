"""What must always hold of payments, each as one query that returns no row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, and_, case, func, or_, select, union_all

from models.ledger import LedgerAccount, LedgerEntry
from models.payments import PaymentState, RefundState
from resolvers.invariant import Invariant, keys_of
from resolvers.payments.rows import OF_PAYMENT, PAYMENT, REFUND, PaysFor

LEDGER = LedgerEntry.__table__
PAYABLE = LedgerAccount.REFUNDS_PAYABLE


def _given_back() -> Any:
    """Of each payment what was given back, or is being asked for."""
    return (
        select(func.coalesce(func.sum(REFUND.c.amount_minor), 0))
        .where(REFUND.c.program_id == PAYMENT.c.program_id, REFUND.c.payment_id == PAYMENT.c.id)
        .where(REFUND.c.state != RefundState.FAILED)
        .correlate(PAYMENT)
        .scalar_subquery()
    )


def _given_back_beyond() -> Select[Any]:
    charged = case((PAYMENT.c.state == PaymentState.SUCCEEDED, PAYMENT.c.amount_minor), else_=0)
    return select(keys_of(PAYMENT.c.program_id, PAYMENT.c.id)).where(_given_back() > charged)


def _charged_twice() -> Select[Any]:
    """Of one subject more than one charge that is not to go back whole: nor was the refund of it refused."""
    refused = (
        select(REFUND.c.id)
        .where(REFUND.c.program_id == PAYMENT.c.program_id, REFUND.c.payment_id == PAYMENT.c.id)
        .where(REFUND.c.state == RefundState.FAILED)
        .exists()
    )
    kept = and_(PAYMENT.c.state == PaymentState.SUCCEEDED, _given_back() < PAYMENT.c.amount_minor, ~refused)
    subject = [PAYMENT.c.program_id, *(func.coalesce(PAYMENT.c[kind.value], 0) for kind in PaysFor)]
    return select(keys_of(*subject)).where(kept).group_by(*subject).having(func.count() > 1)


def _owed_otherwise() -> Select[Any]:
    """Of each program and currency: what the ledger owes, less what was refused and not made good, is nothing."""
    own = ("program_id", "currency")
    sign = case((LEDGER.c.credit == PAYABLE, LEDGER.c.amount_minor), else_=-LEDGER.c.amount_minor)
    refused = and_(REFUND.c.state == RefundState.FAILED, REFUND.c.retries_id.is_(None))
    made_good = and_(REFUND.c.state == RefundState.SUCCEEDED, REFUND.c.retries_id.is_not(None))
    owed = case((made_good, REFUND.c.amount_minor), else_=-REFUND.c.amount_minor)
    parts = union_all(
        select(*(LEDGER.c[name] for name in own), sign.label("minor")).where(
            or_(LEDGER.c.credit == PAYABLE, LEDGER.c.debit == PAYABLE)
        ),
        select(*(PAYMENT.c[name] for name in own), owed.label("minor"))
        .select_from(REFUND.join(PAYMENT, OF_PAYMENT))
        .where(or_(refused, made_good)),
    ).subquery("parts")
    columns = [parts.c[name] for name in own]
    return select(keys_of(*columns)).group_by(*columns).having(func.sum(parts.c.minor) != 0)


def _all() -> Iterator[Invariant]:
    yield Invariant("payment-refunds", "No more of a charge is given back than was charged.", _given_back_beyond())
    yield Invariant("payment-once", "Nothing was charged twice and kept.", _charged_twice())
    yield Invariant(
        "refunds-payable", "What the ledger owes back is what gateways refused to give back.", _owed_otherwise()
    )


PAYMENT_INVARIANTS = tuple(_all())
