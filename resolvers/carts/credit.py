"""Vouchers that are billed later are held on their organization's agreement too, and never above its cap."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import and_, select, update

from models.voucher_orders import OUTSTANDING, BillingAgreement
from resolvers.programs.acting import ProgramAct

AGREEMENT = BillingAgreement.__table__


@dataclass(frozen=True, slots=True)
class Agreed:
    """What an organization may still owe."""

    agreement_id: int
    room_minor: int


async def agreements_in_force(act: ProgramAct, organization_ids: Collection[int], currency: str) -> dict[int, Agreed]:
    """Of each organization that has one."""
    if not organization_ids:
        return {}
    in_force = and_(
        AGREEMENT.c.program_id == act.program_id,
        AGREEMENT.c.organization_id.in_(sorted(organization_ids)),
        AGREEMENT.c.currency == currency,
        AGREEMENT.c.ended_at.is_(None),
    )
    rows = await act.session.execute(
        select(AGREEMENT.c.organization_id, AGREEMENT.c.id, (AGREEMENT.c.cap_minor - OUTSTANDING).label("room")).where(
            in_force
        )
    )
    return {row.organization_id: Agreed(row.id, max(0, row.room)) for row in rows}


async def hold_credit(act: ProgramAct, agreement_id: int, amount_minor: int) -> bool:
    """Whether so much more stays below the cap: one statement looks and adds."""
    held = await act.session.execute(
        update(AGREEMENT)
        .where(AGREEMENT.c.program_id == act.program_id, AGREEMENT.c.id == agreement_id)
        .where(AGREEMENT.c.ended_at.is_(None), OUTSTANDING + amount_minor <= AGREEMENT.c.cap_minor)
        .values(held_minor=AGREEMENT.c.held_minor + amount_minor)
        .returning(AGREEMENT.c.id)
    )
    return held.scalar_one_or_none() is not None


async def release_credit(act: ProgramAct, agreement_id: int, amount_minor: int) -> None:
    """Also of an agreement that has ended meanwhile."""
    released = await act.session.execute(
        update(AGREEMENT)
        .where(AGREEMENT.c.program_id == act.program_id, AGREEMENT.c.id == agreement_id)
        .where(AGREEMENT.c.held_minor >= amount_minor)
        .values(held_minor=AGREEMENT.c.held_minor - amount_minor)
        .returning(AGREEMENT.c.id)
    )
    released.scalar_one()
