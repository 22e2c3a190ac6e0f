"""Disputes through the API: what each side sees of a case, the lists of them, and the mutations."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import func, select

from models.access import Role
from models.cases import DisputeOutcome
from models.disputes import Dispute
from resolvers.disputes.resolving import close, withdraw
from resolvers.disputes.working import Message, add_minutes, assign, set_deadline, write_message
from resolvers.loaders.disputes import DisputeKey
from resolvers.principal import Principal
from schema.ids import encode_id
from server.database import Database
from tests.asking import Answer, ask
from tests.builders import STAFF
from tests.questioned import Questioned, questioned_bill
from tests.test_statements import reads, statements

CASE = """
  id number origin state resolution reason openedAt openedBy resolvedAt assignee respondBy isOverdue minutesSpent
  atStake { amount } held { amount } possibleSteps organization { name }
  lines { quantity credited isHeld atStake { amount } line { id number quantity inDispute } }
  creditNotes { number total { amount } reason }
  events(first: 100) { totalCount nodes { deed actor said before after minutes } }
"""
NODE = "query($id: ID!) { node(id: $id) { ... on Dispute { %s } } }" % CASE
LIST = "query($filter: DisputeFilter, $first: Int, $after: String, $last: Int, $before: String) {" + (
    " disputes(filter: $filter, first: $first, after: $after, last: $last, before: $before)"
    " { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } nodes { %s } } }" % CASE
)
OWN = "query($id: ID!, $filter: DisputeFilter) { organization(by: {id: $id}) { disputes(filter: $filter)" + (
    " { totalCount nodes { %s } } } }" % CASE
)
REPORT = '{ disputeReport(dates: {from: "2026-01-01", through: "2026-12-31"}) { opened } }'


def shown(key: DisputeKey) -> str:
    return encode_id("Dispute", *key)


async def case(bill: Questioned, key: DisputeKey, by: Principal = STAFF) -> dict[str, Any]:
    answer = await ask(bill.billed.tenant.database, NODE, by, id=shown(key))
    assert answer.errors == []
    found: dict[str, Any] = answer.data["node"]
    return found


# ------------------------------------------------------------------------------------------------ two views


async def test_staff_and_client_see_one_case(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2)
    await bill.resolved(key, DisputeOutcome.PARTIAL, {bill.line: 1}, minutes=4)
    of_staff, of_client = await case(bill, key), await case(bill, key, bill.client)
    differing = {name for name in of_staff if of_staff[name] != of_client[name]}
    assert differing == {"minutesSpent", "isOverdue", "possibleSteps", "events"}
    assert (of_staff["state"], of_staff["atStake"], of_staff["held"]) == (
        "PARTIAL",
        {"amount": "20.00"},
        {"amount": "0.00"},
    )
    assert of_client["lines"][0] | {"line": None} == {
        "quantity": 2,
        "credited": 1,
        "isHeld": False,
        "atStake": {"amount": "20.00"},
        "line": None,
    }
    assert of_client["lines"][0]["line"]["quantity"] == 3
    assert [note["total"]["amount"] for note in of_client["creditNotes"]] == ["10.00"]
    assert (of_staff["minutesSpent"], of_client["minutesSpent"]) == (4, None)
    assert of_staff["events"]["totalCount"] - of_client["events"]["totalCount"] == 1


async def test_what_is_internal_reaches_the_client_by_no_field(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2)
    await bill.step(assign, key, "SECRET")
    await bill.step(set_deadline, key, dt.date(2026, 2, 3))
    await bill.step(write_message, key, Message("SECRET", internal=True))
    await bill.step(add_minutes, key, 4321, "SECRET")
    await bill.drifted()
    for query, given in everything(bill, key):
        told = str((await ask(database, query, bill.client, **given)).data)
        assert "EVIDENCE_ATTACHED" in told
        assert not [word for word in ("SECRET", "2026-02-03", "4321", "DRIFT", "MINUTES_SPENT") if word in told]
        of_staff = str((await ask(database, query, STAFF, **given)).data)
        assert "SECRET" in of_staff


async def test_staff_are_told_what_only_they_see(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2)
    await bill.step(write_message, key, Message("among us", internal=True))
    await bill.step(write_message, key, Message("to all", internal=False))
    query = "query($id: ID!) { node(id: $id) { ... on Dispute { events(first: 50) { nodes { said internal } } } } }"
    told = (await ask(database, query, STAFF, id=shown(key))).data["node"]["events"]["nodes"]
    assert {one["said"]: one["internal"] for one in told if one["said"] in ("among us", "to all")} == {
        "among us": True,
        "to all": False,
    }


def everything(bill: Questioned, key: DisputeKey) -> list[tuple[str, dict[str, Any]]]:
    organization = encode_id("Organization", bill.billed.tenant.id)
    return [(NODE, {"id": shown(key)}), (OWN, {"id": organization}), (LIST, {})]


@pytest.mark.parametrize("asked", [{"assignee": "Ann"}, {"overdue": True}, {"overdue": False}])
async def test_the_client_cannot_ask_for_what_it_may_not_see(sqlite_database: Database, asked: dict[str, Any]) -> None:
    bill = await questioned_bill(sqlite_database)
    assert (await ask(sqlite_database, LIST, bill.client, filter=asked)).errors == ["NOT_ALLOWED"]
    assert (await ask(sqlite_database, LIST, STAFF, filter=asked)).errors == []


async def test_the_client_does_not_see_a_case_of_the_nightly_check(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.drifted()
    assert key is not None
    assert (await case(bill, key))["atStake"] is None
    assert await case(bill, key, bill.client) is None
    only = {"origins": ["DRIFT"]}
    assert (await ask(database, LIST, bill.client, filter=only)).data["disputes"]["totalCount"] == 0
    assert (await ask(database, LIST, STAFF, filter=only)).data["disputes"]["totalCount"] == 1


async def test_others_see_nothing_and_a_partner_only_looks(database: Database) -> None:
    bill, other = await questioned_bill(database), await questioned_bill(database)
    key = await bill.opened()
    ida = Principal(name="Ida", role=Role.INDIVIDUAL, person_id=7)
    for stranger in (other.client, ida):
        assert await case(bill, key, stranger) is None
        assert (await ask(database, LIST, stranger)).data["disputes"]["nodes"] == []
    assert (await case(bill, key, bill.partner))["possibleSteps"] == []
    assert (await case(bill, key, bill.client))["possibleSteps"] == ["WITHDRAW", "WRITE_MESSAGE"]
    for nobody in (bill.client, bill.partner, ida):
        assert (await ask(database, REPORT, nobody)).errors == ["NOT_ALLOWED"]


async def test_a_case_leads_to_the_count_and_to_who_came_and_went_since(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    await bill.billed.tenant.deactivated(bill.learner_id, "2017-09-15")
    query = """query($id: ID!) { node(id: $id) { ... on Dispute {
      snapshot { date count { exact } } evidence { builtBy snapshot { date } }
      bridge { opening { exact } leftCount closing { exact } }
    } } }"""
    answer = await ask(database, query, bill.client, id=shown(key))
    assert answer.errors == []
    assert answer.data["node"] == {
        "snapshot": {"date": "2017-09-01", "count": {"exact": 5}},
        "evidence": {"builtBy": bill.client.name, "snapshot": {"date": "2017-09-01"}},
        "bridge": {"opening": {"exact": 5}, "leftCount": 1, "closing": {"exact": 4}},
    }


# ---------------------------------------------------------------------------------------------------- lists


async def listed(database: Database, by: Principal = STAFF, **given: Any) -> Answer:
    answer = await ask(database, LIST, by, **given)
    assert answer.errors == []
    return answer


async def numbers(database: Database, by: Principal = STAFF, **given: Any) -> list[str]:
    return [one["id"] for one in (await listed(database, by, **given)).data["disputes"]["nodes"]]


async def cases_with_deadlines(database: Database) -> list[str]:
    """Three undecided and one decided, in the order of their deadlines; the second has the latest that has passed."""
    expected = []
    for day in (dt.date(2026, 2, 1), dt.date(2026, 11, 22), dt.date(2026, 11, 23), None):
        bill = await questioned_bill(database)
        key = await bill.opened()
        await bill.step(set_deadline, key, day or dt.date(2026, 1, 1))
        if day is None:
            await bill.step(withdraw, key, "found them")
        expected.append(shown(key))
    return expected


async def test_the_nearest_deadline_comes_first_and_what_is_decided_last(database: Database) -> None:
    expected = await cases_with_deadlines(database)
    assert await numbers(database) == expected
    assert await numbers(database, filter={"overdue": True}) == expected[:2]
    assert await numbers(database, filter={"overdue": False}) == expected[2:]
    assert await numbers(database, filter={"states": ["WITHDRAWN", "CLOSED"]}) == expected[3:]


async def test_pages_of_the_work_meet_without_a_gap(database: Database) -> None:
    expected = await cases_with_deadlines(database)
    found: list[str] = []
    after = None
    while True:
        page = (await listed(database, first=3, **({"after": after} if after else {}))).data["disputes"]
        found += [one["id"] for one in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found == expected
    last = (await listed(database, last=2)).data["disputes"]
    before = last["pageInfo"]["startCursor"]
    earlier = (await listed(database, last=2, before=before)).data["disputes"]
    assert [one["id"] for one in earlier["nodes"] + last["nodes"]] == expected
    assert earlier["pageInfo"]["hasPreviousPage"] is False


async def test_an_organization_lists_its_own_newest_first(database: Database) -> None:
    bill = await questioned_bill(database)
    await questioned_bill(database)
    first = await bill.opened(1)
    await bill.step(withdraw, first, "found them", by=bill.client)
    await bill.step(close, first)
    second = await bill.opened(1)
    organization = encode_id("Organization", bill.billed.tenant.id)
    for somebody in (STAFF, bill.client):
        answer = await ask(database, OWN, somebody, id=organization)
        listed_own = answer.data["organization"]["disputes"]
        assert [one["id"] for one in listed_own["nodes"]] == [shown(second), shown(first)]
        assert listed_own["totalCount"] == 2
    assert await numbers(database, bill.client) == [shown(second), shown(first)]
    assert await numbers(database, bill.client, filter={"states": ["CLOSED"]}) == [shown(first)]


async def test_more_cases_take_no_more_statements(sqlite_database: Database) -> None:
    async def asked() -> int:
        with statements() as seen:
            await listed(sqlite_database)
        return len(reads(seen))

    await (await questioned_bill(sqlite_database)).opened()
    of_one = await asked()
    for _ in range(3):
        bill = await questioned_bill(sqlite_database)
        await bill.resolved(await bill.opened(1))
        await bill.opened(1)
    assert await asked() <= of_one + 1


# ------------------------------------------------------------------------------------------------ mutations


def mutation(name: str) -> str:
    type_name = name[0].upper() + name[1:]
    given = "mutation($input: %sInput!) { %s(input: $input)" % (type_name, name)
    return given + " { dispute { id state reason minutesSpent } userErrors { code field message } } }"


async def done(bill: Questioned, name: str, by: Principal = STAFF, **given: Any) -> dict[str, Any]:
    answer = await ask(bill.billed.tenant.database, mutation(name), by, input=given)
    assert answer.errors == []
    found: dict[str, Any] = answer.data[name]
    return found


async def code(bill: Questioned, name: str, by: Principal = STAFF, **given: Any) -> str:
    found = await done(bill, name, by, **given)
    assert found["dispute"] is None
    refused: str = found["userErrors"][0]["code"]
    return refused


def line_id(bill: Questioned) -> str:
    return encode_id("InvoiceLine", bill.billed.tenant.id, *bill.line)


async def test_a_case_from_its_opening_to_its_end(database: Database) -> None:
    bill = await questioned_bill(database)
    opened = await done(
        bill, "disputeOpen", bill.client, lines=[{"line": line_id(bill), "quantity": 2}], reason="we count 400"
    )
    assert opened["dispute"]["state"] == "OPEN"  # these tests ask without a signing key
    dispute = opened["dispute"]["id"]
    key = DisputeKey(bill.billed.tenant.id, await newest(bill))
    await done(bill, "disputeMessage", bill.client, dispute=dispute, text="please look")
    await done(bill, "disputeMessage", dispute=dispute, text="among us", internal=True)
    await done(bill, "disputeAssign", dispute=dispute, assignee="Ann")
    await done(bill, "disputeDeadlineSet", dispute=dispute, respondBy="2026-12-01")
    await done(bill, "disputeMinutesAdd", dispute=dispute, minutes=5, done="read it")
    resolved = await done(
        bill,
        "disputeResolve",
        dispute=dispute,
        outcome="UPHELD",
        reason="you are right",
        minutesSpent=2,
        idempotencyKey="one",
    )
    assert resolved["dispute"]["state"] == "UPHELD"
    assert resolved["dispute"]["minutesSpent"] == 7
    closed = await done(bill, "disputeClose", dispute=dispute)
    assert closed["dispute"]["state"] == "CLOSED"
    seen = await case(bill, key)
    assert (seen["resolution"], seen["isOverdue"], seen["possibleSteps"]) == ("UPHELD", False, [])


async def newest(bill: Questioned) -> int:
    async with bill.billed.tenant.database.reading() as connection:
        found = await connection.scalar(select(func.max(Dispute.id)))
    assert found is not None
    return int(found)


async def test_turns_go_back_and_forth(database: Database) -> None:
    bill = await questioned_bill(database)
    dispute = shown(await bill.opened())
    sent = await done(bill, "disputeSendToClient", dispute=dispute, text="please look")
    assert sent["dispute"]["state"] == "WITH_CLIENT"
    back = await done(bill, "disputeSendToStaff", bill.client, dispute=dispute)
    assert back["dispute"]["state"] == "EVIDENCE_READY"
    gone = await done(bill, "disputeWithdraw", bill.client, dispute=dispute, reason="found them")
    assert gone["dispute"]["state"] == "WITHDRAWN"


async def test_part_of_a_line_is_credited(database: Database) -> None:
    bill = await questioned_bill(database)
    dispute = shown(await bill.opened(3))
    given: dict[str, Any] = {"dispute": dispute, "outcome": "PARTIAL", "reason": "one of them", "idempotencyKey": "one"}
    assert await code(bill, "disputeResolve", **given) == "BAD_QUANTITY"
    twice = [{"line": line_id(bill), "credited": 1}] * 2
    assert await code(bill, "disputeResolve", **given, lines=twice) == "BAD_QUANTITY"
    await done(bill, "disputeResolve", **given, lines=[{"line": line_id(bill), "credited": 1}])
    assert (await bill.invoice()).figures.credited == 1000


async def test_refusals_say_which_input_is_at_fault(database: Database) -> None:
    bill, other = await questioned_bill(database), await questioned_bill(database)
    own, foreign = {"line": line_id(bill)}, {"line": line_id(other)}
    assert await code(bill, "disputeOpen", bill.client, lines=[foreign], reason="why") == "NOT_FOUND"
    assert await code(bill, "disputeOpen", bill.client, lines=[own, foreign], reason="why") == "NOT_FOUND"
    assert await code(bill, "disputeOpen", lines=[own, foreign], reason="why") == "TWO_SNAPSHOTS"
    assert await code(bill, "disputeOpen", lines=[], reason="why") == "EMPTY"
    assert await code(bill, "disputeOpen", lines=[{"line": "no id"}], reason="why") == "BAD_ID"
    assert await code(bill, "disputeOpen", bill.partner, lines=[own], reason="why") == "NOT_ALLOWED"
    too_many = await done(bill, "disputeOpen", lines=[own | {"quantity": 9}], reason="why")
    assert too_many["userErrors"][0]["field"] == ["input", "lines", "0", "quantity"]
    dispute = shown(await bill.opened())
    assert await code(bill, "disputeMessage", other.client, dispute=dispute, text="hello") == "NOT_FOUND"
    assert await code(bill, "disputeAssign", bill.client, dispute=dispute, assignee="Ann") == "NOT_ALLOWED"
    assert await code(bill, "disputeClose", dispute=dispute) == "WRONG_STATE"
    assert await code(bill, "disputeAdjust", dispute=dispute, reason="late", idempotencyKey="k") == "WRONG_STATE"
    without_key = await ask(database, mutation("disputeEvidenceAttach"), STAFF, input={"dispute": dispute})
    assert without_key.errors == ["NO_SIGNING_KEY"]
