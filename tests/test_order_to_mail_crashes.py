"""From an order to its letters: whoever acts may be killed before or after any commit on the way. When the client asks
the same again and the worker has gone round, the order is settled once, each voucher issued once, and each message sent
at least once, known again by its id.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from sqlalchemy import select

from models.money import Money
from models.outbox import OutboxMessage, reference_of
from models.voucher_orders import VoucherOrder, VoucherOrderState
from models.vouchers import AssignmentState, Voucher, VoucherAssignment
from resolvers.gateways.gateway import Gateways
from resolvers.outbox.leasing import LEASE
from resolvers.payments.reconciling import reconcile
from resolvers.payments.refunds import NEVER_ARRIVED
from schema.context import Context
from schema.ids import encode_id
from schema.root import schema
from server.database import Database
from tests.code_keys import CODE_KEYS
from tests.dying import Dying, Killed
from tests.mailing import WORKER, Mailing, mailing
from tests.tellers import Mood, Teller
from tests.test_invariants import offended
from tests.vouchering import FEE_MINOR, shop

QUANTITY = 3
INVITED = ("ada@example.test", "ben@example.test")
# By then nobody waits for a gateway or a mail server any more.
LATER = max(LEASE, NEVER_ARRIVED) + dt.timedelta(minutes=1)
# An order, its charge asked for and kept, two assignments, two letters claimed and kept.
FEWEST_COMMITS = 9


@dataclass
class Chain:
    """What a client asks for and the worker does, from the order on."""

    post: Mailing
    teller: Teller

    async def goes(self, run: Any) -> None:
        """All of it, by whoever writes so; what was done before is asked for again with the same keys."""
        await self._buys(run)
        await self._reconciles(run)
        if await self._buys(run) == "DECLINED":
            await self._pays_anew(run)
            await self._reconciles(run)
        for address in INVITED:
            await self._assigns(run, address)
        sending = self.post.sending(run=run)
        while await sending.some():
            pass

    async def _reconciles(self, run: Any) -> None:
        self.post.clock.now += LATER
        await reconcile(self.database.reading, run, self._gateways, CODE_KEYS, WORKER, self.post.clock.now)

    @property
    def database(self) -> Database:
        return self.post.market.database

    async def _buys(self, run: Any) -> str:
        market = self.post.market
        total = Money(QUANTITY * FEE_MINOR, "USD")
        asked = {
            "organization": {"id": encode_id("Organization", market.tenant.id)},
            "voucherProgram": self._terms,
            "quantity": QUANTITY,
            "amount": {"amount": f"{total.amount_minor / 100:.2f}", "currency": "USD"},
            "payment": {"card": {"paymentMethod": "pm_1"}},
            "idempotencyKey": "buy",
        }
        return str((await self._asks(run, BUY, asked))["order"]["state"])

    async def _pays_anew(self, run: Any) -> None:
        (order,) = await self.rows(VoucherOrder)
        own = encode_id("VoucherOrder", order.program_id, order.id)
        await self._asks(run, PAY, {"order": own, "card": {"paymentMethod": "pm_1"}, "idempotencyKey": "anew"})

    async def _assigns(self, run: Any, address: str) -> None:
        to = {"email": {"address": address}}
        asked = {"voucher": {"fromStockOf": self._terms}, "to": to, "idempotencyKey": address}
        answer = await self._asks(run, ASSIGN, asked)
        assert answer["userErrors"] == []

    async def _asks(self, run: Any, query: str, asked: dict[str, Any]) -> Any:
        context = Context(
            self.post.market.client,
            self.post.clock.now,
            self.database.reading,
            run,
            code_keys=CODE_KEYS,
            gateways=self._gateways,
        )
        result = await schema.execute(query, variable_values={"input": asked}, context_value=context)
        assert result.errors is None, result.errors
        (answer,) = (result.data or {}).values()
        return answer

    @property
    def _gateways(self) -> Gateways:
        return {"cards": self.teller}

    @property
    def _terms(self) -> str:
        return encode_id("VoucherProgram", self.post.market.program_id, self.post.market.voucher_program_id)

    async def rows(self, table: Any) -> list[Any]:
        """Of this program."""
        async with self.database.reading() as connection:
            own = select(table.__table__).where(table.program_id == self.post.market.program_id)
            return list(await connection.execute(own))


async def killed(chain: Chain, run: Dying) -> None:
    """Until it is killed; what it was doing at the same time ends too."""
    before = asyncio.all_tasks()
    with pytest.raises(Killed):
        await chain.goes(run)
    await asyncio.gather(*(asyncio.all_tasks() - before), return_exceptions=True)


async def assert_all_is_done_once(chain: Chain, why: object) -> None:
    (order,) = await chain.rows(VoucherOrder)
    assert order.state is VoucherOrderState.SETTLED, why
    assert chain.teller.kept_minor == order.paid_minor == QUANTITY * FEE_MINOR, why
    assert len(await chain.rows(Voucher)) == QUANTITY, why
    assigned = await chain.rows(VoucherAssignment)
    assert Counter(row.email for row in assigned) == Counter(INVITED), why
    assert {row.state for row in assigned} == {AssignmentState.INVITED}, why
    messages = {reference_of(row.program_id, row.id): row for row in await chain.rows(OutboxMessage)}
    assert [row.state.name for row in messages.values()] == ["SENT", "SENT"], why
    sent = {str(mail["X-Countersign-Message"]): str(mail["To"]) for mail in chain.post.office.got}
    assert sent == {reference: row.recipient for reference, row in messages.items()}, why
    assert {message_id.strip("<>").split("@")[0] for message_id in chain.post.office.ids} == set(messages), why


async def test_killed_at_any_commit_between_order_and_mail_it_is_all_done_once_in_the_end(
    postgresql_database: Database,
) -> None:
    """The gateway's yes is lost, so that there is something to look up too."""
    database, mood = postgresql_database, Mood.SILENT_YES
    async with mailing(database) as post:
        counted, chain = Dying(database.run), Chain(post, Teller(mood=mood))
        await chain.goes(counted)
        await assert_all_is_done_once(chain, "undisturbed")
        assert counted.steps >= FEWEST_COMMITS
        for number, after_commit in product(range(1, counted.steps + 1), (False, True)):
            post.office.got.clear()
            chain = Chain(Mailing(await shop(database), post.office), Teller(mood=mood))
            await killed(chain, Dying(database.run, number, after_commit))
            chain.post.clock.now += LATER
            await chain.goes(database.run)
            await assert_all_is_done_once(chain, (mood, number, after_commit))
    assert await offended(database) == set()


BUY = """mutation ($input: VoucherPurchaseInput!) {
  voucherPurchase(input: $input) { order { state } userErrors { code } }
}"""
PAY = """mutation ($input: VoucherOrderPayInput!) {
  voucherOrderPay(input: $input) { order { state } userErrors { code } }
}"""
ASSIGN = """mutation ($input: VoucherAssignInput!) {
  voucherAssign(input: $input) { voucher { state } userErrors { code } }
}"""
