"""Payments through gateways: which there are, what they were asked, and what who runs the program does about them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Annotated

import strawberry

from models.errors import NotAllowed
from models.payments import Capabilities, PaymentState, RefundState
from resolvers.loaders.payments import (
    PaymentKey,
    ShownPaymentRow,
    ShownRefundRow,
    payments_by_key,
    refunds_of_payments,
)
from resolvers.loaders.refused_refunds import (
    ProgramRefunds,
    RefusedPage,
    refused_refund_totals,
    refused_refunds_of,
)
from resolvers.payments.recording import record_given_back, record_paid
from resolvers.payments.refunds import found_refund, retry_refund
from resolvers.programs.acting import ProgramAct, once_in_program
from schema.context import Info
from schema.fields import INPUT, field, mutation
from schema.ids import decode_id, encode_id
from schema.money import MoneyInput, ShownMoney
from schema.pagination import Connection, PageAsked, connection_of, paging
from schema.programs import acted
from schema.scalars import described
from schema.voucher_errors import IDEMPOTENCY_KEY, VoucherUserError, refusals

described(PaymentState, "What is known of a charge.")
described(RefundState, "What is known of money that is to go back.")


@strawberry.type(description="A payment gateway of this server, and what it can do.")
class PaymentGateway:
    able: strawberry.Private[Capabilities]

    @field("Its name, by which it is chosen.")
    def name(self) -> str:
        return self.able.name

    @field("Whether vouchers may be used where it charges the rest.")
    def takes_vouchers(self) -> bool:
        return self.able.takes_vouchers

    @field("Why it takes none; null if it does.")
    def vouchers_off_because(self) -> str | None:
        return self.able.vouchers_off_because

    @field("Whether it asks for the card on a page of its own.")
    def hosted_page(self) -> bool:
        return self.able.hosted_page

    @field("Whether a person takes the money, and records that it came.")
    def by_hand(self) -> bool:
        return self.able.by_hand

    @field("Whether it can be charged through; else it is known by name only.")
    def connected(self) -> bool:
        return self.able.connected

    @field("Whether it can set an amount aside first, to be charged or set free later.")
    def authorises(self) -> bool:
        return self.able.authorises

    @field("Whether it gives money back.")
    def refunds(self) -> bool:
        return self.able.refunds

    @field("Whether it gives back a part of a charge.")
    def partial_refunds(self) -> bool:
        return self.able.partial_refunds


@strawberry.type
class PaymentQuery:
    @field("The payment gateways of this server, the one that is taken first.")
    def gateways(self, info: Info) -> list[PaymentGateway]:
        return [PaymentGateway(able=one.capabilities) for one in info.context.gateways.values()]


@strawberry.type(description="Money that a gateway was asked to give back.")
class PaymentRefund:
    row: strawberry.Private[ShownRefundRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("PaymentRefund", self.row.program_id, self.row.id))

    @field("The charge that it is of.")
    async def payment(self, info: Info) -> Annotated[Payment, strawberry.lazy("schema.payments")]:
        key = PaymentKey(self.row.program_id, self.row.payment_id)
        rows: list[ShownPaymentRow] = await info.context.loaders.rows(payments_by_key).load(key)
        return Payment(row=rows[0])

    @field("How much.")
    def amount(self) -> ShownMoney:
        return ShownMoney.of(self.row.amount)

    @field("What is known of it.")
    def state(self) -> RefundState:
        return self.row.state

    @field("Why the gateway refused, in its words; null if it did not.")
    def failure(self) -> str | None:
        return self.row.failure

    @field("The refused one that is asked for again by this one; null of a first one.")
    def retries(self) -> strawberry.ID | None:
        key = self.row.retries_id
        return None if key is None else strawberry.ID(encode_id("PaymentRefund", self.row.program_id, key))

    @field("When it was last asked for.")
    def asked_at(self) -> dt.datetime:
        return self.row.asked_at

    @field("When it was answered; null before.")
    def answered_at(self) -> dt.datetime | None:
        return self.row.answered_at


@strawberry.type(description="One charge that a gateway was asked for.")
class Payment:
    row: strawberry.Private[ShownPaymentRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Payment", self.row.program_id, self.row.id))

    @field("The name of the gateway.")
    def gateway(self) -> str:
        return self.row.gateway

    @field("How much.")
    def amount(self) -> ShownMoney:
        return ShownMoney.of(self.row.amount)

    @field("What is known of it.")
    def state(self) -> PaymentState:
        return self.row.state

    @field("Why it was declined, in the gateway's words; null if it was not.")
    def failure(self) -> str | None:
        return self.row.failure

    @field("When it was asked for.")
    def asked_at(self) -> dt.datetime:
        return self.row.asked_at

    @field("When it was answered; null before.")
    def answered_at(self) -> dt.datetime | None:
        return self.row.answered_at

    @field("What was to go back of it, the first first.")
    async def refunds(self, info: Info) -> list[PaymentRefund]:
        key = PaymentKey(self.row.program_id, self.row.id)
        rows: list[ShownRefundRow] = await info.context.loaders.rows(refunds_of_payments).load(key)
        return [PaymentRefund(row=row) for row in rows]


async def program_refused_refunds(info: Info, program_id: int, page: PageAsked) -> Connection[PaymentRefund]:
    if not info.context.principal.runs(program_id):
        raise NotAllowed("Only the program's administrators and staff may see which refunds were refused.")
    wanted, key = paging(("refused refunds", program_id), *page, int), ProgramRefunds(program_id)
    asked = RefusedPage(wanted.limit, wanted.backward, wanted.beyond[0] if wanted.beyond else None)
    loaders = info.context.loaders
    rows: list[ShownRefundRow] = await loaders.rows(refused_refunds_of, asked).load(key)

    async def total() -> int:
        return await loaders.values(refused_refund_totals).load(key)

    return connection_of([(PaymentRefund(row=row), (row.id,)) for row in rows], wanted, total)


# ---------------------------------------------------------------------------------------------- mutations


@strawberry.input
class PaymentRecordInput:
    payment: strawberry.ID = strawberry.field(description="A payment by hand that waits for its money.")
    amount: MoneyInput = strawberry.field(description="What came: all of it, to the cent.")
    reference: str = strawberry.field(description="By which the money is found in the records, such as a cheque's.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class PaymentRefundRetryInput:
    refund: strawberry.ID = strawberry.field(description="The refund that the gateway refused.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class PaymentRefundSettleInput:
    refund: strawberry.ID = strawberry.field(description="The refund that the gateway refused.")
    reference: str = strawberry.field(description="By which it is found in the records, such as a cheque's number.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type
class PaymentRecordPayload:
    state: PaymentState | None = strawberry.field(
        default=None, description="What is known of the payment now; null if it was refused."
    )
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class PaymentRefundPayload:
    refund: strawberry.ID | None = strawberry.field(
        default=None, description="The new refund, under another reference; null if it was refused."
    )
    state: RefundState | None = strawberry.field(default=None, description="What is known of it now.")
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class PaymentRefundRetryPayload(PaymentRefundPayload):
    pass


@strawberry.type
class PaymentRefundSettlePayload(PaymentRefundPayload):
    pass


@strawberry.type
class PaymentMutation:
    @mutation(
        "Record that the money of a payment by hand has come. By the program's administrators and staff.",
        refusals(PaymentRecordPayload),
    )
    async def payment_record(self, info: Info, input: Annotated[PaymentRecordInput, INPUT]) -> PaymentRecordPayload:
        program_id, payment_id = decode_id(input.payment, "Payment", 2, "payment")
        amount, keys = input.amount.money("amount"), info.context.code_keys
        by_hand = [name for name, one in info.context.gateways.items() if one.capabilities.by_hand]

        async def step(act: ProgramAct) -> int:
            act.principal.must_run(program_id, "record that money came")
            said = [payment_id, str(amount), input.reference]
            return await once_in_program(
                act,
                input.idempotency_key,
                "paymentRecord",
                said,
                lambda: record_paid(act, keys, by_hand, payment_id, amount, input.reference),
            )

        await acted(info, program_id, step)
        return PaymentRecordPayload(state=PaymentState.SUCCEEDED)

    @mutation(
        "Ask the gateway again to give back what it refused to, under another reference. By the program's "
        "administrators and staff.",
        refusals(PaymentRefundRetryPayload),
    )
    async def payment_refund_retry(
        self, info: Info, input: Annotated[PaymentRefundRetryInput, INPUT]
    ) -> PaymentRefundRetryPayload:
        refund_id, state = await _again(
            info, (input.refund, input.idempotency_key, "paymentRefundRetry", None), retry_refund
        )
        return PaymentRefundRetryPayload(refund=refund_id, state=state)

    @mutation(
        "Record that what a gateway refused to give back was given back otherwise, such as by cheque. By the "
        "program's administrators and staff.",
        refusals(PaymentRefundSettlePayload),
    )
    async def payment_refund_settle(
        self, info: Info, input: Annotated[PaymentRefundSettleInput, INPUT]
    ) -> PaymentRefundSettlePayload:
        refund_id, state = await _again(
            info,
            (input.refund, input.idempotency_key, "paymentRefundSettle", input.reference),
            lambda act, refund_id: record_given_back(act, refund_id, input.reference),
        )
        return PaymentRefundSettlePayload(refund=refund_id, state=state)


async def _again(
    info: Info, request: tuple[str, str, str, str | None], again: Callable[[ProgramAct, int], Awaitable[int]]
) -> tuple[strawberry.ID, RefundState]:
    """The new refund, and how it stands."""
    given_id, key, name, said = request
    program_id, refund_id = decode_id(given_id, "PaymentRefund", 2, "refund")

    async def step(act: ProgramAct) -> tuple[int, RefundState]:
        act.principal.must_run(program_id, "see to it that money is given back")
        made = await once_in_program(act, key, name, [refund_id, said], lambda: again(act, refund_id))
        return made, (await found_refund(act, made)).state

    made, state = await acted(info, program_id, step)
    return strawberry.ID(encode_id("PaymentRefund", program_id, made)), state
