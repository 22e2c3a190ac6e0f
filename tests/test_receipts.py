"""Receipts: what was paid and with what, what was left on the voucher then, and what was given back since."""

from __future__ import annotations

from typing import Any

import pypdfium2  # type: ignore[import-untyped]
from sqlalchemy import update

from models.programs import Program
from models.voucher_programs import Leftovers
from resolvers.receipts import load_receipt
from resolvers.vouchers.keeping import keep_vouchers
from schema.ids import decode_id
from server.database import Database
from tests.builders import MINUTE, STAFF
from tests.code_keys import CODE_KEYS
from tests.shopping import Market, Window, market, window
from tests.visitors import SUPPORT, visiting


async def left(own: Market, order_id: str) -> list[tuple[str, str]]:
    """Of each voucher its face value, and what was left on it once this was paid."""
    async with own.shop.database.reading() as connection:
        receipt = await load_receipt(connection, SUPPORT, *decode_id(order_id, "FeeOrder", 2))
    return [(str(one.face_value), str(one.left)) for one in receipt.vouchers]


async def pays(own: Market, me: Window, code: str, product: int, key: str) -> str:
    await me.opens(product, key=f"open {key}")
    await me.enters(code)
    order: str = (await me.pays(key=key)).order["id"]
    own.shop.now += MINUTE
    return order


async def gives_back(own: Market, order: str, minor: str | None = None) -> None:
    part = {"lines": [{"number": 1, "amount": {"amount": minor, "currency": "USD"}}]} if minor else {}
    given = {"order": order, "reason": "withdrawn <b>today</b>", "idempotencyKey": f"back {order}", **part}
    await own.done(own.shop.program_admin, "feeOrderRefund", "order { id }", **given)
    own.shop.now += MINUTE


async def test_a_receipt_says_what_was_left_then_whatever_becomes_of_the_voucher(database: Database) -> None:
    own = await market(database, excluding_late_fee=False)
    (voucher,) = await own.shop.stock(CODE_KEYS, face_minor=30_000)
    me = await window(own)
    first = await pays(own, me, voucher.code, own.shop.fee_id, "first")
    second = await pays(own, me, voucher.code, own.shop.late_fee_id, "second")
    assert await left(own, first) == [("USD 300.00", "USD 175.00")]
    assert await left(own, second) == [("USD 300.00", "USD 125.00")]
    await gives_back(own, first, "100.00")
    third = await pays(own, me, voucher.code, own.shop.fee_id, "third")
    assert await left(own, first) == [("USD 300.00", "USD 175.00")]
    assert await left(own, third) == [("USD 300.00", "USD 100.00")]
    assert (await own.shop.voucher(voucher.id)).remaining_minor == 10_000


async def test_nothing_is_left_where_the_rest_is_forfeited(database: Database) -> None:
    own = await market(database, leftovers=Leftovers.FORFEIT)
    (voucher,) = await own.shop.stock(CODE_KEYS, face_minor=30_000)
    order = await pays(own, await window(own), voucher.code, own.shop.fee_id, "only")
    assert await left(own, order) == [("USD 300.00", "USD 0.00")]


async def test_the_page_and_the_paper_say_the_same_to_who_paid_and_who_runs_the_program(
    sqlite_database: Database,
) -> None:
    own = await market(sqlite_database)
    (voucher,) = await own.shop.stock(CODE_KEYS, face_minor=10_000)
    me, other = await window(own), await window(own)
    order = await pays(own, me, voucher.code, own.shop.fee_id, "once")
    await gives_back(own, order)
    said = ("Application fee", "USD 125.00", "USD 100.00", "USD 25.00", "Left after this", "USD 0.00", "To the card")
    for who in (me.buyer.principal, own.shop.program_admin, SUPPORT):
        async with visiting(sqlite_database, who) as client:
            page = await client.get(f"/receipts/{order}")
            paper = await client.get(f"/receipts/{order}.pdf")
        assert page.status_code == 200
        assert "withdrawn &lt;b&gt;today&lt;/b&gt;" in page.text
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert paper.headers["content-type"] == "application/pdf"
        with pypdfium2.PdfDocument(paper.content) as document:
            printed = document[0].get_textpage().get_text_range()
        for words in said:
            assert words in page.text
            assert words in printed
        assert voucher.code not in page.text + printed
    async with visiting(sqlite_database, own.shop.program_admin) as client:
        assert (await client.get(f"/receipts/{order}.pdf")).content == paper.content
    for foreign in (other.buyer.principal, own.shop.client):
        async with visiting(sqlite_database, foreign) as client:
            for path in (f"/receipts/{order}", f"/receipts/{order}.pdf", "/receipts/nothing", "/receipts/x.pdf"):
                assert (await client.get(path)).status_code == 404
    async with visiting(sqlite_database, None) as client:
        asked = await client.get(f"/receipts/{order}")
        assert (asked.status_code, asked.headers["location"]) == (303, f"/sign-in?next=/receipts/{order}")


async def test_what_expired_before_a_refund_reopened_the_voucher_is_not_left(database: Database) -> None:
    own = await market(database)
    (voucher,) = await own.shop.stock(CODE_KEYS, face_minor=30_000, expires_at=own.shop.now + 10 * MINUTE)
    me = await window(own)
    first = await pays(own, me, voucher.code, own.shop.fee_id, "first")

    async def reopens(act: Any) -> None:
        await act.session.execute(update(Program).values(reopen_days=5))

    await own.shop.act(reopens)
    own.shop.now += 20 * MINUTE
    await keep_vouchers(own.shop.database.reading, own.shop.database.run, STAFF, own.shop.now)
    await gives_back(own, first)
    row = await own.shop.voucher(voucher.id)
    assert (row.expired_minor, row.remaining_minor) == (17_500, 12_500)
    opened = [own.id_of("Voucher", voucher.id)]
    code = await own.done(own.shop.client, "voucherCodesReveal", "codes { code }", vouchers=opened)
    again = await pays(own, me, code["codes"][0]["code"], own.shop.fee_id, "again")
    assert await left(own, again) == [("USD 300.00", "USD 0.00")]
    assert await left(own, first) == [("USD 300.00", "USD 175.00")], "it expired afterwards"
