"""What a person records of money that no gateway moves: that it came, and that it was given back."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update

from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.money import Money
from models.payments import PaymentState, RefundState
from resolvers.gateways.gateway import GivenBack, Succeeded
from resolvers.payments.answering import keep_answer
from resolvers.payments.refunds import found_refund, keep_refund_answer, retry_refund
from resolvers.payments.rows import COLUMNS, PAYMENT, REFUND, PaymentRow
from resolvers.programs.acting import ProgramAct
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.finding import must_be_reference


async def record_paid(
    act: ProgramAct, keys: CodeKeys | None, by_hand: Collection[str], payment_id: int, amount: Money, reference: str
) -> int:
    """The money of a payment by hand has come: all of it, with what finds it in the records."""
    payment = await _found(act, payment_id)
    act.principal.must_run(act.program_id, "record that money came")
    known = must_be_reference(reference, "reference")
    if payment.gateway not in by_hand or payment.state is not PaymentState.ACTION_REQUIRED:
        said = f"The payment of {payment.amount} by {payment.gateway} is {payment.state.name}. So this cannot be done."
        raise VoucherError(VoucherErrorCode.WRONG_STATE, said, "payment")
    if amount != payment.amount:
        said = f"{payment.amount} is to be paid, not {amount}. Nothing was recorded."
        raise VoucherError(VoucherErrorCode.AMOUNT_MUST_EQUAL_TOTAL, said, "amount")
    await _must_be_free(act, payment, known)
    await keep_answer(act, keys, payment, Succeeded(known, amount))
    return payment_id


async def record_given_back(act: ProgramAct, refund_id: int, reference: str) -> int:
    """What a gateway refused to give back was given back otherwise, such as by cheque. The key of the new refund."""
    known = must_be_reference(reference, "reference")
    key = await retry_refund(act, refund_id)
    # By hand there is no gateway to ask: claimed here, so that no worker does.
    claimed = update(REFUND).where(REFUND.c.program_id == act.program_id, REFUND.c.id == key)
    await act.session.execute(claimed.values(state=RefundState.UNKNOWN))
    await keep_refund_answer(act, await found_refund(act, key), GivenBack(known))
    return key


async def _found(act: ProgramAct, payment_id: int) -> PaymentRow:
    found = await act.session.execute(
        select(*COLUMNS).where(PAYMENT.c.program_id == act.program_id, PAYMENT.c.id == payment_id)
    )
    row = found.mappings().one_or_none()
    if row is None or not act.principal.runs(act.program_id):
        raise NotFound("payment", "payment")
    return PaymentRow(**row)


async def _must_be_free(act: ProgramAct, payment: PaymentRow, reference: str) -> None:
    same = (PAYMENT.c.program_id == act.program_id, PAYMENT.c.gateway == payment.gateway)
    taken = await act.session.execute(select(PAYMENT.c.id).where(*same, PAYMENT.c.gateway_reference == reference))
    if taken.first():
        raise VoucherError(VoucherErrorCode.PAYMENT_TAKEN, VoucherErrorCode.PAYMENT_TAKEN.value, "reference")
