"""Snapshots through the API: who was counted, by which question, and who is over first."""

from __future__ import annotations

from typing import Any

import pytest

from models.access import Role
from resolvers.principal import Principal
from schema.ids import encode_id
from server.database import Database
from tests.asking import ask
from tests.builders import Tenant, known, lost_start, organization
from tests.test_statements import reads, statements

TAKE = """
mutation($input: BillingSnapshotTakeInput!) {
  billingSnapshotTake(input: $input) {
    taken snapshots { id date kind product { kind name } count { exact } overage { exact } licensed }
    userErrors { field code }
  }
}"""
INQUIRE = """
mutation($input: BillingInquiryTakeInput!) {
  billingInquiryTake(input: $input) {
    snapshot { id kind measure knownAt count { exact min max question } } userErrors { field code }
  }
}"""
SNAPSHOT = """
query($id: ID!, $search: String, $certain: Boolean, $first: Int, $after: String) {
 node(id: $id) { ... on BillingSnapshot {
  date cutoff kind measure knownAt recordedAt recordedBy question excluded reproduces
  count { exact min max } countNow { exact min max question }
  licensed unitPrice { amount currency } overage { min max } overageAmount { min { amount } max { amount } }
  term { quantity } organization { slug } product { kind name }
  entries(search: $search, certain: $certain, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor }
    nodes { learner { name } activatedOn deactivatedOn lastActiveOn certain quality earliest latest }
  }
} } }"""
MONTH = """
query($date: Date!, $product: ProductKind, $over: Boolean! = false, $search: String, $first: Int, $after: String,
      $last: Int, $before: String) {
  billingSnapshots(date: $date, product: $product, overageOnly: $over, search: $search, first: $first, after: $after,
                   last: $last, before: $before) {
    totalCount
    summary { organizations snapshots people over overage amounts { amount currency } }
    pageInfo { hasNextPage hasPreviousPage endCursor startCursor }
    nodes { organization { name } product { name } count { min } overage { min max } term { quantity } question }
  }
}"""


def of(tenant: Tenant) -> str:
    return encode_id("Organization", tenant.id)


def snapshot_id(tenant: Tenant, key: int) -> str:
    return encode_id("BillingSnapshot", tenant.id, key)


async def shown(tenant: Tenant, key: int, **variables: Any) -> dict[str, Any]:
    answer = await ask(tenant.database, SNAPSHOT, id=snapshot_id(tenant, key), **variables)
    assert answer.errors == []
    found: dict[str, Any] = answer.data["node"]
    return found


async def month(database: Database, principal: Principal | None = None, **variables: Any) -> dict[str, Any]:
    given = {"date": "2017-09-01"} | variables
    answer = await (ask(database, MONTH, principal, **given) if principal else ask(database, MONTH, **given))
    assert answer.errors == []
    found: dict[str, Any] = answer.data["billingSnapshots"]
    return found


def administrator(tenant: Tenant) -> Principal:
    return Principal(name="Ada", role=Role.ORGANIZATION, organization_id=tenant.id)


# ------------------------------------------------------------------------------------------------------ taking


async def test_a_date_is_taken_once_and_the_second_time_answers_the_same(database: Database) -> None:
    tenant = await organization(database)
    await tenant.library("Safety")
    await tenant.learner("2017-08-01..")
    given = {"organization": {"id": of(tenant)}, "date": "2017-09-01"}
    first = (await ask(database, TAKE, input=given)).data["billingSnapshotTake"]
    second = (await ask(database, TAKE, input=given)).data["billingSnapshotTake"]
    assert (first["taken"], second["taken"]) == (2, 0)
    assert first["snapshots"] == second["snapshots"]
    assert [(one["product"]["name"], one["count"]["exact"]) for one in first["snapshots"]] == [
        ("Seats", 1),
        ("Safety", 0),
    ]


async def test_only_staff_take_what_is_billed(database: Database) -> None:
    tenant = await organization(database)
    given = {"organization": {"id": of(tenant)}, "date": "2017-09-01"}
    refused = (await ask(database, TAKE, administrator(tenant), input=given)).data["billingSnapshotTake"]
    assert [error["code"] for error in refused["userErrors"]] == ["NOT_ALLOWED"]
    assert refused["snapshots"] == []


async def test_a_date_whose_cutoff_has_not_come_is_refused(database: Database) -> None:
    tenant = await organization(database)
    given = {"organization": {"id": of(tenant)}, "date": "2027-09-01"}
    refused = (await ask(database, TAKE, input=given)).data["billingSnapshotTake"]
    assert refused["userErrors"] == [{"field": ["input", "date"], "code": "NOT_YET"}]


async def test_a_client_may_ask_the_question_again_and_it_is_not_billed(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-08-01..2017-08-10")
    given = {"organization": {"id": of(tenant)}, "date": "2017-09-01", "measure": "DISTINCT_IN_PERIOD"}
    answer = (await ask(database, INQUIRE, administrator(tenant), input=given)).data["billingInquiryTake"]
    assert answer["userErrors"] == []
    assert (answer["snapshot"]["kind"], answer["snapshot"]["count"]["exact"]) == ("INQUIRY", 1)
    assert answer["snapshot"]["count"]["question"].startswith(
        "Active at any time from 2017-08-01 through 2017-08-31 (America/Chicago)"
    )
    assert (await month(database))["totalCount"] == 0


async def test_an_inquiry_of_a_future_knowledge_is_refused(database: Database) -> None:
    tenant = await organization(database)
    given = {"organization": {"id": of(tenant)}, "date": "2017-09-01", "knownAt": "2030-01-01T00:00:00Z"}
    refused = (await ask(database, INQUIRE, input=given)).data["billingInquiryTake"]
    assert refused["userErrors"] == [{"field": ["input", "knownAt"], "code": "KNOWN_AT_IN_FUTURE"}]


# ---------------------------------------------------------------------------------------------------- a snapshot


async def test_a_snapshot_shows_the_term_the_overage_and_the_people(database: Database) -> None:
    tenant = await organization(database, name="Xtra Lease")
    await tenant.term("2017-01-01..", licensed=1, price="12.50")
    await tenant.learner("2017-08-10..2017-12-31", name="Bo")
    await tenant.learner("2017-08-01..", name="ada")
    await tenant.learner("2017-08-01..2017-08-31", name="Cy")
    row = await tenant.snapshot("2017-09-01")
    found = await shown(tenant, row.id)
    assert (found["count"]["exact"], found["licensed"], found["overage"]) == (2, 1, {"min": 1, "max": 1})
    assert found["unitPrice"] == {"amount": "12.50", "currency": "USD"}
    assert found["overageAmount"] == {"min": {"amount": "12.50"}, "max": {"amount": "12.50"}}
    assert (found["term"], found["reproduces"]) == ({"quantity": 1}, True)
    assert found["question"].startswith(
        "Active at the billing cutoff of 2017-09-01 (00:00 America/Chicago, 2017-09-01 05:00:00 UTC), Xtra Lease, as"
    )
    assert [node["learner"]["name"] for node in found["entries"]["nodes"]] == ["ada", "Bo"]
    assert [node["activatedOn"] for node in found["entries"]["nodes"]] == ["2017-08-01", "2017-08-10"]
    assert [node["lastActiveOn"] for node in found["entries"]["nodes"]] == [None, "2017-12-31"]
    assert [node["deactivatedOn"] for node in found["entries"]["nodes"]] == [None, "2018-01-01"]


async def test_without_a_term_there_is_no_overage(database: Database) -> None:
    tenant = await organization(database)
    found = await shown(tenant, (await tenant.snapshot("2017-09-01")).id)
    assert all(found[name] is None for name in ("term", "licensed", "unitPrice", "overage", "overageAmount"))
    assert found["count"] == {"exact": 0, "min": 0, "max": 0}


async def test_lost_dates_make_bounds_of_count_overage_and_amount(database: Database) -> None:
    tenant = await organization(database)
    await tenant.term("2017-01-01..", licensed=0, price="2.00")
    lost = await tenant.stranger("Ada")
    await tenant.believed(lost, lost_start(tenant, tenant.id, "2017-09-20"))
    await tenant.learner("2017-08-01..", name="Bo")
    row = await tenant.snapshot("2017-09-01")
    found = await shown(tenant, row.id)
    assert found["count"] == {"exact": None, "min": 1, "max": 2}
    assert found["overageAmount"] == {"min": {"amount": "2.00"}, "max": {"amount": "4.00"}}
    uncertain = (await shown(tenant, row.id, certain=False))["entries"]
    assert uncertain["totalCount"] == 1
    (ada,) = uncertain["nodes"]
    assert (ada["learner"]["name"], ada["certain"], ada["quality"], ada["activatedOn"]) == ("Ada", False, "LOST", None)
    assert (ada["lastActiveOn"], ada["earliest"]) == ("2017-09-20", None)
    certain = (await shown(tenant, row.id, certain=True))["entries"]
    assert [node["learner"]["name"] for node in certain["nodes"]] == ["Bo"]


async def test_what_is_known_now_stands_beside_what_was_billed(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-01..")
    row = await tenant.snapshot("2017-09-01")
    await tenant.deactivated(learner, "2017-08-20")
    found = await shown(tenant, row.id)
    assert (found["count"]["exact"], found["countNow"]["exact"], found["reproduces"]) == (1, 0, True)


async def test_entries_come_page_by_page_and_are_searched(database: Database) -> None:
    tenant = await organization(database)
    for name in ("Dee", "ada", "Bo", "Cy", "Ada"):
        await tenant.learner("2017-08-01..", name=name)
    row = await tenant.snapshot("2017-09-01")
    seen: list[str] = []
    after = None
    while True:
        page = (await shown(tenant, row.id, first=2, after=after))["entries"]
        seen += [node["learner"]["name"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ["ada", "Ada", "Bo", "Cy", "Dee"]
    found = (await shown(tenant, row.id, search="AD"))["entries"]
    assert ([node["learner"]["name"] for node in found["nodes"]], found["totalCount"]) == (["ada", "Ada"], 2)


async def test_a_snapshot_of_another_organization_is_not_there(database: Database) -> None:
    tenant, other = await organization(database), await organization(database)
    row = await tenant.snapshot("2017-09-01")
    query = "query($id: ID!) { node(id: $id) { id } }"
    theirs = await ask(database, query, administrator(other), id=snapshot_id(tenant, row.id))
    own = await ask(database, query, administrator(tenant), id=snapshot_id(tenant, row.id))
    assert (theirs.data["node"], own.data["node"]) == (None, {"id": snapshot_id(tenant, row.id)})


# ----------------------------------------------------------------------------------------------------- lists


async def test_an_organizations_snapshots_come_newest_first(database: Database) -> None:
    tenant = await organization(database)
    library = await tenant.library("Safety")
    await tenant.term("2017-01-01..", licensed=0, price="1.00")
    await tenant.learner("2017-08-15..")
    for date in ("2017-08-01", "2017-09-01", "2017-10-01"):
        await tenant.snapshot(date)
    await tenant.snapshot("2017-10-01", product=library)
    await tenant.inquiry("2017-10-05")
    query = """query($slug: ID!, $product: ProductKey, $kind: SnapshotKind, $dates: DateRange, $over: Boolean! = false,
                     $first: Int, $after: String) {
      organization(by: {id: $slug}) { billingSnapshots(
        product: $product, kind: $kind, dates: $dates, overageOnly: $over, first: $first, after: $after
      ) { totalCount pageInfo { endCursor } nodes { date kind product { name } } } } }"""

    async def dates(**variables: Any) -> list[str]:
        answer = await ask(database, query, slug=of(tenant), **variables)
        assert answer.errors == []
        found = answer.data["organization"]["billingSnapshots"]
        assert found["totalCount"] >= len(found["nodes"])
        return [node["date"] for node in found["nodes"]]

    assert await dates() == ["2017-10-05", "2017-10-01", "2017-10-01", "2017-09-01", "2017-08-01"]
    assert await dates(kind="BILLING", product={"seats": True}) == ["2017-10-01", "2017-09-01", "2017-08-01"]
    assert await dates(product={"library": encode_id("Library", tenant.id, library)}) == ["2017-10-01"]
    assert await dates(dates={"from": "2017-09-01", "through": "2017-09-30"}) == ["2017-09-01"]
    assert await dates(over=True, kind="BILLING") == ["2017-10-01", "2017-09-01"]
    page = await ask(database, query, slug=of(tenant), first=2)
    after = page.data["organization"]["billingSnapshots"]["pageInfo"]["endCursor"]
    assert await dates(first=2, after=after) == ["2017-10-01", "2017-09-01"]


async def over(database: Database, name: str, learners: int, licensed: int | None, *, lost: int = 0) -> Tenant:
    """An organization of which so many more are active than are licensed; some of them perhaps."""
    tenant = await organization(database, name=name)
    if licensed is not None:
        await tenant.term("2017-01-01..", licensed=licensed, price="10.00")
    if learners:
        await tenant.crowd(learners, active=("2017-08-01..",))
    for number in range(lost):
        stranger = await tenant.stranger(f"Lost {number}")
        await tenant.believed(stranger, lost_start(tenant, tenant.id, "2017-09-20"))
    await tenant.snapshot("2017-09-01")
    return tenant


async def test_who_is_over_most_comes_first_of_all_clients(database: Database) -> None:
    await over(database, "No term", 9, None)
    await over(database, "beta within", 2, 5)
    await over(database, "Three over", 8, 5)
    await over(database, "Alpha within", 2, 5)
    await over(database, "Perhaps over", 5, 5, lost=1)
    await over(database, "One over", 6, 5)
    found = await month(database)
    names = [node["organization"]["name"] for node in found["nodes"]]
    assert names == ["Three over", "One over", "Perhaps over", "Alpha within", "beta within", "No term"]
    assert found["summary"] == {
        "organizations": 6,
        "snapshots": 6,
        "people": 32,
        "over": 2,
        "overage": 4,
        "amounts": [{"amount": "40.00", "currency": "USD"}],
    }
    only = await month(database, over=True)
    assert [node["overage"]["max"] for node in only["nodes"]] == [3, 1, 1]
    assert only["totalCount"] == 3
    assert (await month(database, search="WITHIN"))["summary"]["organizations"] == 2
    forward, after = [], None
    for _ in range(3):
        page = await month(database, first=2, after=after)
        forward += [node["organization"]["name"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert forward == names
    backward = await month(database, last=4)
    assert [node["organization"]["name"] for node in backward["nodes"]] == names[2:]
    backward = await month(database, last=2, before=backward["pageInfo"]["startCursor"])
    assert [node["organization"]["name"] for node in backward["nodes"]] == names[:2]


async def test_the_month_shows_only_what_the_asker_may_see(database: Database) -> None:
    tenant = await over(database, "Mine", 3, 1)
    await over(database, "Theirs", 3, 1)
    found = await month(database, administrator(tenant))
    assert [node["organization"]["name"] for node in found["nodes"]] == ["Mine"]
    assert (found["totalCount"], found["summary"]["people"]) == (1, 3)
    individual = Principal(name="Ada", role=Role.INDIVIDUAL, person_id=1)
    assert (await month(database, individual))["totalCount"] == 0


async def test_seats_and_libraries_are_asked_apart(database: Database) -> None:
    tenant = await organization(database)
    library = await tenant.library("Safety")
    await tenant.snapshot("2017-09-01")
    await tenant.snapshot("2017-09-01", product=library)
    assert [node["product"]["name"] for node in (await month(database, product="LIBRARY"))["nodes"]] == ["Safety"]
    assert [node["product"]["name"] for node in (await month(database, product="SEATS"))["nodes"]] == ["Seats"]


async def test_the_month_takes_as_many_statements_however_many_clients(database: Database) -> None:
    """The page, organizations, libraries, terms, two sums, and how many there are."""

    async def client() -> None:
        tenant = await organization(database)
        library = await tenant.library("Safety")
        await tenant.term("2017-01-01..", licensed=0, price="10.00")
        await tenant.term("2017-01-01..", licensed=0, price="10.00", product=library)
        await tenant.snapshot("2017-09-01")
        await tenant.snapshot("2017-09-01", product=library)

    async def ran() -> tuple[int, int]:
        with statements() as found:
            page = await month(database, first=50)
        return len(reads(found)), len(page["nodes"])

    await client()
    few = await ran()
    for _ in range(11):
        await client()
    many = await ran()
    assert (few[1], many[1]) == (2, 24)
    assert few[0] == many[0] <= 8


async def test_counts_and_checks_of_a_list_take_as_many_statements_however_many(database: Database) -> None:
    tenant = await organization(database)
    await tenant.crowd(6, active=("2017-07-01..", "2017-08-15..2017-09-20"))
    query = """query($id: ID!) { organization(by: {id: $id}) { billingSnapshots { nodes {
      reproduces countNow { min } drift { totalCount } bridge(to: {cutoffOf: "2018-01-01"}) { joinedCount leftCount }
      entries { totalCount nodes { learner { name } } } } } } }"""

    async def ran() -> int:
        with statements() as found:
            answer = await ask(database, query, id=of(tenant))
        assert answer.errors == []
        assert all(node["reproduces"] for node in answer.data["organization"]["billingSnapshots"]["nodes"])
        return len(reads(found))

    await tenant.snapshot("2017-08-01")
    few = await ran()
    for date in ("2017-09-01", "2017-10-01", "2017-11-01"):
        await tenant.snapshot(date)
    assert await ran() == few


# --------------------------------------------------------------------------------------- previews, drift, bridges


async def test_a_preview_says_what_the_snapshot_then_says_and_writes_nothing(database: Database) -> None:
    tenant = await organization(database)
    await tenant.term("2017-01-01..", licensed=1, price="10.00")
    learner = (await tenant.learner("2017-08-01..2017-08-10"), await tenant.learner("2017-08-01.."))[1]
    exclusion = await tenant.exclusion_scope()
    await tenant.believed(learner, known(tenant, exclusion, "2017-08-01.."))
    await tenant.crowd(3, active=("2017-08-01..",))
    query = """query($id: ID!) { organization(by: {id: $id}) { billingPreview(date: "2017-09-01") {
      count { exact } excluded licensed overage { exact } measure cutoff } billingSnapshots { totalCount } } }"""
    answer = (await ask(database, query, id=of(tenant))).data["organization"]
    row = await tenant.snapshot("2017-09-01")
    assert answer["billingSnapshots"]["totalCount"] == 0
    preview = answer["billingPreview"]
    assert (preview["count"]["exact"], preview["excluded"]) == (row.count_least, row.excluded) == (3, 1)
    assert (preview["licensed"], preview["overage"]["exact"]) == (row.licensed, row.overage_least) == (1, 2)


async def test_drift_is_told_person_by_person_with_the_act(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-01..", name="Ada")
    row = await tenant.snapshot("2017-09-01")
    await tenant.deactivated(learner, "2017-08-20")
    await tenant.learner("2017-08-31..", name="Bo")
    query = """query($id: ID!) { node(id: $id) { ... on BillingSnapshot { drift { totalCount nodes {
      kind learner { name } then { activatedOn lastActiveOn certain } now { activatedOn lastActiveOn }
      learned { recordedBy source recordedAt reason } } } } } }"""
    drift = (await ask(database, query, id=snapshot_id(tenant, row.id))).data["node"]["drift"]
    assert [(node["kind"], node["learner"]["name"]) for node in drift["nodes"]] == [("REMOVED", "Ada"), ("ADDED", "Bo")]
    ada, bo = drift["nodes"]
    assert (ada["then"]["activatedOn"], ada["now"]) == ("2017-08-01", None)
    assert (bo["then"], bo["now"]["activatedOn"]) == (None, "2017-08-31")
    assert ada["learned"]["recordedBy"] == "Sam of support"


BRIDGE = """
query($id: ID!, $to: ActivityMoment, $known: DateTime, $first: Int, $after: String) { node(id: $id) {
  ... on BillingSnapshot { bridge(to: $to, knownAt: $known) { question opening { exact } closing { exact }
    joinedCount leftCount passedCount
    left(first: $first, after: $after) { totalCount pageInfo { hasNextPage endCursor }
      nodes { learner { name } movement cause at on certain learned { recordedBy recordedAt reason } } }
    joined { nodes { learner { name } cause on } } uncertain { totalCount } passed { totalCount } } } } }"""


async def test_the_demo_bridges_its_403_to_391_through_the_api(demo: Database) -> None:
    given = {"organization": {"slug": "xtra-lease"}, "date": "2017-09-01"}
    taken = (await ask(demo, INQUIRE, input=given)).data["billingInquiryTake"]["snapshot"]
    assert taken["count"]["exact"] == 403
    to = {"cutoffOf": "2017-10-16"}
    seen: list[str] = []
    after = None
    for _ in range(2):
        answer = await ask(demo, BRIDGE, id=taken["id"], to=to, first=20, after=after)
        assert answer.errors == []
        found = answer.data["node"]["bridge"]
        seen += [node["learner"]["name"] for node in found["left"]["nodes"]]
        after = found["left"]["pageInfo"]["endCursor"]
    assert (found["opening"]["exact"], found["closing"]["exact"]) == (403, 391)
    assert (found["joinedCount"], found["leftCount"], found["passedCount"]) == (16, 28, 0)
    assert len(seen) == found["left"]["totalCount"] == 28
    assert not found["left"]["pageInfo"]["hasNextPage"]
    assert found["question"].startswith("From: Active at the billing cutoff of 2017-09-01")
    assert "To: Active at the billing cutoff of 2017-10-16" in found["question"]


async def test_a_bridge_to_now_is_paged_as_time_goes_on(database: Database) -> None:
    tenant = await organization(database)
    await tenant.crowd(5, active=("2017-08-01..2017-09-20",))
    row = await tenant.snapshot("2017-09-01")
    page = (await ask(database, BRIDGE, id=snapshot_id(tenant, row.id), first=2)).data["node"]["bridge"]["left"]
    await tenant.learner("2017-08-01..")
    after = page["pageInfo"]["endCursor"]
    answer = await ask(database, BRIDGE, id=snapshot_id(tenant, row.id), first=5, after=after)
    assert answer.errors == []
    assert len(answer.data["node"]["bridge"]["left"]["nodes"]) == 3


@pytest.mark.parametrize(
    ("first", "second", "errors"), [("2017-09-01", "2017-10-16", []), ("2017-10-16", "2017-09-01", ["EMPTY_RANGE"])]
)
async def test_a_bridge_leads_forward(database: Database, first: str, second: str, errors: list[str]) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-09-10..")
    query = """query($id: ID!, $one: ActivityMoment!, $other: ActivityMoment!) { organization(by: {id: $id}) {
      countBridge(from: $one, to: $other) { joinedCount leftCount joined { nodes { on cause } } } } }"""
    answer = await ask(database, query, id=of(tenant), one={"cutoffOf": first}, other={"cutoffOf": second})
    assert answer.errors == errors
    if not errors:
        assert answer.data["organization"]["countBridge"]["joined"]["nodes"] == [
            {"on": "2017-09-10", "cause": "ACTIVATION"}
        ]


async def test_a_client_may_not_bridge_another(database: Database) -> None:
    tenant, other = await organization(database), await organization(database)
    query = 'query($id: ID!) { organization(by: {id: $id}) { billingPreview(date: "2017-09-01") { date } } }'
    assert (await ask(database, query, administrator(other), id=of(tenant))).errors == ["NOT_FOUND"]
