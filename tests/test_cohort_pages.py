"""Cohorts and invitations on pages alone: looked at, assigned and taken back there, by nobody whose they are not."""

from __future__ import annotations

from models.ids import encode_id
from server.database import Database
from tests.asking import ask
from tests.desks import administrator_of, desks
from tests.inviting import ADDRESS, claimed, individual, link_of, opened
from tests.visitors import TODAY, table

COHORTS = "/admin/organizations/xtra-lease/cohorts"


async def test_a_cohort_is_previewed_assigned_and_taken_back_where_it_was_asked_twice(demo: Database) -> None:
    gail = await administrator_of(demo, "glovis-america")
    async with desks(demo, await administrator_of(demo, "xtra-lease"), gail) as (support, client, other):
        await client.open("/admin/organizations/xtra-lease/vouchers")
        await client.follow("For many people at once")
        typed = {"certification": "State appraiser", "first": "2018-05-01", "last": "2018-12-31"}
        assert "would be given one 6" in await client.press("Preview it", **typed, purpose="Renewal")
        shown = str(client.page.url)
        assert "Assign them" not in client.buttons
        await client.follow("Assign exactly this…")
        assert "6 people are given a voucher each" in client.said
        said = await client.press("Assign them")
        assert "assigned 6" in said
        assert all(row[3] for row in table(client.page))
        assert "6 of 6 vouchers can be taken back" in await client.follow("Take it back…")
        assert "taken back 6" in await client.press("Take them back")
        assert "Take it back…" not in client.links
        await other.open(shown, 404)
        await other.open(COHORTS, 404)
        assert "taken back" in await support.open(shown)


async def test_why_somebody_is_skipped_is_said_and_what_changed_meanwhile_assigns_nothing(demo: Database) -> None:
    async with desks(demo, await administrator_of(demo, "xtra-lease")) as (_, client):
        await client.open(COHORTS)
        said = await client.press("Dry run")
        # Of six who are certified until the spring two have used up what they had.
        assert "would be given one 2 skipped 4" in said
        assert "they have a live voucher of the same voucher program" in said
        await client.open(COHORTS)
        assert "once a day, since" in await client.press("Start it")
        assert "stopped" in await client.press("Stop it")
        assert "must be a whole number" in await client.press("Preview it", 400, months="six")


async def test_invitations_are_sent_again_and_taken_back_and_claims_decided_on_a_page(
    sqlite_database: Database,
) -> None:
    market, _ = await opened(sqlite_database)
    market.now = TODAY
    query = "query ($id: ID!) { organization(by: {id: $id}) { slug } }"
    own = await ask(sqlite_database, query, id=encode_id("Organization", market.tenant.id))
    waiting = f"/admin/organizations/{own.data['organization']['slug']}/invitations"
    async with desks(sqlite_database, market.client) as (_, client):
        assert ADDRESS in await client.open(waiting)
        (voucher,) = [link for link in client.links.values() if link.startswith("/admin/vouchers/")]
        assert f"Assigned to {ADDRESS}" in await client.open(voucher)
        await client.open(waiting)
        assert "e-mail address" in await client.press("Send another link", 400, email="nora at home")
        assert "nora@new.example" in await client.press("Send another link", email="nora@new.example")
        assert "reminded 1×" in await client.press("Remind")
        assert "within the last day" in await client.press("Remind", 400)
        other = await individual(market, "nora@home.example")
        await claimed(market, await link_of(market), by=other)
        await client.open(f"{waiting}?state=claimed")
        assert "claimed by Somebody Else (nora@home.example)" in client.said
        assert "nobody has claimed" in await client.press("Refuse")
        await client.open(waiting)
        assert "No voucher waits" in await client.press("Take it back")
