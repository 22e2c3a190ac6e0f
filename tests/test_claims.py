"""Who follows a link takes the voucher: who was not registered, who was, and who waits for approval."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import select, update

from graphiql.operations import load_operations
from models.access import Role, TokenUse
from models.base import Base
from models.errors import DomainError, NotAllowed, NotFound
from models.invitations import InvitationEnd
from models.outbox import MessageState
from models.program_events import ProgramEvent
from models.vouchers import AssignmentState, VoucherStanding
from resolvers.erasure.accounts import ErasedAccount, erase_account
from resolvers.principal import Principal
from resolvers.tokens import issue_token, principal_by
from resolvers.vouchers.claiming import offer
from resolvers.vouchers.finding import assigned_to_person
from resolvers.vouchers.links import new_secret
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER
from server.database import Database
from tests.asking import ask
from tests.builders import NOON, STAFF
from tests.code_keys import CODE_KEYS, code_keys
from tests.inviting import (
    ACCOUNTS,
    ADDRESS,
    ASSIGNMENTS,
    INVITATIONS,
    MESSAGES,
    approved,
    cancelled,
    claimed,
    individual,
    invited,
    link_of,
    opened,
    refused,
    rows,
)
from tests.test_vouchers import DAY, Refused, kept, must_add_up
from tests.vouchering import Shop, shop

OWN = "{ viewer { vouchers(first: 5) { nodes { id state assignment { state } } } } }"


async def theirs(market: Shop, person_id: int) -> list[int]:
    """The vouchers that are a person's to use."""
    async with market.database.reading() as connection:
        found = select(VOUCHER.c.id).select_from(VOUCHER).join(ASSIGNMENT, assigned_to_person(person_id))
        return list((await connection.execute(found)).scalars())


async def accounts(database: Database) -> list[str]:
    async with database.reading() as connection:
        return sorted((await connection.execute(select(ACCOUNTS.c.email))).scalars())


async def test_who_is_not_registered_is_by_the_link_and_the_voucher_is_theirs(database: Database) -> None:
    market, voucher_id = await opened(database)
    secret = await link_of(market)
    made = await claimed(market, secret)
    assert made.registered
    assert (made.voucher_id, made.state, made.registered.email) == (voucher_id, AssignmentState.ACTIVE, ADDRESS)
    (link,), (message,) = await rows(market, INVITATIONS), await rows(market, MESSAGES)
    assert (link.end, link.sealed, message.state) == (InvitationEnd.CLAIMED, None, MessageState.WITHDRAWN)
    assert await theirs(market, made.person_id) == [voucher_id]
    me = Principal(name="Nora", role=Role.INDIVIDUAL, person_id=made.person_id)
    (mine,) = (await ask(database, OWN, me)).data["viewer"]["vouchers"]["nodes"]
    assert (mine["state"], mine["assignment"]) == ("ASSIGNED", {"state": "ACTIVE"})
    async with Refused("CLAIM_NOT_USABLE"):
        await claimed(market, secret)
    await must_add_up(market)


async def test_who_is_registered_gets_it_for_their_account_and_is_not_signed_in_by_it(database: Database) -> None:
    market, voucher_id = await opened(database)
    known = await individual(market, ADDRESS.lower())
    made = await claimed(market, await link_of(market))
    assert (made.person_id, made.registered) == (known.person_id, None)
    assert await theirs(market, made.person_id) == [voucher_id]
    assert await accounts(database) == [ADDRESS.lower()]


async def test_who_is_signed_in_with_the_address_takes_it_and_may_ask_again(database: Database) -> None:
    market, _ = await opened(database)
    secret, known = await link_of(market), await individual(market, ADDRESS.upper())
    first, again = await claimed(market, secret, known), await claimed(market, secret, known)
    assert first == again
    assert first.state is AssignmentState.ACTIVE
    async with Refused("CLAIM_NOT_USABLE"):
        await claimed(market, secret, await individual(market, "another@new.example"))
    events = [row for row in await rows(market, ProgramEvent.__table__) if row.deed.name == "CLAIMED"]
    assert [row.actor for row in events] == [f"person {known.person_id}"]


async def test_who_has_another_address_waits_until_the_organization_approves(database: Database) -> None:
    market, voucher_id = await opened(database)
    other = await individual(market, "nora@home.example")
    made = await claimed(market, await link_of(market), other)
    assert made.state is AssignmentState.AWAITING_APPROVAL
    assert await theirs(market, made.person_id) == []
    assert (await ask(database, OWN, other)).data["viewer"]["vouchers"]["nodes"] == []
    async with Refused("NOT_FOUND"):
        await approved(market, voucher_id, by=other)
    await approved(market, voucher_id)
    assert await theirs(market, made.person_id) == [voucher_id]
    async with Refused("NOT_AWAITING_APPROVAL"):
        await refused(market, voucher_id)


async def test_who_is_refused_has_nothing_of_it_and_the_invited_address_gets_another_link(database: Database) -> None:
    market, voucher_id = await opened(database)
    old, other = await link_of(market), await individual(market, "nora@home.example")
    await claimed(market, old, other)
    await refused(market, voucher_id, at=NOON + DAY)
    (assignment,), messages = await rows(market, ASSIGNMENTS), await rows(market, MESSAGES)
    assert (assignment.state, assignment.person_id) == (AssignmentState.INVITED, None)
    assert [m.state for m in messages] == [MessageState.WITHDRAWN, MessageState.WAITING]
    async with Refused("CLAIM_NOT_USABLE"):
        await claimed(market, old, other)
    made = await claimed(market, await link_of(market))
    assert made.registered
    await must_add_up(market)


async def test_a_claim_that_awaits_approval_can_be_cancelled_and_leaves_nothing_when_the_voucher_expires(
    database: Database,
) -> None:
    market = await shop(database)
    await market.stock(CODE_KEYS, expires_at=NOON + DAY)
    voucher_id = await invited(market)
    other = await individual(market, "nora@home.example")
    await claimed(market, await link_of(market), other)
    await cancelled(market, voucher_id)
    assert await invited(market) == voucher_id
    await claimed(market, await link_of(market), other)
    await kept(market, NOON + DAY)
    assert (await market.voucher(voucher_id)).standing is VoucherStanding.EXPIRED
    assert {row.person_id for row in await rows(market, ASSIGNMENTS)} == {None}
    assert (await ask(database, OWN, other)).data["viewer"]["vouchers"]["nodes"] == []


async def test_every_link_that_cannot_be_used_gets_one_answer(database: Database) -> None:
    market, _ = await opened(database)
    live, other = await link_of(market), await individual(market, "nora@home.example")
    late = NOON + dt.timedelta(days=30)
    said = set()
    odd = [new_secret(market.program_id), new_secret(market.program_id + 1), "cs_", "é", live[:-1] + "!"]
    for secret in odd:
        for who in (None, other):
            async with Refused("CLAIM_NOT_USABLE") as refusal:
                await claimed(market, secret, who)
            said.add(refusal.said)
    async with Refused("CLAIM_NOT_USABLE") as refusal:
        await claimed(market, live, at=late)
    async with Refused("CLAIM_NOT_USABLE"):
        await claimed(market, live, market.client)
    assert said == {refusal.said}
    assert (await rows(market, ASSIGNMENTS))[0].state is AssignmentState.INVITED
    assert await accounts(database) == ["nora@home.example"]


async def test_guessing_is_limited_by_address_and_by_account(database: Database) -> None:
    market, _ = await opened(database)
    guesser = await individual(market, "mallory@home.example")
    outcomes = []
    for _ in range(40):
        with pytest.raises(DomainError) as refusal:
            await claimed(market, new_secret(market.program_id), guesser)
        outcomes.append(refusal.value.code.name)
    assert outcomes[0] == "CLAIM_NOT_USABLE"
    assert outcomes[-1] == "TOO_MANY_ATTEMPTS"
    await claimed(market, await link_of(market))


async def test_looking_at_a_link_changes_nothing_and_older_keys_still_find_it(database: Database) -> None:
    market, _ = await opened(database)
    secret, both = await link_of(market), code_keys("test", "zz-newer")
    async with database.reading() as connection:
        seen = await offer(connection, both, NOON, secret)
        gone = await offer(connection, both, NOON + dt.timedelta(days=30), secret)
    assert seen
    assert (seen.facts.recipient, seen.registered, gone) == (ADDRESS, False, None)
    assert (await rows(market, INVITATIONS))[0].ended_at is None
    async with database.reading() as connection:
        assert await offer(connection, code_keys("another"), NOON, secret) is None


async def test_an_account_is_erased_and_what_it_had_stays_of_somebody_unnamed(database: Database) -> None:
    market, voucher_id = await opened(database)
    made = await claimed(market, await link_of(market))
    await market.stock(CODE_KEYS, 2)
    await invited(market, ADDRESS.upper())
    await invited(market, "somebody@else.example")
    me = Principal(name="Nora Diaz", role=Role.INDIVIDUAL, person_id=made.person_id)
    token = await database.run(lambda session: issue_token(session, NOON, me))
    with pytest.raises(NotAllowed):
        await database.run(lambda session: erase_account(session, market.client, NOON, ADDRESS))
    erased = await database.run(lambda session: erase_account(session, STAFF, NOON, ADDRESS.lower()))
    assert erased == ErasedAccount(accounts=1, assignments=2, messages=2)
    async with database.reading() as connection:
        for table in Base.metadata.sorted_tables:
            everything = str((await connection.execute(select(table))).all()).casefold()
            assert "diaz" not in everything, table.name
        assert await principal_by(connection, NOON, token.secret, TokenUse.API) is None
    assert await theirs(market, made.person_id) == [voucher_id]
    assert [row.ended_at for row in await rows(market, INVITATIONS)].count(None) == 1
    with pytest.raises(NotFound):
        await database.run(lambda session: erase_account(session, STAFF, NOON, ADDRESS))
    told = {(row.email, row.message is None) for row in await rows(market, ASSIGNMENTS)}
    assert told == {("[erased]", True), ("somebody@else.example", False)}
    await must_add_up(market)


async def test_staff_erase_an_account_through_the_api_and_what_a_mail_server_said_of_it_goes_too(
    database: Database,
) -> None:
    market, _ = await opened(database)
    await claimed(market, await link_of(market))
    said = f"550 5.1.1 <{ADDRESS}> is not known here"
    await database.run(lambda session: session.execute(update(MESSAGES).values(failure=said)))
    (erase,) = [one for one in load_operations() if one.name == "AccountErase"]
    named = {"email": f" {ADDRESS.upper()}"}
    told = []
    for who in (market.client, market.program_admin, STAFF, STAFF):
        answer = (await ask(database, erase.query, who, input=named)).data["accountErase"]
        told.append((answer["erased"], [error["code"] for error in answer["userErrors"]]))
    done = {"accounts": 1, "assignments": 1, "messages": 1}
    assert told == [(None, ["NOT_ALLOWED"])] * 2 + [(done, []), (None, ["NOT_FOUND"])]
    async with database.reading() as connection:
        for table in Base.metadata.sorted_tables:
            everything = str((await connection.execute(select(table))).all()).casefold()
            assert ADDRESS.casefold() not in everything, table.name
