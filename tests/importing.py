"""What tests of rosters share: files of a few lines, their imports, and what the tables then say."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text

from models.base import Base
from models.interval import UTC
from models.learners import Profile
from models.organizations import Scope, ScopeKind
from resolvers.roster.lines import Refusal
from resolvers.roster.reading import Reading
from resolvers.roster.report import refusals
from server.database import Database
from server.import_roster import ImportOptions, ImportSummary, import_file
from tests.builders import STAFF, Tenant, organization

NOW = dt.datetime(2026, 2, 1, 12, tzinfo=UTC)
HEADER = "organization,team,external_id,name,email,department,activated_on,deactivated_on"
OPTIONS = ImportOptions(new_organizations_in_zone="UTC")


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
