"""Bills, disputes and evidence on pages: settled by both sides, and nobody sees or does what is not theirs."""

from __future__ import annotations

import io
import zipfile
from urllib.parse import urlsplit

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from resolvers.disputes.opening import open_drift_case
from resolvers.recording import begin_recording
from schema.ids import parse_id
from server.database import Database
from tests.desks import BAPTIST, MONTH, XTRA, administrator_of, desks, disputed, link_to, to_a_learner
from tests.signers import signer
from tests.test_statements import reads, statements
from tests.visitors import SUPPORT, TODAY, table

REASON = "403 people were active at the cutoff. The 391 are active weeks later."


# ------------------------------------------------------------------------------------------------ the story


async def test_a_dispute_is_opened_looked_at_and_rejected_on_pages_alone(demo: Database) -> None:
    olga = await administrator_of(demo, "xtra-lease")
    async with desks(demo, olga) as (support, client):
        assert "Billing of 2017-10-01" in await client.open("/admin/billing")
        await client.open(MONTH)
        said = await client.follow("403")
        assert "Active at the billing cutoff of 2017-09-01 (00:00 America/Chicago" in said
        assert "403 people, with the dates as known then" in said
        assert "the same number, the same people" in said
        await client.follow("Dispute it")
        said = await client.press("Open a dispute", reason="We count 391, not 403.")
        assert "Dispute XTRA-LEASE-D-0001 evidence ready" in said
        assert "counted for 2017-09-01 403 joined since + 16 left since − 28 counted now = 391" in said
        assert "at stake 37.50 USD not asked for now 37.50 USD" in said

        assert "37.50 USD" in await support.open("/admin/disputes")
        await support.follow("XTRA-LEASE-D-0001")
        await support.press("Assign", assignee="Sam of support")
        await support.press("Set the deadline", respondBy="2026-02-20")
        await support.press("Add the time", minutes="2", done="Read the letter")
        await support.press("Send to the client", text="Please look at the list.")
        assert "with the client" in await client.open(str(client.page.url))
        await client.press("Send", text="We did.")
        await support.open(str(support.page.url))
        said = await support.follow("Reject: the bill was right")
        assert "This credits nothing" in said
        said = await support.press("Reject it", reason=REASON, minutes="1")
        assert "rejected" in said
        assert "minutes spent 3" in said
        assert REASON in await client.open(str(client.page.url))
        await support.press("Close the case")
        assert "closed rejected" in support.said
        said = await support.open("/admin/disputes/report")
        assert "minutes saved 597–897" in said


@pytest.mark.parametrize(
    ("choice", "credited", "preview", "button", "collectable"),
    [
        ("Uphold: the client was right", "", "This credits 37.50 USD", "Uphold it", "0.00 USD"),
        ("Uphold in part", "2", "This credits 25.00 USD", "Uphold it in part", "12.50 USD"),
    ],
)
async def test_what_a_decision_would_credit_is_shown_before_and_credited_then(
    demo: Database, choice: str, credited: str, preview: str, button: str, collectable: str
) -> None:
    async with desks(demo) as (support,):
        await disputed(support)
        await support.follow(choice)
        if credited:
            await support.press("Show what that does", credited_1=credited)
        assert preview in support.said
        before = await support.client.get(XTRA)
        assert "XTRA-LEASE-C" not in before.text
        await support.press(button, reason="They were test accounts.")
        assert preview.removeprefix("This credits ") in support.said
        await support.open(XTRA)
        assert f"to collect {collectable}" in await support.follow("XTRA-LEASE-0001")


async def test_the_client_can_let_its_dispute_go(demo: Database) -> None:
    async with desks(demo, await administrator_of(demo, "xtra-lease")) as (_, client):
        await disputed(client, quantity="1")
        assert "at stake 12.50 USD" in client.said
        assert "withdrawn" in await client.press("Withdraw the dispute", reason="The list explains it.")


async def test_evidence_is_built_and_downloaded_in_four_forms(demo: Database) -> None:
    async with desks(demo, await administrator_of(demo, "xtra-lease")) as (_, client):
        await client.open(MONTH)
        await client.follow("403")
        assert "No evidence pack was built yet" in client.said
        await client.press("Build an evidence pack")
        assert "Sealed by signed checkpoint" in client.said
        found = {words: await client.client.get(client.links[words]) for words in ("PDF", "Excel", "Signed bundle")}
        csv = await client.client.get(client.links["CSV"])
    assert found["PDF"].content.startswith(b"%PDF-")
    assert found["Excel"].content.startswith(b"PK")
    assert zipfile.ZipFile(io.BytesIO(found["Signed bundle"].content)).testzip() is None
    assert "2017-09-01" in csv.text


async def test_a_month_is_previewed_and_then_taken(demo: Database) -> None:
    async with desks(demo) as (support,):
        said = await support.open("/admin/billing?date=2017-11-01")
        assert "Nothing was counted for a bill of 2017-11-01 yet." in said
        assert "0 of 3 clients are taken" in said
        said = await support.press("Preview what would be taken")
        assert "Nothing was written." in said
        assert "0 of 3 clients are taken" in said
        said = await support.press("Take the month of 2017-11-01")
        assert "3 of 3 clients are taken" in said
        rows = [[" ".join(cell.split()) for cell in row] for row in table(support.page)]
        assert [rows[0][n] for n in (0, 2, 3, 4, 5)] == ["Baptist Health Plan", "244", "240", "4", "60.00 USD"]
        assert "BAPTIST-HEALTH-PLAN-0003 draft" in rows[0][6]


async def test_an_invoice_goes_its_way_from_the_draft_to_the_payment(demo: Database) -> None:
    olga = await administrator_of(demo, "baptist-health-plan")
    async with desks(demo, olga) as (support, client):
        await support.open(BAPTIST)
        await support.press("Count, seal and draft", date="2017-11-01")
        number = "BAPTIST-HEALTH-PLAN-0003"
        assert number not in await client.open(BAPTIST)
        await support.follow(number)
        assert "the client does not see it yet" in support.said
        assert "The names may be challenged until" in await support.press("Open the challenge window", days="5")
        refused = await support.press("Issue the invoice", 400)
        assert "The client may challenge BAPTIST-HEALTH-PLAN-0003 before 2026-02-16 05:00 UTC" in refused
        await client.open(BAPTIST)
        await client.follow(number)
        assert "it cannot be disputed any more" in await client.press("Accept it")
        assert "Open a dispute" not in client.buttons
        await support.press("Issue the invoice")
        assert "due 60.00 USD" in support.said
        refused = await support.press("Record the payment", 400, amount="60.01", reference="Bank 114")
        assert "that is due on BAPTIST-HEALTH-PLAN-0003" in refused
        assert 'value="60.01"' in support.page.text
        assert "due 0.00 USD" in await support.press("Record the payment", amount="60.00", reference="Bank 114")


async def test_a_payment_sent_twice_is_recorded_once(demo: Database) -> None:
    async with desks(demo) as (support,):
        await support.open(XTRA)
        await support.follow("XTRA-LEASE-0001")
        form = support.form("Record the payment")
        assert len(form.fields["key"]) == 32
        twice = form.fields | {"amount": "10.00", "reference": "Bank 7"}
        for _ in range(2):
            assert (await support.client.post(form.action, data=twice)).status_code == 303
        assert "paid 10.00 USD" in await support.open(form.action)


async def test_what_was_agreed_is_recorded_amended_and_ended(demo: Database) -> None:
    async with desks(demo) as (support,):
        await support.open(XTRA)
        agreed = {"from": "2018-01-01", "quantity": "420", "amount": "11.00", "currency": "usd"}
        assert "Another term of the product is in force then" in await support.press(
            "Record what was agreed", 400, **agreed
        )
        assert 'value="420"' in support.page.text
        await support.press("Amend", **{"from": "2018-01-01", "quantity": "420", "amount": "11.00"})
        assert "420 11.00 USD" in " ".join(support.said.split())
        assert "2018-12-31" not in support.said
        await support.press("End", lastDay="2018-12-31", reason="Cancelled")
        assert "2018-12-31" in support.said


# --------------------------------------------------------------------------------------------- lost dates


async def test_lost_dates_are_shown_as_bounds_and_billed_only_by_an_approval(demo: Database) -> None:
    async with desks(demo) as (support,):
        await support.open("/admin/billing?date=2017-09-15")
        await support.press("Preview what would be taken")
        await support.press("Take the month of 2017-09-15")
        await support.follow("244–253")
        assert "244 people certainly, and 9 more possibly" in support.said
        assert "over 4–13" in support.said
        said = await support.open(f"{support.page.url}&certain=no")
        assert "9 people, with the dates as known then" in said
        refused = await support.press("Approve", 400, quantity="10", reason="Badges")
        assert "nine" in refused or "9" in refused
        await support.press("Approve", quantity="2", reason="Their badges were used.")
        await support.open(BAPTIST)
        said = await support.follow("BAPTIST-HEALTH-PLAN-0003")
        assert "2 people whose dates were lost, by approval" in said
        assert "Approved by Sam of support: Their badges were used." in said


# ----------------------------------------------------------------------------------------- late corrections


FOUND_LATE = """mutation { learnerActivate(input: {
  learner: {external: {organization: {slug: "xtra-lease"}, externalId: "LATE-1"}}, start: {on: "2017-08-01"}
  profile: {name: "Found Late"}
}) { changed userErrors { message } } }"""


async def test_what_is_found_late_is_shown_adjusted_and_billed_only_by_an_approval(demo: Database) -> None:
    async with desks(demo) as (support,):
        found = (await support.client.post("/graphql", json={"query": FOUND_LATE})).json()
        assert found["data"]["learnerActivate"] == {"changed": True, "userErrors": []}
        said = await support.open(await link_to(support, "403"))
        assert "Known otherwise now: 404 instead of 403, 1 person differs" in said
        assert "Found Late counts now" in said
        assert "the same number, the same people" in said
        await support.press("Count again and adjust", reason="Found in the old system")
        said = await support.open(XTRA)
        assert "3 4 +1 awaits approval" in said
        await support.press("Approve and bill", reason="Checked against the badge log")
        assert "billed XTRA-LEASE-0002" in support.said


async def test_staff_adjust_what_the_nightly_check_found_and_the_client_sees_no_case(
    demo: Database,
) -> None:
    async with desks(demo, await administrator_of(demo, "xtra-lease")) as (support, client):
        await support.client.post("/graphql", json={"query": FOUND_LATE})
        snapshot = urlsplit(await link_to(support, "403")).path.removeprefix("/admin/snapshots/")
        await nightly_check(demo, snapshot)
        assert "nightly check" in await support.open("/admin/disputes?origin=DRIFT")
        said = await support.follow("XTRA-LEASE-DRIFT-0001")
        assert "The client does not see this case" in said
        case = str(support.page.url)
        await client.open(case, 404)
        await client.open("/admin/disputes?stands=all")
        assert "DRIFT" not in client.page.text
        await support.open(case)
        await support.press("Adjust to what is known now", reason="Found in the old system")
        assert "404" in support.said
        await support.follow("Uphold: the bill was wrong")
        assert "only an adjustment changes the bill" in support.said
        assert "upheld" in await support.press("Uphold it", reason="One was found in the old system")
        assert "XTRA-LEASE-DRIFT" not in await client.open(XTRA)


async def nightly_check(database: Database, snapshot: str) -> None:
    _, (organization_id, snapshot_id) = parse_id(snapshot)

    async def find(session: AsyncSession) -> None:
        recording = await begin_recording(session, organization_id, TODAY)
        await open_drift_case(recording, SUPPORT, signer(), snapshot_id, "billed 403, now known 404")

    await database.run(find)


async def test_a_month_of_more_clients_takes_as_many_statements(demo: Database) -> None:
    async with desks(demo) as (support,):
        with statements() as of_one:
            await support.open(f"{MONTH}&search=Xtra")
        with statements() as of_three:
            await support.open(MONTH)
    assert len(table(support.page)) == 3
    assert len(reads(of_three)) == len(reads(of_one))


# ------------------------------------------------------------------------------------------------- learners


async def test_who_is_not_billed_is_previewed_and_then_excluded(demo: Database) -> None:
    async with desks(demo) as (support,):
        await to_a_learner(support)
        typed = {"from": "2017-09-01", "reason": "A test account"}
        said = await support.press("Preview not billing them", **typed)
        assert "402 instead of 403" in said
        assert "Billed whenever active." in said
        said = await support.press("Do not bill them")
        assert "for good: A test account" in said
        await support.press("Bill them again", lastDay="2017-12-31", reason="In use now")
        assert "through 2017-12-31" in support.said


async def test_a_person_is_erased_exactly_as_previewed(demo: Database) -> None:
    async with desks(demo) as (support,):
        name = await to_a_learner(support)
        said = await support.press("Preview the erasure")
        assert "This cannot be undone" in said
        await support.press("Erase exactly this", 400, reason="")
        await support.open(str(support.page.url))
        await support.press("Preview the erasure")
        await support.press("Erase exactly this", reason="Request of 2026-02-01")
        assert name not in support.page.text
        assert "The personal data were erased" in support.said
        assert "403" in await support.open(MONTH)
