"""Paying a statement: in full and once, whether a person says so or a gateway."""

from __future__ import annotations

from sqlalchemy import update

from models.errors import VoucherError, VoucherErrorCode
from models.ledger import LedgerEvent
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.statements import Statement, StatementState
from models.voucher_orders import BillingAgreement
from resolvers.ledger.posting import Posting, post
from resolvers.loaders.statements import StatementRow, statement_of
from resolvers.programs.acting import ProgramAct, Told, once_in_program, tell
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.finding import must_be_reference

STATEMENT = Statement.__table__
AGREEMENT = BillingAgreement.__table__
DEED = "record that statements were paid"
OWED = (StatementState.DUE, StatementState.PAYMENT_UNKNOWN)


async def seen_statement(act: ProgramAct, statement_id: int) -> StatementRow:
    """For who runs the program, and for the organization that it is of."""
    row = await statement_of(act.session, act.program_id, statement_id, "statement")
    act.principal.must_see_in(act.program_id, row.organization_id, "statement", "statement")
    return row


async def pay_once(
    act: ProgramAct, key: str, statement_id: int, amount: Money, reference: str, purchase_order: str | None = None
) -> int:
    """The money arrived otherwise than through a gateway: all of it, with what finds it in the bank's records, and the
    organization's own purchase order, where there is one."""
    act.principal.must_run(act.program_id, DEED)
    given = (statement_id, amount, reference, purchase_order)
    return await once_in_program(act, key, "voucherStatementPay", given, lambda: _pay(act, *given))


async def _pay(act: ProgramAct, statement_id: int, amount: Money, reference: str, purchase_order: str | None) -> int:
    statement = await seen_statement(act, statement_id)
    found_by = must_be_reference(reference, "paymentReference")
    ordered = None if purchase_order is None else must_be_reference(purchase_order, "purchaseOrder")
    must_be_total(statement, amount)
    if not await _settle(act, statement_id, (StatementState.DUE,), found_by, ordered):
        raise VoucherError(VoucherErrorCode.WRONG_STATE, why_not_due(statement), "statement")
    return statement_id


def must_be_total(statement: StatementRow, amount: Money) -> None:
    if amount != statement.total:
        said = f"The statement is of {statement.total}, and {amount} was named. Nothing was recorded or charged."
        raise VoucherError(VoucherErrorCode.AMOUNT_MUST_EQUAL_TOTAL, said, "amount")


async def paid_by_card(act: ProgramAct, _keys: CodeKeys | None, statement_id: int) -> bool:
    """The card was charged for all of it. False if it was paid otherwise meanwhile: then the money goes back."""
    return await _settle(act, statement_id, OWED, None)


async def left_unknown(act: ProgramAct, statement_id: int) -> bool:
    """The gateway did not answer: until that is known nobody pays it again."""
    return await _move(act, statement_id, (StatementState.DUE,), StatementState.PAYMENT_UNKNOWN)


async def declined(act: ProgramAct, statement_id: int, _why: str) -> bool:
    """Nothing was charged: it is due as before."""
    return await _move(act, statement_id, (StatementState.PAYMENT_UNKNOWN,), StatementState.DUE)


async def _settle(
    act: ProgramAct,
    statement_id: int,
    before: tuple[StatementState, ...],
    reference: str | None,
    purchase_order: str | None = None,
) -> bool:
    """Of many at once one finds it due; what is unpaid under the agreement gets less with it."""
    paid = {"payment_reference": reference, "purchase_order": purchase_order, "paid_at": act.now}
    if not await _move(act, statement_id, before, StatementState.PAID, **paid):
        return False
    statement = await statement_of(act.session, act.program_id, statement_id)
    await act.session.execute(
        update(AGREEMENT)
        .where(AGREEMENT.c.program_id == act.program_id, AGREEMENT.c.id == statement.billing_agreement_id)
        .values(unpaid_minor=AGREEMENT.c.unpaid_minor - statement.total_minor)
    )
    event, whose = LedgerEvent.STATEMENT_PAID, statement.organization_id
    await post(act, Posting(event=event, amount=statement.total, organization_id=whose, statement_id=statement_id))
    deed, what = ProgramDeed.STATEMENT_PAID, ProgramThing.STATEMENT
    await tell(act, Told(thing=what, thing_id=statement_id, deed=deed, said=reference, after=str(statement.total)))
    return True


async def _move(
    act: ProgramAct,
    statement_id: int,
    before: tuple[StatementState, ...],
    after: StatementState,
    **changes: object,
) -> bool:
    moved = await act.session.execute(
        update(STATEMENT)
        .where(STATEMENT.c.program_id == act.program_id, STATEMENT.c.id == statement_id)
        .where(STATEMENT.c.state.in_(before))
        .values(state=after, **changes)
        .returning(STATEMENT.c.id)
    )
    return moved.scalar_one_or_none() is not None


def why_not_due(statement: StatementRow) -> str:
    if statement.state is StatementState.PAID:
        return f"The statement was paid on {statement.paid_at:%Y-%m-%d}. Nothing was recorded or charged."
    return "Whether a card was charged for it is being found out. Ask again when that is known."
