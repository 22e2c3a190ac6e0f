"""Whatever people, organizations, gateways and time do at a checkout, in whatever order: it comes out as a clerk notes
it on paper, nobody is charged twice or for what they did not see, and all holds that must.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from models.voucher_programs import Leftovers, VoucherFunding
from server.database import Database
from tests import minding
from tests.builders import MINUTE
from tests.conftest import EMPTYING, Clone, File, is_thorough
from tests.noting import Basket, Card
from tests.tellers import Mood
from tests.telling import Story
from tests.test_vouchers import DAY
from tests.vouchering import FEE_MINOR

MOST_BASKETS, MOST_CARDS = 6, 8
WAITS = [dt.timedelta(seconds=30), 2 * MINUTE, 11 * MINUTE, 16 * MINUTE, DAY, 31 * DAY]
PICK = st.integers(0, 7)
Run = Callable[[Coroutine[Any, Any, Any]], Any]
Empty = Callable[[], Coroutine[Any, Any, Database]]
T = TypeVar("T")


class CheckoutMachine(RuleBasedStateMachine):
    """Hypothesis calls it from a thread of its own; `run` has a step done where the database is at home."""

    run: Run
    empty: Empty

    @initialize(leftovers=st.sampled_from(Leftovers))
    def open_the_shop(self, leftovers: Leftovers) -> None:
        self.story: Story = self.run(minding.opening(self.run(self.empty()), leftovers))

    def basket(self, pick: int) -> Basket:
        return self.story.paper.baskets[pick % len(self.story.paper.baskets)]

    def card(self, pick: int) -> Card:
        return self.story.paper.cards[pick % len(self.story.paper.cards)]

    def some_basket(self) -> bool:
        return bool(self.story.paper.baskets)

    # -------------------------------------------------------------------------------------------- who buys

    @precondition(lambda self: len(self.story.paper.baskets) < MOST_BASKETS)
    @rule(whose=st.integers(0, 1), with_late_fee=st.booleans())
    def open(self, whose: int, with_late_fee: bool) -> None:
        self.run(self.story.opens(whose, with_late_fee=with_late_fee))

    @precondition(some_basket)
    @rule(pick=PICK, fees=st.integers(0, 2), late_fees=st.integers(0, 1))
    def set_lines(self, pick: int, fees: int, late_fees: int) -> None:
        market = self.story.at.market
        wanted = {market.fee_id: fees, market.late_fee_id: late_fees}
        quantities = {product: quantity for product, quantity in wanted.items() if quantity}
        self.run(self.story.sets(self.basket(pick), quantities or {market.fee_id: 3}))

    @precondition(some_basket)
    @rule(pick=PICK, card=PICK, named=st.none() | st.sampled_from([1, FEE_MINOR // 3, FEE_MINOR]))
    def apply(self, pick: int, card: int, named: int | None) -> None:
        self.run(self.story.applies(self.basket(pick), self.card(card), named))

    @precondition(some_basket)
    @rule(pick=PICK)
    def enter_promotion(self, pick: int) -> None:
        self.run(self.story.enters_promotion(self.basket(pick)))

    @precondition(some_basket)
    @rule(pick=PICK, card=PICK)
    def remove(self, pick: int, card: int) -> None:
        self.run(self.story.removes(self.basket(pick), self.card(card)))

    @precondition(some_basket)
    @rule(pick=PICK)
    def abandon(self, pick: int) -> None:
        self.run(self.story.abandons(self.basket(pick)))

    @precondition(some_basket)
    @rule(pick=PICK, completes=st.booleans())
    def act_in_a_stale_tab(self, pick: int, completes: bool) -> None:
        self.run(self.story.acts_in_a_stale_tab(self.basket(pick), completes=completes))

    @precondition(some_basket)
    @rule(pick=PICK, mood=st.sampled_from(Mood), off_by=st.sampled_from([0, 0, 0, 1, -1]))
    def complete(self, pick: int, mood: Mood, off_by: int) -> None:
        self.run(self.story.completes(self.basket(pick), mood, off_by))

    @precondition(some_basket)
    @rule(pick=PICK)
    def repeat(self, pick: int) -> None:
        self.run(self.story.repeats(self.basket(pick)))

    # -------------------------------------------------------------------- who owns vouchers, and who runs it all

    @precondition(lambda self: len(self.story.paper.cards) < MOST_CARDS)
    @rule(funding=st.sampled_from(VoucherFunding), fees=st.integers(1, 2), days=st.sampled_from([1, 40]))
    def stock(self, funding: VoucherFunding, fees: int, days: int) -> None:
        self.run(minding.stocks(self.story, funding, fees * FEE_MINOR, self.story.now + days * DAY))

    @rule(card=PICK)
    def reissue(self, card: int) -> None:
        self.run(minding.reissues(self.story, self.card(card)))

    @rule(card=PICK)
    def revoke(self, card: int) -> None:
        self.run(minding.revokes(self.story, self.card(card)))

    @rule(card=PICK, days=st.integers(0, 3))
    def extend(self, card: int, days: int) -> None:
        self.run(minding.extends(self.story, self.card(card), days))

    @rule()
    def stop_the_promotion(self) -> None:
        self.run(minding.stops_promotion(self.story))

    @precondition(lambda self: self.story.paper.orders)
    @rule(pick=PICK, line=st.integers(0, 1), minor=st.none() | st.sampled_from([1, 2_600, FEE_MINOR]))
    def give_back(self, pick: int, line: int, minor: int | None) -> None:
        order = self.story.paper.orders[pick % len(self.story.paper.orders)]
        numbers = sorted(order.amounts)
        self.run(self.story.gives_back(order, numbers[line % len(numbers)], minor))

    @rule(months_ago=st.integers(0, 2))
    def close_month(self, months_ago: int) -> None:
        self.run(minding.closes_month(self.story, months_ago))

    @rule(pick=PICK, off_by=st.sampled_from([0, 0, 1]))
    def pay_statement(self, pick: int, off_by: int) -> None:
        self.run(minding.pays_statement(self.story, pick, off_by))

    # -------------------------------------------------------------------------------------- time, and the worker

    @rule(time=st.sampled_from(WAITS))
    def wait(self, time: dt.timedelta) -> None:
        self.story.at.market.now += time

    @rule()
    def work(self) -> None:
        self.run(minding.works(self.story))

    @rule()
    def reconcile(self) -> None:
        self.run(self.story.reconciles())

    # ------------------------------------------------------------------------------------------- what must hold

    @invariant()
    def is_as_it_was_noted(self) -> None:
        self.run(minding.looks(self.story))

    def teardown(self) -> None:
        """In the end nothing is open at the gateway: what it has kept is what orders say."""
        if hasattr(self, "story"):
            self.run(minding.ends(self.story))


async def played(empty: Empty, examples: int, steps: int) -> None:
    loop = asyncio.get_running_loop()

    def run(step: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(step, loop).result()

    machine = type("Machine", (CheckoutMachine,), {"run": staticmethod(run), "empty": staticmethod(empty)})
    how = settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    await asyncio.to_thread(run_machine, machine, settings=how)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest) -> Empty:
    """Empties the database: what one example breaks is not found in the next."""
    database: Database = request.getfixturevalue(f"{request.param}_database")

    async def emptied() -> Database:
        if request.param == "sqlite":
            file: File = request.getfixturevalue("sqlite_file")
            file.empty.backup(file.administrator)
        else:
            clone: Clone = request.getfixturevalue("postgresql_clone")
            await clone.administrator.execute(EMPTYING)
        return database

    return emptied


async def test_a_checkout_comes_out_as_it_was_noted_whatever_happens(empty: Empty) -> None:
    await played(empty, *((200, 30) if is_thorough() else (3, 20)))
