"""What could not be delivered after all: a mail server took a message, and tells later that nobody got it."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import select, update

from models.errors import NotFound
from models.outbox import MessageState, OutboxMessage
from resolvers.programs.acting import ProgramAct
from resolvers.vouchers.inviting import keep_bounce

MESSAGE = OutboxMessage.__table__
# What waits may have been sent without our knowing.
UNSURE = (MessageState.WAITING, MessageState.SENT, MessageState.GIVEN_UP)


class Bounce(Enum):
    KEPT = "the message is marked as bounced"
    KNOWN = "that was known before"
    TOO_LATE = "the message was withdrawn: nothing hangs on it any more"


async def bounce(act: ProgramAct, message_id: int, reason: str) -> Bounce:
    """However often it is told, it is kept once; a link that was sent with it is dead then."""
    act.principal.must_run(act.program_id, "say that a message bounced")
    same = (MESSAGE.c.program_id == act.program_id, MESSAGE.c.id == message_id)
    bounced = await act.session.execute(
        update(MESSAGE)
        .where(*same, MESSAGE.c.state.in_(UNSURE))
        .values(state=MessageState.BOUNCED, failure=reason, ended_at=act.now, lease=None, leased_until=None)
        .returning(MESSAGE.c.voucher_invitation_id)
    )
    row = bounced.one_or_none()
    if row is None:
        state = (await act.session.execute(select(MESSAGE.c.state).where(*same))).scalar_one_or_none()
        if state is None:
            raise NotFound("message")
        return Bounce.KNOWN if state is MessageState.BOUNCED else Bounce.TOO_LATE
    await keep_bounce(act, row.voucher_invitation_id)
    return Bounce.KEPT
