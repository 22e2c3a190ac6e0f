"""The real roster: what lands, what is refused, and that neither a second import nor a kill makes any difference.

COUNTERSIGN_ROSTER names the file; see `python3 -m server settings`.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

import server.import_roster
from resolvers.roster.report import refusals
from server.database import Database
from server.import_roster import ImportOptions, import_file
from tests.builders import STAFF
from tests.importing import KILLED_PROGRAM, contents, meaning

ROSTER = os.environ.get("COUNTERSIGN_ROSTER")
NOW = dt.datetime(2026, 2, 1, 12, tzinfo=dt.UTC)
OPTIONS = ImportOptions(new_organizations_in_zone="UTC")
EXACT_LEARNERS = """SELECT count(*) AS learners, sum(CASE WHEN windows > 1 THEN 1 ELSE 0 END) AS with_several FROM (
    SELECT count(*) AS windows FROM activity_window WHERE scope_id = organization_id
    GROUP BY organization_id, learner_id) AS of_each"""
LOST_STARTS = "SELECT count(*) FROM belief WHERE scope_id = organization_id AND quality = 'LOST'"

pytestmark = pytest.mark.skipif(
    not ROSTER, reason="COUNTERSIGN_ROSTER names no roster: set it to the path of a roster.csv of the OULAD data"
)


async def test_the_real_roster_lands_and_importing_it_again_changes_nothing(database: Database) -> None:
    path = Path(str(ROSTER))
    first = await import_file(database, path, STAFF, NOW, OPTIONS)
    assert (first.rows_landed, first.rows_unchanged, first.rows_refused) == (32_574, 0, 19)
    async with database.reading() as connection:
        assert (await connection.execute(text(EXACT_LEARNERS))).one() == (31_233, 1_195)
        assert (await connection.execute(text(LOST_STARTS))).scalar_one() == 45
        refused = [refusal.line for refusal in await refusals(connection, first.import_id)]
    assert refused == begun_and_ended_on_one_day(path)
    before = await contents(database)
    again = await import_file(database, path, STAFF, NOW + dt.timedelta(days=1), OPTIONS)
    assert (again.rows_landed, again.rows_unchanged, again.rows_refused) == (0, 32_574, 19)
    assert await contents(database) == before


def begun_and_ended_on_one_day(path: Path) -> list[int]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = enumerate(csv.DictReader(file), start=2)
        return [line for line, row in rows if row["activated_on"] and row["activated_on"] == row["deactivated_on"]]


@pytest.mark.parametrize("step", ["stage", "fold"])
async def test_the_real_roster_killed_in_the_middle_and_run_again_comes_to_the_same(
    sqlite_database: Database, postgresql_database: Database, step: str
) -> None:
    """Killed on one database and compared with an undisturbed import into the other, once each way."""
    path = Path(str(ROSTER))
    killed, whole = (postgresql_database, sqlite_database) if step == "fold" else (sqlite_database, postgresql_database)
    url = killed.url.render_as_string(hide_password=False)
    root = Path(server.import_roster.__file__).parents[1]
    program = [sys.executable, "-c", KILLED_PROGRAM.replace("= 50", "= 10_000"), url, str(path), step]
    ended = subprocess.run(program, cwd=root, capture_output=True, check=False)  # noqa: ASYNC221
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert (await import_file(killed, path, STAFF, NOW, OPTIONS)).resumed
    await import_file(whole, path, STAFF, NOW, OPTIONS)
    assert await meaning(killed) == await meaning(whole)
