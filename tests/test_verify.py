"""Verifying a pack: whatever is tampered with is found out, and said."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.proofs.bundles import unzipped, zipped
from models.proofs.canonical import digest_of, read, written
from models.proofs.chains import digest
from models.proofs.disclosing import disclosure_from
from models.proofs.findings import Finding
from models.proofs.packing import (
    CHECKPOINTS,
    ENTRIES,
    KEYS,
    MANIFEST,
    PEOPLE,
    REASONS,
    SEALED_FILES,
    SIGNATURE,
    STATEMENT,
    Statement,
)
from models.proofs.statements import Chain, Disclosure, KeyRing, Manifest, ManifestSignature, SignedCheckpoint
from models.proofs.verifying import verify, verify_disclosure, verify_older
from server.cli import app
from server.commands.evidence import key_file
from server.signing import KeySigner
from tests.opening import opened
from tests.proving import OCTOBER, SEPTEMBER, proven
from tests.signers import signer

Files = dict[str, bytes]


@dataclass(frozen=True)
class World:
    """An organization with two sealed months, a key that was rotated between them, and packs before and after."""

    early: Files
    late: Files
    first: KeySigner
    second: KeySigner


@pytest.fixture(scope="module")
async def world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("world") / "countersign.db")
    async with opened(f"sqlite+aiosqlite:///{path}") as database:
        client = await proven(database)
        september = await client.take(SEPTEMBER)
        await client.seal(september)
        early = await client.bundle(await client.build(september))
        later = client.rotated()
        await later.seal(await later.take(OCTOBER))
        await later.corrected()
        late = await later.bundle(await later.build(september))
        yield World(unzipped(early), unzipped(late), client.signer, later.signer)


def broken(files: Files, *trusted: str) -> list[str]:
    """What does not hold."""
    return [one.what for one in verify(files, list(trusted) or None) if not one.holds]


def resigned(files: Files, key: KeySigner) -> Files:
    """As somebody would who has a key: the manifest made anew for the files as they are, and signed."""
    chain, manifest = read(Chain, files[CHECKPOINTS]), read(Manifest, files[MANIFEST])
    newest = chain.checkpoints[-1]
    sealed = next(s for c in chain.checkpoints for s in c.statement.snapshots if s.snapshot == manifest.snapshot)
    made = written(
        replace(
            manifest,
            root=sealed.root,
            checkpoint_number=newest.statement.number,
            checkpoint_digest=digest(newest),
            files={name: digest_of(files[name]) for name in SEALED_FILES},
        )
    )
    signature = ManifestSignature(key_id=key.key_id, signature=key.sign(made))
    return files | {MANIFEST: made, SIGNATURE: written(signature)}


def rechained(checkpoints: Sequence[SignedCheckpoint], key: KeySigner) -> Chain:
    """The same checkpoints, each after the one before it, all signed with one key."""
    made: list[SignedCheckpoint] = []
    for number, one in enumerate(checkpoints, start=1):
        before = digest(made[-1]) if made else None
        statement = replace(one.statement, number=number, previous_digest=before)
        made.append(SignedCheckpoint(statement=statement, key_id=key.key_id, signature=key.sign(written(statement))))
    return Chain(checkpoints=tuple(made))


def with_chain(files: Files, chain: Chain, key: KeySigner, ring: KeyRing | None = None) -> Files:
    keys = ring or KeyRing(keys=key.lineage)
    return resigned(files | {CHECKPOINTS: written(chain), KEYS: written(keys)}, key)


# --- what holds ---


def test_a_pack_holds_under_the_key_that_signed_it(world: World) -> None:
    assert broken(world.early, world.first.key_id) == []


def test_a_pack_holds_by_itself_for_whoever_compares_the_fingerprint(world: World) -> None:
    assert broken(world.early) == broken(world.late) == []


def test_whoever_trusts_the_first_key_can_trust_what_later_ones_signed(world: World) -> None:
    assert broken(world.late, world.first.key_id) == []


def test_whoever_trusts_the_newest_key_has_the_past_covered_by_the_chain(world: World) -> None:
    signers = {one.key_id for one in read(Chain, world.late[CHECKPOINTS]).checkpoints}
    assert signers == {world.first.key_id, world.second.key_id}
    assert broken(world.late, world.second.key_id) == []


def test_a_pack_of_another_key_is_not_trusted(world: World) -> None:
    assert broken(world.late, signer().key_id) == [
        "The manifest is signed by a key that you trust, or that such a key endorsed",
        "The newest checkpoint is signed by a key that you trust, or that such a key endorsed",
    ]


def test_an_old_pack_is_not_trusted_by_a_newer_key_that_it_does_not_know(world: World) -> None:
    assert "The manifest is signed by a key that you trust, or that such a key endorsed" in broken(
        world.early, world.second.key_id
    )


# --- changed bytes ---


@pytest.mark.parametrize("name", [*SEALED_FILES, MANIFEST, SIGNATURE, PEOPLE, REASONS])
def test_a_changed_byte_of_any_file_is_found(world: World, name: str) -> None:
    """In its middle, where no file is only form."""
    content = world.late[name]
    middle = next(n for n in range(len(content) // 2, len(content)) if chr(content[n]).isalnum())
    other = b"7" if content[middle : middle + 1] != b"7" else b"8"
    changed = world.late | {name: content[:middle] + other + content[middle + 1 :]}
    assert broken(changed, world.first.key_id)
    if name in SEALED_FILES:
        assert f"{name} is as it was signed" in broken(changed, world.first.key_id)


@pytest.mark.parametrize("name", [*SEALED_FILES, MANIFEST, SIGNATURE, PEOPLE, REASONS])
@pytest.mark.parametrize("content", [b"", b"\xff\0", b"[" * 10_000, b'{"a":1}', b'"\r\n,', b"a,b\r\n"])
def test_a_file_that_cannot_be_read_is_said_and_never_breaks_the_verifier(
    world: World, name: str, content: bytes
) -> None:
    assert broken(world.late | {name: content}, world.first.key_id)


@pytest.mark.parametrize("name", [*SEALED_FILES, MANIFEST, SIGNATURE, PEOPLE, REASONS])
def test_a_file_that_is_missing_is_named(world: World, name: str) -> None:
    (finding,) = verify({n: content for n, content in world.late.items() if n != name})
    assert not finding.holds
    assert name in finding.about


def test_a_file_that_does_not_belong_there_is_named(world: World) -> None:
    assert broken(world.late | {"more.csv": b""}) == ["All files of a pack are there, and no others"]


# --- rows: even if somebody signs the manifest anew, with the very key ---

Rows = Callable[[list[bytes]], list[bytes]]


def with_entries(world: World, change: Rows) -> Files:
    header, *rows = world.late[ENTRIES].splitlines(keepends=True)
    return resigned(world.late | {ENTRIES: header + b"".join(change(rows))}, world.second)


def test_a_dropped_row_is_found(world: World) -> None:
    found = broken(with_entries(world, lambda rows: rows[:-1]), world.first.key_id)
    assert "All 6 entries that were sealed are there" in found
    assert "The count in the statement is that of the entries" in found


def test_an_added_row_is_found(world: World) -> None:
    found = broken(with_entries(world, lambda rows: [*rows, rows[-1].replace(b"6,", b"7,", 1)]), world.first.key_id)
    assert "All 6 entries that were sealed are there" in found


def test_two_rows_that_were_exchanged_are_found(world: World) -> None:
    def exchanged(rows: list[bytes]) -> list[bytes]:
        return [b"1" + rows[1][1:], b"2" + rows[0][1:], *rows[2:]]

    assert "The entries are those that were sealed, each with its dates" in broken(with_entries(world, exchanged))


def test_a_swapped_date_is_found(world: World) -> None:
    def swapped(rows: list[bytes]) -> list[bytes]:
        return [rows[0].replace(b"2017-08-01T05", b"2017-07-01T05"), *rows[1:]]

    assert broken(with_entries(world, swapped), world.first.key_id) == [
        "The entries are those that were sealed, each with its dates"
    ]


def test_who_was_only_possible_cannot_be_made_certain(world: World) -> None:
    def surely(rows: list[bytes]) -> list[bytes]:
        return [*rows[:-1], rows[-1].replace(b",yes,", b",possible,")]

    assert "The entries are those that were sealed, each with its dates" in broken(with_entries(world, surely))


def test_another_licensed_quantity_is_found(world: World) -> None:
    statement = read(Statement, world.late[STATEMENT])
    richer = replace(statement, figures=replace(statement.figures, unit_price_minor=1))
    files = resigned(world.late | {STATEMENT: written(richer)}, world.second)
    assert broken(files, world.first.key_id) == ["The figures are those that were sealed with the entries"]


def test_an_overage_that_does_not_follow_is_found(world: World) -> None:
    statement = read(Statement, world.late[STATEMENT])
    more = replace(statement, figures=replace(statement.figures, licensed=3, overage_least=9, overage_most=9))
    assert "The overage is the count above what is licensed" in broken(world.late | {STATEMENT: written(more)})


def test_another_closing_count_does_not_add_up(world: World) -> None:
    statement = read(Statement, world.late[STATEMENT])
    other = replace(statement, closing_least=statement.closing_least + 1)
    found = broken(resigned(world.late | {STATEMENT: written(other)}, world.second), world.first.key_id)
    assert [one for one in found if one.startswith("The bridge adds up")] == found
    assert found


def test_the_statement_of_another_pack_is_found(world: World) -> None:
    files = resigned(world.late | {STATEMENT: world.early[STATEMENT]}, world.second)
    assert "The statement is that of this pack" in broken(files)


# --- names ---


def test_another_name_is_found(world: World) -> None:
    assert broken(world.late | {PEOPLE: world.late[PEOPLE].replace(b"Learner 0", b"Learner 9")}) == [
        "The names and addresses are those that were known when the pack was built"
    ]


def test_a_person_who_was_added_or_dropped_is_found(world: World) -> None:
    lines = world.late[PEOPLE].splitlines(keepends=True)
    for other in ([*lines, lines[-1]], lines[:-1]):
        assert "Everybody who is counted or named has a row in people.csv" in broken(
            world.late | {PEOPLE: b"".join(other)}
        )


def test_an_erased_person_is_said_and_breaks_nothing(world: World) -> None:
    header, first, *others = world.late[PEOPLE].splitlines(keepends=True)
    erased = first.split(b",")[0] + b",[erased],,,,\r\n"
    reasons = b"subject,recorded_at,reason,salt\r\n"
    for line in world.late[REASONS].splitlines(keepends=True)[1:]:
        subject, recorded_at, *_ = line.split(b",")
        reasons += b",".join((subject, recorded_at, b"[erased]", b"\r\n"))
    found = verify(world.late | {PEOPLE: b"".join((header, erased, *others)), REASONS: reasons})
    assert all(one.holds for one in found)
    assert "the personal data of 1 person was erased" in [one.about for one in found]


def test_another_reason_is_found(world: World) -> None:
    assert b"mistyped" in world.late[REASONS]
    assert broken(world.late | {REASONS: world.late[REASONS].replace(b"mistyped", b"invented")}) == [
        "The reasons are those that were given"
    ]


# --- the chain ---


def test_a_dropped_checkpoint_is_found(world: World) -> None:
    first, *others = read(Chain, world.late[CHECKPOINTS]).checkpoints
    chain = Chain(checkpoints=tuple(others))
    found = broken(resigned(_kept(world.late, chain), world.second), world.first.key_id)
    assert "Each checkpoint names the digest of the one before it" in found
    assert first.statement.number == 1


def _kept(files: Files, chain: Chain) -> Files:
    """With the chain, and a snapshot that it still names."""
    still = chain.checkpoints[-1].statement.snapshots[0].snapshot
    manifest = replace(read(Manifest, files[MANIFEST]), snapshot=still)
    return files | {CHECKPOINTS: written(chain), MANIFEST: written(manifest)}


def test_a_checkpoint_dropped_at_the_end_is_found(world: World) -> None:
    chain = Chain(checkpoints=read(Chain, world.late[CHECKPOINTS]).checkpoints[:-1])
    assert "The newest checkpoint is the one that the manifest names" in broken(
        world.late | {CHECKPOINTS: written(chain)}, world.first.key_id
    )


def test_a_rewritten_checkpoint_breaks_its_signature_and_the_link_after_it(world: World) -> None:
    first, *others = read(Chain, world.late[CHECKPOINTS]).checkpoints
    rewritten = replace(first, statement=replace(first.statement, recorded_at="2001-01-01T00:00:00Z"))
    chain = Chain(checkpoints=(rewritten, *others))
    found = broken(resigned(world.late | {CHECKPOINTS: written(chain)}, world.second), world.first.key_id)
    assert "Each checkpoint is signed by the key that it names" in found
    assert "Each checkpoint names the digest of the one before it" in found


def forged_root(world: World, key: KeySigner) -> Files:
    """The root of the past is another one, and all checkpoints after it are made anew with some key."""
    first, *others = read(Chain, world.late[CHECKPOINTS]).checkpoints
    sealed = replace(first.statement.snapshots[0], root="0" * 64)
    past = replace(first, statement=replace(first.statement, snapshots=(sealed,)))
    return with_chain(world.late, rechained([past, *others], key), key)


def test_a_past_rewritten_with_a_foreign_key_is_not_trusted(world: World) -> None:
    found = broken(forged_root(world, signer()), world.first.key_id)
    assert "The newest checkpoint is signed by a key that you trust, or that such a key endorsed" in found
    assert "The manifest is signed by a key that you trust, or that such a key endorsed" in found


def test_a_whole_pack_signed_anew_with_a_foreign_key_is_not_trusted(world: World) -> None:
    """It is right in itself: only who signed it tells, so the key has to come another way."""
    foreign = signer()
    chain = rechained(read(Chain, world.late[CHECKPOINTS]).checkpoints, foreign)
    forged = with_chain(world.late, chain, foreign)
    assert broken(forged) == []
    assert len(broken(forged, world.first.key_id)) == 2


def test_a_foreign_key_cannot_borrow_the_name_of_a_trusted_one(world: World) -> None:
    foreign = signer()
    record = replace(world.first.lineage[0], public_key=foreign.public_key)
    liar = KeySigner(foreign.private, (record,))
    chain = rechained(read(Chain, world.late[CHECKPOINTS]).checkpoints, liar)
    found = broken(with_chain(world.late, chain, liar), world.first.key_id)
    assert "Each key has the fingerprint that it is called by" in found
    assert "The newest checkpoint is signed by a key that you trust, or that such a key endorsed" in found


def test_a_past_that_was_rewritten_with_the_very_key_is_noticed_by_who_kept_a_pack(world: World) -> None:
    """Nothing within a pack can tell if whoever has the key makes the whole past anew; an older pack does."""
    chain = rechained(read(Chain, world.late[CHECKPOINTS]).checkpoints[1:], world.second)
    rewritten = with_chain(_kept(world.late, chain), chain, world.second)
    assert verify_older(world.late, world.early).holds
    assert not verify_older(rewritten, world.early).holds
    assert not verify_older(world.early, world.late).holds


# --- one entry alone ---


def disclosed(world: World, subject: str = "3") -> Disclosure:
    return disclosure_from(world.late, subject)


def not_holding(found: Sequence[Finding]) -> list[str]:
    return [one.what for one in found if not one.holds]


@pytest.mark.parametrize("number", range(1, 7))
def test_one_entry_can_be_proved_while_the_others_stay_hidden(world: World, number: int) -> None:
    proof = written(disclosed(world, str(number)))
    assert not_holding(verify_disclosure(proof, [world.first.key_id])) == []
    rows = [line.split(b",") for line in world.late[ENTRIES].splitlines()[1:]]
    for n, row in enumerate(rows, start=1):
        assert (row[1] in proof) == (row[-1] in proof) == (n == number)


def test_a_proof_that_was_changed_does_not_hold(world: World) -> None:
    proof = disclosed(world)
    first = "The entry is number 3 of the 6 that were sealed, with these dates"
    for changed in (
        replace(proof, entry=replace(proof.entry, from_earliest="2017-07-01T05:00:00Z")),
        replace(proof, entry=replace(proof.entry, subject=disclosed(world, "4").entry.subject)),
        replace(proof, salt="0" * 64),
        replace(proof, path=proof.path[1:]),
        replace(proof, path=(*proof.path, "0" * 64)),
    ):
        assert first in not_holding(verify_disclosure(written(changed), [world.first.key_id]))
    other_size = verify_disclosure(written(replace(proof, size=7)), [world.first.key_id])
    assert not_holding(other_size)


@pytest.mark.parametrize("text", [b"", b"{}", b"[" * 9_999, b"\xff", b'{"form":"countersign entry proof 1"}'])
def test_a_proof_that_cannot_be_read_is_said(text: bytes) -> None:
    assert not_holding(verify_disclosure(text)) == ["The proof can be read"]


# --- the command ---


def said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), env={"COUNTERSIGN_DATABASE_URL": "postgresql://nobody@nowhere/x"})
    return result.exit_code, result.output


def test_the_command_verifies_with_the_file_and_the_key_alone(world: World, tmp_path: Path) -> None:
    pack, key = tmp_path / "pack.zip", tmp_path / "keys.txt"
    pack.write_bytes(zipped(world.late))
    key.write_text(key_file([*world.first.lineage]))
    code, text = said("verify", str(pack), "--key", str(key))
    assert code == 0
    assert "✗" not in text
    assert "✓ The bridge adds up: 6 + 1 joined − 2 left = 5" in text
    assert said("verify", str(pack), "--key", world.first.key_id)[0] == 0


def test_without_a_key_the_command_says_which_fingerprint_to_compare(world: World, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    pack.write_bytes(zipped(world.late))
    code, text = said("verify", str(pack))
    assert code == 0
    assert "It was checked against the keys within" in text
    assert world.first.key_id in text


def test_the_command_ends_with_one_if_anything_does_not_hold(world: World, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    pack.write_bytes(zipped(world.late | {PEOPLE: world.late[PEOPLE].replace(b"Learner 0", b"Learner 9")}))
    code, text = said("verify", str(pack))
    assert code == 1
    assert "✗ The names and addresses are those that were known when the pack was built — not of " in text


@pytest.mark.parametrize("content", [b"", b"no zip", b"{", b"PK\3\4"])
def test_the_command_says_what_is_no_pack(content: bytes, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    pack.write_bytes(content)
    code, text = said("verify", str(pack))
    assert code == 1
    assert "✗" in text
    assert "Traceback" not in text


def test_the_command_compares_with_an_older_pack(world: World, tmp_path: Path) -> None:
    newer, older = tmp_path / "newer.zip", tmp_path / "older.zip"
    newer.write_bytes(zipped(world.late))
    older.write_bytes(zipped(world.early))
    assert said("verify", str(newer), "--older", str(older))[0] == 0
    code, text = said("verify", str(older), "--older", str(newer))
    assert code == 1
    assert "✗ The chain of checkpoints continues the one of the older pack" in text


def test_an_entry_is_disclosed_and_verified_on_the_command_line(world: World, tmp_path: Path) -> None:
    pack, proof = tmp_path / "pack.zip", tmp_path / "proof.json"
    pack.write_bytes(zipped(world.late))
    code, text = said("disclose", str(pack), "2")
    proof.write_text(text)
    assert code == 0
    code, text = said("verify", str(proof), "--key", world.second.key_id)
    assert code == 0
    assert "✓ The entry is number 2 of the 6 that were sealed, with these dates" in text
