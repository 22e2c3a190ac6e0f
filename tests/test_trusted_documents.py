"""Documents that the server was given beforehand: named by their hash, as long as they need to be, and safe to ask."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from graphiql.operations import load_operations
from models.access import Role
from resolvers.principal import Principal
from schema.errors import RequestErrorCode, RequestRefused
from schema.execution.admission import Admission
from schema.execution.documents import Asked
from schema.execution.limits import Limits
from schema.execution.trusted import TrustedDocuments
from schema.root import schema
from server.cli import app
from server.database import Database
from server.documents import TrustedDocumentError, trusted_documents
from server.settings import Settings
from tests.serving import GRAPHQL_RESPONSE, Serving, code_of, serving

SCHEMA = schema._schema
WHO = "query Who { viewer { name } }"
RENAME = 'mutation M { cartAbandon(input: {cart: "x", expectedVersion: 1}) { cart { id } } }'
PORTAL = Principal(name="Zoë", role=Role.INDIVIDUAL, person_id=1)
PARTNER = Principal(name="Xtra", role=Role.PARTNER, organization_id=1)
STAFF = Principal(name="Sam", role=Role.STAFF)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def given(path: Path) -> TrustedDocuments:
    return trusted_documents(Settings(trusted_documents=path), (), SCHEMA)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "portal").mkdir()
    (tmp_path / "who.graphql").write_text(WHO)
    (tmp_path / "portal" / "rename.graphql").write_text(RENAME)
    return tmp_path


# --- by hash, over HTTP ---


async def test_a_document_is_named_by_its_hash_in_each_of_the_ways_that_clients_have(
    sqlite_database: Database, folder: Path
) -> None:
    async with serving(sqlite_database, schema=None, trusted_documents=folder) as server:
        name = sha256(WHO)
        forms: list[dict[str, object]] = [
            {"documentId": f"sha256:{name}"},
            {"documentId": name},
            {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}},
            {"query": WHO, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}},
            {"query": None, "documentId": name, "operationName": "Who", "variables": {}},
        ]
        for body in forms:
            answer = await server.post(body)
            assert answer.json()["data"] == {"viewer": {"name": "Ada"}}


async def test_by_get_a_hash_asks_and_changes_nothing(sqlite_database: Database, folder: Path) -> None:
    async with serving(sqlite_database, schema=None, trusted_documents=folder) as server:
        own = {"authorization": f"Bearer {server.token}"}
        persisted = json.dumps({"persistedQuery": {"version": 1, "sha256Hash": sha256(WHO)}})
        for parameters in ({"documentId": f"sha256:{sha256(WHO)}"}, {"extensions": persisted}):
            answer = await server.client.get("/graphql", params=parameters, headers=own)
            assert answer.json()["data"] == {"viewer": {"name": "Ada"}}
        changing = {"documentId": sha256(RENAME)}
        assert (await server.client.get("/graphql", params=changing, headers=own)).status_code == 405


async def test_a_hash_that_nobody_gave_is_told_so_that_clients_send_the_document(server: Serving) -> None:
    unknown = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256("{ greet }")}}}
    for accept, status in ((GRAPHQL_RESPONSE, 400), ("application/json", 200)):
        answer = await server.post(unknown, accept=accept)
        assert (answer.status_code, code_of(answer)) == (status, "PERSISTED_QUERY_NOT_FOUND")
    assert (await server.post({"query": "{ greet }", **unknown})).json()["data"] == {"greet": "Ada at 12:00"}
    # Nothing that a client sends becomes trusted by being sent.
    assert code_of(await server.post(unknown)) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "body",
    [
        {"query": "{ greet }", "documentId": "sha256:" + "0" * 64},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "0" * 64}}},
        {"extensions": {"persistedQuery": {"sha256Hash": "0" * 64}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 7}}},
        {"extensions": {"persistedQuery": []}},
        {"documentId": 7},
    ],
)
async def test_a_hash_that_is_none_of_the_document_is_refused(body: dict[str, object], server: Serving) -> None:
    answer = await server.post(body)
    assert (answer.status_code, code_of(answer)) == (400, "MALFORMED_REQUEST")


# --- what trust is for ---


def refusal(trusted: TrustedDocuments, query: str, principal: Principal, limits: Limits | None = None) -> str | None:
    try:
        Admission(SCHEMA, limits or Limits(), trusted).admit(Asked(query=query, variables={}), principal)
    except RequestRefused as refused:
        return refused.code.name
    return None


def test_portals_can_be_held_to_trusted_documents_and_all_others_ask_what_they_like() -> None:
    other = "{ viewer { role } }"
    held, free = TrustedDocuments.of([WHO], only=True), TrustedDocuments.of([WHO])
    assert refusal(held, other, PORTAL) == RequestErrorCode.UNTRUSTED_DOCUMENT.name
    assert refusal(held, other + " ", Principal(name="Olga", role=Role.ORGANIZATION, organization_id=1)) is not None
    assert refusal(held, WHO, PORTAL) is None
    assert [refusal(held, other, who) for who in (PARTNER, STAFF)] == [None, None]
    assert refusal(free, other, PORTAL) is None


def test_a_trusted_document_may_be_long_and_may_introspect() -> None:
    long = "{ viewer { " + "name " * 200 + "} }" + " " * 200 + "#"
    schema_of = '{ __type(name: "Viewer") { name } }'
    trusted, limits = TrustedDocuments.of([long, schema_of]), Limits(tokens=100, characters=300)
    assert refusal(trusted, long, PORTAL, limits) is None
    assert refusal(TrustedDocuments(), long, PORTAL, limits) == "TOO_COMPLEX"
    assert refusal(trusted, schema_of, PORTAL) is None
    assert refusal(TrustedDocuments(), schema_of, PORTAL) == "INTROSPECTION_REFUSED"


def test_our_own_operations_are_trusted() -> None:
    trusted = trusted_documents(Settings(), load_operations(), SCHEMA)
    assert all(trusted.named(sha256(operation.query)) == operation.query for operation in load_operations())


# --- what the server is given ---


def test_a_manifest_is_as_good_as_a_folder_and_the_command_prints_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_TRUSTED_DOCUMENTS", str(folder))
    printed = json.loads(CliRunner().invoke(app, ["documents"]).stdout)
    own = {name: printed[name] for name in (sha256(WHO), sha256(RENAME))}
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps(own))
    assert given(manifest).texts == own == given(folder).texts


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{ viewer { nam } }", "wrong.graphql: Cannot query field 'nam' on type 'Viewer'. Did you mean 'name'?"),
        ("{ viewer {", "wrong.graphql: Syntax Error: Expected Name, found <EOF>."),
        ("{ viewer { name } }" * 2, "wrong.graphql: The document has several operations"),
        ("{" + "viewer{name}" * 41 + "}", "wrong.graphql: The request has 41 fields at the root of an operation"),
        ("{...A} fragment A on Query{...A}", "wrong.graphql: Cannot spread fragment 'A' within itself"),
    ],
)
def test_a_document_that_cannot_be_run_is_told_when_the_server_starts(
    document: str, problem: str, folder: Path
) -> None:
    (folder / "portal" / "wrong.graphql").write_text(document)
    with pytest.raises(TrustedDocumentError) as refused:
        given(folder)
    assert f"{folder}, portal/{problem}" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", "it must be a folder of .graphql files, or a JSON file"),
        ("{", "this is not JSON"),
        ('{"a": 1}', ", a: this is not the text of a document"),
        (json.dumps({"0" * 64: WHO}), f": the SHA-256 of this document is {sha256(WHO)}"),
    ],
)
def test_a_manifest_that_is_none_is_told_when_the_server_starts(content: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(TrustedDocumentError) as refused:
        given(tmp_path / "manifest.json")
    assert problem in str(refused.value)


def test_a_folder_that_is_not_there_is_told_when_the_server_starts(tmp_path: Path) -> None:
    with pytest.raises(TrustedDocumentError, match="there is nothing here"):
        given(tmp_path / "nowhere")
