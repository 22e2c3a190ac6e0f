"""The pages of the admin: what they show is what the API answers, and nothing that is typed breaks them."""

import json
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from graphiql.admin.learners import FILTERS
from graphiql.admin.vocabulary import CHOICES, AskedOf
from graphiql.operations import load_operations
from models.access import Role
from models.learners import Person
from resolvers.principal import Principal
from server.database import Database
from tests.builders import Tenant, lost_start, organization
from tests.visitors import Sheet, administrator, read, table, visiting

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SEPTEMBER = {"from": "2017-09-01", "through": "2017-09-30"}
SPANS = {
    AskedOf.RANGE: SEPTEMBER,
    AskedOf.CUTOFF: {"cutoffOf": "2017-09-01"},
    AskedOf.INSTANT: {"at": "2017-09-15T12:00Z"},
}


async def xtra_lease(database: Database) -> Tenant:
    """Somebody for each of the five questions, a team, and somebody whose activation date was lost."""
    tenant = await organization(database, name="Xtra Lease")
    fleet = await tenant.team("Fleet")
    await tenant.learner("2017-01-01..", name="Always There", team=fleet)
    await tenant.learner("2017-09-10..", name="Came In September", team=fleet)
    await tenant.learner("2017-01-01..2017-09-20", name="Left In September")
    await tenant.learner("2016-01-01..2016-12-31, 2017-09-05..2017-09-07, 2018-01-01..", name="Was Here Thrice")
    await tenant.learner("2016-01-01..2016-12-31", name="Long Gone")
    lost = await tenant.stranger("Lost Start")
    await tenant.believed(lost, lost_start(tenant, tenant.id, "2017-09-20"))
    return tenant


async def shown(client: httpx.AsyncClient, **asked: str) -> httpx.Response:
    answer = await client.get("/admin/organizations/xtra-lease", params=asked)
    assert answer.status_code == 200, read(answer).said
    return answer


# ------------------------------------------------------------------------------------------ what is shown


async def test_each_question_lists_the_same_people_on_the_page_and_in_its_download(database: Database) -> None:
    await xtra_lease(database)
    async with visiting(database) as client:
        for choice in CHOICES:
            page = await shown(client, question=choice.key, **SPANS[choice.asked_of])
            sheet = Sheet((await client.get(read(page).links["Download CSV"])).text)
            assert table(page) == sheet.shown()
            assert sheet.about["Question"] in read(page).said


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (
            SEPTEMBER,
            ["Always There", "Came In September", "Left In September", "Lost Start", "Was Here Thrice"],
        ),
        ({"question": "ACTIVE_AT_CUTOFF", "cutoffOf": "2017-09-21"}, ["Always There", "Came In September"]),
        (
            {"question": "ACTIVATED_WITHIN", **SEPTEMBER},
            ["Came In September", "Lost Start", "Was Here Thrice"],
        ),
        (
            {"question": "DEACTIVATED_WITHIN", **SEPTEMBER},
            ["Left In September", "Lost Start", "Was Here Thrice"],
        ),
        (
            SEPTEMBER | {"search": "SEPTEMBER"},
            ["Came In September", "Left In September"],
        ),
    ],
)
async def test_the_page_lists_who_answers_the_question(
    sqlite_database: Database, asked: dict[str, str], names: list[str]
) -> None:
    await xtra_lease(sqlite_database)
    async with visiting(sqlite_database) as client:
        assert [row[0] for row in table(await shown(client, **asked))] == names


async def test_the_dates_are_those_of_the_window_that_answers(sqlite_database: Database) -> None:
    await xtra_lease(sqlite_database)
    async with visiting(sqlite_database) as client:
        page = await shown(client, **SEPTEMBER, search="thrice")
    assert table(page)[0][4:] == ["2017-09-05", "2017-09-08", "2017-09-07", "yes"]


async def test_a_count_that_lost_dates_may_change_is_shown_as_bounds(database: Database) -> None:
    await xtra_lease(database)
    async with visiting(database) as client:
        page = await shown(client, question="ACTIVE_AT_CUTOFF", cutoffOf="2017-09-01")
    assert "2–3 learners" in read(page).said
    assert "2 certainly, and 1 more possibly" in read(page).said
    assert [row[7] for row in table(page) if row[0] == "Lost Start"] == ["possible"]


async def test_a_team_has_a_count_of_its_own_and_keeps_being_chosen(database: Database) -> None:
    await xtra_lease(database)
    async with visiting(database) as client:
        fleet = await team_id(client, "Fleet")
        page = await shown(client, **SEPTEMBER, team=fleet)
    assert f'value="{fleet}" selected' in page.text
    assert "2 learners" in read(page).said
    assert "Xtra Lease, Fleet" in read(page).said
    assert [row[0] for row in table(page)] == ["Always There", "Came In September"]


async def team_id(client: httpx.AsyncClient, name: str) -> str:
    query = 'query ($name: String) { organization(by: {slug: "xtra-lease"}) { teams(search: $name) { nodes { id } } } }'
    answer = await client.post("/graphql", json={"query": query, "variables": {"name": name}})
    found: str = answer.json()["data"]["organization"]["teams"]["nodes"][0]["id"]
    return found


async def test_the_explorer_gets_the_operation_with_the_pages_own_variables(sqlite_database: Database) -> None:
    await xtra_lease(sqlite_database)
    async with visiting(sqlite_database) as client:
        page = await shown(client, **SEPTEMBER, search="there", sort="EMAIL_DESC")
        link = parse_qs(urlsplit(read(page).links["Open in the explorer"]).query)
        operation = next(one for one in load_operations() if one.name == link["operation"][0])
        variables = json.loads(link["variables"][0])
        answer = await client.post("/graphql", json={"query": operation.query, "variables": variables})
    edges = answer.json()["data"]["list"]["learners"]["edges"]
    assert [edge["node"]["name"] for edge in edges] == [row[0] for row in table(page)] == ["Always There"]


async def test_next_and_previous_walk_a_list_of_several_pages(database: Database) -> None:
    tenant = await organization(database, name="Xtra Lease")
    for number in range(52):
        await tenant.learner("2017-01-01..", name=f"Learner {number:02}")
    async with visiting(database) as client:
        first = await shown(client, **SEPTEMBER)
        second = await client.get(read(first).links["Next →"])
        back = await client.get(read(second).links["← Previous"])
        sheet = Sheet((await client.get(read(first).links["Download CSV"])).text)
    assert len(table(first)) == 50
    assert table(first) + table(second) == sheet.shown()
    assert table(back) == table(first)
    assert "Next →" not in read(second).links


async def test_a_heading_orders_the_list_and_then_turns_it_round(sqlite_database: Database) -> None:
    await xtra_lease(sqlite_database)
    async with visiting(sqlite_database) as client:
        page = await shown(client, **SEPTEMBER)
        assert 'aria-sort="ascending"' in page.text
        turned = await client.get(read(page).links["Name"])
    assert 'aria-sort="descending"' in turned.text
    assert table(turned) == table(page)[::-1]


async def test_a_first_visit_asks_about_this_month_so_far(sqlite_database: Database) -> None:
    await xtra_lease(sqlite_database)
    async with visiting(sqlite_database) as client:
        assert "from 2026-02-01 through 2026-02-10" in read(await shown(client)).said


async def test_an_answer_as_known_then_lists_who_was_known_then(database: Database) -> None:
    tenant = await xtra_lease(database)
    async with visiting(database) as client:
        asked = SEPTEMBER | {"knownAt": tenant.now.strftime("%Y-%m-%dT%H:%M")}
        await tenant.learner("2017-01-01..", name="Imported Late")
        then, now = await shown(client, **asked), await shown(client, **asked | {"knownAt": ""})
    assert "as known at 2026-01-01" in read(then).said
    assert "Imported Late" not in read(then).said
    assert "Imported Late" in read(now).said


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        ({"question": "ACTIVATED_WITHIN", "from": "2019-01-01", "through": "2019-01-31"}, "Try other dates"),
        (SEPTEMBER | {"search": "nobody"}, "Show everybody in it"),
    ],
)
async def test_an_empty_list_says_what_to_do(sqlite_database: Database, asked: dict[str, str], advice: str) -> None:
    await xtra_lease(sqlite_database)
    async with visiting(sqlite_database) as client:
        assert advice in read(await shown(client, **asked)).said


async def test_organizations_are_found_by_a_part_of_their_name(database: Database) -> None:
    await xtra_lease(database)
    await organization(database, name="Baptist Health Plan")
    async with visiting(database) as client:
        assert [row[0] for row in table(await client.get("/admin"))] == ["Baptist Health Plan", "Xtra Lease"]
        assert [row[0] for row in table(await client.get("/admin?search=LEASE"))] == ["Xtra Lease"]
        assert "Show all of them" in read(await client.get("/admin?search=nothing")).said


# ---------------------------------------------------------------------------------------- who may see what


async def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(sqlite_database: Database) -> None:
    async with visiting(sqlite_database, None) as client:
        answer = await client.get("/admin/organizations/xtra-lease?from=2017-09-01&through=2017-09-30")
    assert answer.status_code == 303
    onward = parse_qs(urlsplit(answer.headers["location"]).query)["next"]
    assert onward == ["/admin/organizations/xtra-lease?from=2017-09-01&through=2017-09-30"]


async def test_an_administrator_sees_their_own_organization_only(database: Database) -> None:
    own, _ = await xtra_lease(database), await organization(database, name="Baptist Health Plan")
    async with visiting(database, administrator(own.id)) as client:
        assert [row[0] for row in table(await client.get("/admin"))] == ["Xtra Lease"]
        assert (await client.get("/admin/organizations/xtra-lease")).status_code == 200
        foreign = await client.get("/admin/organizations/baptist-health-plan")
        unknown = await client.get("/admin/organizations/none")
    assert foreign.status_code == unknown.status_code == 404
    assert read(foreign).said == read(unknown).said
    assert "Baptist" not in foreign.text


async def test_who_may_see_no_organization_is_told_so(sqlite_database: Database) -> None:
    await xtra_lease(sqlite_database)
    async with visiting(sqlite_database, await individual(sqlite_database)) as client:
        assert "What is yours is in the explorer" in read(await client.get("/admin")).said
        assert (await client.get("/admin/organizations/xtra-lease")).status_code == 404


async def individual(database: Database) -> Principal:
    async def write(session: AsyncSession) -> None:
        session.add(Person(id=1))

    await database.run(write)
    return Principal(name="Ida", role=Role.INDIVIDUAL, person_id=1)


# ---------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"from": "2017-09-30", "through": "2017-09-01"}, "is empty: it must end after it starts"),
        ({"from": "2017-02-30", "through": "2017-09-01"}, "'2017-02-30' is not a day that exists"),
        ({"from": "", "through": "2017-09-01"}, "is not a day that exists"),
        ({"from": "0001-01-01", "through": "2017-09-01"}, "outside 1900-01-01 through 2199-12-31"),
        ({"question": "ACTIVE_AT_CUTOFF", "cutoffOf": "9999-12-31"}, "outside 1900-01-01 through 2199-12-31"),
        ({"question": "ACTIVE_AT", "at": "soon"}, "'soon' is not an instant"),
        ({"question": "EVER"}, "There is no question named EVER"),
        ({"knownAt": "2199-01-01T00:00"}, "lies in the future"),
        ({"team": "junk"}, "not the id of a Team"),
        ({"sort": "SHOE_SIZE"}, "SHOE_SIZE"),
        ({"after": "junk"}, "not one of this list"),
    ],
)
async def test_what_cannot_be_asked_is_refused_in_words_beside_what_was_typed(
    sqlite_database: Database, asked: dict[str, str], message: str
) -> None:
    await xtra_lease(sqlite_database)
    async with visiting(sqlite_database) as client:
        answer = await client.get("/admin/organizations/xtra-lease", params=asked)
    assert answer.status_code == 400
    assert message in read(answer).said
    assert "Variable" not in read(answer).said
    assert '<option value="' in answer.text
    typed = [value for name, value in asked.items() if value and name not in ("after", "sort", "question", "knownAt")]
    assert all(f'value="{value}"' in answer.text for value in typed)


async def test_a_cursor_of_another_list_is_refused(sqlite_database: Database) -> None:
    tenant = await organization(sqlite_database, name="Xtra Lease")
    for number in range(51):
        await tenant.learner("2017-01-01..", name=f"Learner {number:02}")
    async with visiting(sqlite_database) as client:
        page = await shown(client, **SEPTEMBER)
        other = read(page).links["Next →"].replace("2017-09-30", "2017-09-29")
        answer = await client.get(other)
    assert answer.status_code == 400
    assert "not one of this list" in read(answer).said


async def test_a_team_of_somebody_else_is_not_found(database: Database) -> None:
    own, other = await xtra_lease(database), await organization(database, name="Baptist Health Plan")
    await other.team("Nursing")
    async with visiting(database) as client:
        query = '{ organization(by: {slug: "baptist-health-plan"}) { teams { nodes { id } } } }'
        found = (await client.post("/graphql", json={"query": query})).json()
    foreign = found["data"]["organization"]["teams"]["nodes"][0]["id"]
    async with visiting(database, administrator(own.id)) as client:
        answer = await client.get("/admin/organizations/xtra-lease", params={"team": foreign})
    assert answer.status_code == 404
    assert "There is no team of that id that you may see." in read(answer).said
    assert "Nursing" not in answer.text


JUNK = ("\0\x1b[31m", "x" * 5_000, "\u202e%'\"<>&{null}..\n")


async def test_nothing_typed_into_an_address_breaks_a_page(database: Database) -> None:
    await xtra_lease(database)
    fields = [*FILTERS, "question", *(name for one in AskedOf for name in one.fields), "after", "before"]
    async with visiting(database) as client:
        assert (await client.get("/admin?search=%ff%fe%00&after=%ed%a0%80")).status_code == 400
        for junk in JUNK:
            addresses = [f"/admin/organizations/xtra-lease?{name}={quote(junk)}" for name in fields]
            addresses += [f"/admin/organizations/{quote(junk, safe='')}", f"/admin?search={quote(junk)}"]
            for address in addresses:
                assert (await client.get(address)).status_code in (200, 400, 404), address


# ------------------------------------------------------------------------------------------------- safety


HOSTILE = """<script>alert("1")</script><b onmouseover='x'>&amp;"""


async def test_a_hostile_name_is_shown_as_it_is_and_does_nothing(sqlite_database: Database) -> None:
    tenant = await organization(sqlite_database, name="Xtra Lease")
    await tenant.team(HOSTILE)
    await tenant.learner("2017-01-01..", name=HOSTILE)
    async with visiting(sqlite_database) as client:
        page = await shown(client, **SEPTEMBER, search=HOSTILE[:20])
    assert table(page)[0][0] == HOSTILE
    assert "script" not in read(page).tags
    assert "onmouseover" not in read(page).attributes


async def test_a_page_needs_no_script_and_no_inline_style_and_allows_none(sqlite_database: Database) -> None:
    await xtra_lease(sqlite_database)
    async with visiting(sqlite_database) as client:
        for page in (await client.get("/admin"), await shown(client), await client.get("/admin/organizations/none")):
            assert page.headers["content-security-policy"] == POLICY
            assert page.headers["cache-control"] == "no-store"
            assert not {"script", "style", "iframe"} & set(read(page).tags)
            assert "style" not in read(page).attributes


async def test_every_field_and_table_says_what_it_is(sqlite_database: Database) -> None:
    await xtra_lease(sqlite_database)
    async with visiting(sqlite_database) as client:
        page = await shown(client, **SEPTEMBER)
    assert page.text.count("<label") == page.text.count('<select id="') + page.text.count("<input id=")
    assert page.text.count("<caption") == page.text.count("<table")
    assert page.text.count('scope="col"') == 8
    assert 'aria-current="page"' in page.text
    assert '<a class="skip" href="#main">' in page.text
