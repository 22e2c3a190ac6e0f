"""The page behind the link: what it shows, that looking changes nothing, and who is signed in by its button."""

from __future__ import annotations

import io
from typing import Any

import httpx

from models.vouchers import AssignmentState
from resolvers.vouchers.inviting import Inviting, invite
from resolvers.vouchers.links import new_secret
from server.database import Database
from server.logs import configure_logs
from tests.code_keys import CODE_KEYS
from tests.inviting import ADDRESS, ASSIGNMENTS, individual, link_of, rows
from tests.mailing import LINK, SITE, Clock, mailing
from tests.visitors import TODAY, administrator, read, visiting
from tests.vouchering import Shop, shop

ME = "{ viewer { name role vouchers(first: 5) { nodes { state assignment { email message claimant { name } } } } } }"


async def sent(database: Database, message: str = "Welcome.") -> tuple[Shop, str]:
    """A shop, and the path of a link that was sent."""
    market = await shop(database)
    market.now = TODAY
    await market.stock(CODE_KEYS)
    asked = Inviting(address=ADDRESS, message=message, voucher_program_id=market.voucher_program_id)
    await market.act(lambda act: invite(act, CODE_KEYS, asked))
    return market, f"/claim/{await link_of(market)}"


async def viewer(client: httpx.AsyncClient) -> Any:
    answer = await client.post("/graphql", json={"query": ME})
    return answer.json()["data"]["viewer"]


async def test_who_follows_the_link_registers_claims_and_is_signed_in(database: Database) -> None:
    market, path = await sent(database, "Welcome <b>Nora</b>.\nThis is yours.")
    async with visiting(database, None, code_keys=CODE_KEYS) as client:
        page = await client.get(path)
        assert page.status_code == 200
        for said in ("USD 125.00", "Program ", ADDRESS, "Welcome <b>Nora</b>.", "Your name"):
            assert said in read(page).said
        assert "script" not in read(page).tags
        headers = ("content-security-policy", "referrer-policy", "cache-control")
        policy, referrer, cache = (page.headers[name] for name in headers)
        assert ("default-src 'none'" in policy, referrer, cache) == (True, "no-referrer", "no-store")
        assert "set-cookie" not in page.headers
        assert (await rows(market, ASSIGNMENTS))[0].state is AssignmentState.INVITED
        nameless = await client.post(path, data={"name": " "})
        assert nameless.status_code == 400
        assert "Give your name" in read(nameless).said
        done = await client.post(path, data={"name": "Nora Diaz"})
        assert "The voucher is yours" in read(done).said
        (mine,) = (me := await viewer(client))["vouchers"]["nodes"]
        assert (me["name"], me["role"], mine["state"]) == ("Nora Diaz", "INDIVIDUAL", "ASSIGNED")
        assert mine["assignment"] == {
            "email": None,
            "message": "Welcome <b>Nora</b>.\nThis is yours.",
            "claimant": None,
        }
        assert (await client.get(path)).status_code == 403
        # Who did not hear the answer may send it again.
        assert "The voucher is yours" in read(await client.post(path)).said


async def test_who_is_registered_is_not_signed_in_by_a_link_that_may_have_been_forwarded(database: Database) -> None:
    market, path = await sent(database)
    known = await individual(market, ADDRESS)
    async with visiting(database, None, code_keys=CODE_KEYS) as client:
        page = read(await client.get(path))
        assert "input" not in page.tags
        done = await client.post(path)
        assert read(done).links["Sign in"] == "/sign-in"
        assert "set-cookie" not in done.headers
    assert (await rows(market, ASSIGNMENTS))[0].person_id == known.person_id


async def test_who_is_signed_in_with_another_address_is_told_that_it_waits(database: Database) -> None:
    market, path = await sent(database)
    other = await individual(market, "nora@home.example")
    async with visiting(database, other, code_keys=CODE_KEYS) as client:
        assert "will be asked" in read(await client.get(path)).said
        assert "the organization decides" in read(await client.post(path)).said
    assert (await rows(market, ASSIGNMENTS))[0].state is AssignmentState.AWAITING_APPROVAL


async def test_nobody_claims_for_an_organization_or_from_another_site(database: Database) -> None:
    market, path = await sent(database)
    async with visiting(database, administrator(market.tenant.id), code_keys=CODE_KEYS) as client:
        assert "form" not in read(await client.get(path)).tags
        assert (await client.post(path)).status_code == 403
    async with visiting(database, None, code_keys=CODE_KEYS) as client:
        foreign = await client.post(path, data={"name": "M"}, headers={"sec-fetch-site": "cross-site"})
        assert foreign.status_code == 403
    assert (await rows(market, ASSIGNMENTS))[0].state is AssignmentState.INVITED


async def test_every_link_that_does_not_work_shows_one_page(database: Database) -> None:
    market, path = await sent(database)
    async with visiting(database, None, code_keys=CODE_KEYS) as client:
        await client.post(path, data={"name": "Nora"})
        client.cookies.clear()
        odd = [path, f"/claim/{new_secret(market.program_id)}", f"/claim/{new_secret(7)}", "/claim/cs_", "/claim/%00"]
        answers = [await client.get(one) for one in odd] + [await client.post(one) for one in odd]
        assert {answer.status_code for answer in answers} == {403}
        assert len({answer.text for answer in answers}) == 1
    async with visiting(database, None) as client:
        assert (await client.get(path)).text == answers[0].text


async def test_a_mail_is_read_and_the_link_in_it_followed_registers_and_claims(database: Database) -> None:
    async with mailing(database, clock=Clock(TODAY)) as mailed:
        voucher_id = await mailed.invited(ADDRESS, "Welcome, Nora.")
        await mailed.round()
        found = LINK.search(mailed.office.text())
        assert found
        async with visiting(database, None, code_keys=CODE_KEYS) as client:
            path = found[0].removeprefix(SITE)
            assert "Welcome, Nora." in read(await client.get(path)).said
            await client.post(path, data={"name": "Nora Diaz"})
            assert (await viewer(client))["vouchers"]["nodes"][0]["state"] == "ASSIGNED"
        (assignment,) = await rows(mailed.market, ASSIGNMENTS)
        assert (assignment.voucher_id, assignment.state) == (voucher_id, AssignmentState.ACTIVE)
        assert await mailed.states() == ["SENT"]


async def test_the_secret_is_in_no_log(database: Database) -> None:
    _, path = await sent(database)
    log = io.StringIO()
    async with visiting(database, None, code_keys=CODE_KEYS) as client:
        configure_logs("debug", log)
        await client.get(path)
        await client.get(f"{path}/more")
        await client.post(path, data={"name": "Nora"})
    assert log.getvalue().count('"path":"/claim/…"') == 3
    assert path.removeprefix("/claim/cs_")[:20] not in log.getvalue()
