"""Sealing snapshots and building packs: stored on both databases, asked for through the API, and never rewritten."""

from __future__ import annotations

import datetime as dt
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Table, delete, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from typer.testing import CliRunner

from models.access import Role
from models.errors import NotFound
from models.events import Deed, Event
from models.evidence import Checkpoint, EvidenceFile, EvidencePack, EvidencePerson, SigningKey, SnapshotSeal
from models.history import Act
from models.ids import encode_id
from models.proofs.bundles import unzipped
from models.proofs.canonical import digest_of, written
from models.proofs.packing import BRIDGE, CHECKPOINTS, DAYS, ENTRIES, PEOPLE, REASONS
from models.proofs.verifying import verify, verify_disclosure, verify_older
from resolvers.evidence.chain import chain_of
from resolvers.evidence.keys import signing_keys
from resolvers.evidence.packs import build_pack
from resolvers.evidence.sealing import seal, unsealed
from resolvers.principal import Principal
from resolvers.recording import begin_recording
from resolvers.watching import watched
from schema.context import Context
from schema.root import schema
from server.cli import app
from server.database import Database
from server.signing import SigningKeyError, make_key, newest_signer, public_keys
from tests.builders import STAFF, organization
from tests.proving import OCTOBER, SEPTEMBER, Proven, proven
from tests.signers import signer
from tests.visitors import visiting

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


async def chained(client: Proven) -> list[tuple[int, int]]:
    """Of each checkpoint its number, and how many snapshots it sealed."""
    async with client.tenant.database.reading() as connection:
        chain = await chain_of(connection, client.tenant.id)
    return [(one.statement.number, len(one.statement.snapshots)) for one in chain.checkpoints]


# --- sealing ---


async def test_snapshots_are_sealed_once_and_all_in_one_checkpoint(database: Database) -> None:
    client = await proven(database)
    september, october = await client.take(SEPTEMBER), await client.take(OCTOBER)
    async with database.reading() as connection:
        assert await unsealed(connection, client.tenant.id) == [september, october]
    await client.seal(october, september)
    await client.seal(september, october)
    await client.seal()
    async with database.reading() as connection:
        assert await unsealed(connection, client.tenant.id) == []
    assert await chained(client) == [(1, 2)]


async def test_each_checkpoint_names_the_one_before_it(database: Database) -> None:
    client = await proven(database)
    for date in (SEPTEMBER, OCTOBER):
        await client.seal(await client.take(date))
    async with database.reading() as connection:
        first, second = (await chain_of(connection, client.tenant.id)).checkpoints
        kept = (await connection.execute(select(Checkpoint.digest).order_by(Checkpoint.number))).scalars().all()
    assert second.statement.previous_digest == digest_of(written(first.statement)) == kept[0]
    assert first.statement.previous_digest is None


async def test_a_snapshot_of_nobody_is_sealed_too(database: Database) -> None:
    tenant = await organization(database)
    client = Proven(tenant, signer(), mistaken=0)
    snapshot = await client.take()
    files = unzipped(await client.bundle(await client.build(snapshot)))
    assert all(one.holds for one in verify(files, [client.signer.key_id]))


async def test_a_crowd_is_sealed_page_by_page(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = await organization(database)
    await tenant.crowd(25)
    client = Proven(tenant, signer(), mistaken=0)
    monkeypatch.setattr("resolvers.evidence.sealing.PAGE_ENTRIES", 10)
    files = unzipped(await client.bundle(await client.build(await client.take())))
    assert "✓ All 25 entries that were sealed are there" in map(str, verify(files))


async def test_a_key_is_known_before_it_signs_and_with_it_those_before_it(database: Database) -> None:
    client = (await proven(database)).rotated()
    await client.seal(await client.take())
    async with database.reading() as connection:
        assert await signing_keys(connection) == list(client.signer.lineage)


async def _is_refused(database: Database, table: Table) -> bool:
    """Whether the database refuses to change and to delete what is in the table."""
    column = next(c for c in table.c if not c.foreign_keys)
    refused = 0
    for statement in (update(table).values({column: column}), delete(table)):
        try:
            await database.run(lambda session, statement=statement: session.execute(statement))  # type: ignore[misc]
        except DBAPIError as problem:
            refused += "append-only" in str(problem)
    return refused == 2


@pytest.mark.parametrize("of", [SnapshotSeal, Checkpoint, EvidencePack, EvidenceFile, SigningKey])
async def test_the_database_refuses_to_change_or_delete_a_proof(database: Database, of: type) -> None:
    client = await proven(database)
    await client.build(await client.take())
    assert await _is_refused(database, of.__table__)  # type: ignore[attr-defined]


# --- packs ---


async def test_a_pack_seals_its_snapshot_and_is_noted(database: Database) -> None:
    client = await proven(database)
    pack = await client.build(await client.take())
    assert await chained(client) == [(1, 1)]
    async with database.reading() as connection:
        event = (await connection.execute(select(Event).where(Event.deed == Deed.PACK_BUILT))).one()
    assert (event.thing_id, event.actor) == (pack, STAFF.name)


async def test_the_same_pack_is_the_same_bytes_each_time(database: Database) -> None:
    client = await proven(database)
    pack = await client.build(await client.take())
    whole = await client.bundle(pack)
    await client.corrected()
    await client.seal(await client.take(OCTOBER))
    assert await client.bundle(pack) == whole


async def test_a_pack_says_who_was_counted_and_who_came_and_went(database: Database) -> None:
    client = await proven(database)
    snapshot = await client.take()
    await client.corrected()
    pack = await client.build(snapshot)
    async with client.contents(pack) as contents:
        counted, moves, (correction,) = [*contents.entries], [*contents.moves], contents.corrections
    assert [one.person.name for one in counted][:2] == ["Learner 0", "Learner 1"]
    assert (contents.count_least, contents.opening, contents.closing) == (6, (6, 6), (5, 5))
    assert sorted((one.person.name, one.movement, one.cause) for one in moves) == [
        ("Came since", "joined", "activation"),
        ("Learner 1", "left", "deactivation"),
        ("Learner 3", "left", "correction"),
    ]
    assert (correction.person.name, correction.difference) == ("Learner 3", "removed")
    assert (correction.actor, correction.reason) == (STAFF.name, "the last day was mistyped")
    assert {"=HYPERLINK(1)", "'tHooft, Änne"} <= {one.person.name for one in counted}


async def test_the_entries_of_a_pack_show_local_days(database: Database) -> None:
    client = await proven(database)
    pack = await client.build(await client.take())
    async with client.contents(pack) as contents:
        first, second, *_ = contents.entries
    assert (second.activated_on, second.deactivated_on, second.last_active_on) == (
        dt.date(2017, 8, 1),
        dt.date(2017, 9, 16),
        dt.date(2017, 9, 15),
    )
    assert first.deactivated_at is None


async def test_the_days_of_a_pack_are_those_around_its_date(database: Database) -> None:
    client = await proven(database)
    pack = await client.build(await client.take())
    async with client.contents(pack) as contents:
        days = contents.days
    assert (days[0].day, len(days)) == (dt.date(2017, 8, 1), 62)
    assert next(one.least for one in days if one.day == SEPTEMBER) == 6


async def test_an_erased_person_leaves_old_packs_and_new_bundles_verifying(database: Database) -> None:
    client = await proven(database)
    snapshot = await client.take()
    await client.corrected()
    pack = await client.build(snapshot)
    before = unzipped(await client.bundle(pack))
    erased = delete(EvidencePerson).where(EvidencePerson.learner_id == client.mistaken)
    await database.run(lambda session: session.execute(erased))
    after = unzipped(await client.bundle(pack))
    for files in (before, after):
        assert [one.what for one in verify(files, [client.signer.key_id]) if not one.holds] == []
    assert b"Learner 3" in before[PEOPLE]
    assert b"Learner 3" not in after[PEOPLE]
    assert b"mistyped" in before[REASONS]
    assert b"mistyped" not in after[REASONS]
    assert {name for name in before if before[name] != after[name]} == {PEOPLE, REASONS}


async def test_a_reason_that_was_erased_from_history_is_gone_from_the_pack(database: Database) -> None:
    client = await proven(database)
    snapshot = await client.take()
    await client.corrected()
    pack = await client.build(snapshot)
    erasing = update(Act).where(Act.reason.is_not(None)).values(reason="[erased]")
    await database.run(lambda session: session.execute(erasing))
    files = unzipped(await client.bundle(pack))
    assert b"mistyped" not in b"".join(files.values())
    assert all(one.holds for one in verify(files))


async def test_no_file_that_stays_has_personal_data_in_it(database: Database) -> None:
    client = await proven(database)
    snapshot = await client.take()
    await client.corrected()
    files = unzipped(await client.bundle(await client.build(snapshot)))
    kept = b"".join(content for name, content in files.items() if name not in {PEOPLE, REASONS})
    assert not any(word in kept for word in (b"Learner 0", b"HYPERLINK", b"tHooft", b"learner-1", b"mistyped"))


async def test_a_pack_later_continues_the_chain_of_one_before(database: Database) -> None:
    client = await proven(database)
    snapshot = await client.take()
    older = unzipped(await client.bundle(await client.build(snapshot)))
    later = client.rotated()
    await later.seal(await later.take(OCTOBER))
    newer = unzipped(await later.bundle(await later.build(snapshot)))
    assert verify_older(newer, older).holds
    assert all(one.holds for one in verify(newer, [client.signer.key_id]))


# --- packs about many ---


def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a dozen people are many."""
    monkeypatch.setattr("resolvers.evidence.sealing.PAGE_ENTRIES", 5)
    monkeypatch.setattr("resolvers.evidence.drafting.ROWS_A_PAGE", 4)
    monkeypatch.setattr("resolvers.evidence.sorting.ROWS_A_RUN", 3)
    monkeypatch.setattr("resolvers.snapshots.bridging.MOVERS_A_PAGE", 2)
    monkeypatch.setattr("resolvers.evidence.packs.LETTERS_A_PART", 100)


# A third stays, a third has left since, a third has come.
SPANS = ("2017-08-01..", "2017-08-01..2017-10-20", "2017-10-10..")


async def test_a_pack_about_many_is_the_same_however_few_are_held_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await proven(database)
    await client.tenant.crowd(30, active=SPANS)
    snapshot = await client.take()
    await client.corrected()
    at_once = await client.build(snapshot)
    with monkeypatch.context() as patched:
        few_at_once(patched)
        in_pieces = await client.build(snapshot)
        whole = await client.bundle(at_once)
        files = unzipped(await client.bundle(in_pieces))
    assert whole == await client.bundle(at_once)
    assert [one.what for one in verify(files, [client.signer.key_id]) if not one.holds] == []
    others = unzipped(whole)
    assert [files[name] == others[name] for name in (ENTRIES, DAYS, CHECKPOINTS)] == [True] * 3
    assert _without_digests(files[BRIDGE]) == _without_digests(others[BRIDGE])


def _without_digests(table: bytes) -> list[bytes]:
    """The last column, which is salted."""
    return [line.rpartition(b",")[0] for line in table.splitlines()]


async def test_no_statement_about_a_pack_grows_with_the_people_it_is_about(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_at_once(monkeypatch)
    client, largest = await proven(database), []
    for crowd, date in ((15, SEPTEMBER), (60, OCTOBER)):
        await client.tenant.crowd(crowd, active=SPANS)
        snapshot = await client.take(date)
        with watched() as watch:
            files = unzipped(await client.bundle(await client.build(snapshot)))
        assert len(files[PEOPLE].splitlines()) > crowd
        keys, rows = ([getattr(one, what) or 0 for one in watch.statements] for what in ("keys", "rows"))
        largest.append((max(keys), max(rows)))
    assert largest[0] == largest[1]


async def test_a_pack_of_somebody_else_is_not_there(database: Database) -> None:
    one, other = await proven(database), await organization(database)
    pack = await one.build(await one.take())
    with pytest.raises(NotFound):
        async with replace(one, tenant=other).contents(pack):
            pass


async def test_a_stranger_builds_no_pack(database: Database) -> None:
    client, stranger = await proven(database), Principal(name="Eve", role=Role.ORGANIZATION, organization_id=1)
    snapshot = await client.take()

    async def build(session: AsyncSession) -> int:
        recording = await begin_recording(session, client.tenant.id, client.tenant.tick())
        return await build_pack(recording, stranger, client.signer, snapshot)

    with pytest.raises(NotFound):
        await database.run(build)


async def test_sealing_nothing_that_exists_makes_no_checkpoint(database: Database) -> None:
    client = await proven(database)

    async def nothing(session: AsyncSession) -> None:
        recording = await begin_recording(session, client.tenant.id, client.tenant.tick())
        await seal(recording, client.signer, [12345])

    await database.run(nothing)
    assert await chained(client) == []


# --- the API ---

BUILD = """
mutation ($snapshot: ID!) { evidencePackBuild(input: {snapshot: $snapshot}) {
  userErrors { field code } evidencePack { id builtBy keyId checkpointNumber downloads { bundle csv xlsx pdf }
    snapshot { checkpoint { number previousDigest root size keyId } evidencePacks { totalCount nodes { id } } } } } }
"""
PROOF = "query ($snapshot: ID!, $learner: ID!) { entryProof(snapshot: $snapshot, learner: $learner) }"


async def ask(
    client: Proven, query: str, variables: dict[str, str], who: Principal = STAFF, *, signs: bool = True
) -> dict[str, object]:
    database = client.tenant.database
    context = Context(
        who, client.tenant.tick(), database.reading, database.run, signer=client.signer if signs else None
    )
    result = await schema.execute(query, variable_values=variables, context_value=context)
    codes = [getattr(getattr(e.original_error, "code", None), "name", e.message) for e in result.errors or []]
    return {**(result.data or {}), "errors": codes}


async def test_an_organization_builds_a_pack_of_its_own_snapshot(database: Database) -> None:
    client = await proven(database)
    own = Principal(name="Olga", role=Role.ORGANIZATION, organization_id=client.tenant.id)
    snapshot = encode_id("BillingSnapshot", client.tenant.id, await client.take())
    answer = await ask(client, BUILD, {"snapshot": snapshot}, own)
    assert answer["errors"] == []
    pack = answer["evidencePackBuild"]["evidencePack"]  # type: ignore[index]
    assert (pack["builtBy"], pack["keyId"], pack["checkpointNumber"]) == ("Olga", client.signer.key_id, 1)
    assert pack["downloads"]["bundle"] == f"/exports/packs/{pack['id']}.zip"
    assert pack["snapshot"]["checkpoint"]["size"] == 6
    assert pack["snapshot"]["evidencePacks"] == {"totalCount": 1, "nodes": [{"id": pack["id"]}]}
    again = await ask(client, "query ($id: ID!) { node(id: $id) { id } }", {"id": pack["id"]}, own)
    assert again["node"] == {"id": pack["id"]}


async def test_a_strange_organization_sees_neither_snapshot_nor_pack(database: Database) -> None:
    client, eve = await proven(database), Principal(name="Eve", role=Role.ORGANIZATION, organization_id=1)
    taken = await client.take()
    snapshot = encode_id("BillingSnapshot", client.tenant.id, taken)
    answer = await ask(client, BUILD, {"snapshot": snapshot}, eve)
    assert answer["evidencePackBuild"] == {
        "userErrors": [{"field": ["input", "snapshot"], "code": "NOT_FOUND"}],
        "evidencePack": None,
    }
    pack = encode_id("EvidencePack", client.tenant.id, await client.build(taken))
    assert (await ask(client, "query ($id: ID!) { node(id: $id) { id } }", {"id": pack}, eve))["node"] is None
    learner = encode_id("Learner", client.tenant.id, client.mistaken)
    assert (await ask(client, PROOF, {"snapshot": snapshot, "learner": learner}, eve))["errors"] == ["NOT_FOUND"]


async def test_a_server_without_a_key_says_so(database: Database) -> None:
    client = await proven(database)
    snapshot = encode_id("BillingSnapshot", client.tenant.id, await client.take())
    answer = await ask(client, BUILD, {"snapshot": snapshot}, signs=False)
    assert answer["evidencePackBuild"] == {
        "userErrors": [{"field": ["input"], "code": "NO_SIGNING_KEY"}],
        "evidencePack": None,
    }


async def test_one_entry_is_proved_through_the_api(database: Database) -> None:
    client = await proven(database)
    taken = await client.take()
    names = {
        "snapshot": encode_id("BillingSnapshot", client.tenant.id, taken),
        "learner": encode_id("Learner", client.tenant.id, client.mistaken),
    }
    assert (await ask(client, PROOF, names))["errors"] == ["NOT_SEALED"]
    await client.seal(taken)
    proof = str((await ask(client, PROOF, names))["entryProof"]).encode()
    assert all(one.holds for one in verify_disclosure(proof, [client.signer.key_id]))
    nobody = names | {"learner": encode_id("Learner", client.tenant.id, 1)}
    assert (await ask(client, PROOF, nobody))["errors"] == ["NOT_FOUND"]


async def test_the_keys_that_signed_are_public(database: Database) -> None:
    client = (await proven(database)).rotated()
    await client.seal(await client.take())
    eve = Principal(name="Eve", role=Role.ORGANIZATION, organization_id=1)
    answer = await ask(client, "{ signingKeys { id publicKey endorsedBy } }", {}, eve)
    assert answer["signingKeys"] == [
        {"id": key.key_id, "publicKey": key.public_key, "endorsedBy": key.endorsed_by} for key in client.signer.lineage
    ]


# --- key files ---


def test_a_new_key_takes_the_place_of_the_one_before_and_is_endorsed_by_it(tmp_path: Path) -> None:
    first = make_key(tmp_path / "keys", None, NOW)
    second = make_key(tmp_path / "keys", None, NOW + dt.timedelta(seconds=1))
    newest = newest_signer(tmp_path / "keys", None)
    assert newest is not None
    assert (newest.key_id, newest.lineage) == (second.key_id, (first.lineage[0], second.lineage[1]))
    assert newest.lineage[1].endorsed_by == first.key_id
    assert newest.sign(b"x") == second.sign(b"x")


@pytest.mark.parametrize("passphrase", [None, "open sesame"])
def test_a_private_key_is_for_its_owner_alone(tmp_path: Path, passphrase: str | None) -> None:
    made = make_key(tmp_path / "keys", passphrase, NOW)
    (file,) = (tmp_path / "keys").glob("*.pem")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (b"ENCRYPTED" in file.read_bytes()) == (passphrase is not None)
    again = newest_signer(tmp_path / "keys", passphrase)
    assert again is not None
    assert again.key_id == made.key_id


def test_a_wrong_passphrase_is_said_with_the_setting(tmp_path: Path) -> None:
    make_key(tmp_path, "open sesame", NOW)
    for wrong in (None, "open barley"):
        with pytest.raises(SigningKeyError, match="COUNTERSIGN_SIGNING_PASSPHRASE"):
            newest_signer(tmp_path, wrong)


def test_a_record_that_was_changed_is_refused(tmp_path: Path) -> None:
    make_key(tmp_path, None, NOW)
    (file,) = tmp_path.glob("*.json")
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(SigningKeyError, match="not the record"):
        public_keys(tmp_path)


def test_the_commands_make_list_and_show_keys_and_never_the_passphrase(tmp_path: Path) -> None:
    env = {"COUNTERSIGN_SIGNING_KEYS": str(tmp_path / "keys"), "COUNTERSIGN_SIGNING_PASSPHRASE": "open sesame"}

    def run(*arguments: str) -> str:
        return CliRunner().invoke(app, list(arguments), env=env).output

    assert run("keys", "list") == "countersign: there is no signing key. Make one: python3 -m server keys new\n"
    assert "signs from now on" in run("keys", "new")
    assert "It is endorsed by" in run("keys", "new")
    listed = run("keys", "list").splitlines()
    assert [line.endswith(", signs now") for line in listed] == [False, True]
    newest = newest_signer(tmp_path / "keys", "open sesame")
    assert newest is not None
    assert all(key.public_key in run("keys", "public") for key in newest.lineage)
    assert "open sesame" not in run("settings")


# --- from the server to the verifier ---


async def test_what_the_server_sends_is_what_the_verifier_takes(database: Database) -> None:
    client = await proven(database)
    pack = encode_id("EvidencePack", client.tenant.id, await client.build(await client.take()))
    async with visiting(database) as support:
        answer = await support.get(f"/exports/packs/{pack}.zip")
    assert answer.status_code == 200
    assert all(one.holds for one in verify(unzipped(answer.content), [client.signer.key_id]))
