"""Lists of fees that were paid: who sees which, in pages, and in as many statements however many there are."""

from __future__ import annotations

from typing import Any

from models.ids import encode_id
from server.database import Database
from tests.builders import MINUTE
from tests.code_keys import CODE_KEYS
from tests.shopping import Market, market, window
from tests.test_statements import reads, statements

ALL = """query ($program: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  node(id: $program) { ... on Program {
    feeOrders(first: $first, after: $after, last: $last, before: $before) {
      totalCount
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      nodes {
        reference
        checkout { state charges { state refunds { state } } cart { version } }
        lines { product { name } byVouchers { amount } byCard { amount } }
        redemptions { lastFour voucher { id } promotion { id } product { name } order { reference } }
        refunds { lines { number } payments { state } }
        events { nodes { sentence } }
      }
    } } } }"""


async def pays(own: Market, people: int) -> None:
    """Each with a voucher and a card, and a part is given back."""
    for _ in range(people):
        (voucher,) = await own.shop.stock(CODE_KEYS, face_minor=10_000)
        me = await window(own)
        await me.opens(own.shop.fee_id)
        await me.enters(voucher.code)
        order = (await me.pays()).order["id"]
        back = {"order": order, "reason": "less", "idempotencyKey": order}
        part = [{"number": 1, "amount": {"amount": "1.00", "currency": "USD"}}]
        await own.done(own.shop.program_admin, "feeOrderRefund", "order { id }", lines=part, **back)
        own.shop.now += MINUTE


async def listed(own: Market, **page: Any) -> Any:
    program = encode_id("Program", own.shop.program_id)
    return (await own.asked(own.shop.program_admin, ALL, program=program, **page))["node"]["feeOrders"]


async def test_a_page_takes_as_many_statements_whatever_it_holds(sqlite_database: Database) -> None:
    own = await market(sqlite_database)
    await pays(own, 2)
    with statements() as few:
        assert len((await listed(own))["nodes"]) == 2
    await pays(own, 3)
    with statements() as many:
        assert len((await listed(own))["nodes"]) == 5
    assert len(reads(many)) == len(reads(few))


async def test_pages_lead_through_all_of_them_in_both_directions(database: Database) -> None:
    own = await market(database)
    await pays(own, 5)
    whole = [one["reference"] for one in (await listed(own))["nodes"]]
    assert (len(whole), (await listed(own))["totalCount"]) == (5, 5)
    forward, page = list[str](), await listed(own, first=2)
    while True:
        forward += [one["reference"] for one in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        page = await listed(own, first=2, after=page["pageInfo"]["endCursor"])
    backward, page = list[str](), await listed(own, last=2)
    while True:
        backward = [one["reference"] for one in page["nodes"]] + backward
        if not page["pageInfo"]["hasPreviousPage"]:
            break
        page = await listed(own, last=2, before=page["pageInfo"]["startCursor"])
    assert forward == backward == whole
