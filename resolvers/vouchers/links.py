"""Links: the secrets that are sent to an address. Found by a keyed hash, as codes are, and kept encrypted until dead.

What stands behind a link says in which program it is, so that finding it is one look-up by its hash there.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, update

from models.invitations import InvitationEnd, VoucherInvitation
from resolvers.outbox.putting import withdraw
from resolvers.programs.acting import ProgramAct
from resolvers.tokens import PREFIX
from resolvers.vouchers.codes import CodeKeys

INVITATION = VoucherInvitation.__table__
RANDOM_BYTES = 24
PROGRAM_BYTES = 8
DOMAIN = "invitation:"
"""Before what is hashed and sealed: a code is never taken for a link, nor a link for a code, in whatever row it is."""


def new_secret(program_id: int) -> str:
    """192 random bits. It begins as tokens do, so that the log cuts it out wherever it is met."""
    whole = program_id.to_bytes(PROGRAM_BYTES, "big") + secrets.token_bytes(RANDOM_BYTES)
    return PREFIX + base64.urlsafe_b64encode(whole).decode().rstrip("=")


def program_of_secret(secret: str) -> int | None:
    """In which program a link may be; None if this is none."""
    text = secret.removeprefix(PREFIX)
    try:
        whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(whole) != PROGRAM_BYTES + RANDOM_BYTES or not secret.startswith(PREFIX):
        return None
    program_id = int.from_bytes(whole[:PROGRAM_BYTES], "big")
    return program_id if program_id < 1 << 63 else None


def digest_of_secret(keys: CodeKeys, program_id: int, secret: str) -> str:
    return keys.digest(program_id, DOMAIN + secret)


def digests_of_secret(keys: CodeKeys, program_id: int, secret: str) -> Sequence[str]:
    return keys.digests(program_id, DOMAIN + secret)


def seal_secret(keys: CodeKeys, program_id: int, invitation_id: int, secret: str) -> bytes:
    return keys.seal(program_id, invitation_id, DOMAIN + secret)


def open_secret(keys: CodeKeys, program_id: int, invitation_id: int, key_id: str, sealed: bytes) -> str:
    opened = keys.open(program_id, invitation_id, key_id, sealed)
    if not opened.startswith(DOMAIN):
        raise ValueError(f"what is sealed in invitation {invitation_id} is no link")
    return opened.removeprefix(DOMAIN)


async def end_links(act: ProgramAct, assignment_ids: Sequence[int], end: InvitationEnd) -> list[int]:
    """The live links of these assignments die, and what was to be sent about them is not sent any more. Gives the
    assignments that had one."""
    if not assignment_ids:
        return []
    rows = await end_those(act, INVITATION.c.voucher_assignment_id.in_(assignment_ids), end)
    return [row.voucher_assignment_id for row in rows]


async def end_those(act: ProgramAct, which: ColumnElement[bool], end: InvitationEnd) -> Sequence[Row[Any]]:
    """Of these links those that are live die, whatever they were for; gives each with its assignment."""
    ended = await act.session.execute(
        update(INVITATION)
        .where(INVITATION.c.program_id == act.program_id, which, INVITATION.c.ended_at.is_(None))
        .values(ended_at=act.now, end=end, sealed=None)
        .returning(INVITATION.c.id, INVITATION.c.voucher_assignment_id)
    )
    rows = ended.all()
    if rows:
        await withdraw(act, voucher_invitation_ids=[row.id for row in rows])
    return rows
