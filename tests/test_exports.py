"""Lists as CSV: whole or said not to be, the same as the page's, and safe to open."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.activity import Predicate
from models.learners import Profile
from resolvers import exports
from resolvers.activity import ActivityQuestion, Days
from resolvers.exports import (
    AskedLearners,
    ExportNotWhole,
    LearnersExport,
    csv_of,
    learner_rows,
    prepare,
    write_learners,
)
from server.database import Database
from tests.builders import STAFF, Tenant, known, lost_start, organization
from tests.visitors import TODAY, Sheet, administrator, visiting

SEPTEMBER = {"organization": "xtra-lease", "from": "2017-09-01", "through": "2017-09-30"}
ASKED = AskedLearners(
    organization="xtra-lease",
    question=ActivityQuestion(Predicate.ACTIVE_DURING, Days(dt.date(2017, 9, 1), dt.date(2017, 9, 30))),
)


async def download(client: httpx.AsyncClient, **asked: str) -> httpx.Response:
    return await client.get("/exports/learners.csv", params=SEPTEMBER | asked)


async def exported(database: Database, **asked: str) -> Sheet:
    async with visiting(database) as client:
        answer = await download(client, **asked)
    assert answer.status_code == 200, answer.text
    return Sheet(answer.text)


async def several(database: Database, count: int) -> Tenant:
    tenant = await organization(database, name="Xtra Lease")
    for number in range(count):
        await tenant.learner("2017-01-01..", name=f"Learner {number}")
    return tenant


async def prepared(database: Database, asked: AskedLearners = ASKED) -> LearnersExport:
    return await prepare(database.reading, database.run, STAFF, TODAY, asked)


@pytest.fixture
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few rows a page that a small list has several."""
    monkeypatch.setattr(exports, "PAGE_ROWS", 2)


# ---------------------------------------------------------------------------------------- what a file says


async def test_a_file_says_what_it_answers_of_whom_as_known_when_and_how_many(database: Database) -> None:
    tenant = await organization(database, name="Xtra Lease")
    await tenant.learner("2017-09-05..2017-09-20", name="Ann")
    sheet = await exported(database)
    assert sheet.about["Question"] == (
        "Active at any time from 2017-09-01 through 2017-09-30 (America/Chicago), Xtra Lease"
    )
    assert sheet.about["Organization"] == "Xtra Lease"
    assert sheet.about["As known at"] == f"{tenant.now:%Y-%m-%d %H:%M:%S} UTC"
    assert sheet.about["Generated at"] == "2026-02-10 12:00:00 UTC"
    assert (sheet.about["Answer"], sheet.about["Rows"]) == ("1 learner", "1")
    assert sheet.about["Dates"].startswith("of the latest window that answers the question")
    assert sheet.end == ["END", "1 row; this file is complete."]


async def test_a_row_holds_the_dates_of_the_latest_window_that_answers(database: Database) -> None:
    tenant = await organization(database, name="Xtra Lease")
    await tenant.learner("2016-01-01..2016-06-30, 2017-09-02..2017-09-04, 2017-09-06..2017-09-08, 2018-01-01..")
    (row,) = (await exported(database)).rows
    assert row[4:] == ["2017-09-06", "2017-09-09", "2017-09-08", "yes", "EXACT"]


async def test_the_dates_of_a_team_are_those_of_activity_while_a_member(database: Database) -> None:
    tenant = await organization(database, name="Xtra Lease")
    team = await tenant.team("Fleet")
    ann = await tenant.learner("2017-01-01..", name="Ann")
    await tenant.believed(ann, known(tenant, team, "2017-09-10.."))
    async with visiting(database) as client:
        query = '{ organization(by: {slug: "xtra-lease"}) { teams { nodes { id } } } }'
        found = (await client.post("/graphql", json={"query": query})).json()
        fleet = found["data"]["organization"]["teams"]["nodes"][0]["id"]
        sheet = Sheet((await download(client, question="ACTIVATED_WITHIN", team=fleet)).text)
    assert [row[4:7] for row in sheet.rows] == [["2017-09-10", "", ""]]
    assert sheet.about["Question"].startswith("Became active from 2017-09-01 through 2017-09-30")


async def test_a_lost_date_is_empty_and_the_answer_is_given_as_bounds(database: Database) -> None:
    tenant = await organization(database, name="Xtra Lease")
    await tenant.believed(await tenant.stranger("Ann"), lost_start(tenant, tenant.id, "2017-09-20"))
    sheet = await exported(database, question="ACTIVE_AT", cutoffOf="2017-09-01")
    assert sheet.about["Answer"] == "0 to 1 learners: 1 only possibly, as dates were lost"
    assert [row[4:] for row in sheet.rows] == [["", "2017-09-21", "2017-09-20", "possible", "LOST"]]


async def test_without_a_question_everybody_who_ever_belonged_there_is_listed(database: Database) -> None:
    tenant = await organization(database, name="Xtra Lease")
    await tenant.learner("2010-01-01..2010-12-31", name="Ann")
    async with visiting(database) as client:
        sheet = Sheet((await client.get("/exports/learners.csv?organization=xtra-lease")).text)
    assert sheet.about["Question"] == "All who ever belonged here, Xtra Lease"
    assert [row[4:7] for row in sheet.rows] == [["2010-01-01", "2011-01-01", "2010-12-31"]]


async def test_search_department_and_order_are_kept_and_said(database: Database) -> None:
    await several(database, 3)
    sheet = await exported(database, search="learner", sort="NAME_DESC")
    assert [row[0] for row in sheet.rows] == ["Learner 2", "Learner 1", "Learner 0"]
    assert sheet.about["Search"] == "learner"
    nobody = await exported(database, department="Nursing")
    assert (nobody.about["Department"], nobody.about["Answer"], nobody.rows) == ("Nursing", "3 learners", [])


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://evil")'])
async def test_a_cell_that_a_spreadsheet_would_run_is_neutralised(sqlite_database: Database, name: str) -> None:
    await several(sqlite_database, 1)
    await sqlite_database.run(lambda session: rename(session, "Learner 0", name))
    assert (await exported(sqlite_database)).rows[0][0] == f"'{name}"


async def test_what_was_typed_is_neutralised_too(sqlite_database: Database) -> None:
    await several(sqlite_database, 1)
    assert (await exported(sqlite_database, search="=cmd()")).about["Search"] == "'=cmd()"


async def test_a_file_opens_as_utf8_and_its_name_tells_what_is_in_it(sqlite_database: Database) -> None:
    tenant = await organization(sqlite_database, name="Xtra Lease")
    await tenant.learner("2017-01-01..", name='Zoë Ąžuolas, Jr. "Zo"')
    async with visiting(sqlite_database) as client:
        answer = await download(client)
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="xtra-lease-active-during-2017-09-01-2017-09-30.csv"'
    )
    assert Sheet(answer.text).rows[0][0] == 'Zoë Ąžuolas, Jr. "Zo"'


async def test_a_text_stream_gets_the_same_file(sqlite_database: Database) -> None:
    await several(sqlite_database, 2)
    stream = io.StringIO()
    await write_learners(stream, sqlite_database.reading, await prepared(sqlite_database))
    async with visiting(sqlite_database) as client:
        assert stream.getvalue().splitlines() == (await download(client)).text.splitlines()


# ------------------------------------------------------------------------------------- read as it is written


@pytest.mark.usefixtures("pages_of_two")
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
async def test_all_pages_together_are_the_whole_list(database: Database, count: int) -> None:
    await several(database, count)
    rows = [row.name async for row in learner_rows(database.reading, await prepared(database))]
    assert rows == [f"Learner {number}" for number in range(count)]


@pytest.mark.usefixtures("pages_of_two")
async def test_what_is_recorded_while_a_file_is_read_is_not_in_it(database: Database) -> None:
    tenant = await several(database, 4)
    rows = []
    async for row in learner_rows(database.reading, await prepared(database)):
        rows.append(row.name)
        await tenant.learner("2017-01-01..", name=f"Learner 9{len(rows)}")
    assert rows == ["Learner 0", "Learner 1", "Learner 2", "Learner 3"]


@dataclass
class Watched:
    """Reading that knows how many connections are out, and breaks when it is told to."""

    database: Database
    breaks_after: int = 1_000
    open: int = 0
    reads: int = 0

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        self.reads += 1
        if self.reads > self.breaks_after:
            raise ConnectionError("the database went away")
        async with self.database.reading() as connection:
            self.open += 1
            yield connection
            self.open -= 1


@pytest.mark.usefixtures("pages_of_two")
async def test_a_slow_reader_holds_no_connection_and_gets_a_page_at_a_time(sqlite_database: Database) -> None:
    await several(sqlite_database, 5)
    watched = Watched(sqlite_database)
    chunks = []
    async for text in csv_of(watched.reading, await prepared(sqlite_database)):
        assert watched.open == 0
        chunks.append(text.count("Learner "))
    assert chunks == [0, 2, 2, 1, 0]
    assert watched.reads == 3


@pytest.mark.usefixtures("pages_of_two")
async def test_a_file_that_breaks_off_ends_by_saying_so(sqlite_database: Database) -> None:
    await several(sqlite_database, 5)
    watched = Watched(sqlite_database, breaks_after=1)
    stream = io.StringIO()
    with pytest.raises(ConnectionError):
        await write_learners(stream, watched.reading, await prepared(sqlite_database))
    assert stream.getvalue().splitlines()[-1] == (
        "INCOMPLETE: this file is not whole. Download it again.,2 of 5 rows were written."
    )


@pytest.mark.usefixtures("pages_of_two")
async def test_a_file_that_missed_somebody_renamed_meanwhile_says_so(sqlite_database: Database) -> None:
    await several(sqlite_database, 4)
    stream = Renaming(sqlite_database)
    with pytest.raises(ExportNotWhole):
        await stream.read(await prepared(sqlite_database))
    assert "INCOMPLETE" in stream.texts[-1]
    assert "complete." not in "".join(stream.texts)


@dataclass
class Renaming:
    """A reader during whose first page of rows somebody of a later page gets a name of an earlier one."""

    database: Database
    texts: list[str] = field(default_factory=list)

    async def read(self, export: LearnersExport) -> None:
        async for text in csv_of(self.database.reading, export):
            self.texts.append(text)
            if "Learner 0" in text:
                await self.database.run(lambda session: rename(session, "Learner 3", "Aaron"))


async def rename(session: AsyncSession, name: str, other: str) -> None:
    await session.execute(update(Profile).where(Profile.name == name).values(name=other, name_key=other.casefold()))


# ----------------------------------------------------------------------------------- who, and what is refused


async def test_an_administrator_cannot_download_what_is_not_theirs(database: Database) -> None:
    own, _ = await several(database, 1), await organization(database, name="Baptist Health Plan")
    async with visiting(database, administrator(own.id)) as client:
        assert (await download(client)).status_code == 200
        foreign = await download(client, organization="baptist-health-plan")
        unknown = await download(client, organization="none")
    assert (foreign.status_code, foreign.text) == (unknown.status_code, unknown.text)
    assert (foreign.status_code, foreign.text) == (404, "There is no organization of that id that you may see.\n")


async def test_nobody_downloads_without_signing_in(sqlite_database: Database) -> None:
    async with visiting(sqlite_database, None) as client:
        answer = await download(client)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"from": "2017-09-30", "through": "2017-09-01"}, "is empty: it must end after it starts"),
        ({"from": "2017-02-30"}, "'2017-02-30' is not a day that exists"),
        ({"through": ""}, "is not a day that exists"),
        ({"from": "1000-01-01"}, "outside 1900-01-01 through 2199-12-31"),
        ({"question": "EVER"}, "question is EVER, and must be one of ACTIVE_AT"),
        ({"question": "ACTIVE_AT"}, "give cutoffOf (a day) or at (an instant)"),
        ({"question": "ACTIVE_AT", "at": "2017-09-01T00:00"}, "has no zone"),
        ({"question": "ACTIVE_AT", "at": "9999-12-31T23:59:59-12:00"}, "beyond the years"),
        ({"knownAt": "2199-01-01T00:00Z"}, "lies in the future"),
        ({"sort": "SHOE_SIZE"}, "sort is SHOE_SIZE, and must be one of NAME"),
        ({"team": "junk"}, "not the id of a Team"),
        ({"library": "\0"}, ""),
        ({"after": "junk"}, "after is no parameter of this list"),
        ({"departement": "Nursing"}, "departement is no parameter of this list"),
    ],
)
async def test_what_cannot_be_exported_is_refused_in_words(
    sqlite_database: Database, asked: dict[str, str], message: str
) -> None:
    await several(sqlite_database, 1)
    async with visiting(sqlite_database) as client:
        answer = await download(client, **asked)
    assert answer.status_code == (400 if message else 200)
    assert message in answer.text


async def test_nothing_typed_into_an_address_breaks_an_export(database: Database) -> None:
    await several(database, 1)
    async with visiting(database) as client:
        for name in ("organization", "search", "department", "team", "knownAt", "from", "at", "question", "sort"):
            for junk in ("\0", "x" * 5_000, "\u202e'\"%{"):
                answer = await download(client, **{name: junk})
                assert answer.status_code in (200, 400, 404), (name, junk)
                assert re.fullmatch(r"[ -~]*", answer.headers.get("content-disposition", ""))
