"""What a roster row is, what an import does with it, and what it refuses."""

from __future__ import annotations

import csv
import datetime as dt
import io
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

import server.import_roster
from models.access import Role
from models.base import Base
from models.errors import NotFound, RosterError, RosterErrorCode
from models.history import Change
from models.interval import FOREVER, UTC, Bounds, Interval
from models.learners import Profile
from models.organizations import Scope, ScopeKind
from models.roster import RosterLine
from resolvers.principal import Principal
from resolvers.roster.batches import Batch, BatchOutcome, BatchRow, import_batch
from resolvers.roster.lines import Refusal
from resolvers.roster.reading import Reading
from resolvers.roster.report import neutralised, refusals, report_as_csv
from resolvers.roster.staging import know_organizations
from server.database import Database
from server.import_roster import ImportOptions, ImportSummary, import_file
from tests.builders import STAFF, Tenant, organization

NOW = dt.datetime(2026, 2, 1, 12, tzinfo=UTC)
HEADER = "organization,team,external_id,name,email,department,activated_on,deactivated_on"


class Roster:
    """A folder for roster files, and the imports of them; each a day after the one before."""

    def __init__(self, database: Database, folder: Path, tenant: Tenant) -> None:
        self.database = database
        self.folder = folder
        self.tenant = tenant
        self.now = NOW

    def file(self, *lines: str, header: str = "team,external_id,activated_on,deactivated_on") -> Path:
        path = self.folder / "roster.csv"
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return path

    async def imports(self, *lines: str, **how: object) -> ImportSummary:
        header = str(how.pop("header", "team,external_id,activated_on,deactivated_on"))
        return await self.imports_file(self.file(*lines, header=header), **how)

    async def imports_file(self, path: Path, **how: object) -> ImportSummary:
        self.now += dt.timedelta(days=1)
        name = await self.name()
        options = replace(ImportOptions(reading=Reading(organization=name)), **how)  # type: ignore[arg-type]
        return await import_file(self.database, path, STAFF, self.now, options)

    async def name(self) -> str:
        async with self.database.reading() as connection:
            query = text("SELECT slug FROM organization WHERE id = :id")
            return str((await connection.execute(query, {"id": self.tenant.id})).scalar_one())

    async def learner(self, external_id: str) -> int:
        async with self.database.reading() as connection:
            found = await connection.execute(
                select(Profile.learner_id).where(
                    Profile.organization_id == self.tenant.id, Profile.external_id == external_id
                )
            )
            return int(found.scalar_one())

    async def team(self, name: str) -> int:
        async with self.database.reading() as connection:
            found = await connection.execute(
                select(Scope.id).where(
                    Scope.organization_id == self.tenant.id, Scope.kind == ScopeKind.TEAM, Scope.name == name
                )
            )
            return int(found.scalar_one())

    async def windows(self, external_id: str, team: str | None = None) -> list[str]:
        self.tenant.now = self.now
        scope = None if team is None else await self.team(team)
        return await self.tenant.windows(await self.learner(external_id), scope=scope)

    async def profile(self, external_id: str) -> tuple[str, str, str]:
        async with self.database.reading() as connection:
            found = await connection.execute(
                select(Profile.name, Profile.email, Profile.department).where(
                    Profile.organization_id == self.tenant.id, Profile.external_id == external_id
                )
            )
            name, email, department = found.one()
            return name, email, department

    async def refused(self, summary: ImportSummary) -> list[Refusal]:
        async with self.database.reading() as connection:
            return await refusals(connection, summary.import_id)

    async def facts(self, external_id: str) -> int:
        learner_id = await self.learner(external_id)
        async with self.database.reading() as connection:
            query = text("SELECT count(DISTINCT fact_id) FROM belief WHERE learner_id = :id")
            return int((await connection.execute(query, {"id": learner_id})).scalar_one())

    async def contents(self) -> dict[str, list[str]]:
        return await contents(self.database)


async def contents(database: Database) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    found = {}
    async with database.reading() as connection:
        for table in Base.metadata.sorted_tables:
            rows = await connection.execute(text(f'SELECT * FROM "{table.name}"'))
            found[table.name] = sorted(repr(tuple(row)) for row in rows)
    return found


@pytest.fixture
async def roster(database: Database, tmp_path: Path) -> Roster:
    return Roster(database, tmp_path, await organization(database, zone="America/Chicago"))


# ------------------------------------------------------------------------------------------ what a row is


async def test_a_row_makes_activity_and_membership_in_the_days_of_the_billing_zone(roster: Roster) -> None:
    summary = await roster.imports("Blue,1,2017-03-01,2017-09-16")
    assert (summary.rows_landed, summary.rows_refused) == (1, 0)
    assert await roster.windows("1") == ["2017-03-01..2017-09-15"]
    assert await roster.windows("1", "Blue") == ["2017-03-01..2017-09-15"]


async def test_an_empty_end_means_still_active(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,")
    assert await roster.windows("1", "Blue") == ["2017-03-01.."]


async def test_a_lost_start_is_kept_as_bounds_and_never_guessed(roster: Roster) -> None:
    await roster.imports("Blue,1,,2017-09-16")
    assert await roster.windows("1") == ["..2017-09-15?"]
    assert await roster.windows("1", "Blue") == ["..2017-09-15?"]


async def test_a_lost_start_of_somebody_still_active_lies_before_the_import(roster: Roster) -> None:
    await roster.imports("Blue,1,,")
    roster.tenant.now = roster.now
    (row,) = await roster.tenant.window_rows(await roster.learner("1"))
    tenant_now = roster.now - dt.timedelta(microseconds=1)
    assert row.from_latest == (tenant_now - dt.datetime(1970, 1, 1, tzinfo=UTC)) // dt.timedelta(microseconds=1)


async def test_rows_of_two_teams_that_overlap_make_one_window_of_activity(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,2017-06-01", "Red,1,2017-05-01,2017-09-01")
    assert await roster.windows("1") == ["2017-03-01..2017-08-31"]
    assert await roster.windows("1", "Blue") == ["2017-03-01..2017-05-31"]
    assert await roster.windows("1", "Red") == ["2017-05-01..2017-08-31"]


async def test_the_same_row_again_changes_nothing(roster: Roster) -> None:
    lines = ("Blue,1,2017-03-01,2017-06-01", "Blue,2,,2017-06-01", "Red,1,2018-05-01,")
    await roster.imports(*lines)
    before = await roster.contents()
    again = await roster.imports(*lines)
    assert (again.rows_landed, again.rows_unchanged) == (0, 3)
    assert await roster.contents() == before


async def test_the_same_row_again_leaves_a_correction_by_hand_alone(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,2017-06-01")
    await correct(roster, "2017-02-01", "2017-07-01")
    await roster.imports("Blue,1,2017-03-01,2017-06-01")
    assert await roster.windows("1") == ["2017-02-01..2017-06-30"]


async def test_another_end_is_a_correction_of_both_facts(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,")
    known = roster.now
    summary = await roster.imports("Blue,1,2017-03-01,2017-06-01")
    assert (summary.rows_landed, summary.rows_unchanged) == (1, 0)
    assert await roster.windows("1") == await roster.windows("1", "Blue") == ["2017-03-01..2017-05-31"]
    assert await roster.tenant.windows(await roster.learner("1"), known_at=known) == ["2017-03-01.."]


async def test_another_end_keeps_a_start_that_was_corrected_by_hand(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,")
    await correct(roster, "2017-02-01", None)
    await roster.imports("Blue,1,2017-03-01,2017-06-01")
    assert await roster.windows("1") == ["2017-02-01..2017-05-31"]


async def test_an_end_that_is_held_already_is_believed_no_second_time(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,")
    await correct(roster, "2017-03-01", "2017-06-01")
    before = (await roster.contents())["belief"]
    await roster.imports("Blue,1,2017-03-01,2017-06-01")
    added = set((await roster.contents())["belief"]) - set(before)
    # Only membership was not yet held to end then.
    assert len(added) == 1


async def test_another_end_of_a_row_without_a_start_moves_its_bounds(roster: Roster) -> None:
    await roster.imports("Blue,1,,2017-09-16")
    await roster.imports("Blue,1,,2017-12-01")
    assert await roster.windows("1") == ["..2017-11-30?"]


async def test_another_start_is_another_window(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,2017-06-01")
    await roster.imports("Blue,1,2017-08-01,")
    assert await roster.windows("1") == ["2017-03-01..2017-05-31", "2017-08-01.."]


async def test_an_absent_row_means_nothing(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,", "Blue,2,2017-03-01,")
    await roster.imports("Blue,2,2017-03-01,")
    assert await roster.windows("1") == ["2017-03-01.."]


async def test_a_row_adopts_what_a_mutation_made_with_the_same_start(roster: Roster) -> None:
    team = await roster.tenant.team("Blue")
    learner_id = await roster.tenant.learner("2017-03-01..", team=team)
    await roster.imports("Blue,learner-1,2017-03-01,2017-06-01")
    assert await roster.learner("learner-1") == learner_id
    assert await roster.facts("learner-1") == 2
    assert await roster.windows("learner-1", "Blue") == ["2017-03-01..2017-05-31"]


async def test_two_teams_with_one_start_do_not_share_a_fact(roster: Roster) -> None:
    team = await roster.tenant.team("Blue")
    await roster.tenant.learner("2017-03-01..", team=team)
    await roster.imports("Blue,learner-1,2017-03-01,", "Red,learner-1,2017-03-01,")
    await roster.imports("Blue,learner-1,2017-03-01,2017-06-01")
    assert await roster.windows("learner-1") == ["2017-03-01.."]
    assert await roster.facts("learner-1") == 4


async def test_a_row_adopts_nothing_that_another_row_made(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,")
    await roster.imports("Red,1,2017-03-01,2017-06-01")
    assert await roster.windows("1") == ["2017-03-01.."]
    assert await roster.facts("1") == 4


async def test_a_learner_of_another_organization_with_the_same_external_id_is_another(roster: Roster) -> None:
    other = await organization(roster.database, name="Other")
    await other.activated("1", "2016-01-01..")
    await roster.imports("Blue,1,2017-03-01,")
    assert await roster.windows("1") == ["2017-03-01.."]


async def test_names_are_updated_and_an_empty_cell_says_nothing(roster: Roster) -> None:
    header = "team,external_id,name,email,department,activated_on,deactivated_on"
    await roster.imports("Blue,1,Ann,ann@a.example,Law,2017-03-01,", header=header)
    await roster.imports("Blue,1,Anne,,Tax,2017-03-01,", header=header)
    assert await roster.profile("1") == ("Anne", "ann@a.example", "Tax")


async def test_the_last_line_that_says_a_name_is_right_and_saying_it_again_changes_nothing(roster: Roster) -> None:
    header = "team,external_id,name,email,department,activated_on,deactivated_on"
    lines = ("Blue,1,Ann,a@a.example,,2017-03-01,", "Red,1,Anne,,,2017-03-01,", "Green,1,,,Law,2017-04-01,")
    await roster.imports(*lines, header=header)
    assert await roster.profile("1") == ("Anne", "a@a.example", "Law")
    before = await roster.contents()
    await roster.imports(*lines, header=header)
    assert await roster.contents() == before


async def correct(roster: Roster, start: str, end: str | None) -> None:
    """What `activityWindowCorrect` does to activity alone."""
    learner_id = await roster.learner("1")
    day = roster.tenant.calendar.start_of
    to = Interval(day(dt.date.fromisoformat(start)), day(dt.date.fromisoformat(end)) if end else FOREVER)
    async with roster.database.reading() as connection:
        fact = await connection.execute(select(RosterLine.activity_fact_id).where(RosterLine.learner_id == learner_id))
        change = Change(roster.tenant.id, Bounds.exactly(to), int(fact.scalar_one()))
    roster.now += dt.timedelta(days=1)
    roster.tenant.now = roster.now
    await roster.tenant.believed(learner_id, change, reason="seen in the contract")


# --------------------------------------------------------------------------------------- how a file is read


async def test_columns_can_be_mapped_and_dates_be_of_another_form(roster: Roster) -> None:
    reading = Reading(
        columns={"activated_on": "Start Date", "external_id": "Id"},
        date_format="%d.%m.%Y",
        organization=await roster.name(),
    )
    await roster.imports(
        '"Blue, north",1,01.03.2017,16.09.2017', header="team,Id,Start Date,deactivated_on", reading=reading
    )
    assert await roster.windows("1", "Blue, north") == ["2017-03-01..2017-09-15"]


async def test_a_byte_order_mark_and_windows_line_ends_are_accepted(roster: Roster) -> None:
    path = roster.folder / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbfteam,external_id,activated_on,deactivated_on\r\nBlue,1,2017-03-01,\r\n")
    assert (await roster.imports_file(path)).rows_landed == 1


async def test_organizations_are_found_by_name_or_slug_and_only_made_when_asked(roster: Roster) -> None:
    lines = ("New Client,Blue,1,A,,,2017-03-01,", f"{await roster.name()},Blue,1,A,,,2017-03-01,")
    refused = await roster.imports(*lines, header=HEADER, reading=Reading())
    assert (refused.rows_landed, refused.rows_refused) == (1, 1)
    made = await roster.imports(*lines, header=HEADER, reading=Reading(), new_organizations_in_zone="UTC")
    assert (made.rows_landed, made.rows_unchanged, made.rows_refused) == (1, 1, 0)


async def test_a_plain_output_says_how_far_it_is(roster: Roster) -> None:
    out = io.StringIO()
    path = roster.file("Blue,1,2017-03-01,")
    options = ImportOptions(reading=Reading(organization=await roster.name()))
    await import_file(roster.database, path, STAFF, NOW, options, Console(file=out))
    assert "Reading: 2 lines" in out.getvalue()
    assert "Recording: 1 lines" in out.getvalue()


# ---------------------------------------------------------------------------------------- what is refused


REFUSED = {
    "Blue,2,2017-13-01,": ("activated_on", "does not exist"),
    "Blue,2,2013-02-30,": ("activated_on", "2013-02-30 does not exist"),
    "Blue,2,3/1/2017,": ("activated_on", "expected form"),
    "Blue,2,20170301,": ("activated_on", "expected form"),
    "Blue,2,Ann Smith,": ("activated_on", "The cell is not a date"),
    "Blue,2,1899-12-31,": ("activated_on", "outside"),
    "Blue,2,2017-03-01,2200-01-01": ("deactivated_on", "outside"),
    "Blue,2,2017-03-01,2017-03-01": ("deactivated_on", "begins and ends on one day"),
    "Blue,2,2017-03-02,2017-03-01": ("deactivated_on", "ends before it begins"),
    ",2,2017-03-01,": ("team", "missing"),
    "Blue,,2017-03-01,": ("external_id", "missing"),
    "Blue,  ,2017-03-01,": ("external_id", "missing"),
    "Blue,2,2017-03-01": ("", "3 cells, the header line 4"),
    "Blue,2,2017-03-01,,": ("", "5 cells, the header line 4"),
    "Blue,2\0,2017-03-01,": ("external_id", "control character"),
    'Blue,"2\n3",2017-03-01,': ("external_id", "control character"),
    "Blue,#N/A,2017-03-01,": ("external_id", "spreadsheet"),
    f"{'B' * 201},2,2017-03-01,": ("team", "longer than 200"),
}


async def test_each_bad_line_is_refused_with_its_number_and_the_others_land(roster: Roster) -> None:
    good = [f"Blue,good {number},2017-03-01," for number in range(len(REFUSED))]
    lines = [line for pair in zip(REFUSED, good, strict=True) for line in pair]
    summary = await roster.imports(*lines)
    assert (summary.rows_landed, summary.rows_refused) == (len(REFUSED), len(REFUSED))
    found = {refusal.line: refusal for refusal in await roster.refused(summary)}
    line_number = 2
    for line, (column, problem) in REFUSED.items():
        refusal = found[line_number]
        assert (refusal.column, problem in refusal.problem, bool(refusal.mend)) == (column, True, True), refusal
        line_number += 2 + line.count("\n")


async def test_no_refusal_repeats_what_may_be_personal(roster: Roster) -> None:
    summary = await roster.imports("Blue,Ann Smith,ann@a.example,", "Blue,Ann Smith,2017-03-01,Ann Smith,")
    assert summary.rows_refused == 2
    assert not any("nn" in repr(refusal) for refusal in await roster.refused(summary))


async def test_a_line_after_a_cell_of_several_lines_has_the_number_an_editor_shows(roster: Roster) -> None:
    summary = await roster.imports('Blue,"1\n2\n3",2017-03-01,', "Blue,2,2017-02-30,")
    assert [refusal.line for refusal in await roster.refused(summary)] == [2, 5]


async def test_the_same_identity_twice_in_a_file_with_different_ends_is_refused_the_second_time(
    roster: Roster,
) -> None:
    lines = ("Blue,1,2017-03-01,2017-06-01", "Blue,1,2017-03-01,2017-07-01", "Blue,1,2017-03-01,2017-06-01")
    summary = await roster.imports(*lines)
    assert (summary.rows_landed, summary.rows_unchanged, summary.rows_refused) == (1, 1, 1)
    (refusal,) = await roster.refused(summary)
    assert refusal.line == 3
    assert "line 2" in refusal.problem
    before = await roster.contents()
    await roster.imports(*lines)
    assert await roster.contents() == before


async def test_a_day_that_the_zone_skipped_is_refused(database: Database, tmp_path: Path) -> None:
    samoa = Roster(database, tmp_path, await organization(database, zone="Pacific/Apia"))
    summary = await samoa.imports("Blue,1,2011-12-30,")
    assert "skipped this whole day" in (await samoa.refused(summary))[0].problem


async def test_the_report_can_be_opened_in_a_spreadsheet_without_running_anything(roster: Roster) -> None:
    summary = await roster.imports("Blue,1,2013-02-30,")
    async with roster.database.reading() as connection:
        report = "".join([part async for part in report_as_csv(connection, summary.import_id)])
    rows = list(csv.reader(io.StringIO(report)))
    assert rows[0] == ["line", "column", "problem", "what to do"]
    assert rows[1][:2] == ["2", "activated_on"]
    assert [neutralised(f"{start}1") for start in "=+-@\t\r"] == [f"'{start}1" for start in "=+-@\t\r"]


WHOLE_FILES = {
    "empty": (b"", RosterErrorCode.EMPTY, "empty"),
    "no header": (b"\n\n", RosterErrorCode.EMPTY, "no header"),
    "not UTF-8": (b"team,external_id\nBl\xe4u,1\n", RosterErrorCode.NOT_TEXT, "byte 19"),
    "cut character": (b"team,external_id\nBl\xc3", RosterErrorCode.NOT_TEXT, "byte 19"),
    "a workbook": (b"PK\x03\x04\x14\x00", RosterErrorCode.NOT_TEXT, "workbook"),
    "UTF-16": ("team,external_id".encode("utf-16"), RosterErrorCode.NOT_TEXT, "UTF-16"),
    "binary": (b"\x00\x01\x02\x03\n", RosterErrorCode.NOT_TEXT, "binary"),
    "missing columns": (b"team,id\n", RosterErrorCode.HEADER_MISSING, "lacks .organization., .external_id.*--map"),
    "semicolons": (b"team;external_id;activated_on\n", RosterErrorCode.HEADER_MISSING, "commas"),
    "duplicate headers": (b"team,Team,external_id\n", RosterErrorCode.HEADER_DUPLICATE, "more than once"),
    "a huge line": (b"team,external_id\n" + b"x" * 70_000, RosterErrorCode.LINE_TOO_LONG, "Line 2 "),
    "a huge line across chunks": (
        b"team,external_id\n" + b"a,1\n" * 261_000 + b"x" * 70_000,
        RosterErrorCode.LINE_TOO_LONG,
        "Line 261,002 ",
    ),
}


@pytest.mark.parametrize("kind", WHOLE_FILES)
async def test_a_file_that_is_no_roster_is_refused_whole_and_leaves_no_trace(
    sqlite_database: Database, tmp_path: Path, kind: str
) -> None:
    content, code, words = WHOLE_FILES[kind]
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    before = await contents(sqlite_database)
    with pytest.raises(RosterError, match=words) as refused:
        await import_file(sqlite_database, path, STAFF, NOW)
    assert refused.value.code is code
    assert await contents(sqlite_database) == before


async def test_a_quotation_mark_that_is_never_closed_refuses_the_file_and_leaves_no_trace(roster: Roster) -> None:
    before = await roster.contents()
    with pytest.raises(RosterError, match="Line 3 "):
        await roster.imports("Blue,1,2017-03-01,", 'Blue,"2,2017-03-01,', *["Blue,3,2017-03-01,"] * 9_000)
    assert await roster.contents() == before


# ------------------------------------------------------------------------------------ complete for its teams


async def test_a_complete_roster_previews_whom_it_closes_and_closes_only_when_confirmed(roster: Roster) -> None:
    everybody = (
        "Blue,1,2017-03-01,",
        "Blue,2,2017-03-01,2017-12-01",
        "Blue,3,2017-03-01,2017-06-01",
        "Red,4,2017-03-01,",
    )
    await roster.imports(*everybody)
    complete_from = dt.date(2017, 9, 1)
    previewed = await roster.imports("Blue,5,2017-03-01,", complete_from=complete_from)
    assert previewed.closings is not None
    assert [(row.team, row.external_id) for row in previewed.closings.first] == [("Blue", "1"), ("Blue", "2")]
    assert (previewed.closings.count, previewed.closed) == (2, 0)
    assert await roster.windows("1") == ["2017-03-01.."]
    done = await roster.imports("Blue,5,2017-03-01,", complete_from=complete_from, confirmed=previewed.closings.digest)
    assert done.closed == 2
    assert await roster.windows("1") == await roster.windows("2", "Blue") == ["2017-03-01..2017-08-31"]
    assert await roster.windows("3") == ["2017-03-01..2017-05-31"]
    assert await roster.windows("4") == ["2017-03-01.."]


async def test_who_was_closed_as_absent_is_active_again_when_a_roster_says_so(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,", "Blue,2,2017-03-01,")
    how = {"complete_from": dt.date(2017, 9, 1)}
    previewed = await roster.imports("Blue,2,2017-03-01,", **how)
    assert previewed.closings is not None
    await roster.imports("Blue,2,2017-03-01,", **how, confirmed=previewed.closings.digest)
    assert await roster.windows("1") == ["2017-03-01..2017-08-31"]
    await roster.imports("Blue,1,2017-03-01,")
    assert await roster.windows("1") == ["2017-03-01.."]


async def test_a_preview_that_is_out_of_date_closes_nobody(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,", "Blue,2,2017-03-01,")
    how = {"complete_from": dt.date(2017, 9, 1)}
    previewed = await roster.imports("Blue,2,2017-03-01,", **how)
    assert previewed.closings is not None
    await roster.imports("Blue,3,2017-03-01,")
    with pytest.raises(RosterError) as changed:
        await roster.imports("Blue,2,2017-03-01,", **how, confirmed=previewed.closings.digest)
    assert changed.value.code is RosterErrorCode.PREVIEW_CHANGED
    assert await roster.windows("1") == ["2017-03-01.."]


async def test_a_roster_with_refused_lines_is_not_complete(roster: Roster) -> None:
    with pytest.raises(RosterError) as refused:
        await roster.imports("Blue,1,2017-02-30,", "Blue,2,2017-03-01,", complete_from=dt.date(2017, 9, 1))
    assert refused.value.code is RosterErrorCode.NOT_COMPLETE
    assert await roster.windows("2") == ["2017-03-01.."]


# ----------------------------------------------------------------------------------------------- batches


def row(number: int, deactivated_on: str = "", **other: str) -> BatchRow:
    facts = {"team": "Blue", "external_id": str(number), "activated_on": "2017-03-01", **other}
    return BatchRow(number=number, deactivated_on=deactivated_on, **facts)


async def send(roster: Roster, *rows: BatchRow, import_id: str = "spring", by: Principal = STAFF) -> BatchOutcome:
    roster.now += dt.timedelta(days=1)
    batch = Batch(organization_id=roster.tenant.id, import_id=import_id, rows=rows)
    return await roster.database.run(lambda session: import_batch(session, by, roster.now, batch))


async def test_a_batch_lands_and_refuses_row_by_row(roster: Roster) -> None:
    outcome = await send(roster, row(1), row(2, "2017-02-30"), row(3, "2017-06-01"))
    assert (outcome.landed, outcome.unchanged, outcome.refused) == (2, 0, 1)
    assert [(refusal.line, refusal.column) for refusal in outcome.refusals] == [(2, "deactivated_on")]
    assert await roster.windows("3", "Blue") == ["2017-03-01..2017-05-31"]


async def test_a_batch_sent_again_is_answered_alike_and_changes_nothing(roster: Roster) -> None:
    rows = (row(1), row(2, "2017-02-30"), row(3, "2017-06-01"))
    first = await send(roster, *rows)
    before = await roster.contents()
    assert await send(roster, *rows) == first
    assert await roster.contents() == before


async def test_a_batch_that_comes_late_again_undoes_no_later_import(roster: Roster) -> None:
    await send(roster, row(1))
    await send(roster, row(1, "2017-06-01"), import_id="summer")
    await send(roster, row(1))
    assert await roster.windows("1") == ["2017-03-01..2017-05-31"]


async def test_a_refused_row_can_be_mended_and_sent_under_its_number(roster: Roster) -> None:
    await send(roster, row(2, "2017-02-30"))
    outcome = await send(roster, row(2, "2017-04-30"))
    assert (outcome.landed, outcome.refused) == (1, 0)
    assert (await roster.contents())["roster_refusal"] == []


async def test_a_number_that_stands_for_a_recorded_row_takes_no_other(roster: Roster) -> None:
    await send(roster, row(1))
    outcome = await send(roster, row(1, "2017-06-01"))
    assert (outcome.landed, outcome.unchanged, outcome.refused) == (0, 0, 1)
    assert await roster.windows("1") == ["2017-03-01.."]


async def test_an_import_id_is_the_sender_s_own(roster: Roster) -> None:
    other = Roster(roster.database, roster.folder, await organization(roster.database))
    assert (await send(roster, row(1))).landed == 1
    assert (await send(other, row(1))).landed == 1


async def test_an_organization_imports_nothing_into_another(roster: Roster) -> None:
    other = await organization(roster.database)
    client = Principal(name="Client", role=Role.ORGANIZATION, organization_id=other.id)
    with pytest.raises(NotFound):
        await send(roster, row(1), by=client)


@pytest.mark.parametrize(
    ("rows", "import_id", "code"),
    [
        ((), "spring", RosterErrorCode.BATCH_TOO_LARGE),
        (tuple(row(n) for n in range(1, 252)), "spring", RosterErrorCode.BATCH_TOO_LARGE),
        ((row(1), row(1)), "spring", RosterErrorCode.ROW_NUMBER_TAKEN),
        ((row(0),), "spring", RosterErrorCode.ROW_NUMBER_TAKEN),
        ((row(1),), "", RosterErrorCode.BAD_IMPORT_ID),
    ],
)
async def test_a_batch_that_is_none_is_refused(
    roster: Roster, rows: tuple[BatchRow, ...], import_id: str, code: RosterErrorCode
) -> None:
    with pytest.raises(RosterError) as refused:
        await send(roster, *rows, import_id=import_id)
    assert refused.value.code is code


# ------------------------------------------------------------------------------------------- interruptions


MEANING = {
    "windows": """SELECT o.slug, s.name, p.external_id, w.from_at, w.to_at, w.previous_to FROM activity_window w
        JOIN organization o ON o.id = w.organization_id
        JOIN scope s ON s.organization_id = w.organization_id AND s.id = w.scope_id
        JOIN profile p ON p.organization_id = w.organization_id AND p.learner_id = w.learner_id""",
    "uncertain": """SELECT p.external_id, s.name, u.from_earliest, u.from_latest, u.to_earliest, u.to_latest
        FROM uncertain_activity_window u
        JOIN scope s ON s.organization_id = u.organization_id AND s.id = u.scope_id
        JOIN profile p ON p.organization_id = u.organization_id AND p.learner_id = u.learner_id""",
    "beliefs": """SELECT p.external_id, s.name, b.from_earliest, b.from_latest, b.to_earliest, b.quality,
            CASE WHEN b.holds THEN 1 ELSE 0 END
        FROM belief b JOIN scope s ON s.organization_id = b.organization_id AND s.id = b.scope_id
        JOIN profile p ON p.organization_id = b.organization_id AND p.learner_id = b.learner_id""",
    "profiles": "SELECT external_id, name, email, department, name_key, email_key, department_key FROM profile",
    "lines": """SELECT p.external_id, l.from_at, l.to_at FROM roster_line l
        JOIN profile p ON p.organization_id = l.organization_id AND p.learner_id = l.learner_id""",
    "refusals": 'SELECT line, "column", problem FROM roster_refusal',
    "imports": "SELECT digest, state, lines_read, rows_landed, rows_unchanged, rows_refused FROM roster_import",
    "left over": "SELECT (SELECT count(*) FROM staged_line) + (SELECT count(*) FROM matched_line)",
}


async def meaning(database: Database) -> dict[str, list[str]]:
    """What the tables say, without the keys and recorded times that no two runs share."""
    found = {}
    async with database.reading() as connection:
        for name, statement in MEANING.items():
            found[name] = sorted(repr(tuple(row)) for row in await connection.execute(text(statement)))
    return found


def three_organizations(folder: Path) -> Path:
    path = folder / "three.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(HEADER.split(","))
        for number in range(240):
            start, end = f"2017-0{number % 9 + 1}-05", f"2018-0{number % 9 + 1}-05"
            if number % 40 == 7:
                start = ""
            if number % 60 == 11:
                end = "2017-02-30"
            lines.writerow([f"Client {number % 3}", f"T{number % 4}", number // 2, f"N{number}", "", "", start, end])
    return path


OPTIONS = ImportOptions(new_organizations_in_zone="UTC")
STEPS = ("begin_import", "know_organizations", "stage", "all_read", "next_to_fold", "fold", "finish_import")


class Killed(Exception):
    pass


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_an_import_killed_at_any_step_and_run_again_comes_to_the_same(
    roster: Roster, undisturbed: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, step: str, late: bool
) -> None:
    """Killed the second time that a step is reached, inside its transaction, before or after its work."""
    monkeypatch.setattr(server.import_roster, "LINES_A_COMMIT", 50)
    path = three_organizations(roster.folder)
    real, reached = getattr(server.import_roster, step), []

    async def deadly(session: AsyncSession, *args: object, **options: object) -> object:
        reached.append(step)
        done = await real(session, *args, **options) if late else None
        if len(reached) >= min(2, TIMES_REACHED.get(step, 2)):
            raise Killed
        return done if late else await real(session, *args, **options)

    monkeypatch.setattr(server.import_roster, step, deadly)
    with pytest.raises(Killed):
        await import_file(roster.database, path, STAFF, NOW, OPTIONS)
    monkeypatch.setattr(server.import_roster, step, real)
    summary = await import_file(roster.database, path, STAFF, NOW + dt.timedelta(days=1), OPTIONS)
    assert summary.rows_landed + summary.rows_unchanged + summary.rows_refused == 240
    assert await meaning(roster.database) == undisturbed


TIMES_REACHED = {"begin_import": 1, "know_organizations": 1, "all_read": 1, "finish_import": 1}


@pytest.fixture(scope="module")
async def undisturbed(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the same import comes to when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    other = Database.open(f"sqlite+aiosqlite:///{shutil.copy(sqlite_template, folder / 'other.db')}")
    await import_file(other, three_organizations(folder), STAFF, NOW, OPTIONS)
    found = await meaning(other)
    await other.close()
    return found


KILLED_PROGRAM = """
import asyncio, datetime as dt, os, signal, sys
from pathlib import Path
import server.import_roster as importing
from server.database import Database
from tests.builders import STAFF

importing.LINES_A_COMMIT = 50
name, real, reached = sys.argv[3], getattr(importing, sys.argv[3]), []

async def deadly(session, *args, **options):
    done = await real(session, *args, **options)
    reached.append(name)
    if len(reached) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

setattr(importing, name, deadly)
options = importing.ImportOptions(new_organizations_in_zone="UTC")
now = dt.datetime(2026, 2, 1, 12, tzinfo=dt.UTC)
asyncio.run(importing.import_file(Database.open(sys.argv[1]), Path(sys.argv[2]), STAFF, now, options))
"""


@pytest.mark.parametrize("step", ["stage", "fold"])
async def test_a_process_killed_outright_leaves_what_the_next_run_completes(
    roster: Roster, undisturbed: dict[str, list[str]], step: str
) -> None:
    path = three_organizations(roster.folder)
    url = roster.database.url.render_as_string(hide_password=False)
    root = Path(server.import_roster.__file__).parents[1]
    killed = subprocess.run(  # noqa: ASYNC221 (nothing else is to run meanwhile)
        [sys.executable, "-c", KILLED_PROGRAM, url, str(path), step], cwd=root, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    summary = await import_file(roster.database, path, STAFF, NOW, OPTIONS)
    assert summary.resumed
    assert await meaning(roster.database) == undisturbed


async def test_two_processes_do_not_read_one_file_at_once(
    postgresql_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is somewhere between two of its steps. SQLite has one writer: there it could not come in here."""
    path = three_organizations(tmp_path)

    async def overtaken(session: AsyncSession, *args: object, **options: object) -> object:
        monkeypatch.setattr(server.import_roster, "know_organizations", know_organizations)
        with pytest.raises(Killed):
            await import_file(postgresql_database, path, STAFF, NOW, OPTIONS)
        return await know_organizations(session, *args, **options)  # type: ignore[arg-type]

    async def stopped(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(server.import_roster, "know_organizations", overtaken)
    monkeypatch.setattr(server.import_roster, "all_read", stopped)
    with pytest.raises(RosterError) as refused:
        await import_file(postgresql_database, path, STAFF, NOW, OPTIONS)
    assert refused.value.code is RosterErrorCode.ALREADY_RUNNING


async def test_the_windows_of_an_import_are_those_that_derivation_makes(roster: Roster) -> None:
    """New learners with one line are given their windows without it; nobody may tell."""
    await import_file(roster.database, three_organizations(roster.folder), STAFF, NOW, OPTIONS)
    before = await meaning(roster.database)
    await roster.database.run(_derive_everything)
    assert await meaning(roster.database) == before


async def _derive_everything(session: AsyncSession) -> None:
    from resolvers.recording import begin_recording, derive_windows  # noqa: PLC0415

    learners = (await session.execute(select(Profile.organization_id, Profile.learner_id))).all()
    for organization_id in {row.organization_id for row in learners}:
        recording = await begin_recording(session, organization_id, NOW + dt.timedelta(days=9))
        await derive_windows(recording, [row.learner_id for row in learners if row.organization_id == organization_id])
