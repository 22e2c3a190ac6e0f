"""Inviting: a voucher given to whoever follows a link that is sent to an address, registered or not.

The assignment is INVITED until somebody claims it, and the voucher nobody else's. When its link dies before (nobody
followed it in time, or the mail bounced), the assignment stays INVITED and shows so: only the organization knows
whether the address was wrong, so it sends another link, to a corrected address if need be, or cancels, and then the
voucher is free again. Nothing of it happens by itself, and no voucher is stuck.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import and_, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from models.addresses import address_of
from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.invitations import VALID_DAYS, InvitationEnd
from models.outbox import MessageKind
from models.program_events import ProgramDeed, ProgramThing
from models.vouchers import AssigneeKind, AssignmentEnd, AssignmentState
from resolvers.outbox.putting import NewMessage, put
from resolvers.programs.acting import ProgramAct, Told, once_in_program, tell, tell_all
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.finding import FoundVoucher, must_own, purpose_of, refuse_dead
from resolvers.vouchers.links import INVITATION, digest_of_secret, end_links, end_those, new_secret, seal_secret
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER, end_assignments, of_program
from resolvers.vouchers.taking import Assignee, Choice, stays_with_another, take

DEED = "assign its vouchers"
VALID = dt.timedelta(days=VALID_DAYS)
BETWEEN_REMINDERS = dt.timedelta(days=1)
LONGEST_MESSAGE = 2_000
AT_ONCE = 1_000
# Nobody has the voucher yet, so it can be taken back without another code.
WAITING = (AssignmentState.INVITED, AssignmentState.AWAITING_APPROVAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inviting:
    """A voucher, or any from the organization's stock of a voucher program: give one of the two."""

    address: str = field(repr=False)
    message: str | None = field(default=None, repr=False)
    voucher_id: int | None = None
    voucher_program_id: int | None = None
    # Whose stock it is taken from; None for a named voucher, and for the principal's own.
    organization_id: int | None = None
    # What it is meant for; None keeps what was said before.
    purpose: str | None = None


class Sent(NamedTuple):
    """How often somebody was reminded: another link does not begin anew."""

    reminders: int = 0
    reminded_at: dt.datetime | None = None


# ------------------------------------------------------------------------------------------------- inviting


async def invite_once(act: ProgramAct, keys: CodeKeys, key: str, asked: Inviting) -> int:
    """The voucher that was assigned, also to whoever asks the same again: nothing is sent twice by that."""
    await _owner(act, asked)
    return await once_in_program(act, key, "voucherAssign", asked, lambda: invite(act, keys, asked))


async def invite(act: ProgramAct, keys: CodeKeys, asked: Inviting) -> int:
    """The voucher that was assigned."""
    organization_id = await _owner(act, asked)
    address, message = must_be_address(asked.address, "to", "email", "address"), _message_of(asked.message)
    purpose = purpose_of(asked.purpose)
    chosen = Choice(organization_id, asked.voucher_id, asked.voucher_program_id)
    invited = Assignee(kind=AssigneeKind.EMAIL, email=address, message=message)
    taken = await take(act, chosen, invited, purpose)
    await _send(act, keys, *taken, address, Sent())
    # Whom it was sent to is personal data: the event does not name them, the assignment does.
    await _tell(act, taken.voucher_id, ProgramDeed.INVITED, purpose)
    return taken.voucher_id


async def _owner(act: ProgramAct, asked: Inviting) -> int:
    """Whose voucher it is, for whoever acts for them."""
    if asked.voucher_id is not None:
        return (await must_own(act, asked.voucher_id, DEED)).organization_id
    organization_id = asked.organization_id or act.principal.organization_id
    if organization_id is None:
        raise NotFound("organization", "organization")
    act.principal.must_see_in(act.program_id, organization_id, "organization", "organization")
    act.principal.must_own(organization_id, DEED)
    return organization_id


def must_be_address(typed: str, *path: str) -> str:
    address = address_of(typed)
    if address is None:
        raise VoucherError(VoucherErrorCode.BAD_EMAIL, VoucherErrorCode.BAD_EMAIL.value, *path)
    return address


def _message_of(text: str | None) -> str | None:
    """Lines are a person's own; what else does not print has no place in a letter."""
    if text is None:
        return None
    message = text.strip().replace("\r\n", "\n")
    printable = all(line.isprintable() for line in message.replace("\t", " ").split("\n"))
    if not 1 <= len(message) <= LONGEST_MESSAGE or not printable:
        raise VoucherError(VoucherErrorCode.BAD_MESSAGE, VoucherErrorCode.BAD_MESSAGE.value, "to", "email", "message")
    return message


async def _send(
    act: ProgramAct, keys: CodeKeys, voucher_id: int, assignment_id: int, recipient: str, sent: Sent
) -> None:
    """A link, and the mail that it goes out with."""
    invitation_id, secret = act.keys.take(), new_secret(act.program_id)
    row = {
        "program_id": act.program_id,
        "id": invitation_id,
        "voucher_assignment_id": assignment_id,
        "code_key": keys.newest,
        "digest": digest_of_secret(keys, act.program_id, secret),
        "sealed": seal_secret(keys, act.program_id, invitation_id, secret),
        "made_at": act.now,
        "expires_at": min(act.now + VALID, await _expiry(act, voucher_id)),
        "reminders": sent.reminders,
        "reminded_at": sent.reminded_at,
    }
    await act.session.execute(insert(INVITATION), row)
    about = NewMessage(MessageKind.VOUCHER_INVITATION, recipient, voucher_invitation_id=invitation_id)
    await put(act, about)


async def _expiry(act: ProgramAct, voucher_id: int) -> dt.datetime:
    of_it = select(VOUCHER.c.expires_at).where(of_program(act), VOUCHER.c.id == voucher_id)
    expires_at: dt.datetime = (await act.session.execute(of_it)).scalar_one()
    return expires_at


async def _tell(act: ProgramAct, voucher_id: int, deed: ProgramDeed, said: str | None = None) -> None:
    await tell(act, Told(thing=ProgramThing.VOUCHER, thing_id=voucher_id, deed=deed, said=said))


# ---------------------------------------------------------------------------------------- while nobody claims


async def resend(act: ProgramAct, keys: CodeKeys, voucher_id: int, typed: str | None = None) -> int:
    """Another link, to a corrected address if one is given. The old link is dead in the same moment."""
    found = await must_own(act, voucher_id, DEED)
    address = None if typed is None else must_be_address(typed, "email")
    refuse_dead(act, found)
    recipient = await _readdress(act, found, address)
    await send_another(act, keys, voucher_id, found.assignment_id or 0, recipient)
    await _tell(act, voucher_id, ProgramDeed.INVITED)
    return voucher_id


async def send_another(act: ProgramAct, keys: CodeKeys, voucher_id: int, assignment_id: int, recipient: str) -> None:
    sent = await _sent(act, assignment_id)
    await end_links(act, [assignment_id], InvitationEnd.RESENT)
    await _send(act, keys, voucher_id, assignment_id, recipient, sent)


async def _readdress(act: ProgramAct, found: FoundVoucher, address: str | None) -> str:
    """Where it goes: while nobody has claimed it, to another address if one is given."""
    changed = await act.session.execute(
        update(ASSIGNMENT)
        .where(ASSIGNMENT.c.program_id == act.program_id, ASSIGNMENT.c.id == found.assignment_id)
        .where(ASSIGNMENT.c.state == AssignmentState.INVITED)
        .values(email=address or ASSIGNMENT.c.email)
        .returning(ASSIGNMENT.c.email)
    )
    recipient = changed.scalar_one_or_none()
    if recipient is None:
        raise _refused(VoucherErrorCode.NOT_INVITED)
    must_be_address(recipient, "email")
    await _refuse_another(act, found, recipient)
    return str(recipient)


async def _refuse_another(act: ProgramAct, found: FoundVoucher, address: str) -> None:
    """Terms that tie a voucher to its first assignee hold for a corrected address too."""
    invited = Assignee(kind=AssigneeKind.EMAIL, email=address)
    tied = select(VOUCHER.c.id).where(of_program(act), VOUCHER.c.id == found.voucher_id, stays_with_another(invited))
    if (await act.session.execute(tied)).first() is not None:
        raise _refused(VoucherErrorCode.FIRST_ASSIGNEE_ONLY)


async def _sent(act: ProgramAct, assignment_id: int) -> Sent:
    last = (
        select(INVITATION.c.reminders, INVITATION.c.reminded_at)
        .where(INVITATION.c.program_id == act.program_id, INVITATION.c.voucher_assignment_id == assignment_id)
        .order_by(INVITATION.c.made_at.desc(), INVITATION.c.id.desc())
        .limit(1)
    )
    row = (await act.session.execute(last)).one_or_none()
    return Sent(*row) if row else Sent()


async def remind(act: ProgramAct, voucher_id: int) -> int:
    """The same link once more, at most once a day, however many ask."""
    found = await must_own(act, voucher_id, DEED)
    live = and_(INVITATION.c.ended_at.is_(None), INVITATION.c.expires_at > act.now)
    patient = or_(INVITATION.c.reminded_at.is_(None), INVITATION.c.reminded_at <= act.now - BETWEEN_REMINDERS)
    reminded = await act.session.execute(
        update(INVITATION)
        .where(INVITATION.c.program_id == act.program_id)
        .where(INVITATION.c.voucher_assignment_id == found.assignment_id, live, patient)
        .values(reminders=INVITATION.c.reminders + 1, reminded_at=act.now)
        .returning(INVITATION.c.id)
    )
    invitation_id = reminded.scalar_one_or_none()
    if invitation_id is None:
        raise await _why_no_reminder(act, found)
    about = NewMessage(MessageKind.VOUCHER_REMINDER, await _recipient(act, found), voucher_invitation_id=invitation_id)
    await put(act, about)
    await _tell(act, voucher_id, ProgramDeed.REMINDED)
    return voucher_id


async def _recipient(act: ProgramAct, found: FoundVoucher) -> str:
    named = select(ASSIGNMENT.c.email).where(
        ASSIGNMENT.c.program_id == act.program_id, ASSIGNMENT.c.id == found.assignment_id
    )
    return str((await act.session.execute(named)).scalar_one())


async def _why_no_reminder(act: ProgramAct, found: FoundVoucher) -> VoucherError:
    if found.assignment_state is not AssignmentState.INVITED:
        return _refused(VoucherErrorCode.NOT_INVITED)
    live = exists().where(
        INVITATION.c.program_id == act.program_id,
        INVITATION.c.voucher_assignment_id == found.assignment_id,
        INVITATION.c.ended_at.is_(None),
        INVITATION.c.expires_at > act.now,
    )
    if not (await act.session.execute(select(live))).scalar_one():
        return _refused(VoucherErrorCode.LINK_DEAD)
    last = (await _sent(act, found.assignment_id or 0)).reminded_at or act.now
    again = (
        f"They were reminded within the last day. Remind again from {last + BETWEEN_REMINDERS:%Y-%m-%d %H:%M} UTC on."
    )
    return VoucherError(VoucherErrorCode.REMINDED_ALREADY, again, "voucher")


def _refused(code: VoucherErrorCode) -> VoucherError:
    return VoucherError(code, code.value, "voucher")


async def cancel(act: ProgramAct, voucher_id: int) -> int:
    """The voucher is free again and the link dead. Once somebody has the voucher it is reissued instead, for then its
    code may be known."""
    found = await must_own(act, voucher_id, DEED)
    waits = exists().where(
        ASSIGNMENT.c.program_id == VOUCHER.c.program_id,
        ASSIGNMENT.c.id == VOUCHER.c.assignment_id,
        ASSIGNMENT.c.state.in_(WAITING),
    )
    freed = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), VOUCHER.c.id == voucher_id, VOUCHER.c.assignment_id == found.assignment_id, waits)
        .values(assignment_id=None)
        .returning(VOUCHER.c.id)
    )
    if freed.scalar_one_or_none() is None:
        raise _refused(VoucherErrorCode.NOT_INVITED)
    await end_assignments(act, [voucher_id], AssignmentEnd.CANCELLED)
    await _tell(act, voucher_id, ProgramDeed.ASSIGNMENT_CANCELLED)
    return voucher_id


# -------------------------------------------------------------------------------------------- dead by themselves


async def keep_bounce(act: ProgramAct, invitation_id: int) -> bool:
    """That the mail could not be delivered: its link is dead. Whether it was live until then."""
    act.principal.must_run(act.program_id, "tell of bounces")
    return await _end_told(act, [invitation_id], InvitationEnd.BOUNCED, ProgramDeed.BOUNCED) > 0


async def programs_with_dead_links(connection: AsyncConnection, now: dt.datetime) -> list[int]:
    """Where the time of any link is over."""
    due = select(INVITATION.c.program_id).where(INVITATION.c.ended_at.is_(None), INVITATION.c.expires_at <= now)
    return list((await connection.execute(due.distinct())).scalars())


async def expire_links(act: ProgramAct, at_once: int = AT_ONCE) -> int:
    """Ends at most so many links whose time is over, and says how many; as many as that, and there may be more."""
    act.principal.must_run(act.program_id, "let links expire")
    due = (
        select(INVITATION.c.id)
        .where(INVITATION.c.program_id == act.program_id, INVITATION.c.ended_at.is_(None))
        .where(INVITATION.c.expires_at <= act.now)
        .order_by(INVITATION.c.expires_at, INVITATION.c.id)
        .limit(at_once)
    )
    ids = list((await act.session.execute(due)).scalars())
    return await _end_told(act, ids, InvitationEnd.EXPIRED, ProgramDeed.LINK_EXPIRED) if ids else 0


async def _end_told(act: ProgramAct, invitation_ids: list[int], end: InvitationEnd, deed: ProgramDeed) -> int:
    rows = await end_those(act, INVITATION.c.id.in_(invitation_ids), end)
    of_them = [row.voucher_assignment_id for row in rows]
    vouchers = await act.session.execute(
        select(ASSIGNMENT.c.voucher_id)
        .where(ASSIGNMENT.c.program_id == act.program_id, ASSIGNMENT.c.id.in_(of_them))
        .order_by(ASSIGNMENT.c.id)
    )
    told = [Told(thing=ProgramThing.VOUCHER, thing_id=one, deed=deed) for one in vouchers.scalars()]
    await tell_all(act, told)
    return len(told)
