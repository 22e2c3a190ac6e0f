"""Taking a voucher for somebody, a certain one or one from stock: of many who come at once, one gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, exists, func, insert, select, update

from models.errors import VoucherError, VoucherErrorCode
from models.voucher_programs import Transferability
from models.vouchers import AssigneeKind, AssignmentState
from resolvers.programs.acting import ProgramAct
from resolvers.vouchers.finding import PROGRAM, FoundVoucher, must_find, refuse_dead
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER, is_usable, of_program


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignee:
    """Whom a voucher is given to. By one of these they are named, as the kind says."""

    kind: AssigneeKind
    learner_id: int | None = None
    person_id: int | None = None
    email: str | None = None
    # What the organization writes to them.
    message: str | None = None

    @property
    def state(self) -> AssignmentState:
        return AssignmentState.INVITED if self.kind is AssigneeKind.EMAIL else AssignmentState.ACTIVE


class Choice(NamedTuple):
    """A voucher of the organization, or any from its stock of a voucher program: one of the two is given."""

    organization_id: int
    voucher_id: int | None
    voucher_program_id: int | None


class Taken(NamedTuple):
    voucher_id: int
    assignment_id: int


async def take(act: ProgramAct, chosen: Choice, assignee: Assignee, purpose: str | None) -> Taken:
    """From then on the voucher is nobody else's. A purpose of None keeps what was said before."""
    assignment_id = act.keys.take()
    if chosen.voucher_id is not None:
        voucher_id = await _take(act, chosen.voucher_id, assignee, assignment_id, purpose)
    else:
        voucher_id = await _take_from_stock(act, chosen, assignee, assignment_id, purpose)
    await _write(act, Taken(voucher_id, assignment_id), chosen.organization_id, assignee)
    return Taken(voucher_id, assignment_id)


async def _take(act: ProgramAct, voucher_id: int, assignee: Assignee, assignment_id: int, purpose: str | None) -> int:
    if not await _mark(act, voucher_id, assignee, assignment_id, purpose):
        raise _why_not(act, await must_find(act, voucher_id))
    return voucher_id


async def _take_from_stock(
    act: ProgramAct, chosen: Choice, assignee: Assignee, assignment_id: int, purpose: str | None
) -> int:
    """Of those that are assigned to nobody: the one that expires soonest."""
    soonest = (
        select(VOUCHER.c.id)
        .where(
            of_program(act),
            VOUCHER.c.organization_id == chosen.organization_id,
            VOUCHER.c.voucher_program_id == chosen.voucher_program_id,
            is_usable(act.now),
            VOUCHER.c.assignment_id.is_(None),
            VOUCHER.c.held_minor == 0,
            ~stays_with_another(assignee),
        )
        .order_by(VOUCHER.c.expires_at, VOUCHER.c.id)
        .limit(1)
    )
    found = (await act.session.execute(soonest)).scalar_one_or_none()
    if found is None or not await _mark(act, found, assignee, assignment_id, purpose):
        raise VoucherError(VoucherErrorCode.OUT_OF_STOCK, VoucherErrorCode.OUT_OF_STOCK.value, "voucher", "fromStockOf")
    return int(found)


async def _mark(act: ProgramAct, voucher_id: int, assignee: Assignee, assignment_id: int, purpose: str | None) -> bool:
    """One of many who come at once finds it assigned to nobody. What a cart holds is somebody's already."""
    marked = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), VOUCHER.c.id == voucher_id, is_usable(act.now))
        .where(VOUCHER.c.assignment_id.is_(None), VOUCHER.c.held_minor == 0, ~stays_with_another(assignee))
        .values(assignment_id=assignment_id, flagged_at=None, purpose=purpose or VOUCHER.c.purpose)
        .returning(VOUCHER.c.id)
    )
    return marked.scalar_one_or_none() is not None


def stays_with_another(assignee: Assignee) -> ColumnElement[bool]:
    """Whether the terms tie the voucher to whom it was first assigned to, and that is somebody else."""
    return exists().where(
        PROGRAM.c.program_id == VOUCHER.c.program_id,
        PROGRAM.c.id == VOUCHER.c.voucher_program_id,
        PROGRAM.c.transferability == Transferability.FIRST_ASSIGNEE,
        ASSIGNMENT.c.program_id == VOUCHER.c.program_id,
        ASSIGNMENT.c.voucher_id == VOUCHER.c.id,
        _is_another(assignee),
    )


def _is_another(assignee: Assignee) -> ColumnElement[bool]:
    """An address may have been claimed by somebody whom another assignment names otherwise: they are not matched."""
    if assignee.email is not None:
        return func.lower(ASSIGNMENT.c.email).is_distinct_from(assignee.email.lower())
    if assignee.kind is AssigneeKind.PERSON:
        return ASSIGNMENT.c.person_id.is_distinct_from(assignee.person_id)
    return ASSIGNMENT.c.learner_id.is_distinct_from(assignee.learner_id)


def _why_not(act: ProgramAct, found: FoundVoucher) -> VoucherError:
    refuse_dead(act, found)
    code = VoucherErrorCode.FIRST_ASSIGNEE_ONLY
    if found.assignment_id is not None:
        code = VoucherErrorCode.ALREADY_ASSIGNED
    elif found.held_minor:
        code = VoucherErrorCode.IN_USE
    return VoucherError(code, code.value, "voucher")


async def _write(act: ProgramAct, taken: Taken, organization_id: int, assignee: Assignee) -> None:
    row = {
        "program_id": act.program_id,
        "id": taken.assignment_id,
        "voucher_id": taken.voucher_id,
        "organization_id": organization_id,
        "kind": assignee.kind,
        "learner_id": assignee.learner_id,
        "person_id": assignee.person_id,
        "email": assignee.email,
        "message": assignee.message,
        "state": assignee.state,
        "assigned_at": act.now,
    }
    await act.session.execute(insert(ASSIGNMENT), row)
