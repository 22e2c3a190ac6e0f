"""The files of a pack that is built, each written into a folder from its beginning to its end: however many people it
is about, no list of them is ever held whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from models.interval import to_microseconds
from models.proofs.canonical import written
from models.proofs.entries import CountedRow
from models.proofs.packing import (
    BRIDGE,
    BRIDGE_COLUMNS,
    CHECKPOINTS,
    CORRECTION_COLUMNS,
    CORRECTIONS,
    DAY_COLUMNS,
    DAYS,
    DIGEST_COLUMNS,
    DIGESTS,
    ENTRIES,
    ENTRY_COLUMNS,
    KEYS,
    README,
    STATEMENT,
)
from models.proofs.statements import Chain, KeyRing
from models.proofs.tables import rows_text, table_text
from resolvers.evidence.gathering import Gathered, Named, people_of
from resolvers.evidence.sealing import counted_pages
from resolvers.evidence.sorting import Sorting
from resolvers.evidence.texts import (
    READ_ME,
    Building,
    bridge_row,
    correction_row,
    digest_row,
    entry_rows,
    statement_of,
)
from resolvers.snapshots.bridging import Mover, movers_by_pages, when_moved
from resolvers.snapshots.causes import Movement

T = TypeVar("T")
# Whom the pack names, with the salts that no other file tells; it is not one of the pack's.
NAMED = "named"
ROWS_A_PAGE = 1_000
MOVEMENTS = list(Movement)
PLACE_CELLS = 3


@dataclass(frozen=True, slots=True)
class Draft:
    """By its name the digest of each file that is written."""

    folder: Path
    digests: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def writing(self, name: str) -> Iterator[Callable[[str], None]]:
        digest = hashlib.sha256()
        with (self.folder / name).open("wb") as file:

            def write(text: str) -> None:
                content = text.encode()
                digest.update(content)
                file.write(content)

            yield write
        self.digests[name] = digest.hexdigest()

    def write(self, name: str, text: str) -> None:
        with self.writing(name) as write:
            write(text)

    def people(self) -> Iterator[list[dict[str, object]]]:
        """Whom the pack names, in the order of their keys, some at a time."""
        with (self.folder / NAMED).open("rb") as file:
            for page in pages_of(file):
                yield [dict(zip(Named.__slots__, orjson.loads(line), strict=True)) for line in page]


def pages_of(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while page := list(islice(left, ROWS_A_PAGE)):
        yield page


async def draft(
    connection: AsyncConnection, gathered: Gathered, building: Building, chain: Chain, keys: KeyRing, folder: Path
) -> Draft:
    """Writes each file that the manifest names; none has personal data in it."""
    drafted = Draft(folder)
    drafted.write(README, READ_ME)
    drafted.write(STATEMENT, written(statement_of(gathered, building)).decode())
    drafted.write(CHECKPOINTS, written(chain).decode())
    drafted.write(KEYS, written(keys).decode())
    drafted.write(DAYS, table_text(DAY_COLUMNS, ([day.isoformat(), *map(str, count)] for day, count in gathered.days)))
    await _Lists(connection, gathered, drafted).write()
    return drafted


class _Lists:
    """The files about people. Everybody is met in one of the other lists before they are told in their own order, with
    the same salt wherever they stand."""

    def __init__(self, connection: AsyncConnection, gathered: Gathered, drafted: Draft) -> None:
        self._connection = connection
        self._gathered = gathered
        self._draft = drafted
        self._organization_id = gathered.snapshot.organization_id
        # Each by their key, and behind it what is known of them if their salt was needed.
        self._met = Sorting(drafted.folder)

    async def write(self) -> None:
        corrected = await self._corrections()
        await self._bridge(corrected)
        await self._entries()
        await self._people()

    async def _corrections(self) -> dict[int, Named]:
        corrections = self._gathered.corrections
        people = await self._named([one.learner_id for one in corrections])
        rows = (correction_row(self._gathered, one, people.get(one.learner_id)) for one in corrections)
        self._draft.write(CORRECTIONS, table_text(CORRECTION_COLUMNS, rows))
        self._meet({one.learner_id for one in corrections}, people)
        return people

    async def _bridge(self, corrected: dict[int, Named]) -> None:
        rows = Sorting(self._draft.folder)
        async for movers in movers_by_pages(self._connection, self._gathered.bridge):
            others = [mover.learner_id for mover in movers if mover.learner_id not in corrected]
            people = corrected | await self._named(others)
            self._meet(others, people)
            for mover in movers:
                rows.add([*_place_of(mover), *bridge_row(self._gathered, mover, people.get(mover.learner_id))])
        self._table(BRIDGE, BRIDGE_COLUMNS, ([str(cell) for cell in row[PLACE_CELLS:]] for row in rows))

    async def _entries(self) -> None:
        snapshot, number = self._gathered.snapshot, 1
        with self._draft.writing(ENTRIES) as write:
            write(rows_text([ENTRY_COLUMNS]))
            async for page in counted_pages(self._connection, snapshot.organization_id, snapshot.id):
                rows = [CountedRow._make(row) for row in page]
                write(rows_text(entry_rows(self._gathered, rows, number)))
                self._meet((row.learner_id for row in rows), {})
                number += len(rows)

    def _table(self, name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        with self._draft.writing(name) as write:
            write(rows_text([header]))
            for page in pages_of(rows):
                write(rows_text(page))

    # -------------------------------------------------------------------------------------------- people

    def _meet(self, learner_ids: Iterable[int], people: dict[int, Named]) -> None:
        for learner_id in learner_ids:
            self._met.add([*astuple(people[learner_id])] if learner_id in people else [learner_id])

    async def _people(self) -> None:
        with self._draft.writing(DIGESTS) as write, (self._draft.folder / NAMED).open("wb") as named:
            write(rows_text([DIGEST_COLUMNS]))
            async for page in self._everybody():
                write(rows_text(digest_row(self._organization_id, *one) for one in page))
                named.writelines(orjson.dumps(astuple(person)) + b"\n" for _, person in page if person)

    async def _everybody(self) -> AsyncIterator[list[tuple[int, Named | None]]]:
        """In the order of their keys, each once."""
        for page in pages_of(_fullest_of_each(self._met)):
            salted = {person.learner_id: person for person in page if isinstance(person, Named)}
            others = [one for one in page if isinstance(one, int)]
            people = salted | await self._named(others)
            ids = (one if isinstance(one, int) else one.learner_id for one in page)
            yield [(learner_id, people.get(learner_id)) for learner_id in ids]

    async def _named(self, learner_ids: Sequence[int]) -> dict[int, Named]:
        return await people_of(self._connection, self._organization_id, learner_ids) if learner_ids else {}


def _place_of(mover: Mover) -> list[int]:
    """Where somebody stands on the bridge."""
    at, learner_id = when_moved(mover)
    return [MOVEMENTS.index(mover.movement), to_microseconds(at), learner_id]


def _fullest_of_each(met: Sorting) -> Iterator[Named | int]:
    """Of each their person if their salt was needed, else their key: of what begins alike the longest comes last."""
    for _, rows in groupby(met, key=itemgetter(0)):
        *_, (learner_id, *told) = rows
        yield Named(learner_id, *told) if told else int(learner_id or 0)  # type: ignore[arg-type]
