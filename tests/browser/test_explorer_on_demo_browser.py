"""The explorer on the real application and the demo's data: every operation offered, and Xtra Lease's 403."""

import datetime as dt
import json
from urllib.parse import urlencode

import pytest
from playwright.async_api import Page, expect

from graphiql.operations import load_operations
from resolvers.tokens import issue_token
from server.app import create_app
from server.database import Database
from server.settings import Settings
from tests.asking import STAFF
from tests.browser.conftest import Served


@pytest.fixture
async def explorer(browser_page: Page, served: Served, demo: Database, demo_url: str, built_explorer: None) -> Page:
    """The explorer, opened by somebody who signed in with a token."""
    base = await served(create_app(Settings.model_validate({"database_url": demo_url})))
    token = await demo.run(lambda session: issue_token(session, dt.datetime.now(dt.UTC), STAFF))
    await browser_page.goto(f"{base}/sign-in?next=/explorer")
    await browser_page.get_by_label("Token").fill(token.secret)
    await browser_page.keyboard.press("Enter")
    await expect(browser_page.get_by_text("Support · staff")).to_be_visible()
    return browser_page


async def test_it_offers_every_operation_and_runs_the_one_about_xtra_lease(explorer: Page) -> None:
    await expect(explorer.locator("[data-operation]")).to_have_count(len(load_operations()))
    await explorer.locator("[data-operation=ActiveAtTheCutoff]").get_by_role("button", name="Run").click()
    result = explorer.locator(".result-window")
    await expect(result).to_contain_text('"exact": 403')
    await expect(result).to_contain_text('"name": "Xtra Lease"')


async def test_a_link_opens_the_391_of_the_dispute(explorer: Page) -> None:
    variables = json.dumps({"organization": "xtra-lease", "date": "2017-10-16", "first": 1})
    link = urlencode({"operation": "ActiveAtTheCutoff", "variables": variables})
    await explorer.goto(f"{explorer.url}?{link}")
    await expect(explorer.get_by_label("Variables")).to_contain_text("2017-10-16")
    await expect(explorer.get_by_role("button", name="Show Documentation Explorer")).to_be_visible()
    await explorer.get_by_role("button", name="Execute query").click()
    await expect(explorer.locator(".result-window")).to_contain_text('"exact": 391')


async def test_staff_see_what_an_operation_ran_on_the_database(explorer: Page) -> None:
    run = explorer.locator("[data-operation=ActiveAtTheCutoff]").get_by_role("button", name="Run")
    await run.click()
    await expect(explorer.locator(".result-window")).to_contain_text('"exact": 403')
    await expect(explorer.locator(".result-window")).not_to_contain_text('"explain"')
    await explorer.get_by_role("checkbox", name="Explain").check()
    await run.click()
    explained = explorer.get_by_role("region", name="Explain")
    await expect(explained).to_contain_text("statements")
    await expect(explained.get_by_role("row").nth(1)).to_contain_text("FROM organization")
    await explorer.get_by_role("checkbox", name="Explain").uncheck()
    await expect(explained).not_to_be_visible()
