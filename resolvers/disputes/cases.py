"""A case as somebody takes it up: under its organization's lock, seen and allowed, and its step possible."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.access import Role
from models.cases import RULES, DisputeStep, state_after
from models.disputes import DisputeOrigin, DisputeState
from models.errors import DisputeError, DisputeErrorCode, NotAllowed, NotFound
from models.events import Deed, Thing
from resolvers.events import Noted, note
from resolvers.loaders.disputes import DISPUTE, DisputeKey, DisputeRow, disputes_by_id
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, end_recording

LONGEST_TEXT = 10_000
"""Characters of a reason or a message."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case, and the state to which the step that is under way leads."""

    recording: Recording
    principal: Principal
    row: DisputeRow
    becomes: DisputeState

    def done(
        self,
        deed: Deed,
        *,
        said: str | None = None,
        before: str | None = None,
        after: str | None = None,
        minutes: int | None = None,
        internal: bool = False,
    ) -> Noted:
        """Of a case that the client does not see, nothing that was done is shown to the client either."""
        return Noted(
            thing=Thing.DISPUTE,
            thing_id=self.row.id,
            deed=deed,
            said=said,
            before=before,
            after=after,
            minutes=minutes,
            internal=internal or self.row.origin is DisputeOrigin.DRIFT,
        )

    def moved(self, said: str | None = None) -> Noted:
        return self.done(Deed.STATE_CHANGED, said=said, before=self.row.state.name, after=self.becomes.name)


async def take_up(
    session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey, step: DisputeStep
) -> Case:
    """The case, for a step that this principal may take, and that its state lets be taken."""
    principal.must_see(key.organization_id, "dispute", "dispute")
    recording = await begin_recording(session, key.organization_id, now)
    row = await find_case(session, principal, key)
    must_be_allowed(principal, step)
    return Case(recording, principal, row, state_after(step, row.state, row.origin))


async def find_case(connection: AsyncConnection | AsyncSession, principal: Principal, key: DisputeKey) -> DisputeRow:
    rows = await disputes_by_id(connection, [key])
    if not rows or not may_see_case(principal, rows[0]):
        raise NotFound("dispute", "dispute")
    return rows[0]


def may_see_case(principal: Principal, row: DisputeRow) -> bool:
    """The client does not see what the nightly check opened."""
    hidden = row.origin is DisputeOrigin.DRIFT and not principal.is_staff
    return principal.may_see(row.organization_id) and not hidden


def must_be_allowed(principal: Principal, step: DisputeStep) -> None:
    if principal.is_staff:
        return
    must_be_client(principal)
    if not RULES[step].by_client:
        raise NotAllowed(f"Only staff may {step.value}.", "dispute")


def must_be_client(principal: Principal) -> None:
    """A partner's system reads; to dispute a bill is for the organization's own administrators."""
    if principal.role is not Role.ORGANIZATION:
        raise NotAllowed("Only the organization's administrators, or staff for them, may take part in a dispute.")


def takes_part(principal: Principal) -> bool:
    return principal.is_staff or principal.role is Role.ORGANIZATION


async def finish(case: Case, *deeds: Noted, **changes: object) -> None:
    """The last of a step: the new state and whatever else changes, and what was done."""
    row = case.row
    await case.recording.session.execute(
        update(DISPUTE)
        .where(DISPUTE.c.organization_id == row.organization_id, DISPUTE.c.id == row.id)
        .values(state=case.becomes, **changes)
    )
    await note(case.recording, case.principal, *deeds)
    await end_recording(case.recording)


def worded(text: str, *field: str) -> str:
    """A reason or a message that says something."""
    stripped = text.strip()
    if not 1 <= len(stripped) <= LONGEST_TEXT:
        raise DisputeError(
            DisputeErrorCode.REASON_REQUIRED,
            f"Say it in 1 to {LONGEST_TEXT:,} characters that both sides will understand.",
            *field,
        )
    return stripped
