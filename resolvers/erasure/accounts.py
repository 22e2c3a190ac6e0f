"""Erasing an account: what somebody registered with, and what names them where vouchers were given to them.

Vouchers, what they paid and their story stay, of somebody whom a number stands for. Where an organization wrote about
somebody in words of its own (what a voucher is meant for, why it was revoked), it is not looked for; nor is what was
sent to their mailbox, and what backups keep.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, delete, func, literal, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Token
from models.addresses import address_key
from models.erasure import ERASED
from models.errors import NotFound
from models.invitations import InvitationEnd
from models.outbox import MessageState, OutboxMessage
from models.program_events import ProgramDeed, ProgramThing
from models.vouchers import AssigneeKind, VoucherAssignment
from resolvers.accounts import ACCOUNT, account_of_address
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, Told, begin_act, tell_all
from resolvers.vouchers.links import end_links

ASSIGNMENT, MESSAGE, TOKEN = VoucherAssignment.__table__, OutboxMessage.__table__, Token.__table__


@dataclass(frozen=True, slots=True)
class ErasedAccount:
    """How much named them. The same once more finds nothing."""

    accounts: int
    assignments: int
    messages: int


async def erase_account(session: AsyncSession, principal: Principal, now: dt.datetime, address: str) -> ErasedAccount:
    """All by this address, whether or not somebody registered with it. A link that waits for them is dead; their
    organization sees that, and sends another one or cancels."""
    principal.must_be_staff("erase accounts")
    account = await account_of_address(session, address)
    person_id = account.person_id if account else None
    assignments = await _forget_assignments(session, principal, now, address, person_id)
    messages = await _forget_messages(session, now, address)
    if account:
        await session.execute(delete(ACCOUNT).where(ACCOUNT.c.person_id == account.person_id))
        await _end_tokens(session, now, account.person_id)
    erased = ErasedAccount(1 if account else 0, assignments, messages)
    if not any((erased.accounts, erased.assignments, erased.messages)):
        raise NotFound("account or invitation", "email")
    return erased


async def _forget_assignments(
    session: AsyncSession, principal: Principal, now: dt.datetime, address: str, person_id: int | None
) -> int:
    by_address = _has(ASSIGNMENT.c.email, address)
    theirs = by_address if person_id is None else or_(by_address, ASSIGNMENT.c.person_id == person_id)
    found = await session.execute(
        update(ASSIGNMENT)
        .where(ASSIGNMENT.c.kind == AssigneeKind.EMAIL, theirs)
        .values(email=ERASED, message=None)
        .returning(ASSIGNMENT.c.program_id, ASSIGNMENT.c.id, ASSIGNMENT.c.voucher_id)
    )
    rows = sorted(found.all())
    for program_id, of_it in groupby(rows, key=lambda row: row.program_id):
        await _tell(await begin_act(session, principal, now, program_id), list(of_it))
    return len(rows)


async def _tell(act: ProgramAct, erased: list[Any]) -> None:
    await end_links(act, [row.id for row in erased], InvitationEnd.CANCELLED)
    deed = ProgramDeed.ASSIGNEE_ERASED
    told = [Told(thing=ProgramThing.VOUCHER, thing_id=row.voucher_id, deed=deed) for row in erased]
    await tell_all(act, told)


async def _forget_messages(session: AsyncSession, now: dt.datetime, address: str) -> int:
    """What waits is not sent; a server's words about a failure may name them."""
    theirs = _has(MESSAGE.c.recipient, address)
    waits = MESSAGE.c.state == MessageState.WAITING
    await session.execute(
        update(MESSAGE)
        .where(theirs, waits)
        .values(state=MessageState.WITHDRAWN, ended_at=now, lease=None, leased_until=None)
    )
    found = update(MESSAGE).where(theirs).values(recipient=ERASED, failure=None).returning(MESSAGE.c.id)
    return len((await session.execute(found)).all())


async def _end_tokens(session: AsyncSession, now: dt.datetime, person_id: int) -> None:
    ended = func.coalesce(TOKEN.c.ended_at, literal(now, TOKEN.c.ended_at.type))
    await session.execute(update(TOKEN).where(TOKEN.c.person_id == person_id).values(name=ERASED, ended_at=ended))


def _has(column: ColumnElement[str], address: str) -> ColumnElement[bool]:
    """Addresses are ASCII, which both databases fold alike."""
    return func.lower(column) == address_key(address)
