"""The story that Countersign must win, told through the API alone, and its twin in which two dates are lost.

Xtra Lease is licensed for 400. On 2017-09-01 the count is 403, and 3 are billed. Weeks later 391 are active, and the
client disputes. The client's own administrator sees 403 people with both dates and the way from 403 to 391, and a
support manager settles the case within minutes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models.access import Role
from models.proofs.bundles import unzipped
from models.proofs.verifying import verify
from resolvers.evidence.bundles import bundle
from resolvers.principal import Principal
from schema.context import Context
from schema.ids import parse_id
from schema.root import schema
from server.database import Database
from server.signing import KeySigner
from tests.builders import Tenant, instant, lost_start, organization
from tests.signers import signer

SUPPORT = Principal(name="Sam of support", role=Role.STAFF, origin="office")


@dataclass
class Story:
    """An organization, and the day on which something is said or done."""

    tenant: Tenant
    signer: KeySigner

    @property
    def client(self) -> Principal:
        own = self.tenant.id
        return Principal(name="Olga of Xtra Lease", role=Role.ORGANIZATION, organization_id=own, origin="portal")

    async def on(self, day: str, who: Principal, query: str, **variables: Any) -> Any:
        """What the only field of an operation answers at noon of a day."""
        at = instant(f"{day}T12:00Z")
        self.tenant.now = max(self.tenant.now, at)
        database = self.tenant.database
        context = Context(who, at, database.reading, database.run, signer=self.signer)
        result = await schema.execute(query, variable_values=variables, context_value=context)
        assert result.errors is None, result.errors
        assert result.data is not None
        (answer,) = result.data.values()
        assert not answer.get("userErrors"), answer["userErrors"]
        return answer


async def xtra_lease(database: Database) -> Story:
    """Licensed for 400 seats from the beginning of 2017 on, at 12.50 dollars each."""
    tenant = await organization(database, name="Xtra Lease", zone="America/Chicago")
    tenant.now = instant("2017-08-01T12:00Z")
    story = Story(tenant, signer())
    await story.on("2017-08-01", SUPPORT, SET_TERM)
    return story


SET_TERM = """mutation {
  contractTermSet(input: {
    organization: {slug: "xtra-lease"}, dates: {from: "2017-01-01"}, quantity: 400,
    unitPrice: {amount: "12.50", currency: "USD"}, measure: AT_CUTOFF
  }) { term { quantity } userErrors { message } }
}"""
TAKE = """mutation { billingSnapshotTake(input: {organization: {slug: "xtra-lease"}, date: "2017-09-01"}) {
  snapshots {
    id question licensed
    count { exact min max } overage { exact min max } overageAmount { min { amount } max { amount } }
  }
  userErrors { message }
} }"""
DRAFT = """mutation { invoiceDraft(input: {organization: {slug: "xtra-lease"}, date: "2017-09-01"}) {
  invoices { id number total { amount currency } lines { id quantity snapshot { id } } } userErrors { message }
} }"""
SHOW = """mutation($invoice: ID!) { invoiceChallengeOpen(input: {invoice: $invoice, days: 10}) {
  invoice { state challengeUntil } userErrors { message }
} }"""
ISSUE = """mutation($invoice: ID!) { invoiceIssue(input: {invoice: $invoice}) {
  invoice { state collectable { amount } } userErrors { message }
} }"""
NAMES = """query($snapshot: ID!) { node(id: $snapshot) { ... on BillingSnapshot {
  licensed entries(first: 100) { totalCount nodes { activatedOn deactivatedOn learner { name } } }
} } }"""
DISPUTE = """mutation($line: ID!) { disputeOpen(input: {lines: [{line: $line}], reason: "We count 391."}) {
  dispute {
    id state number atStake { amount } evidence { id downloads { pdf bundle } }
    bridge { opening { exact } joinedCount leftCount closing { exact } question }
  }
  userErrors { message }
} }"""
HELD = """query($invoice: ID!) { node(id: $invoice) { ... on Invoice {
  due { amount } held { amount } collectable { amount } credited { amount } state lines { inDispute credited }
} } }"""
BRIDGE = """query($snapshot: ID!) { node(id: $snapshot) { ... on BillingSnapshot {
  reproduces countNow { exact }
  bridge { opening { exact } closing { exact } joinedCount leftCount passedCount
    joined(first: 100) { nodes { on cause learned { recordedAt recordedBy } } }
    left(first: 100) { nodes { on cause learned { recordedAt recordedBy } } } }
} } }"""
RESOLVE = """mutation($dispute: ID!, $outcome: DisputeOutcome!, $key: String!) {
  disputeResolve(input: {
    dispute: $dispute, outcome: $outcome, minutesSpent: 1, idempotencyKey: $key,
    reason: "403 people were active at the cutoff. The 391 are active weeks later."
  }) {
    dispute { id state resolution minutesSpent creditNotes { total { amount } lines { quantity } } }
    userErrors { message }
  }
}"""


async def test_xtra_lease_disputes_three_seats_and_is_answered_in_a_minute(database: Database) -> None:
    story = await xtra_lease(database)
    tenant = story.tenant

    # 403 are active on the first of September, and 3 of them are billed.
    await tenant.crowd(375, active=["2017-02-06.."])
    leaving = [await tenant.learner("2017-03-06..", name=f"Leaver {n:02}") for n in range(28)]
    (snapshot,) = (await story.on("2017-09-01", SUPPORT, TAKE))["snapshots"]
    assert snapshot["count"]["exact"] == 403
    assert snapshot["licensed"] == 400
    assert snapshot["overage"]["exact"] == 3
    assert "billing cutoff of 2017-09-01 (00:00 America/Chicago" in snapshot["question"]
    (invoice,) = (await story.on("2017-09-01", SUPPORT, DRAFT))["invoices"]
    assert invoice["total"] == {"amount": "37.50", "currency": "USD"}
    (line,) = invoice["lines"]
    assert (line["quantity"], line["snapshot"]["id"]) == (3, snapshot["id"])

    # The client is shown the names for ten days, says nothing, and is sent the bill.
    shown = await story.on("2017-09-01", SUPPORT, SHOW, invoice=invoice["id"])
    assert shown["invoice"]["challengeUntil"] == "2017-09-12T05:00:00Z"
    names = await story.on("2017-09-05", story.client, NAMES, snapshot=snapshot["id"])
    assert names["entries"]["totalCount"] == 403
    assert {one["activatedOn"] for one in names["entries"]["nodes"]} <= {"2017-02-06", "2017-03-06"}
    issued = await story.on("2017-09-12", SUPPORT, ISSUE, invoice=invoice["id"])
    assert issued["invoice"] == {"state": "ISSUED", "collectable": {"amount": "37.50"}}

    # Weeks pass: 28 leave, 16 come.
    tenant.now = instant("2017-09-20T12:00Z")
    for learner in leaving:
        await tenant.deactivated(learner, "2017-09-29")
    for n in range(16):
        await tenant.learner("2017-10-02..", name=f"Newcomer {n:02}")

    # The client counts 391, and disputes. The evidence is there at once, and the three seats are not collected.
    dispute = (await story.on("2017-10-16", story.client, DISPUTE, line=line["id"]))["dispute"]
    assert (dispute["state"], dispute["atStake"]) == ("EVIDENCE_READY", {"amount": "37.50"})
    bridge = dispute["bridge"]
    assert (bridge["opening"]["exact"], bridge["joinedCount"], bridge["leftCount"], bridge["closing"]["exact"]) == (
        403,
        16,
        28,
        391,
    )
    held = await story.on("2017-10-16", story.client, HELD, invoice=invoice["id"])
    assert (held["held"]["amount"], held["collectable"]["amount"]) == ("37.50", "0.00")

    # The pack verifies with the public key alone; and without it somebody changed a byte.
    files = await the_bundle(story, dispute["evidence"]["id"])
    assert [str(finding) for finding in verify(files, [story.signer.key_id]) if not finding.holds] == []
    forged = files | {"entries.csv": files["entries.csv"].replace(b"2017-02-06", b"2017-09-02", 1)}
    assert any(not finding.holds for finding in verify(forged, [story.signer.key_id]))

    # Person by person from 403 to 391, by whom and when it was recorded. The count of then still comes out the same.
    told = await story.on("2017-10-16", story.client, BRIDGE, snapshot=snapshot["id"])
    assert told["reproduces"] is True
    assert told["countNow"] == {"exact": 403}
    way = told["bridge"]
    assert way["opening"]["exact"] + way["joinedCount"] - way["leftCount"] == way["closing"]["exact"] == 391
    assert {(one["on"], one["cause"]) for one in way["joined"]["nodes"]} == {("2017-10-02", "ACTIVATION")}
    assert {one["cause"] for one in way["left"]["nodes"]} == {"DEACTIVATION"}
    assert all(one["learned"]["recordedBy"] for one in (*way["joined"]["nodes"], *way["left"]["nodes"]))

    # A support manager rejects it, in a minute of work; nothing was credited, and the three seats are owed again.
    resolved = await story.on(
        "2017-10-16", SUPPORT, RESOLVE, dispute=dispute["id"], outcome="REJECTED", key="the-answer"
    )
    assert (resolved["dispute"]["resolution"], resolved["dispute"]["minutesSpent"]) == ("REJECTED", 1)
    assert resolved["dispute"]["creditNotes"] == []
    after = await story.on("2017-10-16", SUPPORT, HELD, invoice=invoice["id"])
    assert (after["held"]["amount"], after["collectable"]["amount"]) == ("0.00", "37.50")

    await nothing_of_it_can_be_changed(database)


APPROVE = """mutation($snapshot: ID!) { uncertainApprove(input: {
  snapshot: $snapshot, quantity: 2, reason: "Their badges were used in August.", idempotencyKey: "badges"
}) { invoice { total { amount } lines { kind quantity approvedBy approvalReason } } userErrors { message } } }"""


async def test_the_twin_two_of_the_403_have_lost_their_dates_so_one_is_billed_and_two_after_an_approval(
    database: Database,
) -> None:
    story = await xtra_lease(database)
    tenant = story.tenant
    await tenant.crowd(401, active=["2017-02-06.."])
    for name in ("Ada", "Bo"):
        learner = await tenant.stranger(name)
        # They left on the 20th of October. Nobody knows since when they had been there.
        await tenant.believed(learner, lost_start(tenant, tenant.id, "2017-10-20"))

    (snapshot,) = (await story.on("2017-11-01", SUPPORT, TAKE))["snapshots"]
    assert snapshot["count"] == {"exact": None, "min": 401, "max": 403}
    assert snapshot["overage"] == {"exact": None, "min": 1, "max": 3}
    assert snapshot["overageAmount"] == {"min": {"amount": "12.50"}, "max": {"amount": "37.50"}}

    (invoice,) = (await story.on("2017-11-01", SUPPORT, DRAFT))["invoices"]
    assert invoice["total"]["amount"] == "12.50"
    assert [line["quantity"] for line in invoice["lines"]] == [1]

    approved = (await story.on("2017-11-02", SUPPORT, APPROVE, snapshot=snapshot["id"]))["invoice"]
    assert approved["total"]["amount"] == "37.50"
    assert approved["lines"] == [
        {"kind": "OVERAGE", "quantity": 1, "approvedBy": None, "approvalReason": None},
        {
            "kind": "UNCERTAIN",
            "quantity": 2,
            "approvedBy": "Sam of support",
            "approvalReason": "Their badges were used in August.",
        },
    ]


async def the_bundle(story: Story, pack: str) -> dict[str, bytes]:
    _, (organization_id, pack_id) = parse_id(pack)
    async with story.tenant.database.reading() as connection:
        await bundle(connection, organization_id, pack_id, target := io.BytesIO())
    return unzipped(target.getvalue())


KEPT = (
    *("belief", "act", "event", "contract_term", "billing_snapshot", "snapshot_entry", "invoice_line"),
    *("checkpoint", "snapshot_seal", "evidence_pack", "evidence_file", "signing_key", "idempotency_key"),
)


async def nothing_of_it_can_be_changed(database: Database) -> None:
    """The database itself refuses to update or delete what the story left behind."""
    for table in KEPT:
        async with database.reading() as connection:
            assert await connection.scalar(text(f"SELECT count(*) FROM {table}")), table
            column = next(iter((await connection.execute(text(f"SELECT * FROM {table}"))).keys()))
        for change in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
            with pytest.raises(DBAPIError, match=f"{table} is append-only"):
                await database.run(lambda session, change=change: session.execute(text(change)))  # type: ignore[misc]
