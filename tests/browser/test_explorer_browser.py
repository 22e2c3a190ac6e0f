"""The explorer in a real browser, on a small schema of this file's own."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
import strawberry
from playwright.async_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp
from strawberry.asgi import GraphQL

from graphiql.explorer.build import DIST
from graphiql.explorer_pages import explorer_routes
from graphiql.operations import Operation

Served = Callable[[ASGIApp], Awaitable[str]]

GREETING = Operation(
    name="Greeting",
    title="Greet somebody",
    description="Says hello to the person named.",
    topic="Manners",
    query="query Greeting($to: String!) {\n  greeting(to: $to)\n}",
    variables={"to": "Ada"},
)
WHO_AM_I = Operation(
    name="WhoAmI",
    title="Who am I?",
    description="The person the server takes you for.",
    topic="Access",
    query="query WhoAmI {\n  viewer {\n    name\n    role\n  }\n}",
    variables={},
)
RENAME = Operation(
    name="Rename",
    title="Rename me",
    description="Gives the viewer another name.",
    topic="Access",
    query="mutation Rename($name: String!) {\n  rename(name: $name)\n}",
    variables={"name": "Amazing Grace"},
)
# GraphiQL writes its tabs down a moment after a change; wait_for_function would need the eval that the policy forbids.
TABS_WRITTEN_DOWN = """(text) => new Promise((done) => {
  const look = () => localStorage["graphiql:tabState"]?.includes(text) ? done() : requestAnimationFrame(look);
  look();
})"""


@strawberry.type
class Viewer:
    name: str
    role: str


@strawberry.type
class Query:
    @strawberry.field
    def viewer(self) -> Viewer:
        return Viewer(name="Grace Hopper", role="STAFF")

    @strawberry.field
    def greeting(self, to: str) -> str:
        return f"Hello, {to}!"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self, name: str) -> str:
        return name


def app_with(graphql: BaseRoute, built: Path = DIST) -> Starlette:
    return Starlette(routes=[graphql, *explorer_routes([GREETING, WHO_AM_I, RENAME], built=built)])


def stub_app(built: Path = DIST) -> Starlette:
    return app_with(Route("/graphql", GraphQL(strawberry.Schema(Query, Mutation), graphql_ide=None)), built)


async def refuse(request: Request) -> Response:
    return JSONResponse({"errors": [{"message": "Sign in first."}]}, status_code=401)


@pytest.fixture
async def explorer(built_explorer: None, served: Served) -> str:
    return await served(stub_app()) + "/explorer"


async def test_the_first_visit_offers_the_operations_and_opens_the_first(explorer: str, browser_page: Page) -> None:
    await browser_page.goto(explorer)
    panel = browser_page.get_by_role("region", name="Operations", exact=True)
    await expect(panel.locator("[data-operation]")).to_have_count(3)
    await expect(panel).to_contain_text("Says hello to the person named.")
    await expect(browser_page.get_by_role("banner")).to_contain_text("Grace Hopper · staff")
    await expect(browser_page.get_by_label("Operation Editor")).to_contain_text("query Greeting")
    await expect(browser_page.get_by_label("Variables")).to_contain_text('"to": "Ada"')
    await expect_search_to_narrow(browser_page)
    for plugin in ("Query builder", "Documentation Explorer", "History"):
        await browser_page.get_by_role("button", name=f"Show {plugin}").click()
        await expect(browser_page.get_by_role("button", name=f"Hide {plugin}")).to_be_visible()


async def expect_search_to_narrow(page: Page) -> None:
    await page.get_by_label("Search operations").fill("hello MANNERS")
    await expect(page.locator("[data-operation]")).to_have_count(1)
    await page.get_by_label("Search operations").fill("nonsense")
    await expect(page.get_by_text("No operation has all these words.")).to_be_visible()


async def test_a_link_opens_an_operation_with_its_variables_and_runs_nothing(explorer: str, browser_page: Page) -> None:
    asked: list[str] = []
    browser_page.on("request", lambda request: asked.append(request.post_data or ""))
    link = urlencode({"operation": "Greeting", "variables": json.dumps({"to": "Linus"})})
    await browser_page.goto(f"{explorer}?{link}")
    await expect(browser_page.get_by_label("Variables")).to_contain_text('"to": "Linus"')
    await expect(browser_page.get_by_role("button", name="Show Documentation Explorer")).to_be_visible()
    assert not any("greeting" in body for body in asked)
    await browser_page.get_by_role("button", name="Execute query").click()
    await expect(browser_page.locator(".result-window")).to_contain_text("Hello, Linus!")
    assert browser_page.url == explorer


@pytest.mark.parametrize(
    ("parameters", "notice"),
    [
        ({"operation": "<img src=x onerror=alert(1)>"}, "There is no operation named “<img src=x onerror=alert(1)>”"),
        ({"operation": "Greeting", "variables": "[1]"}, "not a JSON object"),
        ({"operation": "Greeting", "variables": "{"}, "not a JSON object"),
    ],
)
async def test_a_wrong_link_is_told_in_words(
    explorer: str, browser_page: Page, parameters: dict[str, str], notice: str
) -> None:
    await browser_page.goto(f"{explorer}?{urlencode(parameters)}")
    await expect(browser_page.locator(".cs-banner")).to_contain_text(notice)


async def test_run_in_the_panel_shows_the_result_of_that_operation(explorer: str, browser_page: Page) -> None:
    await browser_page.goto(explorer)
    await browser_page.locator("[data-operation=WhoAmI]").get_by_role("button", name="Run").click()
    await expect(browser_page.locator(".result-window")).to_contain_text("Grace Hopper")
    await expect(browser_page.get_by_role("tab", name="WhoAmI")).to_be_visible()
    await browser_page.locator("[data-operation=Greeting]").get_by_role("button", name="Run").click()
    await expect(browser_page.locator(".result-window")).to_contain_text("Hello, Ada!")
    await expect(browser_page.get_by_role("tab")).to_have_count(2)


async def test_an_operation_that_changes_data_is_never_run_by_one_click(explorer: str, browser_page: Page) -> None:
    await browser_page.goto(explorer)
    card = browser_page.locator("[data-operation=Rename]")
    await expect(card).to_contain_text("Changes data")
    await expect(card.get_by_role("button")).to_have_text(["Open"])
    await card.get_by_role("button", name="Open").click()
    await browser_page.get_by_role("button", name="Execute query").click()
    await expect(browser_page.locator(".result-window")).to_contain_text("Amazing Grace")


async def test_a_later_visit_finds_its_tabs_and_a_link_goes_to_the_tab_it_is_in(
    explorer: str, browser_page: Page
) -> None:
    await browser_page.goto(explorer)
    await browser_page.locator("[data-operation=WhoAmI]").get_by_role("button", name="Open").click()
    await browser_page.evaluate(TABS_WRITTEN_DOWN, "query WhoAmI")
    await browser_page.goto(f"{explorer}?operation=Greeting")
    await expect(browser_page.get_by_role("tab")).to_contain_text(["Greeting", "WhoAmI"])
    await expect(browser_page.get_by_role("tab", selected=True)).to_contain_text("Greeting")


async def test_a_document_with_two_operations_lets_one_be_chosen(explorer: str, browser_page: Page) -> None:
    await browser_page.goto(explorer)
    await expect(browser_page.get_by_label("Operation Editor")).to_contain_text("query Greeting")
    await browser_page.locator(".graphiql-query-editor .view-lines").click()
    await browser_page.keyboard.press("Control+A")
    await browser_page.keyboard.insert_text('query One { greeting(to: "one") } query Two { greeting(to: "two") }')
    await browser_page.get_by_role("button", name="Execute query").click()
    await browser_page.get_by_role("menuitem", name="Two").click()
    await expect(browser_page.locator(".result-window")).to_contain_text("Hello, two!")


async def test_the_editors_workers_load_and_find_a_mistake(explorer: str, browser_page: Page) -> None:
    async with browser_page.expect_worker(lambda worker: worker.url.endswith("/graphql.worker.js")):
        await browser_page.goto(explorer)
    await expect(browser_page.get_by_label("Operation Editor")).to_contain_text("query Greeting")
    await browser_page.locator(".graphiql-query-editor .view-lines").click()
    await browser_page.keyboard.press("Control+A")
    await browser_page.keyboard.insert_text("query Wrong { nothingOfTheKind }")
    await expect(browser_page.locator(".graphiql-query-editor .squiggly-error")).to_be_visible()


async def test_whoever_is_not_signed_in_is_led_to_the_door(
    built_explorer: None, served: Served, browser_page: Page, expected_console_errors: list[str]
) -> None:
    expected_console_errors.append("401 (Unauthorized)")
    base = await served(app_with(Route("/graphql", refuse, methods=["POST"])))
    await browser_page.goto(f"{base}/explorer")
    link = browser_page.get_by_role("alert").get_by_role("link", name="Sign in")
    await expect(link).to_have_attribute("href", "/sign-in?next=%2Fexplorer")


async def test_without_a_build_a_plain_page_asks_the_same(tmp_path: Path, served: Served, browser_page: Page) -> None:
    base = await served(stub_app(built=tmp_path / "not-built"))
    link = urlencode({"operation": "Greeting", "variables": json.dumps({"to": "Linus"})})
    await browser_page.goto(f"{base}/explorer?{link}")
    await expect(browser_page.get_by_role("note")).to_contain_text("build.py")
    await expect(browser_page.get_by_label("Operation").locator("option")).to_have_count(4)
    await browser_page.get_by_role("button", name="Run").click()
    await expect(browser_page.get_by_label("Result")).to_contain_text("Hello, Linus!")
