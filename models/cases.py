"""The life of a case: which step may follow which state, who may take it, and what it credits.

OPEN → EVIDENCE_READY ⇄ WITH_CLIENT → UPHELD | PARTIAL | REJECTED | WITHDRAWN → CLOSED
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from models.disputes import RESOLUTIONS, DisputeOrigin, DisputeState
from models.errors import DisputeError, DisputeErrorCode
from models.invoices import SHOWN, InvoiceState


class DisputeStep(Enum):
    """What can be done with a case. Which step may follow which state, and who may take it, is in `RULES`."""

    ATTACH_EVIDENCE = "attach the evidence, as it is known now"
    SEND_TO_CLIENT = "make it the client's turn"
    SEND_TO_STAFF = "make it the staff's turn again"
    UPHOLD = "credit all that is disputed"
    UPHOLD_IN_PART = "credit some of what is disputed"
    REJECT = "let the bill stand"
    WITHDRAW = "let it go, as the client wishes"
    ADJUST = "adjust what was billed to what is known now"
    CLOSE = "close it: nothing is left to do"
    WRITE_MESSAGE = "write a message that both sides see, or that only staff see"
    ASSIGN = "say who works on it"
    SET_DEADLINE = "say by when it must be answered"
    ADD_MINUTES = "say how long staff worked on it"


class DisputeOutcome(Enum):
    """How staff decide a case."""

    UPHELD = "the client was right: all that is disputed is credited"
    PARTIAL = "the client was right in part: some of it is credited"
    REJECTED = "the bill was right: nothing is credited"

    @property
    def step(self) -> DisputeStep:
        return STEP_TO[self]

    @property
    def state(self) -> DisputeState:
        return DisputeState[self.name]


STEP_TO = {
    DisputeOutcome.UPHELD: DisputeStep.UPHOLD,
    DisputeOutcome.PARTIAL: DisputeStep.UPHOLD_IN_PART,
    DisputeOutcome.REJECTED: DisputeStep.REJECT,
}

READY = frozenset({DisputeState.EVIDENCE_READY, DisputeState.WITH_CLIENT})
UNDECIDED = READY | {DisputeState.OPEN}
RESOLVED = frozenset(RESOLUTIONS)
NOT_CLOSED = UNDECIDED | RESOLVED
WITH_LINES = frozenset({DisputeOrigin.CLIENT, DisputeOrigin.STAFF})
"""A case that the nightly check opened has neither a client nor lines: an adjustment corrects what was billed."""


@dataclass(frozen=True, slots=True)
class StepRule:
    """In which states of which cases a step can be taken, and where it leads; None if the state stays as it is."""

    after: frozenset[DisputeState]
    leads_to: DisputeState | None = None
    by_client: bool = False
    of: frozenset[DisputeOrigin] = frozenset(DisputeOrigin)


RULES: Mapping[DisputeStep, StepRule] = {
    DisputeStep.ATTACH_EVIDENCE: StepRule(UNDECIDED),
    DisputeStep.SEND_TO_CLIENT: StepRule(
        frozenset({DisputeState.EVIDENCE_READY}), DisputeState.WITH_CLIENT, of=WITH_LINES
    ),
    DisputeStep.SEND_TO_STAFF: StepRule(
        frozenset({DisputeState.WITH_CLIENT}), DisputeState.EVIDENCE_READY, by_client=True, of=WITH_LINES
    ),
    # To give in needs no evidence; to say that the bill was right, even in part, does.
    DisputeStep.UPHOLD: StepRule(UNDECIDED, DisputeState.UPHELD),
    DisputeStep.UPHOLD_IN_PART: StepRule(READY, DisputeState.PARTIAL, of=WITH_LINES),
    DisputeStep.REJECT: StepRule(READY, DisputeState.REJECTED),
    DisputeStep.WITHDRAW: StepRule(UNDECIDED, DisputeState.WITHDRAWN, by_client=True, of=WITH_LINES),
    DisputeStep.ADJUST: StepRule(UNDECIDED, of=frozenset({DisputeOrigin.DRIFT})),
    DisputeStep.CLOSE: StepRule(RESOLVED, DisputeState.CLOSED),
    DisputeStep.WRITE_MESSAGE: StepRule(NOT_CLOSED, by_client=True),
    DisputeStep.ASSIGN: StepRule(NOT_CLOSED),
    DisputeStep.SET_DEADLINE: StepRule(UNDECIDED),
    DisputeStep.ADD_MINUTES: StepRule(NOT_CLOSED),
}


def possible_steps(state: DisputeState, origin: DisputeOrigin, *, by_staff: bool) -> list[DisputeStep]:
    """What this side can do with a case in this state, in the order of `DisputeStep`."""
    return [
        step
        for step, rule in RULES.items()
        if state in rule.after and (by_staff or rule.by_client) and origin in rule.of
    ]


def state_after(step: DisputeStep, state: DisputeState, origin: DisputeOrigin) -> DisputeState:
    """Where the step leads. One that cannot be taken is refused with those that can."""
    possible = possible_steps(state, origin, by_staff=True)
    if step not in possible:
        can = ", ".join(other.name for other in possible)
        raise DisputeError(
            DisputeErrorCode.WRONG_STATE,
            f"{step.name} cannot be done while the case is {state.name}. "
            + (f"What can be done: {can}." if can else "Nothing more can be done with it; open a new one."),
            "dispute",
        )
    if step is DisputeStep.ATTACH_EVIDENCE and state is DisputeState.OPEN:
        return DisputeState.EVIDENCE_READY
    return RULES[step].leads_to or state


# --------------------------------------------------------------------------------------------- what is disputed


class LineKey(NamedTuple):
    """An invoice line within its organization."""

    invoice_id: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledLine:
    """An invoice line as somebody who wants to dispute it finds it. `label` is what a person calls it."""

    label: str
    snapshot_id: int
    state: InvoiceState
    quantity: int
    credited: int
    accepted: bool
    in_dispute: bool

    @property
    def owed(self) -> int:
        return self.quantity - self.credited


def disputed_quantity(line: BilledLine, asked: int | None, *field: str) -> int:
    """How many people of the line a new dispute is about: all that are still owed if not said."""
    if line.state not in SHOWN:
        raise _refused(DisputeErrorCode.NOT_ISSUED, f"{line.label} has not been shown to the client yet.", *field)
    if line.accepted:
        raise _refused(DisputeErrorCode.LINE_ACCEPTED, f"{line.label} was accepted by the client.", *field)
    if line.in_dispute:
        raise line_in_dispute(line.label, *field)
    if not line.owed:
        raise _refused(DisputeErrorCode.BAD_QUANTITY, f"All {line.quantity:,} of {line.label} are credited.", *field)
    quantity = line.owed if asked is None else asked
    if not 1 <= quantity <= line.owed:
        said = f"Of {line.label} 1 to {line.owed:,} can be disputed, not {quantity:,}."
        raise _refused(DisputeErrorCode.BAD_QUANTITY, said, *field, "quantity")
    return quantity


def line_in_dispute(label: str, *field: str) -> DisputeError:
    return _refused(DisputeErrorCode.LINE_IN_DISPUTE, f"{label} is in an open dispute already.", *field)


@dataclass(frozen=True, slots=True)
class DisputedLine:
    """So many people of an invoice line, of whom so many are still owed: an adjustment may have credited others."""

    key: LineKey
    quantity: int
    owed: int

    @property
    def creditable(self) -> int:
        return min(self.quantity, self.owed)


def credits_of(
    outcome: DisputeOutcome, lines: Sequence[DisputedLine], chosen: Mapping[LineKey, int]
) -> dict[LineKey, int]:
    """How many of each line are credited. Only a PARTIAL outcome chooses: at least one, and fewer than all."""
    if outcome is not DisputeOutcome.PARTIAL:
        if chosen:
            said = f"{outcome.name} says by itself how much is credited. Leave lines out, or decide PARTIAL."
            raise _refused(DisputeErrorCode.BAD_QUANTITY, said, "lines")
        return {line.key: line.creditable if outcome is DisputeOutcome.UPHELD else 0 for line in lines}
    most = {line.key: line.creditable for line in lines}
    if not all(key in most and 0 <= count <= most[key] for key, count in chosen.items()):
        said = "Each line must be one of this dispute, with no more than is disputed and still owed."
        raise _refused(DisputeErrorCode.BAD_QUANTITY, said, "lines")
    disputed = sum(line.quantity for line in lines)
    if not 1 <= sum(chosen.values()) < disputed:
        said = f"PARTIAL credits at least 1 and fewer than all {disputed:,}. Otherwise decide REJECTED or UPHELD."
        raise _refused(DisputeErrorCode.BAD_QUANTITY, said, "lines")
    return {key: chosen.get(key, 0) for key in most}


def _refused(code: DisputeErrorCode, message: str, *field: str) -> DisputeError:
    return DisputeError(code, message, *field)


# -------------------------------------------------------------------------------------------------- how long


MOST_MINUTES = 10_000
MINUTES_BEFORE = (2 * 60 * 5, 3 * 60 * 5)
"""What a case took before there was this: two to three hours of five people, as its users counted them."""


def minutes_saved(cases: int, minutes: int) -> tuple[int, int]:
    """At least and at most so much less than so many cases took before; negative if it was more."""
    least, most = MINUTES_BEFORE
    return cases * least - minutes, cases * most - minutes


def known_minutes(minutes: int, *field: str) -> int:
    if not 1 <= minutes <= MOST_MINUTES:
        raise _refused(DisputeErrorCode.BAD_MINUTES, f"{minutes:,} is not 1 to {MOST_MINUTES:,} minutes.", *field)
    return minutes


def is_overdue(state: DisputeState, respond_by: dt.date | None, today: dt.date) -> bool:
    """Whether its last day has passed while nobody had decided it."""
    return state in UNDECIDED and respond_by is not None and respond_by < today
