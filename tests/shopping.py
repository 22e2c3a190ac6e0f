"""What tests of checkouts through the API share: a shop whose tills answer, and what people do there in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.ids import encode_id
from resolvers.gateways.gateway import Gateways
from resolvers.principal import Principal
from schema.context import Context
from schema.root import schema
from server.database import Database
from tests.carting import Buyer, buyer, declared
from tests.code_keys import CODE_KEYS
from tests.tellers import Teller
from tests.vouchering import Shop, shop

CART = """cart { id version state total { amount } byVouchers { amount } due { amount } voucherEntry { enabled reason }
  lines { number byVouchers { amount } } vouchers { id lastFour promotionCode amount { amount } } checkout { state }
}"""
ORDER = """order { id reference total { amount } byVouchers { amount } byCard { amount } refunded { amount }
  lines { number product { name } byVouchers { amount } byCard { amount } refunded { amount } }
  redemptions { lineNumber lastFour promotionCode amount { amount } reversedAmount { amount } voucher { id } } }"""
ERRORS = "userErrors { code message field }"
COMPLETED = f"checkout {{ id state cartVersion due {{ amount }} charges {{ state }} }} {CART} {ORDER}"


@dataclass
class Market:
    """A shop, its tills, and whoever asks its API."""

    shop: Shop
    teller: Teller = field(default_factory=Teller)
    gateways: Gateways = field(default_factory=dict)

    async def asked(self, who: Principal, query: str, **variables: Any) -> dict[str, Any]:
        own = self.shop
        context = Context(who, own.now, own.database.reading, own.database.run, code_keys=CODE_KEYS)
        context.gateways = self.gateways
        result = await schema.execute(query, variable_values=variables, context_value=context)
        assert result.errors is None, result.errors
        return result.data or {}

    async def does(self, who: Principal, deed: str, shown: str, **given: Any) -> dict[str, Any]:
        """What a mutation answers, refusals included."""
        kind = deed[0].upper() + deed[1:]
        query = f"mutation ($input: {kind}Input!) {{ done: {deed}(input: $input) {{ {shown} {ERRORS} }} }}"
        answer: dict[str, Any] = (await self.asked(who, query, input=given))["done"]
        return answer

    async def done(self, who: Principal, deed: str, shown: str, **given: Any) -> dict[str, Any]:
        """The same of one that is not refused."""
        answer = await self.does(who, deed, shown, **given)
        assert answer["userErrors"] == []
        return answer

    def id_of(self, kind: str, key: int) -> str:
        return encode_id(kind, self.shop.program_id, key)


@dataclass
class Window:
    """One browser window of a person at the checkout: it sends what it saw last, and keeps what it was answered."""

    market: Market
    buyer: Buyer
    cart: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def codes(self) -> list[str]:
        return [error["code"] for error in self.answer["userErrors"]]

    @property
    def said(self) -> str:
        return " ".join(error["message"] for error in self.answer["userErrors"])

    async def opens(self, *products: int, gateway: str | None = None, key: str = "open") -> Window:
        lines = [{"product": self.market.id_of("Product", product)} for product in products]
        named = {"gateway": gateway} if gateway else {}
        return await self._does("cartCreate", CART, lines=lines, idempotencyKey=key, **named)

    async def enters(self, code: str, amount: str | None = None) -> Window:
        named = {"amount": {"amount": amount, "currency": "USD"}} if amount else {}
        return await self._does("cartVoucherApply", CART, **self._seen, by={"code": code}, **named)

    async def sets(self, *products: int) -> Window:
        lines = [{"product": self.market.id_of("Product", product)} for product in products]
        return await self._does("cartLinesSet", CART, **self._seen, lines=lines)

    async def pays(self, *, due: str | None = None, method: str | None = "pm_card", key: str = "pay") -> Window:
        amount = {"amount": due or self.cart["due"]["amount"], "currency": "USD"}
        card = {"paymentMethod": method} if method else {}
        shown = f"{COMPLETED} clientSecret pageUrl"
        return await self._does("cartComplete", shown, **self._seen, expectedDue=amount, idempotencyKey=key, **card)

    async def cancels(self) -> Window:
        return await self._does(
            "checkoutCancel", f"checkout {{ state }} {CART}", checkout=self.answer["checkout"]["id"]
        )

    def looks_again(self) -> None:
        """At the cart that it was answered with."""
        self.cart = self.answer["cart"]

    @property
    def order(self) -> Any:
        return self.answer["order"]

    @property
    def state(self) -> str:
        """Of the checkout."""
        return str(self.answer["checkout"]["state"])

    @property
    def _seen(self) -> Mapping[str, Any]:
        return {"cart": self.cart["id"], "expectedVersion": self.cart["version"]}

    async def _does(self, deed: str, shown: str, **given: Any) -> Window:
        self.answer = await self.market.does(self.buyer.principal, deed, shown, **given)
        if not self.answer["userErrors"]:
            self.looks_again()
        return self


async def market(database: Database, **terms: Any) -> Market:
    """Whose till answers as its teller is told; beside it a gateway without vouchers."""
    made = Market(await shop(database, **terms))
    made.gateways = {"cards": made.teller, "moolah": declared("moolah", takes_vouchers=False)}
    return made


async def window(own: Market) -> Window:
    """Of somebody new."""
    return Window(own, await buyer(own.shop))
