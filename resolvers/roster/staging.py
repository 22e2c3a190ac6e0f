"""The first half of an import: good lines are kept as they are read, refused ones are reported, and both are
committed together with how far the reading came. So a killed import goes on after its last committed line.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import OrganizationError, OrganizationErrorCode, RosterError, RosterErrorCode
from models.interval import MICROSECOND, BillingCalendar
from models.keys import reference_key
from models.learners import sort_key
from models.organizations import Organization
from models.roster import (
    MatchedLine,
    RosterImport,
    RosterImportState,
    RosterRefusal,
    StagedCertification,
    StagedLine,
)
from resolvers.organizations import NewOrganization, calendars, create_organization
from resolvers.principal import Principal
from resolvers.roster.lines import NAME_COLUMNS, STAGED_COLUMNS, LineRefused, Refusal, Staged, StagedName

IMPORT = RosterImport.__table__
STAGED = StagedLine.__table__
ABANDONED_AFTER = dt.timedelta(days=7)
CERTIFIED = StagedCertification.__table__


@dataclass(frozen=True, slots=True)
class ImportRun:
    """A run as it stands in the database."""

    id: int
    name: str
    actor: str
    state: RosterImportState
    # The now of the whole run, also when it is resumed later: bounds of lost dates are taken from it.
    started_at: dt.datetime
    lines_read: int
    rows_landed: int
    rows_unchanged: int
    rows_refused: int


async def begin_import(
    session: AsyncSession,
    principal: Principal,
    now: dt.datetime,
    digest: str,
    name: str,
    state: RosterImportState = RosterImportState.STAGING,
) -> ImportRun:
    """The unfinished run of this digest, to be gone on with, or a new one."""
    await _forget_abandoned(session, now)
    unfinished = await session.execute(
        select(IMPORT).where(IMPORT.c.digest == digest, IMPORT.c.state != RosterImportState.DONE)
    )
    if row := unfinished.one_or_none():
        return _run(row)
    values = {
        "id": reference_key(now),
        "digest": digest,
        "name": name[:200],
        "actor": principal.name,
        "state": state,
        "started_at": now,
        "lines_read": 0,
        "rows_landed": 0,
        "rows_unchanged": 0,
        "rows_refused": 0,
    }
    await session.execute(insert(IMPORT).values(values))
    return await find_import(session, values["id"])


async def find_import(session: AsyncSession, import_id: object) -> ImportRun:
    return _run((await session.execute(select(IMPORT).where(IMPORT.c.id == import_id))).one())


def _run(row: Any) -> ImportRun:
    return ImportRun(
        row.id,
        row.name,
        row.actor,
        row.state,
        row.started_at,
        row.lines_read,
        row.rows_landed,
        row.rows_unchanged,
        row.rows_refused,
    )


async def _forget_abandoned(session: AsyncSession, now: dt.datetime) -> None:
    """Personal data must not wait for ever in the lines of an import that nobody went on with."""
    abandoned = await session.scalars(
        select(IMPORT.c.id).where(
            IMPORT.c.state.in_([RosterImportState.STAGING, RosterImportState.FOLDING]),
            IMPORT.c.started_at < now - ABANDONED_AFTER,
        )
    )
    for import_id in abandoned:
        await forget_import(session, import_id)


async def forget_import(session: AsyncSession, import_id: int) -> None:
    """As if it had never been begun; what it recorded already stays."""
    for table in (STAGED, CERTIFIED, MatchedLine.__table__, RosterRefusal.__table__):
        await session.execute(delete(table).where(table.c.import_id == import_id))
    await session.execute(delete(IMPORT).where(IMPORT.c.id == import_id))


async def stage(
    session: AsyncSession,
    run_id: int,
    read_before: int,
    read_now: int,
    staged: Sequence[Staged],
    refused: Sequence[Refusal],
    certified: Sequence[StagedName] = (),
) -> None:
    """Keeps some lines. Whoever finds that the reading came elsewhere meanwhile is the second process, and stops."""
    moved = await session.execute(
        update(IMPORT)
        .where(IMPORT.c.id == run_id, IMPORT.c.lines_read == read_before, IMPORT.c.state == RosterImportState.STAGING)
        .values(lines_read=read_now, rows_refused=IMPORT.c.rows_refused + len(refused))
        .returning(IMPORT.c.id)
    )
    if moved.one_or_none() is None:
        raise RosterError(RosterErrorCode.ALREADY_RUNNING, RosterErrorCode.ALREADY_RUNNING.value, "file")
    await write_staged(session, staged, certified)
    await report(session, run_id, refused)


async def write_staged(session: AsyncSession, staged: Sequence[Staged], certified: Sequence[StagedName] = ()) -> None:
    await _write(session, STAGED.name, STAGED_COLUMNS, staged)
    if certified:
        await _write(session, CERTIFIED.name, NAME_COLUMNS, certified)


async def _write(
    session: AsyncSession, table: str, columns: Sequence[str], rows: Sequence[Staged] | Sequence[StagedName]
) -> None:
    """Through the driver, since these rows need none of the types that SQLAlchemy would put each through. SQLite keeps
    a day as its text."""
    connection = await session.connection()
    driver: Any = _driver(await connection.get_raw_connection())
    if isinstance(driver, aiosqlite.Connection):
        places = ", ".join(["?"] * len(columns))
        insertion = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 (our own names)
        if columns is NAME_COLUMNS:
            rows = [(*row[:-1], row[-1] and str(row[-1])) for row in rows]
        await driver.executemany(insertion, rows)
    else:
        await driver.copy_records_to_table(table, records=rows, columns=columns)


def _driver(raw: Any) -> DBAPIConnection | None:
    return raw.driver_connection  # type: ignore[no-any-return]


async def report(session: AsyncSession, run_id: int, refused: Sequence[Refusal]) -> None:
    if refused:
        await session.execute(
            insert(RosterRefusal.__table__), [{"import_id": run_id, **refusal._asdict()} for refusal in refused]
        )


async def all_read(session: AsyncSession, run_id: int) -> None:
    """From now on the run folds, and reads no more."""
    await session.execute(
        update(IMPORT)
        .where(IMPORT.c.id == run_id, IMPORT.c.state == RosterImportState.STAGING)
        .values(state=RosterImportState.FOLDING)
    )


# --------------------------------------------------------------------------------------- organizations


@dataclass(frozen=True, slots=True)
class Directory:
    """The organizations that a principal sees, by what a cell may call them, and their calendars."""

    named: dict[str, int | LineRefused]
    calendars: dict[int, BillingCalendar]


async def know_organizations(
    session: AsyncSession,
    principal: Principal,
    now: dt.datetime,
    names: Iterable[str],
    new_in_zone: str | None = None,
) -> Directory:
    """What each name means: a slug, or a name that only one organization has. Unknown ones are made where a zone for
    new ones is given.
    """
    directory = Directory({}, {})
    for name in names:
        directory.named[name] = await _organization_named(session, principal, now, name, new_in_zone)
    found = {meant for meant in directory.named.values() if isinstance(meant, int)}
    directory.calendars.update(await calendars(session, found))
    return directory


async def _organization_named(
    session: AsyncSession, principal: Principal, now: dt.datetime, name: str, new_in_zone: str | None
) -> int | LineRefused:
    table = Organization.__table__
    meant = (table.c.slug == name) | (table.c.name_key == sort_key(name))
    rows = (await session.execute(select(table.c.id, table.c.slug).where(meant))).all()
    seen = [row for row in rows if principal.may_see(row.id)]
    if by_slug := [row.id for row in seen if row.slug == name]:
        return int(by_slug[0])
    if len(seen) == 1:
        return int(seen[0].id)
    if seen:
        return LineRefused("organization", "Several organizations have this name.", "Use its slug instead.")
    if new_in_zone is None:
        return LineRefused(
            "organization",
            "There is no organization of this name or slug.",
            "Correct it, add the organization first, or let the import make it (--create-organizations).",
        )
    # Keys of organizations made at one instant could meet by chance; no two of these are made at one.
    apart = await session.scalar(select(func.count()).select_from(table)) or 0
    return await _created(session, principal, now + apart * MICROSECOND, NewOrganization(name=name, zone=new_in_zone))


async def _created(
    session: AsyncSession, principal: Principal, now: dt.datetime, new: NewOrganization
) -> int | LineRefused:
    try:
        return await create_organization(session, principal, now, new)
    except OrganizationError as problem:
        if problem.code is OrganizationErrorCode.UNKNOWN_ZONE:
            raise
        return LineRefused("organization", problem.message, "Correct the name, or use the organization's slug.")
