"""Opening a dispute: the lines, how many people of each, and the evidence at once, in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from models.cases import BilledLine, LineKey, disputed_quantity, line_in_dispute
from models.disputes import DisputeOrigin, DisputeState
from models.errors import DisputeError, DisputeErrorCode, NotFound
from models.events import Deed
from models.invoices import SHOWN
from models.organizations import Organization
from resolvers.disputes.cases import Case, finish, must_be_client, worded
from resolvers.disputes.evidence import attach
from resolvers.evidence.signing import Signer
from resolvers.loaders.disputes import DISPUTE, DISPUTED, DisputeRow
from resolvers.loaders.invoices import InvoiceKey, InvoiceRow, LineRow, invoices_by_id, lines_of_invoices
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording


@dataclass(frozen=True, slots=True)
class AskedLine:
    """An invoice line, and how many people of it; all that are still owed if None."""

    key: LineKey
    quantity: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    organization_id: int
    lines: tuple[AskedLine, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class _Disputed:
    key: LineKey
    label: str
    snapshot_id: int
    quantity: int


async def open_dispute(
    session: AsyncSession, principal: Principal, signer: Signer | None, now: dt.datetime, opening: Opening
) -> int:
    """By the client, or by staff for them. Without a signing key it waits for its evidence."""
    principal.must_see(opening.organization_id, "invoice line", "lines")
    if not principal.is_staff:
        must_be_client(principal)
    reason = worded(opening.reason, "reason")
    _refuse_none_or_twice(opening.lines)
    recording = await begin_recording(session, opening.organization_id, now)
    lines = await _disputed(recording, principal, opening.lines)
    origin = DisputeOrigin.STAFF if principal.is_staff else DisputeOrigin.CLIENT
    case = await _write_case(recording, principal, origin, lines[0].snapshot_id, reason)
    await _write_lines(case, lines)
    await begin_case(case, signer, reason)
    return case.row.id


async def open_drift_case(
    recording: Recording, principal: Principal, signer: Signer | None, snapshot_id: int, said: str
) -> int | None:
    """A case that only staff see: what is known now differs from what was billed. None if there is one already that
    nobody has decided. In the caller's transaction; it ends the recording.
    """
    undecided = await recording.session.scalar(
        select(DISPUTE.c.id).where(
            DISPUTE.c.organization_id == recording.organization_id,
            DISPUTE.c.snapshot_id == snapshot_id,
            DISPUTE.c.origin == DisputeOrigin.DRIFT,
            DISPUTE.c.resolution.is_(None),
        )
    )
    if undecided is not None:
        return None
    case = await _write_case(recording, principal, DisputeOrigin.DRIFT, snapshot_id, said)
    await begin_case(case, signer, said)
    return case.row.id


async def begin_case(case: Case, signer: Signer | None, reason: str) -> None:
    await finish(case, case.done(Deed.DISPUTE_OPENED, said=reason, after=case.row.state.name))
    if signer is not None:
        await attach(case, signer)


def _refuse_none_or_twice(lines: Sequence[AskedLine]) -> None:
    if not lines or len({line.key for line in lines}) < len(lines):
        raise DisputeError(DisputeErrorCode.EMPTY, "Give at least one invoice line, and each line once.", "lines")


# --------------------------------------------------------------------------------------------- what is disputed


async def _disputed(recording: Recording, principal: Principal, asked: Sequence[AskedLine]) -> list[_Disputed]:
    """The lines that can be disputed by this principal, each with its quantity; all must be of one snapshot."""
    billed = await _billed_lines(recording, asked)
    lines: list[_Disputed] = []
    for number, one in enumerate(asked):
        field = ("lines", str(number))
        line = billed.get(one.key)
        if line is None or not (principal.is_staff or line.state in SHOWN):
            raise NotFound("invoice line", *field)
        quantity = disputed_quantity(line, one.quantity, *field)
        lines.append(_Disputed(one.key, line.label, line.snapshot_id, quantity))
    if len({line.snapshot_id for line in lines}) > 1:
        raise DisputeError(DisputeErrorCode.TWO_SNAPSHOTS, DisputeErrorCode.TWO_SNAPSHOTS.value, "lines")
    return lines


async def _billed_lines(recording: Recording, asked: Sequence[AskedLine]) -> dict[LineKey, BilledLine]:
    keys = [InvoiceKey(recording.organization_id, i) for i in sorted({line.key.invoice_id for line in asked})]
    invoices = {row.id: row for row in await invoices_by_id(recording.session, keys)}
    rows = await lines_of_invoices(recording.session, keys)
    return {LineKey(row.invoice_id, row.number): _billed(invoices[row.invoice_id], row) for row in rows}


def _billed(invoice: InvoiceRow, line: LineRow) -> BilledLine:
    return BilledLine(
        label=f"line {line.number} of {invoice.number}",
        snapshot_id=line.snapshot_id,
        state=invoice.state,
        quantity=line.quantity,
        credited=line.credited,
        accepted=line.accepted_at is not None,
        in_dispute=line.disputed > 0,
    )


# ----------------------------------------------------------------------------------------------------- writing


async def _write_case(
    recording: Recording, principal: Principal, origin: DisputeOrigin, snapshot_id: int, reason: str
) -> Case:
    row = DisputeRow(
        place=0,
        organization_id=recording.organization_id,
        id=recording.keys.take(),
        number=await _next_number(recording, origin),
        origin=origin,
        state=DisputeState.OPEN,
        resolution=None,
        snapshot_id=snapshot_id,
        opened_at=recording.recorded_at,
        opened_by=principal.name,
        reason=reason,
        assignee=None,
        respond_by=None,
        pack_id=None,
        resolved_at=None,
    )
    values = row._asdict()
    del values["place"]
    await recording.session.execute(insert(DISPUTE).values(values))
    return Case(recording, principal, row, row.state)


async def _next_number(recording: Recording, origin: DisputeOrigin) -> str:
    """XTRA-LEASE-D-0001. What the client does not see is counted apart, so that its own numbers have no gap."""
    is_drift = origin is DisputeOrigin.DRIFT
    same = DISPUTE.c.origin == DisputeOrigin.DRIFT if is_drift else DISPUTE.c.origin != DisputeOrigin.DRIFT
    count = (
        select(func.count()).select_from(DISPUTE).where(DISPUTE.c.organization_id == recording.organization_id, same)
    )
    slug = select(Organization.slug).where(Organization.id == recording.organization_id)
    made, named = (await recording.session.execute(select(count.scalar_subquery(), slug.scalar_subquery()))).one()
    return f"{named.upper()}-{'DRIFT' if is_drift else 'D'}-{made + 1:04}"


async def _write_lines(case: Case, lines: Sequence[_Disputed]) -> None:
    """The database itself refuses a second open dispute on a line, whoever wrote the first in the meantime."""
    rows = [
        {
            "organization_id": case.row.organization_id,
            "dispute_id": case.row.id,
            "invoice_id": line.key.invoice_id,
            "line_number": line.key.number,
            "quantity": line.quantity,
            "credited": 0,
            "is_open": True,
        }
        for line in lines
    ]
    try:
        await case.recording.session.execute(insert(DISPUTED), rows)
    except IntegrityError as problem:
        raise line_in_dispute(" or ".join(line.label for line in lines), "lines") from problem
