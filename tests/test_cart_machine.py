"""Whatever is tried with carts and vouchers, in whatever order, while time passes: what must hold does after each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from models.carts import CartState
from models.errors import DomainError
from models.voucher_programs import VoucherFunding
from models.vouchers import VoucherStanding
from resolvers.loaders.carts import CartRow
from server.database import Database
from tests.builders import NOON
from tests.carting import Buyer, buyer, on, seen
from tests.code_keys import CODE_KEYS
from tests.test_vouchers import kept, must_add_up, reissued, revoked
from tests.vouchering import FEE_MINOR, Shop, Stocked, shop

MINUTES = dt.timedelta(minutes=10)
DEEDS = ["open", "lines", "apply", "apply", "apply", "name", "remove", "abandon", "reissue", "revoke", "wait", "work"]
Step = tuple[str, int, int]


@dataclass
class Floor:
    """Two people, three carts at most of each, and four vouchers of every kind."""

    market: Shop
    people: Sequence[Buyer]
    vouchers: list[Stocked] = field(default_factory=list)
    carts: list[tuple[Buyer, CartRow]] = field(default_factory=list)

    async def step(self, deed: str, which: int, other: int) -> None:
        if deed == "open":
            person = self.people[which % 2]
            self.carts.append((person, await person.opens(self.market.fee_id, self.market.late_fee_id)))
        elif deed == "wait":
            self.market.now += MINUTES
        elif deed == "work":
            await kept(self.market, self.market.now)
        elif deed == "revoke":
            await tried(revoked(self.market, self._voucher(which).id))
        elif deed == "reissue":
            await tried(self._reissue(which % len(self.vouchers)))
        elif self.carts:
            await self._change(deed, which, self._voucher(other))

    async def _reissue(self, place: int) -> None:
        new = await reissued(self.market, self.vouchers[place].id)
        self.vouchers[place] = Stocked(new.voucher_id, new.code)

    async def _change(self, deed: str, which: int, voucher: Stocked) -> None:
        place = which % len(self.carts)
        person, cart = self.carts[place]
        cart = await seen(self.market, cart)
        if deed == "lines":
            await tried(person.sets(cart, {self.market.fee_id: 1 + which % 3}))
        elif deed == "remove":
            there = {row.voucher_id for row in await on(self.market, cart)}
            await tried(person.removes(cart, voucher.id)) if voucher.id in there else None
        elif deed == "abandon":
            await tried(person.abandons(cart))
        else:
            await tried(person.applies(cart, voucher.code, FEE_MINOR // 2 if deed == "name" else None))
        await self._must_be_as_changed(cart, await seen(self.market, cart))

    async def _must_be_as_changed(self, before: CartRow, after: CartRow) -> None:
        """Nothing changes without a new version, and a version is never changed."""
        assert after.version in (before.version, before.version + 1)
        if after.version == before.version:
            assert after == before

    async def must_hold(self) -> None:
        await must_add_up(self.market)
        for person, cart in self.carts:
            now = await seen(self.market, cart)
            rows = await on(self.market, now)
            assert now.by_vouchers_minor <= now.total_minor
            assert now.state is CartState.OPEN or not rows
            for row in rows:
                voucher = await self.market.voucher(row.voucher_id or 0)
                assert voucher.held_minor <= voucher.remaining_minor
                assert not row.held_minor or voucher.standing is VoucherStanding.LIVE
                assert person.person_id == now.person_id

    def _voucher(self, which: int) -> Stocked:
        return self.vouchers[which % len(self.vouchers)]


async def tried(deed: Awaitable[object]) -> None:
    try:
        await deed
    except DomainError:
        return


STEPS = st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 5), st.integers(0, 5)), min_size=6, max_size=14)
HELD_AND_TAKEN_BACK: list[Step] = [
    *(("open", 0, 0), ("open", 1, 0), ("apply", 0, 1), ("apply", 1, 1), ("apply", 1, 2), ("lines", 0, 0)),
    *(("reissue", 1, 0), ("wait", 0, 0), ("wait", 0, 0), ("apply", 1, 2), ("work", 0, 0), ("revoke", 2, 0)),
]
EXPIRED_AND_OWN: list[Step] = [
    *(("open", 0, 0), ("remove", 0, 3), ("lines", 0, 0), ("name", 0, 0), ("apply", 0, 3), ("open", 0, 0)),
    *(("apply", 1, 0), ("wait", 0, 0), ("work", 0, 0), ("wait", 0, 0), ("lines", 1, 0), ("work", 0, 0)),
    *(("abandon", 0, 0), ("lines", 1, 1), ("abandon", 1, 0)),
]


# Each example has a program of its own, so that one database does for all.
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(steps=HELD_AND_TAKEN_BACK)
@example(steps=EXPIRED_AND_OWN)
@given(steps=STEPS)
async def test_any_order_of_steps_keeps_what_must_hold(sqlite_database: Database, steps: Sequence[Step]) -> None:
    market = await shop(sqlite_database)
    await market.agreement(2 * FEE_MINOR)
    floor = Floor(market, [await buyer(market) for _ in range(2)])
    floor.vouchers += await market.stock(CODE_KEYS, expires_at=NOON + 2 * MINUTES)
    floor.vouchers += await market.stock(CODE_KEYS, 2, funding=VoucherFunding.BILL_LATER, face_minor=3 * FEE_MINOR // 2)
    floor.vouchers.append(await floor.people[0].is_given((await market.stock(CODE_KEYS))[0]))
    for step in steps:
        await floor.step(*step)
        await floor.must_hold()
