"""The pages in a real browser, on the real application: signed in, used from the keyboard, and downloaded from."""

import random
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from starlette.applications import Starlette

from resolvers.tokens import issue_token
from server.app import create_app
from server.database import Database
from server.demo.recording import record_client
from server.demo.stories import SEED, xtra_lease
from server.settings import Settings
from tests.browser.conftest import Served
from tests.builders import organization
from tests.visitors import SUPPORT, TODAY, Sheet


def application(database: Database) -> Starlette:
    settings = Settings.model_validate({"database_url": database.url.render_as_string(hide_password=False)})
    return create_app(settings, clock=lambda: TODAY)


async def sign_in(page: Page, address: str, database: Database) -> None:
    """Opens a page, by way of the sign-in page."""
    token = await database.run(lambda session: issue_token(session, TODAY, SUPPORT))
    await page.goto(address)
    await page.get_by_label("Token").fill(token.secret)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Xtra Lease", level=1)).to_be_visible()


@pytest.fixture
async def signed_in(browser_page: Page, served: Served, sqlite_database: Database) -> Page:
    """The page of a small organization."""
    tenant = await organization(sqlite_database, name="Xtra Lease")
    await tenant.learner("2017-01-01..", name="Ann")
    base = await served(application(sqlite_database))
    await sign_in(browser_page, f"{base}/admin/organizations/xtra-lease", sqlite_database)
    return browser_page


async def cells(page: Page) -> list[list[str]]:
    """The rows of the table; a missing date is an empty text."""
    rows: list[list[str]] = await page.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim().replace('–', '')))"
    )
    return rows


async def test_xtra_leases_403_are_asked_for_from_the_keyboard_shown_and_downloaded(
    browser_page: Page, served: Served, sqlite_database: Database, tmp_path: Path
) -> None:
    page, client = browser_page, xtra_lease(random.Random(SEED))
    await sqlite_database.run(lambda session: record_client(session, client))
    base = await served(application(sqlite_database))
    await sign_in(page, f"{base}/admin/organizations/xtra-lease", sqlite_database)
    await page.get_by_label("Question").focus()
    await page.keyboard.type("Active at the billing")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Day", exact=True)).to_be_focused()
    await page.keyboard.type("09012017")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=2)).to_have_text("403 learners")
    await expect(page.locator(".question")).to_contain_text("Active at the billing cutoff of 2017-09-01")
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download CSV").press("Enter")
    download = await downloading.value
    assert download.suggested_filename == "xtra-lease-active-at-cutoff-2017-09-01.csv"
    await download.save_as(tmp_path / "learners.csv")
    sheet = Sheet((tmp_path / "learners.csv").read_text(encoding="utf-8"))
    assert (sheet.about["Answer"], len(sheet.rows)) == ("403 learners", 403)
    assert await cells(page) == sheet.shown()[:50]


async def test_the_form_offers_only_what_its_question_is_asked_of(signed_in: Page) -> None:
    page = signed_in
    await expect(page.get_by_label("From")).to_be_visible()
    await expect(page.get_by_label("Day", exact=True)).to_be_hidden()
    await page.get_by_label("Question").select_option("Active at the billing cutoff of")
    await expect(page.get_by_label("From")).to_be_hidden()
    await expect(page.get_by_label("Day", exact=True)).to_be_visible()


async def test_the_first_tab_skips_to_the_content_and_focus_is_seen(signed_in: Page) -> None:
    page = signed_in
    await page.reload()
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    await expect(skip).to_be_focused()
    assert await skip.evaluate("link => getComputedStyle(link).outlineStyle") == "solid"
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()


async def test_the_pages_own_operation_opens_in_the_explorer(signed_in: Page, built_explorer: None) -> None:
    page = signed_in
    await page.get_by_label("From").fill("2017-09-01")
    await page.get_by_label("Through").fill("2017-09-30")
    await page.get_by_role("button", name="Show").click()
    await page.get_by_role("link", name="Open in the explorer").click()
    await expect(page.locator(".graphiql-query-editor")).to_contain_text("query LearnersPage")
    await expect(page.locator(".graphiql-editor-tool")).to_contain_text("2017-09-30")
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.locator(".result-window")).to_contain_text('"name": "Xtra Lease"')


async def test_no_page_is_wider_than_the_screen(signed_in: Page) -> None:
    for width in (400, 1440):
        await signed_in.set_viewport_size({"width": width, "height": 900})
        # What was laid out before takes the new width a moment later.
        await signed_in.reload()
        assert await signed_in.evaluate("document.documentElement.scrollWidth") == width


async def test_signing_out_ends_it(signed_in: Page) -> None:
    address = signed_in.url
    await signed_in.get_by_role("button", name="Sign out").click()
    await signed_in.goto(address)
    await expect(signed_in.get_by_label("Token")).to_be_visible()


async def test_a_refusal_is_said_beside_the_form(signed_in: Page, expected_console_errors: list[str]) -> None:
    expected_console_errors.append("status of 400")
    await signed_in.get_by_label("From").fill("2017-09-30")
    await signed_in.get_by_label("Through").fill("2017-09-01")
    await signed_in.get_by_role("button", name="Show").click()
    await expect(signed_in.get_by_role("alert")).to_contain_text("it must end after it starts")
    await expect(signed_in.get_by_label("From")).to_have_value("2017-09-30")
