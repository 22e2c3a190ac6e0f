"""What must hold of vouchers and their money does; where it is broken behind the back of the database, one sees it."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from models.voucher_programs import VoucherFunding
from resolvers.loaders.learners import LearnerKey
from resolvers.vouchers.assigning import Assigning, assign
from resolvers.vouchers.inviting import Inviting, invite
from resolvers.vouchers.redeeming import Redeeming, redeem
from server.database import Database
from tests.builders import MINUTE
from tests.code_keys import CODE_KEYS
from tests.test_invariants import offended
from tests.vouchering import FEE_MINOR, Shop, shop


async def in_use(database: Database) -> Shop:
    """With a row of every kind that an invariant reads: assigned, sent by a link, redeemed, and on account."""
    own = await shop(database)
    learner = LearnerKey(own.tenant.id, await own.tenant.learner("2017-08-01.."))
    await own.agreement(10 * FEE_MINOR)
    used, kept = await own.stock(CODE_KEYS, 2, face_minor=2 * FEE_MINOR)
    (sent_to_her,) = await own.stock(CODE_KEYS)
    sent = Inviting(address="nora@new.example", voucher_id=sent_to_her.id)
    await own.act(lambda act: invite(act, CODE_KEYS, sent))
    (later,) = await own.stock(CODE_KEYS, funding=VoucherFunding.BILL_LATER)
    for voucher in (used, kept):
        asked = Assigning(learner=learner, voucher_id=voucher.id)
        await own.act(lambda act, asked=asked: assign(act, asked))
    own.now += MINUTE
    for voucher, who in ((used, learner), (later, None)):
        paid = Redeeming(product_id=own.fee_id, reference="R", code=voucher.code, learner=who)
        await own.act(lambda act, paid=paid: redeem(act, CODE_KEYS, paid), by=own.program_admin)
    return own


HARM = {
    "ledger-accounts": "UPDATE ledger_entry SET credit = 'BREAKAGE' WHERE event = 'REDEEMED_ON_ACCOUNT'",
    "ledger-reversals": "INSERT INTO ledger_entry (program_id, id, recorded_at, event, debit, credit, amount_minor,"
    " currency, reverses_id) SELECT program_id, id + 1000000, recorded_at, 'REVERSAL', credit, debit,"
    " amount_minor + 1, currency, id FROM ledger_entry WHERE event = 'PURCHASE_PAID'",
    "voucher-liability": "UPDATE ledger_entry SET amount_minor = amount_minor - 1 WHERE event = 'PURCHASE_PAID'",
    "voucher-remaining": "UPDATE voucher SET remaining_minor = remaining_minor - 1 WHERE standing = 'LIVE'",
    "voucher-captured": "UPDATE voucher SET captured_minor = captured_minor + 1, reversed_minor = reversed_minor + 1",
    "voucher-codes": "UPDATE voucher_code SET ended_at = made_at, \"end\" = 'REISSUED'",
    "voucher-assignments": "UPDATE voucher SET assignment_id = NULL",
    "voucher-links": "UPDATE voucher_assignment SET state = 'AWAITING_APPROVAL' WHERE state = 'INVITED'",
    "order-paid": "UPDATE voucher_order SET paid_minor = paid_minor - 1 WHERE state = 'SETTLED'",
    "order-issued": "UPDATE voucher_order SET quantity = quantity + 1",
    "fee-paid": "UPDATE redemption SET amount_minor = amount_minor - 1",
    "redeemed-by": "UPDATE redemption SET assignment_id = NULL",
    "redeemed-for": "UPDATE voucher_program_product SET product_id = 1",
    "unbilled": "UPDATE billing_agreement SET unbilled_minor = unbilled_minor - 1",
}
REFUSED = {
    "voucher-remaining": HARM["voucher-remaining"],
    "order-paid": HARM["order-paid"],
    "fee order": "UPDATE fee_order SET by_card_minor = by_card_minor + 1",
    "two codes": "INSERT INTO voucher_code (program_id, id, voucher_id, code_key, digest, sealed, made_at)"
    " SELECT program_id, id + 1000000, voucher_id, code_key, 'another', sealed, made_at FROM voucher_code"
    " WHERE ended_at IS NULL",
}


@pytest.mark.parametrize("name", HARM)
async def test_what_does_not_hold_is_noticed(sqlite_database: Database, name: str) -> None:
    """Done behind the back of the database, whose own triggers and constraints would refuse it."""
    await in_use(sqlite_database)
    assert await offended(sqlite_database) == set()

    async def harm(session: AsyncSession) -> None:
        triggers = await session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        for trigger in triggers.scalars().all():
            await session.execute(text(f"DROP TRIGGER {trigger}"))
        await session.execute(text("PRAGMA ignore_check_constraints = ON"))
        await session.execute(text(HARM[name]))
        await session.execute(text("PRAGMA ignore_check_constraints = OFF"))

    await sqlite_database.run(harm)
    assert name in await offended(sqlite_database)


async def test_what_the_database_can_refuse_it_refuses(database: Database) -> None:
    await in_use(database)
    assert await offended(database) == set()
    for harm in REFUSED.values():

        async def step(session: AsyncSession, harm: str = harm) -> None:
            await session.execute(text(harm))

        with pytest.raises(DBAPIError):
            await database.run(step)
