"""No code is ever in a log: not when it is shown, used or refused, nor in a request that nobody understands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from models.codes import spaced
from models.ids import encode_id
from server.database import Database
from tests.code_keys import CODE_KEYS
from tests.visitors import visiting
from tests.vouchering import Shop, shop

REVEAL = """mutation ($input: VoucherCodesRevealInput!) {
  voucherCodesReveal(input: $input) { codes { code } userErrors { code } } }"""
REDEEM = """mutation ($input: VoucherRedeemInput!) {
  voucherRedeem(input: $input) { voucher { id } userErrors { code message } } }"""
REISSUE = """mutation ($input: VoucherReissueInput!) {
  voucherReissue(input: $input) { code userErrors { code } } }"""


def paying(market: Shop, code: str, key: str) -> dict[str, object]:
    fee = encode_id("Product", market.program_id, market.fee_id)
    return {"product": fee, "by": {"code": code}, "reference": "APP-1", "idempotencyKey": key}


@asynccontextmanager
async def said_of(logged: list[str]) -> AsyncIterator[None]:
    """Whatever is logged meanwhile, before anything is cut out of it."""
    with structlog.testing.capture_logs() as events:
        yield
    logged.extend(str(event) for event in events)


async def test_no_code_is_in_a_log_whatever_is_done_with_it(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    market = await shop(sqlite_database)
    used, kept = await market.stock(CODE_KEYS, 2)
    ids = [encode_id("Voucher", market.program_id, one.id) for one in (used, kept)]
    codes, logged = [used.code, kept.code], list[str]()
    caplog.set_level("DEBUG")

    async with visiting(sqlite_database, market.client, code_keys=CODE_KEYS) as client, said_of(logged):
        asked = {"query": REVEAL, "variables": {"input": {"vouchers": ids}}}
        shown = (await client.post("/graphql", json=asked)).json()["data"]["voucherCodesReveal"]
        assert {one["code"].replace("-", "") for one in shown["codes"]} == set(codes)
        again = {"voucher": ids[1], "reason": "she left", "idempotencyKey": "again"}
        asked = {"query": REISSUE, "variables": {"input": again}}
        codes.append((await client.post("/graphql", json=asked)).json()["data"]["voucherReissue"]["code"])
    async with visiting(sqlite_database, market.program_admin, code_keys=CODE_KEYS) as counter, said_of(logged):
        for number, code in enumerate((kept.code, used.code, used.code)):
            given = paying(market, spaced(code), f"{number}")
            answer = await counter.post("/graphql", json={"query": REDEEM, "variables": {"input": given}})
            assert "data" in answer.json()
        # Mistakes are told in words of the query, which may hold a code.
        wrong = 'mutation { voucherRedeem(input: {by: {code: "%s"}}) { nonsense } }' % used.code
        assert (await counter.post("/graphql", json={"query": wrong})).status_code in (200, 400)
        broken = {"query": REDEEM, "variables": {"input": {"by": used.code}}}
        assert (await counter.post("/graphql", json=broken)).status_code in (200, 400)
    logged.append(caplog.text)
    said = "".join(logged)
    assert "/graphql" in said
    for code in codes:
        assert code.replace("-", "") not in said.replace("-", "")


async def test_no_code_is_logged_that_somebody_took_for_an_address(sqlite_database: Database) -> None:
    """Whole or mistyped, with its dashes or without, and without the check symbol, which tells nothing new."""
    market = await shop(sqlite_database)
    (voucher,) = await market.stock(CODE_KEYS)
    shown = spaced(voucher.code)
    typed = (shown, shown.lower(), voucher.code, shown[:-2], shown.replace("-", " "), f"{shown[:-1]}*")
    logged = list[str]()
    async with visiting(sqlite_database, None) as client, said_of(logged):
        for text in typed:
            for path in (f"/{text}", f"/admin/vouchers/{text}/story", f"/vouchers/{text}.csv"):
                await client.get(path)
        await client.get("/exports/voucher-orders/Vm91Y2hlck9yZGVyOjE6Mg/codes.csv")
    said = "".join(logged)
    assert said.count("'path': '/admin/vouchers/…/story'") == len(typed)
    assert voucher.code[:-1].lower() not in said.replace("-", "").replace(" ", "").lower()
    assert "Vm91Y2hlck9yZGVyOjE6Mg" in said
