"""Opening a dispute: of which lines, how much of them, and with which evidence."""

from __future__ import annotations

import pytest

from models.cases import LineKey
from models.disputes import DisputeOrigin, DisputeState
from models.errors import EvidenceError
from resolvers.disputes.evidence import attach_evidence
from resolvers.disputes.opening import AskedLine
from resolvers.disputes.resolving import withdraw
from server.database import Database
from tests.billing import billed_organization
from tests.builders import STAFF
from tests.questioned import SIGNER, Questioned, questioned_bill, refusal


async def test_opening_attaches_the_evidence_at_once(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    row = await bill.row(key)
    assert (row.state, row.origin) == (DisputeState.EVIDENCE_READY, DisputeOrigin.CLIENT)
    assert row.pack_id is not None
    assert row.number.endswith("-D-0001")
    assert [one.deed for one in await bill.told(key)] == ["DISPUTE_OPENED", "EVIDENCE_ATTACHED", "STATE_CHANGED"]
    assert (await bill.told(key))[0].said == "we count 400"


async def test_without_a_signing_key_it_waits_for_its_evidence(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(signer=None)
    assert ((await bill.row(key)).state, (await bill.row(key)).pack_id) == (DisputeState.OPEN, None)
    with pytest.raises(EvidenceError):
        await bill.billed.run(lambda s, now: attach_evidence(s, STAFF, None, now, key))
    await bill.billed.run(lambda s, now: attach_evidence(s, STAFF, SIGNER, now, key))
    assert (await bill.row(key)).state is DisputeState.EVIDENCE_READY


async def test_evidence_attached_again_takes_the_place_of_the_one_before(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    before = (await bill.row(key)).pack_id
    await bill.with_client(key)
    await bill.billed.run(lambda s, now: attach_evidence(s, STAFF, SIGNER, now, key))
    row = await bill.row(key)
    assert row.state is DisputeState.WITH_CLIENT
    assert row.pack_id not in (None, before)


async def test_staff_open_a_case_for_the_client(database: Database) -> None:
    bill = await questioned_bill(database)
    assert (await bill.row(await bill.opened(by=STAFF))).origin is DisputeOrigin.STAFF


@pytest.mark.parametrize(("show", "refused"), [("drafted", "NOT_ISSUED"), ("challenged", ""), ("issued", "")])
async def test_only_what_the_client_was_shown_can_be_disputed(database: Database, show: str, refused: str) -> None:
    bill = await questioned_bill(database, show=show)
    if not refused:
        await bill.opened()
        return
    assert await refusal(bill.opened(by=STAFF)) == refused
    assert await refusal(bill.opened()) == "NOT_FOUND"


async def test_what_is_paid_can_be_disputed_and_the_credit_is_the_clients(database: Database) -> None:
    bill = await questioned_bill(database)
    await bill.billed.paid(bill.invoice_id, 3000)
    await bill.resolved(await bill.opened(1))
    assert (await bill.invoice()).figures.credit_balance == 1000


async def test_an_accepted_line_cannot_be_disputed(database: Database) -> None:
    bill = await questioned_bill(database, show="challenged")
    await bill.billed.accepted(bill.invoice_id)
    assert await refusal(bill.opened()) == "LINE_ACCEPTED"


async def test_a_line_is_in_one_open_dispute_at_most(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(1)
    assert await refusal(bill.opened(1)) == "LINE_IN_DISPUTE"
    await bill.step(withdraw, key, "found them", by=bill.client)
    assert (await bill.row(await bill.opened(1))).number.endswith("-D-0002")


@pytest.mark.parametrize("quantity", [0, -1, 4])
async def test_no_more_is_disputed_than_the_line_holds(database: Database, quantity: int) -> None:
    bill = await questioned_bill(database)
    assert await refusal(bill.opened(quantity)) == "BAD_QUANTITY"


async def test_what_is_credited_is_not_disputed_again(database: Database) -> None:
    bill = await questioned_bill(database)
    await bill.resolved(await bill.opened(2))
    assert await refusal(bill.opened(2)) == "BAD_QUANTITY"
    key = await bill.opened()
    assert [line.quantity for line in await bill.lines(key)] == [1]
    await bill.resolved(key)
    assert await refusal(bill.opened()) == "BAD_QUANTITY"


async def test_a_case_names_each_line_once_and_says_why(database: Database) -> None:
    bill = await questioned_bill(database)
    twice = [AskedLine(bill.line, 1), AskedLine(bill.line, 1)]
    assert await refusal(bill.opened(lines=twice)) == "EMPTY"
    assert await refusal(bill.opened(lines=[AskedLine(LineKey(bill.invoice_id, 9))])) == "NOT_FOUND"


async def test_a_case_is_about_one_snapshot(database: Database) -> None:
    billed = await billed_organization(database, people=4, licensed=2)
    library = await billed.tenant.library()
    await billed.tenant.crowd(3, library, active=["2017-08-01.."])
    await billed.agreed(licensed=1, price_minor=500, product=library)
    snapshot = await billed.taken()
    invoice_id = (await billed.drafted())[0]
    await billed.issued(invoice_id)
    bill = Questioned(billed, invoice_id, snapshot.id, 0)
    assert len((await bill.invoice()).lines) == 2
    both = [AskedLine(LineKey(invoice_id, 1)), AskedLine(LineKey(invoice_id, 2))]
    assert await refusal(bill.opened(lines=both)) == "TWO_SNAPSHOTS"
