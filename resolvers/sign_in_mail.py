"""Links to sign in with, sent to whoever has registered with an address.

A link waits nowhere: its secret is in the letter alone, which is sent once. Who does not get it asks again.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.addresses import address_key, address_of
from models.attempts import AskedBy
from resolvers.accounts import FoundAccount, account_of_address
from resolvers.address_limits import Asking, count_asking
from resolvers.database import Writing
from resolvers.principal import Principal
from resolvers.tokens import issue_sign_in_link
from resolvers.vouchers.attempting import network_of

LINK_VALID = dt.timedelta(minutes=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLink:
    """What the letter says, and to whom."""

    recipient: str
    name: str
    secret: str = field(repr=False)
    until: dt.datetime


async def count_request(run: Writing, now: dt.datetime, origin: str, typed: str) -> None:
    """AskedTooOften from one network, or for one mailbox, whether or not anybody has registered with it."""
    asked = [Asking(AskedBy.NETWORK, network_of(origin)), Asking(AskedBy.MAILBOX, address_key(typed.strip()))]
    await run(partial(count_asking, now=now, asked=asked))


async def link_for(session: AsyncSession, now: dt.datetime, typed: str) -> SignInLink | None:
    """For who has registered with the address; None if nobody has."""
    address = address_of(typed)
    account = await account_of_address(session, address) if address else None
    return await _link(session, now, account) if account else None


async def _link(session: AsyncSession, now: dt.datetime, account: FoundAccount) -> SignInLink:
    """To the address as they registered it."""
    principal = Principal(name=account.name, role=Role.INDIVIDUAL, person_id=account.person_id)
    issued = await issue_sign_in_link(session, now, principal, LINK_VALID)
    return SignInLink(recipient=account.email, name=account.name, secret=issued.secret, until=issued.expires_at)
