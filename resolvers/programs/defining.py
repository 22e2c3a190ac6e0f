"""Programs define what they sell: themselves, and their products."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Update, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import VoucherError, VoucherErrorCode
from models.keys import Keys, reference_key
from models.learners import sort_key
from models.money import Money
from models.products import Product
from models.program_events import ProgramDeed, ProgramThing
from models.programs import HOLD_SECONDS, Program
from models.promotions import Promotion
from models.voucher_programs import (
    VoucherProgram,
)
from resolvers.loaders.voucher_programs import (
    product_of,
)
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, Told, add_unique, once_in_program, tell

MOST_DAYS = 36_500
"""A century: nothing that was bought is promised for longer, unless it is for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProgram:
    slug: str
    name: str
    # An IANA name, such as America/Chicago.
    zone: str
    # How long a cart holds a voucher's value.
    hold_seconds: int = HOLD_SECONDS
    # For how many days a refund may reopen a voucher that has expired.
    reopen_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProduct:
    code: str
    name: str
    price: Money


# ---------------------------------------------------------------------------------------------- programs


async def create_program(session: AsyncSession, principal: Principal, now: dt.datetime, new: NewProgram) -> int:
    """A new tenant. Staff only; the same again is refused by its slug."""
    principal.must_be_staff("add programs")
    name, slug = named(new.name), _slug(new.slug)
    if new.hold_seconds <= 0 or not 0 <= new.reopen_days <= MOST_DAYS:
        raise bad_terms("A hold lasts at least a second, and a voucher is reopened for 0 days or more.", "reopenDays")
    taken = await session.scalar(select(Program.id).where(Program.slug == slug))
    if taken is not None:
        raise _taken(f"Another program has the slug {slug}.", "slug")
    program_id = reference_key(now)
    row = {"id": program_id, "slug": slug, "name": name, "name_key": sort_key(name), "zone": _zone(new.zone)}
    patience = {"hold_seconds": new.hold_seconds, "reopen_days": new.reopen_days}
    await add_unique(session, Program.__table__, row | patience | {"created_at": now})
    act = ProgramAct(session, program_id, principal, now, Keys.scattered(now))
    await told(act, ProgramThing.PROGRAM, program_id, ProgramDeed.DEFINED, after=name)
    return program_id


def named(name: str) -> str:
    """A name without surrounding space."""
    stripped = name.strip()
    if not 1 <= len(stripped) <= 200 or not stripped.isprintable():
        raise VoucherError(VoucherErrorCode.BAD_NAME, VoucherErrorCode.BAD_NAME.value, "name")
    return stripped


def _slug(slug: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,100}", slug):
        raise VoucherError(VoucherErrorCode.BAD_SLUG, VoucherErrorCode.BAD_SLUG.value, "slug")
    return slug


def _zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as problem:
        said = f"{zone!r} is not an IANA time zone, such as America/Chicago or UTC."
        raise VoucherError(VoucherErrorCode.UNKNOWN_ZONE, said, "zone") from problem
    return zone


# ---------------------------------------------------------------------------------------------- products


async def create_product(act: ProgramAct, new: NewProduct, idempotency_key: str | None = None) -> int:
    """A fee; with a key the same request again makes no second one."""
    act.principal.must_run(act.program_id, "define products")
    step = partial(_add_product, act, new)
    if idempotency_key is None:
        return await step()
    return await once_in_program(act, idempotency_key, "productCreate", new, step)


async def _add_product(act: ProgramAct, new: NewProduct) -> int:
    name, code = named(new.name), _code(new.code)
    _must_be_price(new.price)
    await must_be_free(act, Product, Product.code == code, f"Another product has the code {code}.", "code")
    product_id = act.keys.take()
    row = {"code": code, "name": name, "name_key": sort_key(name), "retired_at": None}
    price = {"price_minor": new.price.amount_minor, "currency": new.price.currency}
    await add_unique(act.session, Product.__table__, own_key(act, product_id) | row | price)
    after = brief(f"{code}, {new.price}")
    await told(act, ProgramThing.PRODUCT, product_id, ProgramDeed.DEFINED, after=after)
    return product_id


async def reprice_product(act: ProgramAct, product_id: int, price: Money) -> int:
    """Another price for what is bought from now on; the same again changes nothing."""
    act.principal.must_run(act.program_id, "change prices")
    _must_be_price(price)
    row = await product_of(act.session, act.program_id, product_id, "product")
    if price.currency != row.currency:
        raise bad_terms(f"The product is priced in {row.currency}. Define another one for {price.currency}.", "price")
    if row.retired_at is not None:
        raise VoucherError(VoucherErrorCode.STOPPED, "The product is retired, so it has no price any more.", "product")
    repriced = change_of(
        Product, act, product_id, Product.retired_at.is_(None), Product.price_minor != price.amount_minor
    )
    changed = await act.session.execute(repriced.values(price_minor=price.amount_minor).returning(Product.id))
    if changed.one_or_none():
        deed = ProgramDeed.PRICE_CHANGED
        await told(act, ProgramThing.PRODUCT, product_id, deed, before=str(row.price), after=str(price))
    return product_id


async def retire_product(act: ProgramAct, product_id: int) -> int:
    """It cannot be bought any more; what was ordered stays. Once it is retired nothing changes."""
    act.principal.must_run(act.program_id, "retire products")
    await product_of(act.session, act.program_id, product_id, "product")
    retired = change_of(Product, act, product_id, Product.retired_at.is_(None)).values(retired_at=act.now)
    if (await act.session.execute(retired.returning(Product.id))).one_or_none():
        await told(act, ProgramThing.PRODUCT, product_id, ProgramDeed.RETIRED)
    return product_id


def _code(code: str) -> str:
    if not 1 <= len(code) <= 40 or not code.isprintable() or " " in code:
        raise VoucherError(VoucherErrorCode.BAD_CODE, VoucherErrorCode.BAD_CODE.value, "code")
    return code


def _must_be_price(price: Money) -> None:
    if price.amount_minor < 0:
        raise VoucherError(VoucherErrorCode.BAD_AMOUNT, "A price is not negative.", "price")


# ------------------------------------------------------------------------------------------- what they share


def own_key(act: ProgramAct, key: int) -> dict[str, object]:
    return {"program_id": act.program_id, "id": key}


def change_of(
    table: type[Product | VoucherProgram | Promotion], act: ProgramAct, key: int, *still: ColumnElement[bool]
) -> Update:
    """A change of this one, if it still is as it must be."""
    return update(table).where(table.program_id == act.program_id, table.id == key, *still)


async def must_be_free(
    act: ProgramAct, table: type[Product | VoucherProgram | Promotion], same: ColumnElement[bool], said: str, field: str
) -> None:
    """Of two at once the database refuses one, which is tried again, and refused here."""
    if await act.session.scalar(select(table.id).where(table.program_id == act.program_id, same)) is not None:
        raise _taken(said, field)


async def told(
    act: ProgramAct,
    thing: ProgramThing,
    key: int,
    deed: ProgramDeed,
    before: str | None = None,
    after: str | None = None,
) -> None:
    await tell(act, Told(thing=thing, thing_id=key, deed=deed, before=before, after=after))


def brief(words: str) -> str:
    return words[:200]


def _taken(said: str, field: str) -> VoucherError:
    return VoucherError(VoucherErrorCode.TAKEN, f"{said} Give one of its own.", field)


def bad_terms(said: str, *field: str) -> VoucherError:
    return VoucherError(VoucherErrorCode.BAD_TERMS, said, *field)
