"""Vouchers as they are seen: with one state, in lists that are cut alike from both ends, by whom they concern."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import bindparam, select, update

from models.access import Role
from models.base import Instant
from models.ids import encode_id
from models.interval import DAY
from models.keys import reference_key
from models.learners import Learner, Person
from models.organizations import Organization
from models.voucher_states import VoucherState, is_in_state, state_of
from models.vouchers import Voucher, VoucherStanding
from resolvers.loaders.learners import LearnerKey
from resolvers.principal import Principal
from resolvers.vouchers.assigning import Assigning, assign
from resolvers.vouchers.redeeming import Redeeming, redeem
from resolvers.vouchers.revoking import revoke
from server.database import Database
from tests.asking import NOW, ask
from tests.builders import NOON
from tests.code_keys import CODE_KEYS
from tests.test_statements import statements
from tests.vouchering import FEE_MINOR, Shop, Stocked, shop

ACTIVE = "2017-08-01.."


async def assigned(own: Shop, voucher: Stocked, learner_id: int, purpose: str | None = None) -> None:
    asked = Assigning(learner=LearnerKey(own.tenant.id, learner_id), voucher_id=voucher.id, purpose=purpose)
    await own.act(lambda act: assign(act, asked))


async def redeemed(own: Shop, voucher: Stocked, learner_id: int | None = None) -> int:
    learner = None if learner_id is None else LearnerKey(own.tenant.id, learner_id)
    asked = Redeeming(product_id=own.fee_id, reference="R-1", code=voucher.code, learner=learner)
    made: int = await own.act(lambda act: redeem(act, CODE_KEYS, asked), by=own.program_admin)
    return made


LIST = """query($slug: String!, $filter: VoucherFilter, $first: Int, $after: String, $last: Int, $before: String) {
  organization(by: {slug: $slug}) {
    vouchers(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
      totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      nodes { id lastFour state purpose remainingValue { amountMinor } flaggedAt
        assignment { state learner { id } } redemptions { amount { amountMinor } reference isReversed } } } } }"""


async def listed(own: Shop, by: Principal | None = None, **asked: Any) -> dict[str, Any]:
    async with own.database.reading() as connection:
        table = Organization.__table__
        slug = await connection.scalar(select(table.c.slug).where(table.c.id == own.tenant.id))
    answer = await ask(own.database, LIST, by or own.client, slug=slug, **asked)
    assert answer.errors == [], answer.messages
    found: dict[str, Any] = answer.data["organization"]["vouchers"]
    return found


def ids(own: Shop, *vouchers: Stocked) -> list[str]:
    return [encode_id("Voucher", own.program_id, voucher.id) for voucher in vouchers]


# ------------------------------------------------------------------------------------------------- the state


STATES: dict[VoucherState, dict[str, Any]] = {
    VoucherState.AVAILABLE: {"purpose": "none"},
    VoucherState.ASSIGNED: {"assignment_id": 7},
    VoucherState.PARTLY_REDEEMED: {"captured_minor": 500, "remaining_minor": FEE_MINOR - 500, "assignment_id": 7},
    VoucherState.EXPIRED: {"expires_at": NOON},
    VoucherState.REVOKED: {"standing": VoucherStanding.REVOKED, "expires_at": NOON},
    VoucherState.REDEEMED: {"standing": VoucherStanding.SPENT, "captured_minor": FEE_MINOR, "remaining_minor": 0},
    VoucherState.REFUNDED: {"standing": VoucherStanding.REFUNDED, "refunded_minor": FEE_MINOR, "remaining_minor": 0},
    VoucherState.CANCELLED: {"standing": VoucherStanding.CANCELLED, "refunded_minor": FEE_MINOR, "remaining_minor": 0},
}


async def test_a_voucher_has_one_state_in_memory_and_in_statements(database: Database) -> None:
    own = await shop(database)
    stock = await own.stock(CODE_KEYS, len(STATES), expires_at=NOON + DAY)
    table = Voucher.__table__

    async def change(session: Any) -> None:
        for voucher, values in zip(stock, STATES.values(), strict=True):
            await session.execute(update(table).where(table.c.id == voucher.id).values(values))

    await database.run(change)
    moment = bindparam("now", type_=Instant)
    for now in (NOON - dt.timedelta(microseconds=1), NOON, NOON + DAY):
        shown = [state_of(await own.voucher(voucher.id), now) for voucher in stock]
        async with database.reading() as connection:
            for state in VoucherState:
                rows = select(table.c.id).where(table.c.program_id == own.program_id, is_in_state(state, moment))
                found = set(await connection.scalars(rows, {"now": now}))
                assert found == {v.id for v, s in zip(stock, shown, strict=True) if s is state}, (state, now)
        if now == NOON:
            assert shown == list(STATES)
    assert state_of(await own.voucher(stock[0].id), NOON + DAY) is VoucherState.EXPIRED


# ------------------------------------------------------------------------------------------------ the lists


async def test_an_organization_finds_its_vouchers(database: Database) -> None:
    own = await shop(database)
    learner = await own.tenant.learner(ACTIVE)
    one, two, three = await own.stock(CODE_KEYS, 3)
    own.now += DAY
    (soon,) = await own.stock(CODE_KEYS, expires_at=NOW + DAY, face_minor=2 * FEE_MINOR)
    await assigned(own, two, learner, "the spring intake")
    await redeemed(own, soon)
    await own.act(lambda act: revoke(act, three.id, "lost"))

    everything = await listed(own)
    assert [node["id"] for node in everything["nodes"]] == ids(own, soon, three, two, one)
    assert [node["state"] for node in everything["nodes"]] == ["PARTLY_REDEEMED", "REVOKED", "ASSIGNED", "AVAILABLE"]
    assert everything["nodes"][0]["redemptions"] == [
        {"amount": {"amountMinor": FEE_MINOR}, "reference": "R-1", "isReversed": False}
    ]
    learner_id = encode_id("Learner", own.tenant.id, learner)
    assert everything["nodes"][2]["assignment"] == {"state": "ACTIVE", "learner": {"id": learner_id}}
    row = await own.voucher(one.id)
    choices = [
        ({"states": ["ASSIGNED", "PARTLY_REDEEMED"]}, [soon, two]),
        ({"states": []}, []),
        ({"purpose": "the spring intake"}, [two]),
        ({"learner": learner_id}, [two]),
        ({"expiresBefore": (NOW + 2 * DAY).isoformat()}, [soon]),
        ({"flagged": True}, []),
        ({"lastFour": row.last_four.lower(), "states": ["AVAILABLE"]}, [one]),
        ({"program": encode_id("Program", own.program_id)}, [soon, three, two, one]),
        ({"program": encode_id("Program", own.program_id + 1)}, []),
    ]
    for chosen, expected in choices:
        found = await listed(own, filter=chosen)
        assert [node["id"] for node in found["nodes"]] == ids(own, *expected), chosen
        assert found["totalCount"] == len(expected), chosen


async def test_pages_of_several_programs_meet_from_both_ends(database: Database) -> None:
    own = await shop(database)
    other = await shop(database, tenant=own.tenant)
    other.now = own.now + dt.timedelta(minutes=1)
    first = await own.stock(CODE_KEYS, 2)
    second = await other.stock(CODE_KEYS, 2)
    own.now = other.now + dt.timedelta(minutes=1)
    third = await own.stock(CODE_KEYS, 1)
    expected = [*ids(own, *third), *ids(other, *reversed(second)), *ids(own, *reversed(first))]
    forward: list[str] = []
    page = await listed(own, first=2)
    forward += [node["id"] for node in page["nodes"]]
    while page["pageInfo"]["hasNextPage"]:
        page = await listed(own, first=2, after=page["pageInfo"]["endCursor"])
        forward += [node["id"] for node in page["nodes"]]
    assert forward == expected
    assert page["totalCount"] == 5
    backward = await listed(own, last=2, before=page["pageInfo"]["startCursor"])
    assert [node["id"] for node in backward["nodes"]] == expected[2:4]
    assert [node["id"] for node in (await listed(own, last=3))["nodes"]] == expected[-3:]


async def test_a_longer_list_costs_no_more_statements(database: Database) -> None:
    own = await shop(database)
    counted = []
    for more in (2, 6):
        for voucher in await own.stock(CODE_KEYS, more, face_minor=2 * FEE_MINOR):
            learner = await own.tenant.learner(ACTIVE)
            await assigned(own, voucher, learner)
            await redeemed(own, voucher, learner)
        with statements() as made:
            assert len((await listed(own))["nodes"]) in (2, 8)
        counted.append(len(made))
    assert counted[0] == counted[1]


# ------------------------------------------------------------------------------------------------ who sees it


IN_PROGRAM = """query($id: ID!) { node(id: $id) { ... on Program { vouchers { totalCount }
  redemptions { nodes { product { code } voucher { id order { number } voucherProgram { name } } } }
  voucherPrograms { nodes { vouchers(filter: {states: [PARTLY_REDEEMED]}) { totalCount } } } } } }"""


async def test_of_a_program_an_organization_sees_its_own_vouchers_alone(database: Database) -> None:
    own = await shop(database)
    (one,) = await own.stock(CODE_KEYS, face_minor=2 * FEE_MINOR)
    await redeemed(own, one)
    program = encode_id("Program", own.program_id)
    for principal in (own.program_admin, own.client):
        seen = await ask(database, IN_PROGRAM, principal, id=program)
        assert seen.errors == [], seen.messages
        (paid,) = seen.data["node"]["redemptions"]["nodes"]
        assert (paid["product"]["code"], paid["voucher"]["voucherProgram"]["name"]) == ("APP", "Application vouchers")
        assert paid["voucher"]["order"] is not None
        assert seen.data["node"]["voucherPrograms"]["nodes"] == [{"vouchers": {"totalCount": 1}}]
    other = await shop(database)
    node = (await ask(database, IN_PROGRAM, other.client, id=program)).data["node"]
    assert (node["vouchers"], node["redemptions"]) == ({"totalCount": 0}, {"nodes": []})


STORY = """query($id: ID!) { node(id: $id) { id ... on Voucher { lastFour assignment { learner { id } }
  redemptions { id } organization { slug } story { totalCount nodes { sentence deed } } } } }"""
MINE = "{ viewer { vouchers { totalCount nodes { id state } } } }"


async def test_a_voucher_tells_its_story_to_whom_it_concerns(database: Database) -> None:
    own = await shop(database)
    other = await shop(database)
    one, two = await own.stock(CODE_KEYS, 2, face_minor=2 * FEE_MINOR)
    before, learner = await own.tenant.learner(ACTIVE), await own.tenant.learner(ACTIVE)
    person_id = await account(own, learner)
    person = Principal(name="Lee", role=Role.INDIVIDUAL, person_id=person_id)
    (voucher,) = ids(own, one)
    assert (await ask(database, STORY, person, id=voucher)).data == {"node": None}
    own.now += DAY
    await assigned(own, one, learner, "an exam")
    own.now += DAY
    await redeemed(own, one, learner)
    assert before != learner

    left = "USD 250.00 left; then USD 125.00 left"
    seen = await ask(database, STORY, own.client, id=voucher)
    assert [node["sentence"] for node in seen.data["node"]["story"]["nodes"]] == [
        "Chris of the client assigned it: an exam.",
        f"It paid a fee, taken by Pat of the program ({left}): USD 125.00 for Application fee.",
    ]
    assert seen.data["node"]["organization"] is not None
    theirs = await ask(database, STORY, person, id=voucher)
    assert theirs.errors == []
    node = theirs.data["node"]
    assert (node["organization"], node["story"]["totalCount"], len(node["redemptions"])) == (None, 2, 1)
    assert (await ask(database, STORY, own.program_admin, id=voucher)).data["node"]["lastFour"]
    for stranger in (other.client, other.program_admin):
        assert (await ask(database, STORY, stranger, id=voucher)).data == {"node": None}
    assert (await ask(database, STORY, person, id=ids(own, two)[0])).data == {"node": None}

    mine = (await ask(database, MINE, person)).data["viewer"]["vouchers"]
    assert mine == {"totalCount": 1, "nodes": [{"id": voucher, "state": "PARTLY_REDEEMED"}]}
    assert (await ask(database, MINE, own.client)).data["viewer"]["vouchers"]["totalCount"] == 0
    await own.act(lambda act: revoke(act, one.id, "a mistake"))
    assert (await ask(database, MINE, person)).data["viewer"]["vouchers"]["totalCount"] == 0
    assert (await ask(database, STORY, person, id=voucher)).data == {"node": None}


async def account(own: Shop, learner_id: int) -> int:
    """Ties a learner to a person, as signing up does."""
    person_id = reference_key(NOON)
    table = Learner.__table__

    async def write(session: Any) -> None:
        await session.execute(Person.__table__.insert().values(id=person_id))
        same = (table.c.organization_id == own.tenant.id) & (table.c.id == learner_id)
        await session.execute(update(table).where(same).values(person_id=person_id))

    await own.database.run(write)
    return person_id
