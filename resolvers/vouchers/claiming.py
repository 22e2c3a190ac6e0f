"""Claiming: whoever follows the link takes the voucher. Of any number at once exactly one does, and the link is dead.

Following the link shows that the mailbox is theirs. So who is not signed in takes it for the account of that address,
which is made if there is none; but no browser is signed in as somebody who was registered before, for the mail may
have been forwarded. Who is signed in with that address takes it for themselves. With another address they wait: the
organization approves, or refuses, and then whom it invited gets another link.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.access import Role
from models.addresses import address_of
from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.invitations import InvitationEnd
from models.program_events import ProgramDeed, ProgramThing
from models.vouchers import AssignmentState
from resolvers.accounts import FoundAccount, account_of_address, account_of_person, register
from resolvers.database import Reading, Writing
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, Told, begin_act, tell
from resolvers.vouchers.attempting import limited
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.finding import FoundVoucher, must_own, refuse_dead
from resolvers.vouchers.invitation_facts import InvitationFacts, invitation_facts
from resolvers.vouchers.inviting import DEED, send_another
from resolvers.vouchers.links import INVITATION, digests_of_secret, end_those, program_of_secret
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER, is_usable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    program_id: int
    voucher_id: int
    # ACTIVE: it is theirs. AWAITING_APPROVAL: the organization decides.
    state: AssignmentState
    person_id: int
    # The account that was made for them; None if they had one.
    registered: FoundAccount | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What a live link offers, before anybody takes it."""

    facts: InvitationFacts
    # Whether its address is somebody's account: they need not give a name.
    registered: bool


class _Followed(NamedTuple):
    """What a link leads to, whether it is live or not."""

    invitation_id: int
    end: InvitationEnd | None
    assignment_id: int
    voucher_id: int
    email: str
    state: AssignmentState
    person_id: int | None


def visitor(origin: str) -> Principal:
    """Who is not signed in: whoever has the link."""
    return Principal(name="whoever followed the link", role=Role.INDIVIDUAL, origin=origin)


def not_usable() -> VoucherError:
    """Unknown, dead and used links: one answer."""
    return VoucherError(VoucherErrorCode.CLAIM_NOT_USABLE, VoucherErrorCode.CLAIM_NOT_USABLE.value, "secret")


# --------------------------------------------------------------------------------------------------- looking


async def offer(connection: AsyncConnection, keys: CodeKeys, now: dt.datetime, secret: str) -> Offer | None:
    """What the link offers now; None if it is dead. Changes nothing: mail scanners follow links too."""
    program_id = program_of_secret(secret)
    if program_id is None:
        return None
    found = await _follow(connection, keys, now, program_id, secret, INVITATION.c.expires_at > now)
    facts = found and await invitation_facts(connection, keys, program_id, found.invitation_id)
    if not facts:
        return None
    return Offer(facts, registered=await account_of_address(connection, facts.recipient) is not None)


async def _follow(
    connection: AsyncConnection | AsyncSession,
    keys: CodeKeys,
    now: dt.datetime,
    program_id: int,
    secret: str,
    *which: ColumnElement[bool],
) -> _Followed | None:
    digests = digests_of_secret(keys, program_id, secret)
    of_it = and_(INVITATION.c.program_id == program_id, INVITATION.c.digest.in_(digests))
    row = (await connection.execute(_followed().where(of_it, is_usable(now), *which))).one_or_none()
    return row and _Followed(*row)


def _followed() -> Select[Any]:
    """Columns in the order of _Followed; of vouchers that the assignment is in force for."""
    of_assignment = and_(
        ASSIGNMENT.c.program_id == INVITATION.c.program_id, ASSIGNMENT.c.id == INVITATION.c.voucher_assignment_id
    )
    in_force = and_(VOUCHER.c.program_id == ASSIGNMENT.c.program_id, VOUCHER.c.assignment_id == ASSIGNMENT.c.id)
    link = (INVITATION.c.id, INVITATION.c.end)
    given = [ASSIGNMENT.c[name] for name in ("id", "voucher_id", "email", "state", "person_id")]
    return select(*link, *given).join_from(INVITATION, ASSIGNMENT, of_assignment).join(VOUCHER, in_force)


# -------------------------------------------------------------------------------------------------- claiming


async def claim(
    reading: Reading, run: Writing, keys: CodeKeys, principal: Principal, now: dt.datetime, secret: str
) -> Claimed:
    """By an individual who is signed in."""
    return await _attempt(reading, run, principal, now, secret, lambda act: _claim_signed_in(act, keys, secret))


async def claim_by_link(
    reading: Reading, run: Writing, keys: CodeKeys, origin: str, now: dt.datetime, secret: str, name: str
) -> Claimed:
    """By whoever has the link: for the account of its address, or for a new one of this name."""
    return await _attempt(
        reading, run, visitor(origin), now, secret, lambda act: _claim_for_address(act, keys, secret, name)
    )


async def _attempt(
    reading: Reading,
    run: Writing,
    principal: Principal,
    now: dt.datetime,
    secret: str,
    step: Callable[[ProgramAct], Awaitable[T]],
) -> T:
    program_id = program_of_secret(secret)
    if program_id is None:
        raise not_usable()

    async def transaction(session: AsyncSession) -> T:
        return await step(await begin_act(session, principal, now, program_id))

    try:
        return await limited(reading, run, principal, now, program_id, None, partial(run, transaction))
    except NotFound as nowhere:
        raise not_usable() from nowhere


async def _claim_signed_in(act: ProgramAct, keys: CodeKeys, secret: str) -> Claimed:
    person_id = act.principal.person_id
    found = await _follow(act.session, keys, act.now, act.program_id, secret)
    if found is None or person_id is None:
        raise not_usable()
    if found.end is InvitationEnd.CLAIMED and found.person_id == person_id:
        # They asked before, and did not hear the answer.
        return _claimed(act, found, person_id, found.state)
    account = await account_of_person(act.session, person_id)
    invited = account is not None and account.has(found.email)
    return await _tie(act, found, person_id, AssignmentState.ACTIVE if invited else AssignmentState.AWAITING_APPROVAL)


async def _claim_for_address(act: ProgramAct, keys: CodeKeys, secret: str, name: str) -> Claimed:
    found = await _follow(act.session, keys, act.now, act.program_id, secret, INVITATION.c.ended_at.is_(None))
    if found is None:
        raise not_usable()
    known = await account_of_address(act.session, found.email)
    account = known or await register(act.session, act.now, name, found.email)
    theirs = replace(act, principal=replace(act.principal, person_id=account.person_id))
    claimed = await _tie(theirs, found, account.person_id, AssignmentState.ACTIVE)
    return claimed if known else replace(claimed, registered=account)


async def _tie(act: ProgramAct, found: _Followed, person_id: int, state: AssignmentState) -> Claimed:
    """One conditional update decides who of many has it; then the link dies, unless it had died before."""
    tied = await act.session.execute(
        update(ASSIGNMENT)
        .where(ASSIGNMENT.c.program_id == act.program_id, ASSIGNMENT.c.id == found.assignment_id)
        .where(ASSIGNMENT.c.state == AssignmentState.INVITED)
        .values(state=state, person_id=person_id)
        .returning(ASSIGNMENT.c.id)
    )
    of_it = and_(INVITATION.c.id == found.invitation_id, INVITATION.c.expires_at > act.now)
    if tied.scalar_one_or_none() is None or not await end_those(act, of_it, InvitationEnd.CLAIMED):
        raise not_usable()
    theirs = state is AssignmentState.ACTIVE
    await _tell(act, found.voucher_id, ProgramDeed.CLAIMED if theirs else ProgramDeed.CLAIM_AWAITS_APPROVAL)
    return _claimed(act, found, person_id, state)


def _claimed(act: ProgramAct, found: _Followed, person_id: int, state: AssignmentState) -> Claimed:
    return Claimed(program_id=act.program_id, voucher_id=found.voucher_id, state=state, person_id=person_id)


async def _tell(act: ProgramAct, voucher_id: int, deed: ProgramDeed) -> None:
    await tell(act, Told(thing=ProgramThing.VOUCHER, thing_id=voucher_id, deed=deed))


# -------------------------------------------------------------------------------------------------- deciding


async def approve(act: ProgramAct, voucher_id: int) -> int:
    """The voucher is theirs who claimed it with another address."""
    found = await must_own(act, voucher_id, DEED)
    refuse_dead(act, found)
    await _decide(act, found, state=AssignmentState.ACTIVE)
    await _tell(act, voucher_id, ProgramDeed.CLAIM_APPROVED)
    return voucher_id


async def refuse(act: ProgramAct, keys: CodeKeys, voucher_id: int) -> int:
    """Who claimed it has nothing of it, and the address that was invited gets another link: it is still meant for
    them. To take the voucher back altogether, the organization cancels instead."""
    found = await must_own(act, voucher_id, DEED)
    refuse_dead(act, found)
    recipient = await _decide(act, found, state=AssignmentState.INVITED, person_id=None)
    if address_of(recipient):
        await send_another(act, keys, voucher_id, found.assignment_id or 0, recipient)
    await _tell(act, voucher_id, ProgramDeed.CLAIM_REFUSED)
    return voucher_id


async def _decide(act: ProgramAct, found: FoundVoucher, **values: object) -> str:
    """To which address it was sent. Of many who decide, one does."""
    decided = await act.session.execute(
        update(ASSIGNMENT)
        .where(ASSIGNMENT.c.program_id == act.program_id, ASSIGNMENT.c.id == found.assignment_id)
        .where(ASSIGNMENT.c.state == AssignmentState.AWAITING_APPROVAL)
        .values(**values)
        .returning(ASSIGNMENT.c.email)
    )
    recipient = decided.scalar_one_or_none()
    if recipient is None:
        code = VoucherErrorCode.NOT_AWAITING_APPROVAL
        raise VoucherError(code, code.value, "voucher")
    return str(recipient)
