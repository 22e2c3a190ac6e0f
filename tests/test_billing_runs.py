"""The month through the API: small runs at once, large ones by workers, and how far either is."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

import resolvers.tasks.running
from models.access import Role
from resolvers.principal import Principal
from server.database import Database
from server.worker import Worker
from tests.asking import NOW, ask
from tests.importing import contents
from tests.months import client, clients

RUN = """
mutation($input: BillingSnapshotRunInput!, $first: Int = 50, $after: String) { billingSnapshotRun(input: $input) {
  run { date organizations taken waiting queued failed isDone failures { organization { slug } reason attempts } }
  preview(first: $first, after: $after) { totalCount pageInfo { hasNextPage endCursor } nodes {
    organization { name } products { product { name } isTaken licensed count { exact } overage { exact question } } } }
  userErrors { field code }
} }
"""
PROGRESS = "query($date: Date!) { billingRun(date: $date) { organizations taken waiting queued failed isDone } }"
WHERE = "UPDATE billing_zone SET zone = :zone WHERE organization_id = :id"


async def ran(database: Database, **given: Any) -> dict[str, Any]:
    paging = {name: given.pop(name) for name in ("first", "after") if name in given}
    answer = await ask(database, RUN, input={"date": "2017-09-01"} | given, **paging)
    assert answer.errors == []
    payload: dict[str, Any] = answer.data["billingSnapshotRun"]
    assert payload["userErrors"] == []
    return payload


def figures(run: dict[str, Any]) -> tuple[int, ...]:
    return tuple(run[name] for name in ("organizations", "taken", "waiting", "queued", "failed"))


async def test_a_small_run_is_done_at_once_and_again_changes_nothing(database: Database) -> None:
    await clients(database, 3)
    run = (await ran(database))["run"]
    assert figures(run) == (3, 3, 0, 0, 0)
    assert run["isDone"]
    before = await contents(database)
    assert (await ran(database))["run"] == run
    assert await contents(database) == before


async def test_a_large_run_is_left_to_the_workers_and_can_be_watched(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolvers.tasks.running, "MOST_AT_ONCE", 2)
    await clients(database, 3)
    run = (await ran(database))["run"]
    assert figures(run) == (3, 0, 0, 3, 0)
    assert not run["isDone"]
    await Worker(database, None, lambda: NOW).work_off()
    watched = (await ask(database, PROGRESS, date="2017-09-01")).data["billingRun"]
    assert figures(watched) == (3, 3, 0, 0, 0)
    assert watched["isDone"]


async def test_named_organizations_are_run_alone(database: Database) -> None:
    one, *_ = await clients(database, 3)
    async with database.reading() as connection:
        slug = (
            await connection.execute(text("SELECT slug FROM organization WHERE id = :id"), {"id": one.tenant.id})
        ).scalar_one()
    assert figures((await ran(database, organizations=[{"slug": slug}]))["run"]) == (1, 1, 0, 0, 0)
    watched = (await ask(database, PROGRESS, date="2017-09-01")).data["billingRun"]
    assert figures(watched) == (3, 1, 0, 0, 0)


async def test_a_failure_is_told_and_tried_again(database: Database) -> None:
    bad, _ = await clients(database, 2)
    await database.run(lambda s: s.execute(text(WHERE), {"zone": "Mars/Olympus", "id": bad.tenant.id}))
    run = (await ran(database))["run"]
    assert figures(run) == (2, 1, 0, 1, 1)
    assert [(one["reason"].split()[0], one["attempts"]) for one in run["failures"]] == [("ZoneInfoNotFoundError", 1)]
    await database.run(lambda s: s.execute(text(WHERE), {"zone": "UTC", "id": bad.tenant.id}))
    run = (await ran(database))["run"]
    assert figures(run) == (2, 2, 0, 0, 0)


async def test_who_is_not_due_waits(database: Database) -> None:
    await client(database)
    run = (await ran(database, date="2026-12-01"))["run"]
    assert figures(run) == (1, 0, 1, 0, 0)
    assert run["isDone"]


async def test_the_dry_run_shows_page_by_page_what_it_would_take_and_writes_nothing(database: Database) -> None:
    await clients(database, 3)
    before = await contents(database)
    first = (await ran(database, dryRun=True, first=2))["preview"]
    rest = (await ran(database, dryRun=True, first=2, after=first["pageInfo"]["endCursor"]))["preview"]
    assert await contents(database) == before
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (3, True, False)
    seats = [node["products"][0] for node in (*first["nodes"], *rest["nodes"])]
    assert [(one["count"]["exact"], one["licensed"], one["overage"]["exact"]) for one in seats] == [
        (3, 0, 3),
        (4, 1, 3),
        (5, 2, 3),
    ]
    assert {one["isTaken"] for one in seats} == {False}
    assert (await ran(database))["preview"] is None


async def test_the_month_is_for_staff(database: Database) -> None:
    billed = await client(database)
    kim = Principal(name="Kim", role=Role.ORGANIZATION, organization_id=billed.tenant.id)
    refused = await ask(database, RUN, kim, input={"date": "2017-09-01"})
    assert refused.data["billingSnapshotRun"]["userErrors"] == [{"field": ["input"], "code": "NOT_ALLOWED"}]
    assert (await ask(database, PROGRESS, kim, date="2017-09-01")).errors == ["NOT_ALLOWED"]


async def test_a_date_beyond_the_calendar_is_refused_at_its_field(database: Database) -> None:
    refused = await ask(database, RUN, input={"date": "1017-09-01"})
    assert refused.data["billingSnapshotRun"]["userErrors"] == [
        {"field": ["input", "date"], "code": "DATE_OUT_OF_RANGE"}
    ]
