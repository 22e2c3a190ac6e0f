"""Reading promotions: by their ids, and in pages of a program's, of an organization's, or of both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import Instant
from models.batches import as_keys, asked, first_rows_of_each
from models.errors import NotFound
from models.money import Money
from models.products import ProductRule
from models.promotions import Promotion, PromotionProduct, PromotionState, PromotionTerms
from models.voucher_orders import VoucherOrder, VoucherOrderState
from models.voucher_programs import ProductRuling, VoucherFunding
from resolvers.loaders.kinds import rows_by_kind, values_by_kind
from resolvers.loaders.voucher_programs import InProgram, Reader, columns_of, rows_by_key
from resolvers.prepared import prepared

PROMOTION = Promotion.__table__
RULING = PromotionProduct.__table__
ORDER = VoucherOrder.__table__
CAME_TO_NOTHING = (VoucherOrderState.DECLINED, VoucherOrderState.REJECTED, VoucherOrderState.CANCELLED)


class PromotionRow(NamedTuple):
    place: int
    program_id: int
    id: int
    organization_id: int
    name: str
    code: str
    amount_off_minor: int | None
    basis_points_off: int | None
    most_off_minor: int | None
    most_uses: int | None
    most_uses_a_person: int | None
    uses: int
    held_uses: int
    funding: VoucherFunding
    usable_from: dt.datetime
    usable_until: dt.datetime
    funded_at: dt.datetime | None
    stopped_at: dt.datetime | None
    created_at: dt.datetime
    face_value_minor: int
    remaining_minor: int
    held_minor: int
    captured_minor: int
    reversed_minor: int
    expired_minor: int
    refunded_minor: int
    currency: str
    included: tuple[int, ...] = ()
    excluded: tuple[int, ...] = ()

    @property
    def key(self) -> InProgram:
        return InProgram(self.program_id, self.id)

    @property
    def budget(self) -> Money:
        return Money(self.face_value_minor, self.currency)

    @property
    def free_minor(self) -> int:
        """What is left of the budget that nobody holds."""
        return self.remaining_minor - self.held_minor

    @property
    def billed_later(self) -> bool:
        return self.funding is VoucherFunding.BILL_LATER

    @property
    def rule(self) -> ProductRule:
        return ProductRule(self.included, self.excluded)

    @property
    def terms(self) -> PromotionTerms:
        """What a use takes off now."""
        return PromotionTerms(
            rule=self.rule,
            basis_points_off=self.basis_points_off,
            amount_off_minor=self.amount_off_minor,
            most_off_minor=self.most_off_minor,
            left_minor=self.free_minor,
        )

    def state(self, now: dt.datetime) -> PromotionState:
        used_up = self.remaining_minor == 0 or (self.most_uses is not None and self.uses >= self.most_uses)
        standing = {
            PromotionState.STOPPED: self.stopped_at is not None,
            PromotionState.ENDED: self.usable_until <= now,
            PromotionState.AWAITING_FUNDING: self.funded_at is None,
            PromotionState.FULL: used_up,
            PromotionState.SCHEDULED: now < self.usable_from,
        }
        return next((state for state, is_so in standing.items() if is_so), PromotionState.USABLE)


async def promotions_by_key(connection: Reader, keys: Sequence[InProgram]) -> list[PromotionRow]:
    rows = await rows_by_key(PROMOTION, PromotionRow).rows(connection, as_keys(keys))
    return await _ruled(connection, [PromotionRow(*row) for row in rows])


async def promotion_of(connection: Reader, program_id: int, promotion_id: int, *field: str) -> PromotionRow:
    for row in await promotions_by_key(connection, [InProgram(program_id, promotion_id)]):
        return row
    raise NotFound("promotion", *(field or ("promotion",)))


async def _ruled(connection: Reader, rows: Sequence[PromotionRow]) -> list[PromotionRow]:
    """The same with the products that each may pay for, or never."""
    found = await _rulings.rows(connection, as_keys(row.key for row in rows)) if rows else ()
    products: dict[tuple[int, ProductRuling], list[int]] = {}
    for place, product_id, ruling in found:
        products.setdefault((place, ruling), []).append(product_id)

    def ruled(place: int, ruling: ProductRuling) -> tuple[int, ...]:
        return tuple(products.get((place, ruling), ()))

    return [
        row._replace(included=ruled(n, ProductRuling.INCLUDED), excluded=ruled(n, ProductRuling.EXCLUDED))
        for n, row in enumerate(rows)
    ]


@prepared
def _rulings() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    same = and_(RULING.c.program_id == keys.c.program_id, RULING.c.promotion_id == keys.c.id)
    columns = (keys.c.place, RULING.c.product_id, RULING.c.ruling)
    return select(*columns).select_from(keys).join(RULING, same).order_by(keys.c.place, RULING.c.product_id)


class BudgetOrderRow(NamedTuple):
    place: int
    order_id: int


async def budget_orders(connection: Reader, keys: Sequence[InProgram]) -> list[BudgetOrderRow]:
    """Of each promotion the order by which its budget is bought, unless that came to nothing: at most one."""
    rows = await connection.execute(_budget_orders(), as_keys(keys))
    return [BudgetOrderRow._make(row) for row in rows]


@lru_cache
def _budget_orders() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    same = and_(ORDER.c.program_id == keys.c.program_id, ORDER.c.promotion_id == keys.c.id)
    found = select(keys.c.place, ORDER.c.id).select_from(keys).join(ORDER, same)
    return found.where(ORDER.c.state.not_in(CAME_TO_NOTHING))


# ------------------------------------------------------------------------------------------------- lists


class PromotionsKey(NamedTuple):
    """The promotions of a program that an organization pays for; 0 stands for all of either, but not of both."""

    program_id: int
    organization_id: int


@dataclass(frozen=True, slots=True)
class PromotionsPage:
    """The newest first."""

    limit: int
    backward: bool
    # The id after which the page begins.
    beyond: int | None = None


States = tuple[PromotionState, ...] | None


@rows_by_kind
async def promotions_of(
    connection: AsyncConnection, keys: Sequence[PromotionsKey], states: States, now: dt.datetime, page: PromotionsPage
) -> list[PromotionRow]:
    """A page of the promotions of each key that are in these states now, or in any."""
    statement = _page(connection.dialect.name, *_given(keys), states, page.backward, page.beyond is not None)
    given = {"most": page.limit, **_now(states, now), **({"beyond": page.beyond} if page.beyond is not None else {})}
    rows = await connection.execute(statement, as_keys(keys) | given)
    return await _ruled(connection, [PromotionRow(*row) for row in rows])


@values_by_kind
async def promotion_totals(
    connection: AsyncConnection, keys: Sequence[PromotionsKey], states: States, now: dt.datetime
) -> list[int]:
    rows = await connection.execute(_totals(*_given(keys), states), as_keys(keys) | _now(states, now))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


def _given(keys: Sequence[PromotionsKey]) -> tuple[bool, bool]:
    """Whether they name a program, and an organization: all keys of a list are of one kind."""
    return bool(keys[0].program_id), bool(keys[0].organization_id)


def _now(states: States, now: dt.datetime) -> dict[str, object]:
    return {} if states is None else {"now": now}


@lru_cache
def _page(
    dialect: str, of_program: bool, of_organization: bool, states: States, backward: bool, resumed: bool
) -> Select[Any]:
    keys = asked("keys", "place", *PromotionsKey._fields)
    by = PROMOTION.c.id
    page = select(*columns_of(PROMOTION, PromotionRow)).where(*_those(keys, of_program, of_organization, states))
    if resumed:
        beyond = bindparam("beyond", type_=BigInteger)
        page = page.where(by > beyond if backward else by < beyond)
    page = page.order_by(by if backward else by.desc()).limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _totals(of_program: bool, of_organization: bool, states: States) -> Select[Any]:
    keys = asked("keys", "place", *PromotionsKey._fields)
    those = _those(keys, of_program, of_organization, states)
    total = select(func.count()).select_from(PROMOTION).where(*those).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _those(keys: Any, of_program: bool, of_organization: bool, states: States) -> list[ColumnElement[bool]]:
    those: list[ColumnElement[bool]] = []
    if of_program:
        those.append(PROMOTION.c.program_id == keys.c.program_id)
    if of_organization:
        those.append(PROMOTION.c.organization_id == keys.c.organization_id)
    if states is not None:
        those.append(_state().in_([state.name for state in states]))
    return those


def _state() -> ColumnElement[str]:
    """As PromotionRow.state says it, for the database."""
    now, own = bindparam("now", type_=Instant), PROMOTION.c
    return case(
        (own.stopped_at.is_not(None), literal(PromotionState.STOPPED.name)),
        (own.usable_until <= now, PromotionState.ENDED.name),
        (own.funded_at.is_(None), PromotionState.AWAITING_FUNDING.name),
        (or_(own.remaining_minor == 0, own.uses >= own.most_uses), PromotionState.FULL.name),
        (now < own.usable_from, PromotionState.SCHEDULED.name),
        else_=PromotionState.USABLE.name,
    )
