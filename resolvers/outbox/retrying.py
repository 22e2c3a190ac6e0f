"""Trying again what was given up: a person has mended what kept it from being sent."""

from __future__ import annotations

from sqlalchemy import select, update

from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.outbox import MessageState, OutboxMessage
from resolvers.programs.acting import ProgramAct

MESSAGE = OutboxMessage.__table__


async def retry(act: ProgramAct, message_id: int) -> None:
    """It is due now. One that waits already is left as it is; what was sent, bounced or withdrawn is refused."""
    if not act.principal.runs(act.program_id):
        raise NotFound("message", "message")
    same = (MESSAGE.c.program_id == act.program_id, MESSAGE.c.id == message_id)
    again = await act.session.execute(
        update(MESSAGE)
        .where(*same, MESSAGE.c.state == MessageState.GIVEN_UP)
        .values(state=MessageState.WAITING, due_at=act.now, attempts=0, failure=None, ended_at=None)
        .returning(MESSAGE.c.id)
    )
    if again.scalar_one_or_none() is None:
        state = (await act.session.execute(select(MESSAGE.c.state).where(*same))).scalar_one_or_none()
        _refuse_unless_waiting(state)


def _refuse_unless_waiting(state: MessageState | None) -> None:
    if state is None:
        raise NotFound("message", "message")
    if state is not MessageState.WAITING:
        said = f"Only what was given up can be tried again; this message is {state.name}: {state.value}."
        raise VoucherError(VoucherErrorCode.WRONG_STATE, said, "message")
