"""Building evidence packs, and what they say for whoever shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from models.events import Deed, Thing
from models.evidence import EvidenceFile, EvidencePack, EvidencePerson
from models.ids import encode_id
from models.proofs.canonical import digest_of, moment_text, written
from models.proofs.chains import digest, sealed_in
from models.proofs.entries import snapshot_text
from models.proofs.statements import MANIFEST_FORM, Chain, KeyRing, Manifest
from resolvers.events import Noted, note
from resolvers.evidence.chain import chain_of
from resolvers.evidence.contents import PackContents
from resolvers.evidence.gathering import Gathered, gather, snapshot_to_prove
from resolvers.evidence.keys import ensure_key, signing_keys
from resolvers.evidence.reading import contents_of, stored_pack
from resolvers.evidence.sealing import seal
from resolvers.evidence.signing import Signer
from resolvers.evidence.texts import Building, pack_text, sealed_texts
from resolvers.principal import Principal
from resolvers.recording import Recording

PACK = EvidencePack.__table__
FILE = EvidenceFile.__table__
PERSON = EvidencePerson.__table__


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
    chain = await chain_of(recording.session, recording.organization_id)
    keys = KeyRing(keys=tuple(await signing_keys(recording.session)))
    texts = sealed_texts(gathered, building, chain, keys)
    manifest = written(_manifest(gathered, building, chain, texts))
    same = {"organization_id": recording.organization_id, "pack_id": building.pack_id}
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
    await recording.session.execute(insert(FILE), [{**same, "name": n, "content": text} for n, text in texts.items()])
    if people := list(_people(gathered, same)):
        await recording.session.execute(insert(PERSON), people)


def _manifest(gathered: Gathered, building: Building, chain: Chain, texts: Mapping[str, str]) -> Manifest:
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
        files={name: digest_of(text.encode()) for name, text in texts.items()},
    )


def _people(gathered: Gathered, same: Mapping[str, object]) -> Iterator[dict[str, object]]:
    for learner_id in gathered.learner_ids:
        if person := gathered.people.get(learner_id):
            yield {
                **same,
                "learner_id": learner_id,
                "salt": person.salt,
                "name": person.name,
                "email": person.email,
                "external_id": person.external_id,
                "department": person.department,
            }


async def load_contents(connection: AsyncConnection, organization_id: int, pack_id: int) -> PackContents:
    """What the pack says, with the personal data that is not erased. Raises NotFound if there is no such pack."""
    return contents_of(await stored_pack(connection, organization_id, pack_id))
