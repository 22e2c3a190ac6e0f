"""Telling of one entry, and proving it, without telling of any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.proofs.canonical import Malformed, read
from models.proofs.entries import leaf_of
from models.proofs.merkle import inclusion_path
from models.proofs.packing import CHECKPOINTS, ENTRIES, KEYS, STATEMENT, SaltedEntry, Statement, read_entries
from models.proofs.statements import DISCLOSURE_FORM, Chain, Disclosure, Figures, KeyRing


def disclosure(
    told: SaltedEntry, index: int, leaves: Sequence[bytes], figures: Figures, chain: Chain, keys: KeyRing
) -> Disclosure:
    return Disclosure(
        form=DISCLOSURE_FORM,
        entry=told.entry,
        salt=told.salt.hex(),
        index=index,
        size=len(leaves),
        path=tuple(one.hex() for one in inclusion_path(leaves, index)),
        figures=figures,
        checkpoints=chain.checkpoints,
        keys=keys.keys,
    )


def disclosure_from(files: Mapping[str, bytes], subject: str) -> Disclosure:
    """The entry of a pack with this subject or number; Malformed if there is none."""
    if missing := next((name for name in (STATEMENT, ENTRIES, CHECKPOINTS, KEYS) if name not in files), None):
        raise Malformed(f"it has no {missing}")
    statement = read(Statement, files[STATEMENT])
    entries = read_entries(statement.snapshot, files[ENTRIES])
    index = next((n for n, one in enumerate(entries) if subject in {one.entry.subject, str(n + 1)}), None)
    if index is None:
        raise Malformed(f"no row of {ENTRIES} has the subject or number {subject}")
    leaves = [leaf_of(one.entry, one.salt) for one in entries]
    chain, keys = read(Chain, files[CHECKPOINTS]), read(KeyRing, files[KEYS])
    return disclosure(entries[index], index, leaves, statement.figures, chain, keys)
