"""Tokens, one-time sign-in links and browser sessions: how they are made, found, used and ended.

They are given out by whoever runs the command line on the server, which may do anything there already.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Row, Select, bindparam, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.access import Role, Token, TokenError, TokenErrorCode, TokenUse
from models.learners import Person
from models.organizations import Organization
from models.programs import Program
from resolvers.prepared import prepared
from resolvers.principal import Principal

PREFIX = "cs_"
SECRET_BYTES = 32
TOKEN_VALID = dt.timedelta(days=90)
LONGEST_VALID = dt.timedelta(days=366)
LINK_VALID = dt.timedelta(minutes=15)
# The demo prints its link once and may be opened the next morning.
DEMO_LINK_VALID = dt.timedelta(hours=24)
SESSION_VALID = dt.timedelta(hours=12)
ENDING_LENGTH = 4
ID_LENGTH = 8

TABLE = Token.__table__
# What a token tells of its holder, with the names of a principal.
HELD = ("name", "role", "organization_id", "person_id", "program_id")
ORGANIZATION_ROLES = (Role.ORGANIZATION, Role.PARTNER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new token, the only time that its secret is known."""

    secret: str = field(repr=False)
    name: str
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedToken:
    """A token as it may be shown at any time. Its id is the start of its digest."""

    id: str
    name: str
    role: Role
    use: TokenUse
    organization: str | None
    program: str | None
    person_id: int | None
    ending: str
    created_at: dt.datetime
    expires_at: dt.datetime


class LinkState(Enum):
    READY = "It signs in once."
    USED = "This sign-in link has been used or withdrawn. A link works once: ask for a new one."
    EXPIRED = "This sign-in link is too old. Ask for a new one."
    UNKNOWN = "This is not a sign-in link that was given out here. Was all of it copied?"


# ------------------------------------------------------------------------------------------------ making


async def holder(
    session: AsyncSession,
    role: Role,
    name: str,
    organization: str | None = None,
    person_id: int | None = None,
    program: str | None = None,
) -> Principal:
    """Who a new token will speak for; the organization and the program are named by their slugs."""
    stripped = name.strip()
    if not 1 <= len(stripped) <= 200 or not stripped.isprintable():
        raise TokenError(TokenErrorCode.BAD_NAME, "A name has 1 to 200 printable characters.", "name")
    return Principal(
        name=stripped,
        role=role,
        organization_id=await _organization_for(session, role, organization),
        person_id=await _person_for(session, role, person_id),
        program_id=await _program_for(session, role, program),
    )


async def _organization_for(session: AsyncSession, role: Role, slug: str | None) -> int | None:
    if (slug is not None) != (role in ORGANIZATION_ROLES):
        code = TokenErrorCode.ORGANIZATION_REQUIRED if slug is None else TokenErrorCode.ORGANIZATION_NOT_TAKEN
        raise TokenError(code, code.value, "organization")
    if slug is None:
        return None
    found = await session.scalar(select(Organization.id).where(Organization.slug == slug))
    if found is None:
        raise TokenError(
            TokenErrorCode.UNKNOWN_ORGANIZATION, f"There is no organization with the slug {slug}.", "organization"
        )
    return found


async def _person_for(session: AsyncSession, role: Role, person_id: int | None) -> int | None:
    if (person_id is not None) != (role is Role.INDIVIDUAL):
        code = TokenErrorCode.PERSON_REQUIRED if person_id is None else TokenErrorCode.PERSON_NOT_TAKEN
        raise TokenError(code, code.value, "person")
    if person_id is not None and await session.get(Person, person_id) is None:
        raise TokenError(TokenErrorCode.UNKNOWN_PERSON, f"There is no person with the id {person_id}.", "person")
    return person_id


async def _program_for(session: AsyncSession, role: Role, slug: str | None) -> int | None:
    if (slug is not None) != (role is Role.PROGRAM):
        code = TokenErrorCode.PROGRAM_REQUIRED if slug is None else TokenErrorCode.PROGRAM_NOT_TAKEN
        raise TokenError(code, code.value, "program")
    if slug is None:
        return None
    found = await session.scalar(select(Program.id).where(Program.slug == slug))
    if found is None:
        raise TokenError(TokenErrorCode.UNKNOWN_PROGRAM, f"There is no program with the slug {slug}.", "program")
    return found


async def issue_token(
    session: AsyncSession, now: dt.datetime, principal: Principal, valid: dt.timedelta = TOKEN_VALID
) -> Issued:
    """A token that speaks for this principal with each request."""
    if not dt.timedelta() < valid <= LONGEST_VALID:
        raise TokenError(TokenErrorCode.BAD_VALIDITY, f"A token is valid for 1 to {LONGEST_VALID.days} days.", "days")
    return await _issue(session, now, principal, TokenUse.API, now + valid)


async def issue_sign_in_link(
    session: AsyncSession, now: dt.datetime, principal: Principal, valid: dt.timedelta = LINK_VALID
) -> Issued:
    """The secret of a link that signs a browser in as this principal, once."""
    return await _issue(session, now, principal, TokenUse.SIGN_IN, now + valid)


async def _issue(
    session: AsyncSession,
    now: dt.datetime,
    principal: Principal,
    use: TokenUse,
    expires_at: dt.datetime,
    began_with: str | None = None,
) -> Issued:
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    row = {
        "digest": digest_of(secret),
        "ending": secret[-ENDING_LENGTH:],
        "name": principal.name,
        "role": principal.role,
        "use": use,
        "organization_id": principal.organization_id,
        "person_id": principal.person_id,
        "program_id": principal.program_id,
        "began_with": began_with,
        "created_at": now,
        "expires_at": expires_at,
    }
    await session.execute(insert(TABLE).values(row))
    return Issued(secret=secret, name=principal.name, expires_at=expires_at)


def digest_of(secret: str) -> str:
    """A plain hash is enough for 256 random bits: there is no dictionary of them to try."""
    return hashlib.sha256(secret.encode()).hexdigest()


# ----------------------------------------------------------------------------------------------- finding


async def principal_by(
    connection: AsyncConnection, now: dt.datetime, secret: str, use: TokenUse, origin: str = ""
) -> Principal | None:
    """Who speaks with this secret; nobody if it is unknown, expired, ended, or meant for another use.

    Whatever is wrong, the effort is one hash and one look-up by it, so that the time taken tells nothing.
    """
    given = {"secret_digest": digest_of(secret), "for_use": use, "now": now}
    row = await _holder.first(connection, given, is_short=True)
    return None if row is None else Principal(**dict(zip(HELD, row, strict=True)), origin=origin)


@prepared
def _holder() -> Select[Any]:
    digest, use = bindparam("secret_digest", type_=TABLE.c.digest.type), bindparam("for_use", type_=TABLE.c.use.type)
    live = _live(bindparam("now", type_=TABLE.c.expires_at.type))
    return select(*(TABLE.c[name] for name in HELD)).where(TABLE.c.digest == digest, TABLE.c.use == use, live)


def _works(secret: str, use: TokenUse, now: dt.datetime) -> ColumnElement[bool]:
    return (TABLE.c.digest == digest_of(secret)) & (TABLE.c.use == use) & _live(now)


def _live(now: dt.datetime | BindParameter[dt.datetime]) -> ColumnElement[bool]:
    return TABLE.c.ended_at.is_(None) & (TABLE.c.expires_at > now)


def _principal(row: Row[Any]) -> Principal:
    return Principal(
        name=row.name,
        role=row.role,
        organization_id=row.organization_id,
        person_id=row.person_id,
        program_id=row.program_id,
    )


async def live_tokens(connection: AsyncConnection | AsyncSession, now: dt.datetime) -> list[ListedToken]:
    """Every token and link that still works, by name. Sessions are not listed: they end with what began them."""
    statement = (
        select(TABLE, Organization.slug, Program.slug.label("program"))
        .join_from(TABLE, Organization, TABLE.c.organization_id == Organization.id, isouter=True)
        .join(Program, TABLE.c.program_id == Program.id, isouter=True)
        .where(_live(now), TABLE.c.use != TokenUse.SESSION)
        .order_by(TABLE.c.name, TABLE.c.created_at, TABLE.c.digest)
    )
    return [_listed(row) for row in await connection.execute(statement)]


def _listed(row: Row[Any]) -> ListedToken:
    return ListedToken(
        id=row.digest[:ID_LENGTH],
        name=row.name,
        role=row.role,
        use=row.use,
        organization=row.slug,
        program=row.program,
        person_id=row.person_id,
        ending=row.ending,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


# ---------------------------------------------------------------------------------------------- signing in


async def sign_in_with_token(session: AsyncSession, now: dt.datetime, secret: str) -> Issued | None:
    """A browser session for the holder of a token; none if the token does not work."""
    row = (await session.execute(select(TABLE).where(_works(secret, TokenUse.API, now)))).one_or_none()
    return None if row is None else await _begin_session(session, now, row, row.expires_at)


async def sign_in_with_link(session: AsyncSession, now: dt.datetime, secret: str) -> Issued | None:
    """A browser session for a one-time link, which this uses up; none if it does not work, or no longer.

    One conditional UPDATE decides: of any number of callers at once, one is given the row.
    """
    used = update(TABLE).where(_works(secret, TokenUse.SIGN_IN, now)).values(ended_at=now).returning(*TABLE.c)
    row = (await session.execute(used)).one_or_none()
    return None if row is None else await _begin_session(session, now, row)


async def _begin_session(
    session: AsyncSession, now: dt.datetime, row: Row[Any], at_the_latest: dt.datetime | None = None
) -> Issued:
    """A session ends no later than the token that began it."""
    ends = now + SESSION_VALID
    if at_the_latest is not None:
        ends = min(ends, at_the_latest)
    return await _issue(session, now, _principal(row), TokenUse.SESSION, ends, began_with=row.digest)


async def link_state(connection: AsyncConnection, now: dt.datetime, secret: str) -> LinkState:
    """What a sign-in link would do now, without using it up: mail scanners open links too."""
    wanted = select(TABLE).where(TABLE.c.digest == digest_of(secret), TABLE.c.use == TokenUse.SIGN_IN)
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        return LinkState.UNKNOWN
    if row.ended_at is not None:
        return LinkState.USED
    return LinkState.READY if row.expires_at > now else LinkState.EXPIRED


async def sign_out(session: AsyncSession, now: dt.datetime, secret: str) -> None:
    """Ends a browser session; what is no session, or has ended, stays as it is."""
    await session.execute(update(TABLE).where(_works(secret, TokenUse.SESSION, now)).values(ended_at=now))


# ----------------------------------------------------------------------------------------------- revoking


async def revoke(session: AsyncSession, now: dt.datetime, name_or_id: str) -> Sequence[TokenUse]:
    """Ends what still works of that exact name or, if there is no such name, of the token with that id; the sessions
    that it began end too. Answers with the use of each that ended."""
    of_name = TABLE.c.name == name_or_id
    ended = await _end(session, now, of_name) or await _end(session, now, _has_id(name_or_id))
    if not ended:
        raise TokenError(
            TokenErrorCode.UNKNOWN_NAME, f"No token that still works has the name or id {name_or_id}.", "name"
        )
    return ended


def _has_id(token_id: str) -> ColumnElement[bool]:
    """The id, or more of the digest. A shorter start might be that of several, and `%` would be that of all."""
    wanted = token_id.lower() if len(token_id) >= ID_LENGTH else "too short"
    return or_(*(column.startswith(wanted, autoescape=True) for column in (TABLE.c.digest, TABLE.c.began_with)))


async def _end(session: AsyncSession, now: dt.datetime, which: ColumnElement[bool]) -> Sequence[TokenUse]:
    ended = update(TABLE).where(which, _live(now)).values(ended_at=now).returning(TABLE.c.use)
    uses: Sequence[TokenUse] = (await session.execute(ended)).scalars().all()
    return uses
