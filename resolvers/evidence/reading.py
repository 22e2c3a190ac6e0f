"""A stored pack, read back: its files as they were signed, and the people whose data is not erased."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_parameter, asked
from models.billing import SnapshotKind
from models.contracts import Measure
from models.errors import NotFound
from models.evidence import EvidenceFile, EvidencePack, EvidencePerson
from models.history import Act
from models.interval import to_microseconds
from models.money import Money
from models.proofs.canonical import moment_of, read
from models.proofs.entries import subject_text
from models.proofs.packing import (
    BRIDGE,
    BRIDGE_COLUMNS,
    CORRECTION_COLUMNS,
    CORRECTIONS,
    DAY_COLUMNS,
    DAYS,
    DIGEST_COLUMNS,
    DIGESTS,
    ENTRIES,
    ENTRY_COLUMNS,
    STATEMENT,
    StatedBill,
    Statement,
    reason_digest,
    reason_salt,
)
from models.proofs.statements import Manifest
from models.proofs.tables import bared, read_table
from resolvers.evidence.contents import (
    PackBill,
    PackContents,
    PackCorrection,
    PackDay,
    PackEntry,
    PackMove,
    PackPerson,
    PackTerm,
)

PACK = EvidencePack.__table__
FILE = EvidenceFile.__table__
PERSON = EvidencePerson.__table__
ACT = Act.__table__


@dataclass(frozen=True, slots=True)
class SaltedPerson:
    """Personal data as it was when the pack was built, and its salt."""

    person: PackPerson
    salt: str


@dataclass(frozen=True, slots=True)
class ToldReason:
    """A reason that a digest of the pack promises; None if it was erased, and then without its salt."""

    subject: str
    recorded_at: str
    reason: str | None
    salt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPack:
    files: Mapping[str, str]
    manifest: str
    key_id: str
    signature: str
    # By their subjects; who was erased is not there.
    people: Mapping[str, SaltedPerson]
    # By subject and recorded time.
    reasons: Mapping[tuple[str, str], ToldReason]


async def stored_pack(connection: AsyncConnection, organization_id: int, pack_id: int) -> StoredPack:
    """Raises NotFound if there is no such pack."""
    found = await connection.execute(
        select(PACK.c.manifest, PACK.c.key_id, PACK.c.signature).where(
            PACK.c.organization_id == organization_id, PACK.c.id == pack_id
        )
    )
    pack = found.first()
    if pack is None:
        raise NotFound("evidence pack")
    files = await connection.execute(
        select(FILE.c.name, FILE.c.content).where(FILE.c.organization_id == organization_id, FILE.c.pack_id == pack_id)
    )
    texts = {row.name: row.content for row in files}
    people = await _people(connection, organization_id, pack_id)
    return StoredPack(
        files=texts,
        manifest=pack.manifest,
        key_id=pack.key_id,
        signature=pack.signature,
        people=people,
        reasons=await _reasons(connection, organization_id, texts, people),
    )


async def _people(connection: AsyncConnection, organization_id: int, pack_id: int) -> dict[str, SaltedPerson]:
    rows = await connection.execute(
        select(PERSON).where(PERSON.c.organization_id == organization_id, PERSON.c.pack_id == pack_id)
    )
    subjects = ((subject_text(organization_id, row.learner_id), row) for row in rows)
    return {
        subject: SaltedPerson(PackPerson(subject, row.name, row.email, row.external_id, row.department), row.salt)
        for subject, row in subjects
    }


async def _reasons(
    connection: AsyncConnection, organization_id: int, files: Mapping[str, str], people: Mapping[str, SaltedPerson]
) -> dict[tuple[str, str], ToldReason]:
    promised = {(subject, recorded_at): digest for subject, recorded_at, digest in _promised(files) if digest}
    texts = await _texts_of_acts(connection, organization_id, {recorded_at for _, recorded_at in promised})
    return {key: _told(*key, digest, people.get(key[0]), texts.get(key[1])) for key, digest in sorted(promised.items())}


def _promised(files: Mapping[str, str]) -> list[tuple[str, str, str]]:
    moves, corrections = _table(files, BRIDGE), _table(files, CORRECTIONS)
    return [*((row[0], row[7], row[9]) for row in moves), *((row[0], row[2], row[4]) for row in corrections)]


def _told(subject: str, recorded_at: str, digest: str, person: SaltedPerson | None, reason: str | None) -> ToldReason:
    """The reason, if it and whom it is about are not erased, and nobody has reworded it."""
    salt = reason_salt(person.salt, recorded_at) if person else ""
    is_same = reason is not None and salt and reason_digest(salt, subject, recorded_at, reason) == digest
    return ToldReason(subject, recorded_at, reason, salt) if is_same else ToldReason(subject, recorded_at, None, "")


async def _texts_of_acts(
    connection: AsyncConnection, organization_id: int, recorded: set[str]
) -> dict[str, str | None]:
    """The reasons of acts, by their recorded times as the pack writes them."""
    times = {to_microseconds(moment_of(text)): text for text in recorded}
    keys = asked("keys", "recorded_at")
    rows = await connection.execute(
        select(ACT.c.recorded_at, ACT.c.reason).where(
            ACT.c.organization_id == organization_id, ACT.c.recorded_at.in_(select(keys.c.recorded_at))
        ),
        {"keys": as_parameter((time,) for time in times)},
    )
    return {times[to_microseconds(row.recorded_at)]: row.reason for row in rows}


# ---------------------------------------------------------------------------------------------------- contents

COLUMNS = {
    ENTRIES: ENTRY_COLUMNS,
    BRIDGE: BRIDGE_COLUMNS,
    CORRECTIONS: CORRECTION_COLUMNS,
    DAYS: DAY_COLUMNS,
    DIGESTS: DIGEST_COLUMNS,
}


def _table(files: Mapping[str, str], name: str) -> list[list[str]]:
    return read_table(COLUMNS[name], files[name].encode())


def contents_of(pack: StoredPack) -> PackContents:
    """What the files say, in values."""
    statement = read(Statement, pack.files[STATEMENT].encode())
    manifest, figures = read(Manifest, pack.manifest.encode()), statement.figures
    return PackContents(
        pack_id=statement.pack,
        built_at=moment_of(statement.built_at),
        built_by=statement.built_by,
        organization=statement.organization_name,
        organization_slug=statement.organization_slug,
        product=statement.product_name,
        kind=SnapshotKind[figures.kind],
        date=dt.date.fromisoformat(figures.date),
        zone=statement.zone,
        cutoff=moment_of(figures.cutoff),
        measure=Measure[figures.measure],
        question=statement.question,
        recorded_at=moment_of(statement.recorded_at),
        known_at=moment_of(figures.known_at),
        count_least=figures.count_least,
        count_most=figures.count_most,
        excluded=figures.excluded,
        term=_term(statement),
        overage_least=figures.overage_least,
        overage_most=figures.overage_most,
        bills=tuple(_bill(bill) for bill in statement.bills),
        entries=tuple(_entry(pack, row) for row in _table(pack.files, ENTRIES)),
        opening=(figures.count_least, figures.count_most),
        closing=(statement.closing_least, statement.closing_most),
        closing_at=moment_of(statement.closing_at),
        moves=tuple(_move(pack, row) for row in _table(pack.files, BRIDGE)),
        corrections=tuple(_correction(pack, row) for row in _table(pack.files, CORRECTIONS)),
        days=tuple(_day(row) for row in _table(pack.files, DAYS)),
        root=manifest.root,
        checkpoint_number=manifest.checkpoint_number,
        checkpoint_digest=manifest.checkpoint_digest,
        key_id=pack.key_id,
    )


def _term(statement: Statement) -> PackTerm | None:
    term = statement.term
    if term is None:
        return None
    return PackTerm(
        since=dt.date.fromisoformat(term.since),
        through=_date(term.through or ""),
        licensed=term.licensed,
        unit_price=Money(term.unit_price_minor, term.currency),
    )


def _bill(bill: StatedBill) -> PackBill:
    return PackBill(
        invoice=bill.invoice,
        state=bill.state,
        kind=bill.kind,
        quantity=bill.quantity,
        unit_price=Money(bill.unit_price_minor, bill.currency),
        total=Money(bill.total_minor, bill.currency),
        credited=bill.credited,
    )


def _entry(pack: StoredPack, row: Sequence[str]) -> PackEntry:
    _, subject, activated_on, deactivated_on, last_active_on, *bounds, certain, _ = row
    from_earliest, from_latest, to_earliest, to_latest = bounds
    return PackEntry(
        person=_person(pack, subject),
        activated_at=_moment(from_earliest) if from_earliest == from_latest else None,
        deactivated_at=_moment(to_earliest) if to_earliest == to_latest else None,
        activated_on=_date(activated_on),
        deactivated_on=_date(deactivated_on),
        last_active_on=_date(last_active_on),
        certain=certain == "yes",
    )


def _move(pack: StoredPack, row: Sequence[str]) -> PackMove:
    subject, movement, cause, _, at, on, _, recorded_at, actor, _ = row
    return PackMove(
        person=_person(pack, subject),
        movement=movement.lower(),
        cause=cause.lower(),
        at=_moment(at),
        on=_date(on),
        recorded_at=_moment(recorded_at),
        actor=bared(actor),
        reason=_reason(pack, subject, recorded_at),
    )


def _correction(pack: StoredPack, row: Sequence[str]) -> PackCorrection:
    subject, difference, recorded_at, actor, _ = row
    return PackCorrection(
        person=_person(pack, subject),
        difference=difference.lower(),
        recorded_at=_moment(recorded_at),
        actor=bared(actor),
        reason=_reason(pack, subject, recorded_at),
    )


def _day(row: Sequence[str]) -> PackDay:
    day, least, most = row
    return PackDay(dt.date.fromisoformat(day), int(least), int(most))


def _person(pack: StoredPack, subject: str) -> PackPerson:
    known = pack.people.get(subject)
    return known.person if known else PackPerson(subject)


def _reason(pack: StoredPack, subject: str, recorded_at: str) -> str:
    told = pack.reasons.get((subject, recorded_at))
    return (told.reason or "") if told else ""


def _moment(text: str) -> dt.datetime | None:
    return moment_of(text) if text else None


def _date(text: str) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None
