"""Erasing a person: nothing that names them is left anywhere, and nothing that was counted changes."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import zipfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role, Token
from models.activity import FormerWindow, Predicate, UncertainWindow, Window
from models.base import Base
from models.billing import BillingSnapshot, SnapshotEntry
from models.disputes import Dispute, DisputeOrigin, DisputeState
from models.erasure import ERASED, Erasure, Person, digest_of, is_named_in
from models.errors import ErasureError, ErasureErrorCode, HistoryError, HistoryErrorCode, RosterError, RosterErrorCode
from models.events import Deed, Event, Thing
from models.evidence import Checkpoint, EvidenceFile, EvidencePack, EvidencePerson, SigningKey
from models.history import Belief
from models.keys import reference_key
from models.learners import Learner, Profile
from models.learners import Person as Account
from models.proofs.findings import Finding
from models.proofs.verifying import verify
from models.roster import StagedLine
from models.work import Task, TaskKind
from resolvers.erasure.erasing import Erased, Erasing, erase
from resolvers.erasure.previewing import ErasurePreview, preview
from resolvers.events import Noted, note
from resolvers.evidence.bundles import bundle
from resolvers.evidence.packs import build_pack, load_contents
from resolvers.history import (
    Activation,
    AtInstant,
    Correction,
    On,
    PersonalData,
    Transfer,
    Who,
    activate,
    correct_window,
    transfer,
)
from resolvers.invoices.adjusting import adjust
from resolvers.invoices.approving import UncertainApproval, approve_uncertain
from resolvers.invoices.issuing import issue
from resolvers.loaders.snapshots import SnapshotKey
from resolvers.principal import Principal
from resolvers.rebuilding import windows_that_differ
from resolvers.recording import begin_recording, end_recording
from resolvers.roster.batches import Batch, BatchOutcome, BatchRow, import_batch
from resolvers.roster.reading import Reading
from resolvers.roster.report import refusals
from resolvers.tokens import issue_token
from server.database import Database
from server.import_roster import ImportOptions, import_file
from server.logs import configure_logs
from tests.asking import ask
from tests.billing import Billed
from tests.builders import STAFF, Tenant, known, organization
from tests.signers import signer
from tests.visitors import administrator, visiting

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
CELEBRATED = Person.of([NAME], [EMAIL, EXTERNAL_ID])


# ------------------------------------------------------------------------------------------------ builders


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
    await named.wrote(EvidenceFile, pack_id=9, name="entries.csv", content="subject,digest\n")
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


# ----------------------------------------------------------------------------------------- what is left of her


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


COUNTED = (
    *(Belief.__table__, Window.__table__, FormerWindow.__table__, UncertainWindow.__table__),
    *(SnapshotEntry.__table__, BillingSnapshot.__table__, EvidencePack.__table__, EvidenceFile.__table__),
)


async def counted(database: Database) -> list[list[str]]:
    async with database.reading() as connection:
        return [sorted(repr(row) for row in await connection.execute(select(table))) for table in COUNTED]


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


async def test_nothing_that_names_a_person_is_left_in_any_column_of_any_table(database: Database) -> None:
    named = await named_everywhere(database)
    planted = {line.partition(":")[0] for line in await rows_with_traces(database)}
    assert planted == {
        *(f"profile.{column}" for column in ("name", "name_key", "email", "email_key", "external_id")),
        *(f"staged_line.{column}" for column in ("name", "name_key", "email", "email_key", "external_id")),
        *("evidence_person.name", "evidence_person.email", "evidence_person.external_id"),
        *("act.reason", "event.said", "dispute.reason", "adjustment.reason", "credit_note.reason"),
        *("invoice_line.approval_reason", "task.failure", "roster_import.name", "token.name"),
    }
    await named.erased()
    assert await rows_with_traces(database) == []


async def test_what_was_counted_is_as_it_was_to_the_microsecond(database: Database) -> None:
    named = await named_everywhere(database)
    before = await counted(database)
    moments = [None, named.tenant.now, named.tenant.now - dt.timedelta(minutes=6)]
    counts = [await named.tenant.count(Predicate.ACTIVE_AT, "2017-09-01", known_at=moment) for moment in moments]
    await named.erased()
    assert await counted(database) == before
    again = [await named.tenant.count(Predicate.ACTIVE_AT, "2017-09-01", known_at=moment) for moment in moments]
    assert again == counts
    assert len(set(counts)) > 1
    assert await database.run(partial(windows_that_differ, organization_id=named.tenant.id)) == 0
    async with database.reading() as connection:
        entry = select(func.count()).where(SnapshotEntry.learner_id == named.learner_id)
        assert await connection.scalar(entry) == 1


async def test_no_answer_of_the_api_names_a_person_who_was_erased_whenever_it_was_known(database: Database) -> None:
    named = await named_everywhere(database)
    assert has_traces(str(await everything(named)))
    former = [named.tenant.now - dt.timedelta(minutes=minutes) for minutes in (0, 3, 8)]
    await named.erased()
    for moment in (None, *former):
        assert not has_traces(str(await everything(named, known_at=moment)))
    for search in (NAME, EMAIL, EXTERNAL_ID, "vander"):
        found = await everything(named, search=search)
        assert found["learners"]["totalCount"] == 0


async def test_over_http_neither_the_pages_nor_the_file_nor_the_log_names_anybody(database: Database) -> None:
    await named_everywhere(database)
    log = io.StringIO()
    async with visiting(database) as client:
        configure_logs("debug", log)
        shown = await over_http(client, PREVIEW, {"learner": BY_EXTERNAL_ID})
        digest = shown["personErasePreview"]["preview"]["digest"]
        given = {"learner": BY_EXTERNAL_ID, "reason": f"as {NAME} wished", "previewDigest": digest}
        refused = await over_http(client, ERASE, given)
        assert refused["personErase"]["userErrors"][0]["code"] == "REASON_REQUIRED"
        done = await over_http(client, ERASE, given | {"reason": BECAUSE})
        assert done["personErase"]["changed"]
        again = await over_http(client, ACTIVATE, {"learner": BY_EXTERNAL_ID, "start": {"on": "2018-01-01"}})
        assert again["learnerActivate"]["userErrors"][0]["code"] == "ERASED"
        page = await client.get("/admin/organizations/rim-works", params=ASKED)
        sheet = await client.get("/exports/learners.csv", params=ASKED | {"organization": "rim-works"})
    structlog.reset_defaults()
    assert page.status_code == sheet.status_code == 200
    assert "(erased)" in page.text
    assert "erased:" in sheet.text
    assert log.getvalue()
    for told in (str(done), str(again), page.text, sheet.text, log.getvalue()):
        assert not has_traces(told)


ASKED = {"from": "2017-08-01", "through": "2017-08-31"}
BY_EXTERNAL_ID = {"external": {"organization": {"slug": "rim-works"}, "externalId": EXTERNAL_ID}}
PREVIEW = """mutation ($input: PersonErasePreviewInput!) { personErasePreview(input: $input) {
  preview { fields evidencePacks texts { where count } rosterLines tokens accountStays heldBy digest
            leaves { windows beliefs snapshotEntries proofs recordedByName } }
  userErrors { field message code } } }"""
ERASE = """mutation ($input: PersonEraseInput!) { personErase(input: $input) {
  learner { id name email externalId department erasedAt } changed erasedAt userErrors { field message code } } }"""
ACTIVATE = """mutation ($input: LearnerActivateInput!) { learnerActivate(input: $input) {
  learner { id } userErrors { field message code } } }"""


async def over_http(client: Any, query: str, given: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/graphql", json={"query": query, "variables": {"input": given}})
    told: dict[str, Any] = answer.json()
    assert "errors" not in told, told
    return dict(told["data"])


# ---------------------------------------------------------------------------------------------- evidence packs


async def packed(named: Named, snapshot_id: int) -> int:
    async def step(session: AsyncSession, now: dt.datetime) -> int:
        recording = await begin_recording(session, named.tenant.id, now)
        pack_id = await build_pack(recording, STAFF, SIGNER, snapshot_id)
        await end_recording(recording)
        return pack_id

    return await named.billed.run(step)


SIGNER = signer()


async def files_of(named: Named, pack_id: int) -> dict[str, bytes]:
    async with named.database.reading() as connection:
        sent = await bundle(connection, named.tenant.id, pack_id)
    with zipfile.ZipFile(io.BytesIO(sent)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def failures(files: dict[str, bytes]) -> list[Finding]:
    return [finding for finding in verify(files, [SIGNER.key_id]) if not finding.holds]


async def test_packs_built_before_and_after_verify_and_name_nobody_who_was_erased(database: Database) -> None:
    named = await named_learner(database)
    snapshot = await named.billed.taken()
    await corrected(named, "2017-08-15", f"her badge, {EXTERNAL_ID}, was last seen then")
    before = await packed(named, snapshot.id)
    told = await files_of(named, before)
    assert failures(told) == []
    assert {name for name, content in told.items() if has_traces(content.decode())} == {"people.csv", "reasons.csv"}
    shown = await named.previewed()
    assert (shown.packs, shown.stays.proofs) == (1, 1)
    await named.erased()
    after = await packed(named, snapshot.id)
    for pack_id in (before, after):
        files = await files_of(named, pack_id)
        assert failures(files) == []
        assert not any(has_traces(content.decode()) for content in files.values())
        async with database.reading() as connection:
            contents = await load_contents(connection, named.tenant.id, pack_id)
        assert [entry.person.is_erased for entry in contents.entries].count(True) == 1
    assert await rows_with_traces(database) == []


# ------------------------------------------------------------------------------------- the preview, and just that


async def test_a_preview_says_what_goes_what_stays_and_what_holds_it(database: Database) -> None:
    named = await named_everywhere(database)
    shown = await ask(database, PREVIEW, input={"learner": BY_EXTERNAL_ID})
    preview = shown.data["personErasePreview"]["preview"]
    assert preview["fields"] == ["NAME", "EMAIL", "EXTERNAL_ID", "DEPARTMENT"]
    assert {text["where"]: text["count"] for text in preview["texts"]} == {
        "ACT": 2,
        "EVENT": 6,
        "DISPUTE": 1,
        "ADJUSTMENT": 1,
        "CREDIT_NOTE": 1,
        "APPROVAL": 1,
        "FAILURE": 1,
        "ROSTER_NAME": 1,
    }
    assert (preview["evidencePacks"], preview["rosterLines"], preview["tokens"]) == (1, 1, 1)
    leaves = {"windows": 1, "beliefs": 6, "snapshotEntries": 1, "proofs": 0, "recordedByName": 0}
    assert (preview["leaves"], preview["accountStays"], preview["heldBy"]) == (leaves, False, [])
    assert not has_traces(str(preview))
    assert (await named.previewed()).digest == preview["digest"]


async def test_only_what_was_previewed_is_erased(database: Database) -> None:
    named = await named_learner(database)
    digest = (await named.previewed()).digest
    await said(named, f"{NAME} called again")
    with pytest.raises(ErasureError) as refused:
        await named.erased(digest=digest)
    assert refused.value.code is ErasureErrorCode.PREVIEW_CHANGED
    assert (await named.profile()).name == NAME
    await named.imported(ROW_OTHERWISE)
    digest = (await named.previewed()).digest
    await named.tenant.deactivated(named.learner_id, "2017-11-30")
    assert (await named.erased(digest=digest)).changed, "what stays may change meanwhile"


async def test_the_same_erasure_once_more_changes_nothing_and_another_one_is_refused(database: Database) -> None:
    named = await named_learner(database)
    digest = (await named.previewed()).digest
    first = await named.erased(digest=digest)
    again = await named.erased(digest=digest)
    assert (first.changed, again.changed, again.recorded_at) == (True, False, first.recorded_at)
    for other in (named.erased(digest="0" * 64), named.previewed()):
        with pytest.raises(ErasureError) as refused:
            await other
        assert refused.value.code is ErasureErrorCode.ALREADY_ERASED


async def test_of_two_who_erase_at_once_one_does(database: Database) -> None:
    named = await named_everywhere(database)
    digest = (await named.previewed()).digest
    done = await asyncio.gather(*(named.erased(digest=digest) for _ in range(4)))
    assert sorted(one.changed for one in done) == [False, False, False, True]


@pytest.mark.parametrize(
    "reason", ["", "  ", f"{NAME} wants it", "vandermeer,  PRIYANKA", f"see {EMAIL}", f"no. {EXTERNAL_ID.lower()}"]
)
async def test_a_reason_is_given_and_does_not_name_the_person(database: Database, reason: str) -> None:
    named = await named_learner(database)
    with pytest.raises(ErasureError) as refused:
        await named.erased(reason)
    assert refused.value.code is ErasureErrorCode.REASON_REQUIRED
    assert not has_traces(refused.value.message)


async def test_an_open_dispute_holds_the_erasure_until_it_is_resolved(database: Database) -> None:
    named = await named_learner(database)
    snapshot = await named.billed.taken()
    await in_a_dispute(named, snapshot.id, None)
    assert (await named.previewed()).held_by == ("D-2017-7",)
    with pytest.raises(ErasureError) as refused:
        await named.erased()
    assert refused.value.code is ErasureErrorCode.IN_DISPUTE
    assert "D-2017-7" in refused.value.message
    resolved = update(Dispute).values(resolution=DisputeState.WITHDRAWN, resolved_at=named.tenant.now)
    await database.run(lambda session: session.execute(resolved))
    assert (await named.erased()).changed


async def test_a_dispute_about_others_holds_nothing(database: Database) -> None:
    named = await named_learner(database)
    await named.tenant.deactivated(named.learner_id, "2017-08-15")
    await in_a_dispute(named, (await named.billed.taken()).id, None)
    assert (await named.erased()).changed


async def test_only_staff_erase_and_nobody_sees_a_foreign_person(database: Database) -> None:
    named = await named_learner(database)
    digest = (await named.previewed()).digest
    own, foreign = administrator(named.tenant.id), administrator((await organization(database)).id)
    herself = Principal(name=NAME, role=Role.INDIVIDUAL, person_id=1)
    codes = {own: "NOT_ALLOWED", foreign: "NOT_FOUND", herself: "NOT_FOUND"}
    learner = {"id": (await everything(named, search=NAME))["learners"]["edges"][0]["node"]["id"]}
    for principal, code in codes.items():
        given = {"learner": learner, "reason": BECAUSE, "previewDigest": digest}
        answers = [
            (await ask(database, PREVIEW, principal, input={"learner": learner})).data["personErasePreview"],
            (await ask(database, ERASE, principal, input=given)).data["personErase"],
        ]
        assert [[error["code"] for error in answer["userErrors"]] for answer in answers] == [[code], [code]]
    assert (await named.profile()).name == NAME


async def test_an_event_tells_who_erased_and_why_and_a_digest_shows_that_it_was_this_person(
    database: Database,
) -> None:
    named = await named_learner(database)
    done = await named.erased()
    async with database.reading() as connection:
        event = (await connection.execute(select(Event.__table__).where(Event.deed == Deed.ERASED))).one()
        kept = (await connection.execute(select(Erasure.__table__))).one()
    assert (event.thing, event.thing_id, event.said) == (Thing.LEARNER, named.learner_id, BECAUSE)
    assert (event.actor, event.recorded_at) == (STAFF.name, done.recorded_at)
    assert kept.profile_digest == digest_of(kept.salt, "profile", NAME, EMAIL, EXTERNAL_ID, "Field")
    assert kept.profile_digest in event.before
    assert (await named.profile()).external_id.startswith("erased:")
    answer = await everything(named, search="erased:")
    assert kept.salt not in str(answer)
    assert kept.external_id_digest not in str(answer)


async def test_another_organization_s_person_of_the_same_name_is_left_alone(database: Database) -> None:
    named, other = await named_learner(database), await organization(database)
    await imported(other, ROW, import_id="first")
    await named.erased()
    async with database.reading() as connection:
        left = (await connection.execute(select(Profile.organization_id).where(Profile.name == NAME))).scalars().all()
    assert left == [other.id]
    assert (await imported(other, ROW, import_id="second")).unchanged == 1


# ---------------------------------------------------------------------------------------------------- accounts


async def test_an_account_ends_with_the_last_of_its_learners(database: Database) -> None:
    named = await named_learner(database)
    await with_an_account(named)
    assert (await named.previewed()).tokens == 1
    await named.erased()
    async with database.reading() as connection:
        token = (await connection.execute(select(Token.__table__))).one()
        assert await connection.scalar(select(Learner.person_id).where(Learner.id == named.learner_id)) is None
    assert token.name == ERASED
    assert token.ended_at is not None


async def test_an_account_that_is_a_learner_elsewhere_stays_and_is_tied_to_nothing_here(database: Database) -> None:
    named = await named_learner(database)
    await with_an_account(named)
    other = await organization(database)
    elsewhere = await other.learner("2017-08-01..", name=NAME)
    async with database.reading() as connection:
        account = await connection.scalar(select(Learner.person_id).where(Learner.id == named.learner_id))
    tie = update(Learner).where(Learner.organization_id == other.id, Learner.id == elsewhere)
    await database.run(lambda session: session.execute(tie.values(person_id=account)))
    shown = await named.previewed()
    assert (shown.account_stays, shown.tokens) == (True, 0)
    await named.erased()
    async with database.reading() as connection:
        token = (await connection.execute(select(Token.__table__))).one()
        tied = await connection.execute(select(Learner.organization_id).where(Learner.person_id == account))
        assert tied.scalars().all() == [other.id]
    assert (token.name, token.ended_at) == (NAME, None)


# --------------------------------------------------------------------------------------------- who comes again


async def test_a_row_about_somebody_who_was_erased_is_refused_by_its_line_and_the_others_land(
    database: Database,
) -> None:
    named = await named_learner(database)
    await named.erased()
    bob = BatchRow(number=2, team="Sales", external_id="RIM-2", name="Bob", activated_on="2017-09-01")
    outcome = await named.imported(ROW, bob)
    assert (outcome.landed, outcome.refused) == (1, 1)
    (refusal,) = outcome.refusals
    assert (refusal.line, refusal.column) == (1, "external_id")
    assert "was erased" in refusal.problem
    assert "new external id" in refusal.mend
    assert await named.imported(ROW, bob) == outcome, "sent again it is answered alike"
    assert await rows_with_traces(database) == []


async def test_a_file_s_line_about_somebody_who_was_erased_is_in_its_report_without_their_data(
    database: Database, tmp_path: Path
) -> None:
    named = await named_learner(database)
    await named.erased()
    path = tmp_path / "roster.csv"
    path.write_text(f"{HEADER}\nSales,{EXTERNAL_ID},{NAME},{EMAIL},2017-08-01,\nSales,RIM-2,Bob,,2017-09-01,\n")
    options = ImportOptions(reading=Reading(organization="rim-works"))
    summary = await import_file(database, path, STAFF, named.tenant.tick(), options)
    assert (summary.lines_read, summary.rows_landed, summary.rows_refused) == (3, 1, 1)
    async with database.reading() as connection:
        (refusal,) = await refusals(connection, summary.import_id)
    assert (refusal.line, refusal.column) == (2, "external_id")
    assert await rows_with_traces(database) == []
    whole = replace(options, complete_from=dt.date(2018, 1, 1))
    with pytest.raises(RosterError) as refused:
        await import_file(database, path, STAFF, named.tenant.tick(), whole)
    assert refused.value.code is RosterErrorCode.NOT_COMPLETE


HEADER = "team,external_id,name,email,activated_on,deactivated_on"


async def test_a_new_external_id_is_somebody_else_and_a_pseudonym_is_nobody(database: Database) -> None:
    named = await named_learner(database)
    await named.erased()
    stands_for_it = (await named.profile()).external_id
    new = BatchRow(number=1, team="Sales", external_id="RIM-90000", name="Ann", activated_on="2017-09-01")
    pseudonym = BatchRow(number=2, team="Sales", external_id=stands_for_it, name="Ann", activated_on="2017-09-01")
    outcome = await named.imported(new, pseudonym)
    assert (outcome.landed, [refusal.line for refusal in outcome.refusals]) == (1, [2])
    assert (await named.profile()).name == ""


async def test_an_import_says_nothing_about_erasures_where_there_are_none(database: Database) -> None:
    named = await named_learner(database)
    other = await organization(database)
    await named.erased()
    assert (await imported(other, ROW, import_id="first")).landed == 1


@pytest.mark.parametrize("by", ["external id", "id"])
async def test_no_mutation_gives_an_erased_person_a_name_again(database: Database, by: str) -> None:
    named = await named_learner(database)
    await named.erased()
    tenant = named.tenant
    who = named.who if by == "id" else Who(organization_id=tenant.id, external_id=f" {EXTERNAL_ID} ")
    start = On(dt.date(2019, 1, 1))
    activation = Activation(who=who, start=start, personal=PersonalData(name=NAME))
    with pytest.raises(HistoryError) as refused:
        await named.billed.run(lambda s, now: activate(s, STAFF, now, activation))
    assert refused.value.code is HistoryErrorCode.ERASED
    assert not has_traces(refused.value.message)
    moved = Transfer(who=who, to_organization_id=(await organization(database)).id, start=start)
    with pytest.raises(HistoryError) as refused:
        await named.billed.run(lambda s, now: transfer(s, STAFF, now, moved))
    assert refused.value.code is HistoryErrorCode.ERASED
    assert await rows_with_traces(database) == []


async def test_a_learner_without_a_name_can_still_be_deactivated_and_activated_by_id(database: Database) -> None:
    named = await named_learner(database)
    await named.erased()
    await named.tenant.deactivated(named.learner_id, "2018-01-31")
    again = Activation(who=named.who, start=On(dt.date(2019, 1, 1)))
    await named.billed.run(lambda s, now: activate(s, STAFF, now, again))
    assert await named.tenant.windows(named.learner_id) == ["2017-08-01..2018-01-31", "2019-01-01.."]


# ---------------------------------------------------------------------------------- what names, and what is refused


@pytest.mark.parametrize(
    "said",
    [
        "Priyanka Vandermeer left",
        "PRIYANKA\n  VANDERMEER left",
        "Vandermeer, Priyanka: left",
        "Priyanka K. Vandermeer",
        "(p.vandermeer@RIM.example)",
        "see RIM-77341.",
        "Ｐriyanka Vandermeer in other letters",
    ],
)
def test_a_text_names_somebody_in_any_case_and_order(said: str) -> None:
    assert is_named_in(CELEBRATED, said)


@pytest.mark.parametrize(
    "said", ["", "Priyanka left", "RIM-773412", "xp.vandermeer@rim.example", "Priyankas Vandermeer"]
)
def test_a_part_of_a_word_names_nobody(said: str) -> None:
    assert not is_named_in(CELEBRATED, said)


def test_a_name_in_a_script_without_spaces_is_found_within_a_text() -> None:
    assert is_named_in(Person.of(["王小明"], []), "上周王小明离职")
    assert not is_named_in(Person.of(["", " "], [""]), "anything")


async def test_other_names_that_texts_use_are_given_with_the_preview(database: Database) -> None:
    named = await named_learner(database)
    await said(named, "Miss Dekker left")
    await named.erased(BECAUSE, "Dekker")
    async with database.reading() as connection:
        texts = (await connection.execute(select(Event.said).where(Event.deed == Deed.MESSAGE_SENT))).scalars().all()
    assert texts == [ERASED]


async def test_texts_about_others_stay_as_they_were_written(database: Database) -> None:
    named = await named_learner(database)
    await said(named, "Priya left, and so did three others")
    await named.erased()
    async with database.reading() as connection:
        texts = (await connection.execute(select(Event.said).where(Event.deed == Deed.MESSAGE_SENT))).scalars().all()
    assert texts == ["Priya left, and so did three others"]


REWORDED = ("act", "reason"), ("event", "said"), ("adjustment", "reason"), ("credit_note", "reason")
CHANGES = [
    *(
        f"UPDATE {table} SET {column} = {value}"
        for table, column in (*REWORDED, ("invoice_line", "approval_reason"))
        for value in ("'reworded'", "''", "NULL")
    ),
    *(f"UPDATE {table} SET actor = '{ERASED}'" for table, _ in (*REWORDED, ("erasure", ""))),
    f"UPDATE invoice_line SET approved_by = '{ERASED}'",
    f"UPDATE event SET said = '{ERASED}', before = '{ERASED}'",
    f"UPDATE evidence_file SET content = '{ERASED}'",
    "DELETE FROM erasure",
    "DELETE FROM invoice_line",
]


async def test_the_database_lets_a_text_be_erased_and_nothing_else_be_changed(database: Database) -> None:
    named = await named_everywhere(database)
    await named.erased()
    for change in CHANGES:
        with pytest.raises(DBAPIError, match="append-only"):
            await database.run(partial(AsyncSession.execute, statement=text(change)))
