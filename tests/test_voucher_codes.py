"""Codes: typed with mistakes, found after a key was changed, shown to their owner only, and nowhere in the clear."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from models.base import Base
from models.codes import CHECK_SYMBOLS, RANDOM_BITS, SYMBOLS, code_of, normalized, spaced
from models.errors import DomainError, NotFound, VoucherErrorCode
from models.ids import encode_id
from models.program_events import ProgramDeed, ProgramEvent
from models.vouchers import Voucher, VoucherCode
from resolvers.principal import Principal
from resolvers.vouchers.moving import capture
from resolvers.vouchers.revealing import reveal
from server.code_keys import CodeKeyError, CodeKeyRing, load_code_keys, make_code_key
from server.database import Database
from tests.asking import STAFF, ask
from tests.builders import organization
from tests.code_keys import CODE_KEYS, code_keys
from tests.visitors import visiting
from tests.vouchering import shop

NUMBERS = st.integers(0, (1 << RANDOM_BITS) - 1)
REVEAL = """mutation($input: VoucherCodesRevealInput!) {
  voucherCodesReveal(input: $input) { codes { voucherId code } userErrors { code } } }"""


@given(NUMBERS, st.data())
def test_any_one_wrong_symbol_is_found(number: int, data: st.DataObject) -> None:
    code = code_of(number)
    place = data.draw(st.integers(0, len(code) - 1))
    symbols = SYMBOLS if place < len(code) - 1 else CHECK_SYMBOLS
    wrong = data.draw(st.sampled_from([symbol for symbol in symbols if symbol != code[place]]))
    assert normalized(code[:place] + wrong + code[place + 1 :]) is None


@given(NUMBERS, st.integers(0, 15), st.integers(0, 15))
def test_any_two_symbols_that_changed_places_are_found(number: int, one: int, other: int) -> None:
    symbols = list(code_of(number))
    symbols[one], symbols[other] = symbols[other], symbols[one]
    assert (normalized("".join(symbols)) is None) == (symbols != list(code_of(number)))


@given(NUMBERS)
def test_letters_that_look_like_digits_are_understood(number: int) -> None:
    code = code_of(number)
    typed = spaced(code[:-1].replace("0", "o").replace("1", "I") + code[-1]).lower()
    assert normalized(f" {typed} ") == normalized(typed.replace("i", "l")) == code


def test_an_older_key_still_finds_and_opens_what_it_made() -> None:
    older, both = code_keys("a"), code_keys("a", "b")
    digest, sealed = older.digest(7, "CODE"), older.seal(7, 9, "CODE")
    assert both.newest == "b"
    assert digest in both.digests(7, "CODE")
    assert digest != both.digest(7, "CODE")
    assert both.open(7, 9, "a", sealed) == "CODE"
    for program_id, code_id, key_id in ((8, 9, "a"), (7, 8, "a"), (7, 9, "b"), (7, 9, "gone")):
        with pytest.raises(CodeKeyError):
            both.open(program_id, code_id, key_id, sealed)


def test_keys_lie_in_files_of_their_owner_and_the_newest_makes_codes(tmp_path: Path) -> None:
    folder, now = tmp_path / "code-keys", dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert load_code_keys(folder) is None
    made = [make_code_key(folder, now + dt.timedelta(days=day)) for day in (1, 0)]
    keys = load_code_keys(folder)
    assert isinstance(keys, CodeKeyRing)
    assert keys.newest == made[0]
    assert all(len(key_id) == 16 for key_id in made)
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    (folder / f"{made[1]}.key").write_text("nonsense")
    with pytest.raises(CodeKeyError, match="cannot be read"):
        load_code_keys(folder)


async def test_codes_are_shown_to_their_owner_only_and_each_time_is_told(database: Database) -> None:
    own, stranger = await shop(database), await organization(database)
    first, second = await own.stock(CODE_KEYS, 2)
    ids = [encode_id("Voucher", own.program_id, one.id) for one in (first, second)]
    foreign = Principal(name="F", role=own.client.role, organization_id=stranger.id)
    answer = await ask(database, REVEAL, own.client, input={"vouchers": ids})
    shown = answer.data["voucherCodesReveal"]["codes"]
    assert [one["code"] for one in shown] == [spaced(first.code), spaced(second.code)]
    for principal, code in ((STAFF, "NOT_ALLOWED"), (own.program_admin, "NOT_ALLOWED"), (foreign, "NOT_FOUND")):
        refused = (await ask(database, REVEAL, principal, input={"vouchers": ids})).data["voucherCodesReveal"]
        assert refused == {"codes": [], "userErrors": [{"code": code}]}
    await own.act(lambda act: capture(act, first.id, 500, forfeits_rest=False))
    with pytest.raises(DomainError) as refusal:
        await own.act(lambda act: reveal(act, CODE_KEYS, [first.id, second.id]))
    assert refusal.value.code is VoucherErrorCode.NOT_LIVE
    with pytest.raises(NotFound):
        await own.act(lambda act: reveal(act, CODE_KEYS, [first.id]), by=foreign)
    told = select(func.count()).where(ProgramEvent.__table__.c.deed == ProgramDeed.CODES_REVEALED)
    async with database.reading() as connection:
        assert await connection.scalar(told) == 2


async def test_the_file_of_an_order_is_its_owners_and_is_told_too(database: Database) -> None:
    own = await shop(database)
    (stocked,) = await own.stock(CODE_KEYS)
    order_id = (await own.voucher(stocked.id)).voucher_order_id
    address = f"/exports/voucher-orders/{encode_id('VoucherOrder', own.program_id, order_id)}/codes.csv"
    async with visiting(database, own.client, code_keys=CODE_KEYS) as client:
        answer = await client.get(address)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.splitlines() == ["\ufeffcode,purpose", f"{spaced(stocked.code)},"]
    told = select(func.count()).where(ProgramEvent.__table__.c.deed == ProgramDeed.CODES_REVEALED)
    async with visiting(database, STAFF, code_keys=CODE_KEYS) as client:
        assert (await client.get(address)).status_code == 403
    async with database.reading() as connection:
        assert await connection.scalar(told) == 1


async def test_no_table_has_a_code_in_the_clear(database: Database) -> None:
    own = await shop(database)
    stocked = await own.stock(CODE_KEYS, 3)
    await own.act(lambda act: reveal(act, CODE_KEYS, [one.id for one in stocked]))
    async with database.reading() as connection:
        tables = Base.metadata.tables.values()
        everything = [str(tuple(row)) for table in tables for row in await connection.execute(select(table))]
        sealed = (await connection.execute(select(VoucherCode.__table__.c.sealed))).scalars().all()
        assert await connection.scalar(select(func.count()).select_from(Voucher)) == len(sealed) == 3
    for one in stocked:
        assert not any(one.code in row or spaced(one.code) in row for row in everything)
        assert not any(one.code.encode() in secret for secret in sealed)
