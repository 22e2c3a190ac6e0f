"""What an invitation says: read when its mail is written, which may be long after it was decided."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Select, and_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.interval import FOREVER, MICROSECOND
from models.money import Money
from models.organizations import Organization
from models.programs import Program
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.links import INVITATION, open_secret
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER

PROGRAM, ORGANIZATION = Program.__table__, Organization.__table__


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationFacts:
    recipient: str
    organization: str
    program: str
    message: str | None
    # What the voucher is worth now.
    value: Money
    # The last day of the program on which it can be used; None if it never expires.
    usable_through: dt.date | None
    link_until: dt.datetime
    secret: str = field(repr=False)


async def invitation_facts(
    connection: AsyncConnection | AsyncSession, keys: CodeKeys, program_id: int, invitation_id: int
) -> InvitationFacts | None:
    """None if the link is dead: then there is nothing to say any more."""
    of_it = {"program": program_id, "invitation": invitation_id}
    row = (await connection.execute(_invitation(), of_it)).one_or_none()
    if row is None:
        return None
    return InvitationFacts(
        recipient=row.email,
        organization=row.organization,
        program=row.program,
        message=row.message,
        value=Money(row.remaining_minor, row.currency),
        usable_through=last_day(row.expires_at, row.zone),
        link_until=row.link_until,
        secret=open_secret(keys, program_id, invitation_id, row.code_key, row.sealed),
    )


def last_day(expires_at: dt.datetime, zone: str) -> dt.date | None:
    """The last day in that zone that is touched; None of what never expires."""
    return None if expires_at == FOREVER else (expires_at - MICROSECOND).astimezone(ZoneInfo(zone)).date()


@lru_cache
def _invitation() -> Select[Any]:
    of_assignment = and_(
        ASSIGNMENT.c.program_id == INVITATION.c.program_id, ASSIGNMENT.c.id == INVITATION.c.voucher_assignment_id
    )
    of_voucher = and_(VOUCHER.c.program_id == ASSIGNMENT.c.program_id, VOUCHER.c.id == ASSIGNMENT.c.voucher_id)
    return (
        select(
            INVITATION.c.code_key,
            INVITATION.c.sealed,
            INVITATION.c.expires_at.label("link_until"),
            ASSIGNMENT.c.email,
            ASSIGNMENT.c.message,
            VOUCHER.c.remaining_minor,
            VOUCHER.c.currency,
            VOUCHER.c.expires_at,
            ORGANIZATION.c.name.label("organization"),
            PROGRAM.c.name.label("program"),
            PROGRAM.c.zone,
        )
        .join_from(INVITATION, ASSIGNMENT, of_assignment)
        .join(VOUCHER, of_voucher)
        .join(ORGANIZATION, ORGANIZATION.c.id == ASSIGNMENT.c.organization_id)
        .join(PROGRAM, PROGRAM.c.id == INVITATION.c.program_id)
        .where(INVITATION.c.program_id == bindparam("program", type_=BigInteger))
        .where(INVITATION.c.id == bindparam("invitation", type_=BigInteger), INVITATION.c.ended_at.is_(None))
    )
