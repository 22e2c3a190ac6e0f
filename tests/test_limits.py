"""What a document comes to is known before it is validated, in as many steps as it has selections."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLSyntaxError,
    Visitor,
    get_introspection_query,
    parse,
    visit,
)

from graphiql.operations import load_operations
from models.access import Role
from resolvers.principal import Principal
from schema.errors import RequestErrorCode, RequestRefused
from schema.execution.admission import Admission, Admitted, prices_in
from schema.execution.costs import BY_IDS, DEAR, UNKNOWN
from schema.execution.counting import actual_cost
from schema.execution.documents import Asked
from schema.execution.limits import ROWS, Limits
from schema.execution.survey import FragmentCircle, Survey
from schema.execution.throttle import Throttle, Throttled
from schema.root import schema
from server.database import Database
from server.documents import limits_of
from server.settings import Settings
from tests.attacks import ATTACKS, Attack, bomb
from tests.serving import GRAPHQL_RESPONSE, Serving, code_of, serving

SCHEMA = schema._schema
STAFF = Principal(name="Support", role=Role.STAFF)
LIMITS = Limits()
OPERATIONS = load_operations()


def admitted(query: str, limits: Limits = LIMITS, operation: str | None = None, **variables: Any) -> Admitted:
    asked = Asked(query=query, variables=variables, operation_name=operation)
    return Admission(SCHEMA, limits).admit(asked, STAFF)


def cost_of(query: str, **variables: Any) -> int:
    return admitted(query, **variables).cost


def refusal_of(query: str, limits: Limits = LIMITS, **variables: Any) -> str:
    with pytest.raises(RequestRefused) as refused:
        admitted(query, limits, **variables)
    return refused.value.message


def survey_of(query: str) -> Survey:
    return Survey(parse(query), prices_in(SCHEMA))


def selections_in(query: str) -> int:
    class Counting(Visitor):
        found = 0

        def enter_field(self, *_: object) -> None:
            self.found += 1

        enter_fragment_spread = enter_inline_fragment = enter_field

    counting = Counting()
    visit(parse(query), counting)
    return counting.found


# --- attacks ---


def code_of_attack(attack: Attack) -> str:
    asked = Asked(query=attack.query, variables=attack.variables, operation_name=attack.operation)  # type: ignore[arg-type]
    try:
        operation = Admission(SCHEMA, replace(LIMITS, tokens=attack.tokens)).admit(asked, STAFF).operation
    except GraphQLSyntaxError:
        return RequestErrorCode.GRAPHQL_PARSE_FAILED.name
    except RequestRefused as refused:
        return refused.code.name
    mistakes: list[GraphQLError] = operation.document.mistakes(SCHEMA)
    return RequestErrorCode.GRAPHQL_VALIDATION_FAILED.name if mistakes else "answered"


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_what_costs_more_than_it_looks_is_refused(attack: Attack) -> None:
    assert code_of_attack(attack) == attack.code


SHORT = [attack for attack in ATTACKS if len(attack.query) < 8_000]


@pytest.mark.parametrize("attack", SHORT, ids=[attack.name for attack in SHORT])
def test_each_selection_is_looked_at_once(attack: Attack) -> None:
    try:
        survey = survey_of(attack.query)
    except (GraphQLSyntaxError, FragmentCircle):
        return
    assert survey.steps == selections_in(attack.query)


def test_ten_times_the_bomb_takes_ten_times_the_steps() -> None:
    assert [survey_of(bomb(levels)).steps for levels in (20, 200)] == [43, 403]


async def test_a_refusal_has_the_status_that_the_client_asked_for_and_is_a_line_in_the_log(
    sqlite_database: Database,
) -> None:
    async with serving(sqlite_database, schema=None) as server:
        for accept, status in ((GRAPHQL_RESPONSE, 400), ("application/json", 200)):
            answer = await server.post({"query": bomb(18)}, accept=accept)
            assert (answer.status_code, code_of(answer)) == (status, "TOO_COMPLEX")
            assert answer.json().keys() == {"errors"}
            (line,) = [line for line in server.logged() if line["request_id"] == answer.headers["x-request-id"]][:1]
            assert (line["event"], line["code"]) == ("graphql.refused", "TOO_COMPLEX")


# --- limits ---


def test_a_refusal_says_what_was_asked_what_is_allowed_and_what_to_do() -> None:
    many = "{" + "viewer{name}" * 41 + "}"
    assert refusal_of(many) == (
        "The request has 41 fields at the root of an operation; 40 are allowed. Ask for less at once."
    )


@pytest.mark.parametrize(
    ("limit", "query"),
    [
        ("depth", "{viewer{organization{id}}}"),
        ("fields", "{viewer{name role}}"),
        ("fields", "{...A}fragment A on Query{viewer{...B}}fragment B on Viewer{name role}"),
        ("aliases", "{a:viewer{b:name c:role}}"),
        ("aliases", "{a:viewer{...B b:role}}fragment B on Viewer{c:name}"),
        ("root_fields", "{a:viewer{name}...B}fragment B on Query{b:viewer{name}c:viewer{name}}"),
        ("directives", "query @a{viewer @b{name ... @c{role}}}"),
        ("definitions", "{...A}fragment A on Query{...B}fragment B on Query{viewer{name}}"),
        ("list_items", '{nodes(ids:["a" "b" "c"]){id}}'),
        ("value_depth", "{nodes(ids:[[[1]]]){id}}"),
        ("characters", "{v}"),
    ],
)
def test_a_limit_is_met_exactly_and_not_passed(limit: str, query: str) -> None:
    """Each of these documents holds three of something."""
    admitted(query, replace(LIMITS, **{limit: 3}))
    assert "2 are allowed" in refusal_of(query, replace(LIMITS, **{limit: 2}))


def test_every_limit_is_a_setting() -> None:
    changed = {
        name: getattr(Settings(), name) + 1
        for name in Settings.model_fields
        if name.startswith("max_") and name != "max_body_bytes"
    }
    usual, other = limits_of(Settings()), limits_of(Settings.model_validate(changed))
    assert usual == LIMITS
    assert all(getattr(other, each.name) == getattr(usual, each.name) + 1 for each in fields(Limits))


def test_lists_in_variables_are_as_long_as_those_in_documents_at_most() -> None:
    query = "query($ids:[ID!]!){nodes(ids:$ids){id}}"
    assert admitted(query, ids=["x"] * 250).cost == 100
    assert refusal_of(query, ids=["x"] * 251).startswith("The request has 251 items in one list of a variable; 250")


def test_the_rows_of_a_roster_are_left_to_their_mutation_which_says_what_to_do_with_more() -> None:
    query = "mutation($input:RosterImportInput!){rosterImport(input:$input){rowsLanded}}"
    admitted(query, input={"rows": [{"number": 1}] * 1_000})
    refused = "The request has 1,001 items in one list of a variable; 250 are allowed. Send them in several lots."
    assert refusal_of(query, input={"rows": [{"number": 1}] * 1_001}) == refused
    assert "251 items" in refusal_of(query, input={"rows": [["x"] * 251]})
    assert "251 items" in refusal_of("query($rows:[ID!]!){nodes(ids:$rows){id}}", rows=["x"] * 251)


def test_no_other_input_has_rows() -> None:
    inputs = [each for each in SCHEMA.type_map.values() if isinstance(each, GraphQLInputObjectType)]
    assert [each.name for each in inputs if ROWS in each.fields] == ["RosterImportInput"]


def test_an_operation_moves_money_once() -> None:
    pay = 'paymentRecord(input: {payment: "x", idempotencyKey: "k"}) { userErrors { code } }'
    note = 'disputeMessage(input: {dispute: "x"}) { userErrors { code } }'
    admitted(f"mutation {{ a: {note} b: {pay} c: {note} }}")
    assert "moves money once" in refusal_of(f"mutation {{ a: {pay} b: {pay} }}")
    assert "moves money once" in refusal_of(f"mutation {{ {pay} ...M }} fragment M on Mutation {{ b: {pay} }}")


def test_our_own_operations_and_the_explorer_keep_to_the_limits() -> None:
    for operation in OPERATIONS:
        query = Asked(query=operation.query, variables=operation.variables)
        Admission(SCHEMA, LIMITS).admit(query, STAFF)
        largest = survey_of(operation.query).operations[operation.name]
        assert largest.cost <= LIMITS.cost
    everything = get_introspection_query(specified_by_url=True, directive_is_repeatable=True, schema_description=True)
    assert admitted(everything).operation.document.mistakes(SCHEMA) == []


# --- costs ---


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{__typename}", 1),
        ("{viewer{name}}", 1),
        ("{viewer{organization{name}}}", 2),
        # A connection, and its rows.
        ("{organizations(first:20){nodes{name}}}", 1 + 20),
        ("{organizations(first:20){edges{cursor node{name}} pageInfo{hasNextPage} totalCount}}", 1 + 20),
        ("{organizations(first:20){nodes{learners(last:5){nodes{name}}}}}", 1 + 20 * (1 + 1 + 5)),
        ("{organizations(first:20){...P}}fragment P on OrganizationConnection{nodes{name}}", 1 + 20),
        ("{organizations{nodes{name}}}", 1 + 50),
        ("{organizations(first:0){nodes{name}}}", 1),
        ("{organizations(first:100000){nodes{name}}}", 1 + 100),
        ("{gateways{name}}", 10),
        ('{nodes(ids:["a","b"]){id}}', 2),
        ("{invariants{__typename}}", 5_000 + 10),
        ("mutation{cartAbandon(input:{}){cart{id} userErrors{code}}}", 10 + 1),
        ("{a:viewer{name} b:viewer{name}}", 2),
        ("{...V ...V}fragment V on Query{viewer{name}}", 2),
        ("{nothing{of{this}} is(first:5)}", 1 + 1 + 1 + 1),
    ],
)
def test_what_an_operation_costs(query: str, cost: int) -> None:
    assert cost_of(query) == cost


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ({"n": 7}, 7),
        ({}, 50),
        ({"n": None}, 50),
        ({"n": 1_000}, 100),
        ({"n": -1}, 0),
        ({"n": "7"}, 100),
        ({"n": True}, 100),
    ],
)
def test_a_page_by_a_variable_costs_what_the_variable_asks_for(given: dict[str, Any], rows: int) -> None:
    assert cost_of("query($n:Int){organizations(first:$n){nodes{name}}}", **given) == 1 + rows


def test_a_variable_without_a_value_has_its_default() -> None:
    query = "query($n:Int=3){organizations(first:$n){nodes{name}}}"
    assert [cost_of(query), cost_of(query, n=4)] == [4, 5]


def test_each_operation_of_a_document_has_a_cost_of_its_own() -> None:
    two = "query A($n:Int=2){...P}query B($n:Int=3){...P}fragment P on Query{organizations(first:$n){nodes{name}}}"
    assert [admitted(two, operation=name).cost for name in "AB"] == [3, 4]


def test_every_price_is_of_a_field_that_there_is() -> None:
    for parent, name in [*DEAR, *BY_IDS]:
        assert prices_in(SCHEMA).of(SCHEMA.get_type(parent), name) is not UNKNOWN


def test_what_came_is_counted_by_the_same_prices() -> None:
    operation = admitted(
        "{o:organizations(first:20){...P totalCount}}fragment P on OrganizationConnection{nodes{name}}"
    )
    answer = {"o": {"nodes": [{"name": "Xtra"}, {"name": "Lease"}], "totalCount": 2}}
    assert actual_cost(operation.operation, prices_in(SCHEMA), answer) == 3
    assert actual_cost(operation.operation, prices_in(SCHEMA), None) == 0


# --- the throttle ---


class Hands:
    """A clock whose hands the test moves."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_bucket_empties_and_fills_again() -> None:
    hands = Hands()
    throttle = Throttle(100, 10, hands)
    throttle.take(STAFF, 90)
    with pytest.raises(Throttled) as refused:
        throttle.take(STAFF, 45)
    assert refused.value.wait_seconds == 4
    hands.seconds = 4
    assert throttle.take(STAFF, 45)["throttleStatus"]["currentlyAvailable"] == 5
    hands.seconds = 1_000
    assert throttle.take(STAFF, 1)["throttleStatus"]["currentlyAvailable"] == 99


def test_a_bucket_is_of_one_principal_from_wherever_they_ask() -> None:
    throttle = Throttle(100, 1, Hands())
    throttle.take(STAFF, 100)
    throttle.take(Principal(name="Support", role=Role.PARTNER, organization_id=1), 100)
    with pytest.raises(Throttled):
        throttle.take(replace(STAFF, origin="192.0.2.7"), 1)


def test_what_did_not_come_is_given_back() -> None:
    throttle = Throttle(100, 1, Hands())
    cost = throttle.take(STAFF, 80)
    assert throttle.give_back(STAFF, cost, 5)["throttleStatus"]["currentlyAvailable"] == 95


async def told(server: Serving, query: str, **headers: str) -> dict[str, object]:
    cost = (await server.post({"query": query}, **headers)).json()["extensions"]["cost"]
    return {name: cost[name] for name in ("requestedQueryCost", "actualQueryCost")}


async def test_an_answer_says_what_it_cost(sqlite_database: Database) -> None:
    async with serving(sqlite_database, schema=None) as server:
        query = "{viewer{name} organizations(first:9){nodes{name}}}"
        assert await told(server, query) == {"requestedQueryCost": 11, "actualQueryCost": None}
        assert await told(server, query, x_countersign_cost="actual") == {
            "requestedQueryCost": 11,
            "actualQueryCost": 2,
        }


async def test_who_asks_for_too_much_in_a_while_is_told_when_to_ask_again(sqlite_database: Database) -> None:
    chosen = {"max_query_cost": 1_000, "cost_available": 1_000, "cost_restored_per_second": 1}
    async with serving(sqlite_database, schema=None, **chosen) as server:
        query = {"query": "{organizations(first:99){nodes{learners(first:5){nodes{name}}}}}"}
        assert (await server.post(query)).status_code == 200
        for accept, status in ((GRAPHQL_RESPONSE, 429), ("application/json", 200)):
            refused = await server.post(query, accept=accept)
            assert (refused.status_code, code_of(refused)) == (status, "THROTTLED")
            assert int(refused.headers["retry-after"]) > 300
            assert "data" not in refused.json()
            assert json.loads(refused.text)["extensions"]["cost"]["throttleStatus"]["maximumAvailable"] == 1_000
