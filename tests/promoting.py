"""What tests of promotions share: one that can be used, the people who use it, and what they did."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

from sqlalchemy import insert, select, update

from models.learners import Person
from models.ledger import LedgerEvent
from models.money import Money
from models.promotions import Held, Promotion, PromotionPerson
from models.voucher_programs import VoucherFunding
from resolvers.ledger.posting import Posting, post
from resolvers.loaders.promotions import PromotionRow, promotion_of
from resolvers.programs.acting import ProgramAct
from resolvers.promotions.defining import NewPromotion, create_promotion
from resolvers.promotions.moving import capture, hold, release, restore
from tests.vouchering import Shop

CARD, BY_ORDER, LATER = VoucherFunding.CARD, VoucherFunding.PURCHASE_ORDER, VoucherFunding.BILL_LATER
HALF_OFF_MINOR = 6_250
BUDGET_MINOR = 1_000_000
_numbers = count(1)


@dataclass
class Promoted:
    """A promotion in a shop."""

    shop: Shop
    id: int

    async def row(self) -> PromotionRow:
        async with self.shop.database.reading() as connection:
            return await promotion_of(connection, self.shop.program_id, self.id)

    async def person_uses(self, person_id: int) -> tuple[int, int]:
        """How often a person used it, and holds it."""
        table = PromotionPerson.__table__
        async with self.shop.database.reading() as connection:
            of_them = select(table.c.uses, table.c.held_uses).where(table.c.person_id == person_id)
            row = (await connection.execute(of_them.where(table.c.promotion_id == self.id))).one_or_none()
            return (row.uses, row.held_uses) if row else (0, 0)

    async def hold(self, person_id: int, minor: int = HALF_OFF_MINOR, at: dt.datetime | None = None) -> Held:
        held: Held = await self.shop.act(lambda act: hold(act, self.id, person_id, minor), at=at)
        return held

    async def release(self, person_id: int, minor: int = HALF_OFF_MINOR) -> None:
        await self.shop.act(lambda act: release(act, self.id, person_id, minor))

    async def capture(self, person_id: int, minor: int = HALF_OFF_MINOR, at: dt.datetime | None = None) -> bool:
        captured: bool = await self.shop.act(lambda act: capture(act, self.id, person_id, minor), at=at)
        return captured

    async def restore(self, person_id: int, minor: int, *, whole: bool, at: dt.datetime | None = None) -> int:
        restored: int = await self.shop.act(lambda act: restore(act, self.id, person_id, minor, whole), at=at)
        return restored


async def person(shop: Shop) -> int:
    async def step(session: Any) -> int:
        key = next(_numbers) + 1_000_000
        await session.execute(insert(Person.__table__), {"id": key})
        return key

    made: int = await shop.database.run(step)
    return made


def new_promotion(shop: Shop, **terms: Any) -> NewPromotion:
    """50 % off any fee but the late fee, paid for by card, unless something else is said."""
    shared: dict[str, Any] = {
        "organization_id": shop.tenant.id,
        "name": "Get licensed",
        "code": f"GET-LICENSED-{next(_numbers)}",
        "budget": Money(BUDGET_MINOR, "USD"),
        "funding": CARD,
        "percent_off": Decimal(50),
        "excluded": [shop.late_fee_id],
    }
    return NewPromotion(**{**shared, **terms})


async def defined(shop: Shop, **terms: Any) -> Promoted:
    new = new_promotion(shop, **terms)
    key = f"promotion-{new.code}"
    made = await shop.act(lambda act: create_promotion(act, new, key), by=shop.program_admin)
    return Promoted(shop, made)


async def promoted(shop: Shop, **terms: Any) -> Promoted:
    """One that can be used: its budget is paid for, as an order leaves it."""
    made = await defined(shop, **terms)

    async def fund(act: ProgramAct) -> None:
        own = Promotion.__table__.c
        of_it = update(Promotion).where(own.id == made.id, own.funded_at.is_(None)).values(funded_at=act.now)
        funded = (await act.session.execute(of_it.returning(own.face_value_minor))).scalar_one_or_none()
        if funded is not None:
            paid = Posting(
                event=LedgerEvent.PURCHASE_PAID,
                amount=Money(funded, "USD"),
                organization_id=shop.tenant.id,
                promotion_id=made.id,
            )
            await post(act, paid)

    await shop.act(fund)
    return made
