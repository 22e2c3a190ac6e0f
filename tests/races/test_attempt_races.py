"""Many who try codes at once, through many connections or many aliases: no more get through than may."""

from __future__ import annotations

import asyncio
from collections import Counter

from sqlalchemy import func, select

from models.attempts import MOST, MOST_SERVING_OTHERS, AttemptBy, AttemptCount
from models.codes import code_of
from models.ids import encode_id
from models.redemptions import Redemption
from resolvers.vouchers.attempting import limited
from server.database import Database
from tests.asking import ask
from tests.builders import NOON
from tests.code_keys import CODE_KEYS
from tests.opening import opened
from tests.test_attempts import PERSON, fails, outcome, person, succeeds
from tests.vouchering import Shop, shop

CALLERS = 24


async def left_over(market: Shop) -> int:
    async with market.database.reading() as connection:
        return await connection.scalar(select(func.sum(AttemptCount.attempts))) or 0


async def test_of_many_guesses_at_once_no_more_get_through_than_may_on_any_connection(database: Database) -> None:
    market = await shop(database)
    most = MOST[AttemptBy.ACTOR]
    url = database.url.render_as_string(hide_password=False)
    async with opened(url) as other:
        beside = Shop(other, market.tenant, market.program_id, 1, 2, 3)
        told = await asyncio.gather(
            *(outcome(market if n % 2 else beside, PERSON, f"GUESS-{n}", fails) for n in range(CALLERS))
        )
    assert Counter(told) == {"CODE_NOT_USABLE": most, "TOO_MANY_ATTEMPTS": CALLERS - most}


async def test_of_many_people_at_one_code_no_more_get_through_than_may(database: Database) -> None:
    market, most = await shop(database), MOST[AttemptBy.TARGET]
    code = code_of(1)
    told = await asyncio.gather(*(outcome(market, person(n, f"192.0.2.{n}"), code, fails) for n in range(CALLERS)))
    assert Counter(told) == {"CODE_NOT_USABLE": most, "TOO_MANY_ATTEMPTS": CALLERS - most}


async def test_what_succeeds_at_once_leaves_no_count(database: Database) -> None:
    market = await shop(database)
    counter = market.program_admin
    reading, run = database.reading, database.run
    tries = (limited(reading, run, counter, NOON, market.program_id, f"{n}", succeeds) for n in range(CALLERS))
    await asyncio.gather(*tries)
    assert await left_over(market) == 0


async def test_aliases_of_one_operation_and_operations_at_once_are_each_counted(database: Database) -> None:
    """The counter guesses through aliases, and is shut out; then a code that works is refused like any other."""
    market = await shop(database)
    (voucher,) = await market.stock(CODE_KEYS)
    fee, most = encode_id("Product", market.program_id, market.fee_id), MOST_SERVING_OTHERS[AttemptBy.ACTOR]

    async def guess(codes: list[str]) -> list[dict[str, str]]:
        one = 'a%d: voucherRedeem(input: {product: "%s", by: {code: "%s"}, reference: "A", idempotencyKey: "%s"})'
        each = (one % (n, fee, code, code) + "{ userErrors { code message } }" for n, code in enumerate(codes))
        answer = await ask(database, "mutation { %s }" % " ".join(each), market.program_admin)
        return [error for of_one in answer.data.values() for error in of_one["userErrors"]]

    alone, size = most - 20 * 4, 6
    assert {one["code"] for one in await guess([f"ALONE-{n}" for n in range(alone)])} == {"CODE_NOT_USABLE"}
    told = await asyncio.gather(*(guess([f"GUESS-{caller}-{n}" for n in range(size)]) for caller in range(20)))
    outcomes = Counter(error["code"] for of_one in told for error in of_one)
    assert outcomes == {"CODE_NOT_USABLE": most - alone, "TOO_MANY_ATTEMPTS": 20 * size - (most - alone)}
    right, wrong = await guess([voucher.code, "WRONG"])
    assert right == wrong
    assert right["code"] == "TOO_MANY_ATTEMPTS"
    async with database.reading() as connection:
        assert not (await connection.execute(select(Redemption.id))).all()
