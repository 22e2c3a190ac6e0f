"""Putting a message into the outbox, in the transaction that decides it; and taking it out before it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, update

from models.outbox import MessageKind, MessageState, OutboxMessage
from resolvers.programs.acting import ProgramAct

MESSAGE = OutboxMessage.__table__


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What is to be said to whom, and what it is about."""

    kind: MessageKind
    recipient: str
    voucher_invitation_id: int


async def put(act: ProgramAct, new: NewMessage) -> int:
    """Its id. It is sent after this transaction, or never if that is rolled back."""
    key = act.keys.take()
    row = {
        "program_id": act.program_id,
        "id": key,
        "kind": new.kind,
        "state": MessageState.WAITING,
        "recipient": new.recipient,
        "voucher_invitation_id": new.voucher_invitation_id,
        "made_at": act.now,
        "due_at": act.now,
        "attempts": 0,
    }
    await act.session.execute(insert(MESSAGE), row)
    return key


async def withdraw(act: ProgramAct, *, voucher_invitation_ids: Sequence[int]) -> None:
    """What waits about these links is not sent any more. One that is just being sent arrives with a dead link."""
    await act.session.execute(
        update(MESSAGE)
        .where(MESSAGE.c.program_id == act.program_id, MESSAGE.c.voucher_invitation_id.in_(voucher_invitation_ids))
        .where(MESSAGE.c.state == MessageState.WAITING)
        .values(state=MessageState.WITHDRAWN, ended_at=act.now, lease=None, leased_until=None)
    )
