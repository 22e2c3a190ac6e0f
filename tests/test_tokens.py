"""Tokens, sign-in links and sessions: who they speak for, until when, and what of them is kept."""

import asyncio
import datetime as dt
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from models.access import Role, TokenError, TokenErrorCode, TokenUse
from models.learners import Person
from resolvers.organizations import NewOrganization, create_organization
from resolvers.principal import Principal
from resolvers.tokens import (
    LONGEST_VALID,
    SESSION_VALID,
    Issued,
    LinkState,
    digest_of,
    holder,
    issue_sign_in_link,
    issue_token,
    link_state,
    live_tokens,
    principal_by,
    revoke,
    sign_in_with_link,
    sign_in_with_token,
    sign_out,
)
from server.cli import app
from server.database import Database

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
ADA = Principal(name="Ada", role=Role.STAFF)
BOB = Principal(name="Bob", role=Role.STAFF)


async def token(database: Database, principal: Principal = ADA, valid: dt.timedelta = DAY) -> Issued:
    return await database.run(lambda session: issue_token(session, NOON, principal, valid))


async def link(database: Database, principal: Principal = ADA) -> Issued:
    return await database.run(lambda session: issue_sign_in_link(session, NOON, principal))


async def session_of(database: Database, secret: str, at: dt.datetime = NOON) -> Issued:
    begun = await database.run(lambda session: sign_in_with_token(session, at, secret))
    assert begun is not None
    return begun


async def speaker(
    database: Database, secret: str, at: dt.datetime = NOON, use: TokenUse = TokenUse.API
) -> Principal | None:
    async with database.reading() as connection:
        return await principal_by(connection, at, secret, use)


async def revoked(database: Database, name_or_id: str, at: dt.datetime = NOON) -> Counter[TokenUse]:
    return Counter(await database.run(lambda session: revoke(session, at, name_or_id)))


# --- tokens ---


async def test_a_token_speaks_for_its_holder_until_it_expires(database: Database) -> None:
    made = await token(database)
    assert await speaker(database, made.secret) == ADA
    assert await speaker(database, made.secret, NOON + DAY - MINUTE) == ADA
    assert await speaker(database, made.secret, NOON + DAY) is None


async def test_a_token_of_an_organization_speaks_for_that_organization(database: Database) -> None:
    new = NewOrganization(name="Xtra Lease", zone="America/Chicago")
    organization_id = await database.run(lambda session: create_organization(session, ADA, NOON, new))
    principal = await database.run(lambda session: holder(session, Role.PARTNER, " Payroll ", "xtra-lease"))
    assert principal == Principal(name="Payroll", role=Role.PARTNER, organization_id=organization_id)
    assert await speaker(database, (await token(database, principal)).secret) == principal


async def test_a_token_of_an_individual_speaks_for_that_person(database: Database) -> None:
    async with database.writing() as session:
        session.add(Person(id=7))
    principal = await database.run(lambda session: holder(session, Role.INDIVIDUAL, "Eve", person_id=7))
    assert await speaker(database, (await token(database, principal)).secret) == principal


@pytest.mark.parametrize(
    ("role", "organization", "person_id", "code"),
    [
        (Role.PARTNER, None, None, TokenErrorCode.ORGANIZATION_REQUIRED),
        (Role.ORGANIZATION, None, None, TokenErrorCode.ORGANIZATION_REQUIRED),
        (Role.STAFF, "xtra-lease", None, TokenErrorCode.ORGANIZATION_NOT_TAKEN),
        (Role.PARTNER, "nobody", None, TokenErrorCode.UNKNOWN_ORGANIZATION),
        (Role.INDIVIDUAL, None, None, TokenErrorCode.PERSON_REQUIRED),
        (Role.STAFF, None, 7, TokenErrorCode.PERSON_NOT_TAKEN),
        (Role.INDIVIDUAL, None, 8, TokenErrorCode.UNKNOWN_PERSON),
    ],
)
async def test_a_token_is_for_somebody_who_can_hold_it(
    role: Role, organization: str | None, person_id: int | None, code: TokenErrorCode, sqlite_database: Database
) -> None:
    with pytest.raises(TokenError) as refused:
        await sqlite_database.run(lambda session: holder(session, role, "Eve", organization, person_id))
    assert refused.value.code is code


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "Ada\nBob"])
async def test_a_name_is_printable(name: str, sqlite_database: Database) -> None:
    with pytest.raises(TokenError, match="1 to 200 printable"):
        await sqlite_database.run(lambda session: holder(session, Role.STAFF, name))


@pytest.mark.parametrize("valid", [dt.timedelta(), -DAY, LONGEST_VALID + MINUTE])
async def test_a_token_is_valid_for_a_day_to_a_year(valid: dt.timedelta, sqlite_database: Database) -> None:
    with pytest.raises(TokenError, match="1 to 366 days"):
        await token(sqlite_database, valid=valid)


async def test_a_token_that_is_not_exactly_the_one_given_out_speaks_for_nobody(database: Database) -> None:
    secret = (await token(database)).secret
    garbled = ["", "cs_", secret[:-1], secret + "x", secret.swapcase(), secret[3:], digest_of(secret), "%", "ü\x00" * 9]
    assert [await speaker(database, wrong) for wrong in garbled] == [None] * len(garbled)


async def test_a_secret_is_for_one_use_only(database: Database) -> None:
    secret, code = (await token(database)).secret, (await link(database)).secret
    cookie = (await session_of(database, secret)).secret
    for use in TokenUse:
        known = [await speaker(database, one, use=use) is not None for one in (secret, code, cookie)]
        assert known == [use is TokenUse.API, use is TokenUse.SIGN_IN, use is TokenUse.SESSION]


async def test_a_secret_holds_256_bits_and_only_its_hash_is_kept(database: Database) -> None:
    made = [await token(database), await link(database)]
    made.append(await session_of(database, made[0].secret))
    async with database.reading() as connection:
        kept = str((await connection.execute(text("SELECT * FROM token"))).all())
    for issued in made:
        assert len(issued.secret) == len("cs_") + 43
        assert issued.secret not in kept
        assert issued.secret[:20] not in kept
        assert digest_of(issued.secret) in kept
        assert issued.secret not in repr(issued)


async def test_the_list_shows_what_works_and_never_a_secret(database: Database) -> None:
    made, gone = await token(database), await token(database, BOB)
    await revoked(database, "Bob")
    await session_of(database, made.secret)
    async with database.reading() as connection:
        listed = await live_tokens(connection, NOON)
    assert [(one.name, one.role, one.ending, one.expires_at) for one in listed] == [
        ("Ada", Role.STAFF, made.secret[-4:], NOON + DAY)
    ]
    assert made.secret not in repr(listed)
    assert gone.secret not in repr(listed)


# --- revoking ---


async def test_revoking_a_name_ends_everything_of_that_name_and_nothing_else(database: Database) -> None:
    first, second, other = await token(database), await token(database), await token(database, BOB)
    cookie = await session_of(database, first.secret)
    await link(database)
    assert await revoked(database, "Ada") == {TokenUse.API: 2, TokenUse.SESSION: 1, TokenUse.SIGN_IN: 1}
    assert await speaker(database, first.secret) is None
    assert await speaker(database, second.secret) is None
    assert await speaker(database, cookie.secret, use=TokenUse.SESSION) is None
    assert await speaker(database, other.secret) == BOB


async def test_revoking_one_token_by_its_id_ends_the_sessions_it_began(database: Database) -> None:
    first, second = await token(database), await token(database)
    cookie = await session_of(database, first.secret)
    assert await revoked(database, digest_of(first.secret)[:8]) == {TokenUse.API: 1, TokenUse.SESSION: 1}
    assert await speaker(database, cookie.secret, use=TokenUse.SESSION) is None
    assert await speaker(database, second.secret) == ADA


@pytest.mark.parametrize("wrong", ["", "%", "________", "a", "Nobody", "ada"])
async def test_revoking_what_is_not_there_says_so_and_ends_nothing(wrong: str, database: Database) -> None:
    made = await token(database)
    with pytest.raises(TokenError, match="No token that still works"):
        await revoked(database, wrong)
    assert await speaker(database, made.secret) == ADA


# --- sign-in links and sessions ---


async def test_a_session_lasts_twelve_hours(database: Database) -> None:
    cookie = await session_of(database, (await token(database)).secret)
    assert await speaker(database, cookie.secret, NOON + SESSION_VALID - MINUTE, TokenUse.SESSION) == ADA
    assert await speaker(database, cookie.secret, NOON + SESSION_VALID, TokenUse.SESSION) is None


async def test_a_session_ends_no_later_than_its_token(database: Database) -> None:
    made = await token(database)
    assert (await session_of(database, made.secret, NOON + DAY - MINUTE)).expires_at == NOON + DAY


async def test_a_session_that_signed_out_is_over(database: Database) -> None:
    cookie = await session_of(database, (await token(database)).secret)
    await database.run(lambda session: sign_out(session, NOON, cookie.secret))
    assert await speaker(database, cookie.secret, use=TokenUse.SESSION) is None


async def test_signing_out_ends_no_token(database: Database) -> None:
    made = await token(database)
    await database.run(lambda session: sign_out(session, NOON, made.secret))
    assert await speaker(database, made.secret) == ADA


async def test_of_twenty_who_use_one_link_at_once_one_is_signed_in(database: Database) -> None:
    code = (await link(database)).secret
    begun = await asyncio.gather(
        *(database.run(lambda session: sign_in_with_link(session, NOON, code)) for _ in range(20))
    )
    winners = [one for one in begun if one is not None]
    assert len(winners) == 1
    assert await speaker(database, winners[0].secret, use=TokenUse.SESSION) == ADA


async def test_a_link_tells_why_it_does_not_work(database: Database) -> None:
    code, old = (await link(database)).secret, (await link(database)).secret

    async def state(secret: str, at: dt.datetime = NOON) -> LinkState:
        async with database.reading() as connection:
            return await link_state(connection, at, secret)

    assert await state(code) is LinkState.READY
    await database.run(lambda session: sign_in_with_link(session, NOON, code))
    assert await state(code) is LinkState.USED
    assert await state(old, NOON + 15 * MINUTE) is LinkState.EXPIRED
    assert await state("cs_nothing") is LinkState.UNKNOWN


async def test_a_link_that_is_too_old_signs_nobody_in(database: Database) -> None:
    code = (await link(database)).secret
    later = NOON + 15 * MINUTE
    assert await database.run(lambda session: sign_in_with_link(session, later, code)) is None


async def test_a_link_that_was_withdrawn_signs_nobody_in(database: Database) -> None:
    code = (await link(database)).secret
    await revoked(database, "Ada")
    assert await database.run(lambda session: sign_in_with_link(session, NOON, code)) is None


# --- the command line ---


@pytest.mark.parametrize("command", ["issue", "link", "list", "revoke"])
def test_the_help_of_every_token_command_has_an_example(command: str) -> None:
    assert f"Example: python3 -m server token {command}" in CliRunner().invoke(app, ["token", command, "--help"]).output


def test_a_token_is_shown_once_listed_without_its_secret_and_revoked(tmp_path: Path) -> None:
    environment = {"COUNTERSIGN_DATABASE_URL": f"sqlite:///{tmp_path}/own.db"}

    def said(*arguments: str) -> str:
        return CliRunner().invoke(app, ["token", *arguments], env=environment).output

    issued = said("issue", "--role", "staff", "--name", "Ada")
    secret = next(word for word in issued.split() if word.startswith("cs_"))
    assert f"Authorization: Bearer {secret}" in issued
    listed = said("list")
    assert "Ada" in listed
    assert f"…{secret[-4:]}" in listed
    assert secret not in listed
    assert said("revoke", "Ada") == "Revoked of Ada: tokens: 1.\n"
    assert "No token works now" in said("list")


def test_a_link_begins_with_the_address_that_people_use(tmp_path: Path) -> None:
    environment = {
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{tmp_path}/own.db",
        "COUNTERSIGN_PUBLIC_URL": "https://countersign.example",
    }
    said = CliRunner().invoke(app, ["token", "link", "--name", "Ada"], env=environment).output
    assert "    https://countersign.example/sign-in/cs_" in said
