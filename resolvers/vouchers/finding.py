"""Finding one voucher, by its id or by what somebody typed, with its terms and its assignment, in one statement."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, exists, or_, select

from models.batches import as_parameter, asked
from models.codes import normalized
from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.learners import Learner
from models.money import Money
from models.voucher_programs import Leftovers, Transferability, VoucherFunding, VoucherProgram
from models.vouchers import AssignmentState, VoucherStanding
from resolvers.loaders.learners import LearnerKey
from resolvers.prepared import prepared
from resolvers.programs.acting import ProgramAct
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.moving import ASSIGNMENT, CODE, VOUCHER, of_program

PROGRAM, LEARNER = VoucherProgram.__table__, Learner.__table__
LONGEST_PURPOSE = 200
LONGEST_REFERENCE = 100


def assigned_to_person(person_id: int | BindParameter[int]) -> ColumnElement[bool]:
    """Of a voucher joined with the assignment in force: whether it is this person's to use, as whatever they are named
    in it. Who is only invited, or awaits approval, has nothing of it yet."""
    learner = exists().where(
        LEARNER.c.organization_id == ASSIGNMENT.c.organization_id,
        LEARNER.c.id == ASSIGNMENT.c.learner_id,
        LEARNER.c.person_id == person_id,
    )
    return and_(
        ASSIGNMENT.c.program_id == VOUCHER.c.program_id,
        ASSIGNMENT.c.id == VOUCHER.c.assignment_id,
        ASSIGNMENT.c.state == AssignmentState.ACTIVE,
        or_(ASSIGNMENT.c.person_id == person_id, learner),
    )


async def is_assigned_to_person(act: ProgramAct, voucher_id: int, person_id: int) -> bool:
    theirs = exists().where(of_program(act), VOUCHER.c.id == voucher_id, assigned_to_person(person_id))
    return bool((await act.session.execute(select(theirs))).scalar_one())


class FoundVoucher(NamedTuple):
    """As it is in this transaction."""

    voucher_id: int
    organization_id: int
    voucher_program_id: int
    voucher_order_id: int
    funding: VoucherFunding
    standing: VoucherStanding
    remaining_minor: int
    held_minor: int
    currency: str
    last_four: str
    expires_at: dt.datetime
    leftovers: Leftovers
    transferability: Transferability
    assignment_id: int | None
    assignment_state: AssignmentState | None
    learner_id: int | None

    @property
    def free(self) -> Money:
        """What nobody holds."""
        return Money(self.remaining_minor - self.held_minor, self.currency)

    @property
    def billed_later(self) -> bool:
        return self.funding is VoucherFunding.BILL_LATER

    def is_usable(self, now: dt.datetime) -> bool:
        return self.standing is VoucherStanding.LIVE and self.expires_at > now

    def is_for(self, learner: LearnerKey | None) -> bool:
        """Whether whoever has it may use it. Once assigned it is for nobody but its assignee."""
        if self.assignment_id is None:
            return self.transferability is Transferability.BEARER
        theirs = learner is not None and (self.organization_id, self.learner_id) == learner
        return theirs and self.assignment_state is AssignmentState.ACTIVE


async def find(act: ProgramAct, voucher_id: int) -> FoundVoucher | None:
    return await _one(act, _found().where(of_program(act), VOUCHER.c.id == voucher_id))


async def find_by_code(act: ProgramAct, keys: CodeKeys, typed: str) -> FoundVoucher | None:
    """Whose live code somebody meant. What is no code at all is looked for in the same statement, and not found."""
    row = await _by_code.first(act.session, typed_in(act, keys, typed))
    return None if row is None else FoundVoucher(*row)


@prepared
def _by_code() -> Select[Any]:
    return _found().where(is_opened())


def typed_in(act: ProgramAct, keys: CodeKeys, typed: str) -> dict[str, object]:
    """What a statement asks for that has `is_opened` in it."""
    digests = keys.digests(act.program_id, normalized(typed) or "")
    return {"program": act.program_id, "digests": as_parameter((digest,) for digest in digests)}


def is_opened() -> ColumnElement[bool]:
    """Of a voucher: whether its live code is what was typed."""
    program_id: BindParameter[int] = bindparam("program")
    digests = select(asked("digests", "digest", texts=("digest",)).c.digest)
    live = select(CODE.c.voucher_id).where(CODE.c.program_id == program_id, CODE.c.digest.in_(digests))
    return and_(VOUCHER.c.program_id == program_id, VOUCHER.c.id.in_(live.where(CODE.c.ended_at.is_(None))))


async def must_find(act: ProgramAct, voucher_id: int, *field: str) -> FoundVoucher:
    found = await find(act, voucher_id)
    if found is None:
        raise NotFound("voucher", *(field or ("voucher",)))
    return found


async def must_own(act: ProgramAct, voucher_id: int, deed: str) -> FoundVoucher:
    """The voucher, for whoever acts for its organization. Nobody else learns that there is one, but its program."""
    found = await must_find(act, voucher_id)
    act.principal.must_see_in(act.program_id, found.organization_id, "voucher", "voucher")
    act.principal.must_own(found.organization_id, deed)
    return found


def refuse_dead(act: ProgramAct, found: FoundVoucher, *field: str) -> None:
    if not found.is_usable(act.now):
        raise VoucherError(VoucherErrorCode.NOT_LIVE, VoucherErrorCode.NOT_LIVE.value, *(field or ("voucher",)))


def reason_of(text: str) -> str:
    if not text.strip():
        raise VoucherError(VoucherErrorCode.REASON_REQUIRED, VoucherErrorCode.REASON_REQUIRED.value, "reason")
    return text.strip()


def must_be_reference(text: str, *field: str) -> str:
    """By which something is found in somebody's records."""
    reference = text.strip()
    if not 1 <= len(reference) <= LONGEST_REFERENCE or not reference.isprintable():
        raise VoucherError(VoucherErrorCode.REFERENCE_REQUIRED, VoucherErrorCode.REFERENCE_REQUIRED.value, *field)
    return reference


def purpose_of(text: str | None) -> str | None:
    """None if none is given, which keeps what the voucher is meant for already."""
    if text is None:
        return None
    purpose = text.strip()
    if not 1 <= len(purpose) <= LONGEST_PURPOSE or not purpose.isprintable():
        raise VoucherError(VoucherErrorCode.BAD_PURPOSE, VoucherErrorCode.BAD_PURPOSE.value, "purpose")
    return purpose


def _found() -> Select[Any]:
    """Columns in the order of FoundVoucher."""
    own = [VOUCHER.c[name] for name in FoundVoucher._fields[1:11]]
    terms = [PROGRAM.c.leftovers, PROGRAM.c.transferability]
    given = [VOUCHER.c.assignment_id, ASSIGNMENT.c.state, ASSIGNMENT.c.learner_id]
    sold_as = and_(PROGRAM.c.program_id == VOUCHER.c.program_id, PROGRAM.c.id == VOUCHER.c.voucher_program_id)
    assigned = and_(ASSIGNMENT.c.program_id == VOUCHER.c.program_id, ASSIGNMENT.c.id == VOUCHER.c.assignment_id)
    joined = VOUCHER.join(PROGRAM, sold_as).outerjoin(ASSIGNMENT, assigned)
    return select(VOUCHER.c.id, *own, *terms, *given).select_from(joined)


async def _one(act: ProgramAct, statement: Select[Any]) -> FoundVoucher | None:
    row = (await act.session.execute(statement)).one_or_none()
    return row and FoundVoucher(*row)
