"""Whatever order transactions commit in, of whoever completes, changes, takes back, refunds and repairs: each schedule
leaves what must hold. Where a guard is missing, the shortest schedule that shows it is found.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from models.carts import CartState
from models.checkouts import CheckoutState
from models.payments import PaymentState
from models.programs import HOLD_SECONDS
from models.redemptions import FeeOrder
from models.voucher_programs import VoucherFunding
from resolvers.carts import releasing
from resolvers.checkout import freezing
from resolvers.loaders.carts import CART, CART_COLUMNS, CartRow
from resolvers.loaders.checkouts import CHECKOUT
from resolvers.payments import charging
from resolvers.payments.rows import COLUMNS, PAYMENT, PaymentRow, Subject
from resolvers.programs.acting import ProgramAct
from resolvers.voucher_orders import refunding
from resolvers.voucher_orders.refunding import refund
from resolvers.vouchers.moving import VOUCHER
from server.database import Database
from tests.builders import STAFF
from tests.carting import carts_kept
from tests.checking_out import Counter, counter
from tests.code_keys import CODE_KEYS
from tests.conftest import is_thorough
from tests.opening import copied, opened
from tests.races.test_checkout_races import must_add_up, own_rows
from tests.schedules import Conductor
from tests.tellers import Mood, Teller
from tests.test_vouchers import kept, reissued, revoked

HOLD_ENDS = dt.timedelta(seconds=HOLD_SECONDS)
DAYS = dt.timedelta(days=3)


@dataclass
class Scene:
    """A cart of 125 dollars, of which a voucher pays 100, and another cart of which nothing is paid yet."""

    at: Counter
    cart: CartRow
    other: CartRow
    voucher_id: int
    code: str
    order_id: int

    def turned(self, run: Any) -> Counter:
        """The same counter, each of whose transactions waits for its turn."""
        database = SimpleNamespace(run=run, reading=self.at.market.database.reading)
        market = replace(self.at.market, database=database)  # type: ignore[arg-type]
        return replace(self.at, market=market, buyer=replace(self.at.buyer, market=market))

    async def completes(self, run: Any) -> None:
        await self.turned(run).completes(self.cart)

    async def repeats(self, run: Any) -> None:
        """Sends the same once more, with the same key."""
        await self.completes(run)

    async def completes_anew(self, run: Any) -> None:
        await self.turned(run).completes(self.cart, key="anew")

    async def completes_other(self, run: Any) -> None:
        await self.turned(run).completes(self.other, key="other")

    async def applies(self, run: Any) -> None:
        at = self.turned(run)
        await at.completes(await at.applies(self.other, self.code), key="elsewhere")

    async def touches(self, run: Any) -> None:
        """The same lines again, which is another version."""
        at = self.turned(run)
        await at.buyer.sets(self.cart, {at.market.fee_id: 1})

    async def reissues(self, run: Any) -> None:
        await reissued(self.turned(run).market, self.voucher_id)

    async def revokes(self, run: Any) -> None:
        await revoked(self.turned(run).market, self.voucher_id)

    async def refunds_order(self, run: Any) -> None:
        await self.turned(run).market.act(lambda act: refund(act, self.order_id), by=STAFF)

    async def refunds_fee(self, run: Any) -> None:
        for order in await own_rows(self.at, FeeOrder.__table__):
            await self.turned(run).gives_back(order.id, (1, 5_000), key=f"r{order.id}")

    async def expires(self, run: Any) -> None:
        market = self.turned(run).market
        await kept(market, market.now + HOLD_ENDS)

    async def releases(self, run: Any) -> None:
        market = self.turned(run).market
        await carts_kept(market, market.now + HOLD_ENDS)

    async def reconciles(self, run: Any) -> None:
        await self.turned(run).reconciles(self.at.market.now + DAYS)


ACTORS = ["completes", "repeats", "completes_anew", "completes_other", "applies", "touches", "reissues", "revokes"]
ACTORS += ["refunds_order", "refunds_fee", "expires", "releases", "reconciles"]


@dataclass(frozen=True)
class Play:
    """Who acts, in which order of turns, and how the gateway answers."""

    actors: tuple[str, ...]
    turns: tuple[int, ...]
    mood: Mood


def plays(cast: Sequence[str], most: int = 4, moods: Sequence[Mood] = tuple(Mood)) -> st.SearchStrategy[Play]:
    """So many actors at most, who take turns."""
    actors = st.lists(st.sampled_from(cast), min_size=1, max_size=most, unique=True).map(tuple)
    turns = st.lists(st.integers(0, most - 1), max_size=most * most // 2).map(tuple)
    return st.builds(Play, actors, turns, st.sampled_from(moods))


async def scene(database: Database) -> Scene:
    at = await counter(database)
    until, funding = at.market.now + HOLD_ENDS, VoucherFunding.PURCHASE_ORDER
    (voucher,) = await at.market.stock(CODE_KEYS, face_minor=10_000, expires_at=until, funding=funding)
    cart, other = await at.applies(await at.opens(), voucher.code), await at.opens()
    order_id = (await at.market.voucher(voucher.id)).voucher_order_id
    return Scene(at, cart, other, voucher.id, voucher.code, order_id)


@dataclass(frozen=True)
class Stage:
    """A database with the scene in it, set up again for each play: what one breaks is not found in the next."""

    database: Database
    set_scene: Scene
    untouched: sqlite3.Connection
    administrator: sqlite3.Connection

    def scene(self) -> Scene:
        """As it was before anybody acted, with a gateway that was asked nothing."""
        self.untouched.backup(self.administrator)
        return replace(self.set_scene, at=replace(self.set_scene.at, teller=Teller()))


@asynccontextmanager
async def staged(template: Path, folder: Path) -> AsyncIterator[Stage]:
    place = folder / "play.db"
    async with opened(copied(template, place)) as database:
        with closing(sqlite3.connect(":memory:")) as untouched, closing(sqlite3.connect(place)) as administrator:
            administrator.execute("PRAGMA synchronous=OFF")
            set_scene = await scene(database)
            administrator.backup(untouched)
            yield Stage(database, set_scene, untouched, administrator)


@pytest.fixture
async def stage(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(sqlite_template, tmp_path) as own:
        yield own


async def played(stage: Stage, play: Play) -> list[str]:
    """What happened, if nothing is wrong with it afterwards."""
    on = stage.scene()
    on.at.teller.mood = play.mood
    conductor = Conductor(stage.database.run)
    try:
        await conductor.play({name: getattr(on, name) for name in play.actors}, play.turns)
        await must_end_well(on)
    except Exception as problem:
        problem.add_note(f"the gateway {play.mood.value}; in this order: {', then '.join(conductor.told)}")
        raise
    return conductor.told


async def must_end_well(on: Scene) -> None:
    """After the worker has looked up what is open: every charge has its order, and each was made as it was seen."""
    at = on.at
    for days in (4, 8):
        await at.reconciles(at.market.now + days * DAYS)
    at.teller.mood = Mood.YES
    own = await own_rows(at, CHECKOUT)
    assert {row.state for row in own} <= {CheckoutState.COMPLETED, CheckoutState.DECLINED}
    assert {row.cart_version for row in own if row.cart_id == on.cart.id} <= {on.cart.version}
    completed = [row.cart_id for row in own if row.state is CheckoutState.COMPLETED]
    assert len(completed) == len(set(completed))
    await must_add_up(at)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(play=plays(ACTORS))
async def test_any_order_of_commits_leaves_what_must_hold(stage: Stage, play: Play) -> None:
    await played(stage, play)


# -------------------------------------------------------------------------------------- broken on purpose


async def freeze_any_version(act: ProgramAct, cart_id: int, _expected_version: int) -> CartRow:
    open_one = (CART.c.program_id == act.program_id) & (CART.c.id == cart_id) & (CART.c.state == CartState.OPEN)
    frozen = update(CART).where(open_one).values(state=CartState.COMPLETING, changed_at=act.now)
    return CartRow(0, *(await act.session.execute(frozen.returning(*CART_COLUMNS))).one())


async def claim_what_others_claimed(act: ProgramAct, gateway: str, subject: Subject) -> PaymentRow | None:
    claimed = update(PAYMENT).where(subject.among(act.program_id), PAYMENT.c.gateway == gateway)
    row = (await act.session.execute(claimed.values(state=PaymentState.UNKNOWN).returning(*COLUMNS))).one_or_none()
    return PaymentRow(*row) if row else None


async def release_what_is_being_paid(act: ProgramAct, cart_id: int) -> CartRow | None:
    of_it = (CART.c.program_id == act.program_id) & (CART.c.id == cart_id)
    newer = update(CART).where(of_it).values(version=CART.c.version + 1)
    return CartRow(0, *(await act.session.execute(newer.returning(*CART_COLUMNS))).one())


def refund_what_is_held(act: ProgramAct, order: Any, _terms: Any) -> Sequence[Any]:
    return [VOUCHER.c.program_id == act.program_id, VOUCHER.c.voucher_order_id == order.id]


@dataclass(frozen=True)
class Guard:
    """What stands in its place when it is missing, and who might show it, among others who do not."""

    broken: Mapping[tuple[Any, str], Callable[..., Any]]
    cast: tuple[str, ...]


GUARDS = {
    "a cart is frozen at the version that was seen": Guard(
        {(freezing, "freeze"): freeze_any_version}, ("reconciles", "touches", "completes")
    ),
    "a payment is claimed once": Guard(
        {(charging, "_claim"): claim_what_others_claimed}, ("touches", "completes", "repeats")
    ),
    "only an open cart is released": Guard(
        {(releasing, "begin_release"): release_what_is_being_paid}, ("reconciles", "releases", "completes")
    ),
    "what is held is not refunded": Guard(
        {(refunding, "_conditions"): refund_what_is_held}, ("touches", "refunds_order", "completes")
    ),
}
LONGEST = 4


@contextmanager
def missing(guard: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for (module, name), broken in GUARDS[guard].broken.items():
            patch.setattr(module, name, broken)
        yield


@pytest.mark.parametrize("guard", list(GUARDS)[: None if is_thorough() else 2])
def test_where_a_guard_is_missing_a_short_schedule_shows_it(guard: str, sqlite_template: Path, tmp_path: Path) -> None:
    """Found by trying, and shrunk: who acts, and the turns until it goes wrong."""
    with asyncio.Runner() as runner:
        shortest = runner.run(shortest_failing(guard, sqlite_template, tmp_path))
    assert len(shortest.actors) <= 2, shortest
    assert len(shortest.turns) <= LONGEST, shortest


async def shortest_failing(guard: str, template: Path, folder: Path) -> Play:
    """Hypothesis asks from a thread of its own, while the plays run here."""
    tries = settings(max_examples=60, deadline=None, derandomize=True, database=None)
    loop = asyncio.get_running_loop()
    async with staged(template, folder) as stage:

        def shows_it(play: Play) -> bool:
            return asyncio.run_coroutine_threadsafe(fails(played(stage, play)), loop).result()

        with missing(guard):
            return await asyncio.to_thread(find, plays(GUARDS[guard].cast, 2, [Mood.YES]), shows_it, settings=tries)


async def fails(play: Awaitable[object]) -> bool:
    try:
        await play
    except Exception:
        return True
    return False
