"""Orders of vouchers on pages: what the program decides, what the organization is shown, and what is asked twice."""

from __future__ import annotations

import datetime as dt
import re

from sqlalchemy import select

from models.access import Role
from models.ids import encode_id
from models.programs import Program
from resolvers.principal import Principal
from server.database import Database
from tests.asking import STAFF, ask
from tests.code_keys import CODE_KEYS
from tests.desks import Desk, administrator_of, desks
from tests.test_demo import OPERATIONS
from tests.visitors import table
from tests.vouchering import shop

ORDERS = "/admin/organizations/xtra-lease/voucher-orders"


async def board(database: Database) -> Principal:
    """The administrator of the demo's program."""
    async with database.reading() as connection:
        program_id = (await connection.execute(select(Program.id))).scalar_one()
    return Principal(name="Pat of the board", role=Role.PROGRAM, program_id=program_id)


async def ordered(database: Database, number: str, quantity: int = 2) -> None:
    """A purchase order of so many vouchers, as a portal sends it."""
    programs = (await ask(database, OPERATIONS["Programs"].query, STAFF, first=1)).data["programs"]["nodes"]
    terms = programs[0]["voucherPrograms"]["nodes"][0]
    total = f"{float(terms['benefit']['faceValue']['amount']) * quantity:.2f}"
    asked = {
        "organization": {"slug": "xtra-lease"},
        "voucherProgram": terms["id"],
        "quantity": quantity,
        "amount": {"amount": total, "currency": "USD"},
        "payment": {"purchaseOrder": {"number": number}},
        "idempotencyKey": number,
    }
    answer = (await ask(database, OPERATIONS["VoucherPurchase"].query, STAFF, input=asked)).data["voucherPurchase"]
    assert answer["userErrors"] == []


async def to_the_order(desk: Desk) -> str:
    """Opens the newest order of the list that is open."""
    return await desk.follow(table(desk.page)[0][0])


async def test_a_program_approves_and_settles_an_order_and_the_owner_is_shown_its_codes(demo: Database) -> None:
    await ordered(demo, "PO-1")
    pat, olga = await board(demo), await administrator_of(demo, "xtra-lease")
    async with desks(demo, pat, olga) as (_, program, client):
        said = await program.open("/admin")
        assert "Owed in vouchers" in said
        assert "Trial balance" in said
        assert "1 order " in await program.open(f"{program.page.url}?state=awaiting-approval")
        assert "awaits approval" in await to_the_order(program)
        assert "PO-1" in program.said
        order = str(program.page.url)

        # The client sees it, and can decide nothing but to cancel it.
        await client.open(ORDERS)
        await to_the_order(client)
        assert {"Approve it"} & client.buttons == set()
        assert "Cancel it…" in client.links
        assert "Reject it…" not in client.links

        said = await program.press("Approve it")
        assert "approved" in said
        assert "Show their codes" not in program.buttons
        await program.follow("It was paid…")
        assert "This cannot be undone" in program.said
        assert "reference" in await program.press("Record the payment", 400, reference="")
        said = await program.press("Record the payment", reference="wire 1")
        assert "it was paid as wire 1" in said
        assert "The order was paid, as Pat of the board recorded" in said

        await client.open(order)
        assert {"All codes of the order as CSV"} <= set(client.links)
        said = await client.press("Show their codes")
        codes = re.findall(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}-\S", said)
        assert len(codes) == 2
        again = await client.open(order)
        assert not any(code in again for code in codes)
        assert "looked at its code" in await client.open(client.links[codes[0].replace("-", "")[12:16]])
        # What is shown to its owner is shown to nobody else, whatever form they send.
        await program.open(order)
        vouchers = " ".join(re.findall(r'/admin/vouchers/([^"]+)"', program.page.text))
        refused = await program.client.post(order, data={"deed": "codes", "vouchers": vouchers})
        assert not any(code in refused.text for code in codes)
        assert "Codes are shown to the organization that owns them, only." in refused.text


async def test_an_order_is_rejected_cancelled_or_given_back_after_it_was_asked_twice(demo: Database) -> None:
    for number in ("PO-1", "PO-2"):
        await ordered(demo, number)
    pat, olga = await board(demo), await administrator_of(demo, "xtra-lease")
    async with desks(demo, pat, olga) as (support, program, client):
        await program.open("/admin")
        orders = [link for link in program.links.values() if link.startswith("/admin/voucher-orders/")]
        first, second = orders[:2]
        await program.open(first)
        await program.follow("Reject it…")
        assert "Give a reason" in await program.press("Reject it", 400, reason=" ")
        said = await program.press("Reject it", reason="Nobody knows this number")
        assert "rejected" in said
        assert "Nobody knows this number" in said
        assert "What can be done" not in said

        await client.open(second)
        await client.follow("Cancel it…")
        assert "cancelled" in await client.press("Cancel the order", reason="Ordered twice")
        await support.open(f"{ORDERS}?state=settled")
        await to_the_order(support)
        await support.follow("Give unused ones back…")
        said = await support.press("Give them back")
        assert "gave back money of the order" in said
        assert "No orders are lost" in await support.open(f"{ORDERS}?state=lost", 400)


async def test_a_program_lets_a_voucher_be_used_for_longer(sqlite_database: Database) -> None:
    market = await shop(sqlite_database)
    (stocked,) = await market.stock(CODE_KEYS, expires_at=dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
    voucher = f"/admin/vouchers/{encode_id('Voucher', market.program_id, stocked.id)}"
    async with desks(sqlite_database, market.program_admin, market.client) as (_, program, client):
        await client.open(voucher)
        assert "Extend it" not in client.buttons
        await program.open(voucher)
        assert "not later than it was" in await program.press("Extend it", 400, through="2029-05-31")
        assert "usable until 2031-06-01 05:00" in await program.press("Extend it", through="2031-05-31")
        assert "Pat of the program let it expire later" in program.said


async def test_nobody_finds_the_orders_of_another_or_the_money_of_a_program(demo: Database) -> None:
    olga = await administrator_of(demo, "glovis-america")
    async with desks(demo, olga, await board(demo)) as (support, foreign, program):
        await support.open(ORDERS)
        await to_the_order(support)
        order = str(support.page.url)
        await foreign.open(ORDERS, 404)
        await foreign.open(order, 404)
        await program.open(ORDERS, 404)
        assert "Its story" in await program.open(order)
        await support.open("/admin/programs")
        page = next(link for link in support.links.values() if link.startswith("/admin/programs/"))
        assert "Trial balance" in await support.open(page)
        assert "Trial balance" not in (await foreign.client.get(page)).text
        none = encode_id("Program", 1)
        assert (await foreign.client.get(f"/admin/programs/{none}")).status_code == 404
