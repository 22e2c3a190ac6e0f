"""Many at once on one dispute: one does it, the others are told why not, and nothing is credited twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import Any

from sqlalchemy import func, select

from models.cases import DisputeOutcome
from models.disputes import Dispute, DisputeLine
from models.errors import DomainError
from models.events import Deed, Event
from models.invoices import CreditNoteLine
from resolvers.disputes.resolving import Resolution, resolve, withdraw
from resolvers.loaders.disputes import DisputeKey
from server.database import Database
from tests.builders import STAFF
from tests.questioned import Questioned, questioned_bill

CALLERS = 20


async def at_once(deeds: Sequence[Awaitable[Any]]) -> Counter[str]:
    """How many got through, and how many were refused for which reason."""
    answers = await asyncio.gather(*deeds, return_exceptions=True)
    return Counter(_told(answer) for answer in answers)


def _told(answer: object) -> str:
    if isinstance(answer, DomainError):
        return answer.code.name
    if isinstance(answer, BaseException):
        raise answer
    return "done"


async def credited(bill: Questioned) -> int:
    async with bill.billed.tenant.database.reading() as connection:
        return await connection.scalar(select(func.coalesce(func.sum(CreditNoteLine.quantity), 0))) or 0


async def rows(bill: Questioned, table: Any, *where: Any) -> int:
    async with bill.billed.tenant.database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(table).where(*where)) or 0


def decide(bill: Questioned, key: DisputeKey, idempotency_key: str) -> Awaitable[int]:
    upheld = Resolution(outcome=DisputeOutcome.UPHELD, reason="you are right")
    return bill.billed.run(lambda s, now: resolve(s, STAFF, now, key, upheld, idempotency_key))


def let_go(bill: Questioned, key: DisputeKey) -> Awaitable[int]:
    return bill.billed.run(lambda s, now: withdraw(s, bill.client, now, key, "found them"))


async def test_of_many_who_open_on_one_line_one_does(database: Database) -> None:
    bill = await questioned_bill(database)
    told = await at_once([bill.opened(1, signer=None) for _ in range(CALLERS)])
    assert told == {"done": 1, "LINE_IN_DISPUTE": CALLERS - 1}
    assert await rows(bill, Dispute) == await rows(bill, DisputeLine) == 1


async def test_of_many_who_decide_with_keys_of_their_own_one_does(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2, signer=None)
    told = await at_once([decide(bill, key, f"key-{number}") for number in range(CALLERS)])
    assert told == {"done": 1, "WRONG_STATE": CALLERS - 1}
    assert await credited(bill) == 2


async def test_many_who_decide_with_one_key_are_all_answered_and_it_is_done_once(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2, signer=None)
    assert await at_once([decide(bill, key, "one key") for _ in range(CALLERS)]) == {"done": CALLERS}
    assert await credited(bill) == 2
    assert await rows(bill, Event, Event.deed == Deed.DISPUTE_RESOLVED) == 1


async def test_withdrawing_and_deciding_at_once_is_one_of_them(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2, signer=None)
    deeds = [decide(bill, key, f"key-{n}") if n % 2 else let_go(bill, key) for n in range(CALLERS)]
    assert await at_once(deeds) == {"done": 1, "WRONG_STATE": CALLERS - 1}
    row = await bill.row(key)
    assert await credited(bill) == (2 if row.state.name == "UPHELD" else 0)
    assert not [line for line in await bill.lines(key) if line.is_open]


async def test_of_many_nightly_checks_one_opens_the_case(database: Database) -> None:
    bill = await questioned_bill(database)
    opened = await asyncio.gather(*(bill.drifted() for _ in range(CALLERS)))
    assert len([key for key in opened if key]) == 1
    assert await rows(bill, Dispute) == 1
