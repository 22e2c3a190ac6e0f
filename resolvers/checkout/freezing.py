"""The first step of completing: what the person saw is checked once more, and frozen until its payment is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from models.checkouts import CheckoutState
from models.errors import VoucherError, VoucherErrorCode
from models.money import Money
from resolvers.carts.finding import applied_to, lines_of
from resolvers.carts.sharing import stock_of
from resolvers.carts.versions import freeze
from resolvers.carts.voucher_entry import must_take_vouchers
from resolvers.checkout.capturing import OnCheckout
from resolvers.checkout.deciding import order
from resolvers.gateways.choosing import must_charge
from resolvers.gateways.gateway import Gateways
from resolvers.loaders.carts import AppliedRow, CartLineRow, CartRow
from resolvers.loaders.checkouts import CHECKOUT, CheckoutRow
from resolvers.payments.rows import PaysFor, Subject
from resolvers.payments.starting import start_payment
from resolvers.programs.acting import ProgramAct, add_unique, once_in_program

Code = VoucherErrorCode


@dataclass(frozen=True, slots=True)
class Completing:
    """What the person saw when they said yes."""

    cart_id: int
    expected_version: int
    expected_due: Money
    # Of the card, as the gateway's own script made it; empty where its page asks for it, or nothing is left to pay.
    payment_method: str = field(default="", repr=False)


async def begin_once(act: ProgramAct, gateways: Gateways, key: str, asked: Completing) -> int:
    """The key of the checkout; of the one that was begun before, if the same was asked for before."""
    return await once_in_program(act, key, "cartComplete", asked, lambda: begin(act, gateways, asked))


async def begin(act: ProgramAct, gateways: Gateways, asked: Completing) -> int:
    """Nothing left to pay is paid at once. Anything else is to be charged next, outside this transaction."""
    cart = await freeze(act, asked.cart_id, asked.expected_version)
    lines = await lines_of(act, cart.id)
    applied = [row for row in await applied_to(act, cart.id) if row.is_live]
    if applied:
        must_take_vouchers(gateways, cart.gateway, "cart")
    _refuse_other_prices(lines)
    await _refuse_ended(act, cart, applied)
    due = Money(cart.total_minor - cart.by_vouchers_minor, cart.currency)
    _refuse_other_due(due, asked.expected_due)
    if due.amount_minor:
        must_charge(gateways, cart.gateway, has_method=bool(asked.payment_method))
    checkout = await _write(act, cart, due)
    await _pay(act, checkout, due, OnCheckout(lines, applied))
    return checkout.id


async def _pay(act: ProgramAct, checkout: CheckoutRow, due: Money, on: OnCheckout) -> None:
    if not due.amount_minor:
        await order(act, checkout, on)
        return
    await start_payment(act, Subject(PaysFor.CHECKOUT, checkout.id), checkout.gateway, due)


async def _write(act: ProgramAct, cart: CartRow, due: Money) -> CheckoutRow:
    """The database takes one undecided checkout of a cart, and one order."""
    key, is_paid = act.keys.take(), not due.amount_minor
    row: dict[str, Any] = {
        "program_id": act.program_id,
        "id": key,
        "cart_id": cart.id,
        "cart_version": cart.version,
        "person_id": cart.person_id,
        "gateway": cart.gateway,
        "total_minor": cart.total_minor,
        "by_vouchers_minor": cart.by_vouchers_minor,
        "by_card_minor": due.amount_minor,
        "currency": cart.currency,
        "state": CheckoutState.COMPLETED if is_paid else CheckoutState.PAYING,
        "started_at": act.now,
        "ended_at": act.now if is_paid else None,
    }
    await add_unique(act.session, CHECKOUT, row)
    return CheckoutRow(place=0, **row)


# ------------------------------------------------------------------------------------- is it still as it was seen


def _refuse_other_prices(lines: Sequence[CartLineRow]) -> None:
    """Nobody pays a price that they did not see. Any change of the cart brings it up to date."""
    for place, line in enumerate(lines):
        if line.retired_at is not None:
            raise _refusal(Code.STOPPED, f"{line.name} is sold no more. Take it off the cart.", "lines", str(place))
        if line.price_minor != line.unit_price_minor:
            was, now = Money(line.unit_price_minor, line.currency), Money(line.price_minor, line.currency)
            said = f"{line.name} was {was} and is {now} now. Set the lines again to see the cart at that price."
            raise _refusal(Code.PRICE_CHANGED, said, "lines", str(place))


async def _refuse_ended(act: ProgramAct, cart: CartRow, applied: Sequence[AppliedRow]) -> None:
    """A voucher may have expired on the cart, or its person may have lost it."""
    stock = await stock_of(act, cart, applied)
    if any(not stock.is_usable(row) for row in applied):
        said = "A voucher on the cart can be used no more. Take it off, or look at the cart again."
        raise _refusal(Code.VOUCHER_ENDED, said, "vouchers")


def _refuse_other_due(due: Money, expected: Money) -> None:
    if due != expected:
        said = f"{due} is due, and {expected} was expected. Nothing was charged."
        raise VoucherError(Code.EXPECTED_DUE_MISMATCH, said, "expectedDue")


def _refusal(code: VoucherErrorCode, said: str, *at: str) -> VoucherError:
    return VoucherError(code, said, "cart", *at)
