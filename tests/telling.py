"""What may happen at a checkout, told step by step: each deed is done, noted on paper, and must come out as the paper
says. Two people fill carts; what pays there is prepaid, billed later, assigned or advertised.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from models.carts import CartState
from models.checkouts import CheckoutState
from models.errors import DomainError
from models.fee_refunds import FeeRefund, RedemptionReversal
from models.money import Money
from models.redemptions import FeeOrder, Redemption
from models.vouchers import VoucherStanding
from resolvers.carts.applying import Applying, apply
from resolvers.loaders.checkouts import CheckoutRow
from resolvers.payments.reconciling import UNANSWERED_FOR
from resolvers.payments.refunds import NEVER_ARRIVED
from tests.checking_out import Counter
from tests.code_keys import CODE_KEYS
from tests.noting import Basket, Bought, Card, Paper, Worth
from tests.promoting import Promoted
from tests.tellers import Mood
from tests.vouchering import FEE_MINOR

LATE_FEE_MINOR = 5_000
USD = "USD"
DONE = "done"
CHARGES = {Mood.YES: True, Mood.NO: False, Mood.SILENT_YES: True, Mood.SILENT_NO: False}
BECOMES = {Mood.YES: CheckoutState.COMPLETED, Mood.NO: CheckoutState.DECLINED}


async def told(deed: Awaitable[object]) -> str:
    """`done`, or the code of the refusal."""
    try:
        await deed
    except DomainError as refusal:
        return refusal.code.name
    return DONE


@dataclass
class Story:
    """A counter with two people at it, and the paper beside it."""

    at: Counter
    tills: Sequence[Counter]
    paper: Paper
    promotion: Promoted
    promotion_code: str
    agreement_id: int

    @property
    def now(self) -> dt.datetime:
        return self.at.market.now

    def till_of(self, basket: Basket) -> Counter:
        return self.tills[basket.whose]

    async def act(self, step: Any, **how: Any) -> Any:
        return await self.at.market.act(step, **how)

    # ------------------------------------------------------------------------------------------------ carts

    async def opens(self, whose: int, *, with_late_fee: bool) -> None:
        market = self.at.market
        products = [market.fee_id, market.late_fee_id] if with_late_fee else [market.fee_id]
        cart = await self.tills[whose].opens(*products)
        self.paper.baskets.append(Basket(whose, cart, dict.fromkeys(products, 1)))

    async def sets(self, basket: Basket, quantities: dict[int, int]) -> None:
        buys = self.till_of(basket).buyer.sets(basket.row, quantities)
        if basket.state is not CartState.OPEN:
            assert await told(buys) == self._closed(basket)
            return
        assert await told(buys) == DONE
        basket.quantities = quantities

    async def applies(self, basket: Basket, card: Card, named_minor: int | None) -> None:
        outcome = await told(self._apply(basket, card.code, named_minor))
        if basket.state is not CartState.OPEN:
            assert outcome == self._closed(basket)
        elif not self._may_use(basket, card):
            assert outcome == "CODE_NOT_USABLE"
        elif self._must_fit(basket, card) and named_minor is None:
            assert outcome == DONE
        if outcome == DONE:
            basket.taken_off.discard(card.id)

    async def enters_promotion(self, basket: Basket) -> None:
        outcome = await told(self._apply(basket, self.promotion_code, None))
        if basket.state is not CartState.OPEN:
            assert outcome == self._closed(basket)
        elif self.paper.stopped and not basket.holds(self.promotion.id):
            assert outcome == "CODE_NOT_USABLE"

    async def removes(self, basket: Basket, card: Card) -> None:
        if not basket.holds(card.id):
            return
        outcome = await told(self.till_of(basket).buyer.removes(basket.row, card.id))
        assert outcome == (DONE if basket.state is CartState.OPEN else self._closed(basket))
        if outcome == DONE:
            basket.taken_off.add(card.id)

    async def abandons(self, basket: Basket) -> None:
        outcome = await told(self.till_of(basket).buyer.abandons(basket.row))
        assert outcome == (DONE if basket.state is CartState.OPEN else self._closed(basket))
        if outcome == DONE:
            basket.state = CartState.ABANDONED

    async def acts_in_a_stale_tab(self, basket: Basket, *, completes: bool) -> None:
        stale, till = basket.row._replace(version=basket.row.version - 1), self.till_of(basket)
        deed: Awaitable[object] = (
            till.completes(stale, key=f"stale-{stale.id}-{stale.version}")
            if completes
            else till.buyer.sets(stale, {self.at.market.fee_id: 9})
        )
        assert await told(deed) == ("STALE_CART" if basket.state is CartState.OPEN else self._closed(basket))

    async def _apply(self, basket: Basket, code: str, named_minor: int | None) -> None:
        amount = None if named_minor is None else Money(named_minor, USD)
        asked = Applying(cart_id=basket.row.id, expected_version=basket.row.version, amount=amount, code=code)
        own = self.till_of(basket).buyer
        await own.act(lambda act: apply(act, CODE_KEYS, self.at.gateways, asked))

    def _closed(self, basket: Basket) -> str:
        return "CART_COMPLETING" if basket.state is CartState.COMPLETING else "CART_CLOSED"

    def _may_use(self, basket: Basket, card: Card) -> bool:
        return card.opens and card.is_usable(self.now) and card.assignee in (None, basket.whose)

    def _must_fit(self, basket: Basket, card: Card) -> bool:
        """There can be no doubt: nobody else holds anything, and nothing else pays."""
        return not card.later and not basket.held and not self.paper.held_of(card.id)

    # --------------------------------------------------------------------------------------------- checkout

    async def completes(self, basket: Basket, mood: Mood, off_by_minor: int = 0) -> None:
        self.at.teller.mood = mood
        before, due = set(self.at.teller.charged), basket.due_minor + off_by_minor
        refused = self._why_not(basket, off_by_minor)
        key, basket.tries = f"{basket.row.id}-{basket.tries}", basket.tries + 1
        made: list[CheckoutRow] = []

        async def complete() -> None:
            made.append(await self.till_of(basket).completes(basket.row, due, key=key))

        assert await told(complete()) == (refused or DONE)
        charged = [self.at.teller.charged[new].amount_minor for new in set(self.at.teller.charged) - before]
        assert charged == ([due] if refused is None and due and CHARGES[mood] else [])
        if refused is None:
            basket.last = (key, basket.row, due)
            await self._note(basket, mood, made[0], charged)

    def _why_not(self, basket: Basket, off_by_minor: int) -> str | None:
        if basket.state is not CartState.OPEN:
            return self._closed(basket)
        if any(not self._still_pays(one.payer) for one in basket.held):
            return "VOUCHER_ENDED"
        return "EXPECTED_DUE_MISMATCH" if off_by_minor else None

    def _still_pays(self, payer: int) -> bool:
        """A promotion that was stopped still takes off what is held of it."""
        worth = self.paper.worth_of(payer)
        return worth.is_usable(self.now) if isinstance(worth, Card) else True

    async def _note(self, basket: Basket, mood: Mood, checkout: CheckoutRow, charged: list[int]) -> None:
        basket.charged += charged
        expected = BECOMES.get(mood, CheckoutState.PAYMENT_UNKNOWN) if checkout.by_card_minor else BECOMES[Mood.YES]
        assert checkout.state is expected
        if expected is CheckoutState.COMPLETED:
            await self._bought(basket, checkout.id)
        elif expected is CheckoutState.PAYMENT_UNKNOWN:
            basket.state, basket.unanswered = CartState.COMPLETING, (self.now, CHARGES[mood])

    async def repeats(self, basket: Basket) -> None:
        """The same request again, with its key: nothing happens."""
        if basket.last is None:
            return
        key, row, due = basket.last
        before = dict(self.at.teller.charged)
        assert await told(self.till_of(basket).completes(row, due, key=key)) == DONE
        assert self.at.teller.charged == before

    async def _bought(self, basket: Basket, checkout_id: int) -> None:
        (order,) = [one for one in await self.at.rows(FeeOrder.__table__) if one.checkout_id == checkout_id]
        shown = (basket.row.total_minor, basket.row.by_vouchers_minor, basket.due_minor)
        assert (order.total_minor, order.by_vouchers_minor, order.by_card_minor) == shown
        amounts = dict(enumerate(self.prices(basket), 1))
        by_card = dict(amounts)
        for held in basket.held:
            for number, minor in held.by_line.items():
                by_card[number] -= minor
        self.paper.orders.append(Bought(order.id, amounts, by_card))
        self.paper.spends(basket, self.now)

    def prices(self, basket: Basket) -> list[int]:
        """Of each line."""
        prices = {self.at.market.fee_id: FEE_MINOR, self.at.market.late_fee_id: LATE_FEE_MINOR}
        return [prices[product] * quantity for product, quantity in basket.quantities.items()]

    async def reconciles(self) -> None:
        """What is old enough is looked up: what was charged is delivered, what was not is open again."""
        await self.at.reconciles(self.now)
        for basket in self.paper.baskets:
            if basket.unanswered is None:
                continue
            since, charged = basket.unanswered
            if charged and since < self.now - UNANSWERED_FOR:
                checkout = await self._checkout_of(basket)
                await self._bought(basket, checkout)
            elif not charged and since < self.now - NEVER_ARRIVED:
                basket.state, basket.unanswered = CartState.OPEN, None
        self.paper.returned_minor += self.paper.to_return_minor
        self.paper.to_return_minor = 0

    async def _checkout_of(self, basket: Basket) -> int:
        key, row, due = basket.last or ("", basket.row, 0)
        return (await self.till_of(basket).completes(row, due, key=key)).id

    # ---------------------------------------------------------------------------------------------- refunds

    async def gives_back(self, order: Bought, line: int, minor: int | None) -> None:
        left = order.left_minor(line)
        asked = left if minor is None else minor
        made: list[int] = []

        async def give() -> None:
            key = f"{order.id}-{line}-{left}-{asked}"
            made.append(await self.at.gives_back(order.id, (line, asked), key=key))

        if not 0 < asked <= left:
            assert await told(give()) == "NOT_REFUNDABLE"
            return
        assert await told(give()) == DONE
        to_card = order.gives_back(line, asked)
        self.paper.to_return_minor += to_card
        (refund,) = [row for row in await self.at.rows(FeeRefund.__table__) if row.id == made[0]]
        assert (refund.by_card_minor, refund.by_vouchers_minor) == (to_card, asked - to_card)
        await self._restores(refund.id, asked - to_card)

    async def _restores(self, refund_id: int, minor: int) -> None:
        table, paid = RedemptionReversal.__table__, Redemption.__table__
        of_it = table.join(paid, (paid.c.program_id == table.c.program_id) & (paid.c.id == table.c.redemption_id))
        shown = select(table.c.amount_minor, table.c.restored_minor, paid.c.voucher_id, paid.c.assignment_id)
        async with self.at.market.database.reading() as connection:
            rows = list(await connection.execute(shown.select_from(of_it).where(table.c.fee_refund_id == refund_id)))
        assert sum(row.amount_minor for row in rows) == minor
        for row in rows:
            worth = self.paper.worth_of(row.voucher_id or 0)
            alive = not isinstance(worth, Card) or (
                worth.expires_at > self.now and worth.standing is not VoucherStanding.EXPIRED
            )
            assert row.restored_minor == (row.amount_minor if alive else 0)
            worth.gets_back(row.amount_minor, row.restored_minor)
            self._notes_return(worth, row, revives=alive)

    def _notes_return(self, worth: Worth, row: Any, *, revives: bool) -> None:
        """What was used up lives again; for whom it was assigned to, which is never anybody but the first."""
        if worth.later:
            self.paper.account.owes(self.now, -row.amount_minor)
        if isinstance(worth, Card) and revives and worth.standing is VoucherStanding.SPENT:
            worth.lives(None)
            worth.assignee = 0 if row.assignment_id else None
