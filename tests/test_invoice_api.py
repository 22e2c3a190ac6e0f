"""Invoices through the API: what staff and clients see, and that it takes as many statements however many there are."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from models.access import Role
from resolvers.principal import Principal
from schema.ids import encode_id
from server.database import Database
from tests.asking import ask
from tests.billing import ACTIVE, DATE, Billed, billed_organization
from tests.test_statements import plan_of, reads, statements

INVOICES = """
query($id: ID!) { organization(by: {id: $id}) { invoices(first: 50) {
  totalCount
  nodes {
    number state date challengeUntil issuedAt draftedAt organization { name }
    total { amount currency } credited { amount } paid { amount } due { amount } held { amount }
    collectable { amount } creditBalance { amount }
    payments { amount { amount } reference actor }
    creditNotes { number total { amount } lines { lineNumber quantity } }
    lines { kind quantity total { amount } inDispute credited acceptedBy snapshot { licensed } }
    events { nodes { deed after } }
  }
} adjustments { totalCount nodes { state quantity overageBilled overageNow invoice { number } } } } }
"""


async def billed_and_adjusted(database: Database) -> tuple[Billed, int, int]:
    """Three billed and paid, one of them credited later; with the invoice and the adjustment."""
    billed = await billed_organization(database, people=4, licensed=2)
    learner_id = await billed.tenant.learner(ACTIVE)
    snapshot = await billed.taken()
    invoice_id = (await billed.drafted())[0]
    await billed.issued(invoice_id)
    await billed.paid(invoice_id, 3000)
    await billed.tenant.deactivated(learner_id, "2017-08-15")
    return billed, invoice_id, await billed.adjusted(snapshot.id)


async def shown(billed: Billed, principal: Principal) -> dict[str, Any]:
    organization_id = encode_id("Organization", billed.tenant.id)
    answer = await ask(billed.tenant.database, INVOICES, principal, id=organization_id)
    assert answer.errors == []
    found: dict[str, Any] = answer.data["organization"]
    return found


async def test_an_invoice_says_what_is_owed_and_why(database: Database) -> None:
    billed, _, _ = await billed_and_adjusted(database)
    answer = await shown(billed, billed.client)
    invoice = answer["invoices"]["nodes"][0]
    amounts = ("total", "credited", "paid", "due", "held", "collectable", "creditBalance")
    assert [invoice[name]["amount"] for name in amounts] == ["30.00", "10.00", "30.00", "0.00", "0.00", "0.00", "10.00"]
    assert invoice["creditNotes"][0]["number"].endswith("-CN-0001")
    assert invoice["lines"][0] == {
        "kind": "OVERAGE",
        "quantity": 3,
        "total": {"amount": "30.00"},
        "inDispute": False,
        "credited": 1,
        "acceptedBy": None,
        "snapshot": {"licensed": 2},
    }
    assert answer["adjustments"]["nodes"] == [
        {"state": "CREDITED", "quantity": -1, "overageBilled": 3, "overageNow": 2, "invoice": None}
    ]


async def test_the_client_sees_an_invoice_once_it_was_shown(database: Database) -> None:
    billed = await billed_organization(database)
    await billed.taken()
    invoice_id = (await billed.drafted())[0]
    staff = replace(billed.client, role=Role.STAFF, organization_id=None)
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    ids = [encode_id("Invoice", *billed.key(invoice_id)), encode_id("InvoiceLine", *billed.key(invoice_id), 1)]
    for principal, total in ((billed.client, 0), (staff, 1)):
        assert (await shown(billed, principal))["invoices"]["totalCount"] == total
        nodes = (await ask(database, query, principal, ids=ids)).data["nodes"]
        assert [bool(node) for node in nodes] == [bool(total)] * 2
    await billed.challenged(invoice_id)
    assert (await shown(billed, billed.client))["invoices"]["nodes"][0]["state"] == "CHALLENGE"
    assert all((await ask(database, query, billed.client, ids=ids)).data["nodes"])
    other = replace(billed.client, organization_id=billed.tenant.id + 1)
    assert (await ask(database, query, other, ids=ids)).data["nodes"] == [None, None]


async def test_the_client_sees_no_upward_adjustment_before_its_invoice(database: Database) -> None:
    billed = await billed_organization(database)
    snapshot = await billed.taken()
    await billed.issued((await billed.drafted())[0])
    await billed.tenant.learner(ACTIVE)
    adjustment_id = await billed.adjusted(snapshot.id)
    assert (await shown(billed, billed.client))["adjustments"]["totalCount"] == 0
    invoice_id = await billed.approved(adjustment_id)
    assert (await shown(billed, billed.client))["adjustments"]["nodes"] == []
    await billed.challenged(invoice_id)
    assert [node["state"] for node in (await shown(billed, billed.client))["adjustments"]["nodes"]] == ["BILLED"]


async def test_a_whole_bill_through_the_api(database: Database) -> None:
    billed = await billed_organization(database)
    await billed.taken()
    staff = replace(billed.client, role=Role.STAFF, organization_id=None)

    async def done(name: str, given: dict[str, Any], wanted: str, principal: Principal = staff) -> dict[str, Any]:
        type_name = name[0].upper() + name[1:] + "Input"
        query = "mutation($i: %s!) { %s(input: $i) { %s userErrors { code field } } }" % (type_name, name, wanted)
        answer = await ask(database, query, principal, i=given)
        assert answer.errors == []
        made: dict[str, Any] = answer.data[name]
        return made

    key = {"organization": {"id": encode_id("Organization", billed.tenant.id)}, "date": DATE.isoformat()}
    draft = (await done("invoiceDraft", key, "invoices { id lines { id } }"))["invoices"][0]
    again = await done("invoiceDraft", key, "invoices { id }")
    assert again == {"invoices": [], "userErrors": [{"code": "NOTHING_TO_BILL", "field": ["input", "date"]}]}
    invoice = {"invoice": draft["id"]}
    await done("invoiceChallengeOpen", invoice | {"days": 3}, "invoice { id }")
    line = {"line": draft["lines"][0]["id"]}
    accepted = await done("invoiceLineAccept", line, "line { acceptedBy }", billed.client)
    assert accepted["line"] == {"acceptedBy": billed.client.name}
    assert (await done("invoiceIssue", invoice, "invoice { state }"))["invoice"] == {"state": "ISSUED"}
    money = {"amount": {"amount": "30.00", "currency": "USD"}, "reference": "wire 7", "idempotencyKey": "k"}
    for _ in range(2):
        paid = await done("invoicePaymentRecord", invoice | money, "invoice { state due { amount } }")
        assert paid == {"invoice": {"state": "PAID", "due": {"amount": "0.00"}}, "userErrors": []}
    other = money | {"amount": {"amount": "1.00", "currency": "USD"}}
    reused = await done("invoicePaymentRecord", invoice | other, "invoice { id }")
    assert reused["userErrors"] == [{"code": "IDEMPOTENCY_KEY_REUSED", "field": ["input", "idempotencyKey"]}]


async def test_invoices_take_as_many_statements_however_many_there_are(database: Database) -> None:
    billed, _, _ = await billed_and_adjusted(database)
    staff = replace(billed.client, role=Role.STAFF, organization_id=None)
    with statements() as few:
        await shown(billed, staff)
    for month in range(10, 13):
        await billed.taken(DATE.replace(month=month))
        (invoice_id,) = await billed.drafted(DATE.replace(month=month))
        await billed.issued(invoice_id)
        await billed.paid(invoice_id, 1000)
    with statements() as many:
        answer = await shown(billed, staff)
    assert len(answer["invoices"]["nodes"]) == 4
    assert len(reads(few)) == len(reads(many))


READ_BY_KEY = (
    *("invoice", "invoice_line", "line_acceptance", "invoice_payment", "credit_note", "credit_note_line"),
    *("adjustment", "dispute_line", "event", "billing_snapshot"),
)


async def test_no_invoice_is_looked_for_in_a_whole_table(sqlite_database: Database) -> None:
    """Where there is more than one organization, each is read by its key."""
    billed, _, _ = await billed_and_adjusted(sqlite_database)
    with statements() as ran:
        await shown(billed, billed.client)
    async with sqlite_database.reading() as connection:
        plans = [await plan_of(connection, one) for one in reads(ran)]
    scanned = rf"SCAN ({'|'.join(READ_BY_KEY)})\b"
    assert len(plans) > 8
    assert [plan for plan in plans if re.search(scanned, plan)] == []
