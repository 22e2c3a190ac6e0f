"""Assigning a voucher to a learner of the organization that owns it: from then on nobody else can use it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, insert, select, update

from models.errors import VoucherError, VoucherErrorCode
from models.learners import Learner
from models.program_events import ProgramDeed, ProgramThing
from models.voucher_programs import Transferability
from models.vouchers import AssigneeKind, AssignmentState, VoucherAssignment
from resolvers.loaders.learners import LearnerKey
from resolvers.programs.acting import ProgramAct, Told, once_in_program, tell
from resolvers.vouchers.finding import PROGRAM, FoundVoucher, must_find, must_own, purpose_of, refuse_dead
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER, is_usable, of_program

LEARNER = Learner.__table__
DEED = "assign its vouchers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigning:
    """A voucher, or any from the organization's stock of a voucher program: give one of the two."""

    learner: LearnerKey
    voucher_id: int | None = None
    voucher_program_id: int | None = None
    # What it is meant for; None keeps what was said before.
    purpose: str | None = None


async def assign_once(act: ProgramAct, key: str, asked: Assigning) -> int:
    """The voucher that was assigned, also to whoever asks the same again."""
    await _refuse_stranger(act, asked)
    return await once_in_program(act, key, "voucherAssign", asked, lambda: assign(act, asked))


async def assign(act: ProgramAct, asked: Assigning) -> int:
    """The voucher that was assigned."""
    await _refuse_stranger(act, asked)
    purpose = purpose_of(asked.purpose)
    await _refuse_foreign_learner(act, asked.learner)
    assignment_id = act.keys.take()
    if asked.voucher_id is not None:
        voucher_id = await _take(act, asked.voucher_id, asked.learner, assignment_id, purpose)
    else:
        voucher_id = await _take_from_stock(act, asked, assignment_id, purpose)
    await _write(act, voucher_id, assignment_id, asked.learner)
    # Who it is, is personal data: the event does not name them, the assignment does.
    await tell(act, Told(thing=ProgramThing.VOUCHER, thing_id=voucher_id, deed=ProgramDeed.ASSIGNED, said=purpose))
    return voucher_id


async def _refuse_stranger(act: ProgramAct, asked: Assigning) -> None:
    if asked.voucher_id is None:
        act.principal.must_see_in(act.program_id, asked.learner.organization_id, "learner", "to", "learner")
        act.principal.must_own(asked.learner.organization_id, DEED)
        return
    found = await must_own(act, asked.voucher_id, DEED)
    if found.organization_id != asked.learner.organization_id:
        raise _not_entitled()


async def _refuse_foreign_learner(act: ProgramAct, learner: LearnerKey) -> None:
    known = exists().where(LEARNER.c.organization_id == learner.organization_id, LEARNER.c.id == learner.learner_id)
    if not (await act.session.execute(select(known))).scalar_one():
        raise _not_entitled()


def _not_entitled() -> VoucherError:
    return VoucherError(VoucherErrorCode.NOT_ENTITLED, VoucherErrorCode.NOT_ENTITLED.value, "to", "learner")


async def _take(act: ProgramAct, voucher_id: int, learner: LearnerKey, assignment_id: int, purpose: str | None) -> int:
    if not await _mark(act, voucher_id, learner, assignment_id, purpose):
        raise _why_not(act, await must_find(act, voucher_id))
    return voucher_id


async def _take_from_stock(act: ProgramAct, asked: Assigning, assignment_id: int, purpose: str | None) -> int:
    """Of those that are assigned to nobody: the one that expires soonest."""
    soonest = (
        select(VOUCHER.c.id)
        .where(
            of_program(act),
            VOUCHER.c.organization_id == asked.learner.organization_id,
            VOUCHER.c.voucher_program_id == asked.voucher_program_id,
            is_usable(act.now),
            VOUCHER.c.assignment_id.is_(None),
            VOUCHER.c.held_minor == 0,
            ~_stays_with_another(asked.learner),
        )
        .order_by(VOUCHER.c.expires_at, VOUCHER.c.id)
        .limit(1)
    )
    chosen = (await act.session.execute(soonest)).scalar_one_or_none()
    if chosen is None or not await _mark(act, chosen, asked.learner, assignment_id, purpose):
        raise VoucherError(VoucherErrorCode.OUT_OF_STOCK, VoucherErrorCode.OUT_OF_STOCK.value, "voucher", "fromStockOf")
    return int(chosen)


async def _mark(act: ProgramAct, voucher_id: int, learner: LearnerKey, assignment_id: int, purpose: str | None) -> bool:
    """One of many who come at once finds it assigned to nobody. What a cart holds is somebody's already."""
    marked = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), VOUCHER.c.id == voucher_id, is_usable(act.now))
        .where(VOUCHER.c.assignment_id.is_(None), VOUCHER.c.held_minor == 0, ~_stays_with_another(learner))
        .values(assignment_id=assignment_id, flagged_at=None, purpose=purpose or VOUCHER.c.purpose)
        .returning(VOUCHER.c.id)
    )
    return marked.scalar_one_or_none() is not None


def _stays_with_another(learner: LearnerKey) -> ColumnElement[bool]:
    """Whether the terms tie the voucher to whom it was first assigned to, and that is somebody else."""
    return exists().where(
        PROGRAM.c.program_id == VOUCHER.c.program_id,
        PROGRAM.c.id == VOUCHER.c.voucher_program_id,
        PROGRAM.c.transferability == Transferability.FIRST_ASSIGNEE,
        ASSIGNMENT.c.program_id == VOUCHER.c.program_id,
        ASSIGNMENT.c.voucher_id == VOUCHER.c.id,
        ASSIGNMENT.c.learner_id.is_distinct_from(learner.learner_id),
    )


def _why_not(act: ProgramAct, found: FoundVoucher) -> VoucherError:
    refuse_dead(act, found)
    code = VoucherErrorCode.FIRST_ASSIGNEE_ONLY
    if found.assignment_id is not None:
        code = VoucherErrorCode.ALREADY_ASSIGNED
    elif found.held_minor:
        code = VoucherErrorCode.IN_USE
    return VoucherError(code, code.value, "voucher")


async def _write(act: ProgramAct, voucher_id: int, assignment_id: int, learner: LearnerKey) -> None:
    row = {
        "program_id": act.program_id,
        "id": assignment_id,
        "voucher_id": voucher_id,
        "organization_id": learner.organization_id,
        "kind": AssigneeKind.LEARNER,
        "learner_id": learner.learner_id,
        "state": AssignmentState.ACTIVE,
        "assigned_at": act.now,
    }
    await act.session.execute(insert(VoucherAssignment.__table__), row)
