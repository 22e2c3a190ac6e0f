"""Expiry: what is left of a voucher whose last moment has passed goes to breakage. The worker asks, many at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from models.ledger import LedgerEvent
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.voucher_programs import VoucherFunding
from models.vouchers import VoucherStanding
from resolvers.ledger.posting import Posting, post
from resolvers.programs.acting import ProgramAct, Told, tell_all
from resolvers.vouchers.moving import EXPIRED, VOUCHER, end_codes_and_assignments, of_program

AT_ONCE = 1_000
WAITING = (VoucherStanding.LIVE, VoucherStanding.REVOKED)


class Due(NamedTuple):
    voucher_id: int
    organization_id: int
    voucher_order_id: int
    funding: VoucherFunding
    remaining_minor: int
    currency: str

    @property
    def value(self) -> Money:
        return Money(self.remaining_minor, self.currency)


async def programs_with_due(connection: AsyncConnection, now: dt.datetime) -> list[int]:
    """Where anything has to expire."""
    due = select(VOUCHER.c.program_id).where(
        VOUCHER.c.standing.in_(WAITING), VOUCHER.c.expires_at <= now, VOUCHER.c.held_minor == 0
    )
    return list((await connection.execute(due.distinct())).scalars())


async def expire_due(act: ProgramAct, at_once: int = AT_ONCE) -> int:
    """Expires at most so many of the program, and says how many; as many as that, and there may be more."""
    act.principal.must_run(act.program_id, "let vouchers expire")
    due = await _due(act, at_once)
    ended = await _end(act, due) if due else set()
    expired = [one for one in due if one.voucher_id in ended]
    if expired:
        await end_codes_and_assignments(act, [one.voucher_id for one in expired], EXPIRED)
        await post(act, *(_posting(one) for one in expired if one.funding is not VoucherFunding.BILL_LATER))
        await tell_all(act, [_told(one) for one in expired])
    return len(expired)


async def _due(act: ProgramAct, at_once: int) -> list[Due]:
    """What a cart holds waits until the cart lets go of it."""
    columns = [VOUCHER.c.id, *(VOUCHER.c[name] for name in Due._fields[1:])]
    rows = await act.session.execute(
        select(*columns)
        .where(of_program(act), VOUCHER.c.standing.in_(WAITING), VOUCHER.c.expires_at <= act.now)
        .where(VOUCHER.c.held_minor == 0)
        .order_by(VOUCHER.c.id)
        .limit(at_once)
    )
    return [Due(*row) for row in rows]


async def _end(act: ProgramAct, due: Sequence[Due]) -> set[int]:
    """Those that are still as they were found."""
    as_found = tuple_(VOUCHER.c.id, VOUCHER.c.remaining_minor).in_([(d.voucher_id, d.remaining_minor) for d in due])
    ended = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), as_found, VOUCHER.c.standing.in_(WAITING), VOUCHER.c.expires_at <= act.now)
        .where(VOUCHER.c.held_minor == 0)
        .values(expired_minor=VOUCHER.c.expired_minor + VOUCHER.c.remaining_minor, remaining_minor=0)
        .values(standing=VoucherStanding.EXPIRED, assignment_id=None, flagged_at=None)
        .returning(VOUCHER.c.id)
    )
    return set(ended.scalars())


def _posting(one: Due) -> Posting:
    return Posting(
        event=LedgerEvent.VALUE_EXPIRED,
        amount=one.value,
        organization_id=one.organization_id,
        voucher_order_id=one.voucher_order_id,
        voucher_id=one.voucher_id,
    )


def _told(one: Due) -> Told:
    said = f"{one.value} was left"
    return Told(thing=ProgramThing.VOUCHER, thing_id=one.voucher_id, deed=ProgramDeed.EXPIRED, before=said)
