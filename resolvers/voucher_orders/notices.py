"""What a gateway tells by itself: it may come twice, late, or before its own answer, and changes things once."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.errors import NotFound
from models.payments import GatewayNotice
from models.programs import Program
from resolvers.gateways.gateway import Notice
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, begin_act
from resolvers.voucher_orders.charging import COLUMNS, PAYMENT, PaymentRow, keep_answer
from resolvers.vouchers.codes import CodeKeys

NOTICE = GatewayNotice.__table__


async def take_notice(
    session: AsyncSession, keys: CodeKeys | None, now: dt.datetime, slug: str, gateway: str, notice: Notice
) -> bool:
    """False if it was told before. What is about nothing of ours is kept, and changes nothing."""
    program_id = (await session.execute(select(Program.id).where(Program.slug == slug))).scalar_one_or_none()
    if program_id is None:
        raise NotFound("program")
    teller = Principal(name=gateway, role=Role.STAFF, origin="webhook")
    act = await begin_act(session, teller, now, program_id)
    if not await _is_new(act, gateway, notice):
        return False
    payment = await _payment_of(act, gateway, notice)
    if payment is not None and notice.answer is not None:
        await keep_answer(act, keys, payment, notice.answer)
    return True


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
