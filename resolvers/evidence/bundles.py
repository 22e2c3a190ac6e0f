"""A pack as the zip that a client downloads: what was signed, with the people as far as they are not erased."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from sqlalchemy.ext.asyncio import AsyncConnection

from models.proofs.bundles import zip_into
from models.proofs.packing import ALL_FILES
from resolvers.evidence.laying_out import LaidOut, lay_out

READ_AT_ONCE_BYTES = 1 << 18


async def bundle(connection: AsyncConnection, organization_id: int, pack_id: int, target: BinaryIO) -> None:
    """The same bytes each time, unless somebody was erased. Raises NotFound if there is no such pack."""
    with TemporaryDirectory(prefix="countersign-") as folder:
        pack = await lay_out(connection, organization_id, pack_id, Path(folder))
        await asyncio.to_thread(bundle_of, pack, target)


def bundle_of(pack: LaidOut, target: BinaryIO) -> None:
    zip_into(target, {name: _content_of(pack.folder / name) for name in ALL_FILES})


def _content_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while content := file.read(READ_AT_ONCE_BYTES):
            yield content
