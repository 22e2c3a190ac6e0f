"""Many workers at one outbox, on both databases: each message is sent once, and what ends it meanwhile wins."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter

import pytest

from models.errors import DomainError
from resolvers.outbox.bouncing import bounce
from resolvers.outbox.leasing import LEASE
from resolvers.outbox.letters import Letter, Outcome
from resolvers.outbox.sending import Sending
from resolvers.vouchers.inviting import cancel
from server.database import Database
from server.mail.smtp import SmtpMailer
from tests.mailing import WORKER, Mailing, mailer, mailing

WORKERS = 20


async def work_off(sending: Sending) -> None:
    """Until nothing is left to it: what others hold is theirs."""
    while await sending.some():
        pass


async def test_of_many_workers_each_message_is_sent_by_one(database: Database) -> None:
    async with mailing(database) as post:
        for number in range(12):
            await post.invited(f"person-{number}@example.test")
        await asyncio.gather(*(work_off(post.sending()) for _ in range(WORKERS)))
        # Whoever found all that they had chosen taken looks again in their next round.
        await post.round()
        assert Counter(await post.states()) == {"SENT": 12}
        assert Counter(str(mail["To"]) for mail in post.office.got) == {
            f"person-{number}@example.test": 1 for number in range(12)
        }


class Slow:
    """A mailer that is held up with the letter in its hands."""

    def __init__(self, inside: SmtpMailer) -> None:
        self._inside = inside
        self.holds, self.may_go = asyncio.Event(), asyncio.Event()

    async def send(self, letter: Letter, now: dt.datetime) -> Outcome:
        self.holds.set()
        await self.may_go.wait()
        return await self._inside.send(letter, now)


async def held(post: Mailing) -> tuple[Slow, asyncio.Task[bool]]:
    slow = Slow(mailer(post.office))
    sending = asyncio.create_task(post.sending(mailer=slow).some())
    await slow.holds.wait()
    return slow, sending


async def test_a_worker_that_is_too_late_changes_nothing_of_what_another_kept(database: Database) -> None:
    async with mailing(database) as post:
        await post.invited()
        slow, sending = await held(post)
        await post.round()
        assert post.office.got == []
        post.clock.now += LEASE
        await post.round()
        (before,) = await post.messages()
        slow.may_go.set()
        post.clock.now += LEASE
        await sending
        assert await post.messages() == [before]
        assert (len(post.office.got), len(set(post.office.ids))) == (2, 1)


@pytest.mark.parametrize("state", ["WITHDRAWN", "BOUNCED"])
async def test_what_is_withdrawn_or_bounces_while_it_is_sent_stays_so(database: Database, state: str) -> None:
    async with mailing(database) as post:
        voucher_id = await post.invited()
        (row,) = await post.messages()
        slow, sending = await held(post)
        if state == "WITHDRAWN":
            await post.market.act(lambda act: cancel(act, voucher_id))
        else:
            await post.market.act(lambda act: bounce(act, row.id, "unknown"), by=WORKER)
        slow.may_go.set()
        await sending
        assert await post.states() == [state]


async def test_of_many_bounces_and_cancellations_at_once_each_is_kept_once(database: Database) -> None:
    async with mailing(database) as post:
        voucher_id = await post.invited()
        await post.round()
        (row,) = await post.messages()

        async def told(number: int) -> str:
            try:
                if number % 2:
                    kept = await post.market.act(lambda act: bounce(act, row.id, "unknown"), by=WORKER)
                    return str(kept.name)
                await post.market.act(lambda act: cancel(act, voucher_id))
            except DomainError as refusal:
                return refusal.code.name
            return "CANCELLED"

        outcomes = Counter(await asyncio.gather(*(told(number) for number in range(WORKERS))))
        half = WORKERS // 2
        assert outcomes == {"KEPT": 1, "KNOWN": half - 1, "CANCELLED": 1, "NOT_INVITED": half - 1}
        assert await post.states() == ["BOUNCED"]
        assert (await post.ends_of_links())[0] in ("BOUNCED", "CANCELLED")
