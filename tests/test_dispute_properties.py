"""Whatever is tried with a case, in whatever order: it obeys a plain model of its rules, and the money adds up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.cases import DisputeOutcome, DisputeStep, possible_steps
from models.errors import DisputeError
from models.invoices import InvoiceState
from resolvers.disputes.evidence import attach_evidence
from resolvers.disputes.resolving import close, withdraw
from resolvers.disputes.working import send_to_client, send_to_staff
from resolvers.loaders.disputes import DisputeKey
from server.database import Database
from tests.builders import STAFF
from tests.questioned import SIGNER, Questioned, questioned_bill

QUANTITY = 2
MOVES = [
    DisputeStep.ATTACH_EVIDENCE,
    DisputeStep.SEND_TO_CLIENT,
    DisputeStep.SEND_TO_STAFF,
    DisputeStep.UPHOLD,
    DisputeStep.UPHOLD_IN_PART,
    DisputeStep.REJECT,
    DisputeStep.WITHDRAW,
    DisputeStep.CLOSE,
]
OUTCOMES = {outcome.step: outcome for outcome in DisputeOutcome}
CREDITED = {DisputeStep.UPHOLD: QUANTITY, DisputeStep.UPHOLD_IN_PART: 1}


async def take(bill: Questioned, key: DisputeKey, step: DisputeStep) -> None:
    if step in OUTCOMES:
        chosen = {bill.line: 1} if step is DisputeStep.UPHOLD_IN_PART else {}
        await bill.resolved(key, OUTCOMES[step], chosen)
    elif step is DisputeStep.ATTACH_EVIDENCE:
        await bill.billed.run(lambda s, now: attach_evidence(s, STAFF, SIGNER, now, key))
    else:
        deeds: dict[DisputeStep, tuple[Any, ...]] = {
            DisputeStep.SEND_TO_CLIENT: (send_to_client, None),
            DisputeStep.SEND_TO_STAFF: (send_to_staff, None),
            DisputeStep.WITHDRAW: (withdraw, "found them"),
            DisputeStep.CLOSE: (close,),
        }
        deed, *given_to_it = deeds[step]
        await bill.step(deed, key, *given_to_it)


# Each example has an organization of its own, so that one database does for all.
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(MOVES), min_size=1, max_size=8))
async def test_any_order_of_steps_obeys_the_rules(sqlite_database: Database, steps: Sequence[DisputeStep]) -> None:
    bill = await questioned_bill(sqlite_database)
    key = await bill.opened(QUANTITY, signer=None)
    credited = 0
    for step in steps:
        before, told = await bill.row(key), len(await bill.told(key))
        possible = step in possible_steps(before.state, before.origin, by_staff=True)
        if possible:
            await take(bill, key, step)
            credited += CREDITED.get(step, 0)
            assert len(await bill.told(key)) > told
            continue
        with pytest.raises(DisputeError, match="cannot be done"):
            await take(bill, key, step)
        assert await bill.row(key) == before
        assert len(await bill.told(key)) == told
    await adds_up(bill, key, credited)


async def adds_up(bill: Questioned, key: DisputeKey, credited: int) -> None:
    """What is credited is what the outcome said, and what is held is what nobody has decided."""
    row, invoice = await bill.row(key), await bill.invoice()
    assert invoice.figures.credited == credited * 1000
    assert invoice.figures.held == (QUANTITY * 1000 if row.is_undecided else 0)
    assert sum(line.credited for line in await bill.lines(key)) == credited
    assert (row.resolution is None) == row.is_undecided == (row.resolved_at is None)
    assert invoice.row.state is InvoiceState.ISSUED
