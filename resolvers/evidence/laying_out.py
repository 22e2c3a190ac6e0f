"""A stored pack laid out as files in a folder: those of its bundle, with the people as far as they are not erased, and
beside two of its lists whom each row is about. Read and written some rows at a time, however many people there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import orjson
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_parameter, asked
from models.errors import NotFound
from models.evidence import EvidenceFile, EvidencePack, EvidencePerson
from models.history import Act
from models.ids import parse_id
from models.interval import to_microseconds
from models.proofs.canonical import moment_of, written
from models.proofs.packing import (
    BRIDGE,
    BRIDGE_COLUMNS,
    CORRECTION_COLUMNS,
    CORRECTIONS,
    DIGEST_COLUMNS,
    DIGESTS,
    ERASED,
    MANIFEST,
    PEOPLE,
    PEOPLE_COLUMNS,
    REASON_COLUMNS,
    REASONS,
    SIGNATURE,
    reason_digest,
    reason_salt,
)
from models.proofs.statements import ManifestSignature
from models.proofs.tables import rows_of, rows_text, shielded
from resolvers.evidence.drafting import pages_of
from resolvers.evidence.sorting import Sorting

PACK = EvidencePack.__table__
FILE = EvidenceFile.__table__
PERSON = EvidencePerson.__table__
ACT = Act.__table__
# Where a row of these names its subject, when it was recorded, and the digest of the reason.
TOLD_IN = {BRIDGE: (BRIDGE_COLUMNS, itemgetter(0, 7, 9)), CORRECTIONS: (CORRECTION_COLUMNS, itemgetter(0, 2, 4))}


@dataclass(frozen=True, slots=True)
class SaltedPerson:
    """Personal data as it was when the pack was built, and its salt."""

    name: str
    email: str
    external_id: str
    department: str
    salt: str


@dataclass(frozen=True, slots=True)
class ToldReason:
    """A reason that a digest of the pack promises; None if it was erased, and then without its salt."""

    subject: str
    recorded_at: str
    reason: str | None
    salt: str


@dataclass(frozen=True, slots=True)
class LaidOut:
    """All files of a bundle are in the folder, and others of ours."""

    folder: Path
    key_id: str

    def rows(self, name: str, header: Sequence[str]) -> Iterator[list[str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as lines:
            yield from rows_of(header, lines)

    def beside(self, name: str) -> Iterator[tuple[Sequence[str] | None, str]]:
        """Of each row of the bridge or the corrections whom it is about (name, e-mail address, external id and
        department; None once they are erased), and the reason."""
        with (self.folder / _beside(name)).open("rb") as lines:
            for line in lines:
                person, reason = orjson.loads(line)
                yield person, reason


def _beside(name: str) -> str:
    return f"beside-{name}"


async def lay_out(connection: AsyncConnection, organization_id: int, pack_id: int, folder: Path) -> LaidOut:
    """Writes all files of a pack into an empty folder. Raises NotFound if there is no such pack."""
    found = await connection.execute(
        select(PACK.c.manifest, PACK.c.key_id, PACK.c.signature).where(
            PACK.c.organization_id == organization_id, PACK.c.id == pack_id
        )
    )
    pack = found.first()
    if pack is None:
        raise NotFound("evidence pack")
    signature = ManifestSignature(key_id=pack.key_id, signature=pack.signature)
    (folder / MANIFEST).write_bytes(pack.manifest.encode())
    (folder / SIGNATURE).write_bytes(written(signature))
    await _Stored(connection, organization_id, pack_id, LaidOut(folder, pack.key_id)).lay_out()
    return LaidOut(folder, pack.key_id)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A pack in the database, and where it goes."""

    connection: AsyncConnection
    organization_id: int
    pack_id: int
    laid_out: LaidOut

    async def lay_out(self) -> None:
        await self._sealed_files()
        await self._people()
        reasons = Sorting(self.laid_out.folder)
        for name in TOLD_IN:
            await self._beside(name, reasons)
        self._reasons(reasons)

    # -------------------------------------------------------------------------------------------- what is sealed

    async def _sealed_files(self) -> None:
        of_the_pack = (FILE.c.organization_id == self.organization_id, FILE.c.pack_id == self.pack_id)
        parts = select(FILE.c.name, func.max(FILE.c.part)).where(*of_the_pack).group_by(FILE.c.name)
        for name, last in (await self.connection.execute(parts)).all():
            with (self.laid_out.folder / name).open("wb") as file:
                for part in range(1, last + 1):
                    content = select(FILE.c.content).where(*of_the_pack, FILE.c.name == name, FILE.c.part == part)
                    file.write((await self.connection.execute(content)).scalar_one().encode())

    # -------------------------------------------------------------------------------------------- who it is about

    async def _people(self) -> None:
        """Everybody whom the digests promise, in their order."""
        with (self.laid_out.folder / PEOPLE).open("wb") as file:
            file.write(rows_text([PEOPLE_COLUMNS]).encode())
            for page in pages_of(self.laid_out.rows(DIGESTS, DIGEST_COLUMNS)):
                known = await self._known([subject for subject, _ in page])
                file.write(rows_text(_person_row(subject, known.get(subject)) for subject, _ in page).encode())

    async def _known(self, subjects: Iterable[str]) -> dict[str, SaltedPerson]:
        """By their subjects; who was erased is not there."""
        learner_ids = {parse_id(subject)[1][-1]: subject for subject in subjects}
        keys = asked("keys", "learner_id")
        columns = (PERSON.c[name] for name in ("learner_id", *SaltedPerson.__slots__))
        rows = await self.connection.execute(
            select(*columns).where(
                PERSON.c.organization_id == self.organization_id,
                PERSON.c.pack_id == self.pack_id,
                PERSON.c.learner_id.in_(select(keys.c.learner_id)),
            ),
            {"keys": as_parameter((learner_id,) for learner_id in learner_ids)},
        )
        return {learner_ids[learner_id]: SaltedPerson(*told) for learner_id, *told in rows}

    # -------------------------------------------------------------------------------------------- and why

    async def _beside(self, name: str, reasons: Sorting) -> None:
        """The last list to tell of somebody has the last word, as it always had."""
        header, told_in = TOLD_IN[name]
        with (self.laid_out.folder / _beside(name)).open("wb") as file:
            for page in pages_of(self.laid_out.rows(name, header)):
                told = [told_in(row) for row in page]
                people = await self._known({subject for subject, _, _ in told})
                texts = await self._texts_of_acts({recorded_at for _, recorded_at, digest in told if digest})
                for subject, recorded_at, digest in told:
                    person = people.get(subject)
                    one = _told(subject, recorded_at, digest, person, texts.get(recorded_at))
                    if digest:
                        place = list(TOLD_IN).index(name)
                        reasons.add([subject, recorded_at, place, one.reason, one.salt])
                    file.write(orjson.dumps([_said(person), one.reason or ""]) + b"\n")

    async def _texts_of_acts(self, recorded: Collection[str]) -> dict[str, str | None]:
        """The reasons of acts, by their recorded times as the pack writes them."""
        times = {to_microseconds(moment_of(text)): text for text in recorded}
        keys = asked("keys", "recorded_at")
        rows = await self.connection.execute(
            select(ACT.c.recorded_at, ACT.c.reason).where(
                ACT.c.organization_id == self.organization_id, ACT.c.recorded_at.in_(select(keys.c.recorded_at))
            ),
            {"keys": as_parameter((time,) for time in times)},
        )
        return {times[to_microseconds(row.recorded_at)]: row.reason for row in rows}

    def _reasons(self, reasons: Sorting) -> None:
        """Each once, by subject and recorded time."""
        with (self.laid_out.folder / REASONS).open("wb") as file:
            file.write(rows_text([REASON_COLUMNS]).encode())
            for page in pages_of(_last_of_each(reasons)):
                file.write(rows_text(page).encode())


def _person_row(subject: str, known: SaltedPerson | None) -> list[str]:
    if known is None:
        return [subject, ERASED, "", "", "", ""]
    return [subject, *map(shielded, (known.name, known.email, known.external_id, known.department)), known.salt]


def _said(person: SaltedPerson | None) -> list[str] | None:
    return [person.name, person.email, person.external_id, person.department] if person else None


def _told(subject: str, recorded_at: str, digest: str, person: SaltedPerson | None, reason: str | None) -> ToldReason:
    """The reason, if it and whom it is about are not erased, and nobody has reworded it."""
    salt = reason_salt(person.salt, recorded_at) if person and digest else ""
    is_same = reason is not None and salt and reason_digest(salt, subject, recorded_at, reason) == digest
    return ToldReason(subject, recorded_at, reason, salt) if is_same else ToldReason(subject, recorded_at, None, "")


def _last_of_each(reasons: Sorting) -> Iterator[list[str]]:
    for (subject, recorded_at), rows in groupby(reasons, key=itemgetter(0, 1)):
        *_, (_, _, _, reason, salt) = rows
        yield [str(subject), str(recorded_at), ERASED if reason is None else shielded(str(reason)), str(salt)]
