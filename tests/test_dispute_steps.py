"""Working on a dispute: who may take which step, and what it leaves behind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from models.access import Role
from models.cases import DisputeOutcome
from models.disputes import DisputeState
from resolvers.disputes.adjusting import adjust
from resolvers.disputes.resolving import close, withdraw
from resolvers.disputes.working import (
    Message,
    add_minutes,
    assign,
    send_to_client,
    send_to_staff,
    set_deadline,
    write_message,
)
from resolvers.principal import Principal
from server.database import Database
from tests.builders import STAFF
from tests.questioned import questioned_bill, refusal

# --------------------------------------------------------------------------------------------- who may do it


async def test_a_foreign_case_and_a_foreign_line_are_not_found(database: Database) -> None:
    bill, other = await questioned_bill(database), await questioned_bill(database)
    key = await bill.opened()
    assert await refusal(bill.step(write_message, key, Message("hello"), by=other.client)) == "NOT_FOUND"
    assert await refusal(bill.opened(by=other.client)) == "NOT_FOUND"


@pytest.mark.parametrize("role", [Role.PARTNER, Role.INDIVIDUAL])
async def test_only_administrators_and_staff_take_part(database: Database, role: Role) -> None:
    bill = await questioned_bill(database)
    person_id, own = (7, None) if role is Role.INDIVIDUAL else (None, bill.billed.tenant.id)
    somebody = Principal(name="Ida", role=role, organization_id=own, person_id=person_id)
    expected = "NOT_FOUND" if role is Role.INDIVIDUAL else "NOT_ALLOWED"
    assert await refusal(bill.opened(by=somebody)) == expected
    key = await bill.opened()
    for step, given in STEPS.items():
        assert await refusal(bill.step(step, key, *given, by=somebody)) == expected, step


STEPS: dict[Callable[..., Any], tuple[object, ...]] = {
    write_message: (Message("hello"),),
    send_to_client: ("your turn",),
    send_to_staff: ("our answer",),
    assign: ("Ann",),
    set_deadline: (dt.date(2026, 2, 1),),
    add_minutes: (5, "looked"),
    withdraw: ("found them",),
    close: (),
    adjust: ("a late correction", "key"),
}
BY_CLIENT = {write_message, send_to_staff, withdraw}


async def test_the_client_takes_no_step_of_the_staff(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    for step, given in STEPS.items():
        if step not in BY_CLIENT:
            assert await refusal(bill.step(step, key, *given, by=bill.client)) == "NOT_ALLOWED", step
    assert await refusal(bill.resolved(key, by=bill.client)) == "NOT_ALLOWED"
    internal = Message("among us", internal=True)
    assert await refusal(bill.step(write_message, key, internal, by=bill.client)) == "NOT_ALLOWED"
    assert len(await bill.told(key)) == 3


# ------------------------------------------------------------------------------------------------- working


async def test_every_step_leaves_its_event(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    await bill.step(write_message, key, Message(" among us ", internal=True))
    await bill.step(assign, key, "Ann")
    await bill.step(set_deadline, key, dt.date(2026, 2, 1))
    await bill.step(add_minutes, key, 7, "read the pack")
    await bill.step(send_to_client, key, "please look")
    await bill.step(write_message, key, Message("looking"), by=bill.client)
    await bill.step(send_to_staff, key, "402, we see", by=bill.client)
    await bill.resolved(key, DisputeOutcome.PARTIAL, {bill.line: 1}, minutes=3)
    await bill.step(close, key)
    kim = bill.client.name
    assert (await bill.told(key))[3:] == [
        ("MESSAGE_SENT", STAFF.name, "among us", None, None, None, True),
        ("ASSIGNED", STAFF.name, None, None, "Ann", None, True),
        ("DEADLINE_SET", STAFF.name, None, None, "2026-02-01", None, True),
        ("MINUTES_SPENT", STAFF.name, "read the pack", None, None, 7, True),
        ("STATE_CHANGED", STAFF.name, "please look", "EVIDENCE_READY", "WITH_CLIENT", None, False),
        ("MESSAGE_SENT", kim, "looking", None, None, None, False),
        ("STATE_CHANGED", kim, "402, we see", "WITH_CLIENT", "EVIDENCE_READY", None, False),
        ("DISPUTE_RESOLVED", STAFF.name, "we looked", "EVIDENCE_READY", "PARTIAL", None, False),
        ("MINUTES_SPENT", STAFF.name, None, None, None, 3, True),
        ("STATE_CHANGED", STAFF.name, None, "PARTIAL", "CLOSED", None, False),
    ]
    row = await bill.row(key)
    assert (row.state, row.resolution, row.assignee) == (DisputeState.CLOSED, DisputeState.PARTIAL, "Ann")


async def test_the_same_assignee_and_deadline_again_change_nothing(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    for _ in range(2):
        await bill.step(assign, key, "Ann")
        await bill.step(set_deadline, key, dt.date(2026, 2, 1))
    await bill.step(assign, key, None)
    await bill.step(set_deadline, key, None)
    assert [(one.before, one.after) for one in (await bill.told(key))[3:]] == [
        (None, "Ann"),
        (None, "2026-02-01"),
        ("Ann", None),
        ("2026-02-01", None),
    ]


@pytest.mark.parametrize(
    ("step", "given", "code"),
    [
        (write_message, (Message(" "),), "REASON_REQUIRED"),
        (write_message, (Message("x" * 10_001),), "REASON_REQUIRED"),
        (send_to_client, ("",), "REASON_REQUIRED"),
        (assign, (" ",), "BAD_NAME"),
        (set_deadline, (dt.date(1492, 1, 1),), "DATE_OUT_OF_RANGE"),
        (add_minutes, (0, "looked"), "BAD_MINUTES"),
        (add_minutes, (10_001, "looked"), "BAD_MINUTES"),
        (add_minutes, (1, ""), "REASON_REQUIRED"),
        (withdraw, ("",), "REASON_REQUIRED"),
    ],
)
async def test_what_says_nothing_is_refused(
    sqlite_database: Database, step: Callable[..., Any], given: tuple[object, ...], code: str
) -> None:
    bill = await questioned_bill(sqlite_database)
    key = await bill.opened()
    assert await refusal(bill.step(step, key, *given)) == code
    assert len(await bill.told(key)) == 3


async def test_nothing_is_done_with_a_closed_case(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    await bill.step(withdraw, key, "found them", by=bill.client)
    await bill.step(close, key)
    before = await bill.told(key)
    for step, given in STEPS.items():
        assert await refusal(bill.step(step, key, *given)) == "WRONG_STATE", step
    assert await refusal(bill.resolved(key)) == "WRONG_STATE"
    assert await bill.told(key) == before
