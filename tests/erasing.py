"""What tests of erasure share: a learner whose name stands in every place that can hold one, and what is left of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.base import Base
from models.disputes import Dispute, DisputeOrigin, DisputeState
from models.events import Deed, Thing
from models.evidence import Checkpoint, EvidenceFile, EvidencePack, EvidencePerson, SigningKey
from models.keys import reference_key
from models.learners import Learner, Profile
from models.learners import Person as Account
from models.roster import StagedLine
from models.work import Task, TaskKind
from resolvers.erasure.erasing import Erased, Erasing, erase
from resolvers.erasure.previewing import ErasurePreview, preview
from resolvers.events import Noted, note
from resolvers.history import AtInstant, Correction, On, Who, correct_window
from resolvers.invoices.adjusting import adjust
from resolvers.invoices.approving import UncertainApproval, approve_uncertain
from resolvers.invoices.issuing import issue
from resolvers.loaders.snapshots import SnapshotKey
from resolvers.principal import Principal
from resolvers.recording import begin_recording, end_recording
from resolvers.roster.batches import Batch, BatchOutcome, BatchRow, import_batch
from resolvers.tokens import issue_token
from server.database import Database
from tests.asking import ask
from tests.billing import Billed
from tests.builders import STAFF, Tenant, known, organization

NAME, EMAIL, EXTERNAL_ID = "Priyanka Vandermeer", "p.vandermeer@rim.example", "RIM-77341"
# Whatever is left of her would hold one of these.
TRACES = ("priyanka", "vandermeer", "rim-77341", "rim.example")
BECAUSE = "a request under article 17"
ROW = BatchRow(
    number=1,
    team="Sales",
    external_id=EXTERNAL_ID,
    name=NAME,
    email=EMAIL,
    department="Field",
    activated_on="2017-08-01",
)


@dataclass
class Named:
    """An organization in which one learner has a name that is found again, wherever it stands."""

    billed: Billed
    learner_id: int

    @property
    def tenant(self) -> Tenant:
        return self.billed.tenant

    @property
    def database(self) -> Database:
        return self.tenant.database

    @property
    def who(self) -> Who:
        return self.tenant.who(self.learner_id)

    async def imported(self, *rows: BatchRow, import_id: str = "again") -> BatchOutcome:
        return await imported(self.tenant, *rows, import_id=import_id)

    async def previewed(self, *other_names: str, principal: Principal = STAFF) -> ErasurePreview:
        async with self.database.reading() as connection:
            return await preview(connection, principal, self.who, other_names)

    async def erased(
        self, reason: str = BECAUSE, *other_names: str, digest: str = "", principal: Principal = STAFF
    ) -> Erased:
        digest = digest or (await self.previewed(*other_names)).digest
        asked = Erasing(who=self.who, reason=reason, preview_digest=digest, other_names=other_names)
        return await self.billed.run(lambda s, now: erase(s, principal, now, asked))

    async def wrote(self, table: Any, **values: Any) -> None:
        row = {"organization_id": self.tenant.id, **values}
        await self.database.run(lambda session: session.execute(insert(table).values(row)))

    async def profile(self) -> Any:
        async with self.database.reading() as connection:
            return (
                await connection.execute(select(Profile.__table__).where(Profile.learner_id == self.learner_id))
            ).one()


async def imported(tenant: Tenant, *rows: BatchRow, import_id: str) -> BatchOutcome:
    batch, now = Batch(organization_id=tenant.id, import_id=import_id, rows=rows), tenant.tick()
    return await tenant.database.run(lambda session: import_batch(session, STAFF, now, batch))


async def named_learner(database: Database) -> Named:
    """Active since 2017-08-01 among three others, two of whom are licensed."""
    tenant = await organization(database, name="Rim Works")
    await tenant.crowd(3, active=["2017-08-01.."])
    await imported(tenant, ROW, import_id="first")
    billed = await Billed.of(tenant, licensed=2)
    async with database.reading() as connection:
        learner_id = await connection.scalar(select(Profile.learner_id).where(Profile.external_id == EXTERNAL_ID))
    assert learner_id is not None
    return Named(billed, learner_id)


async def named_everywhere(database: Database) -> Named:
    """All the places in which somebody may write a name, or the machine keeps one."""
    named = await named_learner(database)
    billed = named.billed
    await billed.lost(1)
    await named.imported(*IN_SUPPORT, import_id=f"onboarding of {EXTERNAL_ID.lower()}")
    snapshot = await billed.taken()
    (invoice_id,) = await billed.drafted()
    approval = UncertainApproval(
        snapshot=SnapshotKey(billed.tenant.id, snapshot.id), quantity=1, reason=f"as {EMAIL.upper()} confirmed"
    )
    await billed.run(lambda s, now: approve_uncertain(s, STAFF, now, approval, "approval"))
    await billed.run(
        lambda s, now: issue(
            s, STAFF, now, billed.key(invoice_id), without_challenge=True, reason=f"{NAME} asked for it"
        )
    )
    await corrected(named, "2017-08-15", f"her badge, {EXTERNAL_ID}, was last seen then")
    await billed.run(lambda s, now: adjust(s, STAFF, now, named.tenant.id, snapshot.id, "Vandermeer, Priyanka: left"))
    await said(named, f"{NAME} told us that she left")
    await in_a_dispute(named, snapshot.id, DisputeState.REJECTED)
    await in_a_pack(named, snapshot.id)
    await waiting_in_an_import(named)
    await named.wrote(
        Task, kind=TaskKind.CHECK_DRIFT, subject="2017-09-01", due_at=named.tenant.now, attempts=1, failure=f"at {NAME}"
    )
    await with_an_account(named)
    return named


ROW_OTHERWISE = BatchRow(
    number=2, team="Sales", external_id=EXTERNAL_ID, name=NAME, activated_on="2017-08-01", deactivated_on="2017-12-01"
)


# A second team, and a line of it that is refused since it says another end than the first.
IN_SUPPORT = (replace(ROW, team="Support"), replace(ROW_OTHERWISE, team="Support"))


async def corrected(named: Named, last: str, reason: str) -> None:
    tenant = named.tenant
    window = known(tenant, tenant.id, "2017-08-01..").bounds
    correction = Correction(
        who=named.who,
        scope_id=tenant.id,
        window=window,
        reason=reason,
        start=AtInstant(window.from_earliest),
        end=On(dt.date.fromisoformat(last)),
    )
    await named.billed.run(lambda s, now: correct_window(s, STAFF, now, correction))


async def said(named: Named, words: str) -> None:
    async def step(session: AsyncSession, now: dt.datetime) -> None:
        recording = await begin_recording(session, named.tenant.id, now)
        deed = Noted(thing=Thing.DISPUTE, thing_id=7, deed=Deed.MESSAGE_SENT, said=words)
        await note(recording, STAFF, deed)
        await end_recording(recording)

    await named.billed.run(step)


async def in_a_dispute(named: Named, snapshot_id: int, resolution: DisputeState | None) -> None:
    await named.wrote(
        Dispute,
        id=7,
        number="D-2017-7",
        origin=DisputeOrigin.CLIENT,
        state=resolution or DisputeState.WITH_CLIENT,
        resolution=resolution,
        resolved_at=named.tenant.now if resolution else None,
        snapshot_id=snapshot_id,
        opened_at=named.tenant.now,
        opened_by="Kim of the client",
        reason=f"why is {NAME.upper()} on this bill?",
    )


async def in_a_pack(named: Named, snapshot_id: int) -> None:
    """As she was called when it was built: her former e-mail address is hers too."""
    now = named.tenant.now
    key = SigningKey.__table__.insert().values(id="k" * 64, public_key="p" * 64, created_at=now)
    await named.database.run(lambda session: session.execute(key))
    sealed = {"recorded_at": now, "key_id": "k" * 64, "signature": "s" * 128}
    await named.wrote(Checkpoint, number=1, digest="d" * 64, **sealed)
    pack = {"id": 9, "snapshot_id": snapshot_id, "actor": "Sam", "checkpoint_number": 1, "manifest": "{}"}
    await named.wrote(EvidencePack, **pack, **sealed)
    await named.wrote(EvidenceFile, pack_id=9, name="entries.csv", part=1, content="subject,digest\n")
    person = {"name": NAME, "email": "priyanka@rim.example", "external_id": EXTERNAL_ID, "department": "Field"}
    await named.wrote(EvidencePerson, pack_id=9, learner_id=named.learner_id, salt="0" * 64, **person)
    await said(named, "priyanka@rim.example does not answer")


async def waiting_in_an_import(named: Named) -> None:
    texts = {"team": "Sales", "external_id": EXTERNAL_ID, "name": NAME, "email": EMAIL, "department": ""}
    keys = {"name_key": NAME.casefold(), "email_key": EMAIL, "department_key": ""}
    dates = {"from_earliest": named.tenant.now, "from_latest": named.tenant.now, "to_at": named.tenant.now}
    await named.wrote(StagedLine, import_id=5, line=1, **texts, **keys, **dates)


async def with_an_account(named: Named) -> str:
    """The secret of her token."""
    now, person_id = named.tenant.tick(), reference_key(named.tenant.now)

    async def step(session: AsyncSession) -> str:
        await session.execute(insert(Account).values(id=person_id))
        await session.execute(update(Learner).where(Learner.id == named.learner_id).values(person_id=person_id))
        principal = Principal(name=NAME, role=Role.INDIVIDUAL, person_id=person_id)
        return (await issue_token(session, now, principal)).secret

    return await named.database.run(step)


async def rows_with_traces(database: Database) -> list[str]:
    """Every text of every table in which something of her stands."""
    async with database.reading() as connection:
        return [
            f"{table.name}.{column}: {value}"
            for table in Base.metadata.tables.values()
            for row in (await connection.execute(select(table))).mappings()
            for column, value in row.items()
            if isinstance(value, str) and has_traces(value)
        ]


def has_traces(said: str) -> bool:
    return any(trace in said.casefold() for trace in TRACES)


EVERYTHING = """
query ($slug: String!, $search: String, $knownAt: DateTime) { organization(by: {slug: $slug}) {
  name teams { nodes { name } }
  activeCount(activity: {activeAt: {cutoffOf: "2017-08-10"}}, knownAt: $knownAt) { min max }
  learners(search: $search, knownAt: $knownAt, first: 50) { totalCount question edges { cursor node {
    id name email externalId department erasedAt activatedAt deactivatedAt teams(on: "2017-08-10") { name }
    windows { nodes { from to recordedBy source reason } }
    history { about name recordedBy source reason fromEarliest toLatest recordedAt holds }
  } } }
} }
"""


async def everything(named: Named, search: str | None = None, known_at: dt.datetime | None = None) -> dict[str, Any]:
    known = known_at.isoformat() if known_at else None
    answer = await ask(named.database, EVERYTHING, slug="rim-works", search=search, knownAt=known)
    assert not answer.errors, answer.messages
    return dict(answer.data["organization"])


BY_EXTERNAL_ID = {"external": {"organization": {"slug": "rim-works"}, "externalId": EXTERNAL_ID}}
PREVIEW = """mutation ($input: PersonErasePreviewInput!) { personErasePreview(input: $input) {
  preview { fields evidencePacks texts { where count } rosterLines tokens accountStays heldBy digest
            leaves { windows beliefs snapshotEntries proofs recordedByName } }
  userErrors { field message code } } }"""
ERASE = """mutation ($input: PersonEraseInput!) { personErase(input: $input) {
  learner { id name email externalId department erasedAt } changed erasedAt userErrors { field message code } } }"""
