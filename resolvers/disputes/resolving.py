"""Deciding a case: what is credited, the credit notes, and the end of the hold, in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from models.cases import DisputedLine, DisputeOutcome, DisputeStep, LineKey, credits_of, known_minutes
from models.events import Deed
from resolvers.disputes.cases import Case, finish, must_be_allowed, take_up, worded
from resolvers.disputes.working import spent
from resolvers.idempotency import once
from resolvers.invoices.credits import Credit, credit
from resolvers.invoices.reading import settle
from resolvers.loaders.disputes import DISPUTED, DisputeKey, DisputeLineRow, lines_of_disputes
from resolvers.loaders.invoices import InvoiceKey, lines_of_invoices
from resolvers.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    outcome: DisputeOutcome
    reason: str
    # Of a PARTIAL outcome so many people of each line; none of a line that is left out.
    credited: Mapping[LineKey, int] = field(default_factory=dict)
    # What the decision itself took.
    minutes: int | None = None


async def resolve(
    session: AsyncSession,
    principal: Principal,
    now: dt.datetime,
    key: DisputeKey,
    resolution: Resolution,
    idempotency_key: str,
) -> int:
    """Once for a key: the same again answers with the same dispute and credits nothing more."""
    principal.must_see(key.organization_id, "dispute", "dispute")
    must_be_allowed(principal, resolution.outcome.step)
    lines = sorted((*line, count) for line, count in resolution.credited.items())
    given = [key.dispute_id, resolution.outcome.name, resolution.reason, resolution.minutes, lines]
    return await once(
        *(session, key.organization_id, idempotency_key, "disputeResolve", given, now),
        lambda: _resolve(session, principal, now, key, resolution),
    )


async def _resolve(
    session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey, resolution: Resolution
) -> int:
    reason = worded(resolution.reason, "reason")
    minutes = None if resolution.minutes is None else known_minutes(resolution.minutes, "minutesSpent")
    case = await take_up(session, principal, now, key, resolution.outcome.step)
    lines = await lines_of_disputes(session, [key])
    credited = credits_of(resolution.outcome, await _as_owed(session, key, lines), resolution.credited)
    await _release(case, lines, credited)
    await _credit(case, credited, reason)
    await _decided(case, lines, reason, minutes)
    return case.row.id


async def withdraw(session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey, reason: str) -> int:
    """The client lets it go: nothing is credited, and nothing is held any more."""
    said = worded(reason, "reason")
    case = await take_up(session, principal, now, key, DisputeStep.WITHDRAW)
    lines = await lines_of_disputes(session, [key])
    await _release(case, lines, {})
    await _decided(case, lines, said, None)
    return case.row.id


async def close(session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey) -> int:
    case = await take_up(session, principal, now, key, DisputeStep.CLOSE)
    await finish(case, case.moved())
    return case.row.id


async def _as_owed(session: AsyncSession, key: DisputeKey, lines: Sequence[DisputeLineRow]) -> list[DisputedLine]:
    invoices = [InvoiceKey(key.organization_id, i) for i in sorted({line.invoice_id for line in lines})]
    billed = await lines_of_invoices(session, invoices)
    owed = {LineKey(row.invoice_id, row.number): row.creditable for row in billed}
    return [DisputedLine(line.key, line.quantity, owed[line.key]) for line in lines]


async def _release(case: Case, lines: Sequence[DisputeLineRow], credited: Mapping[LineKey, int]) -> None:
    """The lines are held no longer. Before the credit: an invoice may be settled by it."""
    for line in lines:
        await case.recording.session.execute(
            update(DISPUTED)
            .where(
                DISPUTED.c.organization_id == line.organization_id,
                DISPUTED.c.dispute_id == line.dispute_id,
                DISPUTED.c.invoice_id == line.invoice_id,
                DISPUTED.c.line_number == line.line_number,
            )
            .values(is_open=False, credited=credited.get(line.key, 0))
        )


async def _credit(case: Case, credited: Mapping[LineKey, int], reason: str) -> None:
    """A credit note for each invoice of which something is credited."""
    of_invoices: dict[int, dict[int, int]] = {}
    for line, count in credited.items():
        if count:
            of_invoices.setdefault(line.invoice_id, {})[line.number] = count
    for invoice_id, quantities in of_invoices.items():
        given = Credit(invoice_id=invoice_id, quantities=quantities, reason=reason, dispute_id=case.row.id)
        await credit(case.recording, case.principal, given)


async def _decided(case: Case, lines: Sequence[DisputeLineRow], reason: str, minutes: int | None) -> None:
    for invoice_id in sorted({line.invoice_id for line in lines}):
        await settle(case.recording, case.principal, invoice_id)
    decided = case.done(Deed.DISPUTE_RESOLVED, said=reason, before=case.row.state.name, after=case.becomes.name)
    deeds = [decided] if minutes is None else [decided, spent(case, minutes)]
    await finish(case, *deeds, resolution=case.becomes, resolved_at=case.recording.recorded_at)
