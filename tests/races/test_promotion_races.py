"""A crowd at one promotion, on both databases: never more uses than its limits, nor more than its budget."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from models.money import Money
from models.promotions import Held
from resolvers.programs.acting import ProgramAct
from resolvers.promotions.moving import capture, hold, release
from server.database import Database
from tests.promoting import HALF_OFF_MINOR, Promoted, person, promoted
from tests.vouchering import shop

CALLERS = 50
Deed = Callable[[int], Awaitable[Held]]


async def at_once(many: int, deed: Deed) -> Counter[Held]:
    return Counter(await asyncio.gather(*(deed(number) for number in range(many))))


async def used(made: Promoted, person_id: int) -> Held:
    """As a checkout does: held in one transaction, captured in another."""
    held = await made.hold(person_id)
    if held is Held.HELD:
        assert await made.capture(person_id)
    return held


async def used_in_one(made: Promoted, person_id: int, minor: int = HALF_OFF_MINOR) -> Held:
    async def step(act: ProgramAct) -> Held:
        held = await hold(act, made.id, person_id, minor)
        if held is Held.HELD:
            assert await capture(act, made.id, person_id, minor)
        return held

    done: Held = await made.shop.act(step)
    return done


async def test_the_first_ten_of_fifty_use_it(database: Database) -> None:
    made = await promoted(await shop(database), most_uses=10)
    people = [await person(made.shop) for _ in range(CALLERS)]
    outcomes = await at_once(CALLERS, lambda n: used(made, people[n]))
    assert outcomes[Held.HELD] == 10
    assert outcomes[Held.FULL] + outcomes[Held.FULL_BY_HOLDS] == CALLERS - 10
    row = await made.row()
    assert (row.uses, row.held_uses, row.captured_minor) == (10, 0, 10 * HALF_OFF_MINOR)
    assert sum([(await made.person_uses(one))[0] for one in people]) == 10


async def test_one_person_on_twenty_carts_uses_it_as_often_as_one_may(database: Database) -> None:
    made = await promoted(await shop(database), most_uses_a_person=2)
    ana = await person(made.shop)
    outcomes = await at_once(20, lambda _: used(made, ana))
    assert outcomes == {Held.HELD: 2, Held.PERSON_LIMIT: 18}
    assert ((await made.row()).uses, await made.person_uses(ana)) == (2, (2, 0))


async def test_twenty_together_take_no_more_than_the_budget(database: Database) -> None:
    made = await promoted(await shop(database), budget=Money(7 * HALF_OFF_MINOR + 1, "USD"))
    people = [await person(made.shop) for _ in range(20)]
    outcomes = await at_once(20, lambda n: used_in_one(made, people[n]))
    assert outcomes == {Held.HELD: 7, Held.FULL: 13}
    assert (await made.row()).remaining_minor == 1


async def test_a_hold_is_captured_or_released_once(database: Database) -> None:
    """Of what several hold, half is captured while the other half lets go, and others come."""
    made = await promoted(await shop(database), most_uses=10)
    people = [await person(made.shop) for _ in range(30)]
    for one in people[:10]:
        assert await made.hold(one) is Held.HELD

    async def deed(n: int) -> Held:
        if n < 5:
            assert await made.capture(people[n])
        elif n < 10:
            await made.shop.act(lambda act: release(act, made.id, people[n], HALF_OFF_MINOR))
        else:
            return await used_in_one(made, people[n])
        return Held.NOT_USABLE

    outcomes = await at_once(30, deed)
    row = await made.row()
    assert (row.uses, row.held_uses, row.held_minor) == (5 + outcomes[Held.HELD], 0, 0)
    assert outcomes[Held.HELD] <= 5
