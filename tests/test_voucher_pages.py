"""Vouchers on pages: seen, reissued, assigned and revoked there, and by nobody whose they are not."""

from __future__ import annotations

import re

from models.access import Role
from server.database import Database
from tests.desks import administrator_of, desks
from tests.visitors import read, table

VOUCHERS = "/admin/organizations/xtra-lease/vouchers"


async def test_the_voucher_of_who_left_is_reissued_and_assigned_to_somebody_else_on_pages_alone(demo: Database) -> None:
    async with desks(demo, await administrator_of(demo, "xtra-lease")) as (_, client):
        await client.open("/admin/organizations/xtra-lease")
        assert "20 vouchers" in await client.follow("Vouchers")
        assert "1 voucher " in await client.open(f"{VOUCHERS}?flagged=yes")
        assert client.links["These as CSV"] == "/exports/organizations/xtra-lease/vouchers.csv?flagged=yes"
        (row,) = table(client.page)
        assert "learner has left" in row[1]
        before = row[0]
        said = await client.follow(before)
        assert "left 125.00 USD" in said
        assert "Assign it" not in client.buttons

        said = await client.press("Reissue it", reason="They left.")
        code = re.search(r"The new code is ([0-9A-Z*~$=-]+) ", said)
        assert code is not None
        voucher = str(client.page.url)
        assert code[1] not in await client.open(voucher)
        assert "available" in client.said
        assert f"{code[1].replace('-', '')[-5:-1]}" in client.said
        assert "reissued it, so the old code is dead" in client.said

        await client.press("Find", search="ada.castro")
        said = await client.press("Assign it", learner=chosen(client.page.text), purpose="State certification")
        assert "Assigned to Ada Castro" in said
        assert "revoked it: A mistake." in await client.press("Revoke it", reason="A mistake")
        assert {"Reissue it"} == client.buttons & {"Assign it", "Reissue it", "Revoke it"}
        assert "1 voucher " in await client.open(f"{VOUCHERS}?state=revoked")


def chosen(page: str) -> str:
    """The first learner whom the form offers."""
    found = re.search(r'<option value="([^"]+)"', page)
    assert found is not None
    return found[1]


async def test_nobody_finds_the_vouchers_of_another_organization(demo: Database) -> None:
    olga = await administrator_of(demo, "glovis-america")
    partner = await administrator_of(demo, "xtra-lease", Role.PARTNER)
    async with desks(demo, olga, partner) as (support, foreign, own):
        await support.open(VOUCHERS)
        address = next(link for link in read(support.page).links.values() if link.startswith("/admin/vouchers/"))
        await foreign.open(VOUCHERS, 404)
        await foreign.open(address, 404)
        assert "Its story" in await own.open(address)
        assert "No vouchers are lost" in await own.open(f"{VOUCHERS}?state=lost", 400)
