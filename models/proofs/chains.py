"""The chain of checkpoints: that each is signed, names the one before it, and follows from a trusted key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from models.proofs.canonical import digest_of, written
from models.proofs.findings import Finding, holds, listed
from models.proofs.keys import is_signed, is_whole, trusted_from
from models.proofs.statements import CHECKPOINT_FORM, PublicKey, Sealed, SignedCheckpoint


def digest(checkpoint: SignedCheckpoint) -> str:
    return digest_of(written(checkpoint.statement))


def chain_findings(checkpoints: Sequence[SignedCheckpoint], organization: str) -> list[Finding]:
    """Whether it is one unbroken chain from the first checkpoint, of one organization, nothing sealed twice."""
    statements = [one.statement for one in checkpoints]
    numbers = [one.number for one in statements]
    foreign = [n.number for n in statements if n.organization != organization or n.form != CHECKPOINT_FORM]
    sealed = [one.snapshot for statement in statements for one in statement.snapshots]
    return [
        holds(
            numbers == list(range(1, len(numbers) + 1)) and bool(numbers),
            f"The checkpoints are numbered 1 to {len(numbers)} without a gap",
            f"their numbers are {listed(numbers)}: one is missing, doubled or out of place",
        ),
        holds(
            not (broken := _broken_links(checkpoints)),
            "Each checkpoint names the digest of the one before it",
            f"it is otherwise at {listed(broken)}: the past was rewritten, or a checkpoint was dropped",
        ),
        holds(
            not foreign and len(sealed) == len(set(sealed)),
            "All checkpoints are of this organization, and seal each snapshot once",
            f"{listed(foreign) or 'a snapshot that is sealed twice'} does not belong there",
        ),
    ]


def _broken_links(checkpoints: Sequence[SignedCheckpoint]) -> list[int]:
    links = [
        after.statement.number
        for before, after in pairwise(checkpoints)
        if after.statement.previous_digest != digest(before)
    ]
    has_past = bool(checkpoints) and checkpoints[0].statement.previous_digest is not None
    return [checkpoints[0].statement.number, *links] if has_past else links


def signature_findings(
    checkpoints: Sequence[SignedCheckpoint], keys: Sequence[PublicKey], trusted: Mapping[str, PublicKey]
) -> list[Finding]:
    """Every signature must be of the key that it names. The last one's key must be trusted, or endorsed by one that
    is: what came before it is covered by the chain."""
    known = {key.key_id: key for key in keys if is_whole(key)}
    unsigned = [one.statement.number for one in checkpoints if not _is_signed(one, known)]
    last = checkpoints[-1] if checkpoints else None
    return [
        holds(
            len(known) == len(keys) and bool(keys),
            "Each key has the fingerprint that it is called by",
            "a key was exchanged for another one",
        ),
        holds(
            not unsigned,
            "Each checkpoint is signed by the key that it names",
            f"the signature does not fit at {listed(unsigned)}",
        ),
        holds(
            last is not None and last.key_id in trusted,
            "The newest checkpoint is signed by a key that you trust, or that such a key endorsed",
            "it is signed by a key that no trusted key endorsed: somebody else may have made it",
        ),
    ]


def _is_signed(checkpoint: SignedCheckpoint, known: Mapping[str, PublicKey]) -> bool:
    key = known.get(checkpoint.key_id)
    return key is not None and is_signed(key.public_key, written(checkpoint.statement), checkpoint.signature)


def trusted_keys(trusted: Sequence[PublicKey | str], keys: Sequence[PublicKey]) -> dict[str, PublicKey]:
    """By their ids the keys that are given as trusted (whole, or by their fingerprints), and those they endorsed."""
    given = [key for key in trusted if not isinstance(key, str)]
    ids = [key if isinstance(key, str) else key.key_id for key in trusted]
    return trusted_from(ids, [*keys, *given])


def sealed_in(checkpoints: Sequence[SignedCheckpoint], snapshot: str) -> Sealed | None:
    return next((one for each in checkpoints for one in each.statement.snapshots if one.snapshot == snapshot), None)


def continues(checkpoints: Sequence[SignedCheckpoint], older: Sequence[SignedCheckpoint]) -> bool:
    """Whether a chain begins with all that an older copy of it says."""
    return [digest(one) for one in checkpoints[: len(older)]] == [digest(one) for one in older]
