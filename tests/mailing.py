"""What tests of mail share: a program whose messages are sent to a mail server of the test's own."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select, text

from models.access import Role
from models.outbox import OutboxMessage
from resolvers.outbox.letters import Mailer
from resolvers.outbox.sending import Desk, Sending
from resolvers.principal import Principal
from resolvers.vouchers.inviting import Inviting, invite
from server.database import Database
from server.mail.addresses import SmtpServer, sender
from server.mail.smtp import SmtpMailer
from server.mail.wording import Wording
from tests.builders import NOON
from tests.code_keys import CODE_KEYS
from tests.smtp_server import PostOffice, post_office
from tests.vouchering import Shop, shop

SITE = "https://vouchers.test"
LINK = re.compile(rf"{SITE}/claim/([\w-]+)")
WORKER = Principal(name="Countersign", role=Role.STAFF, origin="worker")
FROM = sender("The Board <vouchers@board.test>")
MESSAGE = OutboxMessage.__table__


@dataclass
class Clock:
    now: dt.datetime = NOON

    def __call__(self) -> dt.datetime:
        return self.now


def mailer(office: PostOffice, answer_seconds: float = 5.0) -> SmtpMailer:
    return SmtpMailer(SmtpServer("127.0.0.1", office.port, tls=False), FROM, answer_seconds)


@dataclass
class Mailing:
    market: Shop
    office: PostOffice
    clock: Clock = field(default_factory=Clock)
    answer_seconds: float = 5.0

    def sending(self, **other: Any) -> Sending:
        """With another `run` or `mailer`, for who crashes there."""
        database, carrier = self.market.database, other.pop("mailer", None) or mailer(self.office, self.answer_seconds)
        made = Sending(
            reading=database.reading,
            run=database.run,
            desk=Desk(Wording(SITE), carrier),
            keys=CODE_KEYS,
            principal=WORKER,
            clock=self.clock,
        )
        return replace(made, **other)

    async def round(self, carrier: Mailer | None = None) -> None:
        """What one worker does in one round."""
        sending = self.sending(mailer=carrier)
        while await sending.some():
            pass

    async def invited(self, address: str = "ada@example.test", message: str | None = None) -> int:
        """The voucher that was sent to an address; the mail waits."""
        (voucher,) = await self.market.stock(CODE_KEYS)
        asked = Inviting(address=address, message=message, voucher_id=voucher.id)
        await self.market.act(lambda act: invite(act, CODE_KEYS, asked), at=self.clock.now)
        return voucher.id

    async def messages(self) -> list[Any]:
        async with self.market.database.reading() as connection:
            return list(await connection.execute(select(MESSAGE).order_by(MESSAGE.c.id)))

    async def states(self) -> list[str]:
        return [row.state.name for row in await self.messages()]

    async def ends_of_links(self) -> list[str | None]:
        async with self.market.database.reading() as connection:
            return list((await connection.execute(text('SELECT "end" FROM voucher_invitation'))).scalars())


@asynccontextmanager
async def mailing(database: Database, **given: Any) -> AsyncIterator[Mailing]:
    async with post_office() as office:
        yield Mailing(await shop(database), office, **given)
