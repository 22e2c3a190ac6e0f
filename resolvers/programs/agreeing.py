"""A program agrees to bill an organization later, up to a cap; and what it agreed is changed and ended."""

from __future__ import annotations

from functools import partial

from sqlalchemy import select, update

from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.money import Money
from models.organizations import Organization
from models.program_events import ProgramDeed, ProgramThing
from models.voucher_orders import OUTSTANDING, BillingAgreement
from resolvers.loaders.agreements import AgreementRow, agreement_of
from resolvers.programs.acting import ProgramAct, Told, add_unique, once_in_program, tell

TABLE = BillingAgreement.__table__
DEED = "agree on billing later"


async def set_cap(act: ProgramAct, organization_id: int, cap: Money, idempotency_key: str) -> int:
    """What is in force from now on: an agreement with this cap, whether there was one before or not."""
    act.principal.must_run(act.program_id, DEED)
    step = partial(_set_cap, act, organization_id, cap)
    return await once_in_program(act, idempotency_key, "billingAgreementSet", (organization_id, cap), step)


async def _set_cap(act: ProgramAct, organization_id: int, cap: Money) -> int:
    current = await _current(act, organization_id, cap.currency)
    if current is None:
        return await _agree(act, organization_id, cap)
    await _resume(act, current)
    return await change_cap(act, current, cap)


async def _agree(act: ProgramAct, organization_id: int, cap: Money) -> int:
    _must_be_cap(cap)
    if await act.session.scalar(select(Organization.id).where(Organization.id == organization_id)) is None:
        raise NotFound("organization", "organization")
    agreement_id = act.keys.take()
    own = {"program_id": act.program_id, "id": agreement_id, "organization_id": organization_id}
    terms = {"currency": cap.currency, "cap_minor": cap.amount_minor, "agreed_at": act.now}
    nothing_yet = {"unbilled_minor": 0, "unpaid_minor": 0, "held_minor": 0, "closed_until": act.now}
    await add_unique(act.session, TABLE, own | terms | nothing_yet)
    await _tell(act, agreement_id, ProgramDeed.AGREED, after=f"up to {cap}")
    return agreement_id


async def _resume(act: ProgramAct, agreement_id: int) -> None:
    """What was ended is in force again; what is still owed is owed as before."""
    resumed = (
        update(TABLE)
        .where(TABLE.c.program_id == act.program_id, TABLE.c.id == agreement_id, TABLE.c.ended_at.is_not(None))
        .values(ended_at=None)
        .returning(TABLE.c.id)
    )
    if (await act.session.execute(resumed)).one_or_none():
        await _tell(act, agreement_id, ProgramDeed.AGREED, after="in force again")


async def change_cap(act: ProgramAct, agreement_id: int, cap: Money) -> int:
    """Never below what the organization owes or holds already: the statement that changes it sees to that."""
    act.principal.must_run(act.program_id, DEED)
    _must_be_cap(cap)
    before = await agreement_of(act.session, act.program_id, agreement_id, "agreement")
    changed = (
        update(TABLE)
        .where(TABLE.c.program_id == act.program_id, TABLE.c.id == agreement_id, TABLE.c.ended_at.is_(None))
        .where(TABLE.c.currency == cap.currency, cap.amount_minor >= OUTSTANDING)
        .values(cap_minor=cap.amount_minor)
        .returning(TABLE.c.id)
    )
    if (await act.session.execute(changed)).one_or_none() is None:
        raise await _why_not(act, agreement_id, cap)
    if before.cap_minor != cap.amount_minor:
        was = Money(before.cap_minor, before.currency)
        await _tell(act, agreement_id, ProgramDeed.CAP_CHANGED, before=f"up to {was}", after=f"up to {cap}")
    return agreement_id


async def must_be_agreed(act: ProgramAct, organization_id: int, currency: str, *field: str) -> None:
    """Before anything is used that the organization is billed for later."""
    in_force = (TABLE.c.program_id == act.program_id) & (TABLE.c.organization_id == organization_id)
    agreed = select(TABLE.c.id).where(in_force, TABLE.c.currency == currency, TABLE.c.ended_at.is_(None))
    if (await act.session.execute(agreed)).scalar_one_or_none() is None:
        raise VoucherError(VoucherErrorCode.NO_AGREEMENT, VoucherErrorCode.NO_AGREEMENT.value, *field)


async def end_agreement(act: ProgramAct, agreement_id: int) -> int:
    """Nothing more is billed later; what is owed stays owed. Once it is ended nothing changes."""
    act.principal.must_run(act.program_id, DEED)
    await agreement_of(act.session, act.program_id, agreement_id, "agreement")
    ended = (
        update(TABLE)
        .where(TABLE.c.program_id == act.program_id, TABLE.c.id == agreement_id, TABLE.c.ended_at.is_(None))
        .values(ended_at=act.now)
        .returning(TABLE.c.id)
    )
    if (await act.session.execute(ended)).one_or_none():
        await _tell(act, agreement_id, ProgramDeed.AGREEMENT_ENDED)
    return agreement_id


async def _current(act: ProgramAct, organization_id: int, currency: str) -> int | None:
    """The agreement in that currency, in force or not."""
    whose = (TABLE.c.program_id == act.program_id) & (TABLE.c.organization_id == organization_id)
    current = select(TABLE.c.id).where(whose, TABLE.c.currency == currency)
    found: int | None = (await act.session.execute(current)).scalar_one_or_none()
    return found


async def _why_not(act: ProgramAct, agreement_id: int, cap: Money) -> VoucherError:
    row = await agreement_of(act.session, act.program_id, agreement_id, "agreement")
    if row.ended_at is not None:
        return VoucherError(VoucherErrorCode.STOPPED, "The agreement has ended. Agree anew.", "agreement")
    if row.currency != cap.currency:
        said = f"The agreement is in {row.currency}, and currencies never mix."
        return VoucherError(VoucherErrorCode.BAD_TERMS, said, "cap")
    return VoucherError(VoucherErrorCode.OVER_CAP, _figures(row, cap), "cap")


def _figures(row: AgreementRow, cap: Money) -> str:
    unbilled, unpaid, held, all_of_it = (
        Money(minor, row.currency)
        for minor in (row.unbilled_minor, row.unpaid_minor, row.held_minor, row.outstanding_minor)
    )
    parts = f"unbilled {unbilled}, unpaid {unpaid}, held {held}"
    return f"A cap of {cap} is less than the {all_of_it} that it must cover: {parts}."


def _must_be_cap(cap: Money) -> None:
    if cap.amount_minor <= 0:
        raise VoucherError(VoucherErrorCode.BAD_AMOUNT, f"A cap is above zero, not {cap}. Or end the agreement.", "cap")


async def _tell(
    act: ProgramAct, agreement_id: int, deed: ProgramDeed, before: str | None = None, after: str | None = None
) -> None:
    told = Told(thing=ProgramThing.AGREEMENT, thing_id=agreement_id, deed=deed, before=before, after=after)
    await tell(act, told)
