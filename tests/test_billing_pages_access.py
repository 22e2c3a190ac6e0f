"""Who may see and do what on the pages of bills and disputes, and what is refused, in words."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from graphiql.admin.routes import PAGES
from graphiql.operations import load_operations
from models.access import Role
from server.database import Database
from tests.desks import MONTH, XTRA, Desk, administrator_of, desks, disputed, invoice_of, link_to, to_a_learner

# -------------------------------------------------------------------------------------- who may see and do what


async def test_a_client_sees_nothing_of_others_and_nothing_internal(demo: Database) -> None:
    olga, gail = await administrator_of(demo, "xtra-lease"), await administrator_of(demo, "glovis-america")
    async with desks(demo, olga, gail) as (support, client, other):
        await disputed(client)
        case = str(client.page.url)
        await support.open(case)
        await support.press("Send", text="SECRET", internal="yes")
        await support.press("Assign", assignee="SECRET")
        await support.press("Set the deadline", respondBy="2026-03-03")
        await support.press("Add the time", minutes="77", done="SECRET")
        assert "SECRET" in support.said
        await client.open(case)
        assert not [word for word in ("SECRET", "2026-03-03", "77 min", "minutes spent") if word in client.page.text]
        assert not {"Assign", "Set the deadline", "Add the time", "Close the case"} & client.buttons
        said = await client.open(MONTH)
        assert "Baptist" not in said
        assert "Taking the month" not in said
        for address in (case, XTRA, await link_to(support, "403"), await invoice_of(support)):
            assert "Xtra" not in await other.open(address, 404)
        await other.open("/admin/disputes?stands=all")
        assert "XTRA" not in other.page.text


async def test_a_client_is_offered_no_form_of_staff_and_refused_what_it_sends_all_the_same(demo: Database) -> None:
    async with desks(demo, await administrator_of(demo, "xtra-lease")) as (support, client):
        addresses = [XTRA, MONTH, await link_to(support, "403"), await invoice_of(support)]
        allowed = {"Sign out", "Show", "Search", "Show the way there", "Build an evidence pack", "Open a dispute"}
        for address in addresses:
            await client.open(address)
            assert client.buttons <= allowed, address
        for address, button in zip(addresses, ("End", "Preview what would be taken"), strict=False):
            await support.open(address)
            form = support.form(button)
            answer = await client.client.post(form.action, data=form.fields)
            assert answer.status_code == 400
            assert "Only staff may" in answer.text


async def test_a_partner_looks_and_is_offered_nothing_to_do(demo: Database) -> None:
    partner = await administrator_of(demo, "xtra-lease", Role.PARTNER)
    async with desks(demo, partner) as (support, looking):
        await disputed(support)
        for address in (str(support.page.url), XTRA, await link_to(support, "403"), await invoice_of(support)):
            await looking.open(address)
            assert looking.buttons <= {"Sign out", "Show", "Search", "Show the way there"}


async def test_the_report_is_for_staff(demo: Database) -> None:
    async with desks(demo, await administrator_of(demo, "xtra-lease")) as (_, client):
        assert "Only staff" in await client.open("/admin/disputes/report", 400)


# ------------------------------------------------------------------------------------------------ bad input


async def test_a_form_of_another_site_does_nothing(demo: Database) -> None:
    async with desks(demo) as (support,):
        await support.open(await invoice_of(support))
        form = support.form("Open a dispute")
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://elsewhere.example"}):
            answer = await support.client.post(form.action, data=form.fields | {"reason": "No"}, headers=headers)
            assert answer.status_code == 403
        await support.open("/admin/disputes?stands=all")
        assert "No dispute is like this." in support.said


@pytest.mark.parametrize(
    ("button", "typed", "message"),
    [
        ("Open a dispute", {"reason": ""}, "characters that both sides will understand"),
        ("Open a dispute", {"reason": "No", "quantity": "4"}, "3"),
        ("Open a dispute", {"reason": "No", "quantity": "many"}, "must be a whole number; many was typed"),
        ("Record the payment", {"amount": "ten", "reference": "x"}, "must be a number such as 12.50; ten was typed"),
        (
            "Record the payment",
            {"amount": "1", "currency": "EUR", "reference": "x"},
            "is in USD, not in EUR",
        ),
        ("Record the payment", {"amount": "1.001", "reference": "x"}, "it has at most 2 decimals"),
        ("Record the payment", {"amount": "1", "reference": ""}, "A reference has 1 to"),
    ],
)
async def test_what_is_refused_is_said_above_the_form_and_what_was_typed_stays(
    demo: Database, button: str, typed: dict[str, str], message: str
) -> None:
    async with desks(demo) as (support,):
        await support.open(await invoice_of(support))
        assert message in await support.press(button, 400, **typed)
        assert 'role="alert"' in support.page.text
        fields = support.form(button).fields
        assert {name: fields[name] for name in typed} == {name: value or fields[name] for name, value in typed.items()}


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/admin/billing?date=2017-02-30", 400),
        ("/admin/billing?date=soon", 400),
        ("/admin/billing?after=junk&date=2017-09-01", 400),
        ("/admin/disputes?stands=upside-down", 400),
        ("/admin/disputes?origin=NOBODY", 400),
        ("/admin/disputes/report?from=2017-09-30&through=2017-09-01", 400),
        ("/admin/snapshots/junk", 404),
        ("/admin/invoices/%ff%00", 404),
        ("/admin/disputes/junk", 404),
        ("/admin/learners/junk", 404),
        ("/admin/organizations/nobody/billing", 404),
    ],
)
async def test_nothing_in_an_address_breaks_a_page(demo: Database, address: str, status: int) -> None:
    async with desks(demo) as (support,):
        assert "Variable" not in await support.open(address, status)


async def test_a_form_that_is_not_known_is_refused(demo: Database) -> None:
    async with desks(demo) as (support,):
        answer = await support.client.post(await invoice_of(support), data={"deed": "give-it-all-away"})
    assert answer.status_code == 400
    assert "This form does nothing that is known here." in answer.text


# ------------------------------------------------------------------------------------------- every page


XTRA_LEASE = "/admin/organizations/xtra-lease"
GLOVIS = "/admin/organizations/glovis-america"


async def explored(support: Desk, words: str) -> str:
    """Runs what a link opens in the explorer; answers with the operation's name."""
    operations = {operation.name: operation for operation in load_operations()}
    link = parse_qs(urlsplit(support.links[words]).query)
    (name,) = link["operation"]
    asked = {"query": operations[name].query, "variables": json.loads(link["variables"][0])}
    answer: dict[str, Any] = (await support.client.post("/graphql", json=asked)).json()
    assert "errors" not in answer, (name, answer)
    return name


async def test_every_page_opens_its_own_operation_in_the_explorer(demo: Database) -> None:
    async with desks(demo) as (support,):
        await disputed(support)
        case = str(support.page.url)
        await to_a_learner(support)
        learner = str(support.page.url)
        snapshot, invoice = await link_to(support, "403"), await invoice_of(support)
        await support.open(f"{XTRA_LEASE}/cohorts")
        await support.press("Dry run")
        preview = str(support.page.url)
        program = await first(support, "/admin/programs", "/admin/programs/")
        lists = [XTRA_LEASE + under for under in ("", "/vouchers", "/voucher-orders", "/cohorts", "/invitations")]
        lists += [f"{GLOVIS}/statements", f"{GLOVIS}/agreements", "/admin", "/admin/programs", "/admin/disputes"]
        about_one = [
            await first(support, f"{XTRA_LEASE}/vouchers", "/admin/vouchers/"),
            await first(support, f"{XTRA_LEASE}/voucher-orders", "/admin/voucher-orders/"),
            await first(support, f"{GLOVIS}/statements", "/admin/statements/"),
            await first(support, f"{GLOVIS}/agreements", "/admin/agreements/"),
        ]
        of_program = [program, f"{program}/statements", f"{program}/promotions"]
        of_bills = [MONTH, XTRA, snapshot, invoice, case, learner, "/admin/disputes/report"]
        opened: list[str] = []
        for page in (*lists, *about_one, *of_program, *of_bills, preview):
            await support.open(page)
            opened.append(await explored(support, "Open in the explorer"))
    assert sorted(opened) == sorted(page.operation for page in PAGES)


async def first(desk: Desk, page: str, below: str) -> str:
    """The first that a page leads to."""
    await desk.open(page)
    return next(link for link in desk.links.values() if link.startswith(below))


async def test_a_client_can_compare_the_ways_to_count_in_the_explorer(demo: Database) -> None:
    async with desks(demo, await administrator_of(demo, "xtra-lease")) as (_, client):
        await client.open(XTRA)
        compare = "Compare four ways to count over the last year, in the explorer"
        assert await explored(client, compare) == "BillingSimulation"


async def test_nobody_in_particular_signs_in_first(demo: Database) -> None:
    async with desks(demo) as (support,):
        pages = [MONTH, XTRA, "/admin/disputes", await invoice_of(support)]
        del support.client.headers["authorization"]
        for page in pages:
            answer = await support.client.get(page)
            assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in")
