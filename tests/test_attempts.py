"""How often codes may be tried: counted before the answer, whoever asks and however; what did not fail is forgiven."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from sqlalchemy import select

from models.access import Role
from models.attempts import MOST, MOST_SERVING_OTHERS, WINDOW, AttemptBy, AttemptCount, window_of
from models.codes import code_of, spaced
from models.errors import DomainError, NotFound, VoucherError, VoucherErrorCode
from resolvers.principal import Principal
from resolvers.vouchers.attempting import KEPT, limited
from resolvers.vouchers.keeping import keep_vouchers
from server.database import Database
from tests.asking import STAFF
from tests.builders import NOON
from tests.code_keys import CODE_KEYS
from tests.test_statements import statements
from tests.vouchering import Shop, shop

PERSON = Principal(name="Ana", role=Role.INDIVIDUAL, person_id=7, origin="192.0.2.1")


async def fails() -> None:
    raise VoucherError(VoucherErrorCode.CODE_NOT_USABLE, "no")


async def succeeds() -> None:
    return None


async def does_not_fit() -> None:
    raise VoucherError(VoucherErrorCode.VOUCHER_DOES_NOT_FIT, "no")


async def breaks() -> None:
    raise ZeroDivisionError


async def outcome(
    market: Shop,
    by: Principal,
    code: str | None = None,
    step: object = fails,
    at: dt.datetime = NOON,
    program_id: int | None = None,
) -> str:
    """What an attempt came to: `done`, or the code of the refusal."""
    try:
        await limited(
            market.database.reading,
            market.database.run,
            by,
            at,
            program_id or market.program_id,
            code,
            step,  # type: ignore[arg-type]
        )
    except DomainError as refusal:
        return refusal.code.name
    return "done"


def person(number: int, origin: str = "") -> Principal:
    return replace(PERSON, person_id=number, origin=origin)


async def counts(market: Shop) -> dict[AttemptBy, list[int]]:
    async with market.database.reading() as connection:
        rows = await connection.execute(select(AttemptCount.by, AttemptCount.attempts).order_by(AttemptCount.attempts))
        found: dict[AttemptBy, list[int]] = {}
        for by, attempts in rows:
            found.setdefault(by, []).append(attempts)
        return found


async def test_after_ten_failures_an_account_is_told_when_to_try_again_for_a_right_code_and_a_wrong(
    database: Database,
) -> None:
    market = await shop(database)
    for number in range(MOST[AttemptBy.ACTOR]):
        assert await outcome(market, PERSON, f"WRONG-{number}") == "CODE_NOT_USABLE"
    told = []
    for step in (fails, succeeds, does_not_fit):
        with pytest.raises(VoucherError) as refused:
            await limited(database.reading, database.run, PERSON, NOON, market.program_id, "ANY", step)
        told.append((refused.value.code, refused.value.message, refused.value.field))
    assert set(map(str, told)) == {str(told[0])}
    assert told[0][0] is VoucherErrorCode.TOO_MANY_ATTEMPTS
    assert f"{window_of(NOON) + WINDOW:%Y-%m-%d %H:%M} UTC" in told[0][1]
    # Another program's codes are another matter, and so are another person and the next window.
    other = await shop(database)
    assert await outcome(other, PERSON) == "CODE_NOT_USABLE"
    assert await outcome(market, person(8)) == "CODE_NOT_USABLE"
    assert await outcome(market, PERSON, at=window_of(NOON) + WINDOW) == "CODE_NOT_USABLE"


async def test_to_refuse_who_is_shut_out_nothing_is_written(database: Database) -> None:
    """A flood of guesses keeps no writer waiting."""
    market = await shop(database)
    for number in range(MOST[AttemptBy.ACTOR]):
        await outcome(market, PERSON, f"WRONG-{number}")
    with statements() as ran:
        assert await outcome(market, PERSON, "ANY") == "TOO_MANY_ATTEMPTS"
    assert {one.sql.split(" ", 1)[0] for one in ran if one.sql != "BEGIN"} == {"SELECT"}


async def test_an_attempt_that_does_not_fail_is_forgiven_whatever_else_becomes_of_it(database: Database) -> None:
    market = await shop(database)
    code = code_of(1)
    for step, told in ((succeeds, "done"), (does_not_fit, "VOUCHER_DOES_NOT_FIT")):
        assert await outcome(market, PERSON, code, step) == told
    with pytest.raises(ZeroDivisionError):
        await outcome(market, PERSON, code, breaks)
    assert await counts(market) == {AttemptBy.ACTOR: [0], AttemptBy.ADDRESS: [0], AttemptBy.TARGET: [0]}
    with pytest.raises(NotFound):
        await limited(database.reading, database.run, PERSON, NOON, 1, code, succeeds)


async def test_a_crowd_may_enter_the_code_of_a_promotion_at_once(sqlite_database: Database) -> None:
    market = await shop(sqlite_database)
    told = {await outcome(market, person(number), "GET-LICENSED-2019") for number in range(MOST[AttemptBy.TARGET] + 5)}
    assert told == {"CODE_NOT_USABLE"}


async def test_an_address_is_limited_whatever_accounts_it_uses_and_a_network_of_version_six_is_one(
    sqlite_database: Database,
) -> None:
    market = await shop(sqlite_database)
    most = MOST[AttemptBy.ADDRESS]
    addresses = [f"2001:db8:0:1::{number:x}" for number in range(most)]
    for number, address in enumerate(addresses):
        assert await outcome(market, person(number, address)) == "CODE_NOT_USABLE"
    assert await outcome(market, person(most, "2001:db8:0:1:ffff::")) == "TOO_MANY_ATTEMPTS"
    assert await outcome(market, person(most, "2001:db8:0:2::")) == "CODE_NOT_USABLE"
    # An address of version 4 is itself in either spelling.
    for number in range(most):
        await outcome(market, person(number + 100, "::ffff:192.0.2.9" if number % 2 else "192.0.2.9"))
    assert await outcome(market, person(1000, "192.0.2.9")) == "TOO_MANY_ATTEMPTS"


async def test_a_code_is_limited_however_it_is_typed_and_who_is_shut_out_shuts_out_nobody(
    sqlite_database: Database,
) -> None:
    market = await shop(sqlite_database)
    code = spaced(code_of(0x1_0000_0000_0000_0000_01))
    typed = [code, code.lower(), code.replace("-", ""), code.replace("0", "O"), f" {code} "]
    for number in range(MOST[AttemptBy.ACTOR] + 5):
        await outcome(market, PERSON, typed[number % len(typed)])
    # Five of these were refused, and counted nowhere.
    assert await counts(market) == {name: [MOST[AttemptBy.ACTOR]] for name in AttemptBy}
    for number in range(MOST[AttemptBy.TARGET] - MOST[AttemptBy.ACTOR]):
        assert await outcome(market, person(number + 10), typed[number % len(typed)]) == "CODE_NOT_USABLE"
    for spelled in typed:
        assert await outcome(market, person(99), spelled, succeeds) == "TOO_MANY_ATTEMPTS"
    assert await outcome(market, person(99), "another", succeeds) == "done"


async def test_an_organization_is_one_whoever_speaks_for_it_and_who_serves_others_may_fail_more(
    sqlite_database: Database,
) -> None:
    market = await shop(sqlite_database)
    for number in range(MOST[AttemptBy.ACTOR]):
        await outcome(market, replace(market.client, name=f"Token {number}"))
    assert await outcome(market, replace(market.client, name="another token")) == "TOO_MANY_ATTEMPTS"
    partner = replace(market.client, role=Role.PARTNER)
    for counter in (market.program_admin, partner, STAFF):
        assert [await outcome(market, counter) for _ in range(MOST_SERVING_OTHERS[AttemptBy.ACTOR])]
        assert await outcome(market, counter) == "TOO_MANY_ATTEMPTS"


async def test_neither_codes_nor_addresses_are_kept_and_counts_are_forgotten(sqlite_database: Database) -> None:
    market = await shop(sqlite_database)
    (voucher,) = await market.stock(CODE_KEYS)
    await outcome(market, PERSON, voucher.code)
    async with market.database.reading() as connection:
        for row in await connection.execute(select(AttemptCount.subject)):
            assert len(row.subject) == 64
            assert int(row.subject, 16)
    database = market.database
    ended = window_of(NOON) + WINDOW + KEPT
    await keep_vouchers(database.reading, database.run, STAFF, ended)
    assert await counts(market)
    await keep_vouchers(database.reading, database.run, STAFF, ended + dt.timedelta(microseconds=1))
    assert await counts(market) == {}
