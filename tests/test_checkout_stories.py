"""What people do at the checkout, told through the API alone; whatever happens, the books add up."""

from __future__ import annotations

from typing import Any

from models.ids import encode_id
from resolvers.vouchers.keeping import keep_vouchers
from server.database import Database
from tests.builders import MINUTE, STAFF
from tests.carting import declared
from tests.code_keys import CODE_KEYS
from tests.shopping import ORDER, Window, market, window
from tests.test_invariants import offended


def paid_by(order: dict[str, Any]) -> tuple[str, str, str]:
    """Its total, what vouchers paid and what a card paid."""
    return order["total"]["amount"], order["byVouchers"]["amount"], order["byCard"]["amount"]


async def test_i_enter_the_voucher_code_to_defray_the_payment_by_the_value_of_the_voucher(database: Database) -> None:
    """And pay exactly what I saw: any other amount is refused with both figures, and nothing is charged."""
    own = await market(database)
    (voucher,) = await own.shop.stock(CODE_KEYS, face_minor=10_000)
    me = await window(own)
    await me.opens(own.shop.fee_id)
    await me.enters(voucher.code, "130.00")
    assert me.codes == ["VOUCHER_EXCEEDS_DUE"]
    assert "USD 125.00" in me.said
    assert "USD 130.00" in me.said
    await me.enters(voucher.code)
    assert (me.cart["total"]["amount"], me.cart["due"]["amount"]) == ("125.00", "25.00")
    await me.pays(due="24.99")
    assert (me.codes, me.order) == (["EXPECTED_DUE_MISMATCH"], None)
    assert "USD 25.00 is due, and USD 24.99 was expected" in me.said
    assert me.answer["cart"] == me.cart
    await me.pays(method=None, key="no card")
    assert me.codes == ["PAYMENT_METHOD_REQUIRED"]
    assert own.teller.charged == {}
    await me.pays()
    assert (me.state, me.cart["state"]) == ("COMPLETED", "COMPLETED")
    assert paid_by(me.order) == ("125.00", "100.00", "25.00")
    assert [(one["lastFour"], one["amount"]["amount"]) for one in me.order["redemptions"]] == [
        ((await own.shop.voucher(voucher.id)).last_four, "100.00")
    ]
    first = me.answer
    assert (await me.pays()).answer == first, "the same request again is answered the same"
    await me.pays(method="pm_another")
    assert me.codes == ["IDEMPOTENCY_KEY_REUSED"]
    assert (own.teller.kept_minor, len(own.teller.charged)) == (2_500, 1)
    assert await offended(database) == set()


async def test_of_two_tabs_the_second_is_told_and_nobody_is_charged_for_what_they_did_not_see(
    database: Database,
) -> None:
    own = await market(database)
    (voucher,) = await own.shop.stock(CODE_KEYS, face_minor=10_000)
    one = await window(own)
    two = Window(own, one.buyer)
    for tab in (one, two):
        await tab.opens(own.shop.fee_id)
    await one.enters(voucher.code)
    await two.pays()
    assert (two.codes, two.order) == (["STALE_CART"], None)
    assert two.answer["cart"] == one.cart
    assert own.teller.charged == {}
    two.looks_again()
    await two.pays()
    assert paid_by(two.order) == ("125.00", "100.00", "25.00")
    await one.pays(key="the other tab")
    assert (one.codes, one.answer["cart"]["state"]) == (["CART_CLOSED"], "COMPLETED")
    assert own.teller.kept_minor == 2_500
    assert await offended(database) == set()


async def test_a_late_fee_is_never_paid_by_a_voucher_that_excludes_it(database: Database) -> None:
    own = await market(database)
    (voucher,) = await own.shop.stock(CODE_KEYS, face_minor=20_000)
    me = await window(own)
    await me.opens(own.shop.late_fee_id)
    await me.enters(voucher.code)
    assert me.codes == ["VOUCHER_DOES_NOT_FIT_CART"]
    assert "Late fee: it never pays for this product" in me.said
    await me.sets(own.shop.fee_id, own.shop.late_fee_id)
    await me.enters(voucher.code)
    await me.pays()
    lines = [
        (one["product"]["name"], one["byVouchers"]["amount"], one["byCard"]["amount"]) for one in me.order["lines"]
    ]
    assert lines == [("Application fee", "125.00", "0.00"), ("Late fee", "0.00", "50.00")]
    assert own.teller.kept_minor == 5_000
    assert await offended(database) == set()


async def test_an_assigned_voucher_bypasses_the_payment(database: Database) -> None:
    own = await market(database)
    (voucher,) = await own.shop.stock(CODE_KEYS)
    me = await window(own)
    await me.buyer.is_given(voucher)
    own.shop.now += MINUTE
    await me.opens(own.shop.fee_id)
    assert me.cart["due"]["amount"] == "0.00"
    await me.pays(method=None)
    assert (me.state, me.answer["checkout"]["charges"], own.teller.charged) == ("COMPLETED", [], {})
    assert [one["voucher"] is not None for one in me.order["redemptions"]] == [True]
    assert await offended(database) == set()


async def test_the_first_ten_people_get_half_off(database: Database) -> None:
    own = await market(database)
    shop, payer = own.shop, {"id": encode_id("Organization", own.shop.tenant.id)}
    made = await own.done(
        shop.program_admin,
        "promotionCreate",
        "promotion { id }",
        program={"id": encode_id("Program", shop.program_id)},
        organization=payer,
        name="Get licensed",
        code="GET-LICENSED-2019",
        benefit={"percentOff": "50"},
        mostUses=10,
        mostUsesAPerson=1,
        budget={"amount": "1000", "currency": "USD"},
        funding="PURCHASE_ORDER",
        idempotencyKey="define",
    )
    promotion = made["promotion"]["id"]
    bought = await own.done(
        shop.client,
        "promotionOrder",
        "order { id }",
        promotion=promotion,
        organization=payer,
        amount={"amount": "1000", "currency": "USD"},
        payment={"purchaseOrder": {"number": "PO-1"}},
        idempotencyKey="buy",
    )
    order = bought["order"]["id"]
    await own.done(shop.program_admin, "voucherOrderApprove", "order { state }", order=order, idempotencyKey="ok")
    people = [await window(own) for _ in range(12)]
    for person in people[:10]:
        await person.opens(shop.fee_id)
        await person.enters("get-licensed-2019")
    for person in people[10:]:
        await person.opens(shop.fee_id)
        await person.enters("GET-LICENSED-2019")
        assert person.codes == ["PROMOTION_BUSY"], "full by what others hold"
    for person in people[:10]:
        assert paid_by((await person.pays()).order) == ("125.00", "62.50", "62.50")
    for person in people[10:]:
        await person.enters("GET-LICENSED-2019")
        assert person.codes == ["PROMOTION_FULL"]
        assert paid_by((await person.pays()).order) == ("125.00", "0.00", "125.00")
    seen = await own.asked(
        shop.client,
        "query ($id: ID!) { node(id: $id) { ... on Promotion { uses remaining { amount } } } }",
        id=promotion,
    )
    assert seen["node"] == {"uses": 10, "remaining": {"amount": "375.00"}}
    listed = "query ($id: ID!) { node(id: $id) { ... on Organization { redemptions { nodes { %s } } } } }"
    shown = "promotionCode promotion { id } lastFour voucher { id } order { id }"
    redeemed = (await own.asked(shop.client, listed % shown, **payer))["node"]["redemptions"]["nodes"]
    assert (
        redeemed
        == [
            {"promotionCode": "GET-LICENSED-2019", "promotion": {"id": promotion}, "lastFour": None, "voucher": None}
            | {"order": None}
        ]
        * 10
    ), "who paid is no business of whose voucher it is"
    assert await offended(database) == set()


async def test_an_employee_left_so_the_old_code_is_dead_at_the_checkout_and_the_new_one_pays(
    database: Database,
) -> None:
    own = await market(database)
    shop = own.shop
    (voucher,) = await shop.stock(CODE_KEYS)
    leaver, successor = await window(own), await window(own)
    await leaver.buyer.is_given(voucher)
    shop.now += MINUTE
    await leaver.opens(shop.fee_id)
    assert leaver.cart["due"]["amount"] == "0.00"
    learner = {"id": encode_id("Learner", *leaver.buyer.learner)}
    await own.done(shop.client, "learnerDeactivate", "changed", learner=learner, end={"at": shop.now.isoformat()})
    shop.now += MINUTE
    await keep_vouchers(shop.database.reading, shop.database.run, STAFF, shop.now)
    flagged = """query ($id: ID!) { node(id: $id) { ... on Organization {
      vouchers(filter: {flagged: true}) { nodes { id } } } } }"""
    found = await own.asked(shop.client, flagged, id=encode_id("Organization", shop.tenant.id))
    (waiting,) = found["node"]["vouchers"]["nodes"]
    reissued = await own.done(
        shop.client, "voucherReissue", "code", voucher=waiting["id"], reason="left in January", idempotencyKey="again"
    )
    await leaver.pays(method=None)
    assert leaver.codes == ["STALE_CART"], "what was held for them is released"
    leaver.looks_again()
    assert leaver.cart["due"]["amount"] == "125.00"
    for person in (leaver, successor):
        await person.opens(shop.fee_id)
        await person.enters(voucher.code)
        assert person.codes == ["CODE_NOT_USABLE"]
    await successor.enters(reissued["code"])
    await successor.pays(method=None)
    assert paid_by(successor.order) == ("125.00", "125.00", "0.00")
    assert (await shop.voucher(voucher.id)).remaining_minor == 0
    assert await offended(database) == set()


async def test_a_gateway_without_vouchers_says_so_the_same_way_everywhere(database: Database) -> None:
    own = await market(database)
    (voucher,) = await own.shop.stock(CODE_KEYS)
    me = await window(own)
    await me.opens(own.shop.fee_id)
    await me.enters(voucher.code)
    assert me.cart["voucherEntry"] == {"enabled": True, "reason": None}
    # The server's setting is narrowed while the cart is filled.
    own.gateways = {"cards": declared("cards", takes_vouchers=False)}
    await me.pays(method=None)
    assert me.codes == ["GATEWAY_TAKES_NO_VOUCHERS"], "also when nothing is left to pay"
    said = {me.said}
    await me.enters(voucher.code)
    assert me.codes == ["GATEWAY_TAKES_NO_VOUCHERS"]
    said.add(me.said)
    await me.opens(own.shop.fee_id, key="another")
    assert me.cart["voucherEntry"]["enabled"] is False
    said.add(me.cart["voucherEntry"]["reason"])
    assert said == {"cards takes no vouchers."}
    assert await offended(database) == set()


async def test_a_voucher_that_ended_on_the_cart_is_taken_off_before_the_cart_is_shown_again(
    database: Database,
) -> None:
    own = await market(database)
    (short,) = await own.shop.stock(CODE_KEYS, face_minor=10_000, expires_at=own.shop.now + MINUTE)
    (lasting,) = await own.shop.stock(CODE_KEYS, face_minor=1_000)
    me = await window(own)
    await me.opens(own.shop.fee_id)
    await me.enters(lasting.code)
    await me.enters(short.code)
    own.shop.now += 2 * MINUTE
    await me.pays()
    assert (me.codes, own.teller.charged) == (["VOUCHER_ENDED"], {})
    me.looks_again()
    assert (me.cart["due"]["amount"], len(me.cart["vouchers"])) == ("115.00", 1)
    await me.pays(key="as it is now")
    assert paid_by(me.order) == ("125.00", "10.00", "115.00")
    assert await offended(database) == set()


async def test_lines_are_given_back_to_the_card_first_and_then_to_the_voucher(database: Database) -> None:
    own = await market(database, excluding_late_fee=False)
    shop = own.shop
    (voucher,) = await shop.stock(CODE_KEYS, face_minor=10_000)
    me, other = await window(own), await window(own)
    await me.opens(shop.fee_id, shop.late_fee_id)
    await me.enters(voucher.code)
    order = (await me.pays()).order["id"]
    asked = {"order": order, "reason": "withdrawn", "idempotencyKey": "back"}
    refund = f"refund {{ byCard {{ amount }} byVouchers {{ amount }} payments {{ state }} }} {ORDER}"
    for who, code in ((me.buyer.principal, "NOT_ALLOWED"), (other.buyer.principal, "NOT_ALLOWED")):
        refused = await own.does(who, "feeOrderRefund", refund, **asked)
        assert [error["code"] for error in refused["userErrors"]] == [code]
    none = await own.does(shop.program_admin, "feeOrderRefund", refund, **asked, lines=[])
    assert [error["code"] for error in none["userErrors"]] == ["BAD_LINES"]
    much = [{"number": 1, "amount": {"amount": "125.01", "currency": "USD"}}]
    over = await own.does(shop.program_admin, "feeOrderRefund", refund, **asked, lines=much)
    assert [error["code"] for error in over["userErrors"]] == ["NOT_REFUNDABLE"]
    for _ in range(2):
        back = await own.done(shop.program_admin, "feeOrderRefund", refund, **asked, lines=[{"number": 1}])
        by_card, by_vouchers = (back["refund"][part]["amount"] for part in ("byCard", "byVouchers"))
        assert back["order"]["lines"][0]["refunded"]["amount"] == "125.00"
        assert float(by_card) + float(by_vouchers) == 125
        assert [one["state"] for one in back["refund"]["payments"]] == ["SUCCEEDED"], "the gateway was asked at once"
    assert len(own.teller.given_back) == 1
    remains = (await shop.voucher(voucher.id)).remaining_minor
    assert remains == sum(round(float(one["reversedAmount"]["amount"]) * 100) for one in back["order"]["redemptions"])
    assert await offended(database) == set()


ORDERS = """query ($filter: FeeOrderFilter, $program: ID!) {
  viewer { feeOrders(filter: $filter) { totalCount nodes { reference } } }
  node(id: $program) { ... on Program { feeOrders(filter: $filter) { totalCount nodes { reference } } } }
}"""
THING = "query ($id: ID!) { node(id: $id) { id } }"


async def test_a_person_sees_their_own_orders_the_program_all_and_an_organization_none(database: Database) -> None:
    own = await market(database)
    shop = own.shop
    ida, ben = await window(own), await window(own)
    program = encode_id("Program", shop.program_id)
    for person in (ida, ben):
        await person.opens(shop.fee_id)
        await person.pays()
        shop.now += MINUTE
    first, second = (person.order["reference"] for person in (ida, ben))

    async def listed(by: Any, **chosen: Any) -> tuple[list[str], list[str]]:
        seen = await own.asked(by, ORDERS, program=program, filter=chosen)
        mine, all_of_it = seen["viewer"]["feeOrders"], seen["node"]["feeOrders"]
        assert mine["totalCount"] == len(mine["nodes"])
        assert all_of_it["totalCount"] == len(all_of_it["nodes"])
        return [one["reference"] for one in mine["nodes"]], [one["reference"] for one in all_of_it["nodes"]]

    assert await listed(ida.buyer.principal) == ([first], [first])
    assert await listed(shop.program_admin) == ([], [second, first])
    assert await listed(shop.program_admin, reference=first) == ([], [first])
    assert await listed(shop.program_admin, since=(shop.now - MINUTE).isoformat()) == ([], [second])
    assert await listed(shop.client) == ([], [])
    for thing in (ida.order["id"], ida.answer["checkout"]["id"], ida.cart["id"]):
        for who, sees in ((ida.buyer, True), (ben.buyer, False)):
            assert ((await own.asked(who.principal, THING, id=thing))["node"] is not None) is sees
        assert (await own.asked(shop.client, THING, id=thing))["node"] is None
        assert (await own.asked(shop.program_admin, THING, id=thing))["node"] is not None
    await ben.opens(shop.fee_id, key="another")
    stolen = Window(own, ida.buyer, cart=ben.cart)
    assert (await stolen.pays(key="steal")).codes == ["NOT_FOUND"]
    assert stolen.answer["cart"] is None
