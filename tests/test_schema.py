"""What the printed schema promises, and how bad input is answered: in a sentence, with a code, at its field."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    is_introspection_type,
    is_specified_scalar_type,
)

from models.access import Role
from models.errors import BadCursor
from resolvers.principal import Principal
from schema.ids import encode_id
from schema.moments import moment_and_key
from schema.pagination import paging
from schema.root import schema
from server.database import Database
from server.settings import ROOT
from tests.asking import ask
from tests.builders import organization

TYPES: list[GraphQLNamedType] = [
    of for of in schema._schema.type_map.values() if not is_introspection_type(of) and not is_specified_scalar_type(of)
]


def test_the_printed_schema_is_the_schema() -> None:
    printed = (ROOT / "schema" / "schema.graphql").read_text()
    assert schema.as_str() + "\n" == printed, "print it anew: python3 -m server schema > schema/schema.graphql"


@pytest.mark.parametrize("of", TYPES, ids=lambda of: str(of.name))
def test_staff_can_read_the_explorer_as_documentation(of: GraphQLNamedType) -> None:
    """Every field, argument, enum value and input field has a description."""
    assert undescribed(of) == []


def undescribed(of: GraphQLNamedType) -> list[str]:
    missing: list[str] = []
    if isinstance(of, GraphQLEnumType):
        missing += [f"{of.name}.{name}" for name, value in of.values.items() if not value.description]
    if isinstance(of, GraphQLInputObjectType):
        missing += [f"{of.name}.{name}" for name, field in of.fields.items() if not field.description]
    if isinstance(of, GraphQLObjectType | GraphQLInterfaceType):
        for name, field in of.fields.items():
            missing += [f"{of.name}.{name}"] if not field.description else []
            missing += [f"{of.name}.{name}({a}:)" for a, argument in field.args.items() if not argument.description]
    own = not of.name.endswith(("Payload", "Input", "Query", "Mutation", "Connection", "Edge"))
    return missing + ([of.name] if own and not of.description else [])


def test_no_argument_has_null_for_its_default() -> None:
    assert "= null" not in schema.as_str()


# ---------------------------------------------------------------------------------------------- bad input

ORGANIZATION = "organization(by: {slug: $slug})"
QUESTIONS = {
    "reversed dates": ('{activeDuring: {dates: {from: "2017-09-30", through: "2017-09-01"}}}', "EMPTY_RANGE"),
    "an empty range": (
        '{activeDuring: {instants: {from: "2017-09-01T00:00:00Z", until: "2017-09-01T00:00:00Z"}}}',
        "EMPTY_RANGE",
    ),
    "an absurd year": ('{activeAt: {cutoffOf: "9999-12-31"}}', "DATE_OUT_OF_RANGE"),
    "the first year": ('{activeDuring: {dates: {from: "0001-01-01", through: "2017-09-01"}}}', "DATE_OUT_OF_RANGE"),
    "an absurd instant": ('{activeAt: {at: "0001-01-01T00:00:00Z"}}', "DATE_OUT_OF_RANGE"),
}


@pytest.mark.parametrize("name", QUESTIONS)
async def test_a_question_that_cannot_be_answered_is_refused_with_its_reason(database: Database, name: str) -> None:
    await organization(database, name="Acme")
    activity, code = QUESTIONS[name]
    query = "query($slug: String!) { %s { activeCount(activity: %s) { min } learners(activity: %s) { totalCount } } }"
    answer = await ask(database, query % (ORGANIZATION, activity, activity), slug="acme")
    assert set(answer.errors) == {code}


DATES = {
    '"2017-02-30"': "not a day that exists",
    '"2017-13-01"': "not a day that exists",
    '"yesterday"': "not a day that exists",
    '"2017-9-1x"': "not a day that exists",
    "20170901": "not a day that exists",
}


@pytest.mark.parametrize("date", DATES)
async def test_a_date_that_does_not_exist_is_refused(sqlite_database: Database, date: str) -> None:
    query = '{ organization(by: {slug: "acme"}) { activeCount(activity: {activeAt: {cutoffOf: %s}}) { min } } }'
    answer = await ask(sqlite_database, query % date)
    assert DATES[date] in answer.messages[0]


@pytest.mark.parametrize("instant", ["2017-09-01T00:00:00", "noon", "9999-12-31T23:59:59-14:00"])
async def test_an_instant_needs_its_zone_and_a_calendar(sqlite_database: Database, instant: str) -> None:
    query = '{ organization(by: {slug: "a"}) { activeCount(activity: {activeAt: {at: "%s"}}) { min } } }' % instant
    answer = await ask(sqlite_database, query)
    assert any(word in answer.messages[0] for word in ("zone", "not an instant", "calendar"))


async def test_a_day_that_the_clocks_skipped_is_refused(database: Database) -> None:
    await organization(database, zone="Pacific/Apia", name="Acme")
    skipped = '{activeDuring: {dates: {from: "2011-12-30", through: "2011-12-30"}}}'
    query = "query($slug: String!) { %s { activeCount(activity: %s) { min } } }" % (ORGANIZATION, skipped)
    answer = await ask(database, query, slug="acme")
    assert answer.errors == ["DAY_DOES_NOT_EXIST"]
    assert "Pacific/Apia" in answer.messages[0]


async def test_nothing_is_known_yet_as_of_the_future(database: Database) -> None:
    await organization(database, name="Acme")
    query = '{ organization(by: {slug: "acme"}) { learners(knownAt: "2199-01-01T00:00:00Z") { totalCount } } }'
    assert (await ask(database, query)).errors == ["KNOWN_AT_IN_FUTURE"]


PAGES = {
    "first: 0": "BAD_PAGE_SIZE",
    "first: -1": "BAD_PAGE_SIZE",
    "first: 101": "BAD_PAGE_SIZE",
    "last: 101": "BAD_PAGE_SIZE",
    "first: 1, last: 1": "BAD_PAGE_SIZE",
    'before: "x"': "BAD_PAGE_SIZE",
    'last: 1, after: "x"': "BAD_PAGE_SIZE",
    'first: 1, after: "garbage"': "BAD_CURSOR",
    'first: 1, after: "WyJ4Il0"': "BAD_CURSOR",
    'first: 1, after: "%s"' % ("A" * 5_000): "BAD_CURSOR",
}


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_that_cannot_be_is_refused(sqlite_database: Database, page: str) -> None:
    await organization(sqlite_database, name="Acme")
    for listed in ("learners", "teams", "libraries"):
        query = '{ organization(by: {slug: "acme"}) { %s(%s) { totalCount } } }' % (listed, page)
        assert (await ask(sqlite_database, query)).errors == [PAGES[page]]
    assert (await ask(sqlite_database, "{ organizations(%s) { totalCount } }" % page)).errors == [PAGES[page]]


async def test_the_cursor_of_another_list_or_another_order_is_refused(database: Database) -> None:
    for name in ("Acme", "Bcme"):
        await organization(database, name=name)
    shown = await ask(database, "{ organizations(first: 1) { pageInfo { endCursor } } }")
    cursor = shown.data["organizations"]["pageInfo"]["endCursor"]
    again = "query($after: String) { organizations(first: 1, after: $after, sortBy: %s) { nodes { name } } }"
    assert (await ask(database, again % "NAME", after=cursor)).data["organizations"]["nodes"] == [{"name": "Bcme"}]
    assert (await ask(database, again % "NAME_DESC", after=cursor)).errors == ["BAD_CURSOR"]
    teams = (
        'query($after: String) { organization(by: {slug: "acme"}) { teams(first: 1, after: $after) { totalCount } } }'
    )
    assert (await ask(database, teams, after=cursor)).errors == ["BAD_CURSOR"]


@pytest.mark.parametrize("moment", [1 << 62, -(1 << 62)])
def test_the_cursor_of_an_instant_that_no_calendar_holds_is_refused(moment: int) -> None:
    first = paging(["events"], 1, None, None, None, int, int)
    assert moment_and_key(first) is None
    with pytest.raises(BadCursor):
        moment_and_key(first._replace(beyond=(moment, 7)))


async def test_too_long_a_series_is_refused(sqlite_database: Database) -> None:
    await organization(sqlite_database, name="Acme")
    for field in ("activitySeries", "activityPeak"):
        dates = '(dates: {from: "2000-01-01", through: "2017-09-01"})'
        query = '{ organization(by: {slug: "acme"}) { %s%s { __typename } } }' % (field, dates)
        assert (await ask(sqlite_database, query)).errors == ["RANGE_TOO_LONG"]


# -------------------------------------------------------------------------------------------------- ids

IDS = ["", "x", "AAAA", "T3JnYW5pemF0aW9u", encode_id("Learner", 1), encode_id("Nothing", 1), "\ud83d\ude00", "é"]


@pytest.mark.parametrize("given", IDS)
async def test_whatever_is_not_an_id_is_nothing(sqlite_database: Database, given: str) -> None:
    answer = await ask(sqlite_database, "query($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }", id=given)
    assert (answer.data, answer.errors) == ({"node": None, "nodes": [None]}, [])


async def test_a_foreign_id_is_answered_like_one_that_does_not_exist(database: Database) -> None:
    """For every kind of thing: an administrator of one organization sees nothing of another."""
    own, other = await organization(database), await organization(database, name="Other")
    team = await other.team("Sales")
    learner = await other.learner(active="2017-08-01..", team=team)
    administrator = Principal(name="Ann", role=Role.ORGANIZATION, organization_id=own.id)
    ids = [
        encode_id("Organization", other.id),
        encode_id("Team", other.id, team),
        encode_id("Learner", other.id, learner),
        encode_id("Team", own.id, team),
        encode_id("Learner", own.id, learner),
        await _a_window(database),
    ]
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert (await ask(database, query, administrator, ids=ids)).data == {"nodes": [None] * len(ids)}
    seen = (await ask(database, query, ids=ids)).data["nodes"]
    assert [bool(node) for node in seen] == [True, True, True, False, False, True]
    answer = await ask(database, '{ organization(by: {slug: "other"}) { name } }', administrator)
    missing = await ask(database, '{ organization(by: {slug: "no-such"}) { name } }', administrator)
    assert (answer.errors, answer.messages) == (missing.errors, missing.messages) == (["NOT_FOUND"], missing.messages)


async def test_organizations_asked_for_at_once_are_each_themselves(database: Database) -> None:
    ids = [encode_id("Organization", (await organization(database, name=name)).id) for name in ("Acme", "Other")]
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Organization { name } } }"
    for asked, names in ((ids, ["Acme", "Other"]), (ids[::-1], ["Other", "Acme"])):
        found = (await ask(database, query, ids=asked)).data["nodes"]
        assert [one["name"] for one in found] == names


async def _a_window(database: Database) -> str:
    query = '{ organization(by: {slug: "other"}) { learners { nodes { windows { nodes { id } } } } } }'
    learners = (await ask(database, query)).data["organization"]["learners"]["nodes"]
    return str(learners[0]["windows"]["nodes"][0]["id"])


MUTATIONS = {
    "learnerDeactivate": {"end": {"lastDay": "2017-09-30"}},
    "learnerActivate": {"start": {"on": "2017-09-30"}},
    "learnerMoveTeam": {"toTeam": {"name": "Sales"}, "start": {"on": "2017-09-30"}},
    "libraryAccessGrant": {"library": {"name": "Basics"}, "start": {"on": "2017-09-30"}},
    "libraryAccessRevoke": {"library": {"name": "Basics"}, "end": {"lastDay": "2017-09-30"}},
}


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_nobody_writes_the_history_of_another_organization(database: Database, mutation: str) -> None:
    own, other = await organization(database), await organization(database, name="Other")
    learner = await other.learner(active="2017-08-01..")
    administrator = Principal(name="Ann", role=Role.ORGANIZATION, organization_id=own.id)
    type_name = mutation[0].upper() + mutation[1:] + "Input"
    query = "mutation($input: %s!) { %s(input: $input) { changed userErrors { code } } }" % (type_name, mutation)
    key: dict[str, Any] = {"learner": {"id": encode_id("Learner", other.id, learner)}}
    answer = await ask(database, query, administrator, input=MUTATIONS[mutation] | key)
    assert answer.data[mutation] == {"changed": False, "userErrors": [{"code": "NOT_FOUND"}]}


async def test_an_individual_sees_themselves_and_nobody_else(database: Database) -> None:
    tenant = await organization(database, name="Acme")
    await tenant.learner(active="2017-08-01..")
    stranger = Principal(name="Ida", role=Role.INDIVIDUAL, person_id=7)
    answer = await ask(database, "{ organizations { totalCount nodes { name } } viewer { learners { id } } }", stranger)
    assert answer.data == {"organizations": {"totalCount": 0, "nodes": []}, "viewer": {"learners": []}}
    assert (await ask(database, '{ organization(by: {slug: "acme"}) { name } }', stranger)).errors == ["NOT_FOUND"]
