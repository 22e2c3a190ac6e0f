"""Vouchers that are sent to an address, through the API: what each sees of it, and may do."""

from __future__ import annotations

from typing import Any

from models.access import Role
from resolvers.principal import Principal
from resolvers.vouchers.claiming import claim_by_link
from schema.ids import encode_id
from server.database import Database
from tests.asking import NOW, ask
from tests.code_keys import CODE_KEYS
from tests.inviting import ADDRESS, individual, link_of
from tests.vouchering import Shop, shop

SHOWN = """{
  id state assignment {
    kind email message state claimant { name email }
    invitation { state madeAt sentAt delivery linkUntil endedAt reminders remindedAt }
  }
}"""
ASSIGN = (
    "mutation($input: VoucherAssignInput!) { voucherAssign(input: $input) { voucher %s userErrors { code field } } }"
    % SHOWN
)
CLAIM = """mutation($input: VoucherClaimInput!) {
  voucherClaim(input: $input) { state voucher { id } userErrors { code } }
}"""
WAITING = """query($program: ID!) { viewer { organization {
  vouchers(first: 5, filter: {assignmentStates: [AWAITING_APPROVAL], program: $program}) { nodes { id } }
} } }"""
NODE = "query($id: ID!) { node(id: $id) { ... on Voucher %s } }" % SHOWN


def deed(name: str) -> str:
    kind = name[0].upper() + name[1:]
    return (
        f"mutation($input: {kind}Input!) {{ {name}(input: $input) {{ voucher {SHOWN} userErrors {{ code field }} }} }}"
    )


async def done(market: Shop, name: str, by: Principal | None = None, **given: object) -> Any:
    answer = await ask(market.database, deed(name), by or market.client, input=given)
    assert answer.errors == []
    return answer.data[name]


async def stocked(database: Database) -> Shop:
    market = await shop(database)
    market.now = NOW
    await market.stock(CODE_KEYS)
    return market


async def assigned(market: Shop, address: str = ADDRESS, **more: Any) -> Any:
    stock = {"fromStockOf": encode_id("VoucherProgram", market.program_id, market.voucher_program_id)}
    to = {"email": {"address": address, "message": "Welcome."}}
    given = {"voucher": stock, "to": to, "idempotencyKey": "k-1", **more}
    answer = await ask(market.database, ASSIGN, market.client, input=given)
    assert answer.errors == []
    return answer.data["voucherAssign"]


async def test_an_organization_sends_a_voucher_and_follows_what_becomes_of_it(database: Database) -> None:
    market = await stocked(database)
    assert (await assigned(market, "nora at home"))["userErrors"] == [
        {"code": "BAD_EMAIL", "field": ["input", "to", "email", "address"]}
    ]
    voucher = (await assigned(market))["voucher"]
    assignment, link = voucher["assignment"], voucher["assignment"]["invitation"]
    assert (assignment["kind"], assignment["email"], assignment["state"]) == ("EMAIL", ADDRESS, "INVITED")
    assert (link["state"], link["delivery"], link["sentAt"], link["reminders"]) == ("LIVE", "WAITING", None, 0)
    reminded = await done(market, "voucherInvitationRemind", voucher=voucher["id"])
    assert reminded["voucher"]["assignment"]["invitation"]["reminders"] == 1
    again = await done(market, "voucherInvitationRemind", voucher=voucher["id"])
    assert again["userErrors"][0]["code"] == "REMINDED_ALREADY"
    sent = await done(market, "voucherInvitationResend", voucher=voucher["id"], email="nora@right.example")
    assert sent["voucher"]["assignment"]["email"] == "nora@right.example"
    await done(market, "voucherAssignmentCancel", voucher=voucher["id"])
    free = (await ask(market.database, NODE, market.client, id=voucher["id"])).data["node"]
    assert (free["state"], free["assignment"]) == ("AVAILABLE", None)


async def test_whom_it_names_is_shown_to_its_owner_alone(database: Database) -> None:
    market = await stocked(database)
    voucher_id = (await assigned(market))["voucher"]["id"]
    made = await claim_by_link(database.reading, database.run, CODE_KEYS, "", NOW, await link_of(market), "Nora Diaz")
    me = Principal(name="Nora", role=Role.INDIVIDUAL, person_id=made.person_id)
    seen = [
        (await ask(database, NODE, who, id=voucher_id)).data["node"]["assignment"]
        for who in (market.client, market.program_admin, me)
    ]
    assert [(one["email"], one["message"]) for one in seen] == [(ADDRESS, "Welcome."), (None, None), (None, "Welcome.")]
    claimant = {"name": "Nora Diaz", "email": ADDRESS}
    assert [one["claimant"] for one in seen] == [claimant, None, None]
    assert [one["invitation"] and one["invitation"]["state"] for one in seen] == ["CLAIMED", None, None]


async def test_somebody_with_another_address_claims_and_the_organization_decides(database: Database) -> None:
    market = await stocked(database)
    voucher_id = (await assigned(market))["voucher"]["id"]
    other = await individual(market, "nora@home.example")
    for state, decision in (("AWAITING_APPROVAL", "voucherClaimRefuse"), ("AWAITING_APPROVAL", "voucherClaimApprove")):
        given = {"secret": await link_of(market)}
        claimed = (await ask(database, CLAIM, other, input=given)).data["voucherClaim"]
        assert (claimed["state"], claimed["voucher"], claimed["userErrors"]) == (state, None, [])
        waits = (await ask(database, NODE, market.client, id=voucher_id)).data["node"]["assignment"]
        listed = (await ask(database, WAITING, market.client, program=encode_id("Program", market.program_id))).data
        assert listed["viewer"]["organization"]["vouchers"]["nodes"] == [{"id": voucher_id}]
        assert waits["claimant"] == {"name": "Somebody Else", "email": "nora@home.example"}
        assert (await done(market, decision, voucher=voucher_id))["userErrors"] == []
    again = (await ask(database, CLAIM, other, input=given)).data["voucherClaim"]
    assert (again["state"], again["voucher"]) == ("ACTIVE", {"id": voucher_id})
    refused = (await ask(database, CLAIM, market.client, input=given)).data["voucherClaim"]
    assert refused["userErrors"] == [{"code": "CLAIM_NOT_USABLE"}]
