"""Operation files and the explorer's routes, without a browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from graphiql.explorer.build import FOLDER
from graphiql.explorer_pages import CONTENT_SECURITY_POLICY, explorer_routes
from graphiql.operations import Operation, OperationFileError, load_operations

ACTIVE_ON = """\
# Who was active on a date?
# Learners with an active window on that date,
# in the organization's own zone.
# variables: {"organization": "Xtra Lease",
#             "on": "2017-09-01"}

query ActiveOn($organization: String!, $on: Date!) {
  learners(organization: $organization, activeOn: $on) { totalCount }
}
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.graphql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def named(name: str) -> str:
    return f"# {name}\nquery {name} {{ viewer {{ name }} }}\n"


def test_an_operation_file_holds_a_title_a_description_variables_and_the_query(tmp_path: Path) -> None:
    (operation,) = load_operations(write(tmp_path, activity__active_on=ACTIVE_ON))
    assert operation == Operation(
        name="ActiveOn",
        title="Who was active on a date?",
        description="Learners with an active window on that date, in the organization's own zone.",
        topic="Activity",
        query="query ActiveOn($organization: String!, $on: Date!) {\n"
        "  learners(organization: $organization, activeOn: $on) { totalCount }\n}",
        variables={"organization": "Xtra Lease", "on": "2017-09-01"},
    )


def test_folders_are_topics_and_numbers_put_them_in_order(tmp_path: Path) -> None:
    files = {"2_library_access__b": named("B"), "1_activity__2_a": named("A"), "1_activity__1_z": named("Z")}
    found = load_operations(write(tmp_path, **files, loose=named("Loose")))
    assert [(operation.topic, operation.name) for operation in found] == [
        ("Activity", "Z"),
        ("Activity", "A"),
        ("Library access", "B"),
        ("General", "Loose"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("query A { a }", 1, "title"),
        ("# variables: {}\nquery A { a }", 1, "title"),
        ("# A\n# variables: {\n#   oops}\nquery A { a }", 3, "no JSON"),
        ("# A\n# variables: [1]\nquery A { a }", 2, "JSON object"),
        ('# A\n# variables: {"b": 1}\nquery A { a }', 2, "declares no variable $b"),
        ("# A\n\nquery A {\n  a(\n}", 5, "Syntax Error"),
        ("# A\n{ a }", 2, "exactly one operation, and it must have a name"),
        ("# A\nquery A { a } query B { a }", 2, "exactly one operation"),
        ("# A\n", 2, "Syntax Error"),
    ],
)
def test_a_malformed_file_is_refused_by_file_and_line(tmp_path: Path, text: str, line: int, problem: str) -> None:
    with pytest.raises(OperationFileError) as refusal:
        load_operations(write(tmp_path, wrong=text))
    assert (refusal.value.path.name, refusal.value.line) == ("wrong.graphql", line)
    assert problem in str(refusal.value)


def test_a_file_that_is_not_utf8_is_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "latin.graphql").write_bytes("# A\n# Español\nquery A { a }".encode("latin-1"))
    with pytest.raises(OperationFileError, match=r"latin\.graphql, line 2: this is not UTF-8"):
        load_operations(tmp_path)


def test_two_operations_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OperationFileError, match=r"two\.graphql.*Same is already the name of .*one\.graphql"):
        load_operations(write(tmp_path, one=named("Same"), two=named("Same")))


def test_the_package_lock_holds_no_address_of_a_registry() -> None:
    assert '"resolved"' not in (FOLDER / "package-lock.json").read_text()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """On a built explorer of four small files."""
    built = tmp_path / "dist"
    built.mkdir()
    (built / "index.html").write_text('<script type="module" src="{assets}/main.js"></script>')
    for name in ("main.js", "main.css", "codicon.ttf", "stamp"):
        (built / name).write_text(name)
    operations = load_operations(write(tmp_path / "operations", activity__active_on=ACTIVE_ON))
    app = Starlette(routes=explorer_routes(operations, built=built))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://explorer") as client:
        yield client


async def assets(client: httpx.AsyncClient) -> str:
    page = (await client.get("/explorer")).text
    return page.split('src="')[1].removesuffix('/main.js"></script>')


async def test_every_answer_carries_the_policy_and_no_page_may_frame_it(client: httpx.AsyncClient) -> None:
    for path in ("/explorer", "/explorer/operations.json", f"{await assets(client)}/main.js"):
        headers = (await client.get(path)).headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


async def test_the_operations_are_offered_as_json(client: httpx.AsyncClient) -> None:
    (offered,) = (await client.get("/explorer/operations.json")).json()
    assert offered["name"] == "ActiveOn"
    assert offered["variables"] == {"organization": "Xtra Lease", "on": "2017-09-01"}


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("main.js", "text/javascript; charset=utf-8"),
        ("main.css", "text/css; charset=utf-8"),
        ("codicon.ttf", "font/ttf"),
        ("icon.svg", "image/svg+xml"),
    ],
)
async def test_a_file_has_its_type_and_may_be_kept_for_good(
    client: httpx.AsyncClient, name: str, media_type: str
) -> None:
    answer = await client.get(f"{await assets(client)}/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("name", ["stamp", "index.html", "..%2f..%2fpyproject.toml", "%2e%2e%2fmain.js", "nothing.js"])
async def test_no_other_file_is_served(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"{await assets(client)}/{name}")).status_code == 404


async def test_a_former_builds_address_is_gone_so_that_no_browser_keeps_a_mixture(client: httpx.AsyncClient) -> None:
    assert (await client.get("/explorer/assets/0123456789abcdef/main.js")).status_code == 404
