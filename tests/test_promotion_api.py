"""A promotion through the API: defined by the program, bought by who pays, its numbers seen by nobody else."""

from __future__ import annotations

import json
from typing import Any

from models.access import Role
from models.ids import encode_id
from resolvers.principal import Principal
from server.database import Database
from tests.asking import ask
from tests.builders import organization
from tests.promoting import person
from tests.vouchering import Shop, shop

PROMOTION = """promotion { id name code state uses mostUses benefit { percentOff mostOff { amount } } usableThrough
products { excluded { name } } budget { amount } remaining { amount } held { amount } organizationName
order { state promotion { code } } events { nodes { deed } } }"""
NODE = "query ($id: ID!) { node(id: $id) { ... on Promotion { code uses } } }"
LIST = """query ($program: String!, $organization: ID!, $states: [PromotionState!]) {
program(by: { slug: $program }) { promotions(filter: { states: $states }) { totalCount nodes { code } } }
organization(by: { id: $organization }) { promotions(filter: { states: $states }) { totalCount nodes { code } } } }"""


async def done(market: Shop, name: str, by: Principal, shown: str, /, **given: Any) -> Any:
    kind = name[0].upper() + name[1:]
    query = "mutation ($input: %sInput!) { %s(input: $input) { %s userErrors { code field } } }" % (kind, name, shown)
    answer = await ask(market.database, query, by, input=given)
    assert answer.errors == []
    return answer.data[name]


async def test_the_program_defines_it_the_organization_buys_the_budget_and_both_see_its_numbers(
    database: Database,
) -> None:
    market = await shop(database)
    client, board = market.client, market.program_admin
    program = {"id": encode_id("Program", market.program_id)}
    payer = {"id": encode_id("Organization", market.tenant.id)}
    terms = {
        "program": program,
        "organization": payer,
        "name": "Get licensed",
        "code": "get-licensed-2026",
        "benefit": {"percentOff": "50"},
        "mostUses": 10,
        "mostUsesAPerson": 1,
        "budget": {"amount": "1000", "currency": "USD"},
        "funding": "PURCHASE_ORDER",
        "usableThrough": "2026-12-31",
        "excluded": [encode_id("Product", market.program_id, market.late_fee_id)],
        "idempotencyKey": "define",
    }
    refused = await done(market, "promotionCreate", client, PROMOTION, **terms)
    assert refused == {"promotion": None, "userErrors": [{"code": "NOT_ALLOWED", "field": ["input"]}]}
    made = (await done(market, "promotionCreate", board, PROMOTION, **terms))["promotion"]
    assert (made["code"], made["state"], made["order"]) == ("GET-LICENSED-2026", "AWAITING_FUNDING", None)
    assert (made["benefit"], made["usableThrough"]) == ({"percentOff": "50", "mostOff": None}, "2026-12-31")
    assert made["products"]["excluded"] == [{"name": "Late fee"}]

    wanted = {
        "promotion": made["id"],
        "organization": payer,
        "amount": {"amount": "999.99", "currency": "USD"},
        "payment": {"purchaseOrder": {"number": "PO-1"}},
        "idempotencyKey": "buy",
    }
    wrong = await done(market, "promotionOrder", client, "order { id }", **wanted)
    assert wrong["userErrors"] == [{"code": "AMOUNT_MUST_EQUAL_TOTAL", "field": ["input", "amount"]}]
    wanted["amount"] = terms["budget"]
    bought = [await done(market, "promotionOrder", client, "order { id number }", **wanted) for _ in range(2)]
    assert bought[0] == bought[1], "the same key and input again"
    approving = {"order": bought[0]["order"]["id"], "idempotencyKey": "approve"}
    await done(market, "voucherOrderApprove", board, "order { state }", **approving)
    longer = {"promotion": made["id"], "usableThrough": "2027-01-31"}
    made = (await done(market, "promotionExtend", board, PROMOTION, **longer))["promotion"]
    assert (made["state"], made["usableThrough"], made["remaining"]["amount"]) == ("USABLE", "2027-01-31", "1000.00")
    assert made["order"] == {"state": "APPROVED", "promotion": {"code": "GET-LICENSED-2026"}}
    assert {one["deed"] for one in made["events"]["nodes"]} == {"DEFINED", "ISSUED", "EXTENDED"}

    lists: dict[str, Any] = {"program": await slug_of(market), "organization": payer["id"]}
    one = {"promotions": {"totalCount": 1, "nodes": [{"code": "GET-LICENSED-2026"}]}}
    none = {"promotions": {"totalCount": 0, "nodes": []}}
    assert (await ask(database, LIST, client, **lists)).data == {"program": one, "organization": one}
    assert (await ask(database, LIST, client, **lists, states=["USABLE"])).data["program"] == one
    assert (await ask(database, LIST, client, **lists, states=["FULL", "ENDED"])).data["program"] == none

    other = await organization(database)
    stranger = Principal(name="Sam", role=Role.ORGANIZATION, organization_id=other.id)
    somebody = Principal(name="Ana", role=Role.INDIVIDUAL, person_id=await person(market))
    for nobody in (stranger, somebody):
        assert (await ask(database, NODE, nobody, id=made["id"])).data == {"node": None}
        assert made["code"] not in json.dumps((await ask(database, LIST, nobody, **lists)).data)
    assert (await ask(database, NODE, client, id=made["id"])).data == {"node": {"code": made["code"], "uses": 0}}

    stopping = {"promotion": made["id"], "reason": "Enough."}
    assert (await done(market, "promotionStop", client, "promotion { state }", **stopping))["promotion"] is None
    stopped = await done(market, "promotionStop", board, "promotion { state }", **stopping)
    assert stopped["promotion"] == {"state": "STOPPED"}


async def slug_of(market: Shop) -> str:
    query = "query ($id: ID!) { node(id: $id) { ... on Program { slug } } }"
    answer = await ask(market.database, query, market.client, id=encode_id("Program", market.program_id))
    slug: str = answer.data["node"]["slug"]
    return slug
