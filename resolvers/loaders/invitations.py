"""Reading the link that was sent last for an assignment, and who claimed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.accounts import Account
from models.batches import as_keys, asked
from models.invitations import InvitationEnd, VoucherInvitation
from models.outbox import MessageKind, MessageState, OutboxMessage
from resolvers.loaders.vouchers import AssignmentKey

INVITATION, MESSAGE = VoucherInvitation.__table__, OutboxMessage.__table__
ACCOUNT = Account.__table__


class InvitationRow(NamedTuple):
    place: int
    made_at: dt.datetime
    expires_at: dt.datetime
    ended_at: dt.datetime | None
    end: InvitationEnd | None
    reminders: int
    reminded_at: dt.datetime | None
    # Of the mail that the link went out with.
    delivery: MessageState
    delivery_ended_at: dt.datetime | None


async def last_invitations(connection: AsyncConnection, keys: Sequence[AssignmentKey]) -> list[InvitationRow]:
    """Of each assignment by e-mail the link that was made last."""
    return [InvitationRow._make(row) for row in await connection.execute(_last_invitations(), as_keys(keys))]


@lru_cache
def _last_invitations() -> Select[Any]:
    keys, other = asked("keys", "place", *AssignmentKey._fields), INVITATION.alias("other")
    last = (
        select(other.c.id)
        .where(other.c.program_id == keys.c.program_id, other.c.voucher_assignment_id == keys.c.assignment_id)
        .order_by(other.c.made_at.desc(), other.c.id.desc())
        .limit(1)
        .correlate(keys)
        .scalar_subquery()
    )
    same = and_(INVITATION.c.program_id == keys.c.program_id, INVITATION.c.id == last)
    mail = and_(
        MESSAGE.c.program_id == INVITATION.c.program_id,
        MESSAGE.c.voucher_invitation_id == INVITATION.c.id,
        MESSAGE.c.kind == MessageKind.VOUCHER_INVITATION,
    )
    own = [INVITATION.c[name] for name in InvitationRow._fields[1:7]]
    columns = (keys.c.place, *own, MESSAGE.c.state, MESSAGE.c.ended_at)
    return select(*columns).select_from(keys).join(INVITATION, same).join(MESSAGE, mail)


class PersonKey(NamedTuple):
    person_id: int


class AccountRow(NamedTuple):
    place: int
    name: str
    email: str


async def accounts_of_persons(connection: AsyncConnection, keys: Sequence[PersonKey]) -> list[AccountRow]:
    """Of those who registered."""
    return [AccountRow._make(row) for row in await connection.execute(_accounts(), as_keys(keys))]


@lru_cache
def _accounts() -> Select[Any]:
    keys = asked("keys", "place", *PersonKey._fields)
    columns = (keys.c.place, ACCOUNT.c.name, ACCOUNT.c.email)
    return select(*columns).join(ACCOUNT, ACCOUNT.c.person_id == keys.c.person_id)
