"""A voucher is sent to an address by a link: what its mail says, and what can be done until it is claimed."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import MetaData, text

from models.addresses import address_of
from models.base import Base
from models.invitations import InvitationEnd
from models.outbox import MessageKind, MessageState
from models.program_events import ProgramEvent
from models.voucher_programs import Transferability
from models.vouchers import AssignmentState
from resolvers.vouchers.inviting import Inviting, invite, invite_once, keep_bounce
from resolvers.vouchers.links import new_secret, program_of_secret
from server.database import Database
from tests.builders import NOON, STAFF
from tests.code_keys import CODE_KEYS
from tests.inviting import (
    ADDRESS,
    ASSIGNMENTS,
    INVITATIONS,
    MESSAGE,
    MESSAGES,
    cancelled,
    claimed,
    facts,
    invited,
    link_of,
    opened,
    reminded,
    resent,
    rows,
)
from tests.test_vouchers import DAY, Refused, kept, must_add_up, redeemed, reissued, revoked
from tests.vouchering import shop

MONTH = dt.timedelta(days=30)


async def test_a_voucher_is_sent_to_an_address_and_is_nobody_elses_until_it_is_claimed(database: Database) -> None:
    market = await shop(database)
    (voucher,) = await market.stock(CODE_KEYS, expires_at=dt.datetime(2026, 7, 1, 5, tzinfo=dt.UTC))
    assert await invited(market) == voucher.id
    ((assignment,), (link,), (message,)) = [await rows(market, of) for of in (ASSIGNMENTS, INVITATIONS, MESSAGES)]
    assert (assignment.state, assignment.email) == (AssignmentState.INVITED, ADDRESS)
    assert (message.kind, message.recipient, message.voucher_invitation_id) == (
        MessageKind.VOUCHER_INVITATION,
        ADDRESS,
        link.id,
    )
    said = await facts(market, link.id)
    assert said
    assert (said.recipient, said.message, said.value.amount_minor) == (ADDRESS, MESSAGE, 12_500)
    assert (said.usable_through, said.link_until) == (dt.date(2026, 6, 30), NOON + MONTH)
    assert said.secret not in repr(said)
    async with Refused("CODE_NOT_USABLE"):
        await redeemed(market, voucher.code)
    async with Refused("ALREADY_ASSIGNED"):
        await invited(market, voucher_id=voucher.id)
    async with Refused("OUT_OF_STOCK"):
        await invited(market)
    await must_add_up(market)


async def test_what_is_sent_twice_with_one_key_is_sent_once(database: Database) -> None:
    market = await shop(database)
    await market.stock(CODE_KEYS, 2)
    asked = Inviting(address=ADDRESS, voucher_program_id=market.voucher_program_id)
    first, second = [await market.act(lambda act: invite_once(act, CODE_KEYS, "k-1", asked)) for _ in "ab"]
    assert first == second
    assert len(await rows(market, MESSAGES)) == 1


async def test_no_table_has_the_link_in_the_clear(database: Database) -> None:
    market, voucher_id = await opened(database)
    secret = await link_of(market)
    await resent(market, voucher_id)
    await claimed(market, await link_of(market))
    metadata: MetaData = Base.metadata
    async with database.reading() as connection:
        for table in metadata.sorted_tables:
            everything = (await connection.execute(text(f'SELECT * FROM "{table.name}"'))).all()
            assert secret.removeprefix("cs_") not in str(everything), table.name


async def test_a_link_is_valid_for_thirty_days_and_never_longer_than_the_voucher(database: Database) -> None:
    market = await shop(database)
    await market.stock(CODE_KEYS, expires_at=NOON + 3 * DAY)
    voucher_id = await invited(market)
    (link,) = await rows(market, INVITATIONS)
    assert link.expires_at == NOON + 3 * DAY
    await kept(market, NOON + 3 * DAY)
    ((assignment,), (link,), (message,)) = [await rows(market, of) for of in (ASSIGNMENTS, INVITATIONS, MESSAGES)]
    assert (assignment.state, link.end, link.sealed) == (AssignmentState.ENDED, InvitationEnd.EXPIRED, None)
    assert message.state is MessageState.WITHDRAWN
    async with Refused("NOT_LIVE"):
        await resent(market, voucher_id, at=NOON + 3 * DAY)


async def test_another_link_kills_the_one_before_and_may_go_to_a_corrected_address(database: Database) -> None:
    market, voucher_id = await opened(database)
    old = await link_of(market)
    await resent(market, voucher_id, "nora@corrected.example", at=NOON + DAY)
    first, second = await rows(market, INVITATIONS)
    assert (first.end, first.sealed, second.expires_at) == (InvitationEnd.RESENT, None, NOON + DAY + MONTH)
    assert [m.state for m in await rows(market, MESSAGES)] == [MessageState.WITHDRAWN, MessageState.WAITING]
    assert (await facts(market, second.id)).recipient == "nora@corrected.example"  # type: ignore[union-attr]
    assert await facts(market, first.id) is None
    async with Refused("CLAIM_NOT_USABLE"):
        await claimed(market, old)
    async with Refused("BAD_EMAIL"):
        await resent(market, voucher_id, "nora at home")
    await claimed(market, await link_of(market), at=NOON + 2 * DAY)
    async with Refused("NOT_INVITED"):
        await resent(market, voucher_id)


async def test_they_are_reminded_of_the_same_link_at_most_once_a_day_also_across_links(database: Database) -> None:
    market, voucher_id = await opened(database)
    secret = await link_of(market)
    await reminded(market, voucher_id, at=NOON + DAY)
    assert await link_of(market) == secret
    async with Refused("REMINDED_ALREADY") as refusal:
        await reminded(market, voucher_id, at=NOON + 2 * DAY - dt.timedelta(microseconds=1))
    assert refusal.said.endswith(f"{NOON + 2 * DAY:%Y-%m-%d %H:%M} UTC on.")
    await resent(market, voucher_id, at=NOON + DAY)
    async with Refused("REMINDED_ALREADY"):
        await reminded(market, voucher_id, at=NOON + DAY)
    await reminded(market, voucher_id, at=NOON + 2 * DAY)
    assert (await rows(market, INVITATIONS))[-1].reminders == 2
    assert [m.kind for m in await rows(market, MESSAGES)].count(MessageKind.VOUCHER_REMINDER) == 2


async def test_what_is_cancelled_is_free_again_and_its_link_dead(database: Database) -> None:
    market, voucher_id = await opened(database)
    secret = await link_of(market)
    await cancelled(market, voucher_id)
    (link,), (message,) = await rows(market, INVITATIONS), await rows(market, MESSAGES)
    assert (link.end, link.sealed, message.state) == (InvitationEnd.CANCELLED, None, MessageState.WITHDRAWN)
    async with Refused("CLAIM_NOT_USABLE"):
        await claimed(market, secret)
    assert await invited(market, "somebody@else.example") == voucher_id
    await must_add_up(market)
    await claimed(market, await link_of(market))
    async with Refused("NOT_INVITED"):
        await cancelled(market, voucher_id)


@pytest.mark.parametrize("deed", [reissued, revoked])
async def test_a_voucher_that_gets_another_code_or_is_revoked_has_no_live_link(
    database: Database, deed: object
) -> None:
    market, voucher_id = await opened(database)
    secret = await link_of(market)
    await deed(market, voucher_id)  # type: ignore[operator]
    (link,), (message,) = await rows(market, INVITATIONS), await rows(market, MESSAGES)
    assert (link.end, link.sealed, message.state) == (InvitationEnd.CANCELLED, None, MessageState.WITHDRAWN)
    async with Refused("CLAIM_NOT_USABLE"):
        await claimed(market, secret)


async def test_a_link_that_nobody_followed_or_that_bounced_is_shown_so_and_can_be_sent_again(
    database: Database,
) -> None:
    market, voucher_id = await opened(database)
    assert await kept(market, NOON + MONTH - dt.timedelta(microseconds=1)) == 0
    assert await kept(market, NOON + MONTH) == 1
    (link,) = await rows(market, INVITATIONS)
    assert (link.end, link.sealed) == (InvitationEnd.EXPIRED, None)
    async with Refused("LINK_DEAD"):
        await reminded(market, voucher_id, at=NOON + MONTH)
    await resent(market, voucher_id, at=NOON + MONTH)
    (_, link) = await rows(market, INVITATIONS)
    assert await market.act(lambda act: keep_bounce(act, link.id), by=STAFF)
    assert not await market.act(lambda act: keep_bounce(act, link.id), by=STAFF)
    (assignment,), (_, link) = await rows(market, ASSIGNMENTS), await rows(market, INVITATIONS)
    assert (assignment.state, link.end) == (AssignmentState.INVITED, InvitationEnd.BOUNCED)
    await resent(market, voucher_id, "right@new.example")
    await claimed(market, await link_of(market))
    events = [row.deed.name for row in await rows(market, ProgramEvent.__table__)]
    assert sorted(events[-6:]) == sorted(["INVITED", "LINK_EXPIRED", "INVITED", "BOUNCED", "INVITED", "CLAIMED"])


async def test_terms_that_tie_a_voucher_to_its_first_assignee_hold_for_addresses(database: Database) -> None:
    market, voucher_id = await opened(database, transferability=Transferability.FIRST_ASSIGNEE)
    await cancelled(market, voucher_id)
    async with Refused("FIRST_ASSIGNEE_ONLY"):
        await invited(market, "somebody@else.example", voucher_id)
    assert await invited(market, ADDRESS.lower(), voucher_id) == voucher_id
    async with Refused("FIRST_ASSIGNEE_ONLY"):
        await resent(market, voucher_id, "somebody@else.example")


async def test_a_stranger_learns_nothing_and_what_is_no_letter_is_refused(database: Database) -> None:
    market, voucher_id = await opened(database)
    other = await shop(database)
    for deed in (resent, reminded, cancelled):
        async with Refused("NOT_FOUND"):
            await deed(market, voucher_id, by=other.client)
    for wrong, code in (("a" * 2_001, "BAD_MESSAGE"), ("a\x1b[1mb", "BAD_MESSAGE"), (" ", "BAD_MESSAGE")):
        asked = Inviting(address=ADDRESS, message=wrong, voucher_program_id=market.voucher_program_id)
        async with Refused(code):
            await market.act(lambda act, asked=asked: invite(act, CODE_KEYS, asked))


def test_what_is_an_address() -> None:
    right = {
        "a@b.example": "a@b.example",
        " Nora@New.Example ": "Nora@new.example",
        "n@bücher.example": "n@xn--bcher-kva.example",
    }
    wrong = [
        "",
        "a",
        "a@",
        "@b.c",
        "a@b",
        "a b@c.de",
        "a@b..c",
        "a@-b.de",
        "a@b.de\r\nBcc: x@y.z",
        "a@1.2.3.4",
        "é@b.de",
    ]
    wrong += [
        "a" * 65 + "@b.de",
        ".a@b.de",
        "a..b@c.de",
        "a@" + "b" * 64 + ".de",
        '"a b"@c.de',
        "a@" + "b." * 130 + "de",
    ]
    assert {typed: address_of(typed) for typed in right} == right
    assert [typed for typed in wrong if address_of(typed) is not None] == []


def test_a_link_says_its_program_and_nothing_else_can_be_taken_for_one() -> None:
    secret = new_secret(1 << 62)
    assert program_of_secret(secret) == 1 << 62
    assert new_secret(1 << 62) != secret
    assert [program_of_secret(odd) for odd in (secret[3:], secret[:-1], secret + "AAAA", "cs_é", "cs_", "")] == [
        None
    ] * 6
