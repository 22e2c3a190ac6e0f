"""The texts of a pack's files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from models.contracts import NO_LAST_DAY, Term
from models.ids import encode_id
from models.interval import BEGINNING, DAY, FOREVER, BillingCalendar, from_microseconds
from models.proofs.canonical import moment_text
from models.proofs.entries import CountedRow, entry_of, salt_of, snapshot_text, subject_text
from models.proofs.packing import (
    StatedTerm,
    Statement,
    entry_cells,
    person_digest,
    reason_digest,
    reason_salt,
)
from models.proofs.tables import shielded
from resolvers.evidence.gathering import Gathered, Named
from resolvers.evidence.sealing import figures_of
from resolvers.evidence.signing import Signer
from resolvers.loaders.learned import Learned
from resolvers.snapshots.bridging import Mover
from resolvers.snapshots.drift import Difference
from resolvers.snapshots.words import words_of

READ_ME = """This is an evidence pack of Countersign: who was counted for a bill, and why the bill says so.

statement.json      the question in words, the figures, the contract term, and the invoice lines that bill them
entries.csv         everybody who was counted, by a pseudonym, with the window of activity that made it so
people.csv          whom the pseudonyms stand for; the data of a person may have been erased since
people-digests.csv  digests by which people.csv can be checked, and that tell nothing once it is erased
bridge.csv          who joined and who left since, up to the count when this pack was built
corrections.csv     who would be counted otherwise by what was learned later
reasons.csv         the reasons that were given for what stands in bridge.csv and corrections.csv
days.csv            how many were active at the billing cutoff of each day
checkpoints.json    the chain of signed statements of what was sealed, from the first to this one
keys.json           the public keys that signed them
manifest.json       the digest of every file but people.csv and reasons.csv; signed in manifest.sig

To check all of it, without a connection to anybody:

    python3 -m server verify PACK.zip --key KEY

where KEY is the public key that you were given, as a file or as its fingerprint. Without --key it is checked against
the key inside, whose fingerprint you then compare with the one that you were given.

Each entry is a leaf of a Merkle tree (RFC 6962): SHA-256 of a zero byte, the entry's salt, and the entry as JSON with
its keys in order and without spaces. The tree's root stands in a checkpoint, which is signed (Ed25519) and names the
SHA-256 of the checkpoint before it, so that nothing that was sealed can be changed, added or dropped unnoticed.
A cell that begins with an apostrophe has it before what a spreadsheet program would take for a formula.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """Which pack is built, by whom, when, and with which key."""

    pack_id: int
    built_at: dt.datetime
    built_by: str
    signer: Signer


def pack_text(organization_id: int, pack_id: int) -> str:
    return encode_id("EvidencePack", organization_id, pack_id)


def statement_of(gathered: Gathered, building: Building) -> Statement:
    snapshot, organization = gathered.snapshot, gathered.organization
    return Statement(
        pack=pack_text(snapshot.organization_id, building.pack_id),
        snapshot=snapshot_text(snapshot.organization_id, snapshot.id),
        organization_name=organization.name,
        organization_slug=organization.slug,
        product_name=gathered.product_name,
        zone=organization.calendar.period_of(snapshot.date).zone,
        question=words_of(snapshot, organization.calendar, organization.name, gathered.product_name),
        figures=figures_of(snapshot),
        recorded_at=moment_text(snapshot.recorded_at),
        recorded_by=snapshot.actor,
        built_at=moment_text(building.built_at),
        built_by=building.built_by,
        term=_stated(gathered.term) if gathered.term else None,
        bills=gathered.bills,
        closing_at=moment_text(building.built_at),
        closing_least=gathered.closing.least,
        closing_most=gathered.closing.most,
    )


def _stated(term: Term) -> StatedTerm:
    return StatedTerm(
        since=term.since.isoformat(),
        through=None if term.until == NO_LAST_DAY else (term.until - DAY).isoformat(),
        licensed=term.licensed,
        unit_price_minor=term.unit_price_minor,
        currency=term.currency,
    )


# ------------------------------------------------------------------------------------------------------ tables


def entry_rows(gathered: Gathered, rows: Iterable[CountedRow], first: int) -> Iterator[list[str]]:
    """`first` is the number of the first one."""
    snapshot, calendar = gathered.snapshot, gathered.organization.calendar
    for number, row in enumerate(rows, start=first):
        entry = entry_of(snapshot.organization_id, snapshot.id, row)
        yield entry_cells(number, _days_of(row, calendar), entry, salt_of(gathered.seed, row.learner_id))


def _days_of(row: CountedRow, calendar: BillingCalendar) -> list[str]:
    """The local days of the window's ends and the last one touched; empty where one was lost or has not come."""
    start, end = _known(row.from_earliest, row.from_latest), _known(row.to_earliest, row.to_latest)
    return [
        calendar.day_of(start).isoformat() if start else "",
        calendar.day_of(end).isoformat() if end else "",
        calendar.last_day_before(end).isoformat() if end else "",
    ]


def _known(earliest: int, latest: int) -> dt.datetime | None:
    instant = from_microseconds(earliest)
    return None if earliest != latest or instant in (BEGINNING, FOREVER) else instant


def bridge_row(gathered: Gathered, mover: Mover, person: Named | None) -> list[str]:
    return [
        subject_text(gathered.snapshot.organization_id, mover.learner_id),
        mover.movement.name,
        mover.cause.name if mover.cause else "",
        "yes" if mover.certain else "possible",
        *_moments(mover, gathered.organization.calendar),
        *_learned_cells(gathered, mover.learner_id, mover.learned, person),
    ]


def _moments(mover: Mover, calendar: BillingCalendar) -> list[str]:
    at, until = (moment_text(moment) if moment else "" for moment in (mover.at, mover.until))
    return [at, calendar.day_of(mover.at).isoformat() if mover.at else "", until]


def correction_row(gathered: Gathered, one: Difference, person: Named | None) -> list[str]:
    subject = subject_text(gathered.snapshot.organization_id, one.learner_id)
    return [subject, one.kind.name, *_learned_cells(gathered, one.learner_id, one.learned, person)]


def _learned_cells(gathered: Gathered, learner_id: int, learned: Learned | None, person: Named | None) -> list[str]:
    """When and by whom; the reason, which may name somebody, only by its digest."""
    if learned is None:
        return ["", "", ""]
    recorded_at = moment_text(learned.recorded_at)
    digest = ""
    if learned.reason and person:
        subject = subject_text(gathered.snapshot.organization_id, learner_id)
        digest = reason_digest(reason_salt(person.salt, recorded_at), subject, recorded_at, learned.reason)
    return [recorded_at, shielded(learned.actor), digest]


def digest_row(organization_id: int, learner_id: int, person: Named | None) -> list[str]:
    """Without a digest for who was erased before the pack was built."""
    subject = subject_text(organization_id, learner_id)
    if person is None:
        return [subject, ""]
    told = (person.name, person.email, person.external_id, person.department)
    return [subject, person_digest(person.salt, subject, *told)]
