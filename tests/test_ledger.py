"""The ledger: whatever is posted balances, and what is owed is known as of any moment."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from models.ids import encode_id
from models.interval import DAY, FOREVER
from models.ledger import SIDES, LedgerAccount, LedgerEntry, LedgerEvent
from models.money import Money
from resolvers.ledger.posting import Posting, post
from resolvers.ledger.reporting import liabilities, trial_balance
from resolvers.loaders.learners import LearnerKey
from resolvers.programs.acting import ProgramAct
from resolvers.vouchers.redeeming import Redeeming, redeem
from server.database import Database
from tests.asking import NOW, ask
from tests.builders import MINUTE, NOON, organization
from tests.code_keys import CODE_KEYS
from tests.vouchering import FEE_MINOR, Shop, shop

# What an order does once is told by its order; none is named here, so anything may come any number of times.
POSTINGS = st.lists(
    st.tuples(
        st.sampled_from(sorted(SIDES, key=lambda event: event.name)),
        st.integers(0, 10**9),
        st.sampled_from(["USD", "JPY"]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
)
Posted = list[tuple[LedgerEvent, int, str, bool, bool]]


async def posted(own: Shop, organizations: list[int], tale: Posted) -> list[dict[str, Any]]:
    """Each a minute after the one before; some are reversed at once. What was written, in plain rows."""
    written: list[dict[str, Any]] = []
    for number, (event, minor, currency, first, is_reversed) in enumerate(tale):
        own.now, owner = NOON + number * MINUTE, organizations[0 if first else 1]
        posting = Posting(event=event, amount=Money(minor, currency), organization_id=owner)
        await own.act(lambda act, posting=posting: post(act, posting))
        about = {"at": own.now, "minor": minor, "currency": currency, "owner": owner}
        written.append({**about, "sides": SIDES[event]})
        if is_reversed and minor:
            await own.act(lambda act, posting=posting: reverse(act, posting))
            written.append({**about, "sides": SIDES[event].opposite})
    return written


async def reverse(act: ProgramAct, posting: Posting) -> None:
    """Posts once more, and takes that back; so that the entry that is reversed is known."""
    key, sides = act.keys.take(), SIDES[posting.event]
    row = {"program_id": act.program_id, "id": key, "recorded_at": act.now - DAY * 400, "event": posting.event}
    row |= {"debit": sides.debit, "credit": sides.credit, "amount_minor": posting.amount.amount_minor}
    row |= {"currency": "XTS", "organization_id": None}
    await act.session.execute(insert(LedgerEntry.__table__), row)
    undone = LedgerEvent.REVERSAL
    again = Posting(
        event=undone,
        amount=posting.amount,
        organization_id=posting.organization_id,
        reverses_id=key,
        reversed_sides=sides,
    )
    await post(act, again)


@given(tale=POSTINGS, minutes=st.integers(0, 13))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_whatever_is_posted_balances_as_of_any_moment(database: Database, tale: Posted, minutes: int) -> None:
    own = await shop(database)
    owners = [own.tenant.id, (await organization(database)).id]
    written = await posted(own, owners, tale)
    for before in (NOON + minutes * MINUTE, FOREVER):
        async with database.reading() as connection:
            balances = await trial_balance(connection, own.program_id, before)
            owed = await liabilities(connection, own.program_id, before)
        for currency in {balance.currency for balance in balances}:
            of_it = [balance for balance in balances if balance.currency == currency]
            assert sum(b.debits_minor for b in of_it) == sum(b.credits_minor for b in of_it)
        expected = folded(written, before)
        assert {(row.organization_id, row.currency): row.amount_minor for row in owed} == expected


def folded(written: list[dict[str, Any]], before: dt.datetime) -> dict[tuple[int, str], int]:
    """What is owed, entry by entry."""
    owed: Counter[tuple[int, str]] = Counter()
    for row in (row for row in written if row["at"] < before):
        key = (row["owner"], row["currency"])
        owed[key] += row["minor"] if row["sides"].credit is LedgerAccount.VOUCHER_LIABILITY else 0
        owed[key] -= row["minor"] if row["sides"].debit is LedgerAccount.VOUCHER_LIABILITY else 0
    return {key: minor for key, minor in owed.items() if minor}


# ---------------------------------------------------------------------------------------------- through the API


LIABILITY = """query($program: ID!, $asOf: DateTime) { voucherLiability(program: $program, asOf: $asOf) {
  totals { amountMinor currency }
  lines { organizationName amount { amountMinor } expiringWithin30Days { amountMinor }
    expiringWithin90Days { amountMinor } } } }"""
BALANCE = """query($program: ID!, $asOf: DateTime) { trialBalance(program: $program, asOf: $asOf) {
  account balance { amountMinor } debits { amountMinor } credits { amountMinor } } }"""
ENTRIES = """query($program: ID!, $filter: LedgerEntryFilter, $first: Int, $after: String) {
  ledgerEntries(program: $program, filter: $filter, first: $first, after: $after) {
    totalCount pageInfo { endCursor hasNextPage }
    nodes { event debit credit amount { amountMinor } voucher { id } } } }"""


async def test_what_is_owed_falls_when_it_is_redeemed_and_its_past_stays(database: Database) -> None:
    own = await shop(database)
    other = await shop(database)
    program = encode_id("Program", own.program_id)
    bought, soon = await own.stock(CODE_KEYS, 2), (await own.stock(CODE_KEYS, expires_at=NOW + 60 * DAY))[0]
    own.now += DAY
    learner = LearnerKey(own.tenant.id, await own.tenant.learner("2017-08-01.."))
    asked = Redeeming(product_id=own.fee_id, reference="R", code=bought[0].code, learner=learner)
    await own.act(lambda act: redeem(act, CODE_KEYS, asked), by=own.program_admin)

    now = await ask(database, LIABILITY, own.program_admin, program=program)
    assert now.errors == []
    assert now.data["voucherLiability"]["totals"] == [{"amountMinor": 2 * FEE_MINOR, "currency": "USD"}]
    (line,) = now.data["voucherLiability"]["lines"]
    assert (line["expiringWithin30Days"], line["expiringWithin90Days"]) == (
        {"amountMinor": 0},
        {"amountMinor": FEE_MINOR},
    )
    past = (NOON + MINUTE).isoformat()
    then = await ask(database, LIABILITY, own.client, program=program, asOf=past)
    assert then.data["voucherLiability"]["lines"][0]["amount"] == {"amountMinor": 3 * FEE_MINOR}
    assert then.data["voucherLiability"]["lines"][0]["expiringWithin30Days"] is None
    assert (await ask(database, LIABILITY, other.client, program=program)).data["voucherLiability"]["lines"] == []

    balances = (await ask(database, BALANCE, own.program_admin, program=program)).data["trialBalance"]
    assert {row["account"]: row["balance"]["amountMinor"] for row in balances} == {
        "CASH": 3 * FEE_MINOR,
        "VOUCHER_LIABILITY": -2 * FEE_MINOR,
        "FEE_REVENUE": -FEE_MINOR,
    }
    assert (await ask(database, BALANCE, program=program, asOf=NOON.isoformat())).data["trialBalance"] == []
    for stranger in (own.client, other.program_admin):
        assert (await ask(database, BALANCE, stranger, program=program)).errors == ["NOT_ALLOWED"]
        assert (await ask(database, ENTRIES, stranger, program=program)).errors == ["NOT_ALLOWED"]
    late = (NOW + DAY).isoformat()
    assert (await ask(database, BALANCE, program=program, asOf=late)).errors == ["KNOWN_AT_IN_FUTURE"]
    missing = encode_id("Program", own.program_id + 1)
    assert (await ask(database, BALANCE, program=missing)).errors == ["NOT_FOUND"]
    assert soon.id != bought[1].id


async def test_entries_are_found_by_account_and_time(database: Database) -> None:
    own = await shop(database)
    program = encode_id("Program", own.program_id)
    (one,) = await own.stock(CODE_KEYS)
    own.now += DAY
    asked = Redeeming(product_id=own.fee_id, reference="R", code=one.code)
    await own.act(lambda act: redeem(act, CODE_KEYS, asked), by=own.program_admin)

    async def found(**given: Any) -> list[str]:
        answer = await ask(database, ENTRIES, own.program_admin, program=program, **given)
        assert answer.errors == [], answer.messages
        return [node["event"] for node in answer.data["ledgerEntries"]["nodes"]]

    assert await found() == ["VOUCHER_REDEEMED", "PURCHASE_PAID"]
    assert await found(filter={"account": "CASH"}) == ["PURCHASE_PAID"]
    assert await found(filter={"since": own.now.isoformat()}) == ["VOUCHER_REDEEMED"]
    assert await found(filter={"until": own.now.isoformat()}) == ["PURCHASE_PAID"]
    own_id = encode_id("Organization", own.tenant.id)
    assert await found(filter={"organization": own_id}) == ["VOUCHER_REDEEMED", "PURCHASE_PAID"]
    page = (await ask(database, ENTRIES, own.program_admin, program=program, first=1)).data["ledgerEntries"]
    assert page["totalCount"] == 2
    assert await found(after=page["pageInfo"]["endCursor"]) == ["PURCHASE_PAID"]
    assert page["nodes"][0]["voucher"] == {"id": encode_id("Voucher", own.program_id, one.id)}
