"""Proof as clients see it: signed checkpoints, evidence packs, and the proof of one entry."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import EvidenceError, EvidenceErrorCode, NotFound
from models.proofs.canonical import moment_of, written
from resolvers.evidence.disclosing import disclose
from resolvers.evidence.keys import signing_keys
from resolvers.evidence.packs import build_pack
from resolvers.loaders.evidence import (
    CheckpointRow,
    PackKey,
    PackRow,
    PacksPage,
    checkpoints_of_snapshots,
    pack_totals,
    packs_by_id,
    packs_of_snapshots,
)
from resolvers.loaders.snapshots import SnapshotKey
from resolvers.recording import begin_recording, end_recording
from schema.context import Info
from schema.fields import INPUT, field, mutation
from schema.ids import Node, decode_id, encode_id
from schema.pagination import Connection, Paging, connection_of
from schema.payloads import Refusals, UserError
from schema.scalars import described

if TYPE_CHECKING:
    from schema.snapshots import BillingSnapshot

described(EvidenceErrorCode, "Why no proof was made.")


@strawberry.type(
    description="A signed statement of which snapshots an organization had by then. Each names the one before it, so "
    "that no sealed snapshot can be changed, added or dropped unnoticed."
)
class Checkpoint:
    row: strawberry.Private[CheckpointRow]

    @field("Its place in the organization's chain, from 1.")
    def number(self) -> int:
        return self.row.number

    @field("When it was signed.")
    def recorded_at(self) -> dt.datetime:
        return self.row.recorded_at

    @field("SHA-256 of the statement, in hexadecimal digits.")
    def digest(self) -> str:
        return self.row.digest

    @field("The digest of the checkpoint before it; null for the first.")
    def previous_digest(self) -> str | None:
        return self.row.previous_digest

    @field("The root of the Merkle tree over the entries of this snapshot.")
    def root(self) -> str:
        return self.row.root

    @field("How many entries that tree holds.")
    def size(self) -> int:
        return self.row.size

    @field("The fingerprint of the key that signed.")
    def key_id(self) -> str:
        return self.row.key_id

    @field("The Ed25519 signature of the statement, in hexadecimal digits.")
    def signature(self) -> str:
        return self.row.signature


@strawberry.type(description="A public key with which checkpoints and packs were signed.")
class SigningKey:
    id: strawberry.ID = strawberry.field(description="Its fingerprint: SHA-256 of the key, in hexadecimal digits.")
    public_key: str = strawberry.field(description="The Ed25519 key, in hexadecimal digits.")
    created_at: dt.datetime = strawberry.field(description="Since when it is there.")
    endorsed_by: strawberry.ID | None = strawberry.field(
        description="The fingerprint of the key before it, which vouches for it; null for a first key."
    )
    endorsement: str | None = strawberry.field(description="The signature by which it vouches.")


@strawberry.type(description="Where a pack is downloaded: paths on this server, for whoever may see it.")
class EvidenceDownloads:
    bundle: str = strawberry.field(description="The signed bundle (zip), which verifies offline.")
    csv: str = strawberry.field(description="The names and dates as CSV.")
    xlsx: str = strawberry.field(description="The same as a workbook.")
    pdf: str = strawberry.field(description="A letter with the figures, the bridge and the lists.")


@strawberry.type(description="Everything about one snapshot that a dispute needs, fixed and signed.")
class EvidencePack(Node):
    row: strawberry.Private[PackRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("EvidencePack", self.row.organization_id, self.row.id))

    @field("The snapshot that it is about.")
    async def snapshot(self, info: Info) -> Annotated[BillingSnapshot, strawberry.lazy("schema.snapshots")] | None:
        from schema.snapshots import snapshot_by_key

        return await snapshot_by_key(info, SnapshotKey(self.row.organization_id, self.row.snapshot_id))

    @field("When it was built: its bridge ends there.")
    def built_at(self) -> dt.datetime:
        return self.row.recorded_at

    @field("Who built it.")
    def built_by(self) -> str:
        return self.row.actor

    @field("The number of the newest checkpoint in it.")
    def checkpoint_number(self) -> int:
        return self.row.checkpoint_number

    @field("The fingerprint of the key that signed it.")
    def key_id(self) -> str:
        return self.row.key_id

    @field("Where it is downloaded.")
    def downloads(self) -> EvidenceDownloads:
        path = f"/exports/packs/{self.id()}"
        return EvidenceDownloads(bundle=f"{path}.zip", csv=f"{path}.csv", xlsx=f"{path}.xlsx", pdf=f"{path}.pdf")


async def checkpoint_of(info: Info, key: SnapshotKey) -> Checkpoint | None:
    rows: list[CheckpointRow] = await info.context.loaders.rows(checkpoints_of_snapshots).load(key)
    return Checkpoint(row=rows[0]) if rows else None


async def pack_by_key(info: Info, key: PackKey) -> EvidencePack | None:
    """The pack, for whoever may see all of its organization."""
    if not info.context.principal.may_see(key.organization_id):
        return None
    rows: list[PackRow] = await info.context.loaders.rows(packs_by_id).load(key)
    return EvidencePack(row=rows[0]) if rows else None


async def packs_page(info: Info, key: SnapshotKey, page: Paging) -> Connection[EvidencePack]:
    """A page of a snapshot's packs, the newest first."""
    asked = PacksPage(page.limit, page.backward, page.beyond[0] if page.beyond else None)
    loaders = info.context.loaders
    rows: list[PackRow] = await loaders.rows(packs_of_snapshots, asked).load(key)

    async def total() -> int:
        return await loaders.values(pack_totals).load(key)

    return connection_of([(EvidencePack(row=row), (row.id,)) for row in rows], page, total)


# ----------------------------------------------------------------------------------------------------- queries


@strawberry.type
class EvidenceQuery:
    @field("The public keys that ever signed, the oldest first: what is needed to check a pack or a proof.")
    async def signing_keys(self, info: Info) -> list[SigningKey]:
        async with info.context.reading() as connection:
            keys = await signing_keys(connection)
        return [
            SigningKey(
                id=strawberry.ID(key.key_id),
                public_key=key.public_key,
                created_at=moment_of(key.created_at),
                endorsed_by=strawberry.ID(key.endorsed_by) if key.endorsed_by else None,
                endorsement=key.endorsement,
            )
            for key in keys
        ]

    @field(
        "The proof that one learner was counted, which tells nothing of the others: a JSON text, to be kept as it is. "
        "`python3 -m server verify` checks it."
    )
    async def entry_proof(
        self,
        info: Info,
        snapshot: Annotated[strawberry.ID, strawberry.argument(description="The snapshot.")],
        learner: Annotated[strawberry.ID, strawberry.argument(description="The learner.")],
    ) -> str:
        key = SnapshotKey(*decode_id(snapshot, "BillingSnapshot", 2, "snapshot"))
        organization_id, learner_id = decode_id(learner, "Learner", 2, "learner")
        info.context.principal.must_see(key.organization_id, "snapshot", "snapshot")
        if organization_id != key.organization_id:
            raise NotFound("learner that was counted", "learner")
        async with info.context.reading() as connection:
            return written(await disclose(connection, *key, learner_id)).decode()


# --------------------------------------------------------------------------------------------------- mutations


@strawberry.type(description="A refusal: what was wrong with the input, and what to do.")
class EvidenceUserError(UserError):
    code: EvidenceErrorCode = strawberry.field(description="The reason, for programs.")


@strawberry.input
class EvidencePackBuildInput:
    snapshot: strawberry.ID = strawberry.field(description="The snapshot that it is about.")


@strawberry.type
class EvidencePackBuildPayload:
    evidence_pack: EvidencePack | None = strawberry.field(default=None, description="The pack; null if refused.")
    user_errors: list[EvidenceUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class EvidenceMutation:
    @mutation(
        "Build an evidence pack about a snapshot, as all is known now. For staff, and for the organization itself.",
        [Refusals(EvidencePackBuildPayload, EvidenceUserError, EvidenceErrorCode)],
    )
    async def evidence_pack_build(
        self, info: Info, input: Annotated[EvidencePackBuildInput, INPUT]
    ) -> EvidencePackBuildPayload:
        key = SnapshotKey(*decode_id(input.snapshot, "BillingSnapshot", 2, "snapshot"))
        pack_id = await _build(info, key)
        return EvidencePackBuildPayload(evidence_pack=await pack_by_key(info, PackKey(key.organization_id, pack_id)))


async def _build(info: Info, key: SnapshotKey) -> int:
    context, signer = info.context, info.context.signer
    context.principal.must_see(key.organization_id, "snapshot", "snapshot")
    if signer is None:
        raise EvidenceError(EvidenceErrorCode.NO_SIGNING_KEY, EvidenceErrorCode.NO_SIGNING_KEY.value)

    async def build(session: AsyncSession) -> int:
        recording = await begin_recording(session, key.organization_id, context.now)
        pack_id = await build_pack(recording, context.principal, signer, key.snapshot_id)
        await end_recording(recording)
        return pack_id

    return await context.write(build)
