"""Certifications of learners: how a roster names them, how one is recorded, and who is found by them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from models.access import Role
from models.certifications import Certification
from models.errors import HistoryError, HistoryErrorCode
from models.roster import StagedCertification
from resolvers.certifications import Certifying, set_certification
from resolvers.principal import Principal
from resolvers.roster.batches import Batch, BatchOutcome, BatchRow, import_batch
from resolvers.roster.lines import LineRefused, certifications_in
from resolvers.roster.reading import Reading
from schema.ids import encode_id
from server.database import Database
from tests.asking import ask
from tests.builders import STAFF, organization
from tests.erasing import ROW, named_learner, waiting_in_an_import
from tests.importing import Roster
from tests.test_statements import reads, statements

CERTIFICATION = Certification.__table__
HEADER = "team,external_id,activated_on,deactivated_on,certifications"
SET = """mutation ($input: CertificationSetInput!) { certificationSet(input: $input) {
  changed userErrors { field code } learner { certifications { name expiresOn } } } }"""
END = """mutation ($input: CertificationEndInput!) { certificationEnd(input: $input) {
  changed userErrors { field code } learner { certifications { name expiresOn } } } }"""
LEARNERS = """query ($id: ID!, $of: LearnerCertificationFilter, $knownAt: DateTime) { node(id: $id) {
  ... on Organization { learners(certification: $of, knownAt: $knownAt, sortBy: EXTERNAL_ID) {
    totalCount nodes { externalId certifications { name expiresOn recordedAt } } } } } }"""


async def held(roster: Roster, external_id: str, *, ever: bool = False) -> list[str]:
    """What a learner holds, or ever held, as a roster would name it."""
    learner_id = await roster.learner(external_id)
    rows = select(CERTIFICATION.c.name, CERTIFICATION.c.expires_on).where(CERTIFICATION.c.learner_id == learner_id)
    rows = rows.order_by(CERTIFICATION.c.id)
    async with roster.database.reading() as connection:
        found = await connection.execute(rows if ever else rows.where(CERTIFICATION.c.superseded_at.is_(None)))
        return [f"{row.name} {row.expires_on}" if row.expires_on else row.name for row in found]


# ------------------------------------------------------------------------------------------------ a cell


@pytest.mark.parametrize(
    ("cell", "date_format", "named"),
    [
        ("CPR 2026-05-31; First aid", None, {"CPR": "2026-05-31", "First aid": None}),
        (" ; ISO 9001;Level 3-4 ;", None, {"ISO 9001": None, "Level 3-4": None}),
        ("CPR  31.05.2026;Pump  service", "%d.%m.%Y", {"CPR": "2026-05-31", "Pump service": None}),
        ("CPR 31 May 2026; First aid", "%d %B %Y", {"CPR": "2026-05-31", "First aid": None}),
        ("CPR 2026-05-31; cpr 2026-05-31", None, {"CPR": "2026-05-31"}),
    ],
)
def test_a_cell_names_certifications_with_their_last_days(
    cell: str, date_format: str | None, named: dict[str, str | None]
) -> None:
    found = certifications_in(cell, date_format).values()
    assert {name: day and day.isoformat() for name, day in found} == named


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("CPR 2026-02-30", "2026-02-30 does not exist"),
        ("CPR 31/05/2026", "31/05/2026 is not a date of the expected form"),
        ("2026-05-31", "without the name"),
        ("CPR 2026-05-31 2026-06-30 ; 2026-05-31 2026-06-30", "without the name"),
        ("CPR 2026-05-31; cpr 2026-06-30", "twice"),
        ("CPR 1026-05-31", "outside 1900-01-01"),
        (f"{'x' * 201}", "longer than 200"),
    ],
)
def test_a_cell_that_cannot_be_understood_is_refused(cell: str, problem: str) -> None:
    with pytest.raises(LineRefused) as refused:
        certifications_in(cell, None)
    assert problem in str(refused.value)


# ------------------------------------------------------------------------------------------------ a roster


async def test_a_roster_tells_what_is_held_and_what_it_does_not_name_stays(roster: Roster) -> None:
    first = await roster.imports(
        "Blue,1,2025-01-01,,CPR 2026-05-31; First aid",
        "Red,1,2025-01-01,,cpr 2026-06-30",
        "Red,2,2025-01-01,,",
        header=HEADER,
    )
    assert (first.rows_landed, first.rows_refused) == (3, 0)
    # Of two lines the last one is right.
    assert await held(roster, "1") == ["cpr 2026-06-30", "First aid"]
    assert await held(roster, "2") == []
    same = ("Blue,1,2025-01-01,,First aid", "Red,1,2025-01-01,,CPR 2026-06-30", "Red,2,2025-01-01,,")
    before = await roster.contents()
    again = await roster.imports(*same, header=HEADER)
    assert (again.rows_landed, again.rows_unchanged) == (0, 3)
    after = await roster.contents()
    assert [name for name in before if before[name] != after[name]] == ["roster_import"]
    later = await roster.imports("Red,1,2025-01-01,,CPR 2027-06-30", "Red,2,2025-01-01,,Pump", header=HEADER)
    assert (later.rows_landed, later.rows_unchanged) == (2, 0)
    assert await held(roster, "1") == ["First aid", "CPR 2027-06-30"]
    assert await held(roster, "1", ever=True) == ["cpr 2026-06-30", "First aid", "CPR 2027-06-30"]
    assert await held(roster, "2") == ["Pump"]
    assert not (await roster.contents())["staged_certification"]


async def test_a_line_that_is_refused_tells_nothing_of_certifications(roster: Roster) -> None:
    lines = (
        "Blue,1,2025-01-01,,CPR 2026-05-31",
        "Blue,1,2025-01-01,2025-03-01,CPR 2027-05-31",
        "Blue,2,2025-01-01,,CPR 31.05.2026",
        "Blue,3,2025-01-02,2025-01-01,CPR",
    )
    summary = await roster.imports(*lines, header=HEADER)
    assert (summary.rows_landed, summary.rows_refused) == (1, 3)
    assert await held(roster, "1") == ["CPR 2026-05-31"]
    columns = {one.line: one.column for one in await roster.refused(summary)}
    assert columns == {3: "deactivated_on", 4: "certifications", 5: "deactivated_on"}


async def test_dates_of_certifications_are_of_the_form_of_the_file_and_the_column_can_be_mapped(roster: Roster) -> None:
    reading = Reading(columns={"certifications": "Cards"}, date_format="%d.%m.%Y", organization=await roster.name())
    header = "team,external_id,activated_on,deactivated_on,Cards"
    await roster.imports("Blue,1,01.01.2025,,CPR 31.05.2026", header=header, reading=reading)
    assert await held(roster, "1") == ["CPR 2026-05-31"]


async def test_a_batch_row_tells_what_is_held_and_is_answered_once(roster: Roster) -> None:
    async def send(number: int, certifications: str) -> BatchOutcome:
        roster.now += dt.timedelta(days=1)
        row = BatchRow(
            number=number, team="Blue", external_id="1", activated_on="2025-01-01", certifications=certifications
        )
        batch = Batch(organization_id=roster.tenant.id, import_id="one", rows=(row,))
        return await roster.database.run(lambda session: import_batch(session, STAFF, roster.now, batch))

    assert (await send(1, "CPR 2026-05-31")).landed == 1
    # Nothing but the last day is news.
    assert (await send(2, "CPR 2026-06-30")).landed == 1
    assert (await send(3, "CPR 2026-06-30")).unchanged == 1
    assert (await send(2, "CPR 2026-06-30")).landed == 1
    refused = await send(4, "CPR 2026-06-31")
    assert [one.column for one in refused.refusals] == ["certifications"]
    assert await held(roster, "1", ever=True) == ["CPR 2026-05-31", "CPR 2026-06-30"]
    assert not (await roster.contents())["staged_certification"]


# -------------------------------------------------------------------------------------------- one by one


async def test_another_last_day_supersedes_and_an_end_is_one_and_all_is_known_as_it_was(database: Database) -> None:
    own = await organization(database)
    learner = {"id": encode_id("Learner", own.id, await own.learner("2025-01-01.."))}
    client = Principal(name="Chris", role=Role.PARTNER, organization_id=own.id)

    async def said(mutation: str, **what: str) -> tuple[bool, list[str], list[str]]:
        (answer,) = (await ask(database, mutation, client, input={"learner": learner, **what})).data.values()
        now = [f"{one['name']} {one['expiresOn']}" for one in (answer["learner"] or {}).get("certifications", [])]
        return answer["changed"], now, [one["code"] for one in answer["userErrors"]]

    assert await said(SET, name=" CPR ", expiresOn="2026-05-31") == (True, ["CPR 2026-05-31"], [])
    assert await said(SET, name="cpr", expiresOn="2026-05-31") == (False, ["CPR 2026-05-31"], [])
    assert await said(SET, name="CPR") == (True, ["CPR None"], [])
    assert await said(END, name="cpr") == (True, [], [])
    assert await said(END, name="CPR") == (False, [], [])
    assert (await said(END, name="Other"))[2] == ["NOT_FOUND"]
    assert (await said(SET, name=" "))[2] == ["BAD_NAME"]
    stranger = Principal(name="Eve", role=Role.PARTNER, organization_id=(await organization(database)).id)
    refused = (await ask(database, SET, stranger, input={"learner": learner, "name": "CPR"})).data["certificationSet"]
    assert [one["code"] for one in refused["userErrors"]] == ["NOT_FOUND"]


async def test_of_somebody_erased_what_was_held_stays_and_nothing_is_added(database: Database) -> None:
    named = await named_learner(database)
    await named.imported(replace(ROW, number=9, certifications="CPR 2017-05-31"))
    await waiting_in_an_import(named)
    await named.wrote(StagedCertification, import_id=5, line=1, name="CPR", name_key="cpr")
    await named.erased()
    who = Certifying(who=named.who, name="Pump")
    with pytest.raises(HistoryError) as refused:
        await database.run(lambda session: set_certification(session, STAFF, named.tenant.tick(), who))
    assert refused.value.code is HistoryErrorCode.ERASED
    again = await named.imported(replace(ROW, number=10, certifications="Pump"))
    assert [one.column for one in again.refusals] == ["external_id"]
    async with database.reading() as connection:
        kept = select(CERTIFICATION.c.name).where(CERTIFICATION.c.learner_id == named.learner_id)
        assert list((await connection.execute(kept)).scalars()) == ["CPR"]
        assert (await connection.execute(select(StagedCertification.__table__))).all() == []


async def test_learners_are_found_by_what_they_hold_in_one_statement_for_all(roster: Roster) -> None:
    lines = ["Blue,1,2025-01-01,,CPR 2026-05-31", "Blue,2,2025-01-01,,CPR 2026-12-31; Pump", "Blue,3,2025-01-01,,CPR"]
    await roster.imports(*lines, *(f"Blue,{number},2025-01-01,," for number in range(4, 9)), header=HEADER)
    known = roster.now + dt.timedelta(hours=1)
    await roster.imports("Blue,1,2025-01-01,,CPR 2027-05-31", header=HEADER)
    organization_id = encode_id("Organization", roster.tenant.id)

    async def found(**asked: Any) -> list[str]:
        answer = await ask(roster.database, LEARNERS, id=organization_id, **asked)
        listed = answer.data["node"]["learners"]
        assert listed["totalCount"] == len(listed["nodes"])
        return [one["externalId"] for one in listed["nodes"]]

    assert await found(of={"name": "cpr"}) == ["1", "2", "3"]
    assert await found(of={"name": "CPR", "expiresThrough": "2026-12-31"}) == ["2"]
    assert await found(of={"name": "CPR", "expiresThrough": "2026-12-31"}, knownAt=known.isoformat()) == ["1", "2"]
    assert await found(of={"name": "CPR", "expiresFrom": "2027-01-01"}) == ["1"]
    assert await found(of={"expiresFrom": "2026-12-31", "expiresThrough": "2026-12-31"}) == ["2"]
    with statements() as ran:
        assert len(await found()) == 8
    assert sum("FROM certification" in one.sql or "JOIN certification" in one.sql for one in reads(ran)) == 1
