"""A promotion's uses and budget move by conditional updates whose row counts are checked, as a voucher's value does.

A use is held for a cart and then captured, or released. The person's row is changed before the promotion's, always: the
promotion's is the one that a crowd waits for, and so it is held for the shortest time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, case, func, or_, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from models.base import Instant
from models.batches import counting
from models.promotions import Held, Promotion, PromotionPerson
from resolvers.prepared import Prepared, prepared
from resolvers.programs.acting import ProgramAct

PROMOTION = Promotion.__table__
PERSON = PromotionPerson.__table__
NO_LIMIT = 2**31 - 1


async def hold(act: ProgramAct, promotion_id: int, person_id: int, amount_minor: int) -> Held:
    """Holds one use, and so much of the budget. What is not held leaves nothing changed.

    A promotion of which nothing is left gives nothing, so of no amount it says that it is full.
    """
    if not await _count_held(act, promotion_id, person_id):
        return Held.PERSON_LIMIT
    if await _holding.first(act.session, _asked(act, promotion_id, amount_minor)):
        return Held.HELD
    await _uncount_held(act, promotion_id, person_id)
    return await _why_not(act, promotion_id, amount_minor)


async def release(act: ProgramAct, promotion_id: int, person_id: int, amount_minor: int) -> None:
    """Lets go of what one `hold` has held. Whoever calls it has ended the cart's own row of it, so it comes once."""
    await _uncount_held(act, promotion_id, person_id)
    released = await act.session.execute(
        update(PROMOTION)
        .where(_own(act, promotion_id), PROMOTION.c.held_uses > 0, PROMOTION.c.held_minor >= amount_minor)
        .values(held_uses=PROMOTION.c.held_uses - 1, held_minor=PROMOTION.c.held_minor - amount_minor)
        .returning(PROMOTION.c.id)
    )
    if released.scalar_one_or_none() is None:
        raise NotHeld(promotion_id)


async def capture(act: ProgramAct, promotion_id: int, person_id: int, amount_minor: int) -> bool:
    """Turns a held use into a use, and what it holds into what was taken; False if nothing is held so.

    What was held while the promotion could be used pays, even if it was stopped or ended since.
    """
    asked = _asked(act, promotion_id, amount_minor)
    if not await _capturing_of_person.first(act.session, asked | {"person": person_id}):
        return False
    if not await _capturing.first(act.session, asked):
        raise NotHeld(promotion_id)
    return True


async def restore(act: ProgramAct, promotion_id: int, person_id: int, amount_minor: int, whole_use: bool) -> int:
    """Takes back so much of what was captured: how much of it is in the budget again.

    That is all of it until the last day has passed, also of a promotion that was stopped, whose budget can be given
    back; afterwards it is nothing, counted as expired here, and whoever reverses posts that to breakage. `whole_use`
    gives the use back as well: all that it took was reversed by now.
    """
    uses = 1 if whole_use else 0
    if whole_use:
        await _give_use_back(act, promotion_id, person_id)
    can_be_used = PROMOTION.c.usable_until > act.now
    restored = await act.session.execute(
        update(PROMOTION)
        .where(_own(act, promotion_id), PROMOTION.c.uses >= uses)
        .where(PROMOTION.c.captured_minor - PROMOTION.c.reversed_minor >= amount_minor)
        .values(
            uses=PROMOTION.c.uses - uses,
            reversed_minor=PROMOTION.c.reversed_minor + amount_minor,
            remaining_minor=PROMOTION.c.remaining_minor + case((can_be_used, amount_minor), else_=0),
            expired_minor=PROMOTION.c.expired_minor + case((can_be_used, 0), else_=amount_minor),
        )
        .returning(PROMOTION.c.usable_until)
    )
    until = restored.scalar_one_or_none()
    if until is None:
        raise NotHeld(promotion_id)
    return amount_minor if until > act.now else 0


class NotHeld(RuntimeError):
    """Somebody lets go of what they do not hold, or gives back what was not taken: the caller is wrong."""


# ------------------------------------------------------------------------------------------------ the person


async def _count_held(act: ProgramAct, promotion_id: int, person_id: int) -> bool:
    """One more use that the person holds; False if that were more than one person may. A limit is at least one."""
    own = {"program_id": act.program_id, "promotion_id": promotion_id, "person_id": person_id}
    return await _counting(act.session.get_bind().dialect.name).first(act.session, own) is not None


@lru_cache
def _counting(dialect: str) -> Prepared:
    own = (PERSON.c[name] for name in ("program_id", "promotion_id"))
    program_id, promotion_id = (bindparam(column.name, type_=column.type) for column in own)
    promotion = and_(PROMOTION.c.program_id == program_id, PROMOTION.c.id == promotion_id)
    limit = select(PROMOTION.c.most_uses_a_person).where(promotion).scalar_subquery()
    most = func.coalesce(limit, NO_LIMIT)
    return Prepared(lambda: counting(dialect, PERSON, "held_uses", most, beside=("uses",)))


async def _uncount_held(act: ProgramAct, promotion_id: int, person_id: int) -> None:
    uncounted = await act.session.execute(
        update(PERSON)
        .where(_of_person(act, promotion_id, person_id), PERSON.c.held_uses > 0)
        .values(held_uses=PERSON.c.held_uses - 1)
        .returning(PERSON.c.person_id)
    )
    if uncounted.scalar_one_or_none() is None:
        raise NotHeld(promotion_id)


async def _give_use_back(act: ProgramAct, promotion_id: int, person_id: int) -> None:
    given_back = await act.session.execute(
        update(PERSON)
        .where(_of_person(act, promotion_id, person_id), PERSON.c.uses > 0)
        .values(uses=PERSON.c.uses - 1)
        .returning(PERSON.c.person_id)
    )
    if given_back.scalar_one_or_none() is None:
        raise NotHeld(promotion_id)


# --------------------------------------------------------------------------- what a crowd runs, each built once

AMOUNT = bindparam("amount", type_=BigInteger)
NOW = bindparam("now", type_=Instant)
OWN = and_(PROMOTION.c.program_id == bindparam("program"), PROMOTION.c.id == bindparam("promotion"))


def _asked(act: ProgramAct, promotion_id: int, amount_minor: int) -> dict[str, object]:
    return {"program": act.program_id, "promotion": promotion_id, "amount": amount_minor, "now": act.now}


@prepared
def _holding() -> ReturningUpdate[Any]:
    held = update(PROMOTION).where(OWN, _is_usable(), _has_use_left(), _leaves(_more_than_nothing()))
    more = held.values(held_uses=PROMOTION.c.held_uses + 1, held_minor=PROMOTION.c.held_minor + AMOUNT)
    return more.returning(PROMOTION.c.id)


@prepared
def _capturing_of_person() -> ReturningUpdate[Any]:
    own = and_(
        PERSON.c.program_id == bindparam("program"),
        PERSON.c.promotion_id == bindparam("promotion"),
        PERSON.c.person_id == bindparam("person"),
    )
    used = update(PERSON).where(own, PERSON.c.held_uses > 0)
    return used.values(uses=PERSON.c.uses + 1, held_uses=PERSON.c.held_uses - 1).returning(PERSON.c.person_id)


@prepared
def _capturing() -> ReturningUpdate[Any]:
    taken = update(PROMOTION).where(OWN, PROMOTION.c.held_uses > 0, PROMOTION.c.held_minor >= AMOUNT)
    moved = taken.values(
        uses=PROMOTION.c.uses + 1,
        held_uses=PROMOTION.c.held_uses - 1,
        held_minor=PROMOTION.c.held_minor - AMOUNT,
        remaining_minor=PROMOTION.c.remaining_minor - AMOUNT,
        captured_minor=PROMOTION.c.captured_minor + AMOUNT,
    )
    return moved.returning(PROMOTION.c.id)


# ----------------------------------------------------------------------------------------------- conditions


def _own(act: ProgramAct, promotion_id: int) -> ColumnElement[bool]:
    return and_(PROMOTION.c.program_id == act.program_id, PROMOTION.c.id == promotion_id)


def _of_person(act: ProgramAct, promotion_id: int, person_id: int) -> ColumnElement[bool]:
    return and_(
        PERSON.c.program_id == act.program_id, PERSON.c.promotion_id == promotion_id, PERSON.c.person_id == person_id
    )


def _is_usable() -> ColumnElement[bool]:
    return and_(
        PROMOTION.c.funded_at.is_not(None),
        PROMOTION.c.stopped_at.is_(None),
        PROMOTION.c.usable_from <= NOW,
        PROMOTION.c.usable_until > NOW,
    )


def _has_use_left() -> ColumnElement[bool]:
    uses = PROMOTION.c.uses + PROMOTION.c.held_uses
    return or_(PROMOTION.c.most_uses.is_(None), uses < PROMOTION.c.most_uses)


def _leaves(amount: ColumnElement[int]) -> ColumnElement[bool]:
    """So much of the budget is left that nobody holds."""
    return PROMOTION.c.remaining_minor - PROMOTION.c.held_minor >= amount


def _more_than_nothing() -> ColumnElement[int]:
    return case((AMOUNT > 0, AMOUNT), else_=1)


async def _why_not(act: ProgramAct, promotion_id: int, amount_minor: int) -> Held:
    """HELD if nothing of the promotion itself is in the way."""
    found = await _standing.first(act.session, _asked(act, promotion_id, amount_minor))
    return Held[found[0]] if found else Held.NOT_USABLE


@prepared
def _standing() -> Select[Any]:
    return select(standing()).where(OWN)


def standing() -> ColumnElement[str]:
    """The name of what is in the way of holding `amount` at `now`, both of which the caller gives."""
    needed = _more_than_nothing()
    used_up = or_(PROMOTION.c.remaining_minor < needed, PROMOTION.c.uses >= PROMOTION.c.most_uses)
    by_holds = or_(~_leaves(needed), ~_has_use_left())
    return case(
        (~_is_usable(), Held.NOT_USABLE.name),
        (used_up, Held.FULL.name),
        (by_holds, Held.FULL_BY_HOLDS.name),
        else_=Held.HELD.name,
    )
