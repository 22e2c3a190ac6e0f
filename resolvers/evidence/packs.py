"""Building evidence packs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import insert

from models.events import Deed, Thing
from models.evidence import EvidenceFile, EvidencePack, EvidencePerson
from models.ids import encode_id
from models.proofs.canonical import moment_text, written
from models.proofs.chains import digest, sealed_in
from models.proofs.entries import snapshot_text
from models.proofs.statements import MANIFEST_FORM, Chain, KeyRing, Manifest
from resolvers.events import Noted, note
from resolvers.evidence.chain import chain_of
from resolvers.evidence.drafting import Draft, draft
from resolvers.evidence.gathering import Gathered, gather, snapshot_to_prove
from resolvers.evidence.keys import ensure_key, signing_keys
from resolvers.evidence.sealing import seal
from resolvers.evidence.signing import Signer
from resolvers.evidence.texts import Building, pack_text
from resolvers.principal import Principal
from resolvers.recording import Recording

PACK = EvidencePack.__table__
FILE = EvidenceFile.__table__
PERSON = EvidencePerson.__table__
# Of a million people a file is some hundred megabytes: more than a row may hold, or a statement take.
LETTERS_A_PART = 1 << 20


async def build_pack(recording: Recording, principal: Principal, signer: Signer, snapshot_id: int) -> int:
    """A pack about one snapshot, as all is known now; the snapshot is sealed first if it is not yet.

    Takes keys: `end_recording` comes after.
    """
    principal.must_see(recording.organization_id, "snapshot", "snapshot")
    connection = await recording.session.connection()
    snapshot = await snapshot_to_prove(connection, recording.organization_id, snapshot_id)
    await seal(recording, signer, [snapshot_id])
    await ensure_key(recording.session, signer)
    gathered = await gather(connection, snapshot, recording.recorded_at)
    building = Building(
        pack_id=recording.keys.take(), built_at=recording.recorded_at, built_by=principal.name, signer=signer
    )
    await _write(recording, gathered, building)
    await note(recording, principal, Noted(thing=Thing.EVIDENCE_PACK, thing_id=building.pack_id, deed=Deed.PACK_BUILT))
    return building.pack_id


async def _write(recording: Recording, gathered: Gathered, building: Building) -> None:
    """In files first, since the pack names the digest of each, and their parts name the pack."""
    chain = await chain_of(recording.session, recording.organization_id)
    keys = KeyRing(keys=tuple(await signing_keys(recording.session)))
    connection = await recording.session.connection()
    with TemporaryDirectory(prefix="countersign-") as folder:
        drafted = await draft(connection, gathered, building, chain, keys, Path(folder))
        await _insert_pack(recording, gathered, building, chain, drafted)
        same = {"organization_id": recording.organization_id, "pack_id": building.pack_id}
        for name in drafted.digests:
            for part, content in enumerate(_parts_of(drafted.folder / name), start=1):
                row = {**same, "name": name, "part": part, "content": content}
                await recording.session.execute(insert(FILE), row)
        for people in drafted.people():
            await recording.session.execute(insert(PERSON), [same | person for person in people])


async def _insert_pack(
    recording: Recording, gathered: Gathered, building: Building, chain: Chain, drafted: Draft
) -> None:
    manifest = written(_manifest(gathered, building, chain, drafted.digests))
    await recording.session.execute(
        insert(PACK).values(
            organization_id=recording.organization_id,
            id=building.pack_id,
            snapshot_id=gathered.snapshot.id,
            recorded_at=building.built_at,
            actor=building.built_by,
            checkpoint_number=chain.checkpoints[-1].statement.number,
            manifest=manifest.decode(),
            key_id=building.signer.key_id,
            signature=building.signer.sign(manifest),
        )
    )


def _parts_of(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as file:
        while part := file.read(LETTERS_A_PART):
            yield part


def _manifest(gathered: Gathered, building: Building, chain: Chain, digests: Mapping[str, str]) -> Manifest:
    organization_id, newest = gathered.snapshot.organization_id, chain.checkpoints[-1]
    snapshot = snapshot_text(organization_id, gathered.snapshot.id)
    sealed = sealed_in(chain.checkpoints, snapshot)
    assert sealed is not None  # noqa: S101  # it was sealed just before
    return Manifest(
        form=MANIFEST_FORM,
        pack=pack_text(organization_id, building.pack_id),
        organization=encode_id("Organization", organization_id),
        snapshot=snapshot,
        root=sealed.root,
        checkpoint_number=newest.statement.number,
        checkpoint_digest=digest(newest),
        built_at=moment_text(building.built_at),
        files=digests,
    )
