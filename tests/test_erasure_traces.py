"""What is left of a person who was erased: nothing that names them, and everything that was counted."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.activity import FormerWindow, Predicate, UncertainWindow, Window
from models.billing import BillingSnapshot, SnapshotEntry
from models.evidence import EvidenceFile, EvidencePack
from models.history import Belief
from models.proofs.findings import Finding
from models.proofs.verifying import verify
from resolvers.evidence.bundles import bundle
from resolvers.evidence.packs import build_pack
from resolvers.evidence.reading import load_contents
from resolvers.rebuilding import windows_that_differ
from resolvers.recording import begin_recording, end_recording
from server.database import Database
from server.logs import configure_logs
from tests.builders import STAFF
from tests.erasing import (
    BECAUSE,
    BY_EXTERNAL_ID,
    EMAIL,
    ERASE,
    EXTERNAL_ID,
    NAME,
    PREVIEW,
    Named,
    corrected,
    everything,
    has_traces,
    named_everywhere,
    named_learner,
    rows_with_traces,
)
from tests.signers import signer
from tests.visitors import visiting

COUNTED = (
    *(Belief.__table__, Window.__table__, FormerWindow.__table__, UncertainWindow.__table__),
    *(SnapshotEntry.__table__, BillingSnapshot.__table__, EvidencePack.__table__, EvidenceFile.__table__),
)


async def counted(database: Database) -> list[list[str]]:
    async with database.reading() as connection:
        return [sorted(repr(row) for row in await connection.execute(select(table))) for table in COUNTED]


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
        await bundle(connection, named.tenant.id, pack_id, sent := io.BytesIO())
    with zipfile.ZipFile(sent) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def failures(files: dict[str, bytes]) -> list[Finding]:
    return [finding for finding in verify(files, [SIGNER.key_id]) if not finding.holds]


async def test_packs_built_before_and_after_verify_and_name_nobody_who_was_erased(
    database: Database, tmp_path: Path
) -> None:
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
        (folder := tmp_path / str(pack_id)).mkdir()
        async with database.reading() as connection:
            contents = await load_contents(connection, named.tenant.id, pack_id, folder)
        assert [entry.person.is_erased for entry in contents.entries].count(True) == 1
    assert await rows_with_traces(database) == []
