"""What erasing a person would take away, what would stay, and what holds it: looked at before anything is done."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, FromClause, Row, Select, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.access import Token
from models.activity import UncertainWindow, Window
from models.billing import BillingSnapshot, SnapshotEntry
from models.disputes import Dispute
from models.erasure import Erasure, Person, PersonalField, WrittenText
from models.errors import ErasureError, ErasureErrorCode, NotFound
from models.events import Event
from models.evidence import EvidencePerson, SnapshotSeal
from models.history import Act, Belief
from models.interval import FOREVER
from models.learners import Learner, Profile, sort_key
from models.roster import StagedCertification, StagedLine
from resolvers.erasure.texts import FoundText, texts_naming
from resolvers.history import Who
from resolvers.loaders.learners import LearnerKey
from resolvers.principal import Principal

Connection = AsyncConnection | AsyncSession
PROFILE = Profile.__table__
LEARNER = Learner.__table__
PACKED = EvidencePerson.__table__
STAGED = StagedLine.__table__
CERTIFIED = StagedCertification.__table__
TOKEN = Token.__table__
ENTRY = SnapshotEntry.__table__
SNAPSHOT = BillingSnapshot.__table__
DISPUTE = Dispute.__table__
ERASURE = Erasure.__table__


@dataclass(frozen=True, slots=True)
class Found:
    """All that would be erased, with the texts themselves: it never leaves the resolvers."""

    key: LearnerKey
    # Name, e-mail address, external id and department.
    profile: tuple[str, str, str, str]
    person: Person
    texts: tuple[FoundText, ...]
    # The packs that name the person.
    packs: tuple[int, ...]
    staged_lines: int
    # The account that is one with the learner, and whether it is no other learner's: then it ends too.
    account: int | None
    account_ends: bool
    # Digests of the account's tokens, links and sessions, if it ends.
    tokens: tuple[str, ...]

    @property
    def fields(self) -> tuple[PersonalField, ...]:
        return tuple(field for field, text in zip(PersonalField, self.profile, strict=True) if text)

    @property
    def digest(self) -> str:
        """Of all that would be erased; what stays may grow meanwhile."""
        texts = [(one.where.name, one.text, one.times) for one in self.texts]
        account = (self.account, self.account_ends, self.tokens)
        what = (tuple(self.key), self.profile, texts, self.packs, self.staged_lines, account)
        return hashlib.sha256(orjson.dumps(what)).hexdigest()


@dataclass(frozen=True, slots=True)
class Stays:
    """What an erasure leaves of a learner: all that is counted and proved, under a pseudonym."""

    windows: int
    beliefs: int
    snapshot_entries: int
    # Of these entries those that are sealed, so that a proof of each can be made.
    proofs: int
    # Acts and events that say that somebody of this name did them: who did something stays known.
    recorded_by_name: int


@dataclass(frozen=True, slots=True)
class ErasurePreview:
    key: LearnerKey
    fields: tuple[PersonalField, ...]
    packs: int
    # How many texts name the person, by where they stand.
    texts: tuple[tuple[WrittenText, int], ...]
    staged_lines: int
    tokens: int
    # Whether there is an account that stays, since it is a learner elsewhere too. Its tie to this one is cut.
    account_stays: bool
    stays: Stays
    # The numbers of open disputes that hold the erasure.
    held_by: tuple[str, ...]
    # To be given back when it is done.
    digest: str


async def preview(
    connection: AsyncConnection, principal: Principal, who: Who, other_names: Sequence[str] = ()
) -> ErasurePreview:
    """Shows what `resolvers.erasure.erasing.erase` would do now. Nothing is written."""
    must_be_allowed(principal, who)
    found = await look(connection, await find(connection, who), other_names)
    of_each = {where: sum(one.times for one in found.texts if one.where is where) for where in WrittenText}
    return ErasurePreview(
        key=found.key,
        fields=found.fields,
        packs=len(found.packs),
        texts=tuple((where, times) for where, times in of_each.items() if times),
        staged_lines=found.staged_lines,
        tokens=len(found.tokens),
        account_stays=found.account is not None and not found.account_ends,
        stays=await _stays(connection, found),
        held_by=await held_by(connection, found.key),
        digest=found.digest,
    )


def must_be_allowed(principal: Principal, who: Who) -> None:
    principal.must_see(who.organization_id, "learner", "learner")
    principal.must_be_staff("erase a person")


async def find(connection: Connection, who: Who) -> LearnerKey:
    same = (
        PROFILE.c.learner_id == who.learner_id
        if who.learner_id is not None
        else PROFILE.c.external_id == who.external_id
    )
    found = await connection.scalar(
        select(PROFILE.c.learner_id).where(PROFILE.c.organization_id == who.organization_id, same)
    )
    if found is None:
        raise NotFound("learner", "learner")
    return LearnerKey(who.organization_id, found)


async def look(connection: Connection, key: LearnerKey, other_names: Sequence[str] = ()) -> Found:
    """What there is to erase, wherever it is."""
    if await connection.scalar(select(ERASURE.c.learner_id).where(_of(ERASURE, key))) is not None:
        raise ErasureError(ErasureErrorCode.ALREADY_ERASED, ErasureErrorCode.ALREADY_ERASED.value, "learner")
    name, email, external_id, department = (await connection.execute(_profile(key))).one()
    packed = (await connection.execute(select(PACKED).where(_of(PACKED, key)).order_by(PACKED.c.pack_id))).all()
    person = _person(name, email, external_id, packed, other_names)
    account, ends = await _account(connection, key)
    return Found(
        key=key,
        profile=(name, email, external_id, department),
        person=person,
        texts=tuple(await texts_naming(connection, key.organization_id, person)),
        packs=tuple(row.pack_id for row in packed),
        staged_lines=await _count(connection, STAGED, is_staged(key.organization_id, external_id)),
        account=account,
        account_ends=ends,
        tokens=await _tokens(connection, account) if ends else (),
    )


def _of(table: FromClause, key: LearnerKey) -> ColumnElement[bool]:
    return and_(table.c.organization_id == key.organization_id, table.c.learner_id == key.learner_id)


def _profile(key: LearnerKey) -> Select[Any]:
    texts = (PROFILE.c.name, PROFILE.c.email, PROFILE.c.external_id, PROFILE.c.department)
    return select(*texts).where(_of(PROFILE, key))


def _person(name: str, email: str, external_id: str, packed: Sequence[Row[Any]], other_names: Sequence[str]) -> Person:
    """By what a text may name the person: packs may hold what the profile said before."""
    names = [name, *other_names, *(row.name for row in packed)]
    return Person.of(names, [email, external_id, *(mark for row in packed for mark in (row.email, row.external_id))])


def is_staged(organization_id: int, external_id: str) -> ColumnElement[bool]:
    return and_(STAGED.c.organization_id == organization_id, STAGED.c.external_id == external_id)


def is_named_with(organization_id: int, external_id: str) -> ColumnElement[bool]:
    """Whether a certification was read in a line of theirs that waits. What was recorded stays, of somebody unnamed."""
    same = and_(
        STAGED.c.organization_id == CERTIFIED.c.organization_id,
        STAGED.c.import_id == CERTIFIED.c.import_id,
        STAGED.c.line == CERTIFIED.c.line,
    )
    return exists().where(same, is_staged(organization_id, external_id))


async def _account(connection: Connection, key: LearnerKey) -> tuple[int | None, bool]:
    own = and_(LEARNER.c.organization_id == key.organization_id, LEARNER.c.id == key.learner_id)
    person_id = await connection.scalar(select(LEARNER.c.person_id).where(own))
    if person_id is None:
        return None, False
    other = exists().where(LEARNER.c.person_id == person_id, ~own)
    return person_id, not await connection.scalar(select(other))


async def _tokens(connection: Connection, person_id: int | None) -> tuple[str, ...]:
    found = await connection.execute(
        select(TOKEN.c.digest).where(TOKEN.c.person_id == person_id).order_by(TOKEN.c.digest)
    )
    return tuple(row.digest for row in found)


# ------------------------------------------------------------------------------------------- stays, and holds


async def held_by(connection: Connection, key: LearnerKey) -> tuple[str, ...]:
    """Open disputes about a count of which the learner is one, or with a pack that names them."""
    counted = exists().where(_of(ENTRY, key), ENTRY.c.snapshot_id == DISPUTE.c.snapshot_id)
    packed = exists().where(_of(PACKED, key), PACKED.c.pack_id == DISPUTE.c.pack_id)
    found = await connection.execute(
        select(DISPUTE.c.number)
        .where(DISPUTE.c.organization_id == key.organization_id, DISPUTE.c.resolution.is_(None), or_(counted, packed))
        .order_by(DISPUTE.c.id)
    )
    return tuple(row.number for row in found)


async def _stays(connection: Connection, found: Found) -> Stays:
    key = found.key
    of_windows = [_is_current(table, key) for table in (Window.__table__, UncertainWindow.__table__)]
    windows = [await _count(connection, table, where) for table, where in of_windows]
    entries, proofs = await _entries(connection, key)
    return Stays(
        windows=sum(windows),
        beliefs=await _count(connection, Belief.__table__, _of(Belief.__table__, key)),
        snapshot_entries=entries,
        proofs=proofs,
        recorded_by_name=await _recorded_by(connection, found),
    )


def _is_current(table: FromClause, key: LearnerKey) -> tuple[FromClause, ColumnElement[bool]]:
    of_the_organization = and_(_of(table, key), table.c.scope_id == key.organization_id)
    if "known_until" in table.c:
        return table, and_(of_the_organization, table.c.known_until == FOREVER)
    return table, of_the_organization


async def _entries(connection: Connection, key: LearnerKey) -> tuple[int, int]:
    seal = SnapshotSeal.__table__
    same = and_(
        SNAPSHOT.c.organization_id == key.organization_id, _of(ENTRY, key), ENTRY.c.snapshot_id == SNAPSHOT.c.id
    )
    sealed = and_(seal.c.organization_id == key.organization_id, seal.c.snapshot_id == SNAPSHOT.c.id)
    rows = await connection.execute(
        select(func.count(), func.count(seal.c.snapshot_id))
        .select_from(SNAPSHOT)
        .join(ENTRY, same)
        .outerjoin(seal, sealed)
    )
    entries, proofs = rows.one()
    return entries, proofs


async def _recorded_by(connection: Connection, found: Found) -> int:
    """Compared here, since no two databases agree on what is the same without regard to case."""
    own, times = {sort_key(text) for text in found.profile[:2] if text}, 0
    for table in (Act.__table__, Event.__table__):
        counted = select(table.c.actor, func.count()).where(table.c.organization_id == found.key.organization_id)
        rows = await connection.execute(counted.group_by(table.c.actor))
        times += sum(number for actor, number in rows if sort_key(actor) in own)
    return times


async def _count(connection: Connection, table: FromClause, where: ColumnElement[bool]) -> int:
    return await connection.scalar(select(func.count()).select_from(table).where(where)) or 0
