"""Billing later on pages and in files: previewed, closed after it was asked twice, paid; seen by the right people."""

from __future__ import annotations

from decimal import Decimal

from models.ids import encode_id
from server.database import Database
from tests.desks import desks
from tests.promoting import promoted
from tests.stating import SEPTEMBER, Account, account
from tests.test_voucher_exports import downloaded, slugs
from tests.visitors import table
from tests.vouchering import shop


def agreement_page(own: Account, month: str = "2017-09") -> str:
    return f"/admin/agreements/{own.agreement}?month={month}"


async def test_a_program_closes_a_month_by_hand_and_records_that_it_was_paid(sqlite_database: Database) -> None:
    own = await account(sqlite_database)
    await own.redeems("2017-09-10T12:00", "2017-09-30T12:00", "2017-10-20T12:00", reference="=1+1")
    market = own.market
    program_page = f"/admin/programs/{encode_id('Program', market.program_id)}"
    async with desks(sqlite_database, market.program_admin, market.client) as (_, program, client):
        await program.open(program_page)
        said = await program.follow("What it bills later")
        assert "1 agreement to bill later" in said
        assert "No statement is like this" in said
        await program.open(next(link for link in program.links.values() if link.startswith("/admin/agreements/")))
        said = await program.open(agreement_page(own))
        assert "in total 250.00 USD" in said
        assert "2 redemptions 250.00 USD" in said
        assert "3 redemptions" in said
        assert "Close the month" not in program.buttons
        # Whoever is billed sees the same, and closes nothing.
        assert "in total 250.00 USD" in await client.open(agreement_page(own))
        assert "Close 2017-09…" not in client.links

        assert "This cannot be undone" in await program.follow("Close 2017-09…")
        said = await program.press("Close the month")
        assert "2 lines" in said
        assert "in total 250.00 USD" in said
        assert [row[1] for row in table(program.page)] == ["redeemed", "redeemed"]
        statement = str(program.page.url)

        await client.open(statement)
        assert "It was paid…" not in client.links
        assert "Record the payment" not in client.buttons
        await program.follow("It was paid…")
        assert "reference" in await program.press("Record the payment", 400, reference=" ")
        said = await program.press("Record the payment", reference="wire 7", order="PO-17")
        assert "It was paid as wire 7, on the organization's purchase order PO-17" in said
        assert "It was paid…" not in program.links

        said = await client.open(client.links["The agreement"])
        assert "unpaid 0.00 USD" in said
        buyer, _ = await slugs(market)
        assert "1 statement " in await client.open(f"/admin/organizations/{buyer}/statements?state=paid")
        assert "No statement is like this" in await client.open(f"/admin/organizations/{buyer}/statements?state=due")
        assert "1 agreement" in await client.follow("What was agreed, and what is left of it")
        assert "No statements are lost" in await client.open(f"/admin/organizations/{buyer}/statements?state=lost", 400)
        assert "The month must be such as 2017-09" in await client.open(agreement_page(own, "2017-13"), 400)

    address = f"statements/{statement.rsplit('/', 1)[1]}/lines"
    rows, text = await downloaded(market, market.client, address)
    assert [(row["number"], row["kind"], row["billed"]) for row in rows] == [
        ("1", "redemption", "125.00"),
        ("2", "redemption", "125.00"),
    ]
    assert {row["reference"] for row in rows} == {"'=1+1"}
    assert "Program " in text.splitlines()[2]


async def test_nobody_finds_the_statements_of_another(sqlite_database: Database) -> None:
    own, other = await account(sqlite_database), await shop(sqlite_database)
    await own.redeems("2017-09-10T12:00")
    statement = await own.closes(SEPTEMBER)
    buyer, _ = await slugs(own.market)
    program_page = f"/admin/programs/{encode_id('Program', own.market.program_id)}"
    async with desks(sqlite_database, other.client, other.program_admin, own.market.program_admin) as (_, *them, runs):
        for foreign in them:
            for address in (f"/admin/statements/{statement}", agreement_page(own)):
                await foreign.open(address, 404)
            for what in ("statements", "agreements"):
                await foreign.open(f"/admin/organizations/{buyer}/{what}", 404)
            refused = await foreign.client.post(
                f"/admin/agreements/{own.agreement}", data={"deed": "close", "month": "2017-10"}
            )
            assert refused.status_code == 404
            assert statement not in (await foreign.client.get(f"{program_page}/statements")).text
        assert "1 statement " in await runs.open(f"{program_page}/statements")
        # Sent as if it were one's own form, it is refused by the API.
        await runs.open(f"/admin/statements/{statement}")
    async with desks(sqlite_database, own.market.client) as (_, client):
        sent = {"deed": "pay", "amount": "125.00", "currency": "USD", "reference": "mine", "key": "k"}
        refused = await client.client.post(f"/admin/statements/{statement}", data=sent)
        assert refused.status_code == 400
        assert "Only the program" in refused.text
    for who in (other.client, other.program_admin):
        await downloaded(own.market, who, f"statements/{statement}/lines", 404)
    await downloaded(own.market, own.market.client, "statements/nonsense/lines", 404)


async def test_a_program_sees_how_often_its_promotions_were_used(sqlite_database: Database) -> None:
    market = await shop(sqlite_database)
    await promoted(market, percent_off=Decimal("12.5"), most_uses=10)
    page, foreign = f"/admin/programs/{encode_id('Program', market.program_id)}", await shop(sqlite_database)
    async with desks(sqlite_database, market.program_admin, foreign.client) as (
        _,
        program,
        other,
    ):
        await program.open(page)
        said = await program.follow("Its promotions")
        assert "1 promotion " in said
        (row,) = table(program.page)
        assert row[3] == "12.5 %"
        assert row[5] == "0 of 10"
        assert "There is no promotion yet" in await other.open(f"{page}/promotions")
