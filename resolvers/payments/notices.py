"""What a gateway tells by itself: it may come twice, late, or before its own answer, and changes things once."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.errors import NotFound
from models.payments import GatewayNotice
from models.programs import Program
from resolvers.database import Writing
from resolvers.gateways.gateway import Answer, Gateway, Notice, NotThere
from resolvers.payments.answering import keep_answer
from resolvers.payments.rows import COLUMNS, PAYMENT, PaymentRow
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, begin_act
from resolvers.vouchers.codes import CodeKeys

NOTICE = GatewayNotice.__table__


async def take_notice(
    session: AsyncSession, keys: CodeKeys | None, now: dt.datetime, slug: str, gateway: str, notice: Notice
) -> bool:
    """False if it was told before. What is about nothing of ours is kept, and changes nothing."""
    act = await _begin(session, now, slug, gateway)
    if not await _is_new(act, gateway, notice):
        return False
    payment = await _payment_of(act, gateway, notice)
    if payment is not None and notice.answer is not None:
        await keep_answer(act, keys, payment, notice.answer)
    return True


async def verify_hearsay(
    run: Writing, gateway: Gateway, keys: CodeKeys | None, now: dt.datetime, slug: str, notice: Notice
) -> Answer | NotThere | None:
    """What nobody signed is only a reason to ask the gateway itself, by our reference; None if it is about nothing of
    ours. A gateway that knows of nothing changes nothing: the page may still be open.
    """
    name = gateway.capabilities.name
    payment = await run(lambda session: _found(session, now, slug, name, notice))
    if payment is None:
        return None
    answer = await gateway.look_up(payment.asked())
    if not isinstance(answer, NotThere):
        told = replace(notice, id=f"{payment.reference}:{type(answer).__name__}", answer=answer)
        await run(lambda session: _keep_verified(session, keys, now, slug, name, told))
    return answer


async def _found(session: AsyncSession, now: dt.datetime, slug: str, gateway: str, notice: Notice) -> PaymentRow | None:
    return await _payment_of(await _begin(session, now, slug, gateway), gateway, notice)


async def _keep_verified(
    session: AsyncSession, keys: CodeKeys | None, now: dt.datetime, slug: str, gateway: str, notice: Notice
) -> None:
    """Kept however often it was told: what it says is the gateway's own, and of now."""
    act = await _begin(session, now, slug, gateway)
    await _is_new(act, gateway, notice)
    payment = await _payment_of(act, gateway, notice)
    if payment is not None and notice.answer is not None:
        await keep_answer(act, keys, payment, notice.answer)


async def _begin(session: AsyncSession, now: dt.datetime, slug: str, gateway: str) -> ProgramAct:
    program_id = (await session.execute(select(Program.id).where(Program.slug == slug))).scalar_one_or_none()
    if program_id is None:
        raise NotFound("program")
    return await begin_act(session, Principal(name=gateway, role=Role.STAFF, origin="webhook"), now, program_id)


async def _is_new(act: ProgramAct, gateway: str, notice: Notice) -> bool:
    """Of two at once the primary key lets one commit; the other is tried again, and finds it."""
    about = {"program_id": act.program_id, "gateway": gateway, "notice": notice.id}
    same = [NOTICE.c[name] == value for name, value in about.items()]
    if (await act.session.execute(select(NOTICE.c.notice).where(*same))).first():
        return False
    row = {**about, "kind": notice.kind, "gateway_reference": notice.gateway_reference, "received_at": act.now}
    await act.session.execute(insert(NOTICE), row)
    return True


async def _payment_of(act: ProgramAct, gateway: str, notice: Notice) -> PaymentRow | None:
    found = await act.session.execute(
        select(*COLUMNS)
        .where(PAYMENT.c.program_id == act.program_id, PAYMENT.c.gateway == gateway)
        .where(PAYMENT.c.reference == notice.reference)
    )
    row = found.mappings().one_or_none()
    return PaymentRow(**row) if row else None
