"""Promotions: one code for a crowd, within its limits and its budget."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from models.errors import DomainError, NotAllowed, NotFound, VoucherErrorCode
from models.interval import FOREVER
from models.ledger import LedgerAccount, LedgerEntry
from models.money import Money
from models.program_events import ProgramDeed, ProgramEvent
from models.promotions import Held, PromotionState
from resolvers.promotions.defining import create_promotion
from resolvers.promotions.expiring import expire_promotions
from resolvers.promotions.finding import find_standing_by_code, not_held
from resolvers.promotions.moving import NotHeld
from resolvers.promotions.stopping import extend_promotion, stop_promotion
from server.database import Database
from tests.builders import NOON
from tests.promoting import BUDGET_MINOR, HALF_OFF_MINOR, LATER, defined, new_promotion, person, promoted
from tests.vouchering import Shop, shop

DAY = dt.timedelta(days=1)


async def refused(shop: Shop, **terms: object) -> VoucherErrorCode:
    with pytest.raises(DomainError) as refusal:
        await defined(shop, **terms)
    assert isinstance(refusal.value.code, VoucherErrorCode)
    return refusal.value.code


async def told(market: Shop, deed: ProgramDeed) -> int:
    async with market.database.reading() as connection:
        return await connection.scalar(select(func.count()).where(ProgramEvent.deed == deed)) or 0


async def breakage(market: Shop) -> int:
    async with market.database.reading() as connection:
        gone = select(func.sum(LedgerEntry.amount_minor)).where(LedgerEntry.credit == LedgerAccount.BREAKAGE)
        return int(await connection.scalar(gone) or 0)


async def kept(market: Shop, at: dt.datetime) -> int:
    database = market.database
    return await expire_promotions(database.reading, database.run, market.program_admin, at)


# ------------------------------------------------------------------------------------------------ defining


async def test_a_promotion_is_defined_once_by_the_program_with_local_days_and_a_code_in_capitals(
    database: Database,
) -> None:
    market = await shop(database)
    first, last = dt.date(2026, 3, 1), dt.date(2026, 3, 8)
    terms = {"code": " get-licensed-2019 ", "usable_from": first, "usable_through": last}
    made = await defined(market, **terms)
    assert (await defined(market, **terms)).id == made.id, "the same key and input again"
    row = await made.row()
    assert (row.code, row.basis_points_off, row.budget) == ("GET-LICENSED-2019", 5_000, Money(BUDGET_MINOR, "USD"))
    # Chicago turns its clocks on the eighth: that day has 23 hours.
    assert row.usable_from == dt.datetime(2026, 3, 1, 6, tzinfo=dt.UTC)
    assert row.usable_until == dt.datetime(2026, 3, 9, 5, tzinfo=dt.UTC)
    assert row.state(NOON) is PromotionState.AWAITING_FUNDING
    assert row.state(row.usable_until) is PromotionState.ENDED
    with pytest.raises(DomainError):
        await market.act(
            lambda act: create_promotion(act, new_promotion(market, code="Get-Licensed-2019"), "another"),
            by=market.program_admin,
        )


async def test_what_makes_no_promotion_is_refused(database: Database) -> None:
    market = await shop(database)
    euros, nothing, some = Money(1_000, "EUR"), Money(0, "USD"), Money(1_000, "USD")
    for terms in (
        {"percent_off": None},
        {"amount_off": some},
        {"percent_off": Decimal("0.001")},
        {"percent_off": Decimal("100.01")},
        {"percent_off": None, "amount_off": euros},
        {"most_off": nothing},
        {"budget": nothing},
        {"most_uses": 0},
        {"most_uses_a_person": 0},
        {"included": [market.late_fee_id]},
        {"budget": euros},
    ):
        assert await refused(market, **terms) is VoucherErrorCode.BAD_TERMS, terms
    assert await refused(market, code="A B") is VoucherErrorCode.BAD_CODE
    assert await refused(market, code="äöü") is VoucherErrorCode.BAD_CODE
    yesterday = NOON.date() - DAY
    assert await refused(market, usable_through=yesterday) is VoucherErrorCode.DATE_OUT_OF_RANGE
    assert await refused(market, funding=LATER) is VoucherErrorCode.NO_AGREEMENT
    with pytest.raises(NotFound):
        await defined(market, organization_id=12345)
    with pytest.raises(NotAllowed):
        await market.act(lambda act: create_promotion(act, new_promotion(market), "key"), by=market.client)


async def test_a_promotion_is_found_by_its_code_however_it_is_typed_and_only_in_its_program(database: Database) -> None:
    market, other = await shop(database), await shop(database)
    made = await promoted(market, code="FIRST-10", most_uses=10)
    found = await market.act(lambda act: find_standing_by_code(act, " first-10 "))
    assert found == (made.id, Held.HELD)
    assert await market.act(lambda act: find_standing_by_code(act, "FIRST-11")) is None
    assert await other.act(lambda act: find_standing_by_code(act, "FIRST-10")) is None


# -------------------------------------------------------------------------------------- holding and capturing


async def test_a_use_is_held_released_captured_and_given_back(database: Database) -> None:
    made = await promoted(await shop(database))
    ana = await person(made.shop)
    assert await made.hold(ana) is Held.HELD
    row = await made.row()
    assert (row.held_uses, row.held_minor, row.free_minor) == (1, HALF_OFF_MINOR, BUDGET_MINOR - HALF_OFF_MINOR)
    await made.release(ana)
    assert not await made.capture(ana), "nothing is held"
    with pytest.raises(NotHeld):
        await made.release(ana)
    assert await made.hold(ana) is Held.HELD
    assert await made.capture(ana)
    row = await made.row()
    assert (row.uses, row.held_uses, row.held_minor, row.captured_minor) == (1, 0, 0, HALF_OFF_MINOR)
    assert row.remaining_minor == BUDGET_MINOR - HALF_OFF_MINOR
    assert await made.restore(ana, 1_250, whole=False) == 1_250
    assert ((await made.row()).uses, await made.person_uses(ana)) == (1, (1, 0))
    assert await made.restore(ana, 5_000, whole=True) == 5_000
    row = await made.row()
    assert (row.uses, row.remaining_minor, await made.person_uses(ana)) == (0, BUDGET_MINOR, (0, 0))
    with pytest.raises(NotHeld):
        await made.restore(ana, 1, whole=False)


async def test_full_by_holds_alone_is_another_answer_than_full(database: Database) -> None:
    made = await promoted(await shop(database), most_uses=1)
    ana, ben = await person(made.shop), await person(made.shop)
    assert await made.hold(ana) is Held.HELD
    assert await made.hold(ben) is Held.FULL_BY_HOLDS
    assert await made.person_uses(ben) == (0, 0), "what was not held leaves nothing"
    await made.capture(ana)
    assert await made.hold(ben) is Held.FULL
    assert (await made.row()).state(NOON) is PromotionState.FULL
    codes = [not_held(held).code.name for held in (Held.FULL, Held.FULL_BY_HOLDS, Held.PERSON_LIMIT, Held.NOT_USABLE)]
    assert codes == ["PROMOTION_FULL", "PROMOTION_BUSY", "PROMOTION_LIMIT_PER_PERSON", "CODE_NOT_USABLE"]


async def test_a_budget_is_full_by_holds_and_then_full(database: Database) -> None:
    made = await promoted(await shop(database), budget=Money(10_000, "USD"))
    ana, ben = await person(made.shop), await person(made.shop)
    assert await made.hold(ana, 10_000) is Held.HELD
    assert await made.hold(ben, 1) is Held.FULL_BY_HOLDS
    assert await made.hold(ben, 0) is Held.FULL_BY_HOLDS, "of nothing left nothing can be taken off"
    await made.capture(ana, 10_000)
    assert await made.hold(ben, 0) is Held.FULL


async def test_holds_count_towards_the_limit_of_a_person_on_whatever_cart(database: Database) -> None:
    made = await promoted(await shop(database), most_uses_a_person=2)
    ana, ben = await person(made.shop), await person(made.shop)
    assert await made.hold(ana) is Held.HELD
    await made.capture(ana)
    assert await made.hold(ana) is Held.HELD
    assert await made.hold(ana) is Held.PERSON_LIMIT
    assert await made.hold(ben) is Held.HELD
    assert ((await made.row()).held_uses, await made.person_uses(ana)) == (2, (1, 1))


async def test_only_within_its_days_and_while_it_is_funded_and_not_stopped_can_it_be_held(database: Database) -> None:
    market = await shop(database)
    ana = await person(market)
    unpaid = await defined(market)
    assert await unpaid.hold(ana) is Held.NOT_USABLE
    soon = NOON.date() + DAY
    made = await promoted(market, usable_from=soon, usable_through=soon)
    row = await made.row()
    assert row.state(NOON) is PromotionState.SCHEDULED
    first, last = row.usable_from, row.usable_until - dt.timedelta(microseconds=1)
    assert [await made.hold(ana, at=at) for at in (NOON, row.usable_until)] == [Held.NOT_USABLE] * 2
    assert [await made.hold(ana, at=at) for at in (first, last)] == [Held.HELD] * 2
    await market.act(lambda act: stop_promotion(act, made.id, "Enough."), by=market.program_admin)
    assert await made.hold(ana, at=first) is Held.NOT_USABLE
    assert await made.capture(ana, at=row.usable_until), "what was held in time pays"
    assert await told(market, ProgramDeed.RETIRED) == 1


# -------------------------------------------------------------------------------------------- its end


async def test_what_nobody_holds_expires_after_the_last_day_and_is_breakage(database: Database) -> None:
    market = await shop(database)
    made = await promoted(market, usable_through=NOON.date())
    ana, until = await person(market), (await made.row()).usable_until
    assert [await made.hold(ana), await made.hold(ana)] == [Held.HELD] * 2
    await made.capture(ana)
    assert await kept(market, until) == 0, "a cart holds some of it"
    await made.capture(ana, at=until)
    assert await kept(market, until - dt.timedelta(microseconds=1)) == 0
    assert [await kept(market, until), await kept(market, until)] == [1, 0]
    row, left = await made.row(), BUDGET_MINOR - 2 * HALF_OFF_MINOR
    assert (row.remaining_minor, row.expired_minor, await breakage(market)) == (0, left, left)
    assert await made.restore(ana, HALF_OFF_MINOR, whole=True, at=until) == 0
    row = await made.row()
    assert (row.remaining_minor, row.expired_minor, row.uses) == (0, left + HALF_OFF_MINOR, 1)


async def test_billed_later_it_can_be_used_at_once_and_nothing_of_it_is_breakage(database: Database) -> None:
    market = await shop(database)
    await market.agreement(BUDGET_MINOR)
    made = await defined(market, funding=LATER, usable_through=NOON.date())
    assert (await made.row()).state(NOON) is PromotionState.USABLE
    ana = await person(market)
    assert await made.hold(ana) is Held.HELD
    await made.capture(ana)
    assert await kept(market, (await made.row()).usable_until) == 1
    row = await made.row()
    assert (row.remaining_minor, row.expired_minor) == (0, BUDGET_MINOR - HALF_OFF_MINOR)
    assert await breakage(market) == 0


async def test_a_promotion_is_extended_until_it_has_ended(database: Database) -> None:
    market = await shop(database)
    made = await promoted(market, usable_through=NOON.date())
    until = (await made.row()).usable_until

    async def extended(by: int, at: dt.datetime = NOON) -> None:
        through = NOON.date() + by * DAY
        await market.act(lambda act: extend_promotion(act, made.id, through), by=market.program_admin, at=at)

    await extended(1)
    assert (await made.row()).usable_until == until + DAY
    for by, at, code in (
        (1, NOON, VoucherErrorCode.DATE_OUT_OF_RANGE),
        (0, NOON, VoucherErrorCode.DATE_OUT_OF_RANGE),
        (9, until + DAY, VoucherErrorCode.STOPPED),
    ):
        with pytest.raises(DomainError) as refusal:
            await extended(by, at)
        assert refusal.value.code is code
    forever = await promoted(market)
    assert (await forever.row()).usable_until == FOREVER
