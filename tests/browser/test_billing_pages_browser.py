"""The dispute of Xtra Lease in a real browser: opened by the client and rejected by support, without a script."""

from __future__ import annotations

import random
import zipfile
from functools import partial
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, expect
from starlette.applications import Starlette

from resolvers.principal import Principal
from resolvers.tokens import issue_token
from server.app import create_app
from server.database import Database
from server.demo.recording import record_client
from server.demo.stories import SEED, xtra_lease
from server.settings import Settings
from tests.browser.conftest import SIZE, Served, refuse_other_hosts
from tests.desks import administrator_of
from tests.signers import signer
from tests.visitors import SUPPORT, TODAY

MONTH = "/admin/billing?date=2017-09-01"


async def application(database: Database) -> Starlette:
    """With the history and the bills of Xtra Lease, and a key that signs."""
    client, key = xtra_lease(random.Random(SEED)), signer()
    await database.run(partial(record_client, client=client, signer=key))
    settings = Settings.model_validate({"database_url": database.url.render_as_string(hide_password=False)})
    return create_app(settings, clock=lambda: TODAY, signer=key)


async def sign_in(page: Page, address: str, database: Database, who: Principal) -> None:
    token = await database.run(lambda session: issue_token(session, TODAY, who))
    await page.goto(address)
    await page.get_by_label("Token").fill(token.secret)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Billing of 2017-09-01", level=1)).to_be_visible()


async def test_xtra_lease_disputes_and_is_answered_by_clicking(
    browser: Browser, browser_page: Page, served: Served, sqlite_database: Database, tmp_path: Path
) -> None:
    base = await served(await application(sqlite_database))
    olga = await administrator_of(sqlite_database, "xtra-lease")

    # The client looks at its bill and the names behind it, and disputes the line.
    client = browser_page
    await sign_in(client, base + MONTH, sqlite_database, olga)
    await client.get_by_role("link", name="403", exact=True).click()
    await expect(client.get_by_text("403 people, with the dates as known then")).to_be_visible()
    await client.get_by_role("link", name="Dispute it").click()
    await client.get_by_text("Dispute this line").click()
    await client.get_by_label("Why").fill("We count 391, not 403.")
    await client.get_by_role("button", name="Open a dispute").click()
    await expect(client.get_by_role("heading", level=1)).to_contain_text("Dispute XTRA-LEASE-D-0001")
    await expect(client.locator(".bridge")).to_contain_text("= 391")
    await downloaded(client, tmp_path)

    # A support manager sees it first of all, looks at the way from 403 to 391, and rejects it.
    context = await browser.new_context(viewport=SIZE, service_workers="block")  # type: ignore[arg-type]
    foreign = await refuse_other_hosts(context)
    await rejected(await signed_in(context, base, sqlite_database))
    await context.close()
    assert foreign == []

    await client.reload()
    await expect(client.get_by_role("heading", level=1)).to_contain_text("rejected")
    await expect(client.get_by_text("403 people were active at the cutoff.")).to_be_visible()


async def signed_in(context: BrowserContext, base: str, database: Database) -> Page:
    page = await context.new_page()
    await sign_in(page, base + MONTH, database, SUPPORT)
    return page


async def rejected(support: Page) -> None:
    await support.get_by_role("link", name="Disputes").click()
    await support.get_by_role("link", name="XTRA-LEASE-D-0001").click()
    await expect(support.locator(".bridge")).to_contain_text("403")
    await expect(support.get_by_text("Left: 28 people")).to_be_visible()
    await support.get_by_role("link", name="Reject: the bill was right").click()
    await expect(support.get_by_role("heading", name="This credits nothing")).to_be_visible()
    await support.get_by_label("Why, for both sides").fill("403 people were active at the cutoff.")
    await support.get_by_role("button", name="Reject it").click()
    await expect(support.get_by_role("heading", level=1)).to_contain_text("rejected")


async def downloaded(client: Page, folder: Path) -> None:
    for words, file in (("PDF", folder / "letter.pdf"), ("Signed bundle", folder / "bundle.zip")):
        async with client.expect_download() as downloading:
            await client.get_by_role("link", name=words, exact=True).click()
        await (await downloading.value).save_as(file)
    assert (folder / "letter.pdf").read_bytes().startswith(b"%PDF-")
    assert zipfile.ZipFile(folder / "bundle.zip").testzip() is None


async def test_no_page_of_bills_is_wider_than_a_small_screen(
    browser_page: Page, served: Served, sqlite_database: Database
) -> None:
    page, base = browser_page, await served(await application(sqlite_database))
    await sign_in(page, base + MONTH, sqlite_database, SUPPORT)
    addresses = [MONTH, "/admin/organizations/xtra-lease/billing", "/admin/disputes", "/admin/disputes/report"]
    addresses += [await address_of(page, "403"), await address_of(page, "XTRA-LEASE-0001")]
    for width in (400, 1440):
        await page.set_viewport_size({"width": width, "height": 900})
        for address in addresses:
            await page.goto(base + address)
            assert await page.evaluate("document.documentElement.scrollWidth") == width, address


async def address_of(page: Page, words: str) -> str:
    address = await page.get_by_role("link", name=words, exact=True).get_attribute("href")
    assert address is not None
    return address
