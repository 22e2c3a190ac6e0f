"""What must always hold of what is billed later, each as one query that returns no row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, exists, func, literal, select, union_all

from models.fee_refunds import RedemptionReversal
from models.redemptions import Redemption
from models.statements import Statement, StatementLine, StatementState
from models.voucher_orders import BillingAgreement
from resolvers.invariant import Invariant, keys_of

AGREEMENT = BillingAgreement.__table__
REDEMPTION = Redemption.__table__
REVERSAL = RedemptionReversal.__table__
STATEMENT = Statement.__table__
LINE = StatementLine.__table__
OF_AGREEMENT = ("program_id", "billing_agreement_id")
OF_REDEMPTION = and_(REVERSAL.c.program_id == REDEMPTION.c.program_id, REVERSAL.c.redemption_id == REDEMPTION.c.id)
ON_ACCOUNT = REDEMPTION.c.billing_agreement_id.is_not(None)
# The others are to the organization's credit, which stays unbilled.
IS_BILL = STATEMENT.c.total_minor > 0


def _unbilled_otherwise() -> Select[Any]:
    """Of each agreement: what it holds as unbilled, less what was redeemed and not reversed, and on no bill yet."""
    own = [REDEMPTION.c[name] for name in OF_AGREEMENT]
    return _sums_that_differ(
        select(AGREEMENT.c.program_id, AGREEMENT.c.id, AGREEMENT.c.unbilled_minor.label("minor")),
        select(*own, literal(0) - REDEMPTION.c.amount_minor).where(ON_ACCOUNT),
        select(*own, REVERSAL.c.amount_minor).select_from(REDEMPTION.join(REVERSAL, OF_REDEMPTION)).where(ON_ACCOUNT),
        select(*(STATEMENT.c[name] for name in OF_AGREEMENT), STATEMENT.c.total_minor).where(
            STATEMENT.c.total_minor > 0
        ),
    )


def _unpaid_otherwise() -> Select[Any]:
    """Of each agreement: what it holds as unpaid, less its statements that are not paid."""
    owed = (STATEMENT.c.state != StatementState.PAID, IS_BILL)
    return _sums_that_differ(
        select(AGREEMENT.c.program_id, AGREEMENT.c.id, AGREEMENT.c.unpaid_minor.label("minor")),
        select(*(STATEMENT.c[name] for name in OF_AGREEMENT), literal(0) - STATEMENT.c.total_minor).where(*owed),
    )


def _sums_that_differ(*parts: Select[Any]) -> Select[Any]:
    each = union_all(*parts).subquery("parts")
    program_id, agreement_id, minor = each.c
    return select(keys_of(program_id, agreement_id)).group_by(program_id, agreement_id).having(func.sum(minor) != 0)


def _totals_otherwise() -> Select[Any]:
    of_it = and_(LINE.c.program_id == STATEMENT.c.program_id, LINE.c.statement_id == STATEMENT.c.id)
    lines = select(func.coalesce(func.sum(LINE.c.amount_minor), 0)).where(of_it).correlate(STATEMENT).scalar_subquery()
    return select(keys_of(STATEMENT.c.program_id, STATEMENT.c.id)).where(STATEMENT.c.total_minor != lines)


def _left_out() -> Select[Any]:
    """A redemption that counts in a month that is closed, on no statement; the database refuses it on two."""
    same = and_(AGREEMENT.c.program_id == REDEMPTION.c.program_id, AGREEMENT.c.id == REDEMPTION.c.billing_agreement_id)
    on_one = exists().where(LINE.c.program_id == REDEMPTION.c.program_id, LINE.c.redemption_id == REDEMPTION.c.id)
    left_out = select(keys_of(REDEMPTION.c.program_id, REDEMPTION.c.id)).select_from(REDEMPTION.join(AGREEMENT, same))
    return left_out.where(REDEMPTION.c.redeemed_at < AGREEMENT.c.closed_until, ~on_one)


def _reversals_left_out() -> Select[Any]:
    """A reversal that counts in a month that is closed, on no statement."""
    same = and_(AGREEMENT.c.program_id == REDEMPTION.c.program_id, AGREEMENT.c.id == REDEMPTION.c.billing_agreement_id)
    on_one = exists().where(LINE.c.program_id == REVERSAL.c.program_id, LINE.c.redemption_reversal_id == REVERSAL.c.id)
    reversals = REVERSAL.join(REDEMPTION, OF_REDEMPTION).join(AGREEMENT, same)
    left_out = select(keys_of(REVERSAL.c.program_id, REVERSAL.c.id)).select_from(reversals)
    return left_out.where(REVERSAL.c.reversed_at < AGREEMENT.c.closed_until, ~on_one)


STATEMENT_INVARIANTS = (
    Invariant(
        "unbilled", "What is unbilled is what was redeemed on account and is on no bill yet.", _unbilled_otherwise()
    ),
    Invariant("unpaid", "What is unpaid is what the statements hold that are not paid.", _unpaid_otherwise()),
    Invariant("statement-totals", "A statement comes to what its lines come to.", _totals_otherwise()),
    Invariant("statement-lines", "What was redeemed in a closed month is on a statement.", _left_out()),
    Invariant("statement-reversals", "What was reversed in a closed month is on a statement.", _reversals_left_out()),
)
