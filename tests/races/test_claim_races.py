"""Many at once at one link, on both databases: one has the voucher, and nobody has what was taken back."""

from __future__ import annotations

from models.invitations import InvitationEnd
from models.outbox import MessageKind
from models.program_events import ProgramDeed
from models.vouchers import AssignmentEnd, AssignmentState
from server.database import Database
from tests.builders import NOON
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
    link_of,
    opened,
    refused,
    reminded,
    resent,
    rows,
)
from tests.races.test_voucher_races import CALLERS, at_once, told
from tests.test_claims import accounts, theirs
from tests.test_vouchers import DAY, reissued


async def test_of_two_accounts_that_claim_one_link_exactly_one_has_it(database: Database) -> None:
    """Each asks often. Who has it hears so each time, the other never, until they have tried too often."""
    market, _ = await opened(database)
    secret = await link_of(market)
    two = [await individual(market, address) for address in (ADDRESS, "nora@home.example")]
    outcomes = await at_once(market, lambda n: claimed(market, secret, two[n % 2]))
    assert set(outcomes) <= {"done", "CLAIM_NOT_USABLE", "TOO_MANY_ATTEMPTS"}
    assert 1 <= outcomes["done"] <= CALLERS // 2
    (assignment,) = await rows(market, ASSIGNMENTS)
    expected = AssignmentState.ACTIVE if assignment.person_id == two[0].person_id else AssignmentState.AWAITING_APPROVAL
    assert assignment.state is expected
    assert await told(market, ProgramDeed.CLAIMED) + await told(market, ProgramDeed.CLAIM_AWAITS_APPROVAL) == 1


async def test_of_many_who_follow_one_link_one_registers(database: Database) -> None:
    market, voucher_id = await opened(database)
    secret = await link_of(market)
    outcomes = await at_once(market, lambda _: claimed(market, secret))
    assert outcomes == {"done": 1, "CLAIM_NOT_USABLE": CALLERS - 1}
    assert await accounts(database) == [ADDRESS]
    async with database.reading() as connection:
        person_id = await connection.scalar(ACCOUNTS.select().with_only_columns(ACCOUNTS.c.person_id))
    assert await theirs(market, person_id or 0) == [voucher_id]


async def test_a_voucher_is_claimed_and_then_reissued_or_is_never_claimed(database: Database) -> None:
    market, voucher_id = await opened(database)
    secret = await link_of(market)
    await at_once(market, lambda n: claimed(market, secret) if n % 2 else reissued(market, voucher_id))
    (assignment,), (link,) = await rows(market, ASSIGNMENTS), await rows(market, INVITATIONS)
    assert (assignment.end, (await market.voucher(voucher_id)).assignment_id) == (AssignmentEnd.REISSUED, None)
    was_claimed = await told(market, ProgramDeed.CLAIMED) == 1
    assert link.end is (InvitationEnd.CLAIMED if was_claimed else InvitationEnd.CANCELLED)
    assert (assignment.person_id is not None) == was_claimed


async def test_a_link_is_claimed_or_cancelled_and_never_both(database: Database) -> None:
    market, voucher_id = await opened(database)
    secret = await link_of(market)
    outcomes = await at_once(market, lambda n: claimed(market, secret) if n % 2 else cancelled(market, voucher_id))
    assert outcomes == {
        "done": 1,
        "CLAIM_NOT_USABLE": outcomes["CLAIM_NOT_USABLE"],
        "NOT_INVITED": outcomes["NOT_INVITED"],
    }
    (assignment,) = await rows(market, ASSIGNMENTS)
    held = (await market.voucher(voucher_id)).assignment_id is not None
    assert held == (assignment.state is AssignmentState.ACTIVE) == (await told(market, ProgramDeed.CLAIMED) == 1)


async def test_a_claim_is_approved_or_refused_once_and_of_many_links_one_is_live(database: Database) -> None:
    market, voucher_id = await opened(database)
    await claimed(market, await link_of(market), await individual(market, "nora@home.example"))
    outcomes = await at_once(market, lambda n: approved(market, voucher_id) if n % 2 else refused(market, voucher_id))
    assert outcomes == {"done": 1, "NOT_AWAITING_APPROVAL": CALLERS - 1}
    market, voucher_id = await opened(database)
    assert await at_once(market, lambda _: resent(market, voucher_id)) == {"done": CALLERS}
    assert [row.end for row in await rows(market, INVITATIONS)].count(None) == 1
    later = NOON + DAY
    outcomes = await at_once(market, lambda _: reminded(market, voucher_id, at=later))
    assert outcomes == {"done": 1, "REMINDED_ALREADY": CALLERS - 1}
    assert [m.kind for m in await rows(market, MESSAGES)].count(MessageKind.VOUCHER_REMINDER) == 1
