"""Who was counted by a snapshot, as CSV, read a page at a time: memory stays flat, and the file says if it is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from models.errors import NotFound
from models.interval import instant_unless_lost
from resolvers.database import Reading
from resolvers.evidence.gathering import product_name
from resolvers.exports import INCOMPLETE, ExportNotWhole
from resolvers.loaders.entries import EntriesPage, EntryRow, Whom, entries_of, entry_totals
from resolvers.loaders.places import OrganizationRow, organizations_by_id
from resolvers.loaders.snapshots import SnapshotKey, SnapshotRow, snapshots_by_id
from resolvers.papers import words
from resolvers.principal import Principal
from resolvers.snapshots.words import words_of
from resolvers.spreadsheets import BYTE_ORDER_MARK, as_csv

PAGE_ROWS = 1_000
HEADER = (
    *("name", "email", "external_id", "department"),
    *("activated_on", "deactivated_on", "last_active_on", "activated_at", "deactivated_at", "certain"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesExport:
    """A snapshot that may be seen, and how many it counted."""

    key: SnapshotKey
    snapshot: SnapshotRow
    organization: OrganizationRow
    product: str
    total: int

    @property
    def file_name(self) -> str:
        return f"{words.stem(self.organization.slug, self.product, self.snapshot.date, 'counted')}.csv"


async def prepare(reading: Reading, principal: Principal, key: SnapshotKey) -> EntriesExport:
    """Raises NotFound unless there is such a snapshot, and this one may see it."""
    principal.must_see(key.organization_id, "snapshot")
    async with reading() as connection:
        rows = await snapshots_by_id(connection, [key])
        if not rows:
            raise NotFound("snapshot")
        (organization,) = await organizations_by_id(connection, [key.organization_id])
        product = await product_name(connection, rows[0])
        (total,) = await entry_totals(connection, [key], Whom())
    return EntriesExport(key=key, snapshot=rows[0], organization=organization, product=product, total=total)


async def csv_of(reading: Reading, export: EntriesExport) -> AsyncIterator[str]:
    """The text of the file, a page at a time. Its last line always says whether it is whole."""
    yield BYTE_ORDER_MARK + as_csv([*_preface(export), HEADER])
    written = 0
    try:
        async for page in _pages(reading, export):
            yield as_csv([_cells(export, row) for row in page])
            written += len(page)
        if written != export.total:
            raise ExportNotWhole(export.total, written)
    except Exception:
        yield as_csv([(INCOMPLETE, f"{written} of {export.total} rows were written.")])
        raise
    yield as_csv([words.end(written)])


def _preface(export: EntriesExport) -> list[tuple[str, str]]:
    snapshot, organization = export.snapshot, export.organization
    return [
        ("Question", words_of(snapshot, organization.calendar, organization.name, export.product)),
        ("Organization", organization.name),
        ("Product", export.product),
        ("Snapshot", snapshot.kind.value),
        ("Counted at", words.instant(snapshot.recorded_at)),
        ("As known at", words.instant(snapshot.known_at)),
        ("Counted", words.between(snapshot.count_least, snapshot.count_most)),
        ("Rows", str(export.total)),
    ]


async def _pages(reading: Reading, export: EntriesExport) -> AsyncIterator[Sequence[EntryRow]]:
    """Each page is a read of its own, so that a slow reader holds no snapshot of the database open."""
    beyond = None
    while True:
        async with reading() as connection:
            rows = await _page(connection, export, beyond)
        if rows:
            yield rows
        if len(rows) < PAGE_ROWS:
            return
        beyond = (rows[-1].name_key, rows[-1].learner_id)


async def _page(
    connection: AsyncConnection, export: EntriesExport, beyond: tuple[str, int] | None
) -> Sequence[EntryRow]:
    return await entries_of(connection, [export.key], Whom(), EntriesPage(PAGE_ROWS, beyond=beyond))


def _cells(export: EntriesExport, row: EntryRow) -> tuple[str, ...]:
    calendar = export.organization.calendar
    start, end = (
        instant_unless_lost(row.from_earliest, row.from_latest),
        instant_unless_lost(row.to_earliest, row.to_latest),
    )
    days = (start and calendar.day_of(start), end and calendar.day_of(end), end and calendar.last_day_before(end))
    return (
        *(row.name or words.ERASED, row.email, row.external_id, row.department),
        *map(words.day, days),
        *(words.instant(start), words.instant(end)),
        "yes" if row.certain else "possible",
    )
