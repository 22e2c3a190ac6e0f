"""Guessing at carts, through aliases and many connections at once: few guesses are ever looked up."""

from __future__ import annotations

import asyncio
from collections import Counter

from models.attempts import MOST, AttemptBy
from models.ids import encode_id
from schema.context import Context
from schema.root import schema
from server.database import Database
from tests.builders import NOON
from tests.carting import GATEWAYS, Buyer, buyer
from tests.code_keys import CODE_KEYS
from tests.test_statements import statements
from tests.vouchering import Shop, shop

ALIASES, CONNECTIONS = 20, 12
APPLY = 'a%d: cartVoucherApply(input: {cart: "%s", by: {code: "%s"}, expectedVersion: 1})'
LOOKED_UP = "voucher_code.digest"


async def guesses(market: Shop, who: Buyer, cart: str, codes: list[str]) -> list[str]:
    """Each in an alias of its own: all that the answer tells of each."""
    each = (
        APPLY % (n, cart, code) + "{ cart { id } userErrors { field message code } }" for n, code in enumerate(codes)
    )
    database = market.database
    context = Context(who.principal, NOON, database.reading, database.run, code_keys=CODE_KEYS, gateways=GATEWAYS)
    answer = await schema.execute("mutation { %s }" % " ".join(each), context_value=context)
    return [str(of_one) for of_one in (answer.data or {}).values()]


async def test_of_hundreds_of_guesses_at_a_cart_few_are_looked_up_and_a_right_one_is_no_different(
    database: Database,
) -> None:
    market = await shop(database)
    ida, most = await buyer(market), MOST[AttemptBy.ACTOR]
    (voucher,) = await market.stock(CODE_KEYS)
    opened = await ida.opens()
    cart = encode_id("Cart", market.program_id, opened.id)
    lots = [[f"GUESS-{lot}-{n}" for n in range(ALIASES)] for lot in range(CONNECTIONS)]
    with statements() as ran:
        told = await asyncio.gather(*(guesses(market, ida, cart, lot) for lot in lots))
    outcomes = Counter(one for of_lot in told for one in of_lot)
    (refused, many), (wrong, few) = outcomes.most_common()
    assert (few, many) == (most, ALIASES * CONNECTIONS - most)
    assert "CODE_NOT_USABLE" in wrong
    assert "TOO_MANY_ATTEMPTS" in refused
    # One that another was in the way of is looked up again.
    looked_up = {str(one.parameters) for one in ran if LOOKED_UP in one.sql}
    assert len(looked_up) <= most
    assert await guesses(market, ida, cart, [voucher.code, "WRONG"]) == [refused, refused]
