"""The rules of a dispute alone: which step follows which, whose it is, and what an outcome credits."""

from __future__ import annotations

import datetime as dt

import pytest

from models.cases import (
    RULES,
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
from models.errors import DisputeError

CLIENT, DRIFT = DisputeOrigin.CLIENT, DisputeOrigin.DRIFT


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
