"""Working on a case: messages, turns, who works on it, by when, and how long it took."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from models.cases import DisputeStep, known_minutes
from models.errors import DisputeError, DisputeErrorCode, NotAllowed
from models.events import Deed
from resolvers.activity import sane_day
from resolvers.disputes.cases import Case, finish, take_up, worded
from resolvers.events import Noted
from resolvers.loaders.disputes import DisputeKey
from resolvers.principal import Principal


@dataclass(frozen=True, slots=True)
class Message:
    text: str
    # Only staff see it, and only staff can write it.
    internal: bool = False


async def write_message(
    session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey, message: Message
) -> int:
    text = worded(message.text, "text")
    case = await take_up(session, principal, now, key, DisputeStep.WRITE_MESSAGE)
    if message.internal and not principal.is_staff:
        raise NotAllowed("Only staff may write what only staff see.", "internal")
    await finish(case, case.done(Deed.MESSAGE_SENT, said=text, internal=message.internal))
    return case.row.id


async def send_to_client(
    session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey, text: str | None
) -> int:
    return await _turn(session, principal, now, key, DisputeStep.SEND_TO_CLIENT, text)


async def send_to_staff(
    session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey, text: str | None
) -> int:
    """The client's answer, or staff taking it back."""
    return await _turn(session, principal, now, key, DisputeStep.SEND_TO_STAFF, text)


async def _turn(
    session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey, step: DisputeStep, text: str | None
) -> int:
    said = None if text is None else worded(text, "text")
    case = await take_up(session, principal, now, key, step)
    await finish(case, case.moved(said))
    return case.row.id


async def assign(
    session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey, assignee: str | None
) -> int:
    """To somebody of the staff, by name; None to nobody. The same again changes nothing."""
    named = None if assignee is None else _name(assignee)
    case = await take_up(session, principal, now, key, DisputeStep.ASSIGN)
    if named != case.row.assignee:
        deed = case.done(Deed.ASSIGNED, before=case.row.assignee, after=named, internal=True)
        await finish(case, deed, assignee=named)
    return case.row.id


def _name(assignee: str) -> str:
    stripped = assignee.strip()
    if not 1 <= len(stripped) <= 200 or not stripped.isprintable():
        raise DisputeError(DisputeErrorCode.BAD_NAME, DisputeErrorCode.BAD_NAME.value, "assignee")
    return stripped


async def set_deadline(
    session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey, respond_by: dt.date | None
) -> int:
    """The last local day on which it is answered in time; None for no deadline. The same again changes nothing."""
    day = None if respond_by is None else sane_day(respond_by, "respondBy")
    case = await take_up(session, principal, now, key, DisputeStep.SET_DEADLINE)
    if day != case.row.respond_by:
        deed = case.done(Deed.DEADLINE_SET, before=_shown(case.row.respond_by), after=_shown(day), internal=True)
        await finish(case, deed, respond_by=day)
    return case.row.id


def _shown(day: dt.date | None) -> str | None:
    return day.isoformat() if day else None


async def add_minutes(
    session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey, minutes: int, said: str
) -> int:
    """Staff worked on it so long, and did this."""
    known, text = known_minutes(minutes, "minutes"), worded(said, "done")
    case = await take_up(session, principal, now, key, DisputeStep.ADD_MINUTES)
    await finish(case, spent(case, known, text))
    return case.row.id


def spent(case: Case, minutes: int, said: str | None = None) -> Noted:
    return case.done(Deed.MINUTES_SPENT, said=said, minutes=minutes, internal=True)
