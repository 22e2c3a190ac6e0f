"""An import that is killed anywhere and run again comes to what it would have come to."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

import server.import_roster
from models.errors import RosterError, RosterErrorCode
from models.learners import Profile
from resolvers.roster.staging import know_organizations
from server.database import Database
from server.import_roster import import_file
from tests.builders import STAFF
from tests.importing import HEADER, KILLED_PROGRAM, NOW, OPTIONS, Roster, meaning


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
