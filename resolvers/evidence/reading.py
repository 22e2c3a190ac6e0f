"""What a pack says, in values: read from its files, and its lists again whenever they are asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from models.billing import SnapshotKind
from models.contracts import Measure
from models.money import Money
from models.proofs.canonical import moment_of, read
from models.proofs.packing import (
    BRIDGE,
    BRIDGE_COLUMNS,
    CORRECTION_COLUMNS,
    CORRECTIONS,
    DAY_COLUMNS,
    DAYS,
    ENTRIES,
    ENTRY_COLUMNS,
    ERASED,
    MANIFEST,
    PEOPLE,
    PEOPLE_COLUMNS,
    STATEMENT,
    StatedBill,
    Statement,
)
from models.proofs.statements import Manifest
from models.proofs.tables import bared
from resolvers.evidence.contents import (
    FromFile,
    PackBill,
    PackContents,
    PackCorrection,
    PackDay,
    PackEntry,
    PackMove,
    PackPerson,
    PackTerm,
)
from resolvers.evidence.laying_out import LaidOut, lay_out


async def load_contents(connection: AsyncConnection, organization_id: int, pack_id: int, folder: Path) -> PackContents:
    """With the personal data that is not erased, as long as the folder is there, which must be empty. Raises NotFound
    if there is no such pack."""
    return contents_of(await lay_out(connection, organization_id, pack_id, folder))


def contents_of(pack: LaidOut) -> PackContents:
    statement = read(Statement, (pack.folder / STATEMENT).read_bytes())
    manifest, figures = read(Manifest, (pack.folder / MANIFEST).read_bytes()), statement.figures
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
        entries=FromFile(lambda: _entries(pack), figures.count_most),
        opening=(figures.count_least, figures.count_most),
        closing=(statement.closing_least, statement.closing_most),
        closing_at=moment_of(statement.closing_at),
        moves=FromFile(lambda: _moves(pack), _count(pack.rows(BRIDGE, BRIDGE_COLUMNS))),
        corrections=FromFile(lambda: _corrections(pack), _count(pack.rows(CORRECTIONS, CORRECTION_COLUMNS))),
        days=tuple(_day(row) for row in pack.rows(DAYS, DAY_COLUMNS)),
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


def _count(rows: Iterator[Sequence[str]]) -> int:
    return sum(1 for _ in rows)


def _entries(pack: LaidOut) -> Iterator[PackEntry]:
    """Both files are in one order, and everybody who was counted is among the people."""
    people = pack.rows(PEOPLE, PEOPLE_COLUMNS)
    for row in pack.rows(ENTRIES, ENTRY_COLUMNS):
        yield _entry(_person(next(person for person in people if person[0] == row[1])), row)


def _person(row: Sequence[str]) -> PackPerson:
    subject, *texts, salt = row
    return PackPerson(subject) if (texts[0], salt) == (ERASED, "") else PackPerson(subject, *map(bared, texts))


def _entry(person: PackPerson, row: Sequence[str]) -> PackEntry:
    _, _, activated_on, deactivated_on, last_active_on, *bounds, certain, _ = row
    from_earliest, from_latest, to_earliest, to_latest = bounds
    return PackEntry(
        person=person,
        activated_at=_moment(from_earliest) if from_earliest == from_latest else None,
        deactivated_at=_moment(to_earliest) if to_earliest == to_latest else None,
        activated_on=_date(activated_on),
        deactivated_on=_date(deactivated_on),
        last_active_on=_date(last_active_on),
        certain=certain == "yes",
    )


def _moves(pack: LaidOut) -> Iterator[PackMove]:
    for row, (person, reason) in zip(pack.rows(BRIDGE, BRIDGE_COLUMNS), pack.beside(BRIDGE), strict=True):
        subject, movement, cause, _, at, on, _, recorded_at, actor, _ = row
        yield PackMove(
            person=PackPerson(subject, *(person or ())),
            movement=movement.lower(),
            cause=cause.lower(),
            at=_moment(at),
            on=_date(on),
            recorded_at=_moment(recorded_at),
            actor=bared(actor),
            reason=reason,
        )


def _corrections(pack: LaidOut) -> Iterator[PackCorrection]:
    rows = pack.rows(CORRECTIONS, CORRECTION_COLUMNS)
    for row, (person, reason) in zip(rows, pack.beside(CORRECTIONS), strict=True):
        subject, difference, recorded_at, actor, _ = row
        yield PackCorrection(
            person=PackPerson(subject, *(person or ())),
            difference=difference.lower(),
            recorded_at=_moment(recorded_at),
            actor=bared(actor),
            reason=reason,
        )


def _day(row: Sequence[str]) -> PackDay:
    day, least, most = row
    return PackDay(dt.date.fromisoformat(day), int(least), int(most))


def _moment(text: str) -> dt.datetime | None:
    return moment_of(text) if text else None


def _date(text: str) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None
