"""What happens to a checkout from elsewhere: whoever owns vouchers changes them, time passes, the worker comes by,
months are billed; and looking whether everything is as it was noted.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from models.carts import AppliedBy, CartState
from models.fee_refunds import FeeRefund
from models.interval import FOREVER, BillingCalendar
from models.money import Money
from models.redemptions import FeeOrder
from models.statements import Statement
from models.voucher_orders import BillingAgreement
from models.voucher_programs import Leftovers, VoucherFunding
from models.vouchers import Voucher, VoucherStanding
from resolvers.carts.invariants import CART_INVARIANTS
from resolvers.carts.releasing import ABANDONED_AFTER
from resolvers.fee_refunds.invariants import FEE_REFUND_INVARIANTS
from resolvers.loaders.carts import CartRow, allocations_of_carts, applied_of_carts, carts_by_key
from resolvers.loaders.promotions import promotion_of
from resolvers.loaders.voucher_programs import program_of
from resolvers.payments.invariants import PAYMENT_INVARIANTS
from resolvers.promotions.invariants import PROMOTION_INVARIANTS
from resolvers.promotions.stopping import stop_promotion
from resolvers.statements.closing import Month, close_month
from resolvers.statements.invariants import STATEMENT_INVARIANTS
from resolvers.statements.paying import pay_once
from resolvers.voucher_invariants import VOUCHER_INVARIANTS
from resolvers.vouchers.extending import extend
from server.database import Database
from tests.builders import STAFF
from tests.carting import buyer
from tests.checking_out import counter
from tests.code_keys import CODE_KEYS
from tests.noting import ALIVE, Basket, Card, Held, Paper, Worth
from tests.promoting import LATER, promoted
from tests.telling import DONE, USD, Story, told
from tests.test_invariants import offended
from tests.test_vouchers import DAY, kept, reissued, revoked
from tests.vouchering import FEE_MINOR, Stocked

CAP_MINOR = 4 * FEE_MINOR
# Of what a checkout changes; the others are asked in the end.
OWN_INVARIANTS = (
    *VOUCHER_INVARIANTS,
    *PAYMENT_INVARIANTS,
    *CART_INVARIANTS,
    *STATEMENT_INVARIANTS,
    *FEE_REFUND_INVARIANTS,
    *PROMOTION_INVARIANTS,
)


async def opening(database: Database, leftovers: Leftovers) -> Story:
    at = await counter(database, leftovers=leftovers)
    market = at.market
    other = replace(at, buyer=await buyer(market))
    agreement_id = await market.agreement(CAP_MINOR)
    promotion = await promoted(market, funding=LATER, most_uses=2, most_uses_a_person=1)
    row = await promotion.row()
    paper = Paper(
        leftovers is Leftovers.FORFEIT, Worth(promotion.id, row.face_value_minor, row.remaining_minor, later=True)
    )
    paper.account.closed_until = market.now
    story = Story(at, (at, other), paper, promotion, row.code, agreement_id)
    await stocks(story, VoucherFunding.CARD, 10_000)
    await stocks(story, VoucherFunding.BILL_LATER, 3 * FEE_MINOR // 2)
    hers = await stocks(story, VoucherFunding.CARD, FEE_MINOR, market.now + 2 * DAY)
    await at.buyer.is_given(Stocked(hers.id, hers.code))
    hers.assignee = 0
    return story


async def stocks(story: Story, funding: VoucherFunding, face_minor: int, expires_at: dt.datetime = FOREVER) -> Card:
    market = story.at.market
    (made,) = await market.stock(CODE_KEYS, funding=funding, face_minor=face_minor, expires_at=expires_at)
    later = funding is VoucherFunding.BILL_LATER
    card = Card(made.id, face_minor, face_minor, later, code=made.code, expires_at=expires_at)
    story.paper.cards.append(card)
    return card


# -------------------------------------------------------------------------------------- who owns, and who runs


async def reissues(story: Story, card: Card) -> None:
    codes: list[str] = []

    async def reissue() -> None:
        codes.append((await reissued(story.at.market, card.id)).code)

    may = card.may_be_revived(story.now) and not story.paper.is_being_paid(card.id)
    assert (await told(reissue()) == DONE) is may
    if may:
        card.ends(VoucherStanding.LIVE)
        card.lives(codes[0])


async def revokes(story: Story, card: Card) -> None:
    may = card.is_usable(story.now) and not story.paper.is_being_paid(card.id)
    assert (await told(revoked(story.at.market, card.id)) == DONE) is may
    if may:
        card.ends(VoucherStanding.REVOKED)


async def extends(story: Story, card: Card, days: int) -> None:
    market, zone = story.at.market, await _zone(story)
    calendar = BillingCalendar.of(zone)
    through = calendar.day_of(story.now) + dt.timedelta(days=days)
    until = calendar.start_of(through + DAY)
    may = card.may_be_revived(story.now) and card.expires_at < until
    extending = market.act(lambda act: extend(act, card.id, through), by=market.program_admin)
    assert (await told(extending) == DONE) is may
    if may:
        card.expires_at = until


async def stops_promotion(story: Story) -> None:
    market = story.at.market
    stopping = market.act(lambda act: stop_promotion(act, story.promotion.id, "over"), by=market.program_admin)
    assert await told(stopping) == DONE
    story.paper.stopped = True


async def works(story: Story) -> None:
    """The worker lets go of what is overdue, gives up carts that nobody touches, and lets vouchers expire."""
    await kept(story.at.market, story.now)
    for basket in story.paper.baskets:
        if basket.state is CartState.OPEN and basket.row.changed_at <= story.now - ABANDONED_AFTER:
            basket.state = CartState.ABANDONED
    story.paper.expires(story.now)


# ------------------------------------------------------------------------------------------------ what is billed


async def _zone(story: Story) -> str:
    async with story.at.market.database.reading() as connection:
        return (await program_of(connection, story.at.market.program_id)).zone


async def closes_month(story: Story, months_ago: int) -> None:
    zone = await _zone(story)
    day = BillingCalendar.of(zone).day_of(story.now).replace(day=1)
    for _ in range(months_ago):
        day = (day - DAY).replace(day=1)
    month, account = Month.of(day, zone), story.paper.account
    made: list[int | None] = []

    async def close() -> None:
        made.append(await story.at.market.act(lambda act: close_month(act, story.agreement_id, day), by=STAFF))

    outcome = await told(close())
    if month.until > story.now:
        assert outcome == "WRONG_STATE"
    elif month.first in account.months:
        assert made == [account.months[month.first]]
    else:
        await _noted(story, month, made[0])


async def _noted(story: Story, month: Month, statement_id: int | None) -> None:
    account = story.paper.account
    total = account.close(month.until)
    assert (statement_id is None) is (total is None)
    if statement_id is None or total is None:
        return
    account.months[month.first] = statement_id
    (statement,) = [row for row in await story.at.rows(Statement.__table__) if row.id == statement_id]
    assert statement.total_minor == total
    if total > 0:
        account.due[statement_id] = total


async def pays_statement(story: Story, pick: int, off_by_minor: int) -> None:
    account, market = story.paper.account, story.at.market
    if not account.months:
        return
    ids = sorted(account.months.values())
    statement_id = ids[pick % len(ids)]
    (statement,) = [row for row in await story.at.rows(Statement.__table__) if row.id == statement_id]
    amount, key = Money(statement.total_minor + off_by_minor, USD), f"pay-{statement_id}-{story.now}-{off_by_minor}"
    paying = market.act(lambda act: pay_once(act, key, statement_id, amount, "wire"), by=market.program_admin)
    outcome = await told(paying)
    if off_by_minor:
        assert outcome == "AMOUNT_MUST_EQUAL_TOTAL"
        return
    assert outcome == (DONE if statement_id in account.due else "WRONG_STATE")
    account.due.pop(statement_id, None)


# ------------------------------------------------------------------------------------------ is it as it was noted


async def looks(story: Story) -> None:
    await _look_at_carts(story)
    await _look_at_vouchers(story)
    await _look_at_money(story)
    found = await offended(story.at.market.database, OWN_INVARIANTS)
    assert not found, found


async def _look_at_carts(story: Story) -> None:
    keys = [basket.row.key for basket in story.paper.baskets]
    if not keys:
        return
    async with story.at.market.database.reading() as connection:
        carts = {row.id: row for row in await carts_by_key(connection, keys)}
        applied = await applied_of_carts(connection, keys)
        by_line: dict[int, dict[int, int]] = defaultdict(dict)
        for part in await allocations_of_carts(connection, keys):
            by_line[part.cart_voucher_id][part.line_number] = part.amount_minor
    for basket in story.paper.baskets:
        live = [row for row in applied if row.cart_id == basket.row.id and row.is_live]
        held = [Held(row, by_line[row.id]) for row in live]
        _must_be_shown_rightly(story, basket, carts[basket.row.id], held)
        basket.row, basket.held = carts[basket.row.id], held
        basket.shown_version = basket.row.version


def _must_be_shown_rightly(story: Story, basket: Basket, row: CartRow, held: list[Held]) -> None:
    assert row.state is basket.state, (row, basket)
    assert row.total_minor == sum(story.prices(basket))
    assert row.by_vouchers_minor == _shown_before(basket, sum(one.row.held_minor for one in held))
    assert basket.is_alive or not held
    if row.version == basket.shown_version and basket.is_alive:
        assert _said_of(row, held) == _said_of(basket.row, basket.held), "nothing changes without a new version"
    late = {number for number, product in enumerate(basket.quantities, 1) if product == story.at.market.late_fee_id}
    for one in held:
        assert one.row.held_minor == sum(one.by_line.values())
        assert not late & set(one.by_line), "the late fee is excluded"
        assert one.row.applied_by is not AppliedBy.ASSIGNMENT or one.payer not in basket.taken_off
    assert sum(minor for one in held for minor in one.by_line.values()) <= row.total_minor


def _shown_before(basket: Basket, held_minor: int) -> int:
    """What has paid stays shown; of a cart that was given up nothing is held."""
    return basket.row.by_vouchers_minor if basket.state is CartState.COMPLETED else held_minor


def _said_of(row: CartRow, held: Sequence[Held]) -> object:
    return row.total_minor, [(one.row.id, one.row.held_minor, one.by_line) for one in held]


async def _look_at_vouchers(story: Story) -> None:
    table, market = Voucher.__table__, story.at.market
    async with market.database.reading() as connection:
        own = select(table).where(table.c.program_id == market.program_id)
        rows = {row.id: row for row in await connection.execute(own)}
        promotion = await promotion_of(connection, market.program_id, story.promotion.id)
    for card in story.paper.cards:
        row = rows[card.id]
        assert (row.standing, row.expires_at) == (card.standing, card.expires_at)
        assert (row.assignment_id is None) is (card.assignee is None)
        assert card.standing in ALIVE or not card.left_minor
        _must_be_worth(row, card, story.paper)
    _must_be_worth(promotion, story.paper.promotion, story.paper)


def _must_be_worth(row: Any, worth: Worth, paper: Paper) -> None:
    """What comes out is what was put in, less what was spent and lost; and no more is held than there is."""
    worth.must_balance()
    assert (row.remaining_minor, row.held_minor) == (worth.left_minor, paper.held_of(worth.id)), (row, worth)
    assert row.captured_minor - row.reversed_minor == worth.spent_minor
    assert row.held_minor <= row.remaining_minor


async def _look_at_money(story: Story) -> None:
    paper = story.paper
    assert story.at.teller.kept_minor == paper.charged_minor - paper.returned_minor
    assert all(len(basket.charged) <= 1 for basket in paper.baskets), "nobody is charged twice"
    table = BillingAgreement.__table__
    (row,) = [one for one in await story.at.rows(table) if one.id == story.agreement_id]
    assert (row.unbilled_minor, row.unpaid_minor) == (paper.account.unbilled_minor, sum(paper.account.due.values()))


async def ends(story: Story) -> None:
    """After the worker has looked up whatever is open."""
    for _ in range(2):
        story.at.market.now += DAY
        await story.reconciles()
        await looks(story)
    orders = [row for row in await story.at.rows(FeeOrder.__table__) if row.program_id == story.at.market.program_id]
    given_back = [
        row for row in await story.at.rows(FeeRefund.__table__) if row.program_id == story.at.market.program_id
    ]
    kept_minor = sum(row.by_card_minor for row in orders) - sum(row.by_card_minor for row in given_back)
    assert story.at.teller.kept_minor == kept_minor
    assert not await offended(story.at.market.database)
