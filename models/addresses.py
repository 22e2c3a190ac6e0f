"""E-mail addresses: what is taken for one. Whether somebody reads there is found out by sending."""

from __future__ import annotations

import re

LONGEST = 254
LONGEST_LOCAL = 64
# The atoms of RFC 5322, and nothing quoted: what else it allows, hardly any server takes.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LOCAL = re.compile(rf"{ATOM}(?:\.{ATOM})*")
LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def address_of(typed: str) -> str | None:
    """The address that somebody typed, its domain in lower case and in ASCII; None if it is none."""
    local, at, domain = typed.strip().rpartition("@")
    spelled = _ascii(domain)
    if not at or spelled is None or len(local) > LONGEST_LOCAL or not LOCAL.fullmatch(local):
        return None
    address = f"{local}@{spelled}"
    return address if len(address) <= LONGEST else None


def address_key(address: str) -> str:
    """By which two spellings of one mailbox are the same: hardly any server tells them apart by case."""
    return address.casefold()


def _ascii(domain: str) -> str | None:
    try:
        spelled = domain.encode("idna").decode().lower()
    except UnicodeError:
        return None
    labels = spelled.split(".")
    known = len(labels) > 1 and all(LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    return spelled if known else None
