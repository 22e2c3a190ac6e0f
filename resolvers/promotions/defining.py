"""A program defines a promotion for the organization that pays for it: the code, what it takes off, how often."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from sqlalchemy import insert, select

from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.interval import DAY, FOREVER, BillingCalendar
from models.learners import sort_key
from models.money import Money
from models.organizations import Organization
from models.program_events import ProgramDeed, ProgramThing
from models.promotions import BASIS_POINTS, Promotion, PromotionProduct
from models.voucher_programs import VoucherFunding
from resolvers.activity import EARLIEST, LATEST
from resolvers.loaders.voucher_programs import program_of
from resolvers.programs.acting import ProgramAct, add_unique, once_in_program
from resolvers.programs.agreeing import must_be_agreed
from resolvers.programs.defining import bad_terms, brief, must_be_free, named, own_key, told
from resolvers.programs.offering import rulings_of
from resolvers.promotions.finding import normalized_code

DEED = "define promotions"
CODE = re.compile(r"[A-Z0-9-]{3,40}")
MOST_USES = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPromotion:
    # Who pays for it.
    organization_id: int
    name: str
    # Such as GET-LICENSED-2019, in capitals or not.
    code: str
    budget: Money
    funding: VoucherFunding
    # One of these: percent, with two decimals at most, off each eligible line; or an amount off all of them together.
    percent_off: Decimal | None = None
    amount_off: Money | None = None
    # The most that one use takes off.
    most_off: Money | None = None
    most_uses: int | None = None
    most_uses_a_person: int | None = None
    # Local days of the program: today, and for ever, if they are left out.
    usable_from: dt.date | None = None
    usable_through: dt.date | None = None
    # Products by their ids: none included means all, and an exclusion wins.
    included: Collection[int] = ()
    excluded: Collection[int] = ()


async def create_promotion(act: ProgramAct, new: NewPromotion, idempotency_key: str) -> int:
    """Prepaid, it can be used once its budget is bought; billed later, at once."""
    act.principal.must_run(act.program_id, DEED)
    given = [new.organization_id, _benefit(new), _limits(new), _dates(new), sorted(new.included), sorted(new.excluded)]
    named_so = [new.name, normalized_code(new.code), str(new.budget), new.funding.name]
    return await once_in_program(
        act, idempotency_key, "promotionCreate", [*named_so, *given], partial(_add_promotion, act, new)
    )


async def _add_promotion(act: ProgramAct, new: NewPromotion) -> int:
    name, code = named(new.name), _code(new.code)
    _must_be_worth_something(new)
    usable_from, usable_until = await _usable(act, new)
    rulings = await rulings_of(act, new.included, new.excluded, new.budget.currency)
    await must_be_free(act, Promotion, Promotion.code == code, f"Another promotion has the code {code}.", "code")
    if await act.session.scalar(select(Organization.id).where(Organization.id == new.organization_id)) is None:
        raise NotFound("organization", "organization")
    on_account = new.funding is VoucherFunding.BILL_LATER
    if on_account:
        await must_be_agreed(act, new.organization_id, new.budget.currency, "funding")
    key = act.keys.take()
    own = own_key(act, key) | {"organization_id": new.organization_id, "funding": new.funding}
    named_so = {"name": name, "name_key": sort_key(name), "code": code, "created_at": act.now}
    usable = {"usable_from": usable_from, "usable_until": usable_until, "funded_at": act.now if on_account else None}
    row = own | named_so | usable | _benefit(new) | _limits(new) | _unused(new.budget)
    await add_unique(act.session, Promotion.__table__, row)
    if rulings:
        of_it = {"program_id": act.program_id, "promotion_id": key}
        rows = [of_it | {"product_id": product_id, "ruling": ruling} for product_id, ruling in rulings.items()]
        await act.session.execute(insert(PromotionProduct.__table__), rows)
    after = brief(f"{code}, {new.budget}, {new.funding.name}, {name}")
    await told(act, ProgramThing.PROMOTION, key, ProgramDeed.DEFINED, after=after)
    return key


def _benefit(new: NewPromotion) -> dict[str, object]:
    points = None if new.percent_off is None else new.percent_off * 100
    return {
        "basis_points_off": None if points is None else int(points),
        "amount_off_minor": new.amount_off and new.amount_off.amount_minor,
        "most_off_minor": new.most_off and new.most_off.amount_minor,
    }


def _limits(new: NewPromotion) -> dict[str, object]:
    return {"most_uses": new.most_uses, "most_uses_a_person": new.most_uses_a_person}


def _dates(new: NewPromotion) -> list[str]:
    return [str(new.usable_from), str(new.usable_through)]


def _unused(budget: Money) -> dict[str, object]:
    parts = ("held", "captured", "reversed", "expired", "forfeited", "refunded")
    whole = {"face_value_minor": budget.amount_minor, "remaining_minor": budget.amount_minor}
    return whole | {"currency": budget.currency, "uses": 0, "held_uses": 0, **{f"{part}_minor": 0 for part in parts}}


def _code(typed: str) -> str:
    code = normalized_code(typed)
    if not CODE.fullmatch(code):
        raise VoucherError(
            VoucherErrorCode.BAD_CODE,
            "The code of a promotion has 3 to 40 letters A to Z, digits and hyphens, such as GET-LICENSED-2019.",
            "code",
        )
    return code


def _must_be_worth_something(new: NewPromotion) -> None:
    if (new.percent_off is None) == (new.amount_off is None):
        raise bad_terms("A promotion takes off a percentage or an amount, one of them.", "benefit")
    if new.percent_off is not None:
        points = new.percent_off * 100
        if points != int(points) or not 1 <= points <= BASIS_POINTS:
            said = f"A percentage is 0.01 to 100, with two decimals at most, not {new.percent_off}."
            raise bad_terms(said, "benefit", "percentOff")
    for amount, path in (
        (new.budget, ("budget",)),
        (new.amount_off, ("benefit", "amountOff")),
        (new.most_off, ("mostOff",)),
    ):
        if amount is not None:
            _must_be_amount(amount, new.budget.currency, *path)
    for most, field in ((new.most_uses, "mostUses"), (new.most_uses_a_person, "mostUsesAPerson")):
        if most is not None and not 1 <= most <= MOST_USES:
            raise bad_terms(f"A limit of uses is 1 to {MOST_USES:,}, not {most:,}; leave it out for none.", field)


def _must_be_amount(amount: Money, currency: str, *field: str) -> None:
    if amount.amount_minor <= 0:
        raise bad_terms(f"This is an amount above zero, not {amount}.", *field)
    if amount.currency != currency:
        raise bad_terms(f"The budget is in {currency}, this in {amount.currency}: currencies never mix.", *field)


async def _usable(act: ProgramAct, new: NewPromotion) -> tuple[dt.datetime, dt.datetime]:
    calendar = BillingCalendar.of((await program_of(act.session, act.program_id)).zone)
    today = calendar.day_of(act.now)
    first = new.usable_from or today
    for day, field in ((first, "usableFrom"), (new.usable_through, "usableThrough")):
        if day is not None and not EARLIEST <= day <= LATEST:
            raise VoucherError(VoucherErrorCode.DATE_OUT_OF_RANGE, f"{day} is outside {EARLIEST} to {LATEST}.", field)
    if new.usable_through is None:
        return calendar.start_of(first), FOREVER
    if new.usable_through < max(first, today):
        said = f"From {first} through {new.usable_through} it could never be used: it is {today}."
        raise VoucherError(VoucherErrorCode.DATE_OUT_OF_RANGE, said, "usableThrough")
    return calendar.start_of(first), calendar.start_of(new.usable_through + DAY)
