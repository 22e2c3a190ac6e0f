"""Why a voucher pays for a line of a cart, or does not: the first rule that decides it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum

from models.products import ProductRule


class CartRule(Enum):
    INCLUDED = "it names this product"
    ANY_PRODUCT = "it pays for every product that it does not exclude"
    GATEWAY = "payments through the cart's gateway take no vouchers"
    NOT_USABLE = "it was used up, revoked, given another code or given to somebody else"
    EXPIRED = "it has expired"
    REMOVED = "it was taken off the cart"
    HOLD_ENDED = "the time for which it was held is over"
    OTHER_CURRENCY = "it is in another currency, and currencies never mix"
    EXCLUDED = "it never pays for this product: an exclusion wins"
    NOT_INCLUDED = "it names other products only"
    NOTHING_FREE = "another cart holds what is left of it"
    NO_CREDIT = "who pays for it later may owe no more for now"
    NAMED_AMOUNT = "the amount that was named for it is used on other lines"
    USED_ELSEWHERE = "what is left of it is used on other lines"
    COVERED = "nothing of the line is left to pay: others cover it"


LETS_IN = (CartRule.INCLUDED, CartRule.ANY_PRODUCT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """A voucher as a cart sees it."""

    rule: ProductRule
    currency: str
    expires_at: dt.datetime
    # It is live, and for the cart's person.
    is_usable: bool
    # What this cart may hold of it at most, and holds.
    free_minor: int
    held_minor: int
    named_minor: int | None = None
    # Nobody pays for it later, or whoever does may owe something more.
    has_credit: bool = True
    was_removed: bool = False
    hold_ended: bool = False


@dataclass(frozen=True, slots=True)
class Payable:
    """A line of the cart, and how much of it the voucher pays."""

    product_id: int
    currency: str
    paid_minor: int


def rule_of(payer: Payer, line: Payable, now: dt.datetime) -> CartRule:
    """What is no use at all says so before what does not fit the line; what fits says why it does not pay."""
    kept_out = _kept_out(payer, line, now)
    if kept_out:
        return kept_out
    if line.paid_minor:
        return CartRule.INCLUDED if payer.rule.included else CartRule.ANY_PRODUCT
    return _pays_nothing(payer)


def _kept_out(payer: Payer, line: Payable, now: dt.datetime) -> CartRule | None:
    reasons = {
        CartRule.EXPIRED: payer.expires_at <= now,
        CartRule.NOT_USABLE: not payer.is_usable,
        CartRule.REMOVED: payer.was_removed,
        CartRule.HOLD_ENDED: payer.hold_ended,
        CartRule.OTHER_CURRENCY: payer.currency != line.currency,
        CartRule.EXCLUDED: line.product_id in payer.rule.excluded,
        CartRule.NOT_INCLUDED: not payer.rule.admits(line.product_id),
    }
    return next((rule for rule, applies in reasons.items() if applies), None)


def _pays_nothing(payer: Payer) -> CartRule:
    if not payer.free_minor:
        return CartRule.NOTHING_FREE
    if not payer.has_credit and not payer.held_minor:
        return CartRule.NO_CREDIT
    if payer.held_minor == payer.named_minor:
        return CartRule.NAMED_AMOUNT
    return CartRule.USED_ELSEWHERE if payer.held_minor == payer.free_minor else CartRule.COVERED
