"""A pack as the zip that a client downloads: what was signed, with the people as far as they are not erased."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.ext.asyncio import AsyncConnection

from models.proofs.bundles import zipped
from models.proofs.canonical import written
from models.proofs.packing import (
    DIGEST_COLUMNS,
    DIGESTS,
    ERASED,
    MANIFEST,
    PEOPLE,
    PEOPLE_COLUMNS,
    REASON_COLUMNS,
    REASONS,
    SIGNATURE,
)
from models.proofs.statements import ManifestSignature
from models.proofs.tables import read_table, shielded, table_text
from resolvers.evidence.reading import StoredPack, stored_pack


async def bundle(connection: AsyncConnection, organization_id: int, pack_id: int) -> bytes:
    """The same bytes each time, unless somebody was erased. Raises NotFound if there is no such pack."""
    pack = await stored_pack(connection, organization_id, pack_id)
    signature = ManifestSignature(key_id=pack.key_id, signature=pack.signature)
    texts = {
        **pack.files,
        MANIFEST: pack.manifest,
        PEOPLE: table_text(PEOPLE_COLUMNS, _people(pack)),
        REASONS: table_text(REASON_COLUMNS, _reasons(pack)),
    }
    return zipped({name: text.encode() for name, text in texts.items()} | {SIGNATURE: written(signature)})


def _people(pack: StoredPack) -> Iterator[list[str]]:
    """Everybody whom the digests promise, in their order."""
    for subject, _ in read_table(DIGEST_COLUMNS, pack.files[DIGESTS].encode()):
        known = pack.people.get(subject)
        if known is None:
            yield [subject, ERASED, "", "", "", ""]
        else:
            person = known.person
            texts = (person.name, person.email, person.external_id, person.department)
            yield [subject, *map(shielded, texts), known.salt]


def _reasons(pack: StoredPack) -> Iterator[list[str]]:
    for told in pack.reasons.values():
        reason = ERASED if told.reason is None else shielded(told.reason)
        yield [told.subject, told.recorded_at, reason, told.salt]
