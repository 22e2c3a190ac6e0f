"""What tests of invitations share: vouchers sent to an address, the link as its mail says it, and who claims."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Table, select

from models.access import Role
from models.accounts import Account
from models.invitations import VoucherInvitation
from models.outbox import OutboxMessage
from models.vouchers import VoucherAssignment
from resolvers.accounts import register
from resolvers.principal import Principal
from resolvers.vouchers.claiming import Claimed, approve, claim, claim_by_link, refuse
from resolvers.vouchers.invitation_facts import InvitationFacts, invitation_facts
from resolvers.vouchers.inviting import Inviting, cancel, invite, remind, resend
from server.database import Database
from tests.builders import NOON
from tests.code_keys import CODE_KEYS
from tests.vouchering import Shop, shop

ADDRESS = "Nora.Diaz@new.example"
MESSAGE = "Welcome, Nora.\nThis pays your application."
ASSIGNMENTS, INVITATIONS = VoucherAssignment.__table__, VoucherInvitation.__table__
MESSAGES, ACCOUNTS = OutboxMessage.__table__, Account.__table__


async def invited(market: Shop, address: str = ADDRESS, voucher_id: int | None = None, **how: Any) -> int:
    """The voucher that was sent to an address: that one, or one from stock."""
    stock = market.voucher_program_id if voucher_id is None else None
    asked = Inviting(address=address, message=MESSAGE, voucher_id=voucher_id, voucher_program_id=stock, purpose="2018")
    made: int = await market.act(lambda act: invite(act, CODE_KEYS, asked), **how)
    return made


async def opened(database: Database, **terms: Any) -> tuple[Shop, int]:
    """A shop, and a voucher that was sent to an address."""
    market = await shop(database, **terms)
    await market.stock(CODE_KEYS)
    return market, await invited(market)


async def resent(market: Shop, voucher_id: int, email: str | None = None, **how: Any) -> None:
    await market.act(lambda act: resend(act, CODE_KEYS, voucher_id, email), **how)


async def reminded(market: Shop, voucher_id: int, **how: Any) -> None:
    await market.act(lambda act: remind(act, voucher_id), **how)


async def cancelled(market: Shop, voucher_id: int, **how: Any) -> None:
    await market.act(lambda act: cancel(act, voucher_id), **how)


async def approved(market: Shop, voucher_id: int, **how: Any) -> None:
    await market.act(lambda act: approve(act, voucher_id), **how)


async def refused(market: Shop, voucher_id: int, **how: Any) -> None:
    await market.act(lambda act: refuse(act, CODE_KEYS, voucher_id), **how)


async def claimed(market: Shop, secret: str, by: Principal | None = None, at: dt.datetime | None = None) -> Claimed:
    """By who is signed in, or by whoever has the link."""
    reading, run, now = market.database.reading, market.database.run, at or market.now
    if by is not None:
        return await claim(reading, run, CODE_KEYS, by, now, secret)
    return await claim_by_link(reading, run, CODE_KEYS, "192.0.2.7", now, secret, "Nora Diaz")


async def individual(market: Shop, address: str) -> Principal:
    """Somebody who is registered with that address, and signed in."""
    made = await market.database.run(lambda session: register(session, NOON, "Somebody Else", address))
    return Principal(name=made.name, role=Role.INDIVIDUAL, person_id=made.person_id)


async def rows(market: Shop, table: Table) -> list[Any]:
    """All of a table of the program, the oldest first."""
    async with market.database.reading() as connection:
        mine = table.c.program_id == market.program_id
        return list((await connection.execute(select(table).where(mine).order_by(table.c.id))).all())


async def facts(market: Shop, invitation_id: int) -> InvitationFacts | None:
    async with market.database.reading() as connection:
        return await invitation_facts(connection, CODE_KEYS, market.program_id, invitation_id)


async def link_of(market: Shop) -> str:
    """The secret of the one live link, as its mail says it."""
    (live,) = [row.id for row in await rows(market, INVITATIONS) if row.ended_at is None]
    said = await facts(market, live)
    assert said
    return said.secret
