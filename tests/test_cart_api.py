"""Carts through GraphQL: two tabs, the late fee, an assigned voucher, gateways that take none, and who may look."""

from __future__ import annotations

from typing import Any

from models.ids import encode_id
from resolvers.principal import Principal
from schema.context import Context
from schema.root import schema
from server.database import Database
from tests.builders import STAFF
from tests.carting import GATEWAYS, Buyer, buyer
from tests.code_keys import CODE_KEYS
from tests.test_vouchers import must_add_up
from tests.vouchering import Shop, shop

CART = """{ id version state total { amount } byVouchers { amount } due { amount }
  voucherEntry { enabled reason }
  lines { number quantity product { name } total { amount } byVouchers { amount } }
  vouchers { id lastFour appliedBy amount { amount } voucher { id } parts { lineNumber amount { amount } } }
  explain { lineNumber voucher letIn rule amount { amount } words } }"""
ERRORS = "userErrors { code message field }"


def doing(deed: str) -> str:
    kind = deed[0].upper() + deed[1:]
    return f"mutation ($input: {kind}Input!) {{ done: {deed}(input: $input) {{ cart {CART} {ERRORS} }} }}"


CREATE, SET, ABANDON = doing("cartCreate"), doing("cartLinesSet"), doing("cartAbandon")
APPLY, REMOVE = doing("cartVoucherApply"), doing("cartVoucherRemove")


async def asked(market: Shop, query: str, by: Principal, **variables: Any) -> dict[str, Any]:
    """At the shop's own time and tills; nothing goes wrong at the top."""
    context = Context(
        by, market.now, market.database.reading, market.database.run, code_keys=CODE_KEYS, gateways=GATEWAYS
    )
    result = await schema.execute(query, variable_values=variables, context_value=context)
    assert result.errors is None, result.errors
    return result.data or {}


class Tab:
    """A person's browser tab: sends the version that it saw last."""

    def __init__(self, ida: Buyer, by: Principal | None = None) -> None:
        self._market, self._by = ida.market, by or ida.principal
        self.cart: dict[str, Any] = {}
        self.errors: list[dict[str, Any]] = []

    async def opens(self, *products: int, gateway: str = "cards", key: str = "1") -> None:
        lines = [{"product": encode_id("Product", self._market.program_id, product)} for product in products]
        await self._does(CREATE, lines=lines, gateway=gateway, idempotencyKey=key)

    async def sets(self, *products: int) -> None:
        lines = [{"product": encode_id("Product", self._market.program_id, product)} for product in products]
        await self._does(SET, **self._seen, lines=lines)

    async def applies(self, code: str, amount: str | None = None) -> None:
        named = {"amount": {"amount": amount, "currency": "USD"}} if amount else {}
        await self._does(APPLY, **self._seen, by={"code": code}, **named)

    async def removes(self, place: int = 0) -> None:
        await self._does(REMOVE, **self._seen, voucher=self.cart["vouchers"][place]["id"])

    async def abandons(self) -> None:
        await self._does(ABANDON, **self._seen)

    @property
    def _seen(self) -> dict[str, Any]:
        return {"cart": self.cart["id"], "expectedVersion": self.cart["version"]}

    @property
    def codes(self) -> list[str]:
        return [error["code"] for error in self.errors]

    @property
    def due(self) -> str:
        due: str = self.cart["due"]["amount"]
        return due

    async def _does(self, query: str, **given: Any) -> None:
        answer = (await asked(self._market, query, self._by, input=given))["done"]
        self.errors = answer["userErrors"]
        self.answered = answer["cart"]
        if not self.errors:
            self.cart = answer["cart"]


async def test_of_two_tabs_the_stale_one_changes_nothing_and_is_shown_the_cart(database: Database) -> None:
    market = await shop(database)
    ida = await buyer(market)
    (voucher,) = await market.stock(CODE_KEYS)
    one, two = Tab(ida), Tab(ida)
    await one.opens(market.fee_id)
    await two.opens(market.fee_id)
    assert one.cart["id"] == two.cart["id"], "the same request opens one cart"
    await one.applies(voucher.code)
    assert (one.cart["version"], one.due) == (2, "0.00")
    await two.sets(market.fee_id, market.late_fee_id)
    assert two.codes == ["STALE_CART"]
    assert two.errors[0]["field"] == ["input", "expectedVersion"]
    assert "version 2" in two.errors[0]["message"]
    assert two.answered == one.cart
    two.cart = two.answered
    await two.sets(market.fee_id, market.late_fee_id)
    assert (two.cart["version"], two.due) == (3, "50.00")
    await one.abandons()
    assert one.codes == ["STALE_CART"]
    one.cart = one.answered
    await one.abandons()
    assert one.cart["state"] == "ABANDONED"
    await two.applies(voucher.code)
    assert two.codes == ["CART_CLOSED"]
    assert two.answered["state"] == "ABANDONED"
    assert (await market.voucher(voucher.id)).held_minor == 0
    await must_add_up(market)


async def test_a_voucher_pays_the_application_and_never_the_late_fee(database: Database) -> None:
    market = await shop(database)
    tab = Tab(await buyer(market))
    (voucher,) = await market.stock(CODE_KEYS, face_minor=20_000)
    await tab.opens(market.late_fee_id)
    await tab.applies(voucher.code)
    assert tab.codes == ["VOUCHER_DOES_NOT_FIT_CART"]
    assert "Late fee: it never pays for this product" in tab.errors[0]["message"]
    await tab.sets(market.fee_id, market.late_fee_id)
    await tab.applies(voucher.code, "180")
    assert tab.codes == ["VOUCHER_EXCEEDS_DUE"]
    assert "USD 175.00 is due, and USD 180.00" in tab.errors[0]["message"]
    await tab.applies(voucher.code, "130")
    assert tab.codes == ["VOUCHER_EXCEEDS_DUE"]
    assert "USD 125.00 is due for what the voucher may pay" in tab.errors[0]["message"]
    await tab.applies(voucher.code)
    assert tab.due == "50.00"
    assert [line["byVouchers"]["amount"] for line in tab.cart["lines"]] == ["125.00", "0.00"]
    assert [(one["letIn"], one["rule"]) for one in tab.cart["explain"]] == [(True, "ANY_PRODUCT"), (False, "EXCLUDED")]
    assert [one["voucher"] for one in tab.cart["vouchers"]] == [None], "who knows a code sees no more of the voucher"
    await must_add_up(market)


async def test_an_assigned_voucher_pays_by_itself_and_stays_off_once_removed(database: Database) -> None:
    market = await shop(database)
    ida = await buyer(market)
    (voucher,) = await market.stock(CODE_KEYS)
    await ida.is_given(voucher)
    tab = Tab(ida)
    await tab.opens(market.fee_id)
    assert tab.due == "0.00", "there is nothing to pay"
    (applied,) = tab.cart["vouchers"]
    assert applied["appliedBy"] == "ASSIGNMENT"
    assert applied["voucher"]["id"] == encode_id("Voucher", market.program_id, voucher.id)
    await tab.removes()
    await tab.sets(market.fee_id, market.late_fee_id)
    assert (tab.cart["vouchers"], tab.due) == ([], "175.00")
    assert {one["rule"] for one in tab.cart["explain"]} == {"REMOVED"}
    (chosen,) = [(await asked(market, APPLY, ida.principal, input=_choosing(tab, applied["voucher"]["id"])))["done"]]
    assert chosen["cart"]["due"]["amount"] == "50.00"


def _choosing(tab: Tab, voucher: str) -> dict[str, Any]:
    return {"cart": tab.cart["id"], "expectedVersion": tab.cart["version"], "by": {"voucher": voucher}}


async def test_a_gateway_that_takes_no_vouchers_says_so_everywhere(database: Database) -> None:
    market = await shop(database)
    ida = await buyer(market)
    given, free = await market.stock(CODE_KEYS, 2)
    await ida.is_given(given)
    tab = Tab(ida)
    await tab.opens(market.fee_id, gateway="moolah")
    assert tab.due == "125.00", "not even what is assigned applies"
    assert tab.cart["voucherEntry"] == {"enabled": False, "reason": "moolah takes no vouchers."}
    assert {one["rule"] for one in tab.cart["explain"]} == {"GATEWAY"}
    for code in (free.code, given.code, "no code at all"):
        await tab.applies(code)
        assert tab.codes == ["GATEWAY_TAKES_NO_VOUCHERS"]
        assert tab.errors[0]["message"] == tab.cart["voucherEntry"]["reason"]
    await tab.opens(market.fee_id, gateway="gold", key="2")
    assert tab.codes == ["UNKNOWN_GATEWAY"]


async def test_a_cart_is_its_persons_and_the_programs_people_only_look(database: Database) -> None:
    market = await shop(database)
    ida, eve = await buyer(market), await buyer(market)
    tab = Tab(ida)
    await tab.opens(market.fee_id)
    read = f"query ($id: ID!) {{ cart(id: $id) {CART} node(id: $id) {{ id }} carts {{ nodes {{ id }} totalCount }} }}"
    own = await asked(market, read, ida.principal, id=tab.cart["id"])
    assert own["cart"] == tab.cart
    assert own["carts"] == {"nodes": [{"id": tab.cart["id"]}], "totalCount": 1}
    for principal in (market.program_admin, STAFF):
        seen = await asked(market, read, principal, id=tab.cart["id"])
        assert seen["cart"] == tab.cart
        assert seen["carts"]["totalCount"] == 0
        looker = Tab(ida, by=principal)
        looker.cart = tab.cart
        await looker.abandons()
        assert looker.codes == ["NOT_ALLOWED"]
        await looker.opens(market.fee_id)
        assert looker.codes == ["NOT_ALLOWED"]
    for principal in (eve.principal, market.client):
        assert await asked(market, read, principal, id=tab.cart["id"]) == {
            "cart": None,
            "node": None,
            "carts": {"nodes": [], "totalCount": 0},
        }
        stranger = Tab(ida, by=principal)
        stranger.cart = tab.cart
        await stranger.abandons()
        assert (stranger.codes, stranger.answered) == (["NOT_FOUND"], None)
