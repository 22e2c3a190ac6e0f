"""`verify` and `disclose`: proofs checked and cut out without any database; `keys`: what signs them."""

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.proofs.bundles import unzipped
from models.proofs.canonical import Malformed, read, written
from models.proofs.disclosing import disclosure_from
from models.proofs.findings import Finding
from models.proofs.packing import KEYS
from models.proofs.statements import Disclosure, KeyRing, PublicKey
from models.proofs.verifying import verify as verify_files
from models.proofs.verifying import verify_disclosure, verify_older
from server.code_keys import make_code_key
from server.settings import Settings
from server.signing import make_key, passphrase_of, public_keys

console = Console(highlight=False, markup=False)
keys = typer.Typer(
    help="Make, list and show the keys that sign evidence; make those of voucher codes.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
FINGERPRINT = re.compile(r"[0-9a-f]{64}")
# A bundle of a million people is smaller.
LARGEST_FILE_BYTES = 2 << 30
PackFile = Annotated[Path, typer.Argument(help="The pack's zip, as it was downloaded.", dir_okay=False)]


class EvidenceFileError(Exception):
    """A file that a person gave and that cannot be used; the message says which, and why."""


# --------------------------------------------------------------------------------------------------- verifying


def verify(
    pack: Annotated[Path, typer.Argument(help="The pack's zip, or the proof of one entry (.json).", dir_okay=False)],
    key: Annotated[
        str | None,
        typer.Option(help="The public key that you trust: the file that you were given, or its fingerprint."),
    ] = None,
    older: Annotated[
        Path | None, typer.Option(help="A pack of the same client that you kept: is the past still the same?")
    ] = None,
) -> None:
    """Check an evidence pack, or the proof of one entry: offline, with nothing but the file and the public key.

    Says of each thing whether it holds, and ends with 1 if any does not.

    Example: python3 -m server verify pack.zip --key countersign-keys.txt
    """
    content, trusted = _content_of(pack), trusted_by(key) if key else None
    found = _findings(pack, content, trusted)
    if older:
        found.append(verify_older(_files_of(pack, content), _files_of(older, _content_of(older))))
    for one in found:
        console.print(str(one), soft_wrap=True)
    if trusted is None:
        _say_whom_to_trust(content)
    broken = sum(not one.holds for one in found)
    console.print(f"\n{broken} of {len(found)} do not hold." if broken else f"\nAll {len(found)} hold.")
    sys.exit(1 if broken else 0)


def _findings(file: Path, content: bytes, trusted: list[PublicKey | str] | None) -> list[Finding]:
    if _is_proof(content):
        return verify_disclosure(content, trusted)
    try:
        return verify_files(unzipped(content), trusted)
    except Malformed as problem:
        return [Finding(False, f"{file.name} is an evidence pack", str(problem))]


def _is_proof(content: bytes) -> bool:
    return content[:1] == b"{"


def trusted_by(given: str) -> list[PublicKey | str]:
    """The keys of a file of public keys, or the one of a fingerprint."""
    if FINGERPRINT.fullmatch(given.lower()):
        return [given.lower()]
    file = Path(given)
    if not file.is_file():
        raise EvidenceFileError(f"{given} is neither a file nor a fingerprint of 64 hexadecimal digits")
    found = read_key_file(_content_of(file))
    if not found:
        raise EvidenceFileError(
            f"there is no public key in {given}; `python3 -m server keys public` writes such a file"
        )
    return [*found]


def _say_whom_to_trust(content: bytes) -> None:
    """Whoever forges a pack can sign it with a key of their own, so that the key has to come another way."""
    try:
        ring = read(Disclosure, content).keys if _is_proof(content) else read(KeyRing, unzipped(content)[KEYS]).keys
    except (Malformed, KeyError):
        return
    console.print(
        "\nIt was checked against the keys within. Compare their fingerprints with those that you were given:",
        soft_wrap=True,
    )
    for one in ring:
        console.print(f"  {one.key_id}", soft_wrap=True)


def disclose(
    pack: PackFile,
    subject: Annotated[str, typer.Argument(help="Whose entry: the subject, or the number, of a row of entries.csv.")],
) -> None:
    """Print the proof that one person was counted, with nothing about the others: `verify` checks it.

    Example: python3 -m server disclose pack.zip 17 > proof.json
    """
    content = _content_of(pack)
    try:
        proof = disclosure_from(_files_of(pack, content), subject)
    except Malformed as problem:
        raise EvidenceFileError(f"{pack}: {problem}") from problem
    sys.stdout.write(written(proof).decode())


def _content_of(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise EvidenceFileError(f"{file} is far larger than a pack ever is")
        return file.read_bytes()
    except OSError as problem:
        raise EvidenceFileError(f"{file} cannot be read: {problem.strerror}") from problem


def _files_of(file: Path, content: bytes) -> dict[str, bytes]:
    try:
        return unzipped(content)
    except Malformed as problem:
        raise EvidenceFileError(f"{file} is no evidence pack: {problem}") from problem


# -------------------------------------------------------------------------------------------------------- keys


@keys.command("new")
def keys_new() -> None:
    """Make a signing key. Where there is one already the new one takes its place, endorsed by it.

    The private key stays in the folder of COUNTERSIGN_SIGNING_KEYS, encrypted if COUNTERSIGN_SIGNING_PASSPHRASE is set.
    A server that runs takes the new key when it starts again.

    Example: python3 -m server keys new
    """
    settings = Settings.read()
    made = make_key(settings.signing_keys, passphrase_of(settings), dt.datetime.now(dt.UTC)).lineage[-1]
    console.print(f"{made.key_id} signs from now on.", soft_wrap=True)
    if made.endorsed_by:
        console.print(f"It is endorsed by {made.endorsed_by}: whoever trusts that one can trust it.", soft_wrap=True)
    else:
        console.print("Give clients its public half: python3 -m server keys public --out keys.txt", soft_wrap=True)


@keys.command("list")
def keys_list() -> None:
    """List the keys: the fingerprint of each, since when it is there, and which one signs now.

    Example: python3 -m server keys list
    """
    records = public_keys(Settings.read().signing_keys)
    if not records:
        sys.exit("countersign: there is no signing key. Make one: python3 -m server keys new")
    for key in records:
        endorsed = f", endorsed by {key.endorsed_by[:16]}…" if key.endorsed_by else ""
        now = ", signs now" if key is records[-1] else ""
        console.print(f"{key.key_id}  since {key.created_at[:10]}{endorsed}{now}", soft_wrap=True)


@keys.command("public")
def keys_public(
    out: Annotated[Path | None, typer.Option(help="Write them to this file instead.", dir_okay=False)] = None,
) -> None:
    """Show the public keys, as a small text for clients: all that they need to check a pack.

    Example: python3 -m server keys public --out countersign-keys.txt
    """
    text = key_file(public_keys(Settings.read().signing_keys))
    if out:
        out.write_text(text)
    else:
        sys.stdout.write(text)


@keys.command("codes")
def keys_codes() -> None:
    """Make a key for voucher codes. New codes take it; older keys stay, so that older codes are still found.

    It stays in the folder of COUNTERSIGN_CODE_KEYS. Keep a copy in a safe place: without it codes are found no more.
    A server that runs takes the new key when it starts again.

    Example: python3 -m server keys codes
    """
    made = make_code_key(Settings.read().code_keys, dt.datetime.now(dt.UTC))
    console.print(f"New voucher codes take the key {made} from now on.", soft_wrap=True)


ABOUT_KEYS = """# Public keys of Countersign. To check a pack: python3 -m server verify PACK.zip --key THIS_FILE
# A line each: since when, fingerprint (SHA-256 of the key), and the Ed25519 key itself.
"""


def key_file(records: list[PublicKey]) -> str:
    return ABOUT_KEYS + "".join(f"{key.created_at} {key.key_id} {key.public_key}\n" for key in records)


def read_key_file(content: bytes) -> list[PublicKey]:
    """The keys that a client holds; they vouch for themselves."""
    lines = (line.split() for line in content.decode(errors="replace").splitlines() if not line.startswith("#"))
    return [
        PublicKey(key_id=parts[1], public_key=parts[2], created_at=parts[0], endorsed_by=None, endorsement=None)
        for parts in lines
        if len(parts) == 3
    ]
