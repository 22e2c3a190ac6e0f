"""Whatever is tried with vouchers, in whatever order: it obeys a plain model of their rules, and the money adds up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from models.errors import DomainError
from models.interval import FOREVER
from models.voucher_programs import VoucherFunding
from models.vouchers import VoucherStanding
from resolvers.loaders.learners import LearnerKey
from resolvers.voucher_orders.refunding import refund
from server.database import Database
from tests.builders import NOON, STAFF
from tests.code_keys import CODE_KEYS
from tests.test_vouchers import DAY, assigned, kept, learner, must_add_up, redeemed, reissued, revoked
from tests.vouchering import FEE_MINOR, Shop, shop

LIVE, REVOKED = VoucherStanding.LIVE, VoucherStanding.REVOKED
CAP = 2
KINDS = [(VoucherFunding.PURCHASE_ORDER, FOREVER), (VoucherFunding.PURCHASE_ORDER, NOON + 2 * DAY)]
KINDS += [(VoucherFunding.BILL_LATER, FOREVER)]
DEEDS = ["assign", "reissue", "revoke", "redeem", "redeem", "refund", "expire", "wait"]
Step = tuple[str, int, int]


@dataclass
class Card:
    """A voucher as somebody would note it on paper."""

    id: int
    code: str
    order_id: int
    funding: VoucherFunding
    expires_at: dt.datetime
    fees_left: int = 2
    standing: VoucherStanding = LIVE
    assignee: LearnerKey | None = None

    def ends(self, standing: VoucherStanding) -> None:
        self.standing, self.assignee = standing, None


@dataclass
class Desk:
    """Does what is asked to the vouchers and, if the model says that it may be done, to its cards."""

    market: Shop
    people: Sequence[LearnerKey]
    cards: list[Card] = field(default_factory=list)
    owed: int = 0

    async def issue(self, kind: int) -> None:
        funding, expires_at = KINDS[kind % len(KINDS)]
        (made,) = await self.market.stock(CODE_KEYS, funding=funding, face_minor=2 * FEE_MINOR, expires_at=expires_at)
        row = await self.market.voucher(made.id)
        self.cards.append(Card(made.id, made.code, row.voucher_order_id, funding, expires_at))

    async def step(self, deed: str, card: Card, who: LearnerKey) -> None:
        if deed == "wait":
            self.market.now += DAY
        elif deed == "expire":
            await self._expire()
        elif deed == "reissue":
            await self._reissue(card)
        elif deed == "redeem":
            await self._redeem(card, who)
        else:
            await self._once(deed, card, who)

    async def _expire(self) -> None:
        await kept(self.market, self.market.now)
        for card in self.cards:
            if card.standing in (LIVE, REVOKED) and card.expires_at <= self.market.now:
                card.fees_left = 0
                card.ends(VoucherStanding.EXPIRED)

    async def _reissue(self, card: Card) -> None:
        new = None
        try:
            new = await reissued(self.market, card.id)
        except DomainError:
            assert not self._may_be_revived(card)
        if new:
            assert self._may_be_revived(card)
            card.code = new.code
            card.ends(LIVE)

    async def _redeem(self, card: Card, who: LearnerKey) -> None:
        later = card.funding is VoucherFunding.BILL_LATER
        fits = self._is_usable(card) and card.assignee in (None, who) and not (later and self.owed == CAP)
        assert await done(redeemed(self.market, card.code, at=self.market.now, learner=who)) is fits
        if fits:
            self.owed += later
            card.fees_left -= 1
            if not card.fees_left:
                card.ends(VoucherStanding.SPENT)

    async def _once(self, deed: str, card: Card, who: LearnerKey) -> None:
        if deed == "assign":
            may = self._is_usable(card) and card.assignee is None
            assert await done(assigned(self.market, card.id, who)) is may
            card.assignee = who if may else card.assignee
        elif deed == "revoke":
            may = self._is_usable(card)
            assert await done(revoked(self.market, card.id)) is may
            if may:
                card.ends(REVOKED)
        else:
            may = self._may_be_revived(card) and card.fees_left == 2
            given_back = self.market.act(lambda act: refund(act, card.order_id, [card.id]), by=STAFF)
            assert await done(given_back) is may
            if may:
                card.fees_left = 0
                card.ends(VoucherStanding.REFUNDED)

    def _is_usable(self, card: Card) -> bool:
        return card.standing is LIVE and card.expires_at > self.market.now

    def _may_be_revived(self, card: Card) -> bool:
        return card.standing in (LIVE, REVOKED) and card.expires_at > self.market.now

    async def must_agree(self) -> None:
        """With the cards, and all that must hold does."""
        await must_add_up(self.market)
        for card in self.cards:
            row = await self.market.voucher(card.id)
            assert (row.standing, row.remaining_minor) == (card.standing, card.fees_left * FEE_MINOR)
            assert (row.assignment_id is None) == (card.assignee is None)


async def done(deed: Awaitable[object]) -> bool:
    try:
        await deed
    except DomainError:
        return False
    return True


STEPS = st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 2), st.integers(0, 1)), min_size=4, max_size=14)
TO_THE_CAP: list[Step] = [("redeem", 2, 0), ("redeem", 2, 0), ("issue", 2, 0), ("redeem", 3, 0), ("revoke", 3, 0)]
TO_THE_END: list[Step] = [
    *(("assign", 1, 1), ("redeem", 1, 0), ("redeem", 1, 1), ("revoke", 1, 0), ("reissue", 1, 0)),
    *(("refund", 1, 0), ("refund", 0, 0), ("reissue", 0, 0), ("wait", 0, 0), ("wait", 0, 0), ("expire", 0, 0)),
]


# Each example has a program of its own, so that one database does for all.
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(steps=TO_THE_CAP)
@example(steps=TO_THE_END)
@given(steps=STEPS)
async def test_any_order_of_steps_obeys_the_rules(sqlite_database: Database, steps: Sequence[Step]) -> None:
    market = await shop(sqlite_database)
    await market.agreement(CAP * FEE_MINOR)
    desk = Desk(market, [await learner(market.tenant) for _ in range(2)])
    for kind in range(len(KINDS)):
        await desk.issue(kind)
    for deed, which, who in steps:
        if deed == "issue":
            await desk.issue(which)
        else:
            await desk.step(deed, desk.cards[which], desk.people[who])
        await desk.must_agree()
