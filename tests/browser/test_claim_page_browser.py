"""The link of an invitation in a real browser that runs no script: followed, it registers, claims and signs in."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from models.ids import encode_id
from server.app import create_app
from server.database import Database
from server.settings import Settings
from tests.browser.conftest import SIZE, Served, refuse_other_hosts
from tests.code_keys import CODE_KEYS
from tests.mailing import LINK, SITE, Mailing, mailing


async def claim(page: Page, post: Mailing, base: str, voucher_id: int) -> None:
    found = LINK.search(post.office.text())
    assert found
    link = found[0].replace(SITE, base)
    await page.goto(link)
    await expect(page.get_by_text("has a voucher for you")).to_be_visible()
    await expect(page.get_by_text("Welcome, Nora.")).to_be_visible()
    # Nothing is claimed by looking, nor without a name.
    await page.get_by_role("button", name="Register and claim the voucher").click()
    await expect(page.get_by_role("heading", name="The voucher is yours")).not_to_be_visible()
    await page.get_by_label("Your name").fill("Nora Diaz")
    await page.get_by_role("button", name="Register and claim the voucher").click()
    await expect(page.get_by_role("heading", name="The voucher is yours")).to_be_visible()
    await expect(
        page.get_by_text("You are registered as Nora Diaz with nora@new.example, and signed in.")
    ).to_be_visible()

    await page.goto(f"{base}/admin/vouchers/{encode_id('Voucher', post.market.program_id, voucher_id)}")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("assigned")
    await expect(page.get_by_text("125.00 USD").first).to_be_visible()

    again = await page.goto(link)
    assert again
    assert again.status == 403


async def test_the_link_of_a_letter_registers_claims_and_signs_in_without_a_script(
    browser: Browser, served: Served, sqlite_database: Database
) -> None:
    settings = {"database_url": sqlite_database.url.render_as_string(hide_password=False)}
    context = await browser.new_context(viewport=SIZE, java_script_enabled=False)  # type: ignore[arg-type]
    foreign = await refuse_other_hosts(context)
    async with mailing(sqlite_database) as post:
        voucher_id = await post.invited("nora@new.example", "Welcome, Nora.")
        await post.round()
        app = create_app(Settings.model_validate(settings), clock=post.clock, code_keys=CODE_KEYS)
        await claim(await context.new_page(), post, await served(app), voucher_id)
    await context.close()
    assert foreign == []
