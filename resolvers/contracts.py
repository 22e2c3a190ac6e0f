"""Contract terms: set, amended, ended, withdrawn. Each is one transaction, insert-only, and leaves an event.

All are idempotent by what they state. What was frozen by a term stays as it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from models.contracts import (
    NO_LAST_DAY,
    Agreement,
    Amendment,
    Decided,
    Measure,
    Term,
    TermChange,
    amended,
    ended,
    newly_agreed,
    withdrawn,
)
from models.errors import BillingError, BillingErrorCode, NotFound
from models.events import Deed, Thing
from models.interval import DAY, to_microseconds
from models.money import Money
from resolvers.activity import sane_day
from resolvers.events import Noted, note
from resolvers.loaders.terms import TERM, TermKey, held_terms, terms_by_id
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, end_recording
from resolvers.snapshots.products import products_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTerm:
    """Of a product from a local day through another; `through` None if it has no last day."""

    product_id: int
    first: dt.date
    through: dt.date | None
    licensed: int
    unit_price: Money
    measure: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class TermAmendment:
    """What is agreed instead from a local day on; None leaves it as it is."""

    first: dt.date
    licensed: int | None = None
    unit_price: Money | None = None
    measure: Measure | None = None


async def set_term(
    session: AsyncSession,
    principal: Principal,
    now: dt.datetime,
    organization_id: int,
    new: NewTerm,
    reason: str | None = None,
) -> int:
    """A term of a product; the id of the one that says so already if there is one."""
    recording = await _begin(session, principal, now, organization_id)
    if new.product_id not in (await products_of(session, organization_id)).ids:
        raise BillingError(BillingErrorCode.NOT_A_PRODUCT, "This is neither the seats nor a library.", "product")
    agreed = Agreement(
        product_id=new.product_id,
        since=sane_day(new.first, "dates", "from"),
        until=_until(new.through, "dates", "through"),
        licensed=new.licensed,
        unit_price_minor=new.unit_price.amount_minor,
        currency=new.unit_price.currency,
        measure=new.measure,
    )
    decided = newly_agreed(await _held(recording), agreed)
    return await _write(recording, principal, decided, Deed.TERM_SET, reason)


async def amend_term(
    session: AsyncSession,
    principal: Principal,
    now: dt.datetime,
    organization_id: int,
    term_id: int,
    amendment: TermAmendment,
    reason: str | None = None,
) -> int:
    """Something else is agreed from a day on; the id of the term that says so."""

    def decide(held: Sequence[Term], term: Term) -> Decided:
        price = amendment.unit_price or Money(term.unit_price_minor, term.currency)
        whole = Amendment(
            since=sane_day(amendment.first, "from"),
            licensed=term.licensed if amendment.licensed is None else amendment.licensed,
            unit_price_minor=price.amount_minor,
            currency=price.currency,
            measure=amendment.measure or term.measure,
        )
        return amended(held, term, whole)

    return await _change(session, principal, now, organization_id, term_id, decide, Deed.TERM_AMENDED, reason)


async def end_term(
    session: AsyncSession,
    principal: Principal,
    now: dt.datetime,
    organization_id: int,
    term_id: int,
    through: dt.date | None,
    reason: str | None = None,
) -> int:
    """The term gets another last day, or none."""
    until = _until(through, "lastDay")

    def decide(held: Sequence[Term], term: Term) -> Decided:
        return ended(held, term, until)

    return await _change(session, principal, now, organization_id, term_id, decide, Deed.TERM_ENDED, reason)


async def withdraw_term(
    session: AsyncSession, principal: Principal, now: dt.datetime, organization_id: int, term_id: int, reason: str
) -> int:
    """The term was never agreed."""
    if not reason.strip():
        raise BillingError(BillingErrorCode.REASON_REQUIRED, BillingErrorCode.REASON_REQUIRED.value, "reason")

    def decide(_: Sequence[Term], term: Term) -> Decided:
        return withdrawn(term)

    return await _change(session, principal, now, organization_id, term_id, decide, Deed.TERM_WITHDRAWN, reason)


# ------------------------------------------------------------------------------------------- steps

Deciding = Callable[[Sequence[Term], Term], Decided]


async def _begin(session: AsyncSession, principal: Principal, now: dt.datetime, organization_id: int) -> Recording:
    principal.must_see(organization_id, "organization", "organization")
    principal.must_be_staff("change contract terms")
    return await begin_recording(session, organization_id, now)


async def _change(
    session: AsyncSession,
    principal: Principal,
    now: dt.datetime,
    organization_id: int,
    term_id: int,
    decide: Deciding,
    deed: Deed,
    reason: str | None,
) -> int:
    """Load, decide, write: of a term that there is."""
    recording = await _begin(session, principal, now, organization_id)
    held = await _held(recording)
    term = next((term for term in held if term.id == term_id), None)
    if term is None:
        return await _not_held(recording, term_id, deed)
    return await _write(recording, principal, decide(held, term), deed, reason)


async def _not_held(recording: Recording, term_id: int, deed: Deed) -> int:
    """A term that was withdrawn already, or that there never was."""
    key = TermKey(recording.organization_id, term_id, to_microseconds(recording.recorded_at))
    if not await terms_by_id(recording.session, [key]):
        raise NotFound("contract term", "term")
    if deed is Deed.TERM_WITHDRAWN:
        return term_id
    raise BillingError(BillingErrorCode.NOT_IN_TERM, "The term was withdrawn: no day is within it.", "term")


async def _held(recording: Recording) -> list[Term]:
    organization_id = recording.organization_id
    return (await held_terms(recording.session, [organization_id], recording.recorded_at))[organization_id]


def _until(through: dt.date | None, *field: str) -> dt.date:
    return NO_LAST_DAY if through is None else sane_day(through, *field) + DAY


async def _write(recording: Recording, principal: Principal, decided: Decided, deed: Deed, reason: str | None) -> int:
    """The rows, with an event of each; nothing if nothing changes."""
    if not decided.changes:
        assert decided.term_id is not None  # noqa: S101  # what changes nothing is said by a term that there is
        return decided.term_id
    before = {term.id: str(term) for term in await _held(recording)}
    was = next((before[change.term_id] for change in decided.changes if change.term_id), None)
    ids = [recording.keys.take() if change.term_id is None else change.term_id for change in decided.changes]
    written = list(zip(ids, decided.changes, strict=True))
    await recording.session.execute(insert(TERM), [_row(recording, *one) for one in written])
    said = (reason or "").strip() or None
    deeds = [
        Noted(
            thing=Thing.CONTRACT_TERM,
            thing_id=term_id,
            deed=deed,
            said=said,
            before=was,
            after=str(change.agreed) if change.holds else None,
        )
        for term_id, change in written
    ]
    await note(recording, principal, *deeds)
    await end_recording(recording)
    return ids[-1]


def _row(recording: Recording, term_id: int, change: TermChange) -> dict[str, object]:
    agreed = {field.name: getattr(change.agreed, field.name) for field in fields(change.agreed)}
    own = {"organization_id": recording.organization_id, "id": term_id, "recorded_at": recording.recorded_at}
    return own | agreed | {"holds": change.holds}
