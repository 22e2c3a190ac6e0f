"""What becomes of a voucher after it was bought: assigned, redeemed, reissued, revoked, extended, expired."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select, text

from models.errors import DomainError, VoucherErrorCode
from models.interval import UTC
from models.ledger import LedgerEntry
from models.money import Money
from models.program_events import ProgramDeed, ProgramEvent
from models.redemptions import FeeOrder
from models.voucher_programs import Leftovers, Transferability, VoucherFunding
from models.vouchers import VoucherStanding
from resolvers.invariants import findings
from resolvers.loaders.learners import LearnerKey
from resolvers.programs.acting import ProgramAct
from resolvers.vouchers.assigning import Assigning, assign
from resolvers.vouchers.codes import NewCode
from resolvers.vouchers.extending import extend
from resolvers.vouchers.keeping import keep_vouchers
from resolvers.vouchers.redeeming import Redeeming, redeem
from resolvers.vouchers.reissuing import reissue
from resolvers.vouchers.revoking import revoke
from server.database import Database
from server.worker import Worker
from tests.builders import NOON, STAFF, Tenant, organization
from tests.code_keys import CODE_KEYS
from tests.vouchering import FEE_MINOR, Shop, shop

DAY = dt.timedelta(days=1)
BILL_LATER = VoucherFunding.BILL_LATER
ACTIVE = "2017-08-01.."


async def learner(tenant: Tenant, active: str = ACTIVE) -> LearnerKey:
    return LearnerKey(tenant.id, await tenant.learner(active))


async def assigned(market: Shop, voucher_id: int | None, to: LearnerKey, purpose: str | None = None, **how: Any) -> int:
    stock = market.voucher_program_id if voucher_id is None else None
    asked = Assigning(learner=to, voucher_id=voucher_id, voucher_program_id=stock, purpose=purpose)
    made: int = await market.act(lambda act: assign(act, asked), **how)
    return made


async def reissued(market: Shop, voucher_id: int, **how: Any) -> NewCode:
    new: NewCode = await market.act(lambda act: reissue(act, CODE_KEYS, voucher_id, "she left"), **how)
    return new


async def revoked(market: Shop, voucher_id: int, **how: Any) -> None:
    await market.act(lambda act: revoke(act, voucher_id, "bought by mistake"), **how)


async def redeemed(market: Shop, code: str | int, *, at: dt.datetime | None = None, **more: Any) -> int:
    by: dict[str, Any] = {"code": code} if isinstance(code, str) else {"voucher_id": code}
    asked = Redeeming(**{"product_id": market.fee_id, "reference": "APP-1", **by, **more})
    made: int = await market.act(lambda act: redeem(act, CODE_KEYS, asked), by=market.program_admin, at=at)
    return made


async def kept(market: Shop, at: dt.datetime) -> int:
    return await keep_vouchers(market.database.reading, market.database.run, STAFF, at)


class Refused:
    """Refuses what is awaited under it, with that code; keeps what was said."""

    def __init__(self, code: str) -> None:
        self._raises, self._code, self.said = pytest.raises(DomainError), code, ""

    async def __aenter__(self) -> Refused:
        self._caught = self._raises.__enter__()
        return self

    async def __aexit__(self, *problem: Any) -> bool:
        swallowed = self._raises.__exit__(*problem)
        assert self._caught.value.code.name == self._code
        self.said = self._caught.value.message
        return bool(swallowed)


async def ledger(market: Shop) -> dict[str, int]:
    """How much each event moved."""
    table = LedgerEntry.__table__
    async with market.database.reading() as connection:
        rows = await connection.execute(select(table).where(table.c.program_id == market.program_id))
        moved: dict[str, int] = {}
        for row in rows:
            moved[row.event.name] = moved.get(row.event.name, 0) + row.amount_minor
        return moved


async def deeds(market: Shop, voucher_id: int) -> set[ProgramDeed]:
    table = ProgramEvent.__table__
    async with market.database.reading() as connection:
        of_it = select(table.c.deed).where(table.c.program_id == market.program_id, table.c.thing_id == voucher_id)
        found = list((await connection.execute(of_it)).scalars())
    assert len(set(found)) == len(found)
    return set(found)


async def must_add_up(market: Shop) -> None:
    """Of vouchers, their codes, assignments, redemptions and the ledger all holds that must."""
    async with market.database.reading() as connection:
        assert [found for found in await findings(connection) if not found.holds] == []


# ------------------------------------------------------------------------------------------------- assigning


async def test_a_voucher_is_assigned_once_and_to_a_learner_of_its_owner(database: Database) -> None:
    market = await shop(database)
    ana, ben = await learner(market.tenant), await learner(market.tenant)
    stranger = await learner(await organization(database))
    (voucher,) = await market.stock(CODE_KEYS)
    async with Refused("NOT_ENTITLED"):
        await assigned(market, voucher.id, stranger)
    async with Refused("NOT_ENTITLED"):
        await assigned(market, voucher.id, LearnerKey(market.tenant.id, 7))
    async with Refused("BAD_PURPOSE"):
        await assigned(market, voucher.id, ana, "  ")
    assert await assigned(market, voucher.id, ana, "renewal") == voucher.id
    async with Refused("ALREADY_ASSIGNED"):
        await assigned(market, voucher.id, ben)
    assert (await market.voucher(voucher.id)).purpose == "renewal"
    assert await deeds(market, voucher.id) == {ProgramDeed.ASSIGNED}
    await must_add_up(market)


async def test_only_its_owner_assigns_a_voucher_and_others_do_not_learn_of_it(database: Database) -> None:
    market, other = await shop(database), await shop(database)
    ana, theirs = await learner(market.tenant), await learner(other.tenant)
    (voucher,) = await market.stock(CODE_KEYS)
    async with Refused("NOT_ALLOWED"):
        await assigned(market, voucher.id, ana, by=market.program_admin)
    async with Refused("NOT_FOUND"):
        await assigned(market, voucher.id, theirs, by=other.client)
    async with Refused("NOT_FOUND"):
        await assigned(market, None, ana, by=other.client)
    async with Refused("NOT_FOUND"):
        await reissued(market, voucher.id, by=other.client)
    async with Refused("NOT_FOUND"):
        await revoked(market, voucher.id, by=other.client)
    await assigned(market, voucher.id, ana, by=STAFF)


async def test_stock_gives_what_expires_soonest_until_there_is_none(database: Database) -> None:
    market = await shop(database)
    ana = await learner(market.tenant)
    (later,) = await market.stock(CODE_KEYS, expires_at=NOON + 9 * DAY)
    (sooner,) = await market.stock(CODE_KEYS, expires_at=NOON + 2 * DAY)
    await market.stock(CODE_KEYS, expires_at=NOON)
    assert [await assigned(market, None, ana), await assigned(market, None, ana)] == [sooner.id, later.id]
    async with Refused("OUT_OF_STOCK"):
        await assigned(market, None, ana)


async def test_a_voucher_of_its_first_assignee_is_reissued_to_nobody_else(database: Database) -> None:
    market = await shop(database, transferability=Transferability.FIRST_ASSIGNEE)
    ana, ben = await learner(market.tenant), await learner(market.tenant)
    (voucher,) = await market.stock(CODE_KEYS)
    await assigned(market, voucher.id, ana)
    await reissued(market, voucher.id)
    async with Refused("FIRST_ASSIGNEE_ONLY"):
        await assigned(market, voucher.id, ben)
    async with Refused("OUT_OF_STOCK"):
        await assigned(market, None, ben)
    assert await assigned(market, None, ana) == voucher.id


# ------------------------------------------------------------------------------------------------- redeeming


async def test_a_code_that_cannot_be_used_is_refused_in_one_way_for_any_reason(database: Database) -> None:
    market, other = await shop(database), await shop(database)
    ana, ben = await learner(market.tenant), await learner(market.tenant)
    spent, old, dead, hers, foreign = (*await market.stock(CODE_KEYS, 4), *await other.stock(CODE_KEYS))
    (late,) = await market.stock(CODE_KEYS, expires_at=NOON)
    await redeemed(market, spent.code)
    await reissued(market, old.id)
    await revoked(market, dead.id)
    await assigned(market, hers.id, ana)
    said = set()
    for code in (spent.code, old.code, dead.code, hers.code, foreign.code, late.code, "no such code", ""):
        async with Refused("CODE_NOT_USABLE") as refused:
            await redeemed(market, code)
        said.add(refused.said)
    async with Refused("CODE_NOT_USABLE") as refused:
        await redeemed(market, hers.code, learner=ben)
    assert said | {refused.said} == {VoucherErrorCode.CODE_NOT_USABLE.value}
    await redeemed(market, hers.code, learner=ana)
    await must_add_up(market)


async def test_a_voucher_that_only_its_assignee_may_use_is_used_by_nobody_before(database: Database) -> None:
    market = await shop(database, transferability=Transferability.ASSIGNED_ONLY)
    ana = await learner(market.tenant)
    (voucher,) = await market.stock(CODE_KEYS)
    async with Refused("CODE_NOT_USABLE"):
        await redeemed(market, voucher.code, learner=ana)
    await assigned(market, voucher.id, ana)
    await redeemed(market, voucher.code, learner=ana)


async def test_what_does_not_fit_is_refused_with_figures_and_nothing_is_redeemed(database: Database) -> None:
    market = await shop(database)
    voucher, small = (*await market.stock(CODE_KEYS), *await market.stock(CODE_KEYS, face_minor=100))
    async with Refused("VOUCHER_DOES_NOT_FIT") as refused:
        await redeemed(market, voucher.code, product_id=market.late_fee_id)
    assert "Late fee is excluded" in refused.said
    async with Refused("VOUCHER_DOES_NOT_FIT") as refused:
        await redeemed(market, small.code)
    assert "USD 125.00 is due, and USD 1.00" in refused.said
    async with Refused("VOUCHER_EXCEEDS_DUE") as refused:
        await redeemed(market, voucher.code, amount=Money(FEE_MINOR + 1, "USD"))
    assert "USD 125.00 is due, and USD 125.01" in refused.said
    async with Refused("AMOUNT_MUST_EQUAL_TOTAL"):
        await redeemed(market, voucher.code, amount=Money(FEE_MINOR - 1, "USD"))
    async with Refused("VOUCHER_DOES_NOT_FIT"):
        await redeemed(market, voucher.code, amount=Money(FEE_MINOR, "EUR"))
    async with Refused("NOT_ALLOWED"):
        asked = Redeeming(product_id=market.fee_id, reference="1", code=voucher.code)
        await market.act(lambda act: redeem(act, CODE_KEYS, asked))
    assert await ledger(market) == {"PURCHASE_PAID": FEE_MINOR + 100}
    await redeemed(market, voucher.code, amount=Money(FEE_MINOR, "USD"))
    await must_add_up(market)


async def test_leftovers_stay_on_the_voucher_or_go_to_breakage(database: Database) -> None:
    keeps, forfeits = await shop(database), await shop(database, leftovers=Leftovers.FORFEIT)
    for market, left, standing in (
        (keeps, 20_000 - FEE_MINOR, VoucherStanding.LIVE),
        (forfeits, 0, VoucherStanding.SPENT),
    ):
        (voucher,) = await market.stock(CODE_KEYS, face_minor=20_000)
        await redeemed(market, voucher.code)
        row = await market.voucher(voucher.id)
        assert (row.remaining_minor, row.standing) == (left, standing)
        assert (await ledger(market)).get("VALUE_FORFEITED", 0) == row.forfeited_minor == 20_000 - FEE_MINOR - left
        await must_add_up(market)


async def test_what_is_billed_later_is_owed_and_never_more_than_the_cap(database: Database) -> None:
    market = await shop(database)
    first, second = await market.stock(CODE_KEYS, 2, funding=BILL_LATER)
    async with Refused("NO_AGREEMENT"):
        await redeemed(market, first.code)
    await market.agreement(2 * FEE_MINOR - 1)
    await redeemed(market, first.code)
    async with Refused("OVER_CAP") as refused:
        await redeemed(market, second.code)
    assert "USD 125.00 of a cap of USD 249.99" in refused.said
    assert await ledger(market) == {"REDEEMED_ON_ACCOUNT": FEE_MINOR}
    assert (await market.voucher(second.id)).standing is VoucherStanding.LIVE
    await must_add_up(market)


async def test_a_fee_order_says_who_paid_what_and_the_story_says_what_is_left(database: Database) -> None:
    market = await shop(database)
    ana = await learner(market.tenant)
    (voucher,) = await market.stock(CODE_KEYS)
    await assigned(market, voucher.id, ana)
    await redeemed(market, voucher.id, learner=ana, reference=" APP-77 ")
    async with database.reading() as connection:
        order = (await connection.execute(select(FeeOrder.__table__))).one()
    assert (order.reference, order.total_minor, order.by_vouchers_minor) == ("APP-77", FEE_MINOR, FEE_MINOR)
    assert await deeds(market, voucher.id) == {ProgramDeed.ASSIGNED, ProgramDeed.REDEEMED}
    async with Refused("NOT_LIVE"):
        await redeemed(market, voucher.id, learner=ana)


# ------------------------------------------------------------------------------- reissue, revocation, extension


async def test_a_reissue_keeps_the_remaining_value_and_kills_the_old_code(database: Database) -> None:
    market = await shop(database)
    ana = await learner(market.tenant)
    (voucher,) = await market.stock(CODE_KEYS, face_minor=30_000)
    await redeemed(market, voucher.code)
    await assigned(market, voucher.id, ana)
    async with Refused("REASON_REQUIRED"):
        await market.act(lambda act: reissue(act, CODE_KEYS, voucher.id, " "))
    new = await reissued(market, voucher.id)
    row = await market.voucher(voucher.id)
    assert (row.remaining_minor, row.assignment_id, row.last_four) == (30_000 - FEE_MINOR, None, new.last_four)
    async with Refused("CODE_NOT_USABLE"):
        await redeemed(market, voucher.code)
    await redeemed(market, new.code)
    await must_add_up(market)


async def test_what_was_revoked_keeps_its_value_and_a_reissue_revives_it(database: Database) -> None:
    market = await shop(database)
    (voucher,) = await market.stock(CODE_KEYS)
    await revoked(market, voucher.id)
    async with Refused("NOT_LIVE"):
        await revoked(market, voucher.id)
    assert (await market.voucher(voucher.id)).remaining_minor == FEE_MINOR
    await must_add_up(market)
    new = await reissued(market, voucher.id)
    await redeemed(market, new.code)
    async with Refused("NOT_LIVE"):
        await reissued(market, voucher.id)
    assert await deeds(market, voucher.id) == {ProgramDeed.REVOKED, ProgramDeed.REISSUED, ProgramDeed.REDEEMED}


async def test_what_a_cart_holds_is_neither_reissued_nor_revoked_nor_assigned(database: Database) -> None:
    market = await shop(database)
    ana = await learner(market.tenant)
    (voucher,) = await market.stock(CODE_KEYS)

    async def hold(act: ProgramAct) -> None:
        await act.session.execute(text("UPDATE voucher SET held_minor = 1"))

    await market.act(hold)
    for deed in (reissued(market, voucher.id), revoked(market, voucher.id), assigned(market, voucher.id, ana)):
        async with Refused("IN_USE"):
            await deed


async def test_a_program_extends_to_a_later_day_of_its_own_and_never_to_an_earlier(database: Database) -> None:
    market = await shop(database)
    (voucher,) = await market.stock(CODE_KEYS, expires_at=NOON + DAY)

    async def through(day: dt.date, **how: Any) -> None:
        await market.act(lambda act: extend(act, voucher.id, day), **{"by": market.program_admin, **how})

    async with Refused("NOT_ALLOWED"):
        await through(dt.date(2026, 2, 1), by=market.client)
    for day in (NOON.date(), dt.date(2300, 1, 1)):
        async with Refused("DATE_OUT_OF_RANGE"):
            await through(day)
    await through(dt.date(2026, 2, 1))
    # The day ends in Chicago.
    assert (await market.voucher(voucher.id)).expires_at == dt.datetime(2026, 2, 2, 6, tzinfo=UTC)
    async with Refused("NOT_LIVE"):
        await through(dt.date(2026, 3, 1), at=dt.datetime(2026, 2, 2, 6, tzinfo=UTC))


# ------------------------------------------------------------------------------------ what the worker looks after


async def test_what_is_left_at_expiry_goes_to_breakage_once_and_only_if_it_was_paid_for(database: Database) -> None:
    market = await shop(database)
    paid, dead = await market.stock(CODE_KEYS, 2, expires_at=NOON + DAY)
    (later,) = await market.stock(CODE_KEYS, funding=BILL_LATER, expires_at=NOON + DAY)
    (lasting,) = await market.stock(CODE_KEYS)
    await revoked(market, dead.id)
    assert await kept(market, NOON + DAY - dt.timedelta(microseconds=1)) == 0
    assert [await kept(market, NOON + DAY) for _ in range(2)] == [3, 0]
    rows = [await market.voucher(one.id) for one in (paid, dead, later, lasting)]
    expired = VoucherStanding.EXPIRED
    assert [row.standing for row in rows] == [expired, expired, expired, VoucherStanding.LIVE]
    assert (await ledger(market))["VALUE_EXPIRED"] == 2 * FEE_MINOR
    assert await deeds(market, later.id) == {ProgramDeed.EXPIRED}
    await must_add_up(market)


async def test_vouchers_of_people_who_left_are_flagged_until_they_return(database: Database) -> None:
    market = await shop(database)
    tenant = market.tenant
    stays, left, starts = [
        await learner(tenant, active) for active in (ACTIVE, "2017-08-01..2025-12-30", "2026-03-01..")
    ]
    vouchers = await market.stock(CODE_KEYS, 3)
    for voucher, whose in zip(vouchers, (stays, left, starts), strict=True):
        await assigned(market, voucher.id, whose)
    assert [await kept(market, NOON) for _ in range(2)] == [1, 0]
    flags = [(await market.voucher(voucher.id)).flagged_at for voucher in vouchers]
    assert flags == [None, NOON, None]
    assert (await market.voucher(vouchers[1].id)).standing is VoucherStanding.LIVE
    assert ProgramDeed.FLAGGED in await deeds(market, vouchers[1].id)
    await tenant.activated("learner-2", "2025-12-31..")
    await kept(market, NOON)
    assert (await market.voucher(vouchers[1].id)).flagged_at is None


async def test_the_worker_looks_after_vouchers_also_if_it_has_no_task(sqlite_database: Database) -> None:
    market = await shop(sqlite_database)
    (voucher,) = await market.stock(CODE_KEYS, expires_at=NOON + DAY)
    await Worker(sqlite_database, None, lambda: NOON + DAY).work_off()
    assert (await market.voucher(voucher.id)).standing is VoucherStanding.EXPIRED
