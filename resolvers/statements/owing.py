"""What is redeemed under an agreement is owed from then on, in a month that is not closed yet."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from sqlalchemy import and_, select, update

from models.errors import VoucherError, VoucherErrorCode
from models.money import Money
from models.voucher_orders import OUTSTANDING, BillingAgreement
from resolvers.programs.acting import ProgramAct

AGREEMENT = BillingAgreement.__table__


class OnAccount(NamedTuple):
    """Under which agreement it is billed, and at which moment it counts: never in a month that is closed."""

    agreement_id: int
    counts_at: dt.datetime


async def owe(act: ProgramAct, organization_id: int, amount: Money) -> OnAccount:
    """The organization owes so much more, and never more than its cap: one statement looks and adds."""
    in_force = and_(
        AGREEMENT.c.program_id == act.program_id,
        AGREEMENT.c.organization_id == organization_id,
        AGREEMENT.c.currency == amount.currency,
        AGREEMENT.c.ended_at.is_(None),
    )
    added = await act.session.execute(
        update(AGREEMENT)
        .where(in_force, OUTSTANDING + amount.amount_minor <= AGREEMENT.c.cap_minor)
        .values(unbilled_minor=AGREEMENT.c.unbilled_minor + amount.amount_minor)
        .returning(AGREEMENT.c.id, AGREEMENT.c.closed_until)
    )
    account = added.one_or_none()
    if account is None:
        row = (await act.session.execute(select(OUTSTANDING, AGREEMENT.c.cap_minor).where(in_force))).one_or_none()
        raise _over_cap(amount, *map(int, row)) if row else _no_agreement()
    return OnAccount(account.id, max(act.now, account.closed_until))


async def owe_held(act: ProgramAct, agreement_id: int, amount_minor: int) -> OnAccount:
    """What a cart held is owed now, also under an agreement that has ended since it was held."""
    owed = await act.session.execute(
        update(AGREEMENT)
        .where(AGREEMENT.c.program_id == act.program_id, AGREEMENT.c.id == agreement_id)
        .where(AGREEMENT.c.held_minor >= amount_minor)
        .values(held_minor=AGREEMENT.c.held_minor - amount_minor)
        .values(unbilled_minor=AGREEMENT.c.unbilled_minor + amount_minor)
        .returning(AGREEMENT.c.closed_until)
    )
    return OnAccount(agreement_id, max(act.now, owed.scalar_one()))


async def owe_less(act: ProgramAct, agreement_id: int, amount_minor: int) -> dt.datetime:
    """A reversal is credited: at which moment that counts. On what is billed already it may come to less than nothing,
    which the next statement brings forward."""
    credited = await act.session.execute(
        update(AGREEMENT)
        .where(AGREEMENT.c.program_id == act.program_id, AGREEMENT.c.id == agreement_id)
        .values(unbilled_minor=AGREEMENT.c.unbilled_minor - amount_minor)
        .returning(AGREEMENT.c.closed_until)
    )
    closed_until: dt.datetime = credited.scalar_one()
    return max(act.now, closed_until)


def _over_cap(amount: Money, owed_minor: int, cap_minor: int) -> VoucherError:
    owed, cap = Money(owed_minor, amount.currency), Money(cap_minor, amount.currency)
    said = f"{owed} of a cap of {cap} is unbilled, unpaid or held, so {amount} more is too much. Nothing was redeemed."
    return VoucherError(VoucherErrorCode.OVER_CAP, said, "by")


def _no_agreement() -> VoucherError:
    code = VoucherErrorCode.NO_AGREEMENT
    return VoucherError(code, code.value, "by")
