"""Money: integer minor units of an ISO 4217 currency. Never a float, and currencies never mix."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from iso4217 import Currency

from models.errors import MoneyError, MoneyErrorCode

MOST_MINOR = 10**15
"""No amount of ours is larger, so that sums of many stay within 64 bits."""


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in the smallest unit of its currency: 1,250 of USD is 12.50 dollars, of JPY 1,250 yen."""

    amount_minor: int
    currency: str

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} never mix")
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount_minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return self + -other

    def __mul__(self, quantity: int) -> Money:
        return Money(self.amount_minor * quantity, self.currency)

    @property
    def amount(self) -> Decimal:
        """In the currency's main unit, with all of its decimals."""
        return Decimal(self.amount_minor).scaleb(-decimals_of(self.currency))

    def __str__(self) -> str:
        return f"{self.currency} {self.amount:,}"


def decimals_of(currency: str) -> int:
    """How many decimals the currency has: 2 for USD, 0 for JPY, 3 for KWD."""
    return Currency(currency).exponent or 0


def known_currency(code: str, *field: str) -> str:
    try:
        return Currency(code.strip().upper()).code
    except ValueError as problem:
        raise MoneyError(
            MoneyErrorCode.UNKNOWN_CURRENCY, f"{code!r} is not an ISO 4217 currency such as USD.", *field
        ) from problem


def money_of(amount: str | Decimal, currency: str, *field: str) -> Money:
    """An amount as a person types it, in the main unit; finer than the currency's smallest unit is refused."""
    code = known_currency(currency, *field)
    try:
        minor = Decimal(amount).scaleb(decimals_of(code))
        # What is nearer to nothing than a decimal can be would pass for nothing.
        whole = minor == minor.to_integral_value() and abs(minor) <= MOST_MINOR and bool(minor) == bool(Decimal(amount))
    except ArithmeticError:
        whole = False
    if not whole:
        raise MoneyError(
            MoneyErrorCode.BAD_AMOUNT,
            f"{amount} is not an amount of {code}: it has at most {decimals_of(code)} decimals.",
            *field,
        )
    return Money(int(minor), code)
