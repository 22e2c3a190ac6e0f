"""What a verification found, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must hold. `about` says what was found, above all where it does not hold."""

    holds: bool
    what: str
    about: str = ""

    def __str__(self) -> str:
        return f"{'✓' if self.holds else '✗'} {self.what}{f' — {self.about}' if self.about else ''}"


def holds(condition: bool, what: str, otherwise: str) -> Finding:
    return Finding(condition, what, "" if condition else otherwise)


def listed(things: Sequence[object]) -> str:
    """The first few of them."""
    named = ", ".join(map(str, things[:MOST_NAMED]))
    return f"{named} and {len(things) - MOST_NAMED} more" if len(things) > MOST_NAMED else named
