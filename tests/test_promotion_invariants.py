"""What must hold of promotions does; where it is broken behind the back of the database, the invariant sees it."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from models.carts import AppliedBy, Cart, CartAllocation, CartLine, CartState, CartVoucher
from models.ledger import LedgerEvent
from models.money import Money
from models.promotions import Held
from models.redemptions import FeeChannel, FeeOrder, FeeOrderLine, Redemption
from resolvers.ledger.posting import Posting, post
from resolvers.programs.acting import ProgramAct
from resolvers.promotions.expiring import expire_promotions
from server.database import Database
from tests.builders import NOON
from tests.promoting import CARD, HALF_OFF_MINOR, Promoted, defined, person
from tests.test_invariants import offended
from tests.test_promotion_orders import bought
from tests.test_voucher_orders import charged
from tests.vouchering import FEE_MINOR, Shop, shop


async def paid_half(made: Promoted, person_id: int) -> None:
    """As a checkout leaves it at the counter: the promotion paid half of a fee, a card the rest."""
    market = made.shop
    assert await made.hold(person_id) is Held.HELD
    assert await made.capture(person_id)

    async def write(act: ProgramAct) -> None:
        fee_id, redemption_id, rest = act.keys.take(), act.keys.take(), FEE_MINOR - HALF_OFF_MINOR
        own = {"program_id": act.program_id, "currency": "USD"}
        parts = {"total_minor": FEE_MINOR, "by_vouchers_minor": HALF_OFF_MINOR, "by_card_minor": rest}
        fee = own | parts | {"id": fee_id, "channel": FeeChannel.COUNTER, "person_id": person_id, "reference": "R"}
        await act.session.execute(insert(FeeOrder.__table__), {**fee, "completed_at": act.now})
        line = {"program_id": act.program_id, "fee_order_id": fee_id, "number": 1, "product_id": market.fee_id}
        await act.session.execute(
            insert(FeeOrderLine.__table__), {**line, "quantity": 1, "unit_price_minor": FEE_MINOR}
        )
        redeemed = {"id": redemption_id, "fee_order_id": fee_id, "line_number": 1, "promotion_id": made.id}
        taken = {"organization_id": market.tenant.id, "amount_minor": HALF_OFF_MINOR, "redeemed_at": act.now}
        await act.session.execute(insert(Redemption.__table__), {**own, **redeemed, **taken})
        whose = Posting(
            event=LedgerEvent.VOUCHER_REDEEMED,
            amount=Money(HALF_OFF_MINOR, "USD"),
            organization_id=market.tenant.id,
            promotion_id=made.id,
            redemption_id=redemption_id,
        )
        card = Posting(event=LedgerEvent.CARD_CHARGED, amount=Money(rest, "USD"), fee_order_id=fee_id)
        await post(act, whose, card)

    await market.act(write)


async def on_a_cart(made: Promoted, person_id: int) -> None:
    assert await made.hold(person_id) is Held.HELD

    async def write(act: ProgramAct) -> None:
        cart_id = act.keys.take()
        cart = {"program_id": act.program_id, "id": cart_id, "person_id": person_id, "currency": "USD", "version": 2}
        sums = {"gateway": "test", "state": CartState.OPEN, "total_minor": FEE_MINOR}
        since = {"by_vouchers_minor": HALF_OFF_MINOR, "opened_at": act.now, "changed_at": act.now}
        await act.session.execute(insert(Cart.__table__), {**cart, **sums, **since})
        held = {"program_id": act.program_id, "id": act.keys.take(), "cart_id": cart_id, "promotion_id": made.id}
        how = {"applied_by": AppliedBy.CODE, "held_minor": HALF_OFF_MINOR, "held_until": act.now, "applied_at": act.now}
        await act.session.execute(insert(CartVoucher.__table__), {**held, **how})
        line = {"program_id": act.program_id, "cart_id": cart_id, "number": 1, "product_id": made.shop.fee_id}
        await act.session.execute(insert(CartLine.__table__), {**line, "quantity": 1, "unit_price_minor": FEE_MINOR})
        part = {"program_id": act.program_id, "cart_voucher_id": held["id"], "line_number": 1}
        await act.session.execute(insert(CartAllocation.__table__), {**part, "amount_minor": HALF_OFF_MINOR})

    await made.shop.act(write)


async def in_use(database: Database) -> Shop:
    """One of which a use paid and another is held, and one that has ended."""
    market = await shop(database)
    made = await defined(market, most_uses=2, most_uses_a_person=2)
    await charged(market, await bought(made, CARD))
    ana = await person(market)
    await paid_half(made, ana)
    await on_a_cart(made, ana)
    over = await defined(market, usable_through=NOON.date())
    await charged(market, await bought(over, CARD))
    until = (await over.row()).usable_until
    assert await expire_promotions(database.reading, database.run, market.program_admin, until) == 1
    return market


HARM = {
    "promotion-uses": "UPDATE redemption SET reversed_minor = amount_minor",
    "promotion-person-uses": "UPDATE promotion_person SET uses = uses + 1",
    "promotion-limits": "UPDATE promotion SET most_uses_a_person = 1",
    "promotion-people": "UPDATE promotion SET held_uses = held_uses + 1",
    "promotion-held": "UPDATE cart_voucher SET held_minor = held_minor - 1",
    "promotion-remaining": "UPDATE promotion SET remaining_minor = remaining_minor - 1",
    "promotion-captured": "UPDATE redemption SET amount_minor = amount_minor + 1",
    "promotion-expired": "UPDATE promotion SET expired_minor = expired_minor - 1",
    "promotion-funded": "UPDATE voucher_order SET unit_price_minor = unit_price_minor - 1",
    "promoted-for": "UPDATE promotion_product SET product_id = 1",
    "voucher-liability": "UPDATE promotion SET funded_at = NULL",
}


@pytest.mark.parametrize("name", HARM)
async def test_what_does_not_hold_of_a_promotion_is_noticed(sqlite_database: Database, name: str) -> None:
    await in_use(sqlite_database)
    assert await offended(sqlite_database) == set()

    async def harm(session: AsyncSession) -> None:
        triggers = await session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        for trigger in triggers.scalars().all():
            await session.execute(text(f"DROP TRIGGER {trigger}"))
        await session.execute(text("PRAGMA ignore_check_constraints = ON"))
        await session.execute(text(HARM[name]))
        await session.execute(text("PRAGMA ignore_check_constraints = OFF"))

    await sqlite_database.run(harm)
    assert name in await offended(sqlite_database)


async def test_all_of_it_holds_on_both_databases(database: Database) -> None:
    await in_use(database)
    assert await offended(database) == set()
