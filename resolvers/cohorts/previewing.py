"""Previewing an assignment to a cohort: who would be given a voucher, who not and why, and whether stock suffices."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from sqlalchemy import insert, select

from models.cohorts import BulkAssignment, BulkState
from models.errors import NotFound
from models.interval import DAY
from models.program_events import ProgramDeed, ProgramThing
from resolvers.cohorts.defining import DEED, FoundCohort, NewCohort, add_cohort, must_own_cohort, today_of
from resolvers.cohorts.surveying import Survey, survey
from resolvers.loaders.voucher_programs import Reader, columns_of
from resolvers.programs.acting import ProgramAct, Told, tell

BULK = BulkAssignment.__table__
VALID_FOR = DAY


class FoundBulk(NamedTuple):
    """As it is in this transaction."""

    program_id: int
    id: int
    organization_id: int
    cohort_id: int
    state: BulkState
    digest: str
    fingerprints: bytes
    as_of: dt.date
    eligible: int
    in_stock: int
    valid_until: dt.datetime
    assigned: int
    taken_back: int


async def find_bulk(connection: Reader, program_id: int, bulk_id: int) -> FoundBulk | None:
    own = BULK.c.program_id == program_id, BULK.c.id == bulk_id
    row = (await connection.execute(select(*columns_of(BULK, FoundBulk)).where(*own))).one_or_none()
    return None if row is None else FoundBulk._make(row)


async def must_own_bulk(act: ProgramAct, bulk_id: int) -> FoundBulk:
    """For whoever acts for its organization. Nobody else learns that there is one, but its program."""
    found = await find_bulk(act.session, act.program_id, bulk_id)
    if found is None:
        raise NotFound("assignment to a cohort", "bulkAssignment")
    act.principal.must_see_in(act.program_id, found.organization_id, "assignment to a cohort", "bulkAssignment")
    act.principal.must_own(found.organization_id, DEED)
    return found


async def preview(act: ProgramAct, new: NewCohort) -> int:
    """Of a filter that is asked once; its preview."""
    return await _preview(act, await add_cohort(act, new))


async def preview_cohort(act: ProgramAct, cohort_id: int) -> int:
    """Of a cohort that was defined: the dry run that must be seen before it starts."""
    return await _preview(act, await must_own_cohort(act, cohort_id))


async def _preview(act: ProgramAct, cohort: FoundCohort) -> int:
    as_of = await today_of(act, cohort.organization_id)
    found = await survey(act.session, cohort, as_of, act.now)
    bulk_id = await write_bulk(act, cohort, as_of, found, BulkState.PREVIEWED)
    figures = f"{len(found.eligible):,} eligible, {found.skipped:,} skipped, {found.in_stock:,} in stock"
    deed = ProgramDeed.COHORT_PREVIEWED
    await tell(act, Told(thing=ProgramThing.COHORT, thing_id=cohort.id, deed=deed, after=figures))
    return bulk_id


async def write_bulk(
    act: ProgramAct, cohort: FoundCohort, as_of: dt.date, found: Survey, state: BulkState, assigned: int = 0
) -> int:
    bulk_id = act.keys.take()
    row = {
        "program_id": act.program_id,
        "id": bulk_id,
        "organization_id": cohort.organization_id,
        "cohort_id": cohort.id,
        "state": state,
        "digest": found.digest,
        "fingerprints": found.fingerprints,
        "as_of": as_of,
        "eligible": len(found.eligible),
        "skipped": found.skipped,
        "in_stock": found.in_stock,
        "previewed_by": act.principal.name,
        "previewed_at": act.now,
        "valid_until": act.now + VALID_FOR,
        "assigned": assigned,
        "committed_at": None if state is BulkState.PREVIEWED else act.now,
        "taken_back": 0,
    }
    await act.session.execute(insert(BULK).values(row))
    return bulk_id
