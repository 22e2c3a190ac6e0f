"""Disputes: the whole case, from a question to a credit note, and all that cannot be done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from models.access import Role
from models.cases import (
    RULES,
    UNDECIDED,
    DisputedLine,
    DisputeOutcome,
    DisputeStep,
    LineKey,
    credits_of,
    is_overdue,
    minutes_saved,
    possible_steps,
    state_after,
)
from models.disputes import DisputeOrigin, DisputeState
from models.errors import DisputeError, DomainError, EvidenceError
from models.events import Event
from models.invoices import CreditNote, InvoiceState
from resolvers.disputes.adjusting import adjust
from resolvers.disputes.evidence import attach_evidence
from resolvers.disputes.opening import AskedLine
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
from resolvers.loaders.disputes import DisputeKey
from resolvers.principal import Principal
from server.database import Database
from tests.billing import billed_organization
from tests.builders import STAFF
from tests.questioned import SIGNER, Questioned, questioned_bill

CLIENT, DRIFT = DisputeOrigin.CLIENT, DisputeOrigin.DRIFT


async def refusal(deed: Awaitable[Any]) -> str:
    with pytest.raises(DomainError) as refused:
        await deed
    return refused.value.code.name


# ---------------------------------------------------------------------------------------------- pure rules


def test_a_case_goes_from_open_to_closed() -> None:
    state = DisputeState.OPEN
    for step in ("ATTACH_EVIDENCE", "SEND_TO_CLIENT", "SEND_TO_STAFF", "SEND_TO_CLIENT", "REJECT", "CLOSE"):
        state = state_after(DisputeStep[step], state, CLIENT)
    assert state is DisputeState.CLOSED


@pytest.mark.parametrize("state", DisputeState)
@pytest.mark.parametrize("step", DisputeStep)
def test_a_step_that_cannot_follow_is_refused_with_those_that_can(step: DisputeStep, state: DisputeState) -> None:
    if state in RULES[step].after and CLIENT in RULES[step].of:
        assert state_after(step, state, CLIENT) in DisputeState
        return
    with pytest.raises(DisputeError) as refused:
        state_after(step, state, CLIENT)
    assert refused.value.code.name == "WRONG_STATE"
    assert state.name in refused.value.message
    assert all(can.name in refused.value.message for can in possible_steps(state, CLIENT, by_staff=True))


def test_nothing_can_be_done_with_a_closed_case() -> None:
    assert possible_steps(DisputeState.CLOSED, CLIENT, by_staff=True) == []


def test_to_say_that_the_bill_was_right_takes_evidence_and_to_give_in_does_not() -> None:
    possible = possible_steps(DisputeState.OPEN, CLIENT, by_staff=True)
    assert DisputeStep.UPHOLD in possible
    assert not {DisputeStep.REJECT, DisputeStep.UPHOLD_IN_PART} & set(possible)


def test_the_client_writes_answers_and_withdraws_and_nothing_else() -> None:
    can = {step for state in DisputeState for step in possible_steps(state, CLIENT, by_staff=False)}
    assert can == {DisputeStep.WRITE_MESSAGE, DisputeStep.SEND_TO_STAFF, DisputeStep.WITHDRAW}


def test_a_case_of_the_nightly_check_is_never_the_clients_turn() -> None:
    can = {step for state in DisputeState for step in possible_steps(state, DRIFT, by_staff=True)}
    assert not can & {DisputeStep.SEND_TO_CLIENT, DisputeStep.WITHDRAW, DisputeStep.UPHOLD_IN_PART}
    assert DisputeStep.ADJUST in can


LINES = [DisputedLine(LineKey(7, 1), 3, 3), DisputedLine(LineKey(7, 2), 2, 1)]


def test_upheld_credits_all_that_is_disputed_and_still_owed() -> None:
    assert credits_of(DisputeOutcome.UPHELD, LINES, {}) == {LineKey(7, 1): 3, LineKey(7, 2): 1}


def test_rejected_credits_nothing() -> None:
    assert set(credits_of(DisputeOutcome.REJECTED, LINES, {}).values()) == {0}


def test_partial_credits_what_is_chosen() -> None:
    assert credits_of(DisputeOutcome.PARTIAL, LINES, {LineKey(7, 1): 2}) == {LineKey(7, 1): 2, LineKey(7, 2): 0}


@pytest.mark.parametrize(
    ("outcome", "chosen"),
    [
        (DisputeOutcome.PARTIAL, {}),
        (DisputeOutcome.PARTIAL, {LineKey(7, 1): 0}),
        (DisputeOutcome.PARTIAL, {LineKey(7, 1): 4}),
        (DisputeOutcome.PARTIAL, {LineKey(7, 1): -1, LineKey(7, 2): 1}),
        (DisputeOutcome.PARTIAL, {LineKey(7, 2): 2}),
        (DisputeOutcome.PARTIAL, {LineKey(8, 1): 1}),
        (DisputeOutcome.UPHELD, {LineKey(7, 1): 3}),
        (DisputeOutcome.REJECTED, {LineKey(7, 1): 0}),
    ],
)
def test_no_more_and_no_less_is_credited_than_the_outcome_says(
    outcome: DisputeOutcome, chosen: dict[LineKey, int]
) -> None:
    with pytest.raises(DisputeError) as refused:
        credits_of(outcome, LINES, chosen)
    assert refused.value.code.name == "BAD_QUANTITY"


def test_partial_is_fewer_than_all() -> None:
    with pytest.raises(DisputeError):
        credits_of(DisputeOutcome.PARTIAL, LINES[:1], {LineKey(7, 1): 3})


def test_two_cases_of_a_quarter_of_an_hour_save_19_to_29_hours() -> None:
    assert minutes_saved(2, 30) == (1170, 1770)


def test_a_case_is_overdue_the_day_after_its_deadline_while_nobody_has_decided() -> None:
    deadline = dt.date(2017, 10, 1)
    assert not is_overdue(DisputeState.WITH_CLIENT, deadline, deadline)
    assert is_overdue(DisputeState.WITH_CLIENT, deadline, dt.date(2017, 10, 2))
    assert not is_overdue(DisputeState.UPHELD, deadline, dt.date(2017, 10, 2))
    assert not is_overdue(DisputeState.OPEN, None, dt.date(2017, 10, 2))


# ------------------------------------------------------------------------------------------------- opening


async def test_opening_attaches_the_evidence_at_once(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    row = await bill.row(key)
    assert (row.state, row.origin) == (DisputeState.EVIDENCE_READY, DisputeOrigin.CLIENT)
    assert row.pack_id is not None
    assert row.number.endswith("-D-0001")
    assert [one.deed for one in await bill.told(key)] == ["DISPUTE_OPENED", "EVIDENCE_ATTACHED", "STATE_CHANGED"]
    assert (await bill.told(key))[0].said == "we count 400"


async def test_without_a_signing_key_it_waits_for_its_evidence(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(signer=None)
    assert ((await bill.row(key)).state, (await bill.row(key)).pack_id) == (DisputeState.OPEN, None)
    with pytest.raises(EvidenceError):
        await bill.billed.run(lambda s, now: attach_evidence(s, STAFF, None, now, key))
    await bill.billed.run(lambda s, now: attach_evidence(s, STAFF, SIGNER, now, key))
    assert (await bill.row(key)).state is DisputeState.EVIDENCE_READY


async def test_evidence_attached_again_takes_the_place_of_the_one_before(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    before = (await bill.row(key)).pack_id
    await bill.with_client(key)
    await bill.billed.run(lambda s, now: attach_evidence(s, STAFF, SIGNER, now, key))
    row = await bill.row(key)
    assert row.state is DisputeState.WITH_CLIENT
    assert row.pack_id not in (None, before)


async def test_staff_open_a_case_for_the_client(database: Database) -> None:
    bill = await questioned_bill(database)
    assert (await bill.row(await bill.opened(by=STAFF))).origin is DisputeOrigin.STAFF


@pytest.mark.parametrize(("show", "refused"), [("drafted", "NOT_ISSUED"), ("challenged", ""), ("issued", "")])
async def test_only_what_the_client_was_shown_can_be_disputed(database: Database, show: str, refused: str) -> None:
    bill = await questioned_bill(database, show=show)
    if not refused:
        await bill.opened()
        return
    assert await refusal(bill.opened(by=STAFF)) == refused
    assert await refusal(bill.opened()) == "NOT_FOUND"


async def test_what_is_paid_can_be_disputed_and_the_credit_is_the_clients(database: Database) -> None:
    bill = await questioned_bill(database)
    await bill.billed.paid(bill.invoice_id, 3000)
    await bill.resolved(await bill.opened(1))
    assert (await bill.invoice()).figures.credit_balance == 1000


async def test_an_accepted_line_cannot_be_disputed(database: Database) -> None:
    bill = await questioned_bill(database, show="challenged")
    await bill.billed.accepted(bill.invoice_id)
    assert await refusal(bill.opened()) == "LINE_ACCEPTED"


async def test_a_line_is_in_one_open_dispute_at_most(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(1)
    assert await refusal(bill.opened(1)) == "LINE_IN_DISPUTE"
    await bill.step(withdraw, key, "found them", by=bill.client)
    assert (await bill.row(await bill.opened(1))).number.endswith("-D-0002")


@pytest.mark.parametrize("quantity", [0, -1, 4])
async def test_no_more_is_disputed_than_the_line_holds(database: Database, quantity: int) -> None:
    bill = await questioned_bill(database)
    assert await refusal(bill.opened(quantity)) == "BAD_QUANTITY"


async def test_what_is_credited_is_not_disputed_again(database: Database) -> None:
    bill = await questioned_bill(database)
    await bill.resolved(await bill.opened(2))
    assert await refusal(bill.opened(2)) == "BAD_QUANTITY"
    key = await bill.opened()
    assert [line.quantity for line in await bill.lines(key)] == [1]
    await bill.resolved(key)
    assert await refusal(bill.opened()) == "BAD_QUANTITY"


async def test_a_case_names_each_line_once_and_says_why(database: Database) -> None:
    bill = await questioned_bill(database)
    twice = [AskedLine(bill.line, 1), AskedLine(bill.line, 1)]
    assert await refusal(bill.opened(lines=twice)) == "EMPTY"
    assert await refusal(bill.opened(lines=[AskedLine(LineKey(bill.invoice_id, 9))])) == "NOT_FOUND"


async def test_a_case_is_about_one_snapshot(database: Database) -> None:
    billed = await billed_organization(database, people=4, licensed=2)
    library = await billed.tenant.library()
    await billed.tenant.crowd(3, library, active=["2017-08-01.."])
    await billed.agreed(licensed=1, price_minor=500, product=library)
    snapshot = await billed.taken()
    invoice_id = (await billed.drafted())[0]
    await billed.issued(invoice_id)
    bill = Questioned(billed, invoice_id, snapshot.id, 0)
    assert len((await bill.invoice()).lines) == 2
    both = [AskedLine(LineKey(invoice_id, 1)), AskedLine(LineKey(invoice_id, 2))]
    assert await refusal(bill.opened(lines=both)) == "TWO_SNAPSHOTS"


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


# ------------------------------------------------------------------------------------------------ resolving


async def test_only_what_is_disputed_is_held_from_collection(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2)
    figures = (await bill.invoice()).figures
    assert (figures.due, figures.held, figures.collectable) == (3000, 2000, 1000)
    await bill.resolved(key, DisputeOutcome.REJECTED)
    figures = (await bill.invoice()).figures
    assert (figures.due, figures.held, figures.collectable) == (3000, 0, 3000)


@pytest.mark.parametrize(
    ("outcome", "chosen", "credited"),
    [(DisputeOutcome.UPHELD, 0, 2), (DisputeOutcome.PARTIAL, 1, 1), (DisputeOutcome.REJECTED, 0, 0)],
)
async def test_the_outcome_makes_the_credit_note(
    database: Database, outcome: DisputeOutcome, chosen: int, credited: int
) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2)
    await bill.resolved(key, outcome, {bill.line: chosen} if chosen else {})
    row, lines = await bill.row(key), await bill.lines(key)
    assert (row.state, row.resolution, row.resolved_at is not None) == (outcome.state, outcome.state, True)
    assert [(line.credited, line.is_open) for line in lines] == [(credited, False)]
    assert (await bill.invoice()).figures.credited == credited * 1000
    assert await credit_notes(bill, key) == (1 if credited else 0)


async def credit_notes(bill: Questioned, key: DisputeKey) -> int:
    async with bill.billed.tenant.database.reading() as connection:
        made = select(func.count()).select_from(CreditNote).where(CreditNote.dispute_id == key.dispute_id)
        return await connection.scalar(made) or 0


async def test_all_that_is_left_to_pay_decided_away_settles_the_invoice(database: Database) -> None:
    bill = await questioned_bill(database)
    await bill.billed.paid(bill.invoice_id, 1000)
    await bill.resolved(await bill.opened(2))
    assert (await bill.invoice()).row.state is InvoiceState.PAID


async def test_what_was_paid_while_it_was_disputed_settles_the_invoice_once_it_is_decided(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2)
    await bill.billed.paid(bill.invoice_id, 3000)
    assert (await bill.invoice()).row.state is InvoiceState.ISSUED
    await bill.resolved(key, DisputeOutcome.REJECTED)
    assert (await bill.invoice()).row.state is InvoiceState.PAID


async def test_a_withdrawn_case_credits_nothing_and_holds_nothing(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    await bill.step(withdraw, key, "found them", by=bill.client)
    figures = (await bill.invoice()).figures
    assert (figures.credited, figures.held) == (0, 0)
    assert (await bill.row(key)).resolution is DisputeState.WITHDRAWN


async def test_an_adjustment_meanwhile_is_not_credited_twice(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    await bill.billed.tenant.deactivated(bill.learner_id, "2017-08-15")
    await bill.billed.adjusted(bill.snapshot_id)
    await bill.resolved(key)
    assert [line.credited for line in await bill.lines(key)] == [2]
    assert (await bill.invoice()).figures.credited == 3000


async def test_if_the_credit_cannot_be_made_nothing_is_decided(
    sqlite_database: Database,
) -> None:
    """The database refuses the credit note, after the lines were released and before anything is decided."""
    bill = await questioned_bill(sqlite_database)
    key = await bill.opened(2)
    before = (await bill.row(key), await bill.lines(key), await bill.told(key), await events(bill))
    async with sqlite_database.writing() as session:
        refuse = "CREATE TRIGGER no_credit BEFORE INSERT ON credit_note_line BEGIN SELECT RAISE(ABORT, 'no'); END"
        await (await session.connection()).exec_driver_sql(refuse)
    with pytest.raises(Exception, match="no"):
        await bill.resolved(key, idempotency_key="once")
    assert (await bill.row(key), await bill.lines(key), await bill.told(key), await events(bill)) == before
    async with sqlite_database.writing() as session:
        await (await session.connection()).exec_driver_sql("DROP TRIGGER no_credit")
    await bill.resolved(key, idempotency_key="once")
    assert (await bill.invoice()).figures.credited == 2000


async def events(bill: Questioned) -> int:
    async with bill.billed.tenant.database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(Event)) or 0


async def test_the_same_decision_under_the_same_key_is_made_once(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2)
    for _ in range(2):
        await bill.resolved(key, idempotency_key="once")
    assert await credit_notes(bill, key) == 1
    rejected = bill.resolved(key, DisputeOutcome.REJECTED, idempotency_key="once")
    assert await refusal(rejected) == "IDEMPOTENCY_KEY_REUSED"
    assert await refusal(bill.resolved(key, idempotency_key="another")) == "WRONG_STATE"


# ------------------------------------------------------------------------------------- what the nightly check opens


async def test_the_nightly_check_opens_one_case_about_a_snapshot(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.drifted()
    assert key is not None
    assert await bill.drifted() is None
    assert (await bill.row(key)).state is DisputeState.EVIDENCE_READY
    await bill.resolved(key, DisputeOutcome.REJECTED)
    again = await bill.drifted()
    assert again is not None
    assert (await bill.row(again)).number.endswith("-DRIFT-0002")
    assert (await bill.row(await bill.opened())).number.endswith("-D-0001")


async def test_the_client_sees_no_case_of_the_nightly_check(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.drifted()
    assert key is not None
    assert await refusal(bill.step(write_message, key, Message("hello"), by=bill.client)) == "NOT_FOUND"
    assert await refusal(bill.step(withdraw, key, "not ours", by=bill.client)) == "NOT_FOUND"
    assert await refusal(bill.step(send_to_client, key, None)) == "WRONG_STATE"
    assert all(one.internal for one in await bill.told(key))


async def test_an_adjustment_from_its_case_is_told_there(database: Database) -> None:
    bill = await questioned_bill(database)
    await bill.billed.tenant.deactivated(bill.learner_id, "2017-08-15")
    key = await bill.drifted()
    assert key is not None
    assert await refusal(bill.step(adjust, await bill.opened(1), "late", "k1")) == "WRONG_STATE"
    await bill.step(adjust, key, "somebody had left", "k2")
    await bill.step(adjust, key, "somebody had left", "k2")
    told = [one for one in await bill.told(key) if one.deed == "ADJUSTMENT_FOUND"]
    assert [(one.said, one.internal) for one in told] == [("somebody had left", True)]
    assert (await bill.row(key)).state in UNDECIDED
