"""Vouchers and what they paid as files: the lists' own filters, whole or said not to be, and without a code."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from models.ids import encode_id
from models.voucher_states import VoucherState
from resolvers.exports import ExportNotWhole
from resolvers.loaders.places import organizations_by_id
from resolvers.loaders.voucher_lists import Chosen, ListKey, Of
from resolvers.loaders.voucher_programs import program_of
from resolvers.papers import vouchers_csv
from resolvers.papers.vouchers_csv import Asked
from resolvers.principal import Principal
from resolvers.vouchers.assigning import Assigning, assign
from server.database import Database
from tests.builders import NOON
from tests.code_keys import CODE_KEYS
from tests.test_vouchers import learner, redeemed, revoked
from tests.visitors import SUPPORT, visiting
from tests.vouchering import Shop, shop


def rows_of(text: str) -> tuple[list[dict[str, str]], list[str]]:
    """The rows by their header, and the last line."""
    lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    start = next(n for n, line in enumerate(lines) if len(line) > 2)
    return [dict(zip(lines[start], line, strict=True)) for line in lines[start + 1 : -1]], lines[-1]


async def downloaded(
    market: Shop, by: Principal, address: str, status: int = 200, **asked: Any
) -> tuple[list[dict[str, str]], str]:
    async with visiting(market.database, by) as client:
        answer: httpx.Response = await client.get(f"/exports/{address}.csv", params=asked)
    assert answer.status_code == status, answer.text
    if status != 200:
        return [], answer.text
    rows, end = rows_of(answer.text)
    assert end == ["END", f"{len(rows)} {'row' if len(rows) == 1 else 'rows'}; this file is complete."]
    return rows, answer.text


async def slugs(market: Shop) -> tuple[str, str]:
    """Of the organization and the program."""
    async with market.database.reading() as connection:
        (row,) = await organizations_by_id(connection, [market.tenant.id])
        return row.slug, (await program_of(connection, market.program_id)).slug


async def test_a_file_holds_what_the_list_holds_and_never_a_code(database: Database) -> None:
    market = await shop(database)
    buyer, seller = await slugs(market)
    ana = await learner(market.tenant)
    until = NOON + dt.timedelta(days=10)
    used, dead, hers = await market.stock(CODE_KEYS, 3, expires_at=until)
    await redeemed(market, used.code, reference="=cmd()")
    await revoked(market, dead.id)
    await market.act(lambda act: assign(act, Assigning(learner=ana, voucher_id=hers.id, purpose="=1+1")))

    files = [(market.client, f"organizations/{buyer}"), (SUPPORT, f"organizations/{buyer}")]
    files += [(market.program_admin, f"organizations/{buyer}"), (market.program_admin, f"programs/{seller}")]
    for by, place in [*files, (market.client, f"programs/{seller}")]:
        rows, text = await downloaded(market, by, f"{place}/vouchers")
        # Today they have expired, those that could.
        assert [row["state"] for row in rows] == ["EXPIRED", "REVOKED", "REDEEMED"]
        for one in (used, dead, hers):
            assert one.code not in text.replace("-", "")
        paid, _ = await downloaded(market, by, f"{place}/redemptions")
        assert [(row["reference"], row["amount"], row["currency"]) for row in paid] == [("'=cmd()", "125.00", "USD")]
    assert rows[0]["purpose"] == "'=1+1"
    assert rows[0]["external_id"]
    # The program sees no people of an organization, in a file as little as in the API.
    (of_hers, *_), text = await downloaded(market, market.program_admin, f"programs/{seller}/vouchers")
    assert (of_hers["assigned_to"], of_hers["external_id"], of_hers["email"]) == ("", "", "")
    assert rows[0]["usable_through"] == "2026-01-11"
    assert (rows[2]["face_value"], rows[2]["remaining_value"]) == ("125.00", "0.00")


async def test_a_file_takes_the_filters_of_the_list_and_refuses_what_it_does_not_know(
    sqlite_database: Database,
) -> None:
    market = await shop(sqlite_database)
    buyer, seller = await slugs(market)
    first, _ = await market.stock(CODE_KEYS, 2)
    await redeemed(market, first.code)
    place, by = f"organizations/{buyer}/vouchers", market.client

    async def many(what: str = place, **asked: Any) -> int:
        return len((await downloaded(market, by, what, **asked))[0])

    assert await many(states=["REDEEMED", "REVOKED"]) == 1
    assert await many(lastFour=first.code[12:16].lower()) == 1
    assert await many(flagged="yes") == 0
    assert await many(purpose="none such") == 0
    assert await many(program=encode_id("Program", market.program_id)) == 2
    assert await many(expiresBefore="2026-01-01T00:00:00Z") == 0
    assert await many(f"organizations/{buyer}/redemptions", since="2027-01-01T00:00:00Z") == 0
    for wrong in ({"state": "REDEEMED"}, {"states": "LOST"}, {"flagged": "maybe"}, {"expiresBefore": "soon"}):
        await downloaded(market, by, place, 400, **wrong)
    await downloaded(market, by, place, 400, learner="nonsense")
    organization_id = encode_id("Organization", market.tenant.id)
    found, _ = await downloaded(
        market, market.program_admin, f"programs/{seller}/vouchers", organization=organization_id
    )
    assert len(found) == 2


async def test_nobody_downloads_what_is_another_s(sqlite_database: Database) -> None:
    market, other = await shop(sqlite_database), await shop(sqlite_database)
    buyer, seller = await slugs(market)
    await market.stock(CODE_KEYS)
    for what in ("vouchers", "redemptions"):
        await downloaded(market, other.client, f"organizations/{buyer}/{what}", 404)
        assert (await downloaded(market, other.client, f"programs/{seller}/{what}"))[0] == []
        await downloaded(market, other.program_admin, f"programs/{seller}/{what}", 404)
        await downloaded(market, SUPPORT, f"organizations/none-such/{what}", 404)
    own = encode_id("Organization", market.tenant.id)
    await downloaded(market, other.client, f"programs/{seller}/vouchers", 404, organization=own)


async def test_a_long_file_is_read_in_pages_and_says_when_it_is_not_whole(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vouchers_csv, "PAGE_ROWS", 2)
    market = await shop(sqlite_database)
    buyer, _ = await slugs(market)
    stocked = await market.stock(CODE_KEYS, 5)
    rows, _ = await downloaded(market, market.client, f"organizations/{buyer}/vouchers")
    assert [row["code_ends_in"] for row in rows] == [one.code[12:16] for one in reversed(stocked)]
    key = ListKey(0, market.tenant.id, 0)
    asked = Asked(principal=SUPPORT, of=Of.ORGANIZATION, key=key, whose="", words="", now=NOON)
    chosen = Chosen(now=NOON, states=(VoucherState.AVAILABLE,))
    parts = vouchers_csv.vouchers_csv(sqlite_database.reading, asked, chosen)
    written = [await anext(parts)]
    await revoked(market, stocked[0].id)
    with pytest.raises(ExportNotWhole):
        await _read(parts, written)
    assert rows_of("".join(written))[1][0].startswith("INCOMPLETE")


async def _read(parts: AsyncIterator[str], into: list[str]) -> None:
    async for part in parts:
        into.append(part)  # noqa: PERF401  # what came before it breaks stays
