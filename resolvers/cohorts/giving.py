"""Giving vouchers of the stock to people, one each: all of them, or the whole transaction is run again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from sqlalchemy import BigInteger, Insert, String, Text, Update, bindparam, func, insert, literal, select, update

from models.base import Instant
from models.batches import as_parameter, asked
from models.program_events import ProgramDeed, ProgramEvent, ProgramThing
from models.vouchers import AssigneeKind, AssignmentState, VoucherStanding
from resolvers.cohorts.defining import FoundCohort
from resolvers.cohorts.surveying import Stock
from resolvers.database import Outrun
from resolvers.programs.acting import ProgramAct
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER

EVENT = ProgramEvent.__table__
AT_ONCE = 2_500
GIVEN = ("voucher_id", "learner_id", "assignment_id", "event_id")


async def give(act: ProgramAct, cohort: FoundCohort, bulk_id: int, learner_ids: Sequence[int], stock: Stock) -> None:
    """The first of the people gets the first of the stock. So many at a time that memory stays flat."""
    assignment_id, event_id = act.keys.take(len(learner_ids)), act.keys.take(len(learner_ids))
    given = (
        (voucher_id, learner_id, assignment_id + place, event_id + place)
        for place, (learner_id, voucher_id) in enumerate(zip(learner_ids, stock.voucher_ids, strict=True))
    )
    shared = _shared(act, cohort, bulk_id)
    while part := list(islice(given, AT_ONCE)):
        parameters = {"given": as_parameter(part), **shared}
        await act.session.execute(_assignments(), parameters)
        marked = await act.session.execute(_marked(), parameters)
        if len(marked.all()) != len(part):
            raise Outrun
        await act.session.execute(_events(), parameters)


def _shared(act: ProgramAct, cohort: FoundCohort, bulk_id: int) -> dict[str, object]:
    return {
        "program": act.program_id,
        "organization": cohort.organization_id,
        "bulk": bulk_id,
        "now": act.now,
        "purpose": cohort.purpose,
        "actor": act.principal.name,
        "origin": act.principal.origin,
    }


@lru_cache
def _assignments() -> Insert:
    given = asked("given", *GIVEN)
    values = {
        "program_id": bindparam("program", type_=BigInteger),
        "id": given.c.assignment_id,
        "voucher_id": given.c.voucher_id,
        "organization_id": bindparam("organization", type_=BigInteger),
        "kind": literal(AssigneeKind.LEARNER.name),
        "learner_id": given.c.learner_id,
        "bulk_assignment_id": bindparam("bulk", type_=BigInteger),
        "state": literal(AssignmentState.ACTIVE.name),
        "assigned_at": bindparam("now", type_=Instant),
    }
    return insert(ASSIGNMENT).from_select(list(values), select(*values.values()))


@lru_cache
def _marked() -> Update:
    """Only what is still in stock."""
    given = asked("given", *GIVEN)
    purpose = bindparam("purpose", type_=Text)
    return (
        update(VOUCHER)
        .where(VOUCHER.c.program_id == bindparam("program", type_=BigInteger), VOUCHER.c.id == given.c.voucher_id)
        .where(VOUCHER.c.standing == VoucherStanding.LIVE, VOUCHER.c.expires_at > bindparam("now", type_=Instant))
        .where(VOUCHER.c.assignment_id.is_(None), VOUCHER.c.held_minor == 0)
        .values(assignment_id=given.c.assignment_id, flagged_at=None, purpose=func.coalesce(purpose, VOUCHER.c.purpose))
        .returning(VOUCHER.c.id)
    )


@lru_cache
def _events() -> Insert:
    """Who they are is personal data: the events do not name them, the assignments do."""
    given = asked("given", *GIVEN)
    values = {
        "program_id": bindparam("program", type_=BigInteger),
        "id": given.c.event_id,
        "recorded_at": bindparam("now", type_=Instant),
        "thing": literal(ProgramThing.VOUCHER.name),
        "thing_id": given.c.voucher_id,
        "deed": literal(ProgramDeed.ASSIGNED.name),
        "actor": bindparam("actor", type_=String),
        "origin": bindparam("origin", type_=String),
        "said": bindparam("purpose", type_=Text),
    }
    return insert(EVENT).from_select(list(values), select(*values.values()))
