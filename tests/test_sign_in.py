"""Who is let in, and signing in with a browser."""

import asyncio
import datetime as dt

import pytest
from sqlalchemy import text

from models.access import Role
from models.organizations import Organization
from resolvers.principal import Principal
from resolvers.tokens import issue_token, revoke
from server.auth import local_path
from server.database import Database
from tests.serving import NOON, Serving, Unread, code_of, serving

# --- who is let in ---


async def test_a_known_caller_is_answered(server_on_both: Serving) -> None:
    answer = await server_on_both.ask("{ greet }")
    assert answer.status_code == 200
    assert answer.json()["data"] == {"greet": "Ada at 12:00"}


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer cs_wrong", "Basic QWRhOg==", "Bearer cs_\u00fc", "Token {token}"]
)
async def test_nobody_is_answered_without_a_token_that_works_and_is_told_how_to_get_one(
    header: str, server: Serving
) -> None:
    header = header.format(token=server.token)
    answer = await server.client.post(
        "/graphql", json={"query": "{ __typename }"}, headers=[(b"authorization", header.encode("latin-1"))]
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert code_of(answer) == "UNAUTHENTICATED"
    assert "python3 -m server token issue" in answer.json()["errors"][0]["message"]


async def test_a_token_stops_working_when_it_expires_and_when_it_is_revoked(server_on_both: Serving) -> None:
    server_on_both.clock.now = NOON + dt.timedelta(days=90)
    assert (await server_on_both.ask("{ greet }")).status_code == 401
    server_on_both.clock.now = NOON
    assert (await server_on_both.ask("{ greet }")).status_code == 200
    await server_on_both.database.run(lambda session: revoke(session, NOON, "Ada"))
    assert (await server_on_both.ask("{ greet }")).status_code == 401


async def test_a_wrong_token_is_not_made_good_by_a_cookie(server: Serving) -> None:
    await server.sign_in()
    assert (await server.post({"query": "{ greet }"}, authorization="Bearer cs_wrong")).status_code == 401


async def test_a_stranger_s_body_is_not_read(server: Serving) -> None:
    unread = Unread()
    answer = await server.client.post("/graphql", content=unread.chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 401
    assert not unread.was_read


@pytest.mark.parametrize(("role", "may"), [(Role.STAFF, True), (Role.PARTNER, True), (Role.INDIVIDUAL, False)])
async def test_introspection_is_for_those_who_build_on_the_schema(role: Role, may: bool, server: Serving) -> None:
    async with server.database.writing() as session:
        session.add(Organization(id=1, slug="x", name="X", name_key="x"))
        await session.execute(text("INSERT INTO person VALUES (1)"))
    organization_id, person_id = (1 if role is one else None for one in (Role.PARTNER, Role.INDIVIDUAL))
    principal = Principal(name="Eve", role=role, organization_id=organization_id, person_id=person_id)
    made = await server.database.run(lambda session: issue_token(session, NOON, principal))
    server.token = made.secret
    hidden = "query { ...A } fragment A on Query { __schema { types { name } } }"
    for query in ("{ __schema { types { name } } }", '{ t: __type(name: "Query") { name } }', hidden):
        answer = await server.ask(query)
        assert ("data" in answer.json()) is may
    assert "data" in (await server.ask("{ __typename }")).json()
    assert ("Did you mean" in (await server.ask("{ gret }")).text) is may


# --- browsers: the cookie, and other sites ---


async def test_a_signed_in_browser_asks_with_its_cookie(server_on_both: Serving) -> None:
    await server_on_both.sign_in()
    assert (await server_on_both.post({"query": "{ greet }"}, authorization="")).json()["data"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_form_of_another_site_asks_nothing_with_the_cookie(kind: str, server: Serving) -> None:
    await server.sign_in()
    answer = await server.post({"query": "mutation { pour }"}, authorization="", content_type=kind)
    assert answer.status_code == 403
    assert code_of(answer) == "PREFLIGHT_REQUIRED"


async def test_the_preflight_header_stands_in_for_the_content_type_which_is_then_asked_for(server: Serving) -> None:
    await server.sign_in()
    answer = await server.post(
        {"query": "{ greet }"}, authorization="", content_type="text/plain", x_countersign_preflight="1"
    )
    assert answer.status_code == 415


async def test_a_cookie_is_not_enough_for_get(server: Serving) -> None:
    await server.sign_in()
    assert (await server.client.get("/graphql?query={greet}")).status_code == 403


async def test_the_cookie_is_kept_from_scripts_and_other_sites(server: Serving) -> None:
    answer = await server.client.post("/sign-in", data={"token": server.token})
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith("countersign=cs_")
    assert sorted(attributes) == ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=lax"]


async def test_over_https_the_cookie_is_bound_to_the_host(sqlite_database: Database) -> None:
    async with serving(sqlite_database, secure_cookies=True) as server:
        answer = await server.client.post("/sign-in", data={"token": server.token})
        name, *attributes = answer.headers["set-cookie"].split("; ")
        assert name.startswith("__Host-countersign=cs_")
        assert {"Secure", "Path=/"} <= set(attributes)
        assert not any(attribute.startswith("Domain") for attribute in attributes)
        assert (await server.post({"query": "{ greet }"}, authorization="")).status_code == 200


async def test_a_session_ends_after_twelve_hours_at_sign_out_and_with_its_token(server: Serving) -> None:
    async def new_session() -> str:
        server.client.cookies.clear()
        await server.sign_in()
        return f"countersign={server.client.cookies['countersign']}"

    async def works(session: str) -> bool:
        server.client.cookies.clear()
        return (await server.post({"query": "{ greet }"}, authorization="", cookie=session)).status_code == 200

    first = await new_session()
    assert await works(first)
    server.clock.now = NOON + dt.timedelta(hours=12)
    assert not await works(first)
    server.clock.now = NOON
    assert await works(first)
    await server.client.post("/sign-out", headers={"cookie": first})
    assert not await works(first)
    second = await new_session()
    await server.database.run(lambda step: revoke(step, NOON, "Ada"))
    assert not await works(second)


async def test_signing_out_takes_the_cookie_away(server: Serving) -> None:
    await server.sign_in()
    answer = await server.client.post("/sign-out")
    assert answer.headers["location"] == "/sign-in"
    assert not server.client.cookies


# --- signing in ---


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("/admin", "/admin"),
        ("/explorer?operation=ActiveOn", "/explorer?operation=ActiveOn"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        (" //evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("admin", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
    ],
)
async def test_after_signing_in_one_stays_here(wanted: str, given: str, server: Serving) -> None:
    assert local_path(wanted) == given
    answer = await server.client.post("/sign-in", data={"token": server.token, "next": wanted})
    assert answer.headers["location"] == given


async def test_the_sign_in_page_passes_on_where_one_was_going_and_nothing_else(server: Serving) -> None:
    page = (await server.client.get("/sign-in", params={"next": '/admin?"><script>'})).text
    assert 'value="/admin?&#34;&gt;&lt;script&gt;"' in page
    page = (await server.client.get("/sign-in", params={"next": "//evil.example"})).text
    assert "evil" not in page


async def test_a_dead_token_is_refused_on_the_page_in_words(server: Serving) -> None:
    answer = await server.client.post("/sign-in", data={"token": "cs_wrong"})
    assert answer.status_code == 403
    assert "This token does not work" in answer.text
    assert "set-cookie" not in answer.headers


async def test_opening_a_link_does_not_use_it_up_and_pressing_its_button_does(server_on_both: Serving) -> None:
    address = f"/sign-in/{await server_on_both.link()}"
    for _ in range(3):
        assert "<button>Sign in</button>" in (await server_on_both.client.get(address)).text
        assert (await server_on_both.client.head(address)).status_code == 200
    assert (await server_on_both.client.post(address)).status_code == 303
    assert "signed in as <strong>Ada</strong>" in (await server_on_both.client.get("/sign-in")).text
    again = await server_on_both.client.post(address)
    assert again.status_code == 403
    assert "has been used or withdrawn" in again.text


async def test_a_link_pressed_twenty_times_at_once_signs_in_once(server_on_both: Serving) -> None:
    address = f"/sign-in/{await server_on_both.link()}"
    answers = await asyncio.gather(*(server_on_both.client.post(address) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [303] + [403] * 19


async def test_an_old_link_says_so(server: Serving) -> None:
    address = f"/sign-in/{await server.link()}"
    server.clock.now = NOON + dt.timedelta(minutes=15)
    assert "too old" in (await server.client.get(address)).text
    assert "too old" in (await server.client.post(address)).text


async def test_a_page_asks_to_sign_in_first_and_is_then_shown(sqlite_database: Database) -> None:
    async with serving(sqlite_database, schema=None) as server:
        assert (await server.client.get("/")).headers["location"] == "/admin"
        asked = await server.client.get("/admin?search=x&sort=NAME")
        assert asked.status_code == 303
        assert asked.headers["location"] == "/sign-in?next=/admin%3Fsearch%3Dx%26sort%3DNAME"
        form = await server.client.get(asked.headers["location"])
        assert 'name="next" value="/admin?search=x&amp;sort=NAME"' in form.text
        await server.sign_in()
        assert (await server.client.get("/admin")).status_code == 200


@pytest.mark.parametrize("path", ["/admin", "/exports/learners.csv"])
async def test_pages_and_files_are_for_known_callers(path: str, server: Serving) -> None:
    assert (await server.client.get(path)).headers["location"] == f"/sign-in?next={path}"
    by_token = await server.client.get(path, headers={"authorization": f"Bearer {server.token}"})
    assert "location" not in by_token.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": "http://countersign.test"}, 303),
        ({}, 303),
    ],
)
async def test_another_site_cannot_sign_a_browser_in(headers: dict[str, str], status: int, server: Serving) -> None:
    answer = await server.client.post("/sign-in", data={"token": server.token}, headers=headers)
    assert answer.status_code == status


async def test_a_huge_form_is_not_read(server: Serving) -> None:
    assert (await server.client.post("/sign-in", data={"token": "x" * 20_000})).status_code == 413


async def test_pages_run_no_script_and_are_not_kept(server: Serving) -> None:
    headers = (await server.client.get("/sign-in")).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
    assert "script-src" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert (await server.client.get("/assets/countersign.css")).headers["content-type"].startswith("text/css")
