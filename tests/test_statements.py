"""However many rows there are, a nested question takes as many statements, and none of them reads a whole table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.activity import Predicate
from models.organizations import ScopeKind
from resolvers.loaders.beliefs import BeliefsKey, beliefs_of_learners
from resolvers.loaders.counts import Question, counts
from resolvers.loaders.learner_lists import (
    LearnersKey,
    LearnersPage,
    ListPart,
    Who,
    certainties,
    learner_totals,
    learners_of,
)
from resolvers.loaders.learners import LearnerKey, learners_by_id
from resolvers.loaders.places import ScopesPage, scopes_of
from resolvers.loaders.windows import WindowsKey, WindowsPage, windows_of_learners
from server.database import Database
from tests.asking import ask
from tests.builders import Tenant, organization

SPANS = ("2017-01-01..2017-03-31", "2017-02-01..2017-09-15", "2017-09-10..2017-09-20", "2017-09-01..")
NESTED = """
{
  organizations(first: 7) { nodes { name teams { nodes { name
    learners(first: 50, activity: {activeDuring: {dates: {from: "2017-09-01", through: "2017-09-30"}}}) {
      question
      totalCount
      nodes { name activatedOn lastActiveOn windows(
        first: 10, activity: {activeDuring: {dates: {from: "2017-09-01", through: "2017-09-30"}}}
      ) { nodes { from to lastActiveOn } } }
    }
  } } } }
}
"""
COUNTS = """
{
  organizations(first: 7) { nodes {
    activeCount(activity: {activeAt: {cutoffOf: "2017-09-01"}}) { min max }
    teams { nodes { activeCount(activity: {activeAt: {cutoffOf: "2017-09-01"}}) { min max } } }
  } }
}
"""


@dataclass(frozen=True)
class Ran:
    """A statement as the driver got it."""

    sql: str
    parameters: tuple[object, ...]


@contextmanager
def statements() -> Iterator[list[Ran]]:
    """Every statement that any engine runs meanwhile."""
    ran: list[Ran] = []

    def note(_: Connection, __: object, sql: str, parameters: Sequence[object], *___: object) -> None:
        ran.append(Ran(sql, tuple(parameters)))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield ran
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def reads(ran: Sequence[Ran]) -> list[Ran]:
    return [one for one in ran if one.sql.lstrip().startswith(("SELECT", "WITH"))]


async def seven_organizations(database: Database) -> list[Tenant]:
    """Each with one team of four learners."""
    tenants = [await organization(database) for _ in range(7)]
    await grow(tenants, teams=1, learners=4)
    return tenants


async def grow(tenants: Sequence[Tenant], *, teams: int, learners: int) -> None:
    for tenant in tenants:
        made = [await tenant.team() for _ in range(teams)]
        await tenant.crowd(learners * teams, *made, active=SPANS)


async def ran_for(database: Database, query: str) -> tuple[int, int]:
    """How many statements a question took, and how long its answer is."""
    with statements() as ran:
        answer = await ask(database, query)
    assert answer.errors == []
    return len(reads(ran)), len(str(answer.data))


# ------------------------------------------------------------------------------------- how many statements


async def test_learners_and_windows_of_all_teams_take_six_statements_however_many(database: Database) -> None:
    """One each for organizations, teams, learners, how many there are, their windows, and the latest of those."""
    tenants = await seven_organizations(database)
    few, short = await ran_for(database, NESTED)
    await grow(tenants, teams=3, learners=24)
    many, long = await ran_for(database, NESTED)
    assert (few, many) == (6, 6)
    assert long > 10 * short


async def test_counts_of_all_organizations_and_teams_take_four_statements_however_many(database: Database) -> None:
    """One each for organizations, their counts, teams, and their counts."""
    tenants = await seven_organizations(database)
    few, short = await ran_for(database, COUNTS)
    await grow(tenants, teams=12, learners=1)
    many, long = await ran_for(database, COUNTS)
    assert (few, many) == (4, 4)
    assert long > 5 * short


# ------------------------------------------------------------------------------------------------- plans

READ_BY_KEY = ("activity_window", "former_activity_window", "uncertain_activity_window", "belief", "profile")


async def test_no_question_reads_a_whole_table(database: Database) -> None:
    tenants = await crowded(database)
    async with database.reading() as connection:
        with statements() as ran:
            await every_question(connection, tenants[3])
        plans = [await plan_of(connection, one) for one in reads(ran)]
    assert len(plans) >= len(Predicate) * 7
    assert [table for plan in plans for table in read_as_a_whole(plan)] == []


async def crowded(database: Database) -> list[Tenant]:
    """Enough rows, some of them former and uncertain, that reading one organization's by an index is worth while."""
    tenants = [await organization(database) for _ in range(6)]
    await grow(tenants, teams=5, learners=80)
    await database.run(fill_and_analyse)
    return tenants


async def fill_and_analyse(session: AsyncSession) -> None:
    """As many former and uncertain windows as there are current ones."""
    await session.execute(text(FORMER))
    await session.execute(text(UNCERTAIN))
    await session.execute(text("ANALYZE"))


FORMER = """
INSERT INTO former_activity_window
  (organization_id, scope_id, learner_id, to_at, known_from, from_at, previous_to, known_until)
SELECT organization_id, scope_id, learner_id, to_at, known_from - 1, from_at, previous_to, known_from
FROM activity_window
"""
UNCERTAIN = """
INSERT INTO uncertain_activity_window
  (organization_id, scope_id, learner_id, known_from, number, known_until, quality,
   from_earliest, from_latest, to_earliest, to_latest, may_be_empty)
SELECT organization_id, scope_id, learner_id, known_from - 1, 0, known_from, 'BOUNDED',
   from_at - 1, from_at, to_at, to_at, known_from IS NULL
FROM activity_window
"""


async def every_question(connection: AsyncConnection, tenant: Tenant) -> None:
    """The five questions, and what is read by key of those whom a team has ever had."""
    for predicate in Predicate:
        await every_answer(connection, tenant, predicate)
    key = LearnersKey(tenant.id, (await teams_of(connection, tenant))[0], 0, 0, 0, tenant.known_at())
    (page,) = await learners_of(connection, [ListPart(key)], TEAM, LearnersPage(51))
    learners = [row.learner_id for row in page]
    latest = WindowsPage(None, 1, newest_first=True, after=(key.known_at, 0, 0))
    windows = [WindowsKey(tenant.id, tenant.id, learner, 0, 0, key.known_at) for learner in learners]
    await windows_of_learners(connection, windows, latest)
    await beliefs_of_learners(connection, [BeliefsKey(tenant.id, learner, key.known_at) for learner in learners])
    await learners_by_id(connection, [LearnerKey(tenant.id, learner) for learner in learners])


async def every_answer(connection: AsyncConnection, tenant: Tenant, predicate: Predicate) -> None:
    """Counts; lists of the organization, of a team and of two, and how many they hold; and their windows."""
    teams = await teams_of(connection, tenant)
    asked = tenant.asked(predicate, "2017-09-01" if predicate is Predicate.ACTIVE_AT else "2017-09-01..2017-09-30")
    edges = (asked.a, asked.b, tenant.known_at())
    await counts(connection, [Question(tenant.id, scope, *edges) for scope in (tenant.id, *teams)], predicate)
    for scopes in ((tenant.id, 0), (teams[0], teams[1]), (teams[0], 0)):
        key = LearnersKey(tenant.id, *scopes, *edges)
        who = Who(predicate, whole_organization=scopes[0] == tenant.id, in_two_scopes=scopes[1] != 0)
        (rows,) = await learners_of(connection, [ListPart(key, ("learner", 0))], who, LearnersPage(51))
        await certainties(connection, {key: [row.learner_id for row in rows]}, who)
        await learner_totals(connection, [key], who)
    windows = [WindowsKey(tenant.id, tenant.id, row.learner_id, *edges) for row in rows]
    await windows_of_learners(connection, windows, WindowsPage(predicate, 11))


# Everyone who ever belonged to a team.
TEAM = Who(whole_organization=False)


async def teams_of(connection: AsyncConnection, tenant: Tenant) -> list[int]:
    rows = await scopes_of(connection, [tenant.id], ScopesPage(ScopeKind.TEAM, 100))
    return [row.scope_id for row in rows]


async def plan_of(connection: AsyncConnection, ran: Ran) -> str:
    """What the database says it would do, in its own words."""
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    rows = (await connection.exec_driver_sql(f"{explain} {ran.sql}", ran.parameters)).all()
    return "\n".join(str(row[-1]) for row in rows)


def read_as_a_whole(plan: str) -> list[str]:
    """The tables read from one end to the other; of an index too, unless it is searched."""
    return [table for table in READ_BY_KEY if re.search(rf"\b(SCAN|Seq Scan on) {table}\b", plan)]


@pytest.mark.parametrize(
    "plan", ["SCAN belief", "SCAN belief USING INDEX ix", "->  Seq Scan on belief later  (cost=0.00)"]
)
def test_a_plan_that_reads_a_whole_table_is_recognised(plan: str) -> None:
    assert read_as_a_whole(plan) == ["belief"]
    assert read_as_a_whole(plan.replace("SCAN", "SEARCH").replace("Seq Scan on", "Index Scan using ix on")) == []
