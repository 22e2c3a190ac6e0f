"""Assigning a voucher to a learner of the organization that owns it, or to somebody it is responsible for: from then on
nobody else can use it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exists, select

from models.errors import VoucherError, VoucherErrorCode
from models.learners import Learner
from models.program_events import ProgramDeed, ProgramThing
from models.vouchers import AssigneeKind
from resolvers.loaders.learners import LearnerKey
from resolvers.loaders.responsibility import PartyKey
from resolvers.programs.acting import ProgramAct, Told, once_in_program, tell
from resolvers.responsibility import must_be_responsible
from resolvers.vouchers.finding import must_own, purpose_of
from resolvers.vouchers.taking import Assignee, Choice, take

LEARNER = Learner.__table__
DEED = "assign its vouchers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigning:
    """A voucher, or any from the organization's stock of a voucher program, and to whom: of each one of the two."""

    learner: LearnerKey | None = None
    # Somebody for whom the organization is responsible.
    party: PartyKey | None = None
    voucher_id: int | None = None
    voucher_program_id: int | None = None
    # What it is meant for; None keeps what was said before.
    purpose: str | None = None

    @property
    def to(self) -> LearnerKey | PartyKey:
        to = self.learner or self.party
        if to is None:
            raise ValueError("nobody to assign to was given")
        return to


async def assign_once(act: ProgramAct, key: str, asked: Assigning) -> int:
    """The voucher that was assigned, also to whoever asks the same again."""
    await _refuse_stranger(act, asked)
    return await once_in_program(act, key, "voucherAssign", asked, lambda: assign(act, asked))


async def assign(act: ProgramAct, asked: Assigning) -> int:
    """The voucher that was assigned."""
    await _refuse_stranger(act, asked)
    purpose = purpose_of(asked.purpose)
    assignee = await _entitled(act, asked.to)
    chosen = Choice(asked.to.organization_id, asked.voucher_id, asked.voucher_program_id)
    voucher_id, _ = await take(act, chosen, assignee, purpose)
    # Who it is, is personal data: the event does not name them, the assignment does.
    await tell(act, Told(thing=ProgramThing.VOUCHER, thing_id=voucher_id, deed=ProgramDeed.ASSIGNED, said=purpose))
    return voucher_id


async def _refuse_stranger(act: ProgramAct, asked: Assigning) -> None:
    if asked.voucher_id is None:
        what = _what(asked.to)
        act.principal.must_see_in(act.program_id, asked.to.organization_id, what, "to", what)
        act.principal.must_own(asked.to.organization_id, DEED)
        return
    found = await must_own(act, asked.voucher_id, DEED)
    if found.organization_id != asked.to.organization_id:
        raise _not_entitled()


def _what(to: LearnerKey | PartyKey) -> str:
    return "learner" if isinstance(to, LearnerKey) else "person"


async def _entitled(act: ProgramAct, to: LearnerKey | PartyKey) -> Assignee:
    """Whom the organization may pay for now."""
    if isinstance(to, LearnerKey):
        await _refuse_foreign_learner(act, to)
        return Assignee(kind=AssigneeKind.LEARNER, learner_id=to.learner_id)
    await must_be_responsible(act.session, to, act.now, "to", "person")
    return Assignee(kind=AssigneeKind.PERSON, person_id=to.person_id)


async def _refuse_foreign_learner(act: ProgramAct, learner: LearnerKey) -> None:
    known = exists().where(LEARNER.c.organization_id == learner.organization_id, LEARNER.c.id == learner.learner_id)
    if not (await act.session.execute(select(known))).scalar_one():
        raise _not_entitled()


def _not_entitled() -> VoucherError:
    return VoucherError(VoucherErrorCode.NOT_ENTITLED, VoucherErrorCode.NOT_ENTITLED.value, "to", "learner")
