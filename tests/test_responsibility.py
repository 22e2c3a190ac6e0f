"""For whom an organization may pay besides its learners, from when to when, and what follows for vouchers."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from models.access import Role
from models.accounts import Account
from models.attempts import MOST_ASKED, AskedBy
from models.errors import HistoryError, HistoryErrorCode, NotFound, VoucherError, VoucherErrorCode
from models.interval import UTC
from models.keys import reference_key
from models.learners import Learner, Person, sort_key
from models.responsibility import ResponsibleParty
from models.vouchers import VoucherStanding
from resolvers.loaders.learners import LearnerKey
from resolvers.loaders.responsibility import PartyKey
from resolvers.principal import Principal
from resolvers.responsibility import Responsibility, ResponsibilitySet, set_responsibility
from resolvers.vouchers.assigning import Assigning, assign_once
from resolvers.vouchers.leaving import flag_leavers, leavers
from resolvers.vouchers.redeeming import Redeeming, redeem_once
from schema.ids import encode_id
from server.database import Database
from tests.asking import NOW, ask
from tests.builders import STAFF, Tenant, organization
from tests.code_keys import CODE_KEYS
from tests.vouchering import Shop, shop

PARTY = ResponsibleParty.__table__
SET = """mutation ($input: ResponsiblePartySetInput!) { responsiblePartySet(input: $input) {
  changed userErrors { field code }
  responsibleParty { id personId name email from through isCurrent history { from through supersededAt }
    events { nodes { deed before after } } } } }"""
LIST = """query ($id: ID!, $search: String, $current: Boolean, $first: Int, $after: String) { node(id: $id) {
  ... on Organization { responsibleParties(search: $search, current: $current, first: $first, after: $after) {
    totalCount nodes { email } pageInfo { hasNextPage endCursor } } } } }"""
ASSIGN = """mutation ($input: VoucherAssignInput!) { voucherAssign(input: $input) {
  userErrors { field message code } voucher { assignment { kind state responsibleParty { name } } } } }"""


async def account(database: Database, name: str) -> int:
    """Somebody who registered with name@home.example."""
    person_id, email = reference_key(NOW), f"{name}@home.example"
    row = {"person_id": person_id, "name": name, "email": email, "email_key": sort_key(email), "verified_at": NOW}

    async def write(session: Any) -> None:
        await session.execute(insert(Person.__table__), {"id": person_id})
        await session.execute(insert(Account.__table__), row)

    await database.run(write)
    return person_id


async def tied(database: Database, learner_id: int, person_id: int) -> None:
    """As a verified claim does."""
    claim = update(Learner.__table__).where(Learner.id == learner_id).values(person_id=person_id)
    await database.run(lambda session: session.execute(claim))


async def responsible(
    tenant: Tenant, person_id: int, dates: str, *, by: Principal = STAFF, now: dt.datetime | None = None
) -> ResponsibilitySet:
    """`2026-01-01..` has no end yet; `..2026-03-31` keeps the start."""
    first, through = (dt.date.fromisoformat(day) if day else None for day in dates.split(".."))
    given = Responsibility(organization_id=tenant.id, person_id=person_id, first=first, through=through)
    at = now or tenant.tick()
    return await tenant.database.run(lambda session: set_responsibility(session, by, at, given))


async def recorded(tenant: Tenant, *conditions: Any) -> int:
    of_it = select(func.count()).where(PARTY.c.organization_id == tenant.id, *conditions)
    async with tenant.database.reading() as connection:
        return await connection.scalar(of_it) or 0


# ------------------------------------------------------------------------------------------------ saying so


async def test_the_days_are_those_of_the_organization_and_what_was_held_before_stays(database: Database) -> None:
    own = await organization(database, zone="America/Chicago")
    person_id = await account(database, "Olga")
    client = Principal(name="Chris", role=Role.ORGANIZATION, organization_id=own.id)
    named = {"organization": {"id": encode_id("Organization", own.id)}, "person": {"email": " OLGA@home.example"}}
    for dates in ({"from": "2026-01-01", "through": "2026-12-31"}, {"through": "2026-10-31"}):
        said = (await ask(database, SET, client, input=named | dates)).data["responsiblePartySet"]
        assert (said["changed"], said["userErrors"]) == (True, [])
    again = (await ask(database, SET, client, input=named | dates)).data["responsiblePartySet"]
    party = again["responsibleParty"]
    assert again["changed"] is False
    assert (party["personId"], party["name"]) == (encode_id("Person", person_id), "Olga")
    # Asked on 2026-11-23.
    assert (party["from"], party["through"], party["isCurrent"]) == ("2026-01-01", "2026-10-31", False)
    assert [(one["through"], one["supersededAt"] is None) for one in party["history"]] == [
        ("2026-12-31", False),
        ("2026-10-31", True),
    ]
    assert [one["after"] for one in party["events"]["nodes"]] == [
        "from 2026-01-01 through 2026-12-31",
        "from 2026-01-01 through 2026-10-31",
    ]
    async with database.reading() as connection:
        held = select(PARTY.c.from_at, PARTY.c.to_at).where(PARTY.c.superseded_at.is_(None))
        (window,) = (await connection.execute(held.where(PARTY.c.organization_id == own.id))).all()
    assert tuple(window) == (dt.datetime(2026, 1, 1, 6, tzinfo=UTC), dt.datetime(2026, 11, 1, 5, tzinfo=UTC))


async def test_nobody_finds_out_by_trying_which_addresses_have_an_account(sqlite_database: Database) -> None:
    """Who is right is counted no attempt; staff may know, and a stranger counts against nobody but themselves."""
    own, most = await organization(sqlite_database), MOST_ASKED[AskedBy.ORGANIZATION]
    await account(sqlite_database, "Olga")
    client = Principal(name="Chris", role=Role.ORGANIZATION, organization_id=own.id)
    stranger = Principal(name="Eve", role=Role.PARTNER, organization_id=(await organization(sqlite_database)).id)

    async def told(who: str, by: Principal = client) -> list[str]:
        named = {"organization": {"id": encode_id("Organization", own.id)}, "person": {"email": f"{who}@home.example"}}
        answer = await ask(sqlite_database, SET, by, input=named | {"from": "2026-01-01"})
        refused = answer.data["responsiblePartySet"]["userErrors"] if answer.data else []
        return [error["code"] for error in (*refused, *answer.errors)]

    for number in range(most):
        assert await told("Olga") == []
        assert await told(f"nobody{number}", stranger) == await told(f"nobody{number}") == ["NOT_FOUND"]
    assert await told("Olga") == await told("nobody") == ["ASKED_TOO_OFTEN"]
    assert await told("nobody", STAFF) == ["NOT_FOUND"]
    assert await told("Olga", STAFF) == []


async def test_what_cannot_be_so_is_refused_and_records_nothing(database: Database) -> None:
    own = await organization(database)
    person_id = await account(database, "Otto")
    with pytest.raises(HistoryError) as without_start:
        await responsible(own, person_id, "..2026-03-31")
    with pytest.raises(HistoryError) as backward:
        await responsible(own, person_id, "2026-03-31..2026-03-30")
    assert [refused.value.code for refused in (without_start, backward)] == [
        HistoryErrorCode.START_REQUIRED,
        HistoryErrorCode.EMPTY_INTERVAL,
    ]
    with pytest.raises(NotFound):
        await responsible(own, person_id + 1, "2026-03-31..")
    stranger = Principal(name="Eve", role=Role.PARTNER, organization_id=(await organization(database)).id)
    with pytest.raises(NotFound):
        await responsible(own, person_id, "2026-03-31..", by=stranger)
    assert await recorded(own) == 0


async def test_of_twenty_who_say_so_at_once_one_is_held_and_all_are_kept(database: Database) -> None:
    own = await organization(database)
    person_id, now = await account(database, "Una"), own.tick()
    said = [f"2026-01-01..2026-02-{1 + number % 10:02}" for number in range(20)]
    done = await asyncio.gather(*(responsible(own, person_id, dates, now=now) for dates in said))
    assert await recorded(own, PARTY.c.superseded_at.is_(None)) == 1
    assert await recorded(own) == sum(one.changed for one in done) >= 10


async def test_the_list_can_be_searched_and_paged_and_nobody_else_reads_it(database: Database) -> None:
    own = await organization(database)
    for name, dates in (("Ann", "2026-01-01.."), ("Bea", "2026-01-01..2026-02-01"), ("Cleo", "2027-01-01..")):
        await responsible(own, await account(database, name), dates)
    listed: dict[str, Any] = {"id": encode_id("Organization", own.id)}

    async def emails(**asked: Any) -> tuple[list[str], Any]:
        found = (await ask(database, LIST, **listed, **asked)).data["node"]["responsibleParties"]
        return [one["email"].split("@")[0] for one in found["nodes"]], found

    assert (await emails())[0] == ["Cleo", "Bea", "Ann"]
    assert (await emails(current=True))[0] == ["Ann"]
    assert (await emails(current=False))[0] == ["Cleo", "Bea"]
    assert (await emails(search="bEA@home"))[0] == ["Bea"]
    page, found = await emails(first=2)
    assert (page, found["totalCount"], found["pageInfo"]["hasNextPage"]) == (["Cleo", "Bea"], 3, True)
    assert (await emails(first=2, after=found["pageInfo"]["endCursor"]))[0] == ["Ann"]
    stranger = Principal(name="Eve", role=Role.ORGANIZATION, organization_id=(await organization(database)).id)
    assert (await ask(database, LIST, stranger, **listed)).data["node"] is None


# ------------------------------------------------------------------------------------------------- vouchers


async def assigned(market: Shop, person_id: int, voucher_id: int, at: dt.datetime) -> int:
    asked = Assigning(party=PartyKey(market.tenant.id, person_id), voucher_id=voucher_id)
    key = f"{voucher_id} {person_id} {at}"
    made: int = await market.act(lambda act: assign_once(act, key, asked), at=at)
    return made


async def flagged(market: Shop, at: dt.datetime) -> int:
    async with market.database.reading() as connection:
        found = await leavers(connection, market.program_id, at)
    told: int = await market.act(lambda act: flag_leavers(act, found), by=STAFF, at=at)
    return told


async def test_an_organization_pays_for_somebody_while_it_is_responsible(database: Database) -> None:
    market = await shop(database)
    first, second = await market.stock(CODE_KEYS, 2)
    person_id = await account(database, "Olga")
    may, july = dt.datetime(2026, 5, 1, 12, tzinfo=UTC), dt.datetime(2026, 7, 1, 12, tzinfo=UTC)
    with pytest.raises(VoucherError) as never:
        await assigned(market, person_id, first.id, may)
    assert never.value.code is VoucherErrorCode.NOT_ENTITLED
    await responsible(market.tenant, person_id, "2026-04-01..2026-06-30")
    await assigned(market, person_id, first.id, may)
    assert await flagged(market, may) == 0
    with pytest.raises(VoucherError) as ended:
        await assigned(market, person_id, second.id, july)
    assert "from 2026-04-01 through 2026-06-30" in ended.value.message
    # It has ended, so what is not redeemed is for a leaver; until it goes on.
    assert (await flagged(market, july), (await market.voucher(first.id)).flagged_at) == (1, july)
    await responsible(market.tenant, person_id, "..2026-12-31")
    await flagged(market, july)
    assert (await market.voucher(first.id)).flagged_at is None


async def test_at_the_counter_a_person_is_named_by_their_account_whatever_the_assignment_names(
    database: Database,
) -> None:
    market = await shop(database)
    theirs, of_learner = await market.stock(CODE_KEYS, 2)
    person_id, other_id = await account(database, "Olga"), await account(database, "Ben")
    await responsible(market.tenant, person_id, "2025-01-01..")
    await assigned(market, person_id, theirs.id, market.now)
    learner_id = await market.tenant.learner("2025-01-01..")
    await tied(database, learner_id, person_id)
    asked = Assigning(learner=LearnerKey(market.tenant.id, learner_id), voucher_id=of_learner.id)
    await market.act(lambda act: assign_once(act, "a learner", asked))

    async def redeemed(code: str, who: int | None) -> int:
        fee = Redeeming(product_id=market.fee_id, reference=f"{code[:4]} {who}", code=code, person_id=who)
        key = f"{code[:4]} {who}"
        made: int = await market.act(lambda act: redeem_once(act, CODE_KEYS, key, fee), by=market.program_admin)
        return made

    for stranger in (other_id, None):
        with pytest.raises(VoucherError) as refused:
            await redeemed(theirs.code, stranger)
        assert refused.value.code is VoucherErrorCode.CODE_NOT_USABLE
    for voucher in (theirs, of_learner):
        await redeemed(voucher.code, person_id)
        assert (await market.voucher(voucher.id)).standing is VoucherStanding.SPENT


async def test_a_voucher_from_stock_is_assigned_to_a_person_and_to_nobody_by_strangers(database: Database) -> None:
    market = await shop(database)
    await market.stock(CODE_KEYS, 2)
    person_id = await account(database, "Olga")
    await responsible(market.tenant, person_id, "2026-01-01..")
    stock = {"fromStockOf": encode_id("VoucherProgram", market.program_id, market.voucher_program_id)}
    to = {"voucher": stock, "to": {"person": encode_id("Person", person_id)}}
    said = (await ask(database, ASSIGN, market.client, input=to | {"idempotencyKey": "a"})).data["voucherAssign"]
    assert said["voucher"]["assignment"] == {
        "kind": "PERSON",
        "state": "ACTIVE",
        "responsibleParty": {"name": "Olga"},
    }
    other = Principal(name="Eve", role=Role.ORGANIZATION, organization_id=(await organization(database)).id)
    refused = (await ask(database, ASSIGN, other, input=to | {"idempotencyKey": "b"})).data["voucherAssign"]
    assert [one["code"] for one in refused["userErrors"]] == ["NOT_ENTITLED"]
    # Staff act for all, so they say for whom.
    staff = (await ask(database, ASSIGN, input=to | {"idempotencyKey": "c"})).data["voucherAssign"]
    assert [one["code"] for one in staff["userErrors"]] == ["NOT_FOUND"]
    told = to | {"idempotencyKey": "d", "organization": {"id": encode_id("Organization", market.tenant.id)}}
    assert (await ask(database, ASSIGN, input=told)).data["voucherAssign"]["userErrors"] == []
