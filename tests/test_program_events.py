"""What was done to the things of a program is there to read for who runs it, and a redemption is found by its id."""

from __future__ import annotations

from typing import Any

from models.ids import encode_id
from resolvers.principal import Principal
from server.database import Database
from tests.asking import STAFF, ask
from tests.code_keys import CODE_KEYS
from tests.test_vouchers import redeemed
from tests.vouchering import Shop, shop

EVENTS = "events { totalCount nodes { deed actor sentence before after } }"
DEFINE = """mutation ($program: ProgramKey!) { productCreate(input: {
  program: $program, code: "RENEW", name: "Renewal", price: {amount: "50.00", currency: "USD"}, idempotencyKey: "p"
}) { product { id } userErrors { code message } } }"""
REPRICE = """mutation ($id: ID!) { productReprice(input: {
  product: $id, price: {amount: "60.00", currency: "USD"}
}) { userErrors { code message } } }"""
NODE = "query ($id: ID!) { node(id: $id) { id ... on %s { %s } } }"


async def node(market: Shop, by: Principal, kind: str, *key: int, fields: str = EVENTS) -> tuple[Any, list[str]]:
    answer = await ask(market.database, NODE % (kind, fields), by, id=encode_id(kind, *key))
    return answer.data.get("node"), answer.errors


async def test_a_program_and_its_products_tell_who_did_what_to_them_to_who_runs_it(database: Database) -> None:
    market, other = await shop(database), await shop(database)
    by = market.program_admin
    own = {"id": encode_id("Program", market.program_id)}
    made = (await ask(database, DEFINE, by, program=own)).data["productCreate"]
    assert made["userErrors"] == []
    product = made["product"]["id"]
    assert (await ask(database, REPRICE, by, id=product)).data["productReprice"]["userErrors"] == []
    shown = await ask(database, NODE % ("Product", EVENTS), by, id=product)
    events = shown.data["node"]["events"]
    # Both at one moment.
    told = {event["deed"]: event for event in events["nodes"]}
    assert set(told) == {"DEFINED", "PRICE_CHANGED"}
    assert events["totalCount"] == 2
    assert "50.00" in told["PRICE_CHANGED"]["before"]
    assert told["PRICE_CHANGED"]["sentence"].startswith("Pat of the program: its price was changed")
    for stranger in (market.client, other.program_admin):
        refused = await ask(database, NODE % ("Product", EVENTS), stranger, id=product)
        assert refused.errors == ["NOT_ALLOWED"]
        assert (await node(market, stranger, "Program", market.program_id))[1] == ["NOT_ALLOWED"]
        terms = (market.program_id, market.voucher_program_id)
        assert (await node(market, stranger, "VoucherProgram", *terms))[1] == ["NOT_ALLOWED"]
    for runs in (by, STAFF):
        (found, errors) = await node(market, runs, "Program", market.program_id)
        assert (found["events"]["totalCount"], errors) == (0, [])


async def test_an_agreement_tells_its_story_to_both_who_agreed(database: Database) -> None:
    market, other = await shop(database), await shop(database)
    agreement = await market.agreement(100_000)
    for by in (market.client, market.program_admin, STAFF):
        found, errors = await node(market, by, "BillingAgreement", market.program_id, agreement)
        assert (found["events"]["nodes"], errors) == ([], [])
    for by in (other.client, other.program_admin):
        assert (await node(market, by, "BillingAgreement", market.program_id, agreement))[0] is None


async def test_a_redemption_is_found_by_its_id_by_whoever_sees_its_voucher(database: Database) -> None:
    market, other = await shop(database), await shop(database)
    (voucher,) = await market.stock(CODE_KEYS)
    key = (market.program_id, await redeemed(market, voucher.code))
    for by in (market.client, market.program_admin, STAFF):
        found, errors = await node(market, by, "Redemption", *key, fields="reference amount { amount }")
        assert errors == []
        assert found == {"id": encode_id("Redemption", *key), "reference": "APP-1", "amount": {"amount": "125.00"}}
    for by in (other.client, other.program_admin):
        assert (await node(market, by, "Redemption", *key, fields="reference"))[0] is None


async def test_the_vouchers_of_a_program_are_told_apart_by_their_organizations(database: Database) -> None:
    market, other = await shop(database), await shop(database)
    await market.stock(CODE_KEYS, 2)
    query = """query ($program: ProgramKey!, $of: ID!) { program(by: $program) {
      vouchers(filter: {organization: $of}) { totalCount nodes { id } } } }"""
    program = {"id": encode_id("Program", market.program_id)}
    for by, of, found in (
        (market.program_admin, market.tenant.id, 2),
        (market.program_admin, other.tenant.id, 0),
        (market.client, market.tenant.id, 2),
    ):
        answer = await ask(database, query, by, program=program, of=encode_id("Organization", of))
        assert answer.errors == []
        assert answer.data["program"]["vouchers"]["totalCount"] == found
    answer = await ask(database, query, market.client, program=program, of=encode_id("Organization", other.tenant.id))
    assert answer.errors == ["NOT_FOUND"]
