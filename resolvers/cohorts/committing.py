"""Committing exactly what was previewed: once, within a day, to all or to nobody.

Whatever has changed since is told, in figures and by the first few names, and then nothing is assigned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import select, update

from models.cohorts import BulkState
from models.errors import VoucherError, VoucherErrorCode
from models.fingerprints import Difference, difference
from models.program_events import ProgramDeed, ProgramThing
from resolvers.cohorts.defining import FoundCohort, must_own_cohort
from resolvers.cohorts.finding import PROFILE
from resolvers.cohorts.giving import give
from resolvers.cohorts.previewing import BULK, FoundBulk, must_own_bulk
from resolvers.cohorts.surveying import Survey, soonest, survey
from resolvers.database import Outrun
from resolvers.programs.acting import ProgramAct, Told, tell

NAMED = 3
NOTHING = "Nothing was assigned."


async def commit(act: ProgramAct, bulk_id: int, digest: str) -> int:
    """The assignment; also to whoever commits it again, and then nothing is done."""
    bulk = await must_own_bulk(act, bulk_id)
    if digest != bulk.digest:
        raise _changed(f"This is not the digest of that preview. {NOTHING}", "digest")
    if bulk.state is BulkState.COMMITTED:
        return bulk.id
    cohort = await must_own_cohort(act, bulk.cohort_id)
    _refuse_done_or_late(act, bulk, cohort)
    found = await survey(act.session, cohort, bulk.as_of, act.now)
    if found.digest != bulk.digest:
        raise _changed(await _what_changed(act, bulk, found))
    _refuse_empty_or_short(found)
    await _mark(act, bulk, len(found.eligible))
    stock = await soonest(act.session, cohort, act.now, len(found.eligible))
    await give(act, cohort, bulk.id, found.eligible, stock)
    told = f"{len(found.eligible):,} vouchers"
    deed = ProgramDeed.COHORT_ASSIGNED
    await tell(act, Told(thing=ProgramThing.COHORT, thing_id=cohort.id, deed=deed, said=cohort.purpose, after=told))
    return bulk.id


def _refuse_done_or_late(act: ProgramAct, bulk: FoundBulk, cohort: FoundCohort) -> None:
    if bulk.state is not BulkState.PREVIEWED:
        raise VoucherError(VoucherErrorCode.WRONG_STATE, "This was undone. Preview it again.", "bulkAssignment")
    if cohort.name is not None:
        message = "This is the dry run of a standing cohort: start the cohort, and it assigns by itself."
        raise VoucherError(VoucherErrorCode.WRONG_STATE, message, "bulkAssignment")
    if act.now >= bulk.valid_until:
        code = VoucherErrorCode.PREVIEW_EXPIRED
        raise VoucherError(code, code.value, "bulkAssignment")


def _refuse_empty_or_short(found: Survey) -> None:
    if not found.eligible:
        code = VoucherErrorCode.NOBODY_ELIGIBLE
        raise VoucherError(code, code.value, "bulkAssignment")
    if found.in_stock < len(found.eligible):
        message = f"{_of_stock(found)} {NOTHING} Buy more, or narrow the cohort."
        raise VoucherError(VoucherErrorCode.OUT_OF_STOCK, message, "bulkAssignment")


def _of_stock(found: Survey) -> str:
    return f"There are {found.in_stock:,} vouchers in stock for {len(found.eligible):,} people."


async def _mark(act: ProgramAct, bulk: FoundBulk, assigned: int) -> None:
    """Of two at once one finds it previewed; the other, run again, finds it committed."""
    marked = await act.session.execute(
        update(BULK)
        .where(BULK.c.program_id == act.program_id, BULK.c.id == bulk.id, BULK.c.state == BulkState.PREVIEWED)
        .values(state=BulkState.COMMITTED, assigned=assigned, committed_at=act.now)
        .returning(BULK.c.id)
    )
    if marked.scalar_one_or_none() is None:
        raise Outrun


# ---------------------------------------------------------------------------------------------- what changed


def _changed(message: str, *field: str) -> VoucherError:
    return VoucherError(VoucherErrorCode.COHORT_CHANGED, message, *(field or ("bulkAssignment",)))


async def _what_changed(act: ProgramAct, bulk: FoundBulk, found: Survey) -> str:
    """Such as: Since the preview 1 came (Ana), 2 went (Ben, Cleo)."""
    changes = difference(bulk.fingerprints, found.fingerprints)
    names = await _names(act, bulk.organization_id, changes)
    said = "; ".join(_parts(changes, names))
    short = f" {_of_stock(found)}" if found.in_stock < len(found.eligible) else ""
    return f"Since the preview {said}.{short} {NOTHING} Preview it again."


def _parts(changes: Difference, names: dict[int, str]) -> Iterator[str]:
    for keys, what in (
        (changes.came, "came to belong"),
        (changes.went, "belong no more"),
        (changes.changed, "are not as they were"),
    ):
        if keys:
            first = ", ".join(names.get(key) or "somebody without a name" for key in keys[:NAMED])
            more = f" and {len(keys) - NAMED:,} more" if len(keys) > NAMED else ""
            yield f"{len(keys):,} {what} ({first}{more})"


async def _names(act: ProgramAct, organization_id: int, changes: Difference) -> dict[int, str]:
    lists: tuple[Sequence[int], ...] = (changes.came, changes.went, changes.changed)
    keys = [key for one in lists for key in one[:NAMED]]
    own = PROFILE.c.organization_id == organization_id, PROFILE.c.learner_id.in_(keys)
    rows = await act.session.execute(select(PROFILE.c.learner_id, PROFILE.c.name).where(*own))
    return {row.learner_id: row.name for row in rows}
