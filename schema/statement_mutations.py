"""Mutations of statements: a month closed by hand, and a statement paid, by wire or by card."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry

from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.payments import PaymentState
from resolvers.gateways.choosing import gateway_for
from resolvers.gateways.gateway import ActionRequired, Answer, Declined, GoTo
from resolvers.loaders.payments import ShownPaymentRow
from resolvers.loaders.statements import payments_of_statements
from resolvers.loaders.voucher_programs import InProgram
from resolvers.payments.charging import Means
from resolvers.statements.charging import charge_statement, start_once
from resolvers.statements.closing import close_month
from resolvers.statements.paying import pay_once
from schema.agreements import agreement_by_key
from schema.context import Info
from schema.fields import INPUT, given, mutation
from schema.ids import decode_id
from schema.money import MoneyInput
from schema.programs import acted
from schema.statements import Statement, statement_by_key
from schema.voucher_errors import IDEMPOTENCY_KEY, VoucherUserError, refusals, user_error

TOTAL = "What it comes to: all of it, to the cent."


@strawberry.input
class VoucherStatementCloseInput:
    agreement: strawberry.ID = strawberry.field(description="Under which agreement.")
    month: dt.date = strawberry.field(description="Any day of the month, in the program's zone.")


@strawberry.input
class VoucherStatementPayInput:
    statement: strawberry.ID = strawberry.field(description="The statement.")
    amount: MoneyInput = strawberry.field(description=TOTAL)
    payment_reference: str = strawberry.field(description="By which the payment is found in the bank's records.")
    purchase_order: str | None = strawberry.field(
        default=strawberry.UNSET, description="The organization's own number of its purchase order, if there is one."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class VoucherStatementChargeInput:
    statement: strawberry.ID = strawberry.field(description="The statement.")
    amount: MoneyInput = strawberry.field(description=TOTAL)
    payment_method: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Of the card, as the gateway's own script made it; none where the gateway asks on its own page.",
    )
    gateway: str | None = strawberry.field(
        default=strawberry.UNSET, description="Its name; the first that can charge what is given, if left out."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type
class VoucherStatementPayload:
    statement: Statement | None = strawberry.field(
        default=None, description="The statement as it is now; null if it was refused, or if there is nothing to bill."
    )
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class VoucherStatementClosePayload(VoucherStatementPayload):
    pass


@strawberry.type
class VoucherStatementPayPayload(VoucherStatementPayload):
    pass


@strawberry.type
class VoucherStatementChargePayload(VoucherStatementPayload):
    client_secret: str | None = strawberry.field(
        default=None,
        description="Where the card's owner must confirm the charge: for the gateway's own script, shown this once.",
    )
    page_url: str | None = strawberry.field(
        default=None, description="Where the gateway asks for the card on its own page: go there. Shown this once."
    )


@strawberry.type
class StatementMutation:
    @mutation(
        "Close a month that is over: what was redeemed in it, and before on no statement, is billed on one. The same "
        "again gives the same statement. The worker does it by itself. By the program's administrators and staff.",
        refusals(VoucherStatementClosePayload),
    )
    async def voucher_statement_close(
        self, info: Info, input: Annotated[VoucherStatementCloseInput, INPUT]
    ) -> VoucherStatementClosePayload:
        key = InProgram(*decode_id(input.agreement, "BillingAgreement", 2, "agreement"))
        if await agreement_by_key(info, key) is None:
            raise NotFound("billing agreement", "agreement")
        made = await acted(info, key.program_id, lambda act: close_month(act, key.id, input.month))
        closed = None if made is None else await statement_by_key(info, InProgram(key.program_id, made))
        return VoucherStatementClosePayload(statement=closed)

    @mutation(
        "Record that a statement was paid in full, such as by wire. By the program's administrators and staff.",
        refusals(VoucherStatementPayPayload),
    )
    async def voucher_statement_pay(
        self, info: Info, input: Annotated[VoucherStatementPayInput, INPUT]
    ) -> VoucherStatementPayPayload:
        key = await _seen(info, input.statement)
        amount, ordered = input.amount.money("amount"), given(input.purchase_order)
        said = (input.idempotency_key, key.id, amount, input.payment_reference, ordered)
        await acted(info, key.program_id, lambda act: pay_once(act, *said))
        return VoucherStatementPayPayload(statement=await statement_by_key(info, key))

    @mutation(
        "Pay a statement in full by card. By the organization's administrators and its partner, or by staff for them.",
        refusals(VoucherStatementChargePayload),
    )
    async def voucher_statement_charge(
        self, info: Info, input: Annotated[VoucherStatementChargeInput, INPUT]
    ) -> VoucherStatementChargePayload:
        key, amount = await _seen(info, input.statement), input.amount.money("amount")
        gateway, said = _gateway(info, input), (given(input.payment_method), given(input.gateway))
        payment_id = await acted(
            info,
            key.program_id,
            lambda act: start_once(act, input.idempotency_key, key.id, amount, gateway, said),
        )
        answer = await _charge(info, key, gateway, given(input.payment_method))
        refusal = await _refusal(info, InProgram(key.program_id, payment_id), key, answer)
        return VoucherStatementChargePayload(
            statement=await statement_by_key(info, key),
            client_secret=answer.client_secret if isinstance(answer, ActionRequired) else None,
            page_url=answer.url if isinstance(answer, GoTo) else None,
            user_errors=[user_error(refusal, "paymentMethod")] if refusal else [],
        )


async def _seen(info: Info, given_id: str) -> InProgram:
    key = InProgram(*decode_id(given_id, "Statement", 2, "statement"))
    if await statement_by_key(info, key) is None:
        raise NotFound("statement", "statement")
    return key


def _gateway(info: Info, asked: VoucherStatementChargeInput) -> str:
    has_method = given(asked.payment_method) is not None
    found = gateway_for(info.context.gateways, given(asked.gateway), has_method=has_method)
    if found is None:
        raise VoucherError(VoucherErrorCode.NO_GATEWAY, VoucherErrorCode.NO_GATEWAY.value, "gateway")
    return found


async def _charge(info: Info, key: InProgram, gateway: str, method: str | None) -> Answer | None:
    """Asks the gateway outside any transaction; not again if it was asked before."""
    context, shown = info.context, await statement_by_key(info, key)
    means = Means(payment_method=method or "", description=f"Statement {shown.number()}" if shown else "")
    who = (context.code_keys, context.principal, context.now)
    return await charge_statement(context.write, context.gateways[gateway], *who, *key, means)


async def _refusal(
    info: Info, payment: InProgram, statement: InProgram, answer: Answer | None
) -> VoucherErrorCode | None:
    """Of a request that came before also what had become of its card."""
    if isinstance(answer, Declined):
        return VoucherErrorCode.CARD_DECLINED
    if answer is not None:
        return None
    rows: list[ShownPaymentRow] = await info.context.loaders.rows(payments_of_statements).load(statement)
    state = next((row.state for row in rows if row.id == payment.id), None)
    if state is PaymentState.DECLINED:
        return VoucherErrorCode.CARD_DECLINED
    waiting = state in (PaymentState.ASKING, PaymentState.UNKNOWN)
    return VoucherErrorCode.REQUEST_IN_FLIGHT if waiting else None
