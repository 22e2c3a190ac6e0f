"""The transaction of a checkout that a promotion pays, as somebody would write it by hand: the measure of ours.

It reads and writes the rows that ours reads and writes, each once where once is enough, and decides the same: by
conditional UPDATEs whose row counts are checked, a hold first and then its capture. It knows one kind of cart alone,
and has none of the rules that ours has for others. Like ours it runs through `Database.run`, which tries it again when
another was in its way.

Ours are two transactions, as a person sees what a code takes off before they pay. This one does both at once; in two,
it is the same as ours step by step.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from functools import lru_cache, partial
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.errors import VoucherErrorCode
from models.interval import to_microseconds
from models.keys import Keys
from resolvers.database import First
from server.database import Database
from tests.rushing import Rush

BEGIN = "SELECT id, hold_seconds FROM program WHERE id = :program"
APPLY = """UPDATE cart SET version = version + 1, changed_at = :now, by_vouchers_minor = total_minor
WHERE program_id = :program AND id = :cart AND person_id = :person AND version = :version AND state = 'OPEN'
RETURNING total_minor, currency, gateway, version"""
COMPLETE = """UPDATE cart SET state = 'COMPLETED', changed_at = :now
WHERE program_id = :program AND id = :cart AND state = 'OPEN' RETURNING id"""
VOUCHER = """SELECT v.id, v.standing, v.remaining_minor, v.held_minor, v.expires_at, v.assignment_id
FROM voucher_code AS c JOIN voucher AS v ON v.program_id = c.program_id AND v.id = c.voucher_id
WHERE c.program_id = :program AND c.digest = :digest AND c.ended_at IS NULL"""
ASSIGNED = """SELECT v.id, v.remaining_minor, v.held_minor, v.expires_at
FROM voucher AS v JOIN voucher_assignment AS a ON a.program_id = v.program_id AND a.id = v.assignment_id
WHERE v.program_id = :program AND v.standing = 'LIVE' AND v.currency = 'USD' AND v.expires_at > :now
    AND a.state = 'ACTIVE' AND (a.person_id = :person OR EXISTS (SELECT 1 FROM learner AS l
        WHERE l.organization_id = a.organization_id AND l.id = a.learner_id AND l.person_id = :person))
ORDER BY v.expires_at, v.id LIMIT 50"""
ON_CART = "SELECT id, held_minor FROM cart_voucher WHERE program_id = :program AND cart_id = :cart"
LINES = """SELECT l.number, l.product_id, l.quantity, l.unit_price_minor, p.price_minor, p.retired_at
FROM cart_line AS l JOIN product AS p ON p.program_id = l.program_id AND p.id = l.product_id
WHERE l.program_id = :program AND l.cart_id = :cart ORDER BY l.number"""
PROMOTION = """SELECT id, organization_id, amount_off_minor, uses >= most_uses, uses + held_uses >= most_uses,
    remaining_minor - held_minor, most_uses_a_person FROM promotion
WHERE program_id = :program AND code = :code AND funded_at IS NOT NULL AND stopped_at IS NULL
    AND usable_from <= :now AND usable_until > :now"""
RULES = "SELECT product_id, ruling FROM promotion_product WHERE program_id = :program AND promotion_id = :promotion"
KEY = "SELECT made_id FROM program_key WHERE program_id = :program AND actor_id = :person AND key = :key"
PERSON = """INSERT INTO promotion_person (program_id, promotion_id, person_id, uses, held_uses)
VALUES (:program, :promotion, :person, 0, 1) ON CONFLICT (program_id, promotion_id, person_id)
DO UPDATE SET held_uses = promotion_person.held_uses + 1
WHERE promotion_person.uses + promotion_person.held_uses < 1000 RETURNING uses"""
PERSON_USED = """UPDATE promotion_person SET uses = uses + 1, held_uses = held_uses - 1
WHERE program_id = :program AND promotion_id = :promotion AND person_id = :person AND held_uses > 0 RETURNING uses"""
HOLD = """UPDATE promotion SET held_uses = held_uses + 1, held_minor = held_minor + :amount
WHERE program_id = :program AND id = :promotion AND uses + held_uses < most_uses
    AND remaining_minor - held_minor >= :amount AND stopped_at IS NULL AND usable_until > :now RETURNING uses"""
CAPTURE = """UPDATE promotion SET uses = uses + 1, held_uses = held_uses - 1, held_minor = held_minor - :amount,
    remaining_minor = remaining_minor - :amount, captured_minor = captured_minor + :amount
WHERE program_id = :program AND id = :promotion AND held_uses > 0 AND held_minor >= :amount RETURNING uses"""
APPLIED = """INSERT INTO cart_voucher (program_id, id, cart_id, promotion_id, applied_by, held_minor, held_until,
    applied_at)
VALUES (:program, :id, :cart, :promotion, 'CODE', :amount, :until, :now)"""
ENDED = """UPDATE cart_voucher SET ended_at = :now, "end" = 'CAPTURED'
WHERE program_id = :program AND id = :id AND ended_at IS NULL"""
ALLOCATION = """INSERT INTO cart_allocation (program_id, cart_voucher_id, line_number, amount_minor)
VALUES (:program, :id, 1, :amount)"""
CHECKOUT = """INSERT INTO checkout (program_id, id, cart_id, cart_version, person_id, gateway, total_minor,
    by_vouchers_minor, by_card_minor, currency, state, started_at, ended_at)
VALUES (:program, :id, :cart, :version, :person, 'cards', :amount, :amount, 0, 'USD', 'COMPLETED', :now, :now)"""
REFERENCE = "SELECT id FROM fee_order WHERE program_id = :program AND reference = :reference"
ORDER = """INSERT INTO fee_order (program_id, id, channel, person_id, checkout_id, gateway, reference, total_minor,
    by_vouchers_minor, by_card_minor, currency, completed_at)
VALUES (:program, :id, 'CHECKOUT', :person, :id, 'cards', :reference, :amount, :amount, 0, 'USD', :now)"""
LINE = """INSERT INTO fee_order_line (program_id, fee_order_id, number, product_id, quantity, unit_price_minor)
VALUES (:program, :id, 1, :product, 1, :amount)"""
REDEMPTION = """INSERT INTO redemption (program_id, id, fee_order_id, line_number, promotion_id, organization_id,
    amount_minor, currency, redeemed_at)
VALUES (:program, :id, :id, 1, :promotion, :organization, :amount, 'USD', :now)"""
LEDGER = """INSERT INTO ledger_entry (program_id, id, recorded_at, event, debit, credit, amount_minor, currency,
    organization_id, promotion_id, redemption_id, fee_order_id)
VALUES (:program, :id, :now, 'VOUCHER_REDEEMED', 'VOUCHER_LIABILITY', 'FEE_REVENUE', :amount, 'USD', :organization,
    :promotion, :id, :id)"""
EVENT = """INSERT INTO program_event (program_id, id, recorded_at, thing, thing_id, deed, actor, origin, "after")
VALUES (:program, :id, :now, 'CART', :cart, :deed, 'Ida', '', 'version 2')"""
KEEP = """INSERT INTO program_key (program_id, actor_id, key, mutation, input_digest, made_id, recorded_at)
VALUES (:program, :person, :key, 'cartComplete', :digest, :id, :now)"""
ALL = (CHECKOUT, ENDED, REFERENCE, ORDER, LINE, REDEMPTION, LEDGER, COMPLETE, KEEP)

Row = Sequence[Any]
Given = dict[str, Any]


class Way(Enum):
    """How the statements reach the database."""

    AT_ONCE = "in one transaction"
    IN_TWO = "in two transactions, as ours"
    STRAIGHT = "in one transaction, on the driver itself"


class Statement(NamedTuple):
    """As the driver takes it, and the names of its parameters in order."""

    sql: str
    names: tuple[str, ...]


@lru_cache
def _statement(dialect: str, sql: str) -> Statement:
    found = re.findall(r"(?<!:):(\w+)", sql)
    if dialect == "sqlite":
        return Statement(re.sub(r":(\w+)", "?", sql), tuple(found))
    names = tuple(dict.fromkeys(found))
    return Statement(re.sub(r":(\w+)", lambda one: f"${names.index(one[1]) + 1}", sql), names)


class Refused(Exception):
    """Takes back what was written before it."""

    def __init__(self, code: VoucherErrorCode) -> None:
        self.code = code


class Plain:
    """Each visit of a rush, by hand."""

    def __init__(self, rush: Rush, way: Way = Way.AT_ONCE) -> None:
        self._rush = rush
        self._database: Database = rush.market.database
        self._way = way

    async def visit(self, place: int) -> str:
        given = self._given(place)
        try:
            if self._way is Way.IN_TWO:
                await self._run(partial(self._apply, given=given))
                await self._run(First(partial(self._complete, given=given)))
            else:
                await self._run(partial(self._check_out, given=given))
        except Refused as refused:
            return refused.code.name
        return Rush.DONE

    async def _run(self, step: Callable[[AsyncSession], Awaitable[None]]) -> None:
        await self._database.run(step)

    async def _check_out(self, session: AsyncSession, given: Given) -> None:
        connection = await session.connection()
        await self._rows(connection, BEGIN, given)
        await self._rows(connection, KEY, given)
        await self._take(connection, given)
        await self._finish(connection, given)

    async def _apply(self, session: AsyncSession, given: Given) -> None:
        connection = await session.connection()
        await self._rows(connection, BEGIN, given)
        await self._take(connection, given)

    async def _complete(self, session: AsyncSession, given: Given) -> None:
        connection = await session.connection()
        await self._rows(connection, BEGIN, given)
        await self._rows(connection, KEY, given)
        (line,) = await self._rows(connection, LINES, given)
        assert (line[3], line[5]) == (line[4], None)
        for sql in (ON_CART, PROMOTION):
            assert await self._rows(connection, sql, given)
        await self._finish(connection, given)

    async def _take(self, connection: AsyncConnection, given: Given) -> None:
        """The promotion's part is held for the cart."""
        await self._rows(connection, VOUCHER, given)
        ((promotion, organization, off, is_full, is_taken, *_),) = await self._rows(connection, PROMOTION, given)
        if is_taken:
            raise Refused(VoucherErrorCode.PROMOTION_FULL if is_full else VoucherErrorCode.PROMOTION_BUSY)
        given |= {"promotion": promotion, "organization": organization}
        ((total, *_),) = await self._rows(connection, APPLY, given)
        (line,) = await self._rows(connection, LINES, given)
        assert (line[3], line[5]) == (line[4], None)
        for sql in (RULES, ON_CART, ASSIGNED):
            assert not await self._rows(connection, sql, given)
        given |= {"amount": min(off, total), "product": line[1]}
        for sql in (PERSON, HOLD):
            await self._must(connection, sql, given)
        for sql in (APPLIED, ALLOCATION):
            await self._rows(connection, sql, given)
        await self._rows(connection, EVENT, given | {"deed": "APPLIED"})

    async def _finish(self, connection: AsyncConnection, given: Given) -> None:
        """What is held is captured, and the order written."""
        for sql in (PERSON_USED, CAPTURE):
            await self._must(connection, sql, given)
        for sql in ALL:
            await self._rows(connection, sql, given)
        await self._rows(connection, EVENT, given | {"deed": "COMPLETED", "id": given["id"] + 1})

    def _given(self, place: int) -> Given:
        rush, cart = self._rush, self._rush.carts[place]
        now = to_microseconds(rush.moment(place))
        key = Keys.scattered(rush.moment(place)).take()
        return {
            "program": rush.market.program_id,
            "cart": cart.id,
            "person": cart.person_id,
            "version": cart.version,
            "code": rush.code,
            "now": now,
            "until": now + 900_000_000,
            "key": "k",
            "digest": "0" * 64,
            "id": key,
            "reference": f"FEE-{key}",
        }

    async def _must(self, connection: AsyncConnection, sql: str, given: Given) -> None:
        if not await self._rows(connection, sql, given):
            raise Refused(VoucherErrorCode.PROMOTION_BUSY)

    async def _rows(self, connection: AsyncConnection, sql: str, given: Given) -> Sequence[Row]:
        statement = _statement(self._database.dialect, sql)
        values = tuple(given[name] for name in statement.names)
        if self._way is Way.STRAIGHT:
            own: Any = connection.sync_connection
            rows: Sequence[Row] = await own.connection.dbapi_connection.fetch(statement.sql, values, is_short=True)
            return rows
        ran = await connection.exec_driver_sql(statement.sql, values)
        return list(ran.all()) if ran.returns_rows else []
