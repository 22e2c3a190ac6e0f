"""How a roster file is read, and what is refused of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from models.errors import RosterError, RosterErrorCode
from resolvers.roster.reading import Reading
from resolvers.roster.report import report_as_csv
from resolvers.spreadsheets import neutralised
from server.database import Database
from server.import_roster import ImportOptions, import_file
from tests.builders import STAFF, organization
from tests.importing import HEADER, NOW, Roster, contents

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
