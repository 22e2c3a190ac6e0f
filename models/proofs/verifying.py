"""Whether an evidence pack holds: everything in it, from the names of people to the key that signed.

Needs nothing but the files and the keys that the reader trusts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from models.proofs.canonical import Malformed, digest_of, read, written
from models.proofs.chains import chain_findings, digest, sealed_in, signature_findings, trusted_keys
from models.proofs.entries import leaf_of
from models.proofs.findings import Finding, holds, listed
from models.proofs.keys import is_signed
from models.proofs.merkle import GrowingTree, root_by_path
from models.proofs.packing import (
    ALL_FILES,
    BRIDGE,
    BRIDGE_COLUMNS,
    CHECKPOINTS,
    CORRECTION_COLUMNS,
    CORRECTIONS,
    DIGEST_COLUMNS,
    DIGESTS,
    ENTRIES,
    ERASED,
    KEYS,
    MANIFEST,
    PEOPLE,
    PEOPLE_COLUMNS,
    REASON_COLUMNS,
    REASONS,
    SEALED_FILES,
    SIGNATURE,
    STATEMENT,
    SaltedEntry,
    Statement,
    person_digest,
    read_entries,
    reason_digest,
    salt_in,
)
from models.proofs.statements import (
    DISCLOSURE_FORM,
    MANIFEST_FORM,
    Chain,
    Disclosure,
    Figures,
    KeyRing,
    Manifest,
    ManifestSignature,
    PublicKey,
    Sealed,
)
from models.proofs.tables import bared, read_table

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
D = TypeVar("D", bound="DataclassInstance")
Trusted = Sequence[PublicKey | str]
"""Keys, whole or by their fingerprints."""


@dataclass(frozen=True, slots=True)
class _Pack:
    """What could be read of all the files."""

    files: Mapping[str, bytes]
    manifest: Manifest
    signature: ManifestSignature
    statement: Statement
    chain: Chain
    keys: KeyRing
    entries: Sequence[SaltedEntry]
    bridge: Sequence[Sequence[str]]
    corrections: Sequence[Sequence[str]]
    digests: Sequence[Sequence[str]]
    people: Sequence[Sequence[str]]
    reasons: Sequence[Sequence[str]]


def verify(files: Mapping[str, bytes], trusted: Trusted | None = None) -> list[Finding]:
    """All that holds and does not hold of a pack. Without trusted keys the pack's own are taken on trust."""
    missing, strange = set(ALL_FILES) - files.keys(), files.keys() - set(ALL_FILES)
    whole = holds(
        not missing and not strange,
        "All files of a pack are there, and no others",
        f"{listed(sorted(missing) or sorted(strange))} {'is missing' if missing else 'does not belong there'}",
    )
    if missing:
        return [whole]
    try:
        pack = _read_pack(files)
    except Malformed as problem:
        return [whole, *_what_can_be_said(files), Finding(False, "Every file can be read", str(problem))]
    keys = trusted_keys(trusted if trusted is not None else [key.key_id for key in pack.keys.keys], pack.keys.keys)
    return [
        whole,
        *_manifest_findings(pack, keys),
        *_file_findings(files, pack.manifest),
        *_entry_findings(pack),
        *_figure_findings(pack),
        *chain_findings(pack.chain.checkpoints, pack.manifest.organization),
        *signature_findings(pack.chain.checkpoints, pack.keys.keys, keys),
        *_people_findings(pack),
        *_bridge_findings(pack),
    ]


def verify_older(files: Mapping[str, bytes], older: Mapping[str, bytes]) -> Finding:
    """Whether a pack's past is the one that an older pack, kept by the reader, already told."""
    what = "The chain of checkpoints continues the one of the older pack"
    try:
        ours, theirs = (_read(read, Chain, CHECKPOINTS, given).checkpoints for given in (files, older))
    except Malformed as problem:
        return Finding(False, what, str(problem))
    same = [digest(one) for one in ours[: len(theirs)]] == [digest(one) for one in theirs]
    return holds(same, what, "it tells another past: what was sealed then has been rewritten since")


# ----------------------------------------------------------------------------------------------------- reading


def _read_pack(files: Mapping[str, bytes]) -> _Pack:
    manifest = _read(read, Manifest, MANIFEST, files)
    return _Pack(
        files=files,
        manifest=manifest,
        signature=_read(read, ManifestSignature, SIGNATURE, files),
        statement=_read(read, Statement, STATEMENT, files),
        chain=_read(read, Chain, CHECKPOINTS, files),
        keys=_read(read, KeyRing, KEYS, files),
        entries=_read(read_entries, manifest.snapshot, ENTRIES, files),
        bridge=_read(read_table, BRIDGE_COLUMNS, BRIDGE, files),
        corrections=_read(read_table, CORRECTION_COLUMNS, CORRECTIONS, files),
        digests=_read(read_table, DIGEST_COLUMNS, DIGESTS, files),
        people=_read(read_table, PEOPLE_COLUMNS, PEOPLE, files),
        reasons=_read(read_table, REASON_COLUMNS, REASONS, files),
    )


S = TypeVar("S")


def _read(reader: Callable[[S, bytes], T], how: S, name: str, files: Mapping[str, bytes]) -> T:
    try:
        return reader(how, files.get(name, b""))
    except Malformed as problem:
        raise Malformed(f"{name}: {problem}") from problem


def _what_can_be_said(files: Mapping[str, bytes]) -> list[Finding]:
    """Of a pack of which some file cannot be read: which of them were changed."""
    try:
        return _file_findings(files, _read(read, Manifest, MANIFEST, files))
    except Malformed:
        return []


# --------------------------------------------------------------------------------------------------- the parts


def _manifest_findings(pack: _Pack, trusted: Mapping[str, PublicKey]) -> list[Finding]:
    key = next((key for key in pack.keys.keys if key.key_id == pack.signature.key_id), None)
    text = pack.files[MANIFEST]
    return [
        holds(
            key is not None
            and pack.manifest.form == MANIFEST_FORM
            and is_signed(key.public_key, text, pack.signature.signature),
            "The manifest is signed by the key that it names",
            "the signature does not fit: the manifest was changed, or signed with another key",
        ),
        holds(
            pack.signature.key_id in trusted,
            "The manifest is signed by a key that you trust, or that such a key endorsed",
            "it is signed by a key that no trusted key endorsed: somebody else may have made it",
        ),
    ]


def _file_findings(files: Mapping[str, bytes], manifest: Manifest) -> list[Finding]:
    unnamed = set(SEALED_FILES) ^ set(manifest.files)
    whole = holds(not unnamed, "The manifest names every file", f"not {listed(sorted(unnamed))}")
    each = [
        holds(digest_of(files[name]) == manifest.files[name], f"{name} is as it was signed", "it was changed")
        for name in SEALED_FILES
        if name in files and name in manifest.files
    ]
    return [whole, *each]


def _entry_findings(pack: _Pack) -> list[Finding]:
    sealed = sealed_in(pack.chain.checkpoints, pack.manifest.snapshot)
    if sealed is None:
        return [Finding(False, "The snapshot is sealed in a checkpoint", "no checkpoint of the chain names it")]
    tree = GrowingTree()
    for one in pack.entries:
        tree.add(leaf_of(one.entry, one.salt))
    checkpoints = pack.chain.checkpoints
    named = (pack.manifest.checkpoint_number, pack.manifest.checkpoint_digest)
    return [
        holds(
            tree.size == sealed.size,
            f"All {sealed.size} entries that were sealed are there",
            f"there are {tree.size}",
        ),
        holds(
            tree.root().hex() == sealed.root == pack.manifest.root,
            "The entries are those that were sealed, each with its dates",
            "an entry was changed, added, dropped or put elsewhere",
        ),
        holds(
            bool(checkpoints) and (checkpoints[-1].statement.number, digest(checkpoints[-1])) == named,
            "The newest checkpoint is the one that the manifest names",
            "a checkpoint was changed, added or dropped",
        ),
    ]


def _figure_findings(pack: _Pack) -> list[Finding]:
    figures, sealed = pack.statement.figures, sealed_in(pack.chain.checkpoints, pack.manifest.snapshot)
    certain = sum(one.entry.certain for one in pack.entries)
    names = (pack.manifest.pack, pack.manifest.snapshot, pack.manifest.organization, pack.manifest.built_at)
    stated = (pack.statement.pack, pack.statement.snapshot, figures.organization, pack.statement.built_at)
    return [
        _figures_are_sealed(figures, sealed),
        holds(
            (figures.count_least, figures.count_most) == (certain, len(pack.entries)),
            "The count in the statement is that of the entries",
            f"the statement says {figures.count_least} to {figures.count_most}, "
            f"the entries are {certain} to {len(pack.entries)}",
        ),
        overage_finding(figures),
        holds(names == stated, "The statement is that of this pack", "it is that of another one"),
    ]


def _figures_are_sealed(figures: Figures, sealed: Sealed | None) -> Finding:
    return holds(
        sealed is not None and digest_of(written(figures)) == sealed.figures_digest,
        "The figures are those that were sealed with the entries",
        "the question, a count, the licensed quantity or a price is another one",
    )


def overage_finding(figures: Figures) -> Finding:
    """Overage = count − licensed, and never less than none; without a contract there is none."""
    licensed = figures.licensed
    due = (None, None)
    if licensed is not None:
        due = (max(0, figures.count_least - licensed), max(0, figures.count_most - licensed))  # type: ignore[assignment]
    return holds(
        (figures.overage_least, figures.overage_most) == due,
        "The overage is the count above what is licensed",
        f"it is {figures.overage_least}, and {figures.count_least} are counted where {licensed} are licensed",
    )


def _people_findings(pack: _Pack) -> list[Finding]:
    digests = {row[0]: row[1] for row in pack.digests}
    erased = [row[0] for row in pack.people if _is_erased(row)]
    named = {one.entry.subject for one in pack.entries} | {row[0] for row in (*pack.bridge, *pack.corrections)}
    same = [row[0] for row in pack.people] == [row[0] for row in pack.digests] == list(digests)
    wrong = [row[0] for row in pack.people if not _is_erased(row) and digests.get(row[0]) != _digest_of_person(row)]
    return [
        holds(
            same and named <= digests.keys(),
            "Everybody who is counted or named has a row in people.csv",
            "a row was added, dropped or put elsewhere",
        ),
        Finding(
            not wrong,
            "The names and addresses are those that were known when the pack was built",
            f"not of {listed(wrong)}" if wrong else _about_erased(len(erased)),
        ),
        _reasons_finding(pack, set(erased)),
    ]


def _is_erased(row: Sequence[str]) -> bool:
    return list(row[1:]) == [ERASED, "", "", "", ""]


def _about_erased(count: int) -> str:
    return f"the personal data of {count} {'person was' if count == 1 else 'people was'} erased" if count else ""


def _digest_of_person(row: Sequence[str]) -> str:
    subject, *texts, salt = row
    try:
        return person_digest(salt, subject, *(bared(text) for text in texts))
    except ValueError:
        return ""


def _reasons_finding(pack: _Pack, erased: set[str]) -> Finding:
    """Each reason that somebody gave stands in reasons.csv, unless it was erased."""
    told = {(row[0], row[1]): row for row in pack.reasons}
    rows = [*((r[0], r[7], r[9]) for r in pack.bridge), *((r[0], r[2], r[4]) for r in pack.corrections)]
    promised = {(subject, recorded_at): known for subject, recorded_at, known in rows if known}
    wrong = [key[0] for key, known in promised.items() if not _is_told(told.get(key), known)]
    strange = [key[0] for key in told if key not in promised] or (len(told) < len(pack.reasons))
    return holds(
        not wrong and not strange,
        "The reasons are those that were given",
        f"not of {listed(wrong)}" if wrong else "one was added",
    )


def _is_told(row: Sequence[str] | None, known: str) -> bool:
    if row is None:
        return False
    subject, recorded_at, reason, salt = row
    if (reason, salt) == (ERASED, ""):
        return True
    try:
        return reason_digest(salt, subject, recorded_at, bared(reason)) == known
    except ValueError:
        return False


def _bridge_findings(pack: _Pack) -> list[Finding]:
    """opening + joined − left = closing, and each of them is a set of people."""
    opening = {one.entry.subject for one in pack.entries if one.entry.certain}
    joined, left = ([row[0] for row in pack.bridge if row[1] == movement] for movement in ("JOINED", "LEFT"))
    closing, stated = len(opening) + len(joined) - len(left), pack.statement.closing_least
    sets = len({*joined, *left}) == len(joined) + len(left) and set(left) <= opening and not opening & set(joined)
    return [
        holds(
            closing == stated,
            f"The bridge adds up: {len(opening)} + {len(joined)} joined − {len(left)} left = {closing}",
            f"the statement says {stated}",
        ),
        holds(
            sets,
            "Who left was counted before, and who joined was not",
            "somebody stands on the bridge who cannot",
        ),
    ]


# ---------------------------------------------------------------------------------------------- one entry alone


def verify_disclosure(text: bytes, trusted: Trusted | None = None) -> list[Finding]:
    """The proof of one entry: that it is among those of a sealed snapshot."""
    try:
        proof = read(Disclosure, text)
        leaf, path = leaf_of(proof.entry, salt_in(proof.salt)), [bytes.fromhex(one) for one in proof.path]
    except ValueError as problem:
        return [Finding(False, "The proof can be read", str(problem))]
    keys = trusted_keys(trusted if trusted is not None else [key.key_id for key in proof.keys], proof.keys)
    sealed = sealed_in(proof.checkpoints, proof.entry.snapshot)
    root = root_by_path(leaf, proof.index, proof.size, path)
    return [
        holds(proof.form == DISCLOSURE_FORM, "It is the proof of one entry", "it is something else"),
        holds(
            sealed is not None and root is not None and root.hex() == sealed.root and proof.size == sealed.size,
            f"The entry is number {proof.index + 1} of the {proof.size} that were sealed, with these dates",
            "it is not among those that were sealed: it or the proof was changed",
        ),
        _figures_are_sealed(proof.figures, sealed),
        overage_finding(proof.figures),
        *chain_findings(proof.checkpoints, proof.figures.organization),
        *signature_findings(proof.checkpoints, proof.keys, keys),
    ]
