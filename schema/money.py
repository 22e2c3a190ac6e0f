"""Money as clients see and give it."""

from __future__ import annotations

from decimal import Decimal

import strawberry

from models.money import Money, money_of
from schema.scalars import BigInt


@strawberry.type(name="Money", description="An amount of a currency; exact, never rounded.")
class ShownMoney:
    amount: Decimal = strawberry.field(description="In the currency's main unit, such as dollars: 12.50.")
    amount_minor: BigInt = strawberry.field(description="In its smallest unit, such as cents: 1250.")
    currency: str = strawberry.field(description="Its ISO 4217 code, such as USD.")

    @classmethod
    def of(cls, money: Money) -> ShownMoney:
        return cls(amount=money.amount, amount_minor=BigInt(money.amount_minor), currency=money.currency)


@strawberry.type(description="An amount that depends on lost dates: nobody is billed above its lower bound unasked.")
class MoneyBounds:
    min: ShownMoney = strawberry.field(description="For the provable number of people.")
    max: ShownMoney = strawberry.field(description="For as many as may be.")

    @classmethod
    def of(cls, least: Money, most: Money) -> MoneyBounds:
        return cls(min=ShownMoney.of(least), max=ShownMoney.of(most))


@strawberry.input(description="An amount of a currency.")
class MoneyInput:
    amount: Decimal = strawberry.field(description="In the currency's main unit, such as dollars: 12.50.")
    currency: str = strawberry.field(description="Its ISO 4217 code, such as USD.")

    def money(self, *field: str) -> Money:
        return money_of(self.amount, self.currency, *field)
