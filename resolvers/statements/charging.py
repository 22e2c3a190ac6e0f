"""Charging a card for a statement: the organization pays what it was billed, all of it and once."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select

from models.errors import VoucherError, VoucherErrorCode
from models.money import Money
from models.payments import PaymentState
from models.statements import StatementState
from resolvers.database import Writing
from resolvers.gateways.gateway import Answer, Gateway
from resolvers.payments.charging import Means, charge
from resolvers.payments.rows import PAYMENT, PaysFor, Subject
from resolvers.payments.starting import give_up_waiting, start_payment
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, once_in_program
from resolvers.statements.paying import must_be_total, seen_statement, why_not_due
from resolvers.vouchers.codes import CodeKeys

# The gateway is about to be asked, or did not answer yet.
BEING_ASKED = (PaymentState.ASKING, PaymentState.UNKNOWN)


async def start_once(
    act: ProgramAct, key: str, statement_id: int, amount: Money, gateway: str, said: tuple[str | None, ...]
) -> int:
    """The payment that a gateway is to be asked for; `said` is what else makes two requests the same."""
    statement = await seen_statement(act, statement_id)
    act.principal.must_own(statement.organization_id, "pay its statements by card")
    given = [statement_id, str(amount), *said]
    return await once_in_program(
        act, key, "voucherStatementCharge", given, lambda: _start(act, statement_id, amount, gateway)
    )


async def _start(act: ProgramAct, statement_id: int, amount: Money, gateway: str) -> int:
    """A card that waits for its owner is given up for this one; one that is being charged is waited for. Of two at
    once the database takes one, and the other finds it under way."""
    statement, subject = await seen_statement(act, statement_id), Subject(PaysFor.STATEMENT, statement_id)
    must_be_total(statement, amount)
    if statement.state is not StatementState.DUE:
        raise VoucherError(VoucherErrorCode.WRONG_STATE, why_not_due(statement), "statement")
    if await _is_being_charged(act, subject):
        said = "A card is being charged for the statement. Ask again in a moment."
        raise VoucherError(VoucherErrorCode.REQUEST_IN_FLIGHT, said, "statement")
    await give_up_waiting(act, subject)
    return await start_payment(act, subject, gateway, statement.total)


async def _is_being_charged(act: ProgramAct, subject: Subject) -> bool:
    found = await act.session.execute(
        select(PAYMENT.c.id).where(subject.among(act.program_id), PAYMENT.c.state.in_(BEING_ASKED)).limit(1)
    )
    return found.scalar_one_or_none() is not None


async def charge_statement(
    run: Writing,
    gateway: Gateway,
    keys: CodeKeys | None,
    principal: Principal,
    now: dt.datetime,
    program_id: int,
    statement_id: int,
    means: Means,
) -> Answer | None:
    """Asks the gateway once for the statement's total, and keeps what it answers; None if that was asked before."""
    subject = Subject(PaysFor.STATEMENT, statement_id)
    return await charge(run, gateway, keys, principal, now, program_id, subject, means)
