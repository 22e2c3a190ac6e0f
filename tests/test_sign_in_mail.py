"""Who has registered asks for a link and is signed in by it; nobody learns from the page who has."""

from __future__ import annotations

import asyncio
import re

import structlog
from sqlalchemy import text

from graphiql.operations import load_operations
from models.attempts import MOST_ASKED, AskedBy
from models.base import Base
from server.database import Database
from tests.inviting import ADDRESS, individual
from tests.mailing import mailer
from tests.smtp_server import Manner, post_office
from tests.test_claim_page import viewer
from tests.visitors import read, visiting
from tests.vouchering import shop

OPERATIONS = {operation.name: operation for operation in load_operations()}
LINK = re.compile(r"http://127\.0\.0\.1:8000(/sign-in/[\w-]+)")


async def test_who_has_registered_asks_for_a_link_and_is_signed_in_by_it(database: Database) -> None:
    me = await individual(await shop(database), ADDRESS)
    async with post_office() as office, visiting(database, None, mailer=mailer(office)) as client:
        assert "Send me a link" in read(await client.get("/sign-in")).said
        asked = await client.post("/sign-in-link", data={"email": f" {ADDRESS.upper()} "})
        assert "is on its way" in read(asked).said
        (mail,) = office.got
        assert (mail["To"], "somebody asked" in office.html()) == (ADDRESS, True)
        found = LINK.search(office.text())
        assert found
        async with database.reading() as connection:
            for table in Base.metadata.sorted_tables:
                everything = (await connection.execute(text(f'SELECT * FROM "{table.name}"'))).all()
                assert found[1].removeprefix("/sign-in/") not in str(everything), table.name
        # Looking does not use it up.
        assert "works once" in read(await client.get(found[1])).said
        assert (await client.post(found[1])).status_code == 303
        seen = await viewer(client)
        assert (seen["name"], seen["role"]) == (me.name, "INDIVIDUAL")
        links = read(await client.get("/", follow_redirects=True)).links
        for named in (links["your vouchers"], links["the fees that you have paid"]):
            operation = OPERATIONS[named.removeprefix("/explorer?operation=")]
            asked_for = {"query": operation.query, "variables": dict(operation.variables)}
            answer = (await client.post("/graphql", json=asked_for)).json()
            *_, mine = answer["data"]["viewer"].values()
            assert mine["totalCount"] == 0
        client.cookies.clear()
        assert "has been used" in read(await client.post(found[1])).said


async def test_the_page_says_the_same_of_an_address_that_nobody_has(database: Database) -> None:
    await individual(await shop(database), ADDRESS)
    async with post_office() as office, visiting(database, None, mailer=mailer(office)) as client:
        pages = set()
        for typed in (ADDRESS, "nobody@new.example"):
            answer = await client.post("/sign-in-link", data={"email": typed})
            pages.add((answer.status_code, answer.text.replace(typed, "…")))
        assert (len(pages), len(office.got)) == (1, 1)
        for typed in ("<b>", "", "x" * 10_000, "\0@new.example"):
            assert (await client.post("/sign-in-link", data={"email": typed})).status_code == 200
        foreign = {"sec-fetch-site": "cross-site"}
        assert (await client.post("/sign-in-link", data={"email": ADDRESS}, headers=foreign)).status_code == 403
        assert len(office.got) == 1
    async with visiting(database, None) as client:
        assert "email" not in (await client.get("/sign-in")).text
        assert (await client.post("/sign-in-link", data={"email": ADDRESS})).status_code == 404


async def test_twenty_at_once_get_few_mails_and_all_are_told_so_whether_or_not_there_is_an_account(
    database: Database,
) -> None:
    await individual(await shop(database), ADDRESS)
    for typed, mails in ((ADDRESS, MOST_ASKED[AskedBy.MAILBOX]), ("nobody@new.example", 0)):
        async with post_office() as office, visiting(database, None, mailer=mailer(office)) as client:
            asked = (client.post("/sign-in-link", data={"email": typed}) for _ in range(20))
            told = [answer.status_code for answer in await asyncio.gather(*asked)]
            assert told.count(200) == MOST_ASKED[AskedBy.MAILBOX]
            assert (told.count(429), len(office.got)) == (20 - told.count(200), mails)


async def test_one_network_asks_for_so_many_mailboxes_and_no_more(sqlite_database: Database) -> None:
    async with post_office() as office, visiting(sqlite_database, None, mailer=mailer(office)) as client:
        most = MOST_ASKED[AskedBy.NETWORK]
        told = [
            (await client.post("/sign-in-link", data={"email": f"{number}@new.example"})).status_code
            for number in range(most + 1)
        ]
        assert told == [200] * most + [429]


async def test_a_mail_server_that_does_not_take_it_is_logged_without_the_link(sqlite_database: Database) -> None:
    await individual(await shop(sqlite_database), ADDRESS)
    async with post_office() as office, visiting(sqlite_database, None, mailer=mailer(office)) as client:
        office.manner = Manner.DEFER
        with structlog.testing.capture_logs() as logged:
            answer = await client.post("/sign-in-link", data={"email": ADDRESS})
        assert answer.status_code == 200
    (failed,) = [event for event in logged if event["log_level"] == "warning"]
    assert (failed["event"], failed["outcome"]) == ("sign-in link not taken", "NotNow")
    assert "cs_" not in str(logged)
