"""Evidence as files: /exports/packs/{id}.csv, .xlsx and .pdf to read, and .zip, the signed bundle, to verify; and who
was counted by a snapshot: /exports/snapshots/{id}.csv.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import BinaryIO

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from models.errors import BadId, NotFound
from resolvers.evidence.bundles import bundle_of
from resolvers.evidence.contents import PackContents
from resolvers.evidence.laying_out import lay_out
from resolvers.evidence.reading import contents_of
from resolvers.loaders.snapshots import SnapshotKey
from resolvers.papers import entries_csv
from resolvers.papers.page_pdf import pdf_of
from resolvers.papers.sheet_csv import csv_of
from resolvers.papers.sheet_xlsx import xlsx_of
from resolvers.papers.words import file_stem
from resolvers.principal import Principal
from schema.ids import decode_id
from server.database import Database
from server.downloads import attached, refused

PACK = "evidence pack"
SENT_AT_ONCE_BYTES = 1 << 18
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "zip": "application/zip",
}


def pack_routes(database: Database, guard: Sequence[Middleware] = ()) -> list[Route]:
    """`guard` lets known callers through only, and leaves who they are in `request.state.principal`."""
    packs = [
        Route(f"/exports/packs/{{pack_id}}.{ending}", _download(database, ending), middleware=guard)
        for ending in MEDIA_TYPES
    ]
    return [*packs, Route("/exports/snapshots/{snapshot_id}.csv", _entries(database), middleware=guard)]


def _download(database: Database, ending: str) -> Callable[[Request], Awaitable[Response]]:
    async def download(request: Request) -> Response:
        try:
            key = pack_key(request.state.principal, request.path_params["pack_id"])
            stem, file = await _file(database, ending, *key)
        except (BadId, NotFound):
            return refused(NotFound(PACK).message, 404)
        headers = attached(f"{stem}.{ending}") | {"Content-Length": str(file.seek(0, os.SEEK_END))}
        return StreamingResponse(_sent(file), media_type=MEDIA_TYPES[ending], headers=headers)

    return download


def _entries(database: Database) -> Callable[[Request], Awaitable[Response]]:
    async def entries(request: Request) -> Response:
        try:
            key = SnapshotKey(*decode_id(request.path_params["snapshot_id"], "BillingSnapshot", 2))
            export = await entries_csv.prepare(database.reading, request.state.principal, key)
        except (BadId, NotFound):
            return refused(NotFound("snapshot").message, 404)
        text = entries_csv.csv_of(database.reading, export)
        return StreamingResponse(text, media_type=MEDIA_TYPES["csv"], headers=attached(export.file_name))

    return entries


def pack_key(principal: Principal, pack_id: str) -> tuple[int, int]:
    """The organization and the pack of an opaque id. One that means nothing here answers as one that is not theirs."""
    organization_id, key = decode_id(pack_id, "EvidencePack", 2)
    principal.must_see(organization_id, PACK)
    return organization_id, key


async def _file(database: Database, ending: str, organization_id: int, pack_id: int) -> tuple[str, BinaryIO]:
    """Its name without the ending, and a file that is gone once it is closed.

    Read at one moment; then written in a thread, as a large pack takes seconds and others wait meanwhile.
    """
    with TemporaryDirectory(prefix="countersign-") as folder:
        async with database.reading() as connection:
            pack = await lay_out(connection, organization_id, pack_id, Path(folder))
        contents = contents_of(pack)
        target: BinaryIO = TemporaryFile()  # noqa: SIM115  # closed when it was sent
        if ending == "zip":
            await asyncio.to_thread(bundle_of, pack, target)
        else:
            await asyncio.to_thread(WRITERS[ending], contents, target)
        return file_stem(contents), target


async def _sent(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        file.seek(0)
        while content := await asyncio.to_thread(file.read, SENT_AT_ONCE_BYTES):
            yield content


def _csv(contents: PackContents, target: BinaryIO) -> None:
    target.writelines(text.encode() for text in csv_of(contents))


def _pdf(contents: PackContents, target: BinaryIO) -> None:
    target.write(pdf_of(contents))


WRITERS: dict[str, Callable[[PackContents, BinaryIO], None]] = {"csv": _csv, "xlsx": xlsx_of, "pdf": _pdf}
