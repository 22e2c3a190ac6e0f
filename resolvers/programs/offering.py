"""On which terms organizations may buy vouchers of a program, and what these may pay for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import insert

from models.errors import VoucherError, VoucherErrorCode
from models.interval import BillingCalendar
from models.learners import sort_key
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.voucher_programs import (
    IssueOn,
    Leftovers,
    ProductRuling,
    RefundPolicy,
    Transferability,
    VoucherFunding,
    VoucherProgram,
    VoucherProgramProduct,
)
from resolvers.activity import EARLIEST, LATEST
from resolvers.loaders.voucher_programs import (
    InProgram,
    ProductRow,
    products_by_key,
    program_of,
    voucher_program_of,
)
from resolvers.programs.acting import ProgramAct, add_unique, once_in_program
from resolvers.programs.defining import MOST_DAYS, bad_terms, brief, change_of, must_be_free, named, own_key, told


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVoucherProgram:
    name: str
    # What one is worth, and what it costs if it is prepaid.
    face_value: Money
    funding: Collection[VoucherFunding]
    issue_on: IssueOn = IssueOn.APPROVAL
    leftovers: Leftovers = Leftovers.KEEP
    transferability: Transferability = Transferability.BEARER
    refund_policy: RefundPolicy = RefundPolicy.UNUSED
    refund_days: int | None = None
    # Not both; for ever without either.
    valid_days: int | None = None
    valid_through: dt.date | None = None
    # Products by their ids: none included means all, and an exclusion wins.
    included: Collection[int] = ()
    excluded: Collection[int] = ()


async def create_voucher_program(act: ProgramAct, new: NewVoucherProgram, idempotency_key: str | None = None) -> int:
    """Terms that vouchers are bought on, for good; with a key the same request again makes no second ones."""
    act.principal.must_run(act.program_id, "define voucher programs")
    step = partial(_add_voucher_program, act, new)
    if idempotency_key is None:
        return await step()
    return await once_in_program(act, idempotency_key, "voucherProgramCreate", _told_in_order(new), step)


def _told_in_order(new: NewVoucherProgram) -> list[object]:
    """What was given, the same in whichever order its parts came."""
    ways = sorted(way.name for way in new.funding)
    return [{"terms": _terms(new), "funding": ways}, sorted(new.included), sorted(new.excluded)]


async def _add_voucher_program(act: ProgramAct, new: NewVoucherProgram) -> int:
    name = named(new.name)
    _must_be_worth_something(new)
    await _must_be_valid(act, new)
    rulings = await rulings_of(act, new.included, new.excluded, new.face_value.currency)
    taken = f"Another voucher program is named {name}."
    await must_be_free(act, VoucherProgram, VoucherProgram.name == name, taken, "name")
    key = act.keys.take()
    ways = {
        "by_card": VoucherFunding.CARD in new.funding,
        "by_purchase_order": VoucherFunding.PURCHASE_ORDER in new.funding,
        "billed_later": VoucherFunding.BILL_LATER in new.funding,
    }
    own = own_key(act, key) | _terms(new) | ways | {"name": name, "name_key": sort_key(name)}
    await add_unique(act.session, VoucherProgram.__table__, own | {"created_at": act.now})
    if rulings:
        of_it = {"program_id": act.program_id, "voucher_program_id": key}
        rows = [of_it | {"product_id": product_id, "ruling": ruling} for product_id, ruling in rulings.items()]
        await act.session.execute(insert(VoucherProgramProduct.__table__), rows)
    await told(act, ProgramThing.VOUCHER_PROGRAM, key, ProgramDeed.DEFINED, after=brief(f"{name}, {new.face_value}"))
    return key


async def stop_voucher_program(act: ProgramAct, voucher_program_id: int) -> int:
    """None can be bought any more; those that were bought keep their terms. Once it is stopped nothing changes."""
    act.principal.must_run(act.program_id, "stop voucher programs")
    await voucher_program_of(act.session, act.program_id, voucher_program_id, "voucherProgram")
    stopped = change_of(VoucherProgram, act, voucher_program_id, VoucherProgram.stopped_at.is_(None))
    if (await act.session.execute(stopped.values(stopped_at=act.now).returning(VoucherProgram.id))).one_or_none():
        await told(act, ProgramThing.VOUCHER_PROGRAM, voucher_program_id, ProgramDeed.RETIRED)
    return voucher_program_id


def _terms(new: NewVoucherProgram) -> dict[str, object]:
    return {
        "name": new.name,
        "face_value_minor": new.face_value.amount_minor,
        "currency": new.face_value.currency,
        "issue_on": new.issue_on,
        "leftovers": new.leftovers,
        "transferability": new.transferability,
        "refund_policy": new.refund_policy,
        "refund_days": new.refund_days,
        "valid_days": new.valid_days,
        "valid_through": new.valid_through,
    }


def _must_be_worth_something(new: NewVoucherProgram) -> None:
    if new.face_value.amount_minor <= 0:
        raise bad_terms(f"A voucher is worth something, not {new.face_value}.", "faceValue")
    if not new.funding:
        raise bad_terms("Say at least one way in which vouchers may be paid for.", "funding")
    if new.refund_policy is RefundPolicy.NEVER and new.refund_days is not None:
        raise bad_terms("Days of refund are given, but nothing is ever given back.", "refundDays")


async def _must_be_valid(act: ProgramAct, new: NewVoucherProgram) -> None:
    for days, field in ((new.valid_days, "validDays"), (new.refund_days, "refundDays")):
        if days is not None and not 1 <= days <= MOST_DAYS:
            raise bad_terms(f"So many days are 1 to {MOST_DAYS:,}, not {days}.", field)
    if new.valid_through is None:
        return
    if new.valid_days is not None:
        raise bad_terms("Vouchers are valid for some days, or through one day, but not both.", "validThrough")
    today = BillingCalendar.of((await program_of(act.session, act.program_id)).zone).day_of(act.now)
    if not EARLIEST <= new.valid_through <= LATEST or new.valid_through < today:
        said = f"Through {new.valid_through} no voucher would be valid: it is {today}. Give a later day, through 2199."
        raise VoucherError(VoucherErrorCode.DATE_OUT_OF_RANGE, said, "validThrough")


async def rulings_of(
    act: ProgramAct, included: Collection[int], excluded: Collection[int], currency: str
) -> Mapping[int, ProductRuling]:
    """What is ruled of each product that is named; an exclusion wins, but something must be left to pay for."""
    if included and not set(included) - set(excluded):
        raise bad_terms("Everything that is included is excluded too, so nothing would ever be paid for.", "excluded")
    rulings = dict.fromkeys(included, ProductRuling.INCLUDED) | dict.fromkeys(excluded, ProductRuling.EXCLUDED)
    keys = [InProgram(act.program_id, product_id) for product_id in rulings]
    known = {row.id: row for row in await products_by_key(act.session, keys)}
    for product_id, ruling in rulings.items():
        _must_fit(known.get(product_id), currency, ruling.name.lower())
    return rulings


def _must_fit(product: ProductRow | None, currency: str, field: str) -> None:
    if product is None:
        raise VoucherError(VoucherErrorCode.NOT_FOUND, "There is no such product in this program.", field)
    if product.currency != currency:
        said = f"{product.name} is priced in {product.currency}, and this is worth {currency}."
        raise bad_terms(f"{said} Currencies never mix.", field)
