"""What must always hold, each as one query that returns no row: of billing here, and of vouchers beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.billing import BillingSnapshot, SnapshotEntry
from models.contracts import ContractTerm, Measure
from models.disputes import DisputeLine
from models.invoices import CreditNote, CreditNoteLine, Invoice, InvoiceLine, InvoicePayment, InvoiceState, LineKind
from resolvers.carts.invariants import CART_INVARIANTS
from resolvers.fee_refunds.invariants import FEE_REFUND_INVARIANTS
from resolvers.invariant import Invariant, keys_of
from resolvers.levels import LEVEL_INVARIANTS
from resolvers.loaders.invoices import same_line
from resolvers.payments.invariants import PAYMENT_INVARIANTS
from resolvers.promotions.invariants import PROMOTION_INVARIANTS
from resolvers.statements.invariants import STATEMENT_INVARIANTS
from resolvers.voucher_invariants import VOUCHER_INVARIANTS

MOST_SHOWN = 100

SNAPSHOT = BillingSnapshot.__table__
ENTRY = SnapshotEntry.__table__
TERM = ContractTerm.__table__
INVOICE = Invoice.__table__
LINE = InvoiceLine.__table__
PAYMENT = InvoicePayment.__table__
NOTE = CreditNote.__table__
CREDITED = CreditNoteLine.__table__
DISPUTED = DisputeLine.__table__


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at an invariant found: the first few that offend."""

    invariant: Invariant
    offending: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.offending


async def findings(
    connection: AsyncConnection | AsyncSession, invariants: Sequence[Invariant] | None = None
) -> list[Finding]:
    """Of all of them, unless some are named."""
    return [await _finding(connection, invariant) for invariant in invariants or INVARIANTS]


async def _finding(connection: AsyncConnection | AsyncSession, invariant: Invariant) -> Finding:
    rows = await connection.execute(invariant.offending.order_by(literal(1)).limit(MOST_SHOWN))
    return Finding(invariant, tuple(row[0] for row in rows))


BILLING_LINES = LINE.join(
    INVOICE,
    and_(
        INVOICE.c.organization_id == LINE.c.organization_id,
        INVOICE.c.id == LINE.c.invoice_id,
        INVOICE.c.state != InvoiceState.CANCELLED,
    ),
)
"""Lines of invoices that were not cancelled."""
OF_SNAPSHOT = and_(SNAPSHOT.c.organization_id == LINE.c.organization_id, SNAPSHOT.c.id == LINE.c.snapshot_id)
A_SNAPSHOT = (SNAPSHOT.c.organization_id, SNAPSHOT.c.id)
A_LINE = (LINE.c.organization_id, LINE.c.invoice_id, LINE.c.number)


# ---------------------------------------------------------------------------------------------- snapshots


def _miscounted() -> Select[Any]:
    certain = func.coalesce(func.sum(case((ENTRY.c.certain, 1), else_=0)), 0)
    own = and_(ENTRY.c.organization_id == SNAPSHOT.c.organization_id, ENTRY.c.snapshot_id == SNAPSHOT.c.id)
    # The most of a peak may be that of another day than its entries.
    most_differs = and_(SNAPSHOT.c.measure != Measure.PEAK_DAY, SNAPSHOT.c.count_most != func.count(ENTRY.c.learner_id))
    return (
        select(keys_of(*A_SNAPSHOT))
        .select_from(SNAPSHOT.outerjoin(ENTRY, own))
        .group_by(*A_SNAPSHOT, SNAPSHOT.c.measure, SNAPSHOT.c.count_least, SNAPSHOT.c.count_most)
        .having(or_(SNAPSHOT.c.count_least != certain, most_differs))
    )


def _not_the_difference() -> Select[Any]:
    def above(count: Any) -> Any:
        return case((count > SNAPSHOT.c.licensed, count - SNAPSHOT.c.licensed), else_=0)

    return select(keys_of(*A_SNAPSHOT)).where(
        or_(
            SNAPSHOT.c.overage_least != above(SNAPSHOT.c.count_least),
            SNAPSHOT.c.overage_most != above(SNAPSHOT.c.count_most),
        )
    )


def _terms_overlap() -> Select[Any]:
    one, other = _held("one"), _held("other")
    meet = and_(
        one.c.organization_id == other.c.organization_id,
        one.c.product_id == other.c.product_id,
        one.c.id < other.c.id,
        one.c.since < other.c.until,
        other.c.since < one.c.until,
    )
    return select(keys_of(one.c.organization_id, one.c.id, other.c.id)).select_from(one.join(other, meet))


def _held(name: str) -> Any:
    """The terms held now: of each the last recorded row, if it holds."""
    last = (
        select(TERM.c.organization_id, TERM.c.id, func.max(TERM.c.recorded_at).label("recorded_at"))
        .group_by(TERM.c.organization_id, TERM.c.id)
        .subquery(f"last_of_{name}")
    )
    same = and_(*(TERM.c[key] == last.c[key] for key in ("organization_id", "id", "recorded_at")))
    return select(TERM).join(last, same).where(TERM.c.holds).subquery(name)


# ------------------------------------------------------------------------------------------------ invoices


def _not_the_overage() -> Select[Any]:
    wrong = or_(LINE.c.quantity != SNAPSHOT.c.overage_least, LINE.c.unit_price_minor != SNAPSHOT.c.unit_price_minor)
    return select(keys_of(*A_LINE)).join(SNAPSHOT, OF_SNAPSHOT).where(LINE.c.kind == LineKind.OVERAGE, wrong)


def _billed_twice() -> Select[Any]:
    snapshot = (LINE.c.organization_id, LINE.c.snapshot_id)
    lines = select(keys_of(*snapshot)).select_from(BILLING_LINES).where(LINE.c.kind == LineKind.OVERAGE)
    return lines.group_by(*snapshot).having(func.count() > 1)


def _beyond_possible() -> Select[Any]:
    lines = select(keys_of(*A_SNAPSHOT)).select_from(BILLING_LINES.join(SNAPSHOT, OF_SNAPSHOT))
    grouped = lines.where(LINE.c.kind == LineKind.UNCERTAIN).group_by(
        *A_SNAPSHOT, SNAPSHOT.c.overage_least, SNAPSHOT.c.overage_most
    )
    return grouped.having(func.sum(LINE.c.quantity) > SNAPSHOT.c.overage_most - SNAPSHOT.c.overage_least)


def _credited_beyond() -> Select[Any]:
    return (
        select(keys_of(*A_LINE))
        .join(CREDITED, same_line(CREDITED))
        .group_by(*A_LINE, LINE.c.quantity, LINE.c.total_minor)
        .having(
            or_(func.sum(CREDITED.c.quantity) > LINE.c.quantity, func.sum(CREDITED.c.total_minor) > LINE.c.total_minor)
        )
    )


def _credited_at_another_price() -> Select[Any]:
    wrong = CREDITED.c.total_minor != CREDITED.c.quantity * LINE.c.unit_price_minor
    keys = (CREDITED.c.organization_id, CREDITED.c.credit_note_id, CREDITED.c.line_number)
    return select(keys_of(*keys)).join(LINE, same_line(CREDITED)).where(wrong)


def _disputed_twice() -> Select[Any]:
    line = (DISPUTED.c.organization_id, DISPUTED.c.invoice_id, DISPUTED.c.line_number)
    return select(keys_of(*line)).where(DISPUTED.c.is_open).group_by(*line).having(func.count() > 1)


def _paid_beyond() -> Select[Any]:
    """With each payment all that was paid until then, less what was due of it then."""
    earlier = PAYMENT.alias("earlier")
    paid = select(func.sum(earlier.c.amount_minor)).where(
        *(earlier.c[key] == PAYMENT.c[key] for key in ("organization_id", "invoice_id")), earlier.c.id <= PAYMENT.c.id
    )
    owed = _total_of(PAYMENT.c.organization_id, PAYMENT.c.invoice_id)
    credited = _credited_of(PAYMENT.c.organization_id, PAYMENT.c.invoice_id, NOTE.c.id < PAYMENT.c.id)
    return select(keys_of(PAYMENT.c.organization_id, PAYMENT.c.invoice_id, PAYMENT.c.id)).where(
        paid.correlate(PAYMENT).scalar_subquery() > owed - credited
    )


def _paid_but_due() -> Select[Any]:
    own = (INVOICE.c.organization_id, INVOICE.c.id)
    paid = select(func.coalesce(func.sum(PAYMENT.c.amount_minor), 0)).where(
        PAYMENT.c.organization_id == INVOICE.c.organization_id, PAYMENT.c.invoice_id == INVOICE.c.id
    )
    due = _total_of(*own) - _credited_of(*own) - paid.correlate(INVOICE).scalar_subquery()
    return select(keys_of(*own)).where(INVOICE.c.state == InvoiceState.PAID, due > 0)


def _total_of(organization_id: Any, invoice_id: Any) -> Any:
    total = select(func.coalesce(func.sum(LINE.c.total_minor), 0)).where(
        LINE.c.organization_id == organization_id, LINE.c.invoice_id == invoice_id
    )
    return total.correlate(organization_id.table).scalar_subquery()


def _credited_of(organization_id: Any, invoice_id: Any, *only: ColumnElement[bool]) -> Any:
    own = and_(NOTE.c.organization_id == CREDITED.c.organization_id, NOTE.c.id == CREDITED.c.credit_note_id)
    credited = (
        select(func.coalesce(func.sum(CREDITED.c.total_minor), 0))
        .select_from(CREDITED.join(NOTE, own))
        .where(NOTE.c.organization_id == organization_id, NOTE.c.invoice_id == invoice_id, *only)
    )
    return credited.correlate(organization_id.table).scalar_subquery()


def _all() -> Iterator[Invariant]:
    yield Invariant("snapshot-count", "A snapshot's count is that of its entries.", _miscounted())
    yield Invariant(
        "snapshot-overage", "An overage is the count less what is licensed, never below none.", _not_the_difference()
    )
    yield Invariant("terms-apart", "Of one product no two terms that hold overlap.", _terms_overlap())
    yield Invariant(
        "overage-line", "An overage line bills the provable overage of its snapshot, at its price.", _not_the_overage()
    )
    yield Invariant("overage-once", "No snapshot's overage is billed twice.", _billed_twice())
    yield Invariant(
        "uncertain-line", "Of people of whom dates are lost no more are billed than may count.", _beyond_possible()
    )
    yield Invariant("credited", "No more of a line is credited than was invoiced.", _credited_beyond())
    yield Invariant(
        "credit-price", "A credit note gives back what its invoice line took.", _credited_at_another_price()
    )
    yield Invariant("disputes-apart", "No line is in two open disputes.", _disputed_twice())
    yield Invariant("payments", "No payment was more than was due when it came.", _paid_beyond())
    yield Invariant("paid", "Of a paid invoice nothing is due.", _paid_but_due())


BILLING_INVARIANTS = tuple(_all())
INVARIANTS = (
    *LEVEL_INVARIANTS,
    *BILLING_INVARIANTS,
    *VOUCHER_INVARIANTS,
    *PAYMENT_INVARIANTS,
    *CART_INVARIANTS,
    *STATEMENT_INVARIANTS,
    *FEE_REFUND_INVARIANTS,
    *PROMOTION_INVARIANTS,
)
